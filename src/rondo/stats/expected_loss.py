"""Drift of one column as what it is expected to cost: the metric as it is, against that with the column restored.

*Restored* means moved back onto the reference's distribution with as little movement as can be: numbers by rank (the
monotone transport, which undoes a change of unit or an offset exactly), categories by taking just the rows that are too
many to what is too few; nulls are a value like any other. All other columns of a row stay as they are.

The scores of restored rows are then what is believed of the outcomes, and both sets of scores are judged by it: what
the given ones lose is the loss *if the drifted values are wrong*. It needs no outcome. Where the world itself has moved
and the values are right, less is lost, or nothing: `expected_change` is that other reading, each set of scores being
believed on its own rows (confidence-based estimation, as in `estimated`); `realised_loss` tells the two apart once
outcomes are known.

Errors are those of the days left out one at a time (`jackknife`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rondo.stats.estimated import doubled, on_every_truth, probabilities
from rondo.stats.intervals import Blocks
from rondo.stats.jackknife import jackknife
from rondo.stats.metrics import Metric, Rows
from rondo.stats.results import Estimate, Floats, Ints
from rondo.stats.statistic import Statistic


@dataclass(frozen=True)
class Answers:
    """What a model says of rows: scores (n,) or (n, classes), labels (n,)."""

    score: Floats
    label: Ints


@dataclass(frozen=True)
class Chances:
    """Two numbers in [0, 1) a row (n,): who is moved first, and whose value is taken. The same for all columns, so that
    columns that went missing together are given back together, out of one row.
    """

    turn: Floats
    donor: Floats


def chances(n: int, *, seed: int) -> Chances:
    """Drawn once for a sample."""
    turn, donor = np.random.default_rng(seed).random((2, n))
    return Chances(turn, donor)


def restored(window: Floats, reference: Floats, drawn: Chances, *, category: bool = False) -> Floats:
    """One column (n,) of numbers or codes, NaN for null, moved onto the distribution of the reference (m,)."""
    if not len(reference) or not len(window):
        return window.copy()
    return (_categories if category else _numbers)(window, reference, drawn)


def expected_loss(metric: Metric, given: Answers, restored: Answers, *, blocks: Blocks = None) -> Estimate:
    """What the metric loses by the given answers if the restored rows are right: above 0 is worse, in its unit.

    Raises WrongUse where scores are no probabilities or the metric is a regression's.
    """
    believed = probabilities(restored.score)
    right, wrong = (on_every_truth(metric, each.score, each.label, believed.shape[1]) for each in (restored, given))

    def lost(weights: Floats) -> Floats:
        on_truths = doubled(weights, believed)
        return _worse(metric, right.of_weights(on_truths), wrong.of_weights(on_truths))

    return _estimate("expected_loss", metric, lost, len(believed), blocks)


def expected_change(metric: Metric, given: Answers, restored: Answers, *, blocks: Blocks = None) -> Estimate:
    """What the metric loses by the drift if the given rows are right and the world has moved: above 0 is worse.

    Raises as `expected_loss`.
    """
    believed = [probabilities(each.score) for each in (restored, given)]
    ready: list[Statistic] = [
        on_every_truth(metric, each.score, each.label, mine.shape[1])
        for each, mine in zip((restored, given), believed, strict=True)
    ]

    def lost(weights: Floats) -> Floats:
        before, after = (s.of_weights(doubled(weights, mine)) for s, mine in zip(ready, believed, strict=True))
        return _worse(metric, before, after)

    return _estimate("expected_change", metric, lost, len(believed[0]), blocks)


def realised_loss(
    metric: Metric, y_true: Rows, given: Answers, restored: Answers, *, blocks: Blocks = None
) -> Estimate:
    """What the metric lost on known outcomes by the given answers against the restored ones: above 0 is worse.

    Above 0 the drifted values were wrong, below 0 they were right (the world has moved).
    """
    right, wrong = (metric.ready(y_true, each.score, each.label) for each in (restored, given))
    n = len(np.asarray(y_true))
    return _estimate(
        "realised_loss", metric, lambda w: _worse(metric, right.of_weights(w), wrong.of_weights(w)), n, blocks
    )  # fmt: skip


def _worse(metric: Metric, before: Floats, after: Floats) -> Floats:
    return before - after if metric.higher_is_better else after - before


def _estimate(name: str, metric: Metric, lost: Callable[[Floats], Floats], n: int, blocks: Blocks) -> Estimate:
    return jackknife(name, lost, n, blocks=blocks, unit=metric.unit, higher_is_better=False)


def _numbers(window: Floats, reference: Floats, drawn: Chances) -> Floats:
    """First as many nulls as are due, then numbers by rank, the equal ones among them by turn."""
    moved, null = window.copy(), np.isnan(window)
    donors = reference[~np.isnan(reference)]
    spare = int(null.sum()) - round(len(window) * float(np.isnan(reference).mean()))
    if spare < 0:
        lost = _first(np.flatnonzero(~null), drawn.turn, -spare)
        moved[lost], null[lost] = np.nan, True
    elif spare > 0:
        found = _first(np.flatnonzero(null), drawn.turn, spare)
        moved[found] = donors[(drawn.donor[found] * len(donors)).astype(np.int64)]
    kept = np.flatnonzero(~null)
    if len(kept):
        ordered = kept[np.lexsort((drawn.turn[kept], window[kept]))]
        ranks = ((np.arange(len(ordered)) + 0.5) / len(ordered) * len(donors)).astype(np.int64)
        moved[ordered] = np.sort(donors)[ranks]
    return moved


def _categories(window: Floats, reference: Floats, drawn: Chances) -> Floats:
    """Rows of values that are too many go, by turn, to values that are too few."""
    codes, numbers = np.unique(np.concatenate([window, reference]), return_inverse=True)  # NaNs are one
    have = np.bincount(numbers[: len(window)], minlength=len(codes))
    due = _apportioned(np.bincount(numbers[len(window) :], minlength=len(codes)), len(window))
    moved = window.copy()
    leaving = [
        _first(np.flatnonzero(numbers[: len(window)] == code), drawn.turn, have[code] - due[code])
        for code in np.flatnonzero(have > due)
    ]
    if leaving:
        rows = np.concatenate(leaving)
        free = np.repeat(codes, np.maximum(due - have, 0))
        moved[rows[np.argsort(drawn.donor[rows], kind="stable")]] = free
    return moved


def _apportioned(counts: Ints, n: int) -> Ints:
    """`n` rows in the shares of these counts: whole numbers, the largest remainders rounded up."""
    exact = counts * (n / counts.sum())
    due: Ints = np.floor(exact).astype(np.int64)
    short = n - int(due.sum())
    due[np.argsort(due - exact, kind="stable")[:short]] += 1
    return due


def _first(rows: Ints, turn: Floats, count: int) -> Ints:
    order = np.argsort(turn[rows], kind="stable")
    first: Ints = rows[order[:count]]
    return first
