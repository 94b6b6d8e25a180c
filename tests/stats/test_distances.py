from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from rondo.errors import WrongUse
from rondo.stats.distances import jensen_shannon, null_shift, population_stability_index, wasserstein

DISTANCES = [population_stability_index, jensen_shannon, wasserstein]
NAMED = pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.__name__)


def test_psi_by_hand():
    reference, current = ["a"] * 60 + ["b"] * 40, ["a"] * 30 + ["b"] * 70
    p, q = np.array([60.5, 40.5]) / 101, np.array([30.5, 70.5]) / 101
    assert population_stability_index(reference, current, seed=0).value == pytest.approx(
        ((q - p) * np.log(q / p)).sum()
    )


def test_tenths_of_the_reference_are_the_bins():
    reference = np.arange(1000.0)
    current = np.arange(100.0)  # the lowest tenth alone
    p, q = np.full(10, 100.5) / 1005, np.array([100.5] + [0.5] * 9) / 105
    assert population_stability_index(reference, current, seed=0).value == pytest.approx(
        ((q - p) * np.log(q / p)).sum()
    )


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 80), m=st.integers(1, 80))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_formulas_as_in_scipy(seed, n, m):
    rng = np.random.default_rng(seed)
    reference, current = rng.choice(list("abcd"), n), rng.choice(list("abcd"), m)
    shares = [[np.mean(side == name) for name in "abcd"] for side in (reference, current)]
    # A category that the reference never saw is in a bin with all others unseen: compare where there is at most one.
    if len(set(current) - set(reference)) <= 1:
        ours = jensen_shannon(reference, current, draws=5, seed=0).value
        assert ours == pytest.approx(jensenshannon(*shares, base=2) ** 2, abs=1e-9)
    x, y = np.round(rng.normal(size=n), 1), np.round(rng.normal(1, 2, size=m), 1)
    spread = np.subtract(*np.quantile(x, [0.75, 0.25])) or x.std()
    if spread:
        assert wasserstein(x, y, draws=5, seed=0).value == pytest.approx(wasserstein_distance(x, y) / spread, abs=1e-9)


@NAMED
def test_nothing_moved_is_seldom_a_shift(distance):
    """`low` above 0 in at most 5 of 100 windows that did not move: 100 windows of 14 days against 28."""
    rng = np.random.default_rng(0)
    alarms = 0
    for window in range(100):
        day, reference_day = np.repeat(np.arange(14), 25), np.repeat(np.arange(28), 25)
        sides = [rng.normal(size=len(d)) + 0.4 * rng.normal(size=d.max() + 1)[d] for d in (reference_day, day)]
        found = distance(*sides, reference_blocks=reference_day, blocks=day, draws=60, seed=window)
        alarms += found.low > 0
    assert alarms <= 5


@NAMED
def test_a_real_shift_is_covered(distance):
    """The interval holds the true distance in 95 of 100; 150 windows, Monte-Carlo error 0.018."""
    rng = np.random.default_rng(1)
    truth = distance(rng.normal(size=100_000), rng.normal(0.4, 1, 100_000), draws=2, seed=0).value
    covered = 0
    for window in range(150):
        found = distance(rng.normal(size=600), rng.normal(0.4, 1, 400), draws=80, seed=window)
        covered += found.low <= truth <= found.high
    assert covered / 150 >= 0.895


def test_the_interval_leaves_out_what_noise_adds():
    """200 windows of 300 rows: the plain index is too high by about 0.06, the middle of the interval is not."""
    rng = np.random.default_rng(2)
    truth = population_stability_index(rng.normal(size=200_000), rng.normal(0.5, 1, 200_000), draws=2, seed=0).value
    windows = [(rng.normal(size=300), rng.normal(0.5, 1, 300)) for _ in range(200)]
    found = [population_stability_index(*sides, draws=60, seed=i) for i, sides in enumerate(windows)]
    plain = np.mean([each.value for each in found]) - truth
    middle = np.mean([(each.low + each.high) / 2 for each in found]) - truth
    assert plain > 0.04 and abs(middle) < plain / 3


@NAMED
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_order_and_unit_change_nothing(distance, seed):
    rng = np.random.default_rng(seed)
    reference, current = rng.normal(size=50), rng.normal(size=40)
    value = distance(reference, current, draws=3, seed=0).value
    assert distance(rng.permutation(reference), current, draws=3, seed=0).value == pytest.approx(value)
    assert distance(8 * reference, 8 * current, draws=3, seed=0).value == pytest.approx(value)
    assert distance(reference, reference, draws=3, seed=0).value == pytest.approx(0.0)


def test_nulls_and_new_names_are_bins_of_their_own():
    reference = np.array(["a", "b"] * 50, dtype=object)
    with_nulls = np.array(["a", "b", None, float("nan")] * 25, dtype=object)
    with_news = np.array(["a", "b", "x", "y"] * 25, dtype=object)
    value = population_stability_index(reference, with_nulls, seed=0).value
    assert value > 0.5 and value == pytest.approx(population_stability_index(reference, with_news, seed=0).value)
    numbers = np.array([1.0, 2.0, np.nan] * 30)
    assert population_stability_index(np.array([1.0, 2.0] * 40), numbers, seed=0).value > 0.5
    assert wasserstein(np.array([1.0, 2.0] * 40), numbers, seed=0).n == 60
    many = [f"N{i}" for i in range(500)]
    assert population_stability_index(many, many, seed=0).value == 0.0


def test_the_share_of_nulls():
    reference, current = np.array([1.0] * 95 + [np.nan] * 5), np.array([1.0] * 60 + [np.nan] * 40)
    found = null_shift(reference, current)
    assert found.value == pytest.approx(0.35) and 0.2 < found.low < 0.35 < found.high < 0.5
    assert null_shift(np.array(["a", None], dtype=object), np.array([None, None], dtype=object)).value == 0.5
    assert null_shift([], [1.0]).value is None
    assert null_shift([1.0], [1.0]).low is None


@NAMED
def test_nothing_examined_has_no_distance(distance):
    assert distance([], [], seed=0).value is None
    assert distance([1.0, 2.0], [], seed=0).document() == {"value": None, "low": None, "high": None, "n": 0}
    lone = distance([1.0, 2.0], [1.0], seed=0)
    assert lone.n == 1 and lone.low is None


def test_categories_have_no_wasserstein_distance():
    with pytest.raises(WrongUse, match="numbers"):
        wasserstein(["a", "b"], ["a"], seed=0)


def test_without_spread_there_is_no_unit():
    assert wasserstein([2.0] * 5, [2.0] * 4, seed=0).value == 0.0
    assert wasserstein([2.0] * 5, [3.0] * 4, seed=0).value is None
    assert population_stability_index([2.0] * 50, [2.0] * 40, seed=0).value == pytest.approx(0.0)
    assert population_stability_index([2.0] * 50, [1.0] * 40, seed=0).value > 1
