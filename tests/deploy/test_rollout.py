from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.deploy.rollout import before_production, promote, roles, rollback
from rondo.errors import NotFound, Refused
from rondo.records.deployment import Deployment, Rehearsal
from rondo.records.team import Decision
from rondo.store.ledger import Entry
from rondo.team.decisions import sign

NOW = datetime(2013, 7, 1, tzinfo=UTC)


@pytest.fixture
def put(place, now):
    clock = iter(range(1, 1000))

    def to(version, role="production", share=None):
        moment = now + timedelta(minutes=next(clock))
        return promote(
            place.store, place.project, "late", version, role, share, because="it is better", by="kim", now=moment
        )

    return to


@pytest.fixture
def back(place, now):
    return lambda: rollback(place.store, place.project, "late", because="worse", by="lee", now=now + timedelta(days=1))


def at_work(place):
    return {role: (e.record.version, e.record.share) for role, e in roles(place.store.ledger, "late").items()}


def test_a_promotion_is_recorded_with_who_and_why(place, put):
    made = put(1).record
    assert (made.version, made.role, made.share, made.replaced) == (1, "production", 1.0, None)
    decision = place.store.ledger.latest(Decision, name="late").record
    assert (decision.who, decision.why) == ("kim", "it is better") and "late@1" in decision.what
    assert "no PRD" in made.evidence


def test_roles_side_by_side(place, put):
    for _ in range(2):
        place.add_version()
    put(1), put(2, "canary", 0.1), put(3, "shadow")
    assert at_work(place) == {"production": (1, 1.0), "canary": (2, 0.1), "shadow": (3, 0.0)}
    put(2, "canary", 0.5)
    assert at_work(place)["canary"] == (2, 0.5)
    assert put(2).record.replaced == 1
    assert at_work(place) == {"production": (2, 1.0), "shadow": (3, 0.0)}


@pytest.mark.parametrize(
    ("version", "role", "share", "says"),
    [
        (1, "production", None, "already"),
        (1, "canary", 0.1, "in production"),
        (1, "shadow", None, "in production"),
        (2, "canary", None, "part of the traffic"),
        (2, "canary", 0.0, "part of the traffic"),
        (2, "canary", 1.0, "part of the traffic"),
        (2, "production", 0.5, "takes no share"),
        (2, "shadow", 0.5, "takes no share"),
    ],
)
def test_settings_without_effect_are_refused(place, put, version, role, share, says):
    place.add_version()
    put(1)
    with pytest.raises(Refused, match=says):
        put(version, role, share)
    assert place.store.ledger.count(Deployment) == 1


@pytest.mark.parametrize(("role", "share"), [("canary", 0.1), ("shadow", None)])
def test_beside_nothing_there_is_no_canary_or_shadow(put, role, share):
    with pytest.raises(Refused, match="needs a production"):
        put(1, role, share)


def test_an_unknown_version_names_those_there_are(put):
    with pytest.raises(NotFound, match="late@1"):
        put(9)


@pytest.mark.parametrize(("role", "share"), [("production", None), ("canary", 0.1), ("shadow", None)])
def test_a_failed_gate_cannot_be_promoted_by_anyone(place, put, role, share):
    put(1)
    place.add_version()
    place.require("roc_auc >= 0.6", undecided="canary")
    place.gate(2, "failed")
    with pytest.raises(Refused, match="failed its gate"):
        put(2, role, share)
    assert at_work(place) == {"production": (1, 1.0)}


def test_the_newest_gate_over_the_present_requirements_counts(place, put):
    place.require("roc_auc >= 0.6")
    with pytest.raises(Refused, match="never held"):
        put(1)
    place.gate(1, "failed")
    place.gate(1, "passed")
    place.require("roc_auc >= 0.6", "accuracy >= 0.5")
    with pytest.raises(Refused, match="changed since"):
        put(1)
    place.require("roc_auc >= 0.6")
    assert "gate passed" in put(1).record.evidence


@pytest.mark.parametrize("undecided", ["block", "sign", "canary"])
def test_an_undecided_gate_allows_what_the_prd_says(place, put, undecided):
    put(1)
    place.add_version()
    place.require("roc_auc >= 0.6", undecided=undecided)
    place.gate(2, "undecided")
    for role, share in (("production", None), ("shadow", None)):
        with pytest.raises(Refused, match="undecided"):
            put(2, role, share)
    if undecided == "canary":
        assert put(2, "canary", 0.1).record.share == 0.1
    else:
        with pytest.raises(Refused, match="undecided"):
            put(2, "canary", 0.1)


def test_a_signed_line_lets_an_undecided_gate_pass(place, put):
    place.require("roc_auc >= 0.6", "accuracy >= 0.5", undecided="sign")
    place.gate(1, "undecided", lines={"roc_auc >= 0.6": "passed", "accuracy >= 0.5": "undecided"})
    with pytest.raises(Refused, match="accuracy"):
        put(1)
    sign(place.store.ledger, "late", 1, "accuracy >= 0.5", by="lee", because="few rows")
    assert "signed" in put(1).record.evidence


def test_rolling_back_goes_to_the_version_before(place, put, back):
    for _ in range(2):
        place.add_version()
    put(1), put(2), put(3)
    assert back().record.version == 2
    assert back().record.version == 1
    with pytest.raises(Refused, match="first in production"):
        back()
    put(3)
    assert back().record.version == 1  # not 2, which was itself taken back


def test_an_earlier_version_that_is_promoted_again_can_be_taken_back(place, put, back):
    place.add_version()
    put(1), put(2), put(1)
    assert back().record.version == 2  # what was at work before the promotion
    assert back().record.version == 1  # and what was before that
    with pytest.raises(Refused, match="first in production"):
        back()


def test_rolling_back_nothing_is_refused(back):
    with pytest.raises(Refused, match="Nothing of late"):
        back()


@pytest.mark.parametrize(("role", "share"), [("production", None), ("canary", 0.1), ("shadow", None)])
def test_a_version_that_serves_other_scores_is_refused_in_every_role(place, put, role, share):
    put(1)
    place.add_version()
    off = Rehearsal(
        name="late", version=2, offline_rows=1000, offline_differ=3, greatest_difference=0.1, online_keys=10, online_differ=0,
        latency_p50_ms=1.0, latency_p99_ms=2.0, requests=500,
    )  # fmt: skip
    place.store.ledger.append(off, by="t")
    with pytest.raises(Refused, match="3 of 1000 rows"):
        put(2, role, share)


def test_a_canary_and_a_shadow_are_taken_off(place, put, now):
    for _ in range(2):
        place.add_version()

    def off(role):
        at = now + timedelta(days=2)
        return rollback(place.store, place.project, "late", role, because="slow", by="lee", now=at)

    with pytest.raises(Refused, match="no canary"):
        off("canary")
    put(1), put(2, "canary", 0.3), put(3, "shadow")
    assert off("canary").record.ended and at_work(place) == {"production": (1, 1.0), "shadow": (3, 0.0)}
    decision = place.store.ledger.latest(Decision, name="late").record
    assert (decision.what, decision.who, decision.why) == ("late@2 taken off as canary", "lee", "slow")
    off("shadow")
    assert at_work(place) == {"production": (1, 1.0)}
    with pytest.raises(Refused, match="no shadow"):
        off("shadow")
    put(2, "canary", 0.3)
    assert at_work(place)["canary"] == (2, 0.3)


def test_from_every_state_a_change_changes_something_or_is_refused(place, put, now):
    """Every (production, canary, shadow) of three versions that can be reached, and every change from there."""
    for _ in range(2):
        place.add_version()
    asked = [(v, role, share) for v in (1, 2, 3) for role, shares in
             (("production", (None,)), ("canary", (0.2, 0.5)), ("shadow", (None,))) for share in shares]  # fmt: skip
    asked += [(0, role, None) for role in ("production", "canary", "shadow")]
    dice, reached, refused = random.Random(0), set(), 0
    for number in range(500):
        version, role, share = dice.choice(asked)
        before = at_work(place)
        try:
            if version:
                put(version, role, share)
            else:
                at = now + timedelta(days=1, seconds=number)
                rollback(place.store, place.project, "late", role, because=None, by="lee", now=at)
        except Refused:
            refused += 1
            assert at_work(place) == before
        else:
            after = at_work(place)
            assert after != before
            versions = [held for held, _ in after.values()]
            assert len(versions) == len(set(versions)) and "production" in after
            reached.add(tuple(sorted(after.items())))
    assert len(reached) == 3 * (
        1 + 2 * 2 + 2 + 2 * 2
    )  # alone; with a canary, at either share; with a shadow; with both
    assert refused > 50


class Deployed:
    """A ledger that knows deployments alone: a number promoted, or (negative) put back."""

    def __init__(self, steps: list[int]) -> None:
        self._records = [
            Deployment(name="late", version=abs(step), role="production", share=1.0, put_back=step < 0)
            for step in steps
        ]

    def entries(self, *_: object, **__: object) -> list[Entry]:
        return [Entry(seq, NOW, NOW, "kim", record) for seq, record in enumerate(self._records, 1)]


@pytest.mark.parametrize(
    ("steps", "before"),
    [
        ([], None), ([1], None), ([4, 4], None), ([1, 2, 3], 2), ([1, 2, 3, -2], 1), ([1, 2, 3, -2, -1], None),
        ([1, 2, 1], 2), ([1, 2, 1, -2], 1), ([1, 2, -1, 3], 1), ([-1], None),
    ],
)  # fmt: skip
def test_a_promotion_stands_over_and_a_roll_back_takes_off(steps: list[int], before: int | None) -> None:
    assert before_production(Deployed(steps), "late") == before


@given(st.lists(st.integers(1, 5), max_size=12))
def test_rolling_back_again_and_again_never_swings_and_ends(promoted: list[int]) -> None:
    steps, seen = list(promoted), []
    while (before := before_production(Deployed(steps), "late")) is not None:
        assert before != abs(steps[-1])
        steps.append(-before)
        seen.append(before)
    distinct = [v for v, after in pairwise([*promoted, None]) if v != after]
    assert seen == distinct[:-1][::-1]
