"""What a metric sums up, drawn out: ROC and precision-recall curves, calibration and residuals by bins, histograms.

Scores are laid into at most `FINE` bins of about equal mass, so that a curve is a running sum over bins and a draw of
the bootstrap one multiplication, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rondo.stats.bins import Binned
from rondo.stats.intervals import Blocks, numbered, two_sided
from rondo.stats.proportions import mean_interval
from rondo.stats.results import Estimate, Floats, Ints
from rondo.stats.shares import share
from rondo.stats.statistic import ratio

FINE = 512
PLACES = np.linspace(0.0, 1.0, 41)
"""Where a curve is read, from left to right."""
DRAWS = 400
SHARE = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve read at `x` (k,), with the pointwise two-sided 95 % interval of `y`; NaN where it is not known."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Bin:
    """Rows of nearly the same score: their mean score, and what came true of them."""

    predicted: float
    observed: Estimate
    spread: tuple[float, float] | None = None


def roc_curve(y_true: Floats, y_score: Floats, *, blocks: Blocks = None, seed: int = 0) -> Curve | None:
    """True positive rate over the false positive rate at `PLACES`; None where a class is missing.

    Whole blocks are drawn where there are any, rows otherwise; the interval is of the rate at a given false positive
    rate (vertical averaging: Fawcett, 2006).
    """

    def read(counts: Floats) -> Floats:
        false, true = _rates(counts)
        return np.stack([np.interp(PLACES, f, t) for f, t in zip(false, true, strict=True)])

    return _curve(y_true, y_score, blocks, seed, read)


def precision_recall_curve(y_true: Floats, y_score: Floats, *, blocks: Blocks = None, seed: int = 0) -> Curve | None:
    """Precision over recall at `PLACES`, as `roc_curve`. At recall 0 it is that of the highest scores."""

    def read(counts: Floats) -> Floats:
        negatives, positives = _running(counts)
        recall, precision = ratio(positives, positives[:, -1:]), ratio(positives, positives + negatives)
        return np.stack([_precision_at(r, p) for r, p in zip(recall, precision, strict=True)])

    return _curve(y_true, y_score, blocks, seed, read)


def _precision_at(recall: Floats, precision: Floats) -> Floats:
    """The precision where each recall is first reached."""
    reached = np.searchsorted(recall, PLACES - 1e-12, side="left")
    defined = np.flatnonzero(np.isfinite(precision))
    first = defined[0] if len(defined) else 0
    found: Floats = precision[np.clip(reached, first, len(precision) - 1)]
    return found


def _curve(
    y_true: Floats, y_score: Floats, blocks: Blocks, seed: int, read: Callable[[Floats], Floats]
) -> Curve | None:
    """`read` takes rows in each fine bin (draws, 2·bins) to the curve at `PLACES` (draws, k)."""
    if len(np.unique(y_true)) < 2:
        return None
    fine = _fine(y_true, y_score, blocks)
    y = read(fine.total)[0]
    low, high = np.full(len(y), np.nan), np.full(len(y), np.nan)
    if fine.units > 1:
        drawn = read(fine.drawn(DRAWS, np.random.default_rng(seed)))
        kept = drawn[np.isfinite(drawn).all(axis=1)]
        if len(kept) >= 0.9 * DRAWS:
            errors = kept.std(axis=0, ddof=1) * np.sqrt(fine.units / (fine.units - 1))
            bounds = [two_sided(float(v), float(e), fine.units - 1, SHARE) for v, e in zip(y, errors, strict=True)]
            low, high = (np.array(side, dtype=np.float64) for side in zip(*bounds, strict=True))
    return Curve(PLACES, y, low, high)


def _fine(y_true: Floats, y_score: Floats, blocks: Blocks) -> Binned:
    """Negative and then positive rows by bin of score, the highest scores first."""
    edges = np.unique(np.quantile(y_score, np.linspace(0, 1, FINE + 1)[1:-1]))
    place = len(edges) - np.searchsorted(edges, y_score, side="left")
    cell = place + (len(edges) + 1) * (y_true > 0)
    cells = 2 * (len(edges) + 1)
    block, number = (np.zeros(len(cell), dtype=np.int64), 1) if blocks is None else numbered(blocks)
    counts = np.bincount(block * cells + cell, minlength=number * cells).reshape(number, cells)
    return Binned(counts.astype(np.float64), blocks is None)


def _running(counts: Floats) -> tuple[Floats, Floats]:
    """Counts (draws, 2·bins) to negatives and positives among the highest scores so far (draws, bins)."""
    half = counts.shape[1] // 2
    return np.cumsum(counts[:, :half], axis=1), np.cumsum(counts[:, half:], axis=1)


def _rates(counts: Floats) -> tuple[Floats, Floats]:
    """False and true positive rates from (0, 0) on: (draws, bins + 1)."""
    negatives, positives = (np.pad(side, ((0, 0), (1, 0))) for side in _running(counts))
    return ratio(negatives, negatives[:, -1:]), ratio(positives, positives[:, -1:])


def calibration_bins(y_true: Floats, y_score: Floats, *, blocks: Blocks = None, bins: int = 10) -> list[Bin]:
    """The share of positives in bins of about equal mass, equal scores in one bin, with the interval of that share."""
    return [
        Bin(float(y_score[rows].mean()), share(y_true[rows] > 0, blocks=None if blocks is None else blocks[rows]))
        for rows in _equal_mass(y_score, bins)
    ]


def value_bins(y_true: Floats, y_score: Floats, *, blocks: Blocks = None, bins: int = 10) -> list[Bin]:
    """The mean of the values in bins of about equal mass of what was predicted; `spread` holds eight rows in ten."""
    found = []
    for rows in _equal_mass(y_score, bins):
        truth = y_true[rows]
        tenth, ninth = (float(at) for at in np.quantile(truth, (0.1, 0.9)))
        mean = mean_interval(truth, blocks=None if blocks is None else blocks[rows])
        found.append(Bin(float(y_score[rows].mean()), mean, (tenth, ninth)))
    return found


def _equal_mass(y_score: Floats, bins: int) -> list[Ints]:
    """Places of the rows of each bin, ascending."""
    edges = np.unique(np.quantile(y_score, np.arange(1, bins) / bins))
    place = np.searchsorted(edges, y_score, side="right")
    return [rows for rows in (np.flatnonzero(place == each) for each in range(len(edges) + 1)) if len(rows)]


def histogram(values: Floats, edges: Floats) -> list[int]:
    """Rows between the edges (k + 1,) ascending, the last one included; what lies outside counts at the end it left."""
    inside = np.clip(values, edges[0], edges[-1])
    return [int(count) for count in np.histogram(inside, bins=edges)[0]]


def difference_of_shares(
    hits: Floats, among: Floats, group: Floats, *, blocks: Blocks = None, name: str = "difference"
) -> Estimate:
    """The share of `hits` among the rows `among` (all 0 or 1) inside a group less that outside it, and its interval.

    Both shares are of the same blocks, which err together: the linearised variance of a difference of ratios (Cochran,
    1977, §6.11 and §9A), never less than that of single rows with two more hits and misses a side (Agresti and Caffo,
    2000).
    """
    block, number = (np.arange(len(hits)), len(hits)) if blocks is None else numbered(blocks)
    sides = [among * group, among * (1 - group)]
    sizes = [float(side.sum()) for side in sides]
    if not all(sizes):
        return Estimate(name, None, None, None, int(sizes[0]))
    values = [float((side * hits).sum() / size) for side, size in zip(sides, sizes, strict=True)]
    strays = [side * (hits - value) / size for side, value, size in zip(sides, values, sizes, strict=True)]
    by_block = np.bincount(block, weights=strays[0] - strays[1], minlength=number)
    units = len(np.unique(block[among > 0]))
    if units < 2:
        return Estimate(name, values[0] - values[1], None, None, int(sizes[0]))
    padded = [(value * size + 1) / (size + 2) for value, size in zip(values, sizes, strict=True)]
    alone = sum(p * (1 - p) / (size + 2) for p, size in zip(padded, sizes, strict=True))
    error = float(np.sqrt(max(units / (units - 1) * np.square(by_block).sum(), alone)))
    low, high = two_sided(values[0] - values[1], error, units - 1, (-1.0, 1.0))
    return Estimate(name, values[0] - values[1], low, high, int(sizes[0]), standard_error=error, degrees=units - 1)
