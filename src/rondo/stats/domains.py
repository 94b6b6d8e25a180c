"""Drift of all columns together: how well a classifier tells a window's rows from the reference's.

The two-sample test by a classifier (Lopez-Paz and Oquab, 2017) as an effect, not a p-value: the AUC of rows that it was
not fitted on. 0.5 is no drift, 1 are two samples that share nothing; it sees columns that moved only together.

Folds are whole days, so that it cannot recognise a day that it has seen; rows are compared within their fold alone,
because scores of two classifiers have no common scale. Days are drawn whole for the interval; that shows the chance in
the days that were judged, not in those that the classifiers were fitted on, which they share: the variance is raised
by 1 + folds / (folds − 1) for it (Nadeau and Bengio, 2003), which is more than enough.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.intervals import Blocks, numbered, resample_counts, two_sided
from rondo.stats.results import Estimate, Floats, Ints
from rondo.stats.statistic import ratio

NAME = "domain_auc"

ROUNDS = 50
TREES = {
    "objective": "binary",
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
"""One thread: windows are small, and the same bytes come out on any machine."""


def domain_auc(
    reference: npt.ArrayLike,
    current: npt.ArrayLike,
    *,
    reference_blocks: Blocks = None,
    blocks: Blocks = None,
    folds: int = 5,
    draws: int = 1000,
    seed: int,
) -> Estimate:
    """Cross-validated AUC of gradient-boosted trees between reference (m, k) and window (n, k), of the same columns.

    Columns are numbers, categories coded as such, nulls NaN. There are as many folds as the side with fewer blocks
    (rows, without) allows, `folds` at most; a side with fewer than two has the value None. Drift is seen where `low`
    exceeds 0.5. Raises WrongUse where the columns differ.
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (reference, current)]
    if any(side.ndim != 2 for side in sides) or sides[0].shape[1] != sides[1].shape[1]:
        raise WrongUse(
            f"Reference {sides[0].shape} and window {sides[1].shape} do not have the same columns.",
            next_step="Give both as rows by columns, in the same order.",
        )
    given = [np.arange(len(s)) if b is None else b for s, b in zip(sides, (reference_blocks, blocks), strict=True)]
    (lower, lowers), (upper, uppers) = (numbered(each) for each in given)
    units = min(lowers, uppers)
    if units < 2:
        return Estimate(NAME, None, None, None, len(sides[1]))
    rng = np.random.default_rng(seed)
    folds = min(folds, units)
    fold_lower, fold_upper = (rng.permutation(number) % folds for number in (lowers, uppers))
    fold = np.concatenate([fold_lower[lower], fold_upper[upper]])
    score = _out_of_fold(np.concatenate(sides), np.repeat([0, 1], [len(s) for s in sides]), fold, folds, seed)
    parts = score[: len(lower)], score[len(lower) :]
    wins, pairs = np.zeros((uppers, lowers)), np.zeros((uppers, lowers))
    for each in range(folds):
        among, of = fold[: len(lower)] == each, fold[len(lower) :] == each
        _compare(wins, pairs, parts[0][among], lower[among], parts[1][of], upper[of])
    value = float(wins.sum() / pairs.sum())
    drawn_upper, drawn_lower = (resample_counts(number, None, draws, rng) for number in (uppers, lowers))
    drawn = ratio(((drawn_upper @ wins) * drawn_lower).sum(axis=1), ((drawn_upper @ pairs) * drawn_lower).sum(axis=1))
    shared = 1 + folds / (folds - 1)
    error = float(np.nanstd(drawn, ddof=1) * np.sqrt(units / (units - 1) * shared))
    low, high = two_sided(value, error, units - 1, (0.0, 1.0), scale="logit")
    return Estimate(NAME, value, low, high, len(sides[1]), standard_error=error, degrees=units - 1)


def _out_of_fold(rows: Floats, side: Ints, fold: Ints, folds: int, seed: int) -> Floats:
    """Each row's score of the classifier that was not fitted on its fold; both sides weigh the same."""
    import lightgbm

    score = np.empty(len(rows))
    for each in range(folds):
        kept = fold != each
        share = float(side[kept].mean())
        weight = np.where(side[kept] == 1, 0.5 / share, 0.5 / (1 - share))
        trees = lightgbm.train(
            {**TREES, "seed": seed % 2**31},
            lightgbm.Dataset(rows[kept], side[kept], weight=weight, params=TREES),
            num_boost_round=ROUNDS,
        )
        score[~kept] = trees.predict(rows[~kept], raw_score=True, num_threads=1)
    return score


def _compare(wins: Floats, pairs: Floats, score_lower: Floats, lower: Ints, score_upper: Floats, upper: Ints) -> None:
    """Add one fold's pairs of rows, and those that the window's row wins (ties half), by the blocks of both."""
    for block in np.unique(lower):
        among = np.sort(score_lower[lower == block])
        beaten = (np.searchsorted(among, score_upper, "left") + np.searchsorted(among, score_upper, "right")) / 2
        wins[:, block] += np.bincount(upper, weights=beaten, minlength=len(wins))
        pairs[:, block] += np.bincount(upper, minlength=len(wins)) * float(len(among))
