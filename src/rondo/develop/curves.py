"""What an evaluation's metrics sum up: curves of the whole test set, rates and their gaps of each slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rondo.features.signature import class_name
from rondo.models.packed import Packed
from rondo.records.development import Counts, Curves, Figure, Line, ScoreBin
from rondo.stats.curves import (
    Bin,
    Curve,
    calibration_bins,
    difference_of_shares,
    histogram,
    precision_recall_curve,
    roc_curve,
    value_bins,
)
from rondo.stats.results import Estimate, Floats, Ints, finite
from rondo.stats.shares import share

if TYPE_CHECKING:
    from rondo.develop.evaluating import Judged

DIGITS = 6
BARS = 25
CLASSES = 40
"""A confusion of more classes than these is not kept."""


def curves_of(judged: Judged, packed: Packed, *, seed: int = 0) -> Curves:
    """Curves of labelled rows as a model scored them."""
    if packed.signature.task == "regression":
        return _of_values(judged)
    classes = [class_name(each) for each in packed.signature.classes]
    known = len(classes) <= CLASSES
    confusion = _confusion(judged.y, judged.labels, len(classes)) if known else []
    if packed.signature.task == "multiclass":
        return Curves(classes=classes if known else [], confusion=confusion)
    y, scores, days = judged.y, judged.scores, judged.days
    edges = np.linspace(0.0, 1.0, BARS + 1)
    return Curves(
        roc=_line(roc_curve(y, scores, blocks=days, seed=seed)),
        precision_recall=_line(precision_recall_curve(y, scores, blocks=days, seed=seed)),
        calibration=[_bin(each) for each in calibration_bins(y, scores, blocks=days)],
        scores=Counts(
            edges=[_short(edge) for edge in edges],
            rows={name: histogram(scores[y == place], edges) for place, name in enumerate(classes)},
        ),
        classes=classes,
        confusion=confusion,
        threshold=0.5 if packed.threshold is None else packed.threshold,
    )


def _of_values(judged: Judged) -> Curves:
    residuals = judged.scores - judged.y
    low, high = (float(at) for at in np.quantile(residuals, (0.005, 0.995)))
    reach = max(abs(low), abs(high)) or 1.0
    edges = np.linspace(-reach, reach, BARS + 1)
    return Curves(
        calibration=[_bin(each) for each in value_bins(judged.y, judged.scores, blocks=judged.days)],
        scores=Counts(edges=[_short(edge) for edge in edges], rows={"": histogram(residuals, edges)}),
    )


def rates_of(judged: Judged) -> dict[str, Figure]:
    """Of rows of a binary model: how many are positive, how many it names so, and of either how many it gets."""
    truth, named, days = judged.y > 0, judged.labels > 0, judged.days
    among = {
        "base_rate": (truth, np.ones(len(truth), dtype=bool)),
        "selection_rate": (named, np.ones(len(truth), dtype=bool)),
        "true_positive_rate": (named, truth),
        "false_positive_rate": (named, ~truth),
    }
    return {
        name: _figure(share(hits[of], blocks=None if days is None else days[of])) for name, (hits, of) in among.items()
    }


def gaps_of(judged: Judged, rows: Ints) -> dict[str, Figure]:
    """How far each rate on these rows is from that on all others."""
    group = np.zeros(len(judged.y))
    group[rows] = 1.0
    truth, named, all_ = (judged.y > 0).astype(float), (judged.labels > 0).astype(float), np.ones(len(judged.y))
    among = {
        "base_rate": (truth, all_),
        "selection_rate": (named, all_),
        "true_positive_rate": (named, truth),
        "false_positive_rate": (named, 1 - truth),
    }
    return {
        name: _figure(difference_of_shares(hits, of, group, blocks=judged.days, name=name))
        for name, (hits, of) in among.items()
    }


def _confusion(y: Floats, labels: Ints, classes: int) -> list[list[int]]:
    cells = np.bincount(y.astype(np.int64) * classes + labels, minlength=classes * classes)
    return [[int(count) for count in row] for row in cells.reshape(classes, classes)]


def _line(curve: Curve | None) -> Line | None:
    if curve is None:
        return None
    return Line(
        x=[_short(at) for at in curve.x],
        y=[_maybe(at) for at in curve.y],
        low=[_maybe(at) for at in curve.low],
        high=[_maybe(at) for at in curve.high],
    )


def _bin(found: Bin) -> ScoreBin:
    tenth, ninth = found.spread or (None, None)
    observed = found.observed
    return ScoreBin(
        predicted=_short(found.predicted), observed=_maybe(observed.value), low=_maybe(observed.low),
        high=_maybe(observed.high), n=observed.n, tenth=_maybe(tenth), ninth=_maybe(ninth),
    )  # fmt: skip


def _figure(estimate: Estimate) -> Figure:
    return Figure(
        value=_maybe(estimate.value), low=_maybe(estimate.low), high=_maybe(estimate.high), n=estimate.n,
        standard_error=_maybe(estimate.standard_error), degrees=estimate.degrees,
    )  # fmt: skip


def _short(number: float) -> float:
    """As many digits as a drawing can show."""
    return float(f"{number:.{DIGITS}g}")


def _maybe(number: float | None) -> float | None:
    number = finite(number)
    return None if number is None else _short(number)
