from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from rondo.features.signature import Column, Signature
from rondo.monitor.cohorts import Cohort
from rondo.monitor.quality import PAST, SLICE_ROWS, judge_estimates, measure_quality, unsettled
from rondo.monitor.windows import Window
from rondo.records.monitoring import Measurement
from rondo.stats.metrics import METRICS, custom_metric, metric_named

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AUC, ECE = METRICS["roc_auc"], METRICS["expected_calibration_error"]
SIGNATURE = Signature(
    model="late", examples="visits", task="binary", timezone="UTC", key=(), time="asked", inputs=(), carried=(),
    derived=(), lookups=(), fed=(), label=Column(name="late", type="BOOLEAN"), label_known=None, classes=(False, True),
)  # fmt: skip
LATER = MONDAY + 100 * DAY


def cohort(days: int = 7, *, per_day: int = 300, bent: float = 1.0, moved: float = 0.0, seed: int = 0) -> Cohort:
    """Rows of some days whose log-odds are `bent` and `moved` from what the scores say."""
    rng = np.random.default_rng(seed)
    n, day = days * per_day, np.repeat(np.arange(days), per_day)
    z = rng.normal(-1, 1.2, n)
    score = 1 / (1 + np.exp(-z))
    truth = (rng.random(n) < 1 / (1 + np.exp(-(bent * z + moved)))).astype(np.float64)
    return Cohort(
        event_us=(
            (int(MONDAY.timestamp()) + day * 86_400) * 1_000_000 + np.tile(np.arange(per_day), days) * 60_000_000
        ),
        score=score,
        label=(score >= 0.5).astype(np.int64),
        truth=truth,
        matured=np.ones(n, dtype=bool),
        missing=np.zeros(n, dtype=np.int64),
        version=np.full(n, "late@1", dtype=object),
    )


def week(number: int = 0) -> Window:
    return Window(MONDAY + 7 * number * DAY, MONDAY + 7 * (number + 1) * DAY)


def measured(part: Cohort, *windows: Window, signature: Signature = SIGNATURE, **more) -> list[Measurement]:
    given = {"timezone": "UTC", "label_delay_s": 3600.0, "now": LATER, **more}
    return measure_quality(signature, part, windows or [week()], given.pop("metrics", [AUC, ECE]), **given)


def named(found: list[Measurement], metric: str, **of) -> Measurement:
    [one] = [m for m in found if m.metric == metric and all(getattr(m, k) == v for k, v in {"by": None, **of}.items())]
    return one


def test_a_week_is_measured_in_full_and_a_day_in_short() -> None:
    found = measured(cohort(), week(), Window(MONDAY, MONDAY + DAY))
    of_week = [m.metric for m in found if m.end - m.start > DAY]
    assert of_week == [
        "outcomes_known_share", "roc_auc", "expected_calibration_error", "positive_share", "calibration_residual",
        "calibration_intercept", "calibration_slope", "estimated_roc_auc", "estimate_error",
    ]  # fmt: skip
    of_day = [m for m in found if m.end - m.start == DAY]
    assert [m.metric for m in of_day] == ["outcomes_known_share", "roc_auc", "positive_share", "calibration_residual"]
    assert all(m.low <= m.value <= m.high and m.n == m.rows for m in found)
    assert {m.rows for m in of_day} == {300} and {m.model_version for m in found} == {1}


def test_only_whole_days_whose_outcomes_are_all_due_are_judged() -> None:
    """At half past noon of the third day some of its rows are due: the earliest, which may be of another kind."""
    part = cohort()
    now = MONDAY + 2 * DAY + timedelta(hours=2)
    due = part.event_us + 3600_000_000 <= int(now.timestamp()) * 1_000_000
    early = Cohort(**{**vars(part), "matured": due, "truth": np.where(due, part.truth, np.nan)})
    auc, known = (named(measured(early, now=now), name) for name in ("roc_auc", "outcomes_known_share"))
    assert (auc.n, auc.matured, known.n) == (600, int(due.sum()), 600)
    assert (
        auc.value
        == named(measured(part.where(part.event_us < int((MONDAY + 2 * DAY).timestamp()) * 10**6)), "roc_auc").value
    )
    assert not [m for m in measured(early, now=now) if m.metric == "estimate_error"]


def test_what_was_not_all_due_is_looked_at_again_once_more_of_it_is() -> None:
    part, windows = cohort(), [week(), Window(MONDAY, MONDAY + DAY), Window(MONDAY + 6 * DAY, MONDAY + 7 * DAY)]
    now = MONDAY + 5 * DAY
    early = Cohort(**{**vars(part), "matured": part.event_us + 3600_000_000 <= int(now.timestamp()) * 1_000_000})
    found = measured(early, *windows, now=now)
    assert unsettled(found, now, 3600) == [week()]  # its last day has not begun to be due
    assert unsettled(found, now + 3 * DAY, 3600) == [week(), windows[2]]
    assert unsettled(measured(part, *windows), LATER, 3600) == []


def test_outcomes_that_never_came_are_counted() -> None:
    part = cohort()
    part.truth[::4] = np.nan
    known = named(measured(part), "outcomes_known_share")
    assert (known.value, known.n, known.unit) == (0.75, 2100, "share")


def test_before_anything_matured_only_the_estimate_is_there() -> None:
    part = cohort()
    part.matured[:] = False
    part.truth[:] = np.nan
    found = measured(part, now=MONDAY)
    assert {m.metric for m in found if m.state != "unexamined"} == {"estimated_roc_auc"}
    assert named(found, "estimated_roc_auc").value == named(measured(cohort()), "estimated_roc_auc").value


def test_scores_that_are_right_estimate_what_comes_out() -> None:
    found = measured(cohort(seed=3))
    error = named(found, "estimate_error")
    assert error.low < 0 < error.high
    estimate = named(found, "estimated_roc_auc")
    assert error.value == pytest.approx(named(found, "roc_auc").value - estimate.value)
    assert estimate.low < named(found, "roc_auc").value < estimate.high


def test_a_concept_shift_shows_in_what_scores_cannot_see() -> None:
    found = measured(cohort(per_day=1000, bent=0.3))
    assert named(found, "estimate_error").high < 0 and named(found, "calibration_slope").high < 0.6
    assert named(found, "estimated_roc_auc").value == named(measured(cohort(per_day=1000)), "estimated_roc_auc").value


def test_a_prior_shift_moves_the_intercept_alone() -> None:
    found = measured(cohort(per_day=1000, moved=0.8))
    line, level = named(found, "calibration_slope"), named(found, "calibration_intercept")
    assert line.low < 1 < line.high and level.value == pytest.approx(0.8, abs=0.1)
    assert named(found, "calibration_residual").low > 0.05


def test_estimates_are_recalibrated_by_outcomes_due_before_the_window() -> None:
    """Scores that exaggerate have been seen to: the estimate knows, and reads nothing of its own week."""
    past, now = cohort(28, bent=0.3), cohort(7, per_day=1000, bent=0.3, seed=1)
    start = MONDAY + PAST

    def moved(part: Cohort, by: timedelta) -> Cohort:
        return Cohort(**{**vars(part), "event_us": part.event_us + by // timedelta(microseconds=1)})

    asked: list[tuple[Window, str]] = []

    def past_of(window: Window, version: str) -> Cohort:
        asked.append((window, version))
        return past

    window = Window(start, start + 7 * DAY)
    blind = named(measured(moved(now, PAST), window), "estimated_roc_auc")
    told = measured(moved(now, PAST), window, past_of=past_of)
    assert asked == [(window, "late@1")]
    assert abs(named(told, "roc_auc").value - named(told, "estimated_roc_auc").value) < 0.03 < blind.value - 0.66
    other = Cohort(**{**vars(past), "version": np.full(len(past), "late@2", dtype=object)})
    of_other = measured(moved(now, PAST), window, past_of=lambda *_: other)
    assert named(of_other, "estimated_roc_auc").value == blind.value  # another version's scores are another matter
    assert named(measured(moved(now, PAST), window, past_of=lambda *_: moved(past, PAST)), "estimated_roc_auc") == blind


def test_days_that_were_wrong_together_widen_the_band() -> None:
    start = MONDAY + PAST
    window, now = Window(start, start + 7 * DAY), cohort(7)
    now = Cohort(**{**vars(now), "event_us": now.event_us + PAST // timedelta(microseconds=1)})

    def past(spread: float) -> Cohort:
        part, rng = cohort(28, seed=2), np.random.default_rng(2)
        bent = np.repeat(rng.normal(1, spread, 28), 300)
        z = bent * np.log(part.score / (1 - part.score))
        return Cohort(**{**vars(part), "truth": (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(float)})

    calm, wild = (named(measured(now, window, past_of=lambda *_, s=s: past(s)), "estimated_roc_auc") for s in (0, 0.8))
    assert wild.value == pytest.approx(calm.value, abs=0.02)
    assert wild.high - wild.low > 1.5 * (calm.high - calm.low)


def sliced(part: Cohort, **slices) -> Cohort:
    return Cohort(**{**vars(part), "slices": {name: np.asarray(of, dtype=object) for name, of in slices.items()}})


def test_slices_have_intervals_that_hold_together() -> None:
    part = cohort(7, per_day=600)
    origin = np.tile(["EWR", "JFK", "LGA"], 1400)
    found = measured(sliced(part, origin=origin), slices=["origin"])
    [auc] = [m for m in found if (m.metric, m.by, m.is_) == ("roc_auc", "origin", "JFK")]
    alone = measured(part.where(origin == "JFK"))
    assert auc.value == named(alone, "roc_auc").value and auc.n == 1400 and auc.rows == len(part)
    assert auc.high - auc.low > 1.2 * (named(alone, "roc_auc").high - named(alone, "roc_auc").low)
    assert {m.metric for m in found if m.by} == {"roc_auc", "positive_share", "calibration_residual"}


def test_slices_that_are_too_small_or_not_logged_are_unexamined() -> None:
    part = cohort()
    kinds = np.where(np.arange(len(part)) < SLICE_ROWS - 1, "rare", "common")
    found = measured(sliced(part, kind=kinds), slices=["kind", "nowhere"])
    [rare] = [m for m in found if m.is_ == "rare"]
    assert (rare.state, rare.n, rare.value) == ("unexamined", SLICE_ROWS - 1, None)
    [absent] = [m for m in found if m.by == "nowhere"]
    assert (absent.state, absent.is_, absent.n) == ("unexamined", None, 0)
    [common] = [m for m in found if m.is_ == "common" and m.metric == "positive_share"]
    assert common.low < common.value < common.high and common.high <= 1


def test_the_promise_over_slices_is_kept() -> None:
    """With 8 slices of the same scores, all intervals of the residual hold at once in 95 of 100 weeks."""
    held, runs = 0, 60
    for seed in range(runs):
        part = cohort(7, per_day=240, seed=seed)
        found = measured(sliced(part, kind=np.tile(np.arange(8), 210)), slices=["kind"])
        parts = [m for m in found if m.by and m.metric == "calibration_residual"]
        held += all(m.low <= 0 <= m.high for m in parts)
    assert held / runs >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / runs)


def test_the_version_that_answered_most_is_named_and_a_score_that_is_none_is_left_out() -> None:
    part = cohort()
    part.version[: len(part) // 3] = "late@7"
    part.score[:10] = np.nan
    found = measured(part, metrics=[AUC])
    assert {m.model_version for m in found} == {1} and named(found, "roc_auc").n == len(part) - 10


def test_several_classes() -> None:
    rng = np.random.default_rng(0)
    part, signature = cohort(), msgspec.structs.replace(SIGNATURE, task="multiclass", classes=("a", "b", "c"))
    score = rng.dirichlet([1, 1, 1], len(part))
    truth = (rng.random((len(part), 1)) > score.cumsum(axis=1)).sum(axis=1).astype(float)
    part = Cohort(**{**vars(part), "score": score, "truth": truth, "label": score.argmax(axis=1)})
    metric = metric_named("log_loss", "multiclass")
    found = measured(part, signature=signature, metrics=[metric])
    shares = [m for m in found if m.metric == "outcome_share"]
    assert [m.is_ for m in shares] == ["a", "b", "c"] and sum(m.value for m in shares) == pytest.approx(1)
    assert {m.by for m in shares} == {"late"}
    residual = named(found, "calibration_residual")
    assert residual.low < 0 < residual.high
    assert named(found, "estimate_error").low < 0 < named(found, "estimate_error").high


def test_a_number_has_no_confidence_to_estimate_from() -> None:
    signature = msgspec.structs.replace(SIGNATURE, task="regression", classes=())
    part = cohort()
    part.truth[:] = part.score + 2
    found = measured(part, signature=signature, metrics=[METRICS["mae"]])
    assert named(found, "estimated_mae").state == "unexamined" and named(found, "mae").value == pytest.approx(2)
    assert (
        named(found, "calibration_residual").value == pytest.approx(2) and named(found, "outcome_mean").unit == "label"
    )


def test_what_knows_no_weights_or_is_no_probability_is_not_estimated() -> None:
    own = custom_metric("own", "binary", lambda y, score, label: float((y * score).mean()), higher_is_better=True)
    assert named(measured(cohort(), metrics=[own]), "estimated_own").state == "unexamined"
    part = cohort()
    part.score[:] = part.score * 10
    assert named(measured(part, metrics=[AUC]), "estimated_roc_auc").state == "unexamined"


def test_a_window_without_rows_is_left_out() -> None:
    part = cohort(7)
    assert measured(part, week(1)) == [] and measured(part.where(part.event_us < 0)) == []


def test_how_past_estimates_did() -> None:
    weeks = [week(n) for n in range(6)]
    found = measured(cohort(42), *weeks)
    held, bias = judge_estimates(AUC, found)
    assert (held.metric, held.n, bias.metric) == ("estimates_held", 6, "estimate_bias")
    assert held.start == weeks[-1].start and held.value >= 5 / 6 and abs(bias.value) < 0.03
    assert judge_estimates(AUC, [m for m in found if not m.metric.startswith("estimated")]) == []
    exaggerating = measured(cohort(42, bent=0.2, per_day=1000), *weeks)
    held, bias = judge_estimates(AUC, exaggerating)
    assert held.value < 0.5 and bias.low > 0.05
