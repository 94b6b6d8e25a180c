from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from rondo.console.looking import Project
from rondo.errors import NotFound, WrongUse
from rondo.handbook import predictions
from rondo.handbook.predictions import MASKED, asked_about, newest_logged, personal_columns, prediction_facts, recent
from rondo.handbook.rows import rows_behind
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace, open_workplace


@pytest.fixture
def work(live_shop: Path) -> Workplace:
    return open_workplace(live_shop, readonly=True)


def test_the_newest_answers_come_first_with_what_became_of_them(work: Workplace) -> None:
    answers = recent(work, "late", 20)
    assert len(answers) == 20 == len({each.id for each in answers})
    assert [each.moment for each in answers] == sorted((each.moment for each in answers), reverse=True)
    truth = {
        row["visit"]: row["late"]
        for row in work.catalog.query("select visit, late from visits").rows.to_pylist()
    }  # fmt: skip
    for each in answers:
        assert each.version == "late@1" and each.flagged is (each.label is True)
        if each.outcome_known is not None:
            assert each.outcome == truth[each.key["visit"]] and each.right is (each.outcome == each.label)
            assert each.outcome_known <= work.now()
    assert any(each.outcome_known is not None for each in answers)


def test_a_prediction_adds_up_and_names_the_row_each_value_came_from(work: Workplace) -> None:
    answer = recent(work, "late", 20)[-1]
    facts = prediction_facts(work, answer.id)
    assert facts.base + sum(part.contribution for part in facts.parts) + facts.residual == pytest.approx(
        facts.prediction
    )
    assert facts.prediction == pytest.approx(answer.score)
    weights = [abs(part.contribution) for part in facts.parts]
    assert weights == sorted(weights, reverse=True)
    load = next(part for part in facts.parts if part.feature == "loads.load")
    assert (load.table, load.column, load.sources) == ("loads", "load", ("loads_raw.load",))
    assert load.row is not None and load.row.state == "read" and load.row.known is not None
    assert load.row.known <= answer.moment
    [row] = work.catalog.query(
        f"select load, measured_at from loads where shop = '{load.row.key['shop']}' and known_at <= "
        f"timestamptz '{answer.moment.isoformat()}' order by measured_at desc limit 1"
    ).rows.to_pylist()
    assert (load.value, load.row.time) == (row["load"], row["measured_at"].astimezone(UTC))
    hour = next(part for part in facts.parts if part.feature == "hour")
    assert hour.table is None and hour.expression == "hour(asked_at)"


def test_a_row_that_is_older_than_it_keeps_is_said_to_be_too_old(work: Workplace) -> None:
    signature, logged = signature_of(work, "late", 1), newest_logged(work, "late", 20)[0]
    far = msgspec.structs.replace(logged, moment=datetime(2024, 3, 20, tzinfo=UTC))
    behind = rows_behind(work, signature, far)["loads"]
    assert behind.state == "too old" and behind.age_s is not None and behind.age_s > (behind.keep_s or 0)
    first = msgspec.structs.replace(logged, moment=datetime(2023, 1, 1, tzinfo=UTC))
    early = rows_behind(work, signature, first)["loads"]
    assert early.state == "none"
    nobody = msgspec.structs.replace(logged, request={**logged.request, "shop": None})
    assert rows_behind(work, signature, nobody)["loads"].state == "no key"


def test_nobody_gave_that_prediction(work: Workplace) -> None:
    with pytest.raises(NotFound, match="nothing-such"):
        prediction_facts(work, "nothing-such")


def test_a_look_at_the_past_does_not_know_what_was_answered_later(live_shop: Path, work: Workplace) -> None:
    answer = recent(work, "late", 1)[0]
    past = Project(live_shop, "live").work(answer.at - timedelta(days=3))
    with pytest.raises(NotFound):
        prediction_facts(past, answer.id)
    assert recent(past, "late", 5) == ()


def test_answers_are_found_by_day_and_key(work: Workplace) -> None:
    signature, answer = signature_of(work, "late", 1), recent(work, "late", 20)[-1]
    day = answer.moment.astimezone().date().isoformat()
    visit = str(answer.key["visit"])
    assert [each.id for each in asked_about(work, "late", signature, {"day": day, "visit": visit.upper()}).answers] == [
        answer.id
    ]
    assert len(asked_about(work, "late", signature, {"day": day}).answers) > 1
    assert asked_about(work, "late", signature, {"day": "2024-01-20", "visit": visit}).answers == ()
    flagged = asked_about(work, "late", signature, {"day": day, "only": "flagged"}).answers
    every = asked_about(work, "late", signature, {"day": day}).answers
    assert flagged == tuple(each for each in every if each.flagged) and 0 < len(flagged) < len(every)
    with pytest.raises(WrongUse, match="no day"):
        asked_about(work, "late", signature, {"day": "someday"})


def test_that_there_are_more_answers_than_are_shown_is_said(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    signature, query = signature_of(work, "late", 1), {"day": recent(work, "late", 1)[0].moment.date().isoformat()}
    every = asked_about(work, "late", signature, query)
    monkeypatch.setattr(predictions, "MOST", len(every.answers) - 1)
    fewer = asked_about(work, "late", signature, query)
    assert (every.more, fewer.more) == (False, True)
    assert fewer.answers == every.answers[:-1]


def test_personal_data_is_masked_everywhere(work: Workplace) -> None:
    project = work.project
    visits = replace(project.tables["visits"], personal=(("shop", "declared"), ("distance", "declared")))
    loads = replace(project.tables["loads"], personal=(("load", "declared"),))
    hidden = replace(work, project=replace(project, tables={**project.tables, "visits": visits, "loads": loads}))
    assert personal_columns(hidden, "late") == {"shop", "distance", "loads.load"}
    facts = prediction_facts(hidden, recent(work, "late", 1)[0].id)
    shown = {part.feature: part.value for part in facts.parts}
    assert shown["distance"] == shown["loads.load"] == MASKED == facts.request["shop"]
    assert facts.masked == ("distance", "loads.load", "shop")
