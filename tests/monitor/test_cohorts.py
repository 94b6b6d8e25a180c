from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rondo.features.signature import Column, Signature
from rondo.monitor.cohorts import Cohort, cohort_of, cohort_query
from rondo.sql.engine import connect

START = datetime(2024, 1, 1, tzinfo=UTC)
STAMP = pa.timestamp("us", "UTC")
SIGNATURE = Signature(
    model="late",
    examples="visits",
    task="binary",
    timezone="UTC",
    key=(Column(name="visit", type="VARCHAR"),),
    time="asked",
    inputs=(),
    carried=(),
    derived=(),
    lookups=(),
    fed=(),
    label=Column(name="late", type="BOOLEAN"),
    label_known="known",
    classes=(False, True),
)


@pytest.fixture(scope="module")
def con():
    session = connect(timezone="UTC", threads=2)
    yield session
    session.close()


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def answer(identity: str, visit: str | None, hour: float, score: float, **other: object) -> dict:
    return {
        "id": identity,
        "visit": visit,
        "moment": at(hour),
        "at": at(hour),
        "score": score,
        "label": score >= 0.5,
        "role": "production",
        "version": "late@1",
        "missing": 0,
        **other,
    }


def outcome(visit: str | None, hour: float | None, found: bool, *, prediction: str | None = None) -> dict:
    moment = None if hour is None else at(hour)
    return {"visit": visit, "moment": moment, "prediction": prediction, "outcome": found, "known": at((hour or 0) + 1)}


def cohort(
    con, predictions: Sequence[dict], outcomes: Sequence[dict] | None, *, now: float = 100, delay_h: float = 1, **more
) -> Cohort:
    text, flag = pa.string(), pa.bool_()
    asked = [("id", text), ("visit", text), ("moment", STAMP), ("at", STAMP), ("score", pa.float64()), ("label", flag)]
    answered = pa.schema([*asked, ("role", text), ("version", text), ("missing", pa.int64())])
    known = pa.schema([("visit", text), ("moment", STAMP), ("prediction", text), ("outcome", flag), ("known", STAMP)])
    con.register("p_rows", pa.Table.from_pylist(list(predictions), answered))
    con.register("o_rows", pa.Table.from_pylist(list(outcomes or []), known))
    query = cohort_query(
        SIGNATURE,
        "p_rows",
        None if outcomes is None else "o_rows",
        keys=[("visit", "visit")],
        label_delay_s=delay_h * 3600,
        now=at(now),
        **more,
    )
    return cohort_of(con.sql(query).to_arrow_table(), SIGNATURE)


def test_answers_meet_their_outcomes_in_the_order_of_events(con) -> None:
    found = cohort(
        con,
        [answer("b", "v2", 2, 0.2), answer("a", "v1", 1, 0.9), answer("c", "v3", 3, 0.4)],
        [outcome("v1", 1, True), outcome("v2", 2, False), outcome("v9", 3, True)],
    )
    assert found.score.tolist() == [0.9, 0.2, 0.4] and found.label.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(found.truth, [1.0, 0.0, np.nan])
    assert found.version.tolist() == ["late@1"] * 3 and len(found) == 3


def test_the_same_visit_asked_at_another_moment_is_another_question(con) -> None:
    found = cohort(con, [answer("a", "v1", 1, 0.9), answer("b", "v1", 2, 0.2)], [outcome("v1", 1, True)])
    np.testing.assert_array_equal(found.truth, [1.0, np.nan])


def test_of_several_answers_to_a_question_the_last_counts(con) -> None:
    again = answer("b", "v1", 1, 0.2, at=at(5))
    assert cohort(con, [answer("a", "v1", 1, 0.9), again], []).score.tolist() == [0.2]


def test_only_production_is_measured(con) -> None:
    shadow = answer("b", "v1", 1, 0.2, role="shadow", at=at(5))
    assert cohort(con, [answer("a", "v1", 1, 0.9), shadow], []).score.tolist() == [0.9]


def test_a_row_has_matured_when_its_outcome_was_due(con) -> None:
    answers = [answer("a", "v1", 1, 0.9), answer("b", "v2", 2, 0.9), answer("c", "v3", 2.5, 0.9)]
    assert cohort(con, answers, [], now=3, delay_h=1).matured.tolist() == [True, True, False]


def test_answers_without_a_key_are_questions_of_their_own(con) -> None:
    """Rows of one request share their moment: none of them may hide another."""
    answers = [answer("a", None, 1, 0.9), answer("b", None, 1, 0.2), answer("c", "v3", 1, 0.4)]
    outcomes = [outcome(None, 1, True, prediction="b"), outcome("v3", 1, True), outcome(None, 1, False, prediction="z")]
    found = cohort(con, answers, outcomes)
    assert found.score.tolist() == [0.9, 0.2, 0.4]
    np.testing.assert_array_equal(found.truth, [np.nan, 1.0, 1.0])


def test_without_outcomes_nothing_is_true_yet(con) -> None:
    found = cohort(con, [answer("a", "v1", 1, 0.9)], None)
    assert np.isnan(found.truth).all() and found.matured.tolist() == [True]
    assert len(cohort(con, [], None)) == len(cohort(con, [], [])) == 0


def test_where_keeps_rows_together(con) -> None:
    found = cohort(con, [answer("a", "v1", 1, 0.9), answer("b", "v2", 2, 0.2, missing=3)], [])
    part = found.where(np.array([False, True]))
    assert (part.score.tolist(), part.missing.tolist(), len(part)) == ([0.2], [3], 1)


def test_a_stretch_of_events_has_all_its_outcomes_and_no_others(con) -> None:
    answers = [answer(f"{hour}", f"v{hour}", hour, 0.5) for hour in range(10)]
    outcomes = [outcome(f"v{hour}", hour, True) for hour in range(5)]
    outcomes += [outcome(None, None, False, prediction=f"{hour}") for hour in range(5, 10)]
    part = cohort(con, answers, outcomes, since=at(3), until=at(7))
    np.testing.assert_array_equal(part.truth, [1.0, 1.0, 0.0, 0.0])
    whole = cohort(con, answers, outcomes)
    assert part.event_us.tolist() == whole.event_us[3:7].tolist()


def test_rows_are_sampled_alike_and_of_one_version(con) -> None:
    answers = [answer(f"{n:02}", f"v{n}", n, 0.5, version=f"late@{1 + n % 2}") for n in range(40)]
    one, other = (cohort(con, answers, [], version="late@2", rows=7) for _ in range(2))
    assert one.event_us.tolist() == other.event_us.tolist() == sorted(one.event_us.tolist())
    assert len(one) == 7 and set(one.version) == {"late@2"}
    fewer = cohort(con, [each for each in answers if each["id"] != "01"], [], version="late@2", rows=7)
    assert len(set(fewer.event_us.tolist()) & set(one.event_us.tolist())) >= 6  # one row gone moves one at most


def test_columns_to_slice_by_go_with_the_rows(con) -> None:
    answers = [answer("a", "v1", 1, 0.9), answer("b", None, 2, 0.2), answer("c", "v3", 3, 0.4)]
    found = cohort(con, answers, [], slices={"who": "visit"})
    assert found.slices["who"].tolist() == ["v1", None, "v3"]
    assert found.where(found.score < 0.5).slices["who"].tolist() == [None, "v3"]
    assert cohort(con, [], [], slices={"who": "visit"}).slices["who"].tolist() == []


def rows(**columns: Sequence[object]) -> pa.Table:
    given = {"event_us": [0, 1], "missing": [0, 0], "version": ["m@1", "m@1"], "matured": [True, True], **columns}
    return pa.table(given)


def test_classes_are_numbered_as_in_the_signature() -> None:
    signature = msgspec.structs.replace(SIGNATURE, task="multiclass", classes=(1, 2, 3))
    scores = pa.array(
        [[("1", 0.2), ("2", 0.3), ("3", 0.5)], [("3", 0.1), ("1", 0.9)]], pa.map_(pa.string(), pa.float64())
    )
    found = cohort_of(rows(score=scores, label=[3, 1], outcome=[2.0, 7.0]), signature)
    np.testing.assert_array_equal(found.score, [[0.2, 0.3, 0.5], [0.9, np.nan, 0.1]])
    np.testing.assert_array_equal(found.truth, [1.0, np.nan])
    assert found.label.tolist() == [2, 0]


def test_a_number_is_its_own_truth() -> None:
    signature = msgspec.structs.replace(SIGNATURE, task="regression", classes=())
    found = cohort_of(rows(score=[1.5, 2.5], label=[None, None], outcome=[3, None]), signature)
    np.testing.assert_array_equal(found.truth, [3.0, np.nan])
