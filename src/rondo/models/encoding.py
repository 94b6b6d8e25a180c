"""What a model is fed, as numbers: the same bit for bit from Arrow columns and from the values of a request."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rondo.errors import BuildError
from rondo.features.signature import Column, kind_of
from rondo.stats.results import Floats

if TYPE_CHECKING:
    import pyarrow as pa

STRETCH = 100_000
VOCABULARY = 1000
"""At most so many values of a category are told apart; the rarer ones read as missing."""
ID_LIKE_ROWS = 100
ID_LIKE_SHARE = 0.95
"""Text of which more than this share of at least `ID_LIKE_ROWS` values is distinct names rows, and tells nothing."""


@dataclass(frozen=True)
class Coding:
    """How one fed column becomes a number: itself, 0 or 1, or its place in `vocabulary`.

    `skipped` says why a column is not fed after all; its numbers are then all missing.
    """

    name: str
    kind: Literal["number", "boolean", "category"]
    vocabulary: tuple[str, ...] = ()
    skipped: str | None = None


@dataclass(frozen=True)
class Encoder:
    """The codings of a model's fed columns, in order. Missing, unseen and infinite values are NaN."""

    columns: tuple[Coding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of a matrix."""
        return tuple(coding.name for coding in self.columns)

    @property
    def categories(self) -> tuple[int, ...]:
        """Which columns of a matrix hold codes of categories."""
        return tuple(i for i, c in enumerate(self.columns) if c.kind == "category" and not c.skipped)

    @cached_property
    def _codes(self) -> tuple[dict[Any, float] | None, ...]:
        """For each column what gives a value's number; None where it is its own."""
        own: dict[str, dict[Any, float] | None] = {"number": None, "boolean": _TRUTH}
        return tuple(
            _NOTHING if c.skipped else own[c.kind] if c.kind in own else _Codes(c.vocabulary) for c in self.columns
        )

    def row(self, values: Sequence[Any]) -> list[float]:
        """One row of values in the order of the fed columns as numbers."""
        nan, least, most = math.nan, -sys.float_info.max, sys.float_info.max
        return [
            nan if value is None
            else codes[value] if codes is not None
            else value if least <= value <= most else nan
            for codes, value in zip(self._codes, values, strict=True)
        ]  # fmt: skip


class _Codes(dict[Any, float]):
    """Places in a vocabulary; what is no text is looked up as it is written, what was never seen is NaN."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        super().__init__({value: float(code) for code, value in enumerate(vocabulary)})

    def __missing__(self, value: Any) -> float:
        return math.nan if isinstance(value, str) else self.get(str(value), math.nan)


class _Truth(dict[Any, float]):
    def __missing__(self, value: Any) -> float:
        return 1.0 if value else 0.0


class _Nothing(dict[Any, float]):
    def __missing__(self, value: Any) -> float:
        return math.nan


_TRUTH, _NOTHING = _Truth(), _Nothing()


def fit_encoder(table: pa.Table, fed: Sequence[Column]) -> Encoder:
    """The codings of `fed` as the training rows show them: vocabularies by frequency, then by value."""
    return Encoder(tuple(_fitted(table, column) for column in fed))


def encode_table(encoder: Encoder, table: pa.Table) -> Floats:
    """The rows as float64 (n, columns). Raises BuildError for a column that is missing or of another kind."""
    matrix = np.full((table.num_rows, len(encoder.columns)), np.nan)
    for place, coding in enumerate(encoder.columns):
        if coding.skipped is None:
            values = _encoded(_column(table, coding.name), coding)
            matrix[:, place] = np.where(np.isfinite(values), values, np.nan)
    return matrix


def encode_values(encoder: Encoder, rows: Sequence[Sequence[object]]) -> Floats:
    """Rows of values in the order of the fed columns as float64 (n, columns), as `encode_table` gives them."""
    encoded = [encoder.row(row) for row in rows]
    return np.array(encoded, dtype=np.float64).reshape(len(rows), len(encoder.columns))


def _fitted(table: pa.Table, column: Column) -> Coding:
    import pyarrow.compute as pc

    kind = kind_of(column.type)
    if kind == "number" or kind == "boolean":
        return Coding(column.name, kind)
    if kind != "text":
        return Coding(column.name, "category", skipped=f"{column.type} is neither number, truth value nor text")
    counts = pc.value_counts(_text(_column(table, column.name)).drop_null())
    counted = [(-item["counts"], item["values"]) for item in counts.to_pylist()]
    rows = -sum(count for count, _ in counted)
    if rows >= ID_LIKE_ROWS and len(counted) > ID_LIKE_SHARE * rows:
        return Coding(column.name, "category", skipped=f"{len(counted)} of {rows} values are distinct: it names rows")
    return Coding(column.name, "category", tuple(value for _, value in sorted(counted)[:VOCABULARY]))


def _encoded(column: pa.ChunkedArray, coding: Coding) -> Floats:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    try:
        if coding.kind == "category":
            column = pc.index_in(_text(column), value_set=pa.array(coding.vocabulary, pa.string()))
        elif pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        elif pa.types.is_decimal(column.type):
            return _decimals(column)
        elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise pa.ArrowInvalid(f"{column.type} is no number")
        return np.asarray(column.to_numpy(), dtype=np.float64)
    except pa.ArrowException as error:
        raise BuildError(
            f"The column {coding.name} cannot be fed as a {coding.kind}: {error}.",
            next_step="Give it the type it had when the model was trained.",
        ) from error


def _decimals(column: pa.ChunkedArray) -> Floats:
    """Decimals as float() rounds them (Arrow's own cast does not), some at a time: as Python objects they are large."""
    values = np.full(len(column), np.nan)
    for start in range(0, len(column), STRETCH):
        part = column.slice(start, STRETCH).to_pylist()
        values[start : start + len(part)] = [np.nan if value is None else _number(value) for value in part]
    return values


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise BuildError(
            f"The rows have no column {name}, which the model is fed; they have: {', '.join(table.column_names)}.",
            next_step="Bring every input and feature of the model.",
        )
    return table.column(name)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    return column if column.type == pa.string() else column.cast(pa.string())


def _number(value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan
