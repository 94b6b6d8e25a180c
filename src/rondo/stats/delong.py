"""The standard error of an AUC without any resampling: the independent check of the bootstrap.

DeLong, DeLong and Clarke-Pearson (1988), by the midranks of Sun and Xu (2014), in O(n log n). Rows are taken as
independent: where days err together, only the block bootstrap is honest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rondo.stats.intervals import two_sided
from rondo.stats.metrics import checked
from rondo.stats.results import Difference, Estimate, Floats


def delong(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> Estimate:
    """AUC of labels 0/1 (n,) and scores (n,) with DeLong's interval; none with fewer than two rows of a class."""
    truth, score, _ = checked("roc_auc", "binary", "score", y_true, y_score, None)
    value, positive, negative = _placements(truth, score)
    error = _standard_error(positive, negative)
    low, high = two_sided(value, error, None, (0.0, 1.0))
    return Estimate("roc_auc", value, low, high, len(truth), "", True, error)


def delong_paired(y_true: npt.ArrayLike, y_score_a: npt.ArrayLike, y_score_b: npt.ArrayLike) -> Difference:
    """AUC of `a` − AUC of `b` on the same rows with DeLong's interval."""
    truth, score_a, _ = checked("roc_auc", "binary", "score", y_true, y_score_a, None)
    _, score_b, _ = checked("roc_auc", "binary", "score", y_true, y_score_b, None)
    value_a, positive_a, negative_a = _placements(truth, score_a)
    value_b, positive_b, negative_b = _placements(truth, score_b)
    difference = value_a - value_b if value_a is not None and value_b is not None else None
    error = _standard_error(positive_a - positive_b, negative_a - negative_b)
    low, high = two_sided(difference, error, None, (-1.0, 1.0))
    return Difference("roc_auc", value_a, value_b, difference, low, high, len(truth), error, None, True)


def _placements(truth: Floats, score: Floats) -> tuple[float | None, Floats, Floats]:
    """The AUC, each positive row's share of negatives beaten, and each negative row's share of positives above it."""
    positive, negative = score[truth == 1], score[truth != 1]
    if not len(positive) or not len(negative):
        return None, np.empty(len(positive)), np.empty(len(negative))
    beaten = _midrank(negative, positive) / len(negative)
    above = 1 - _midrank(positive, negative) / len(positive)
    return float(beaten.mean()), beaten, above


def _midrank(among: Floats, of: Floats) -> Floats:
    """How many `among` lie below each `of`, equal ones counting half."""
    ordered = np.sort(among)
    ends = np.searchsorted(ordered, of, side="left") + np.searchsorted(ordered, of, side="right")
    return ends.astype(np.float64) / 2


def _standard_error(positive: Floats, negative: Floats) -> float | None:
    if len(positive) < 2 or len(negative) < 2:
        return None
    return float(np.sqrt(positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative)))
