"""Columns cut into conditions that people can read: a value, a range, missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from rondo.develop.evaluating import groups_of
from rondo.models.encoding import Coding
from rondo.models.packed import Packed
from rondo.records.studies import Condition
from rondo.records.tables import CARRIED
from rondo.stats.results import Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

VALUES, BINS = 20, 5
"""A text is told by its commonest values, a number by its fifths (by each value where it has no more than eight)."""
FEW_VALUES = 8


@dataclass(frozen=True)
class Cut:
    """One column: each row's code (n,), 0 for none, and what each code from 1 on means."""

    codes: Ints
    means: tuple[Condition, ...]


def cut_fed(packed: Packed, matrix: Floats) -> list[Cut]:
    """The fed columns of an encoded matrix (n, columns) that the model sees."""
    return [
        cut_column(coding, matrix[:, place])
        for place, coding in enumerate(packed.encoder.columns)
        if coding.skipped is None
    ]


def cut_column(coding: Coding, column: Floats) -> Cut:
    """An encoded column (n,). Ranges hold their lower bound and not their upper one; missing is a condition, too."""
    gone = np.isnan(column)
    missing = Condition(column=coding.name, missing=True)
    if coding.kind == "category":
        known = tuple(Condition(column=coding.name, is_=value) for value in coding.vocabulary[:VALUES])
        codes = np.where(gone, 0, column + 1).astype(np.int64)
        codes[codes > len(known)] = 0
        return Cut(np.where(gone, len(known) + 1, codes), (*known, missing))
    here = np.where(gone, 0, column)
    values = np.unique(column[~gone])
    if len(values) <= FEW_VALUES:
        shown = [bool(value) if coding.kind == "boolean" else _short(value) for value in values.tolist()]
        codes = np.where(gone, len(values) + 1, 1 + np.searchsorted(values, here))
        return Cut(codes.astype(np.int64), (*(Condition(column=coding.name, is_=each) for each in shown), missing))
    edges = np.unique(np.quantile(column[~gone], np.arange(1, BINS) / BINS, method="closest_observation"))
    edges = edges[edges > values[0]]
    codes = np.where(gone, len(edges) + 2, 1 + np.searchsorted(edges, here, side="right"))
    bounds = [None, *edges.tolist(), None]
    ranges = (Condition(column=coding.name, low=low, high=high) for low, high in pairwise(bounds))
    return Cut(codes.astype(np.int64), (*ranges, missing))


def cut_slices(packed: Packed, rows: pa.Table, slices: Sequence[str]) -> list[Cut]:
    """The columns to slice by that are there and not fed."""
    names = [by for by in slices if by not in packed.encoder.names and {by, CARRIED + by} & {*rows.column_names}]
    return [_cut_slice(rows, by) for by in names]


def _cut_slice(rows: pa.Table, by: str) -> Cut:
    groups = groups_of(rows, by)[:VALUES]
    codes = np.zeros(rows.num_rows, dtype=np.int64)
    for number, (_, places) in enumerate(groups, 1):
        codes[places] = number
    return Cut(codes, tuple(Condition(column=by, is_=value, missing=value is None) for value, _ in groups))


def _short(value: float) -> int | float:
    return int(value) if value.is_integer() else value
