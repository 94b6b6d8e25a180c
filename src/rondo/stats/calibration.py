"""Scores into probabilities: fitted as plain parameters, applied without any library, used only when they help.

Parameters are a dictionary of a kind and lists of numbers, to be packed with a model as they are:

    {"kind": "platt", "coefficients": [slope, intercept]}      a logistic line over the log-odds of the score
    {"kind": "isotonic", "x": […], "y": […]}                   a rising line through these points
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.classification import SMALLEST_PROBABILITY
from rondo.stats.intervals import Blocks, numbered, paired, upper_bound
from rondo.stats.metrics import METRICS, checked
from rondo.stats.results import Difference, Floats, Ints

Calibration = dict[str, str | list[float]]
Kind = Literal["platt", "isotonic"]


@dataclass(frozen=True)
class CalibrationVerdict:
    """Whether calibration lowers the log loss on rows it was not fitted on.

    `difference` is calibrated − raw log loss, out of fold, of the better `kind`; None where it could not be tried.
    `parameters` are fitted on all rows where it `helps`, else None.
    """

    helps: bool
    kind: Kind | None
    difference: Difference | None
    parameters: Calibration | None
    n: int


def fit_platt(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Calibration:
    """A logistic line over the log-odds of the score (Platt, 1999), the targets pulled from 0 and 1 as he does.

    Raises WrongUse where a class is missing.
    """
    truth, score = _both_classes(y_true, y_score)
    positives, negatives = truth.sum(), (1 - truth).sum()
    target = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    told = log_odds(score)
    centre, spread = told.mean(), told.std() or 1.0
    x = np.column_stack([(told - centre) / spread, np.ones(len(score))])
    slope, intercept = _logistic(x, target)
    return {"kind": "platt", "coefficients": [float(slope / spread), float(intercept - slope * centre / spread)]}


def fit_isotonic(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Calibration:
    """A rising step line of least squares (Zadrozny and Elkan, 2002; pooled as by Ayer and others, 1955).

    Kept within 1/(n + 2) of 0 and 1, so that a step without a mistake is not taken for certainty. Raises WrongUse
    where a class is missing.
    """
    from scipy.optimize import isotonic_regression

    truth, score = _both_classes(y_true, y_score)
    x, group, count = np.unique(score, return_inverse=True, return_counts=True)
    share = np.bincount(group, weights=truth) / count
    fitted = np.asarray(isotonic_regression(share, weights=count).x, dtype=np.float64)
    y = np.clip(fitted, 1 / (len(score) + 2), 1 - 1 / (len(score) + 2))
    corner = np.ones(len(x), dtype=bool)
    corner[1:-1] = (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:])
    return {"kind": "isotonic", "x": x[corner].tolist(), "y": y[corner].tolist()}


def apply_calibration(parameters: Mapping[str, str | list[float]], scores: npt.ArrayLike) -> Floats:
    """Scores (n,) to probabilities (n,), never reordered. Raises WrongUse for a kind it does not know."""
    score = np.asarray(scores, dtype=np.float64)
    if parameters.get("kind") == "platt":
        slope, intercept = _numbers(parameters, "coefficients")
        return _sigmoid(slope * log_odds(score) + intercept)
    if parameters.get("kind") == "isotonic":
        return np.interp(score, _numbers(parameters, "x"), _numbers(parameters, "y"))
    raise WrongUse(
        f"There is no calibration {parameters.get('kind')!r}; there are: platt, isotonic.",
        next_step="Train the model again with this version of Rondo.",
    )


def calibrator(parameters: Mapping[str, str | list[float]] | None) -> Callable[[float], float] | None:
    """`apply_calibration` for one score at a time; None where there are no parameters."""
    if parameters is None:
        return None
    held = {name: value if isinstance(value, str) else np.asarray(value) for name, value in parameters.items()}
    if held.get("kind") == "isotonic":
        _numbers(parameters, "x"), _numbers(parameters, "y")
        return lambda score: float(np.interp(score, held["x"], held["y"]))  # type: ignore[arg-type]
    return lambda score: float(apply_calibration(parameters, [score])[0])


def calibration_helps(
    y_true: npt.ArrayLike,
    y_score: npt.ArrayLike,
    *,
    blocks: Blocks = None,
    folds: int = 5,
    draws: int = 500,
    seed: int,
) -> CalibrationVerdict:
    """Both kinds tried by cross-validation; the better one helps if its log loss is lower beyond doubt.

    Folds are whole blocks where given, rows dealt out by class otherwise. "Beyond doubt": the one-sided upper bound of
    the paired difference lies below 0, at 97.5 % each because two kinds are tried: out of 20 scores that are
    calibrated already, at most one is "improved".
    """
    truth, score, _ = checked("log_loss", "binary", "score", y_true, y_score, None)
    fold = _folds(truth, blocks, folds, seed)
    if any(len(np.unique(truth[fold != each])) < 2 for each in range(folds)) or len(np.unique(fold)) < 2:
        return CalibrationVerdict(False, None, None, None, len(truth))
    found: list[tuple[float, Kind, Difference]] = []
    for kind, fit in _FITS.items():
        out_of_fold = np.empty(len(score))
        for each in np.unique(fold):
            held = fold == each
            out_of_fold[held] = apply_calibration(fit(truth[~held], score[~held]), score[held])
        sides = (out_of_fold, None), (score, None)
        difference = paired([METRICS["log_loss"]], truth, *sides, blocks=blocks, draws=draws, seed=seed)["log_loss"]
        found.append((difference.difference or 0.0, kind, difference))
    _, kind, difference = min(found, key=lambda each: each[0])
    bound = upper_bound(difference, 1 - 0.05 / len(_FITS))
    helps = bound is not None and bound < 0
    return CalibrationVerdict(helps, kind, difference, _FITS[kind](truth, score) if helps else None, len(truth))


_FITS: dict[Kind, Callable[[npt.ArrayLike, npt.ArrayLike], Calibration]] = {
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}


def _folds(truth: Floats, blocks: Blocks, folds: int, seed: int) -> Ints:
    rng = np.random.default_rng(seed)
    if blocks is not None:
        block, number = numbered(blocks)
        return (rng.permutation(number) % folds)[block]
    fold = np.empty(len(truth), dtype=np.int64)
    shuffled = rng.permutation(len(truth))
    fold[shuffled[np.argsort(truth[shuffled], kind="stable")]] = np.arange(len(truth)) % folds
    return fold


def _logistic(x: Floats, target: Floats) -> Floats:
    """Newton's method for a logistic regression with a trace of ridge, which keeps separable scores finite."""

    def loss(beta: Floats) -> float:
        z = x @ beta
        return float((np.logaddexp(0.0, z) - target * z).sum() + 0.5e-6 * (beta**2).sum())

    beta = np.zeros(x.shape[1])
    for _ in range(100):
        p = _sigmoid(x @ beta)
        gradient = x.T @ (p - target) + 1e-6 * beta
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(len(beta)), gradient)
        while loss(beta - step) > loss(beta) and np.abs(step).max() > 1e-10:
            step = step / 2
        beta = beta - step
        if np.abs(step).max() <= 1e-10:
            break
    return beta


def _both_classes(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> tuple[Floats, Floats]:
    truth, score, _ = checked("log_loss", "binary", "score", y_true, y_score, None)
    if len(np.unique(truth)) < 2:
        raise WrongUse(
            f"Calibration needs both classes; the {len(truth)} rows given have one.",
            next_step="Use a longer validation stretch.",
        )
    return truth, score


def log_odds(score: Floats) -> Floats:
    """ln(p / (1 − p)) of probabilities (n,), those of 0 and 1 kept a hair away from there."""
    p = np.clip(score, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.log(p) - np.log1p(-p)


def _sigmoid(x: Floats) -> Floats:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def _numbers(parameters: Mapping[str, str | list[float]], name: str) -> list[float]:
    values = parameters.get(name)
    if not isinstance(values, list):
        raise WrongUse(f"The calibration has no list {name!r}.", next_step="Train the model again.")
    return values
