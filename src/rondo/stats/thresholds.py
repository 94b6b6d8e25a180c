"""From a score to a label: `score >= threshold` is positive. Chosen on validation rows, never on the test."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.metrics import checked
from rondo.stats.results import Floats

DEFAULT = 0.5


def best_f1_threshold(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> float:
    """The threshold of the greatest F1; 0.5 where no row is positive. Of equal ones the highest."""
    truth, score, _ = checked("f1", "binary", "score", y_true, y_score, None)
    if not truth.any():
        return DEFAULT
    thresholds, true, called = _cuts(truth, score)
    return float(thresholds[np.argmax(2 * true / np.maximum(called + truth.sum(), 1))])


def least_cost_threshold(
    y_true: npt.ArrayLike, y_score: npt.ArrayLike, false_positive: float, false_negative: float
) -> float:
    """The threshold whose wrong labels cost least on these rows, a wrong alarm and a miss each at its price.

    Of equal ones the highest. Without rows: the one that is best for calibrated probabilities (Elkan, 2001). Raises
    WrongUse for prices below 0 or both 0.
    """
    if min(false_positive, false_negative) < 0 or false_positive + false_negative <= 0:
        raise WrongUse(
            f"A wrong alarm cannot cost {false_positive} and a miss {false_negative}.",
            next_step="Give two costs, none below 0, not both 0.",
        )
    truth, score, _ = checked("cost", "binary", "score", y_true, y_score, None)
    if not len(truth):
        return false_positive / (false_positive + false_negative)
    thresholds, true, called = _cuts(truth, score)
    spent = false_positive * (called - true) + false_negative * (truth.sum() - true)
    return float(thresholds[np.argmin(spent)])


def _cuts(truth: Floats, score: Floats) -> tuple[Floats, Floats, Floats]:
    """Every threshold that labels the rows differently, from none positive to all; true positives and called at each.

    A threshold lies midway between two neighbouring scores, so that rounding of a score does not turn a label.
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    true, called = np.cumsum(truth[order])[last], (last + 1).astype(np.float64)
    highest = ordered[0]
    none = (highest + 1) / 2 if highest < 1 else np.nextafter(highest, np.inf)
    between = (ordered[last[:-1]] + ordered[last[:-1] + 1]) / 2
    thresholds = np.concatenate(
        [[none], np.maximum(between, np.nextafter(ordered[last[:-1] + 1], np.inf)), [ordered[-1]]]
    )
    return thresholds, np.concatenate([[0.0], true]), np.concatenate([[0.0], called])
