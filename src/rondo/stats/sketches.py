"""Summaries of a column that merge, so that days add up to weeks and comparing two windows reads no row again.

A `NumberSketch` holds the values in order with the rows at each: exactly while at most `POINTS` differ, else one value
for each of `POINTS` runs of equally many rows, the middle one of its run, and at both ends runs that halve down to a
single row (equi-rank summaries: Munro and Paterson, 1980; Manku, Rajagopalan and Lindsay, 1998). Condensing moves a
rank by half a run at most; `slack` adds these up. A `ValueSketch` counts values by name: all while at most `NAMES`
differ, else the most frequent; `missed` bounds what a count lacks, and how many differ is estimated (HyperLogLog).

Nulls, and numbers that are not finite, are counted apart: none goes missing. The same rows give the same bytes in any
order of the rows, and of the sketches that are merged. Merge many at once rather than one after another: each
condensing adds its error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from rondo.errors import StoreError, WrongUse
from rondo.stats.results import Floats, Ints, finite

if TYPE_CHECKING:
    import pyarrow as pa

POINTS = 512
NAMES = 2048
_LG_REGISTERS = 12
"""4,096 registers: how many values differ is known to 1.6 % (one standard error)."""


@dataclass(frozen=True, eq=False)
class NumberSketch:
    """Numbers: `points` (k,) ascending with `weights` (k,) rows each.

    A count of rows below a number is off by at most `slack` rows.
    """

    points: Floats
    weights: Ints
    nulls: int
    strange: int
    """Rows that are not a finite number."""
    slack: int
    centre: float
    squares: float
    """The finite rows' mean and the sum of their squared distances from it."""

    @cached_property
    def cumulative(self) -> Ints:
        """Rows at each point and below: (k + 1,), from 0."""
        return np.concatenate([[0], np.cumsum(self.weights)])

    @cached_property
    def count(self) -> int:
        """Rows with a finite number."""
        return int(self.weights.sum())

    @property
    def rows(self) -> int:
        """All rows."""
        return self.count + self.nulls + self.strange

    @property
    def distinct(self) -> int | None:
        """How many numbers differ; None where too many do to count."""
        return None if self.slack else len(self.points)

    @property
    def mean(self) -> float | None:
        """None without numbers, and where it overflows."""
        return finite(self.centre) if self.count else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation (n − 1); None below two numbers, and where it overflows."""
        return finite(float(np.sqrt(self.squares / (self.count - 1)))) if self.count > 1 else None

    @property
    def low(self) -> float | None:
        """The least number, exactly."""
        return float(self.points[0]) if len(self.points) else None

    @property
    def high(self) -> float | None:
        """The greatest number, exactly."""
        return float(self.points[-1]) if len(self.points) else None

    def quantiles(self, shares: npt.ArrayLike) -> Floats:
        """The numbers (m,) at these shares of the rows, between two rows in proportion; NaN without numbers."""
        wanted = np.atleast_1d(np.asarray(shares, dtype=np.float64))
        if not self.count:
            return np.full(len(wanted), np.nan)
        place = wanted * (self.count - 1)
        below = np.floor(place).astype(np.int64)
        lower, upper = (self.at(np.minimum(row, self.count - 1)) for row in (below, below + 1))
        part = place - below
        values: Floats = lower * (1 - part) + upper * part
        return np.where(lower == upper, lower, values)

    def at(self, rows: Ints) -> Floats:
        """The number of each of these rows, counted from 0 in ascending order."""
        found: Floats = self.points[np.searchsorted(self.cumulative[1:], rows, side="right")]
        return found

    def shares_below(self, edges: npt.ArrayLike) -> Floats:
        """Share of the numbers that are less than each edge (m,); NaN without numbers."""
        below = self.cumulative[np.searchsorted(self.points, np.asarray(edges, dtype=np.float64), side="left")]
        shares: Floats = below / self.count if self.count else np.full(np.shape(below), np.nan)
        return shares

    def counts(self, edges: npt.ArrayLike) -> Ints:
        """Rows in each bin (m + 1,) that ascending edges (m,) make; an edge belongs to the bin above it."""
        below = np.empty(np.size(edges) + 2, dtype=np.int64)
        below[0], below[-1] = 0, self.count
        below[1:-1] = self.cumulative[np.searchsorted(self.points, edges, side="left")]
        return below[1:] - below[:-1]


@dataclass(frozen=True, eq=False)
class ValueSketch:
    """Values by name, most frequent first (ties by name); `rest` are the rows of all values not named.

    A count lacks at most `missed` rows. `registers` (HyperLogLog) stand where not all values are named.
    """

    counts: Mapping[str, int]
    rest: int
    nulls: int
    missed: int
    registers: bytes

    @property
    def count(self) -> int:
        """Rows with a value."""
        return sum(self.counts.values()) + self.rest

    @property
    def rows(self) -> int:
        """All rows."""
        return self.count + self.nulls

    @property
    def exact(self) -> bool:
        """Whether every value is named."""
        return not self.registers

    @property
    def distinct(self) -> int:
        """How many values differ: counted, or estimated (and no fewer than are named)."""
        if self.exact:
            return len(self.counts)
        from datasketches import hll_sketch

        estimated: float = hll_sketch.deserialize(self.registers).get_estimate()
        return max(len(self.counts), round(estimated))


Sketch = NumberSketch | ValueSketch


def sketch_numbers(values: npt.ArrayLike, *, nulls: int = 0) -> NumberSketch:
    """The sketch of numbers (n,); NaN and infinities are counted as strange, `nulls` come on top."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    first, last = np.searchsorted(ordered, -np.inf, side="right"), np.searchsorted(ordered, np.inf, side="left")
    numbers = ordered[first:last]
    with np.errstate(over="ignore", invalid="ignore"):
        centre = float(numbers.mean()) if len(numbers) else 0.0
        squares = float(np.square(numbers - centre).sum())
    if np.count_nonzero(numbers[1:] != numbers[:-1]) < POINTS:
        starts = _starts(numbers)
        points, weights, slack = numbers[starts], np.diff(starts, append=len(numbers)), 0
    else:
        middles, sizes, slack = _runs(len(numbers))
        points, weights = _joined(numbers[middles], sizes)
    return NumberSketch(points + 0.0, weights, nulls, len(ordered) - len(numbers), slack, centre, squares)


def sketch_values(values: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> ValueSketch:
    """The sketch of texts or truth values, a null being None."""
    import pyarrow as pa

    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
    if pa.types.is_string_view(column.type):  # pyarrow counts a null among views as an empty text
        column = column.cast(pa.string())
    counted = column.value_counts()
    names, counts = counted.field("values"), counted.field("counts").to_pylist()
    if pa.types.is_dictionary(names.type):
        names = names.cast(names.type.value_type)
    found: dict[str | None, int] = {}
    for name, count in zip(names.cast(pa.string()).to_pylist(), counts, strict=True):
        found[name] = found.get(name, 0) + count  # a dictionary may hold a value twice, and nulls of its own
    nulls = found.pop(None, 0)
    return _headed({name: count for name, count in found.items() if name is not None}, 0, nulls, 0, [])


def sketch_column(column: pa.Array | pa.ChunkedArray) -> Sketch:
    """The sketch of a column: numbers, decimals and moments (in seconds since 1970) as numbers, all else by name.

    Integers beyond 2^53 are rounded. Raises WrongUse for a nested column, and for bytes that are no text.
    """
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _sketch_numeric(column, pa.float64(), 1.0)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        unit = "ms" if pa.types.is_date64(kind) else getattr(kind, "unit", "s")
        moments = column.cast(pa.timestamp(unit, getattr(kind, "tz", None)))
        return _sketch_numeric(moments, pa.int64(), {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit])
    if pa.types.is_null(kind):
        return ValueSketch({}, 0, len(column), 0, b"")
    try:
        return sketch_values(column)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise WrongUse(
            f"A column of type {kind} cannot be summarised.", next_step="Sketch numbers, texts, truth values, moments."
        ) from None


def merged(sketches: Sequence[Sketch]) -> Sketch:
    """The sketch of all their rows. One that holds only nulls fits either kind.

    Raises WrongUse for numbers with names, and for none at all.
    """
    if not sketches:
        raise WrongUse("There is no sketch to merge.", next_step="Give at least one.")
    if len(sketches) == 1:
        return sketches[0]
    like = next((sketch for sketch in sketches if sketch.rows > sketch.nulls), sketches[0])
    if isinstance(like, NumberSketch):
        return _merged_numbers([as_numbers(sketch) for sketch in sketches])
    return _merged_values([as_values(sketch) for sketch in sketches])


def as_kind(sketch: Sketch, like: Sketch) -> Sketch:
    """The sketch, if it is of the other's kind or holds nothing but nulls. Raises WrongUse."""
    return as_numbers(sketch) if isinstance(like, NumberSketch) else as_values(sketch)


def as_numbers(sketch: Sketch) -> NumberSketch:
    """The sketch, if it is one of numbers or holds nothing but nulls. Raises WrongUse."""
    if isinstance(sketch, NumberSketch):
        return sketch
    if sketch.count:
        raise _mixed(next(iter(sketch.counts), "a text"))
    return NumberSketch(np.empty(0), np.empty(0, dtype=np.int64), sketch.nulls, 0, 0, 0.0, 0.0)


def as_values(sketch: Sketch) -> ValueSketch:
    """The sketch, if it is one of names or holds nothing but nulls. Raises WrongUse."""
    if isinstance(sketch, ValueSketch):
        return sketch
    if sketch.count or sketch.strange:
        raise _mixed(sketch.low)
    return ValueSketch({}, 0, sketch.nulls, 0, b"")


class _Numbers(msgspec.Struct, frozen=True, array_like=True, tag="numbers1"):
    """How numbers are stored; forms are numpy's, little-endian, the narrowest that loses nothing."""

    form: str
    points: bytes
    weight_form: str
    weights: bytes
    nulls: int
    strange: int
    slack: int
    centre: float
    squares: float


class _Values(msgspec.Struct, frozen=True, array_like=True, tag="values1"):
    """How values are stored."""

    names: list[str]
    form: str
    counts: bytes
    rest: int
    nulls: int
    missed: int
    registers: bytes


_PACK = msgspec.msgpack.Encoder()
_UNPACK = msgspec.msgpack.Decoder(_Numbers | _Values)


def encoded(sketch: Sketch) -> bytes:
    """The sketch as MessagePack: an array whose first item names kind and layout."""
    if isinstance(sketch, ValueSketch):
        counts = np.fromiter(sketch.counts.values(), np.int64, len(sketch.counts))
        form, raw = _narrowed(counts)
        return _PACK.encode(
            _Values(list(sketch.counts), form, raw, sketch.rest, sketch.nulls, sketch.missed, sketch.registers)
        )
    of_points, of_weights = _narrowed(sketch.points), _narrowed(sketch.weights)
    counted = (sketch.nulls, sketch.strange, sketch.slack)
    return _PACK.encode(_Numbers(*of_points, *of_weights, *counted, sketch.centre, sketch.squares))


def decoded(stored: bytes) -> Sketch:
    """The sketch that `encoded` wrote. Raises StoreError for anything else."""
    try:
        found = _UNPACK.decode(stored)
        if isinstance(found, _Values):
            counts = np.frombuffer(found.counts, found.form).tolist()
            named = dict(zip(found.names, counts, strict=True))
            return ValueSketch(named, found.rest, found.nulls, found.missed, found.registers)
        points = np.frombuffer(found.points, found.form).astype(np.float64)
        weights = np.frombuffer(found.weights, found.weight_form).astype(np.int64)
        if len(points) != len(weights):
            raise ValueError(f"{len(points)} points, {len(weights)} weights")
        return NumberSketch(points, weights, found.nulls, found.strange, found.slack, found.centre, found.squares)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise StoreError(
            f"These {len(stored)} bytes are no sketch: {error}.", next_step="Measure the window again."
        ) from error


def _narrowed(values: Floats | Ints) -> tuple[str, bytes]:
    """The narrowest form that holds the values (counts are never negative), and their bytes in it."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            narrow = values.astype("<f4")
        form = "<f4" if np.array_equal(narrow, values) else "<f8"
    else:
        form = f"<u{np.min_scalar_type(int(values.max(initial=0))).itemsize}"
    return form, values.astype(form).tobytes()


def _sketch_numeric(column: pa.Array | pa.ChunkedArray, kind: pa.DataType, scale: float) -> NumberSketch:
    held = column.drop_null() if column.null_count else column
    numbers = held.cast(kind, safe=False).to_numpy(**({} if hasattr(held, "chunks") else {"zero_copy_only": False}))
    return sketch_numbers(numbers if scale == 1.0 else numbers / scale, nulls=column.null_count)


def _merged_numbers(sketches: Sequence[NumberSketch]) -> NumberSketch:
    points, weights = (np.concatenate([getattr(s, name) for s in sketches]) for name in ("points", "weights"))
    order = np.argsort(points, kind="stable")
    points, weights = _joined(points[order], weights[order])
    slack = sum(sketch.slack for sketch in sketches)
    if len(points) > POINTS:
        cumulative = np.cumsum(weights)
        middles, sizes, added = _runs(int(cumulative[-1]))
        points, weights = _joined(points[np.searchsorted(cumulative, middles, side="right")], sizes)
        slack += added
    counts, centres, squares = (
        np.array([getattr(s, name) for s in sketches]) for name in ("count", "centre", "squares")
    )
    with np.errstate(over="ignore", invalid="ignore"):
        centre = _total(counts * centres) / max(1, int(counts.sum()))
        squared = _total(squares + counts * np.square(centres - centre))
    nulls, strange = (sum(getattr(s, name) for s in sketches) for name in ("nulls", "strange"))
    return NumberSketch(points, weights, nulls, strange, slack, centre, squared)


def _total(terms: Floats) -> float:
    """The sum, the same in any order of the terms."""
    return float(np.sort(terms).sum())


def _runs(rows: int) -> tuple[Ints, Ints, int]:
    """Runs of ordered rows: each one's middle row, its size, and by how many rows it may misplace a rank."""
    cuts = np.arange(POINTS + 1, dtype=np.int64) * rows // POINTS
    widest = -(-rows // POINTS)
    halves = widest >> np.arange(1, widest.bit_length(), dtype=np.int64)
    cuts = np.unique(np.concatenate([cuts, halves, rows - halves]))
    sizes = np.diff(cuts)
    return (cuts[:-1] + cuts[1:] - 1) // 2, sizes, int(sizes.max()) // 2


def _joined(points: Floats, weights: Ints) -> tuple[Floats, Ints]:
    """Ascending points, equal ones as one with all their weight."""
    starts = _starts(points)
    if len(starts) == len(points):
        return points, weights
    return points[starts], np.add.reduceat(weights, starts)


def _starts(ordered: Floats) -> Ints:
    """Where the next number begins."""
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), dtype=np.bool_), ordered[1:] != ordered[:-1]]))


def _merged_values(sketches: Sequence[ValueSketch]) -> ValueSketch:
    counts: dict[str, int] = {}
    for sketch in sketches:
        for name, count in sketch.counts.items():
            counts[name] = counts.get(name, 0) + count
    rest, nulls, missed = (sum(getattr(s, name) for s in sketches) for name in ("rest", "nulls", "missed"))
    return _headed(counts, rest, nulls, missed, [s.registers for s in sketches if s.registers])


def _headed(counts: Mapping[str, int], rest: int, nulls: int, missed: int, registers: Sequence[bytes]) -> ValueSketch:
    """The most frequent names; what is cut off joins the rest. `registers` hold the names that were cut off before."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept, cut = ordered[:NAMES], ordered[NAMES:]
    if not cut and not registers:
        return ValueSketch(dict(kept), rest, nulls, missed, b"")
    lacking = cut[0][1] if cut else 0
    return ValueSketch(
        dict(kept), rest + sum(count for _, count in cut), nulls, missed + lacking, _united(registers, ordered)
    )


def _united(registers: Sequence[bytes], named: Sequence[tuple[str, int]]) -> bytes:
    """HyperLogLog registers of all these; by a union, whose state does not depend on their order."""
    from datasketches import hll_sketch, hll_union, tgt_hll_type

    union = hll_union(_LG_REGISTERS)
    for each in registers:
        union.update(hll_sketch.deserialize(each))
    for name, _ in sorted(named):
        union.update(name)
    stored: bytes = union.get_result(tgt_hll_type.HLL_4).serialize_compact()
    return stored


def _mixed(value: object) -> WrongUse:
    return WrongUse(
        f"Numbers do not merge with values by name (here: {value!r}).",
        next_step="Give the column one type, and sketch the window again.",
    )
