from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rondo.errors import WrongUse
from rondo.stats.proportions import mean_interval, mean_of_blocks, proportion, wilson


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
@settings(deadline=None, derandomize=True)
def test_wilson_as_in_scipy(n, share):
    successes = round(n * share)
    low, high = wilson(successes, n)
    check = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((check.low, check.high), abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1 and high > low


def test_wilson_of_nothing_and_of_nonsense():
    assert wilson(0, 0) == (None, None)
    assert proportion(0, 0).document() == {"value": None, "low": None, "high": None, "n": 0}
    assert proportion(3, 10, name="null_rate").value == 0.3
    for successes, n in ((3, 2), (-1, 2)):
        with pytest.raises(WrongUse, match=f"{successes} of {n}"):
            wilson(successes, n)


def test_a_mean_as_in_scipy():
    values = np.random.default_rng(0).normal(5, 2, 30)
    found = mean_interval(values, unit="ms")
    check = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((check.low, check.high))
    assert (found.n, found.unit, found.degrees) == (30, "ms", 29)


def test_a_mean_of_equal_blocks_is_the_mean_of_their_means():
    values = np.random.default_rng(0).normal(size=(12, 5))
    found = mean_interval(values.ravel(), blocks=np.repeat(np.arange(12), 5))
    check = mean_interval(values.mean(axis=1))
    assert (found.low, found.high) == pytest.approx((check.low, check.high)) and found.n == 60


def test_few_values():
    assert mean_interval([]).value is None
    alone = mean_interval([3.0])
    assert (alone.value, alone.low, alone.standard_error) == (3.0, None, None)
    assert mean_interval([1.0, 2.0], blocks=np.array([1, 1])).low is None
    with pytest.raises(WrongUse, match="not finite"):
        mean_interval([1.0, float("nan")])


@given(seed=st.integers(0, 2**32 - 1), blocks=st.integers(1, 9))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_blocks_totals_say_what_their_rows_say(seed, blocks):
    rng = np.random.default_rng(seed)
    block = rng.integers(0, blocks, 60)
    values = rng.normal(size=60) + rng.normal(size=blocks)[block]
    totals, sizes = (np.bincount(block, weights=w, minlength=blocks + 1) for w in (values, np.ones(60)))  # one is empty
    rows, told = mean_interval(values, blocks=block), mean_of_blocks(totals, sizes)
    assert (told.value, told.n, told.degrees) == (pytest.approx(rows.value), rows.n, rows.degrees)
    assert told.standard_error == (rows.standard_error and pytest.approx(rows.standard_error))
