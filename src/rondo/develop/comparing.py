"""Comparison: the paired difference of two models on the same rows, whole days drawn where there is time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from rondo.develop.evaluating import draws_for, judge_rows, with_labels
from rondo.errors import WrongUse
from rondo.models.packed import Packed
from rondo.records.development import Comparison, PairedFigure
from rondo.stats.intervals import paired
from rondo.stats.metrics import Metric
from rondo.stats.results import Difference, finite

if TYPE_CHECKING:
    import pyarrow as pa


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
    seed: int = 0,
) -> Comparison:
    """`a` − `b` of each metric on the same labelled rows; `names` are their versions, or `linear` for a baseline.

    `rows_of_b` are the same examples in the same order, as `b` is fed them, where its columns are others. The verdict
    goes to the one that the metric `main` prefers, where the 95 % interval of the difference is clear of zero. Raises
    WrongUse where the two do not answer the same question.
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
    of_a = judge_rows(a, with_labels(rows, testset))
    of_b = judge_rows(b, with_labels(others, testset))
    regression = a.signature.task == "regression"
    found = paired(
        metrics,
        of_a.y,
        (of_a.scores, None if regression else of_a.labels),
        (of_b.scores, None if regression else of_b.labels),
        blocks=of_a.days,
        draws=draws_for(len(of_a.y), of_a.days),
        seed=seed,
    )
    return Comparison(
        name=a.signature.model,
        a=names[0],
        b=names[1],
        testset=testset,
        rows=len(of_a.y),
        metrics={name: _figure(difference) for name, difference in found.items()},
        verdict=_verdict(found[main]),
    )


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
