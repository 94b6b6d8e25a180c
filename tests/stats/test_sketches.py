from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import StoreError, WrongUse
from rondo.stats.sketches import (
    NAMES,
    POINTS,
    NumberSketch,
    ValueSketch,
    as_numbers,
    as_values,
    decoded,
    encoded,
    merged,
    sketch_column,
    sketch_numbers,
    sketch_values,
)

ANY_NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60)


def ranks_hold(sketch, values, edges):
    """Every count below an edge is within `slack` rows of the rows' own."""
    ordered = np.sort(values)
    true = np.searchsorted(ordered, edges, side="left")
    found = sketch.shares_below(edges) * sketch.count
    return np.abs(found - true).max() <= sketch.slack + 1e-6


@given(numbers=ANY_NUMBERS, nulls=st.integers(0, 5))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_few_numbers_are_held_exactly(numbers, nulls):
    sketch = sketch_numbers(numbers, nulls=nulls)
    held = np.sort([x for x in numbers if np.isfinite(x)])
    assert sketch.rows == len(numbers) + nulls and sketch.nulls == nulls and sketch.slack == 0
    assert sketch.strange == len(numbers) - len(held)
    assert np.array_equal(np.repeat(sketch.points, sketch.weights), held)
    assert sketch.distinct == len(set(held.tolist()))
    if len(held):
        assert (sketch.low, sketch.high) == (held[0], held[-1])
    if len(held) and np.abs(held).max() < 1e150:
        assert sketch.mean == pytest.approx(held.mean(), rel=1e-9, abs=1e-300)
        shares = [0.0, 0.1, 0.5, 0.77, 1.0]
        assert np.allclose(sketch.quantiles(shares), np.quantile(held, shares), rtol=1e-9, atol=1e-300)
    else:
        assert sketch.mean is None or np.isfinite(sketch.mean)


@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from(["normal", "heavy", "rounded", "mostly one", "integers"]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_merged_in_any_grouping_ranks_stay_within_the_slack(seed, shape):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 12_000))
    values = {
        "normal": lambda: rng.normal(size=rows),
        "heavy": lambda: np.exp(3 * rng.normal(size=rows)),
        "rounded": lambda: np.round(rng.normal(size=rows), 2),
        "mostly one": lambda: np.where(rng.random(rows) < 0.9, 0.0, rng.normal(size=rows)),
        "integers": lambda: rng.integers(-4000, 4000, rows).astype(float),
    }[shape]()
    cuts = np.sort(rng.integers(0, rows + 1, rng.integers(1, 9)))
    parts = [sketch_numbers(part) for part in np.split(values, cuts)]
    middle = int(rng.integers(1, len(parts))) if len(parts) > 1 else 1
    grouped = [merged(group) for group in (parts[:middle], parts[middle:]) if group]
    edges = np.concatenate([rng.choice(values, 50), np.linspace(values.min() - 1, values.max() + 1, 50)])
    for sketch in (sketch_numbers(values), merged(parts), merged(grouped)):
        assert sketch.count == rows == sketch.weights.sum()
        assert ranks_hold(sketch, values, edges)
        assert (sketch.low, sketch.high) == (values.min(), values.max())
        assert sketch.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
        assert len(sketch.points) <= POINTS + 2 * 20
    assert merged(parts).slack <= 2 * rows / POINTS + len(parts)
    assert merged(parts).deviation == (pytest.approx(values.std(ddof=1), rel=1e-9) if rows > 1 else None)


def test_a_sketch_of_a_million_knows_each_rank_to_a_thousandth():
    values = np.random.default_rng(0).normal(size=1_000_000)
    sketch = sketch_numbers(values)
    assert sketch.slack <= 0.001 * len(values) and len(encoded(sketch)) < 6000
    tails = np.sort(values)[[1, 3, 10, -11, -4, -2]]
    assert np.abs(sketch.shares_below(tails) * len(values) - [1, 3, 10, 999_989, 999_996, 999_998]).max() <= 4


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_order_of_rows_and_of_sketches_changes_no_byte(seed):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=rng.integers(0, 2000)) for _ in range(5)]
    parts[0] = np.append(parts[0], [0.0, -0.0, np.nan, np.inf])
    numbers = [sketch_numbers(part) for part in parts]
    again = [sketch_numbers(rng.permutation(part)) for part in parts]
    assert [encoded(a) for a in numbers] == [encoded(b) for b in again]
    shuffled = [again[place] for place in rng.permutation(5)]
    assert encoded(merged(numbers)) == encoded(merged(shuffled))
    texts = [[f"n{x}" for x in rng.integers(0, 60, 200)] for _ in range(5)]
    named = [sketch_values(part) for part in texts]
    backwards = [sketch_values(part[::-1]) for part in reversed(texts)]
    assert encoded(merged(named)) == encoded(merged(backwards))


@given(numbers=ANY_NUMBERS, texts=st.lists(st.none() | st.text(max_size=5), max_size=40), nulls=st.integers(0, 3))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_what_is_encoded_comes_back(numbers, texts, nulls):
    sketch = sketch_numbers(numbers, nulls=nulls)
    back = decoded(encoded(sketch))
    assert isinstance(back, NumberSketch) and encoded(back) == encoded(sketch)
    assert np.array_equal(back.points, sketch.points) and np.array_equal(back.weights, sketch.weights)
    assert (back.nulls, back.strange, back.slack) == (sketch.nulls, sketch.strange, sketch.slack)
    named = sketch_values(texts)
    assert decoded(encoded(named)).counts == named.counts and decoded(encoded(named)).rows == len(texts)


def test_many_numbers_come_back_too():
    sketch = sketch_numbers(np.random.default_rng(1).normal(size=10_000))
    assert sketch.slack and encoded(decoded(encoded(sketch))) == encoded(sketch)
    assert sketch.distinct is None


@pytest.mark.parametrize("stored", [b"", b"\x93\x01\x02\x03", b"no sketch", encoded(sketch_numbers([1.0]))[:-3]])
def test_other_bytes_are_no_sketch(stored):
    with pytest.raises(StoreError, match="no sketch"):
        decoded(stored)


def test_points_and_weights_that_do_not_fit_are_no_sketch():
    whole = encoded(sketch_numbers([1.0, 2.0]))
    with pytest.raises(StoreError, match="no sketch"):
        decoded(whole.replace(np.array([1, 1], "<u1").tobytes(), b"\x01\x01\x01").replace(b"\xc4\x02", b"\xc4\x03"))


@given(texts=st.lists(st.none() | st.sampled_from(["a", "b", "", "NaN", "null", "é"]), max_size=50))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_names_are_counted(texts):
    sketch = sketch_values(texts)
    assert dict(sketch.counts) == {t: texts.count(t) for t in texts if t is not None}
    assert sketch.nulls == texts.count(None) and sketch.rows == len(texts) and sketch.exact and sketch.rest == 0
    assert list(sketch.counts) == sorted(sketch.counts, key=lambda name: (-sketch.counts[name], name))
    assert sketch.distinct == len(sketch.counts)


def test_of_many_names_the_most_frequent_are_kept():
    rng = np.random.default_rng(2)
    parts = [[f"id{x}" for x in rng.zipf(1.3, 20_000) % 30_000] for _ in range(6)]
    sketch = merged([sketch_values(part) for part in parts])
    names, counts = np.unique(np.concatenate(parts), return_counts=True)
    true = dict(zip(names.tolist(), counts.tolist(), strict=True))
    assert not sketch.exact and len(sketch.counts) == NAMES and sketch.rows == 120_000
    lacking = [true[name] - count for name, count in sketch.counts.items()]
    assert min(lacking) >= 0 and max(lacking) <= sketch.missed <= 2 * 120_000 / NAMES
    assert all(
        name in sketch.counts for name, count in true.items() if count > sketch.missed + min(sketch.counts.values())
    )
    assert sketch.distinct == pytest.approx(len(true), rel=0.05)
    back = decoded(encoded(sketch))
    assert isinstance(back, ValueSketch) and back.distinct == sketch.distinct and encoded(back) == encoded(sketch)


def test_each_type_of_column():
    dictionary = pa.chunked_array([pa.array(["b"]).dictionary_encode(), pa.array(["a", None]).dictionary_encode()])
    named = [
        (pa.array(["b", "a", None]), {"a": 1, "b": 1}),
        (pa.array(["b", "a", None], pa.large_string()), {"a": 1, "b": 1}),
        (pa.array(["b", "a", None]).cast(pa.string_view()), {"a": 1, "b": 1}),
        (pa.array([True, False, None, True]), {"true": 2, "false": 1}),
        (dictionary, {"a": 1, "b": 1}),
    ]
    for column, counts in named:
        sketch = sketch_column(column)
        assert isinstance(sketch, ValueSketch) and sketch.counts == counts and sketch.nulls == 1
    numbers = [
        (pa.array([2, None, 1], pa.int16()), [1, 2]),
        (pa.chunked_array([[2], [1, None]], pa.uint64()), [1, 2]),
        (pa.array([1.5, None, float("nan"), 1.5], pa.float32()), [1.5]),
        (pa.array([Decimal("1.50"), None]), [1.5]),
        (pa.array([3_000, None], pa.timestamp("ms", "UTC")), [3.0]),
        (pa.array([1, None], pa.date32()), [86_400.0]),
        (pa.array([86_400_000, None], pa.date64()), [86_400.0]),
        (pa.array([2**60, None], pa.timestamp("s")), [2.0**60]),
        (pa.array([7, None]).dictionary_encode(), [7]),
    ]
    for column, points in numbers:
        sketch = sketch_column(column)
        assert isinstance(sketch, NumberSketch) and sketch.points.tolist() == points and sketch.nulls == 1
        assert sketch.rows == len(column)
    assert sketch_column(pa.nulls(3)).rows == sketch_column(pa.nulls(3)).nulls == 3
    for refused in (pa.array([[1]]), pa.array([b"\xff"]), pa.array([{"a": 1}])):
        with pytest.raises(WrongUse, match="cannot be summarised"):
            sketch_column(refused)


def test_nothing_but_nulls_fits_either_kind():
    nothing = sketch_column(pa.nulls(4))
    for other in (sketch_numbers([1.0, 2.0]), sketch_values(["a"])):
        for pair in ([nothing, other], [other, nothing]):
            whole = merged(pair)
            assert type(whole) is type(other) and whole.nulls == 4 and whole.rows == 4 + other.rows
    assert as_values(sketch_numbers([], nulls=2)).nulls == 2 and as_numbers(nothing).mean is None
    assert np.isnan(as_numbers(nothing).quantiles([0.5])).all()
    with pytest.raises(WrongUse, match="do not merge"):
        merged([sketch_numbers([1.0]), sketch_values(["a"])])
    with pytest.raises(WrongUse, match="no sketch"):
        merged([])


def test_bins_hold_their_lower_edge():
    sketch = sketch_numbers([1.0, 2.0, 2.0, 3.0, np.nan])
    assert sketch.counts([2.0, 3.0]).tolist() == [1, 2, 1]
    assert sketch.shares_below([1.0, 2.0, 9.0]).tolist() == [0.0, 0.25, 1.0]
    assert sketch.counts([]).tolist() == [4]


def test_numbers_too_great_to_add_up_have_no_mean():
    sketch = merged([sketch_numbers([1e308, 1.5e308]), sketch_numbers([-1.0])])
    assert sketch.mean is None and sketch.deviation is None and sketch.high == 1.5e308
    assert decoded(encoded(sketch)).mean is None
