from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.stats.curves import (
    PLACES,
    calibration_bins,
    difference_of_shares,
    histogram,
    precision_recall_curve,
    roc_curve,
    value_bins,
)
from rondo.stats.metrics import METRICS
from rondo.stats.proportions import proportion


def scored(n: int = 4_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated scores and what came true."""
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 5, n)
    return (rng.random(n) < score).astype(float), score


def test_the_area_under_the_curve_is_the_metric():
    y, score = scored()
    curve = roc_curve(y, score)
    assert (curve.y[0] <= 0.1, curve.y[-1]) == (True, 1.0)
    assert (np.diff(curve.y) >= 0).all()
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(METRICS["roc_auc"].compute(y, score, None), abs=0.005)
    assert (curve.low <= curve.y).all() and (curve.y <= curve.high).all()
    assert (curve.low >= 0).all() and (curve.high <= 1).all()


def test_scores_that_tell_all_reach_the_corner_and_one_class_has_no_curve():
    y = np.repeat([0.0, 1.0], 50)
    curve = roc_curve(y, y + np.linspace(0, 0.1, 100))
    assert (curve.y[1:] == 1).all()
    assert roc_curve(np.ones(10), np.linspace(0, 1, 10)) is None
    assert precision_recall_curve(np.zeros(10), np.linspace(0, 1, 10)) is None


def test_precision_at_full_recall_is_the_base_rate():
    y, score = scored()
    curve = precision_recall_curve(y, score)
    assert curve.y[-1] == pytest.approx(y.mean(), abs=0.01)
    assert curve.y[4] > curve.y[20] > curve.y[-1]
    flagged = score >= np.sort(score[y == 1])[::-1][int(0.5 * y.sum()) - 1]
    assert curve.y[20] == pytest.approx(y[flagged].mean(), abs=0.02)


def test_days_that_differ_widen_the_band():
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(20), 200)
    shift = rng.normal(0, 1.5, 20)[day]
    y = (rng.random(4_000) < 0.3).astype(float)
    score = 1 / (1 + np.exp(-(y + shift + rng.normal(size=4_000))))
    by_row, by_day = roc_curve(y, score), roc_curve(y, score, blocks=day)
    middle = slice(5, 30)
    assert (by_day.high - by_day.low)[middle].mean() > 1.5 * (by_row.high - by_row.low)[middle].mean()


def test_the_same_seed_gives_the_same_band():
    y, score = scored(500)
    assert np.array_equal(roc_curve(y, score, seed=4).low, roc_curve(y, score, seed=4).low)


def test_calibrated_scores_lie_on_the_diagonal():
    y, score = scored(20_000)
    bins = calibration_bins(y, score)
    assert (len(bins), sum(each.observed.n for each in bins)) == (10, 20_000)
    inside = [each.observed.low <= each.predicted <= each.observed.high for each in bins]
    assert sum(inside) >= 8
    assert [each.predicted for each in bins] == sorted(each.predicted for each in bins)


def test_equal_scores_are_one_bin():
    bins = calibration_bins(np.array([1.0, 0, 0, 1] * 25), np.full(100, 0.4))
    assert [(each.predicted, each.observed.value, each.observed.n) for each in bins] == [(pytest.approx(0.4), 0.5, 100)]


def test_values_by_what_was_predicted():
    rng = np.random.default_rng(1)
    said = rng.uniform(0, 100, 3_000)
    bins = value_bins(said + rng.normal(0, 5, 3_000), said)
    assert [each.observed.value for each in bins] == pytest.approx([each.predicted for each in bins], abs=2)
    for each in bins:
        assert each.spread[0] < each.observed.low < each.observed.high < each.spread[1]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=60))
def test_a_histogram_counts_every_row(values: list[float]):
    assert sum(histogram(np.array(values), np.linspace(-1, 1, 9))) == len(values)


def test_a_difference_of_shares_is_that_of_the_shares():
    rng = np.random.default_rng(5)
    group = (rng.random(2_000) < 0.3).astype(float)
    among = (rng.random(2_000) < 0.5).astype(float)
    hits = (rng.random(2_000) < 0.2 + 0.1 * group).astype(float)
    found = difference_of_shares(hits, among, group)
    inside, outside = (among * group) > 0, (among * (1 - group)) > 0
    assert found.value == pytest.approx(hits[inside].mean() - hits[outside].mean())
    assert found.n == inside.sum()
    sides = [proportion(int(hits[side].sum()), int(side.sum())) for side in (inside, outside)]
    alone = np.hypot(*(side.standard_error for side in sides))
    assert found.standard_error == pytest.approx(alone, rel=0.15)


def test_a_difference_without_rows_on_a_side_is_not_known():
    nobody = difference_of_shares(np.ones(5), np.ones(5), np.ones(5))
    assert (nobody.value, nobody.low, nobody.n) == (None, None, 5)


def test_its_interval_holds_the_truth_where_days_err_together():
    """Both groups share their days: what makes a day hard for both must not count as a difference."""
    rng = np.random.default_rng(7)
    held, rounds = 0, 200
    for _ in range(rounds):
        day = np.repeat(np.arange(14), 60)
        hard = rng.normal(0, 0.12, 14)[day]
        group = (rng.random(len(day)) < 0.4).astype(float)
        hits = (rng.random(len(day)) < np.clip(0.4 + 0.1 * group + hard, 0, 1)).astype(float)
        found = difference_of_shares(hits, np.ones(len(day)), group, blocks=day)
        held += found.low <= 0.1 <= found.high
    assert held / rounds >= 0.92


def test_curves_are_read_at_the_same_places():
    y, score = scored(300)
    assert np.array_equal(roc_curve(y, score).x, PLACES)
