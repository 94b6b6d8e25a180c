"""Comparison: the paired difference of two models on the same rows, whole days drawn where there is time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from rondo.develop.evaluating import SLICES, Judged, draws_for, groups_of, judge_rows, with_labels
from rondo.errors import WrongUse
from rondo.models.packed import Packed
from rondo.records.development import Comparison, PairedDay, PairedFigure, PairedSlice
from rondo.records.tables import Scalar
from rondo.stats.intervals import paired
from rondo.stats.metrics import Metric
from rondo.stats.multiplicity import simultaneous_bounds
from rondo.stats.results import Difference, Ints, finite

if TYPE_CHECKING:
    import pyarrow as pa

DAYS = 400
FIRST_DAY = date(1970, 1, 1)


def compare(
    a: Packed,
    b: Packed,
    rows: pa.Table,
    rows_of_b: pa.Table | None = None,
    *,
    names: tuple[str, str],
    testset: str = "test",
    metrics: Sequence[Metric],
    main: str,
    slices: Sequence[str] = (),
    seed: int = 0,
) -> Comparison:
    """`a` − `b` of each metric on the same labelled rows; `names` are their versions, or `linear` for a baseline.

    `rows_of_b` are the same examples in the same order, as `b` is fed them, where its columns are others. The verdict
    goes to the one that the metric `main` prefers, where the 95 % interval of the difference is clear of zero; by
    `slices` the difference in `main` is told, the intervals of all slices holding together. Raises WrongUse where the
    two do not answer the same question.
    """
    others = rows if rows_of_b is None else rows_of_b
    if (a.signature.task, a.signature.classes) != (b.signature.task, b.signature.classes):
        raise WrongUse(
            f"{names[0]} and {names[1]} do not answer the same question: their labels are "
            f"{list(a.signature.classes)} and {list(b.signature.classes)}.",
            next_step="Compare versions that predict the same label.",
        )
    if rows.num_rows != others.num_rows or not rows.column("label").equals(others.column("label")):
        raise WrongUse(
            f"{names[0]} and {names[1]} were given different rows ({rows.num_rows:,} and {others.num_rows:,}).",
            next_step="Compare them on one test set.",
        )
    known = with_labels(rows, testset)
    of_a = judge_rows(a, known)
    of_b = judge_rows(b, with_labels(others, testset))
    groups = [(by, value, at) for by in slices for value, at in groups_of(known, by)[:SLICES]]
    return compared(
        a.signature.model, of_a, of_b, names=names, testset=testset, metrics=metrics, main=main, groups=groups,
        seed=seed,
    )  # fmt: skip


def compared(
    model: str,
    of_a: Judged,
    of_b: Judged,
    *,
    names: tuple[str, str],
    testset: str,
    metrics: Sequence[Metric],
    main: str,
    groups: Sequence[tuple[str, Scalar, Ints]] = (),
    seed: int = 0,
) -> Comparison:
    """`compare` of what two said about the same rows; `groups` are the slices: column, value, places of their rows."""
    [chosen] = [metric for metric in metrics if metric.name == main]
    labelled = chosen.task != "regression"
    found = _differences(metrics, of_a, of_b, labelled, seed)
    return Comparison(
        name=model,
        a=names[0],
        b=names[1],
        testset=testset,
        rows=len(of_a.y),
        metrics={name: _figure(difference) for name, difference in found.items()},
        verdict=_verdict(found[main]),
        slices=_sliced(groups, chosen, of_a, of_b, labelled, seed),
        days=_days(chosen, of_a, of_b, labelled),
    )


def _days(metric: Metric, a: Judged, b: Judged, labelled: bool) -> list[PairedDay]:
    """One metric of both on each of the newest days."""
    if a.days is None:
        return []
    order = np.argsort(a.days, kind="stable")
    days, starts = np.unique(a.days[order], return_index=True)
    found = []
    for day, rows in list(zip(days, np.split(order, starts[1:]), strict=True))[-DAYS:]:
        values = [
            finite(metric.compute(of.y[rows], of.scores[rows], of.labels[rows] if labelled else None)) for of in (a, b)
        ]
        found.append(PairedDay(day=FIRST_DAY + timedelta(days=int(day)), rows=len(rows), a=values[0], b=values[1]))
    return found


def _differences(metrics: Sequence[Metric], a: Judged, b: Judged, labelled: bool, seed: int) -> dict[str, Difference]:
    return paired(
        metrics,
        a.y,
        (a.scores, a.labels if labelled else None),
        (b.scores, b.labels if labelled else None),
        blocks=a.days,
        draws=draws_for(len(a.y), a.days),
        seed=seed,
    )


def _sliced(
    groups: Sequence[tuple[str, Scalar, Ints]], metric: Metric, a: Judged, b: Judged, labelled: bool, seed: int
) -> list[PairedSlice]:
    """The difference in one metric by slice, the intervals of all holding together."""
    found = [_differences([metric], a.taken(at), b.taken(at), labelled, seed)[metric.name] for _, _, at in groups]
    slices = []
    for (by, value, at), difference, (low, high) in zip(groups, found, simultaneous_bounds(found, 0.025), strict=True):
        figure = msgspec.structs.replace(_figure(difference), low=finite(low), high=finite(high))
        slices.append(PairedSlice(by=by, is_=value, rows=len(at), metrics={metric.name: figure}))
    return slices


def _verdict(difference: Difference) -> Literal["a", "b", "undecided"]:
    low, high = difference.low, difference.high
    if low is None or high is None or low <= 0 <= high or np.isnan(low + high):
        return "undecided"
    return "a" if (low > 0) == bool(difference.higher_is_better) else "b"


def _figure(difference: Difference) -> PairedFigure:
    return PairedFigure(
        a=finite(difference.a),
        b=finite(difference.b),
        difference=finite(difference.difference),
        low=finite(difference.low),
        high=finite(difference.high),
        n=difference.n,
        standard_error=finite(difference.standard_error),
        degrees=difference.degrees,
    )
