"""Evaluation: metrics with intervals on a test set, whole days drawn where there is time, and the same a slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rondo.develop.curves import curves_of, gaps_of, rates_of
from rondo.develop.golden import golden_result
from rondo.develop.reading import Rows, rows_of
from rondo.errors import BuildError, DeclarationError
from rondo.models.packed import Packed
from rondo.records.development import Evaluation, Figure, Slice
from rondo.records.progress import Progress, silent
from rondo.records.tables import CARRIED, Scalar
from rondo.stats.intervals import Blocks, bootstrap, numbered
from rondo.stats.metrics import Metric
from rondo.stats.results import Estimate, Floats, Ints, finite

if TYPE_CHECKING:
    import pyarrow as pa

SLICES = 50
"""Values of a slice column that are measured, the greatest first; the others are listed with their rows."""
DRAWS = 1000
DRAWN_ROWS = 20_000_000
"""Without days, so many rows are drawn in all at most: the error of a standard error is 1 in sqrt(2 · draws)."""
FEWEST_DRAWS = 200


@dataclass(frozen=True)
class Judged:
    """Rows of a test set with what a model said: y (n,), scores (n,) or (n, classes), labels (n,), days."""

    y: Floats
    scores: Floats
    labels: Ints
    days: Blocks

    def taken(self, rows: Ints) -> Judged:
        """These rows alone."""
        return Judged(
            self.y[rows], self.scores[rows], self.labels[rows], None if self.days is None else self.days[rows]
        )


def evaluate(
    packed: Packed,
    rows: pa.Table,
    *,
    version: int,
    testset: str = "test",
    slices: Sequence[str] = (),
    metrics: Sequence[Metric],
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """The metrics of a packed version on rows (fed columns, `label`, `moment` if timed, columns to slice by).

    Rows of a golden test set bring the scores expected of them. Rows without a label do not count. Raises BuildError
    where none is left, DeclarationError for a slice column that is not there or an expected score that is none,
    WrongUse for a label that the model does not know.
    """
    golden = golden_result(packed, rows, testset)
    rows = with_labels(rows, testset)
    progress(0.0, f"scoring {rows.num_rows:,} rows of {testset}")
    judged = judge_rows(packed, rows)
    found: list[Slice] = []
    groups = [(by, groups_of(rows, by)) for by in slices]
    todo = 1 + sum(min(SLICES, len(of_by)) for _, of_by in groups)
    whole = figures(judged, metrics, seed=seed)
    binary = packed.signature.task == "binary"
    for by, of_by in groups:
        for rank, (value, places) in enumerate(of_by):
            progress((1 + len(found)) / max(todo, 1 + len(found)), f"{by} {value}")
            found.append(_slice(judged, places, metrics, by, value, seed=seed, told=rank < SLICES, binary=binary))
    return Evaluation(
        name=packed.signature.model,
        version=version,
        testset=testset,
        rows=len(judged.y),
        metrics=whole,
        slices=found,
        blocks=None if judged.days is None else numbered(judged.days)[1],
        golden=golden,
        curves=curves_of(judged, packed, seed=seed),
    )


def _slice(
    judged: Judged,
    places: Ints,
    metrics: Sequence[Metric],
    by: str,
    value: Scalar,
    *,
    seed: int,
    told: bool,
    binary: bool,
) -> Slice:
    """One value of a slice column, measured where it is `told`."""
    rows = judged.taken(places)
    if not told:
        return Slice(by=by, is_=value, rows=len(places), metrics={})
    rates, gaps = (rates_of(rows), gaps_of(judged, places)) if binary else ({}, {})
    return Slice(by=by, is_=value, rows=len(places), metrics=figures(rows, metrics, seed=seed), rates=rates, gaps=gaps)


def with_labels(rows: pa.Table, testset: str) -> pa.Table:
    """The rows whose label is known. Raises BuildError where there are none."""
    import pyarrow.compute as pc

    known = rows.filter(pc.is_valid(rows.column("label")))
    if not known.num_rows:
        raise BuildError(
            f"The test set {testset} has no row with a known label (of {rows.num_rows:,} rows): nothing was examined.",
            next_step="Bring labelled rows, or give the split another length or share.",
        )
    return known


def judge_rows(packed: Packed, rows: pa.Table) -> Judged:
    """What a model says about labelled rows."""
    ready: Rows = rows_of(rows, packed.signature, packed.encoder)
    scores = packed.score(ready.matrix)
    return Judged(ready.y, scores, packed.label_numbers(scores), ready.days)


def groups_of(rows: pa.Table, by: str) -> list[tuple[Scalar, Ints]]:
    """The values of a column with the places of their rows, the greatest group first, then by value; null is one."""
    import pyarrow as pa

    name = CARRIED + by if CARRIED + by in rows.column_names else by
    if name not in rows.column_names:
        raise DeclarationError(
            f"There is no column {by!r} to slice by; there are: {', '.join(rows.column_names)}.",
            next_step="Name a column of the examples in the model's slices, and run again.",
        )
    column = rows.column(name)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    elif not (
        pa.types.is_boolean(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    ):
        column = column.cast(pa.string())
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    values = coded.dictionary.to_pylist()
    codes = np.asarray(coded.indices, dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(values)))
    found = [(value, places) for value, places in zip(values, np.split(order, ends[:-1]), strict=True) if len(places)]
    return sorted(found, key=lambda each: (-len(each[1]), str(each[0])))


def figures(judged: Judged, metrics: Sequence[Metric], *, seed: int) -> dict[str, Figure]:
    """Each metric with its interval on these rows, in order."""
    found: dict[str, Estimate] = {}
    draws = draws_for(len(judged.y), judged.days)
    # A metric of the project's own is called once a draw: fewer draws.
    for own, times in ((False, draws), (True, FEWEST_DRAWS)):
        some = [metric for metric in metrics if (metric.prepare is None) is own]
        labels = None if any(metric.task == "regression" for metric in some) else judged.labels
        found |= bootstrap(some, judged.y, judged.scores, labels, blocks=judged.days, draws=times, seed=seed)
    return {metric.name: figure(found[metric.name]) for metric in metrics}


def draws_for(n: int, days: Blocks) -> int:
    """How many bootstrap draws: whole days are cheap, single rows are not."""
    return DRAWS if days is not None else max(FEWEST_DRAWS, min(DRAWS, DRAWN_ROWS // max(1, n)))


def figure(estimate: Estimate) -> Figure:
    """An estimate as the ledger keeps it."""
    return Figure(
        value=finite(estimate.value),
        low=finite(estimate.low),
        high=finite(estimate.high),
        n=estimate.n,
        standard_error=finite(estimate.standard_error),
        degrees=estimate.degrees,
    )
