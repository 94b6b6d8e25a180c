from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import WrongUse
from rondo.stats.metrics import METRICS, cost_metric
from rondo.stats.thresholds import best_f1_threshold, least_cost_threshold

ROWS = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 50), st.sampled_from([1, 9]))


def rows_of(seed, n, decimals):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, n).astype(float), np.round(rng.random(n), decimals)


def candidates(score):
    return np.concatenate([score, [score.max() + 1]])


@given(ROWS)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_threshold_has_a_greater_f1(drawn):
    truth, score = rows_of(*drawn)
    if truth.any():
        f1 = METRICS["f1"].compute
        best = f1(truth, None, (score >= best_f1_threshold(truth, score)).astype(int))
        assert best == pytest.approx(np.nanmax([f1(truth, None, (score >= t).astype(int)) for t in candidates(score)]))


@given(ROWS, st.floats(0, 5), st.floats(0.1, 5))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_threshold_costs_less(drawn, false_positive, false_negative):
    truth, score = rows_of(*drawn)
    cost = cost_metric(false_positive, false_negative).compute
    threshold = least_cost_threshold(truth, score, false_positive, false_negative)
    least = cost(truth, None, (score >= threshold).astype(int))
    assert least == pytest.approx(min(cost(truth, None, (score >= t).astype(int)) for t in candidates(score)))


def test_a_threshold_lies_between_scores():
    assert best_f1_threshold([0, 1], [0.2, 0.6]) == pytest.approx(0.4)
    neighbours = np.array([0.5, np.nextafter(0.5, 1)])
    threshold = best_f1_threshold([0, 1], neighbours)
    assert (neighbours >= threshold).tolist() == [False, True]
    assert least_cost_threshold([0, 0], [0.2, 1.0], 1.0, 1.0) > 1.0  # calling none positive is best


def test_nothing_to_choose_from():
    assert best_f1_threshold([0, 0], [0.1, 0.9]) == 0.5
    assert least_cost_threshold([], [], 1.0, 9.0) == pytest.approx(0.1)
    with pytest.raises(WrongUse, match="cost -1"):
        least_cost_threshold([0, 1], [0.1, 0.2], -1, 2)
