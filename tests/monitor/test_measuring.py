from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from rondo.monitor.cohorts import Cohort
from rondo.monitor.measuring import SCORE_DRIFT, Measured, measure
from rondo.project.requirements import parse_requirement
from rondo.records.monitoring import Measurement
from rondo.stats.metrics import METRICS

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
AUC = METRICS["roc_auc"]


def cohort(
    days: int = 14, *, shift: float = 0.0, per_day: int = 40, matured_days: int | None = None, seed: int = 0
) -> Cohort:
    """Answered rows of some days: a better score where the truth is 1; later days may not have matured."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    truth = rng.integers(0, 2, n).astype(np.float64)
    score = np.clip(0.5 + 0.15 * (truth - 0.5) + 0.2 * rng.normal(size=n) + shift, 0, 1)
    day = np.repeat(np.arange(days), per_day)
    matured = day < (days if matured_days is None else matured_days)
    return Cohort(
        event_us=(int(MONDAY.timestamp()) + day * 86_400 + 60) * 1_000_000,
        score=score,
        label=(score >= 0.5).astype(np.int64),
        truth=np.where(matured, truth, np.nan),
        matured=matured,
        missing=(np.arange(n) % 10 == 0).astype(np.int64),
        version=np.full(n, "late@1", dtype=object),
    )


def weeks(part: Cohort, *, requirement: str | None = None, reference: np.ndarray | None = None) -> list[Measured]:
    requirements = [parse_requirement(requirement)] if requirement else []
    return measure("late", part, [AUC], reference=reference, timezone="UTC", requirements=requirements, outcomes=5)


def named(measured: Measured, name: str) -> Measurement:
    [found] = [each for each in measured.measurements if each.metric == name]
    return found


def test_each_week_is_measured_with_an_interval() -> None:
    found = weeks(cohort())
    assert [(each.window.start, each.window.end) for each in found] == [
        (MONDAY, MONDAY + timedelta(days=7)),
        (MONDAY + timedelta(days=7), MONDAY + timedelta(days=14)),
    ]
    assert [(each.rows, each.matured) for each in found] == [(280, 280), (280, 280)]
    auc = named(found[0], "roc_auc")
    assert auc.low < auc.value < auc.high and auc.rows == 280 and auc.outcomes == 5
    assert named(found[0], "rows").value == 280.0
    missing = named(found[0], "rows_with_missing_inputs")
    assert missing.value == pytest.approx(0.1) and missing.low < 0.1 < missing.high


def test_a_week_without_rows_is_left_out() -> None:
    whole = cohort(21)
    week = (whole.event_us // 1_000_000 - int(MONDAY.timestamp())) // (7 * 86_400)
    assert [each.window.start for each in weeks(whole.where(week != 1))] == [MONDAY, MONDAY + timedelta(days=14)]
    assert weeks(whole.where(week > 5)) == []


def test_quality_looks_at_matured_rows_alone() -> None:
    part = cohort(7, matured_days=3)
    [found] = weeks(part)
    [alone] = weeks(part.where(part.matured))
    assert (found.rows, found.matured) == (280, 120)
    assert named(found, "roc_auc").value == named(alone, "roc_auc").value


def test_where_nothing_has_matured_nothing_was_examined() -> None:
    [found] = weeks(cohort(7, matured_days=0), requirement="roc_auc >= 0.6")
    auc = named(found, "roc_auc")
    assert (auc.value, auc.state, found.matured) == (None, "unexamined", 0)


@pytest.mark.parametrize(
    ("requirement", "state", "limit"),
    [
        ("roc_auc >= 0.55", "within", 0.55),
        ("roc_auc >= 0.72", "within", 0.72),  # the value misses it, the interval does not
        ("roc_auc >= 0.95", "out", 0.95),
        ("roc_auc <= 0.3", "out", 0.3),
        ("roc_auc >= 0.95 on storms", "no limit", None),
        ("roc_auc >= 0.95 for each origin", "no limit", None),
        (None, "no limit", None),
    ],
)
def test_a_measurement_is_out_only_when_its_whole_interval_misses(
    requirement: str | None, state: str, limit: float | None
) -> None:
    found = named(weeks(cohort(7), requirement=requirement)[0], "roc_auc")
    assert (found.state, found.limit) == (state, limit), found


def test_the_score_drifts_against_the_test_rows() -> None:
    reference = cohort(14, seed=1).score
    same = named(weeks(cohort(7), reference=reference)[0], SCORE_DRIFT)
    moved = named(weeks(cohort(7, shift=0.3), reference=reference)[0], SCORE_DRIFT)
    assert same.value < 0.1 < moved.low
    assert all(each.metric != SCORE_DRIFT for each in weeks(cohort(7), reference=None)[0].measurements)


def test_the_same_rows_give_the_same_measurements() -> None:
    assert weeks(cohort(), reference=cohort(seed=1).score) == weeks(cohort(), reference=cohort(seed=1).score)
