"""Quantiles from buckets: the interval holds the quantile of the values that were counted, and of their source."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from rondo.errors import WrongUse
from rondo.records.deployment import LATENCY_BOUNDS_S
from rondo.stats.histograms import _ranks, bucket_quantile, bucket_value

BOUNDS = LATENCY_BOUNDS_S


def counted(values):
    return np.bincount(np.searchsorted(BOUNDS, values, side="left"), minlength=len(BOUNDS) + 1)


@given(st.integers(1, 100_000), st.sampled_from([0.5, 0.9, 0.99]))
def test_the_ranks_are_those_of_the_binomial_law(n, share):
    low, high = _ranks(n, share, 0.95)
    assert (low, high - 1) == (binom.ppf(0.025, n, share), binom.ppf(0.975, n, share))


@settings(max_examples=200)
@given(st.lists(st.floats(1e-6, 9.0), min_size=1, max_size=300), st.sampled_from([0.5, 0.99]))
def test_the_value_is_in_the_bucket_of_the_quantile_and_the_interval_around_it(values, share):
    found = bucket_quantile(counted(values), BOUNDS, share)
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    place = int(np.searchsorted(BOUNDS, exact))
    assert found.n == len(values) and found.value == bucket_value(counted(values), BOUNDS, share)
    assert (0.0, *BOUNDS)[place] <= found.value * (1 + 1e-12)
    assert found.value <= BOUNDS[place] * (1 + 1e-12)
    assert found.low <= found.value * (1 + 1e-12)
    assert found.high is None or found.value <= found.high * (1 + 1e-12)


@pytest.mark.parametrize(("share", "n"), [(0.5, 20), (0.5, 500), (0.99, 400), (0.99, 5_000)])
def test_the_interval_holds_the_true_quantile_as_often_as_it_says(share, n):
    rng = np.random.default_rng(7)
    truth = float(np.exp(-7 + 0.8 * np.sqrt(2) * _inverse_error_function(2 * share - 1)))
    held = 0
    for _ in range(400):
        found = bucket_quantile(counted(np.exp(rng.normal(-7, 0.8, n))), BOUNDS, share)
        held += found.low <= truth and (found.high is None or truth <= found.high)
    assert held >= 0.95 * 400 - 2 * np.sqrt(400 * 0.95 * 0.05)


def _inverse_error_function(x):
    from scipy.special import erfinv

    return erfinv(x)


def test_what_a_small_sample_cannot_say_is_not_said():
    few = bucket_quantile(counted([0.001] * 367), BOUNDS, 0.99)
    enough = bucket_quantile(counted([0.001] * 368), BOUNDS, 0.99)
    assert few.high is None and enough.high == 0.001 and enough.low == 0.0008
    nothing = bucket_quantile(counted([]), BOUNDS, 0.99)
    assert (nothing.value, nothing.low, nothing.high, nothing.n) == (None, None, None, 0)
    assert bucket_value(counted([]), BOUNDS, 0.99) is None
    beyond = bucket_quantile(counted([60.0] * 1_000), BOUNDS, 0.99)
    assert (beyond.value, beyond.low, beyond.high) == (10.0, 10.0, None)


def test_counts_that_do_not_fit_are_refused():
    for counts, share in (([1, 2], 0.5), ([-1] + [0] * len(BOUNDS), 0.5), ([0] * (len(BOUNDS) + 1), 1.0)):
        with pytest.raises(WrongUse):
            bucket_quantile(counts, BOUNDS, share)
