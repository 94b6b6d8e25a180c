"""What outcomes have that scores did not say: what tells that the world changed from a change of its inputs alone.

Where only the inputs moved (covariate shift), scores stay right for the rows they are given, and every figure here
stays where it was. Where the share of outcomes moved and rows of each outcome look as before (prior shift), log-odds
are off by a constant: the intercept leaves 0, the slope stays at 1. Where the same inputs lead to other outcomes
(concept shift), the slope leaves 1, or residuals of slices go apart.

Intercept and slope of the logistic line from score to outcome are Cox's (1958); Steyerberg (2009, §15.3) calls the
first, at slope 1, calibration-in-the-large.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rondo.stats.calibration import log_odds
from rondo.stats.intervals import Blocks
from rondo.stats.jackknife import jackknife
from rondo.stats.proportions import mean_interval
from rondo.stats.results import Estimate, Floats, Ints

STEPS = 25
FURTHEST = 30.0
"""Log-odds beyond this are no figure: the outcomes of the rows are all alike."""


def residual(y_true: Floats, y_score: Floats, y_label: Ints, *, blocks: Blocks = None, unit: str = "") -> Estimate:
    """Mean of outcome − score: above 0, more happens than was said. Days err together where given as blocks.

    Scores are probabilities of class 1 or values (n,); of several classes (n, classes) it is how often the answered
    class was right less how probable it was said to be.
    """
    if y_score.ndim == 1:
        strays = y_true - y_score
    else:
        strays = (y_true == y_label) - np.take_along_axis(y_score, y_label[:, None], axis=1)[:, 0]
    return mean_interval(strays, blocks=blocks, name="calibration_residual", unit=unit)


def intercept(y_true: npt.ArrayLike, y_score: npt.ArrayLike, *, blocks: Blocks = None) -> Estimate:
    """By how much the log-odds of the scores (n,) of a binary model lie too low, all alike: 0 is right."""
    truth, x = np.asarray(y_true, dtype=np.float64), log_odds(np.asarray(y_score, dtype=np.float64))
    name = "calibration_intercept"
    return jackknife(name, lambda w: _fitted(truth, x, w, slope=False)[0], len(x), blocks=blocks, unit="log-odds")


def slope(y_true: npt.ArrayLike, y_score: npt.ArrayLike, *, blocks: Blocks = None) -> Estimate:
    """How steeply outcomes follow the log-odds of the scores (n,): 1 is right, below it scores are too sure."""
    truth, x = np.asarray(y_true, dtype=np.float64), log_odds(np.asarray(y_score, dtype=np.float64))
    return jackknife("calibration_slope", lambda w: _fitted(truth, x, w, slope=True)[1], len(x), blocks=blocks)


def _fitted(truth: Floats, x: Floats, weights: Floats, *, slope: bool) -> tuple[Floats, Floats]:
    """Intercept and slope (draws,) for each weighting (draws, n), by Newton's method; NaN where there is none."""
    both = (weights @ truth > 0) & (weights @ (1 - truth) > 0)
    a, b = np.zeros(len(weights)), np.ones(len(weights))
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(a[:, None] + b[:, None] * x, -FURTHEST, FURTHEST)))
        stray, bend = weights * (truth - p), weights * p * (1 - p)
        g0, h00 = stray.sum(axis=1), bend.sum(axis=1) + 1e-9
        if not slope:
            step_a, step_b = g0 / h00, np.zeros(len(a))
        else:
            g1, h01, h11 = stray @ x, bend @ x, bend @ (x * x)
            determinant = h00 * h11 - h01 * h01 + 1e-9
            step_a, step_b = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        a, b = a + np.clip(step_a, -2, 2), b + np.clip(step_b, -2, 2)
        if max(np.abs(step_a[both]).max(initial=0.0), np.abs(step_b[both]).max(initial=0.0)) < 1e-9:
            break
    found = both & (np.abs(a) < FURTHEST) & (np.abs(b) < FURTHEST)
    return np.where(found, a, np.nan), np.where(found, b, np.nan)
