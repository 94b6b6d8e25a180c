from __future__ import annotations

import numpy as np
import pytest

from rondo.stats.jackknife import GROUPS, jackknife
from rondo.stats.proportions import mean_interval


def mean_of(values: np.ndarray):
    return lambda weights: weights @ values / weights.sum(axis=1)


def test_of_a_mean_of_blocks_of_one_size_it_is_the_textbook_interval() -> None:
    values, days = np.random.default_rng(0).normal(size=70), np.repeat(np.arange(7), 10)
    ours, known = jackknife("mean", mean_of(values), 70, blocks=days), mean_interval(values, blocks=days)
    assert (ours.value, ours.low, ours.high) == pytest.approx((known.value, known.low, known.high))
    assert (ours.degrees, ours.n) == (6, 70)


def test_its_interval_holds_the_truth_as_often_as_promised() -> None:
    rng, held, runs, days = np.random.default_rng(1), 0, 400, np.repeat(np.arange(7), 20)
    for _ in range(runs):
        values = rng.normal(size=7)[days] + rng.normal(size=140)
        found = jackknife("mean", mean_of(values), 140, blocks=days)
        held += found.low <= 0 <= found.high
    assert abs(held / runs - 0.95) < 3 * np.sqrt(0.95 * 0.05 / runs)


def test_with_too_few_days_rows_are_left_out_by_groups() -> None:
    values = np.random.default_rng(2).normal(size=100)
    assert jackknife("mean", mean_of(values), 100, blocks=np.zeros(100, dtype=int)).degrees == GROUPS - 1
    assert jackknife("mean", mean_of(values[:2]), 2).degrees == 1


def test_what_cannot_be_said_is_not_said() -> None:
    assert jackknife("mean", mean_of(np.empty(0)), 0).value is None
    alone = jackknife("mean", mean_of(np.ones(1)), 1)
    assert (alone.value, alone.low, alone.high) == (1.0, None, None)
    rare = np.array([1.0, *[0.0] * 9])
    undefined = jackknife("ratio", lambda w: np.where(w @ rare > 0, 1.0, np.nan), 10)
    assert (undefined.value, undefined.low) == (1.0, None)


def test_it_stays_within_bounds() -> None:
    found = jackknife("mean", mean_of(np.array([0.0, 1.0, 1.0, 1.0])), 4, bounds=(0.0, 1.0))
    assert found.high == 1.0 and found.low >= 0.0
