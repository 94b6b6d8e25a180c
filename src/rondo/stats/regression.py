"""Formulas for numbers. `y_true` and `y_score` are (n,); every function gives a `Statistic`."""

from __future__ import annotations

import numpy as np

from rondo.stats.results import Floats
from rondo.stats.statistic import Ordered, Statistic, Sums, ratio


def rmse(y_true: Floats, y_score: Floats) -> Statistic:
    """Root of the mean squared error."""
    terms = _with_ones((y_true - y_score) ** 2)
    return Sums(terms, lambda sums: np.sqrt(ratio(sums[:, 0], sums[:, 1])))


def mae(y_true: Floats, y_score: Floats) -> Statistic:
    """Mean absolute error."""
    return _mean(np.abs(y_true - y_score))


def mape(y_true: Floats, y_score: Floats) -> Statistic:
    """Mean absolute error as a share of the true value; undefined where one of them is 0."""
    return _mean(np.abs(ratio(y_true - y_score, y_true)))


def pinball(y_true: Floats, y_score: Floats, quantile: float) -> Statistic:
    """Mean of `quantile` times what the prediction was short, 1 − `quantile` times what it was over."""
    short = y_true - y_score
    return _mean(np.maximum(quantile * short, (quantile - 1) * short))


def r2(y_true: Floats, y_score: Floats) -> Statistic:
    """One minus squared error over the squared error of the mean; undefined where the true values are all equal."""
    # Centred first: the difference of two large sums of squares would lose the digits of a small spread.
    centred = y_true - y_true.mean()
    scale = np.abs(centred).max() ** 2
    terms = _with_ones((y_true - y_score) ** 2, centred**2, centred)

    def finish(sums: Floats) -> Floats:
        error, square, linear, weight = sums.T
        spread = square - ratio(linear**2, weight)
        return 1 - ratio(error, np.where(spread > 1e-12 * weight * scale, spread, 0.0))

    return Sums(terms, finish)


def median_absolute_error(y_true: Floats, y_score: Floats) -> Statistic:
    """Median of the absolute errors, the mean of the middle two where their number is even."""
    error = np.abs(y_true - y_score)
    order = np.argsort(error, kind="stable")
    error = error[order]

    def finish(weights: Floats) -> Floats:
        reached = np.cumsum(weights, axis=1)
        half = reached[:, -1:] / 2
        lower, upper = (reached < half).sum(axis=1), (reached <= half).sum(axis=1)
        middle = (error[lower] + error[np.minimum(upper, len(error) - 1)]) / 2
        return np.where(reached[:, -1] > 0, middle, np.nan)

    return Ordered(order, finish)


def _mean(values: Floats) -> Statistic:
    return Sums(_with_ones(values), lambda sums: ratio(sums[:, 0], sums[:, 1]))


def _with_ones(*columns: Floats) -> Floats:
    return np.column_stack([*columns, np.ones(len(columns[0]))])
