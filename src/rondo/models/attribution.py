"""Why a score came out as it did: base + contributions + residual = the score that was answered.

Contributions are on the scale of the answer (a probability, a value), so that a reader can add them up. Where columns
add up on margins (trees, linear), the margins' exact Shapley values are carried through the link and the calibration
by the rescale rule (Shrikumar and others, 2017; Chen, Lundberg and Lee, 2022): each column keeps its share and sign of
the margin's way from the base. For several classes the way is walked from the base's margins to the row's, and each
column paid by its part of every step (Aumann and Shapley, 1974; Sundararajan and others, 2017). `base` is the score of
the mean margin. What remains of rounding and of the walk's quadrature is the residual, never spread over columns.

A predictor of a project's own is asked instead: Shapley values by sampled orders of columns, each with its reverse
(Štrumbelj and Kononenko, 2014; Mitchell and others, 2022), against the packed golden rows, whose mean score is `base`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rondo.models.links import softmax
from rondo.models.predictors import Additive
from rondo.stats.results import Floats, Ints

STEPS = 64


class Attribution(NamedTuple):
    """base + contributions (columns,) + residual = prediction; of several classes, the likeliest one's probability."""

    base: float
    prediction: float
    contributions: Floats
    residual: float


def of_one_margin(predictor: Additive, matrix: Floats, score_of: Callable[[Floats], Floats]) -> list[Attribution]:
    """Attributions of scores that are a function `score_of` of one margin: margins (n, 1) to scores (n,)."""
    base_margin, shares = predictor.contributions(matrix)
    base = float(score_of(base_margin[None, :])[0])
    prediction = score_of(predictor.margins(matrix))
    way = shares[:, :, 0].sum(axis=1)
    moved = prediction - base
    # Where the margin ends where it began, the score of the columns' to and fro is the curve's slope there.
    reach = 1e-4 * (1 + abs(float(base_margin[0])))
    slope = float(np.diff(score_of(base_margin[None, :] + np.array([[-reach], [reach]])))[0]) / (2 * reach)
    still = np.abs(way) <= 1e-9 * (np.abs(shares[:, :, 0]).sum(axis=1) + 1e-300)
    rate = np.where(still, slope, np.divide(moved, way, out=np.zeros_like(way), where=~still))
    return [_attribution(base, float(p), s[:, 0] * r) for p, s, r in zip(prediction, shares, rate, strict=True)]


def of_classes(predictor: Additive, matrix: Floats) -> list[Attribution]:
    """Attributions of the probability of each row's likeliest class, out of softmax margins (n, classes)."""
    base_margin, shares = predictor.contributions(matrix)
    margins = predictor.margins(matrix)
    base, prediction = softmax(base_margin), softmax(margins)
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    found = []
    for row, likeliest in enumerate(prediction.argmax(axis=1)):
        along = base_margin + (nodes[:, None] + 1) / 2 * (margins[row] - base_margin)
        passed = softmax(along)
        own = passed[:, likeliest]
        gradient = -own[:, None] * passed
        gradient[:, likeliest] += own
        paid = shares[row] @ (weights / 2 @ gradient)
        found.append(_attribution(float(base[likeliest]), float(prediction[row, likeliest]), paid))
    return found


def by_asking(score: Callable[[Floats], Floats], matrix: Floats, background: Floats, seed: int) -> list[Attribution]:
    """Attributions of any `score`, (n,) or (n, classes), against the rows of `background`."""
    rng = np.random.default_rng(seed)
    columns = matrix.shape[1]
    orders = [order for _ in background for drawn in [rng.permutation(columns)] for order in (drawn, drawn[::-1])]
    scored, grounds = score(matrix), score(background)
    found = []
    for row in range(len(matrix)):
        likeliest = int(scored[row].argmax()) if scored.ndim == 2 else None
        paths = np.concatenate([_path(background[i // 2], matrix[row], order) for i, order in enumerate(orders)])
        along = score(paths) if likeliest is None else score(paths)[:, likeliest]
        steps = np.diff(along.reshape(len(orders), columns + 1), axis=1)
        paid = np.zeros(columns)
        for order, step in zip(orders, steps, strict=True):
            paid[order] += step / len(orders)
        base = grounds.mean() if likeliest is None else grounds[:, likeliest].mean()
        prediction = scored[row] if likeliest is None else scored[row, likeliest]
        found.append(_attribution(float(base), float(prediction), paid))
    return found


def _path(start: Floats, end: Floats, order: Ints) -> Floats:
    """From one row to another (columns + 1, columns), a column at a time in `order`."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return np.where(rank < np.arange(len(order) + 1)[:, None], end, start)


def _attribution(base: float, prediction: float, contributions: Floats) -> Attribution:
    return Attribution(base, prediction, contributions, prediction - base - float(contributions.sum()))
