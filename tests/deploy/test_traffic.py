from __future__ import annotations

from collections import OrderedDict

import pytest

from rondo.deploy import resolving
from rondo.deploy.rollout import promote, rollback
from rondo.deploy.traffic import Traffic, place_of
from rondo.errors import NotFound, Refused
from rondo.records.development import Version


@pytest.fixture
def traffic(place):
    return Traffic(place.project, place.store)


@pytest.fixture
def put(place, now):
    def to(version, role="production", share=None):
        promote(place.store, place.project, "late", version, role, share, because=None, by="kim", now=now)

    return to


def answered(at_work, rows, now):
    return at_work.answer(at_work.asking(rows, now), now=now)


def test_nothing_at_work(traffic):
    assert traffic.refresh() == []
    with pytest.raises(Refused, match="No version of late is in production"):
        traffic.of("late")
    with pytest.raises(NotFound, match="late"):
        traffic.of("early")


def test_promotions_are_picked_up_and_requests_end_as_they_began(place, traffic, put, now):
    put(1)
    assert traffic.refresh() == ["late@1 is production"]
    began = traffic.of("late")
    place.add_version(seed=5)
    put(2)
    traffic.refresh()
    rows = [place.request(n) for n in range(20)]
    assert {a.version for a in answered(began, rows, now)} == {1}
    assert {a.version for a in answered(traffic.of("late"), rows, now)} == {2}
    assert traffic.refresh() == []
    rollback(place.store, place.project, "late", because=None, by="kim", now=now)
    traffic.refresh()
    assert traffic.of("late").production.version == 1


def test_a_canary_answers_its_share_by_key(place, traffic, put, now):
    place.add_version(seed=5)
    put(1), put(2, "canary", 0.3)
    traffic.refresh()
    rows = [place.request(n) for n in range(1000)]
    answers = answered(traffic.of("late"), rows, now)
    again = answered(traffic.of("late"), rows[::-1], now)[::-1]
    assert [a.version for a in answers] == [a.version for a in again]
    canary = [a for a in answers if a.version == 2]
    assert {a.role for a in canary} == {"canary"} and 240 <= len(canary) <= 360
    assert [a.key["flight"] for a in answers] == list(range(1000))
    alone = [traffic.of("late").answerers["canary"].answer([rows[a.key["flight"]]], now=now)[0] for a in canary[:20]]
    assert [a.score for a in alone] == [a.score for a in canary[:20]]


def test_the_places_of_keys_are_even():
    places = [place_of({"flight": n}, "late") for n in range(4000)]
    assert all(abs(sum(p < share for p in places) / 4000 - share) < 0.03 for share in (0.1, 0.5, 0.9))


def test_a_version_that_cannot_be_loaded_leaves_the_one_before(place, traffic, put, now, monkeypatch):
    monkeypatch.setattr(resolving, "_loaded", OrderedDict())  # another test may have loaded the same bytes
    put(1)
    traffic.refresh()
    number = place.add_version(seed=7)
    digest = place.store.ledger.latest(Version, name="late", version=number).record.files["model.txt"]
    path = place.root / ".rondo/artifacts" / digest[:2] / digest
    path.write_bytes(b"?" + path.read_bytes()[1:])
    put(number)
    assert "was changed" in traffic.refresh()[0]
    assert traffic.of("late").production.version == 1 and "late" in traffic.troubles
    assert traffic.refresh() == []  # told once, tried again
    put(1)
    traffic.refresh()
    assert traffic.troubles == {}


def test_a_shadow_says_what_it_would_have_said(place, traffic, put, now):
    place.add_version(seed=5)
    put(1), put(2, "shadow")
    traffic.refresh()
    at_work = traffic.of("late")
    asking = at_work.asking([place.request(1)], now)
    given = at_work.answer(asking, now=now)
    (answer,) = at_work.beside(asking, given, now=now)
    assert (answer.version, answer.role, answer.beside) == (2, "shadow", given[0].id)
    assert [(a.version, a.beside) for a in given] == [(1, None)]


def test_production_scores_what_the_canary_answers(place, traffic, put, now):
    place.add_version(seed=5)
    put(1), put(2, "canary", 0.4)
    traffic.refresh()
    at_work = traffic.of("late")
    rows = [place.request(n) for n in range(50)]
    asking = at_work.asking(rows, now)
    given = at_work.answer(asking, now=now)
    canaried = [a for a in given if a.role == "canary"]
    pairs = at_work.beside(asking, given, now=now)
    assert canaried and [p.beside for p in pairs] == [a.id for a in canaried]
    assert {(p.version, p.role) for p in pairs} == {(1, "production")}
    alone = at_work.production.answer([rows[a.key["flight"]] for a in canaried], now=now)
    assert [p.score for p in pairs] == [a.score for a in alone]
