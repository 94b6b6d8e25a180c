from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.stats.intervals import upper95
from rondo.stats.shares import share


def test_no_hit_bounds_the_share_by_about_three_in_n():
    for n, days in ((1_000, 20), (10_000, 14), (300, None)):
        blocks = None if days is None else np.arange(n) % days
        found = share(np.zeros(n, dtype=bool), blocks=blocks)
        assert (found.value, found.low) == (0.0, 0.0)
        assert 3.0 / n <= upper95(found, scale="logit") <= 4.0 / n


def test_days_that_differ_widen_the_interval():
    hits = np.repeat(np.arange(20) % 2 == 0, 100)  # every second day wholly hit
    days = np.repeat(np.arange(20), 100)
    apart, together = share(hits), share(hits, blocks=days)
    assert apart.value == together.value == 0.5
    assert together.high - together.low > 5 * (apart.high - apart.low)


@pytest.mark.parametrize("hits", [[], [True]])
def test_too_few_rows_have_no_interval(hits):
    found = share(np.array(hits, dtype=bool))
    assert (found.low, found.high, found.standard_error) == (None, None, None)


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(2, 9))
def test_the_interval_holds_the_share_and_stays_within_its_ends(hits, days):
    found = share(np.array(hits), blocks=np.arange(len(hits)) % days)
    assert found.value == pytest.approx(sum(hits) / len(hits))
    assert 0 <= found.low <= found.value <= found.high <= 1 and found.low < found.high


def test_its_upper_bound_is_missed_about_five_times_in_a_hundred():
    rng, missed = np.random.default_rng(5), 0
    days = np.repeat(np.arange(21), 80)
    for _ in range(1_000):
        of_day = rng.beta(2, 48, 21)  # 4 % on average, days differ
        missed += upper95(share(rng.random(len(days)) < of_day[days], blocks=days), scale="logit") < 0.04
    assert missed / 1_000 < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1_000) + 0.015  # a skew that t does not know
