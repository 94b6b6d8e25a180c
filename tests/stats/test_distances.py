from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from rondo.errors import WrongUse
from rondo.stats.distances import (
    drift,
    jensen_shannon,
    null_shift,
    population_stability_index,
    reference_of,
    wasserstein,
)
from rondo.stats.proportions import mean_interval
from rondo.stats.sketches import merged, sketch_column, sketch_numbers, sketch_values

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


def sketched(values, days):
    return [sketch_column(pa.array(values[days == day].tolist(), from_pandas=False)) for day in np.unique(days)]


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["numbers", "names", "strange"]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_exact_sketches_say_what_the_rows_say(seed, kind):
    rng = np.random.default_rng(seed)
    reference_day, day = np.sort(rng.integers(0, 6, 300)), np.sort(rng.integers(0, 4, 200))
    if kind == "names":
        sides = [
            rng.choice([*"abcdefgh", None], size=len(d), p=rng.dirichlet(np.ones(9))) for d in (reference_day, day)
        ]
    else:
        sides = [np.round(rng.normal(shift, 1, len(d)), 1) for shift, d in ((0, reference_day), (0.5, day))]
        if kind == "strange":
            sides = [np.where(rng.random(len(s)) < 0.1, np.nan, s) for s in sides]
    blocks = {"reference_blocks": reference_day, "blocks": day}
    found = drift(*(sketched(s, d) for s, d in zip(sides, (reference_day, day), strict=True)), draws=300, seed=3)
    distances = [population_stability_index, jensen_shannon] + ([] if kind == "names" else [wasserstein])
    for distance in distances:
        rows, days = distance(*sides, **blocks, draws=300, seed=3), found[distance.__name__]
        assert days.value == pytest.approx(rows.value, abs=1e-9) and days.n == rows.n and days.name == rows.name
        assert abs(days.high - rows.high) <= 0.25 * (rows.high - rows.low) + 0.02
    if kind != "strange":
        shift = null_shift(*sides, **blocks)
        assert (found["null_shift"].value, found["null_shift"].low) == pytest.approx((shift.value, shift.low), abs=1e-9)


@given(seed=st.integers(0, 2**32 - 1), heavy=st.booleans())
@settings(max_examples=15, deadline=None, derandomize=True)
def test_condensed_sketches_are_near_the_rows(seed, heavy):
    """Ranks are off by 1 in 500 on either side at most: 0.002 on the index, 1 in 100 of a spread."""
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(12, 1500)), rng.normal(rng.uniform(-0.5, 0.5), rng.uniform(0.8, 1.3), (7, 1500))
    before, after = (np.exp(side) if heavy else side for side in (before, after))
    found = drift(*([sketch_numbers(day) for day in side] for side in (before, after)), draws=20, seed=0)
    for distance, within in ((population_stability_index, 0.004), (jensen_shannon, 0.001), (wasserstein, 0.01)):
        exact = distance(before.ravel(), after.ravel(), draws=2, seed=0).value
        assert abs(found[distance.__name__].value - exact) <= within + 0.02 * exact
    outside = np.mean((after < before.min()) | (after > before.max()))
    assert found["out_of_range_share"].value == pytest.approx(outside, abs=0.001)


def test_days_that_did_not_move_are_seldom_a_drift():
    """Each figure's `low` is above 0 in at most 5 of 100 weeks, drawn by days that differ, and 9 of 100 days by rows."""
    rng = np.random.default_rng(4)
    names = ("population_stability_index", "jensen_shannon", "wasserstein")
    for days, shared, most in ((14, 0.4, 5), (1, 0.0, 9)):
        alarms = dict.fromkeys(names, 0)
        for window in range(100):
            sides = [[sketch_numbers(rng.normal(shared * rng.normal(), 1, 60)) for _ in range(n)] for n in (28, days)]
            found = drift(*sides, draws=100, seed=window)
            for name in names:
                alarms[name] += found[name].low > 0
        assert max(alarms.values()) <= most, (days, alarms)


def test_values_outside_and_unseen_are_shares_with_their_intervals():
    reference = reference_of([sketch_numbers(np.arange(100.0)) for _ in range(5)])
    window = [sketch_numbers([5.0, 7.0, 120.0, -1.0]), sketch_numbers([50.0, 60.0, 99.0, 0.0], nulls=4)]
    found = drift(reference, window, seed=0)["out_of_range_share"]
    assert (found.value, found.n) == (0.25, 8) and 0 <= found.low < 0.25 < found.high <= 1
    within = drift(reference, window[1:], seed=0)["out_of_range_share"]
    assert (within.value, within.low, within.n) == (0.0, 0.0, 4) and within.high > 0.3
    names = drift(sketch_values(["a", "b"] * 20), [sketch_values(["a", "x", None, "y"])], seed=0)
    assert names["unseen_share"].value == pytest.approx(2 / 3) and names["unseen_share"].n == 3
    assert "wasserstein" not in names and names["null_shift"].value == 0.25
    days = [sketch_numbers([5.0] * (100 - out) + [-5.0] * out) for out in (2, 4, 3, 1, 5, 3)]
    several = drift(reference, days, seed=0)["out_of_range_share"]
    by_days = mean_interval([out / 100 for out in (2, 4, 3, 1, 5, 3)])
    assert (several.value, several.low, several.high) == pytest.approx((0.03, by_days.low, by_days.high))
    too_many = sketch_values([f"id{i}" for i in range(3000)])
    crowd = drift(sketch_values(["a", "b"] * 20), [too_many], seed=0)
    assert crowd["unseen_share"].value == 1.0 and crowd["jensen_shannon"].n == 3000
    assert drift(too_many, [sketch_values(["new"] * 9)], seed=0)["unseen_share"].value is None
    assert drift(too_many, [too_many], seed=0)["population_stability_index"].value == 0.0


def test_one_day_of_nulls_is_drawn_by_rows():
    sides = [np.where(np.arange(n) < gone, np.nan, 1.0) for n, gone in ((80, 8), (60, 24))]
    rows = null_shift(*sides)
    days = drift(*([sketch_column(pa.array(side, from_pandas=True))] for side in sides), seed=0)["null_shift"]
    assert (days.value, days.low, days.high) == pytest.approx((rows.value, rows.low, rows.high))


def test_drift_of_nothing_and_of_nulls():
    numbers, nulls = sketch_numbers(np.arange(50.0)), sketch_column(pa.nulls(20))
    for found in (drift(numbers, [], seed=0), drift(numbers, [sketch_numbers([])], seed=0)):
        assert {(each.value, each.n) for each in found.values()} == {(None, 0)}
    gone = drift(numbers, [nulls, nulls], seed=0)
    assert gone["null_shift"].value == 1.0 and gone["wasserstein"].value is None and gone["wasserstein"].n == 0
    assert gone["population_stability_index"].value > 1
    came = drift(nulls, [numbers], seed=0)
    assert came["null_shift"].value == -1.0 and came["out_of_range_share"].value is None
    assert drift(nulls, [sketch_values(["a"])], seed=0)["unseen_share"].value is None
    assert drift(nulls, [nulls], seed=0)["population_stability_index"].value == 0.0
    with pytest.raises(WrongUse, match="do not merge"):
        drift(numbers, [sketch_values(["a"])], seed=0)
    wide = drift(sketch_numbers([-1.5e308, 0.0, 1.5e308]), [sketch_numbers([1e308, 2.0])], seed=0)
    assert wide["wasserstein"].value == pytest.approx(5 / 9)
    wider = drift(sketch_numbers([-1.7e308, 1.7e308] * 9), [sketch_numbers([1e308, 2.0])], seed=0)
    assert wider["wasserstein"].value is None


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_the_same_days_give_the_same_figures_in_any_order(seed):
    rng = np.random.default_rng(seed)
    reference, window = ([sketch_numbers(rng.normal(size=40)) for _ in range(n)] for n in (9, 7))
    first = drift(reference, window, draws=20, seed=5)
    assert first == drift(reference_of(reference), window, draws=20, seed=5)
    mixed = drift([merged(reference[::-1])], window[::-1], draws=20, seed=5)
    assert {n: e.value for n, e in mixed.items()} == pytest.approx({n: e.value for n, e in first.items()})
