"""What makes examples suspicious: columns that give the label away, rows that come twice, a neighbour that knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rondo.develop.reading import Rows
from rondo.features.signature import Signature
from rondo.models.encoding import Encoder
from rondo.records.development import Finding
from rondo.stats.results import Floats, Ints

BINS = 64
TOLD = 0.985
"""A column alone that leaves less than 1.5 % of the label open, out of sample, is suspected of knowing it."""
NEIGHBOURS_OF, NEIGHBOURS_AMONG = 1_000, 5_000
CATEGORIES = 20


def leaks(rows: Rows, encoder: Encoder, signature: Signature) -> Iterator[Finding]:
    """Columns that equal the label, or predict it almost perfectly by themselves.

    Each column's bins are given the mean label of one half of the rows and judged on the other: the share of the
    label's variance (of each class against the rest) that is explained.
    """
    for place, coding in enumerate(encoder.columns):
        column = rows.matrix[:, place]
        if coding.skipped or len(rows) < 2 * BINS or np.isnan(column).all():
            continue
        if _equals(column, rows.y, coding.vocabulary, signature):
            yield Finding(what=f"{coding.name} equals the label.", weight="stop", column=coding.name)
            continue
        told = _explained(column, rows.y, coding.kind == "category", signature.task != "regression")
        if told > TOLD:
            what = f"{coding.name} alone explains {told:.1%} of the label: does it come from after the moment asked?"
            yield Finding(what=what, weight="warn", column=coding.name)


def _equals(column: Floats, y: Floats, vocabulary: tuple[str, ...], signature: Signature) -> bool:
    if signature.task != "regression":
        shown = [str(value) for value in signature.classes]
        if vocabulary:
            return sorted(vocabulary) == sorted(shown) and bool(
                (
                    np.array([shown.index(word) for word in vocabulary])[np.nan_to_num(column).astype(np.int64)] == y
                ).all()
            )
        numbers = [value for value in signature.classes if isinstance(value, int | float)]
        return len(numbers) == len(shown) and bool(
            (np.array(numbers, dtype=np.float64)[y.astype(np.int64)] == column).all()
        )
    return bool((column == y).all())


def _explained(column: Floats, y: Floats, category: bool, classes: bool) -> float:
    bins = _binned(column, category)
    targets = (y[:, None] == np.unique(y)).astype(np.float64) if classes else y[:, None]
    learned = np.arange(len(y)) % 2 == 0
    counts = np.bincount(bins[learned], minlength=bins.max() + 1)
    told = []
    for target in targets.T:
        mean = target[learned].mean()
        sums = np.bincount(bins[learned], weights=target[learned], minlength=len(counts))
        guess = np.divide(sums, counts, out=np.full(len(counts), mean), where=counts > 0)[bins]
        left, there = ((target - guess)[~learned] ** 2).sum(), ((target - mean)[~learned] ** 2).sum()
        told.append(1 - left / there if there > 0 else 0.0)
    return max(float(min(told)), 0.0 if classes or category else _on_a_line(column, y))


def _on_a_line(column: Floats, y: Floats) -> float:
    """The squared correlation: bins leave something open of a number that is the label in another unit."""
    known = ~np.isnan(column)
    if known.mean() < TOLD or np.ptp(column[known]) == 0 or np.ptp(y[known]) == 0:
        return 0.0
    scaled = column[known] / np.abs(column[known]).max()
    return float(np.corrcoef(scaled, y[known])[0, 1] ** 2)


def _binned(column: Floats, category: bool) -> Ints:
    gone = np.isnan(column)
    if category:
        return np.where(gone, 0, column + 1).astype(np.int64)
    edges = np.unique(np.quantile(column[~gone], np.arange(1, BINS) / BINS))
    found: Ints = np.where(gone, 0, 1 + np.searchsorted(edges, column, side="right"))
    return found


@dataclass(frozen=True)
class Repeated:
    """Shares of training rows with a twin of equal features, with such a twin of another label, and of validation
    rows that stand in training too.
    """

    doubled: float
    contradicting: float
    shared: float


def repeated(train: Rows, validation: Rows) -> Repeated:
    """How often rows of features come twice. Rows are told apart by a 64-bit hash."""
    keys, held = _hashed(train.matrix), _hashed(validation.matrix)
    _, group, count = np.unique(keys, return_inverse=True, return_counts=True)
    least, most = np.full(len(count), np.inf), np.full(len(count), -np.inf)
    np.minimum.at(least, group, train.y)
    np.maximum.at(most, group, train.y)
    return Repeated(
        float((count[group] > 1).mean()), float((least < most)[group].mean()), float(np.isin(held, keys).mean())
    )


def _hashed(matrix: Floats) -> Ints:
    bits = np.ascontiguousarray(matrix + 0.0).view(np.uint64)  # + 0.0: -0.0 is 0.0
    odd = np.random.default_rng(0).integers(1, 2**63, size=(2, matrix.shape[1]), dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    mixed = (bits ^ (bits >> np.uint64(29))) * odd[0]
    keys: Ints = ((mixed ^ (mixed >> np.uint64(32))) * odd[1]).sum(axis=1, dtype=np.uint64)
    return keys


def nearest_neighbour(train: Rows, validation: Rows, encoder: Encoder, classes: int) -> Floats:
    """What the nearest of at most 5,000 training rows was (Cover and Hart, 1967): (n,), or (n, classes) if given."""
    among = np.linspace(0, len(train) - 1, min(len(train), NEIGHBOURS_AMONG)).astype(np.int64)
    known, asked = _laid_out(train.matrix[among], validation.matrix, encoder)
    nearest = np.empty(len(asked), dtype=np.int64)
    squares = (known**2).sum(axis=1)
    for start in range(0, len(asked), NEIGHBOURS_OF):
        part = slice(start, start + NEIGHBOURS_OF)
        nearest[part] = (squares - 2 * asked[part] @ known.T).argmin(axis=1)
    answer = train.y[among][nearest]
    return np.eye(classes)[answer.astype(np.int64)] if classes else answer


def _laid_out(known: Floats, asked: Floats, encoder: Encoder) -> tuple[Floats, Floats]:
    """Numbers standardised, categories one-hot, missing at the mean."""
    sides: tuple[list[Floats], list[Floats]] = ([], [])
    for place, coding in enumerate(encoder.columns):
        here = known[:, place][~np.isnan(known[:, place])]
        if coding.skipped or not len(here):
            continue
        for side, column in zip(sides, (known[:, place], asked[:, place]), strict=True):
            if coding.kind == "category":
                side.append((column[:, None] == np.arange(min(CATEGORIES, len(coding.vocabulary)))) / np.sqrt(2))
                continue
            largest = np.abs(here).max() or 1.0
            scaled = here / largest
            z = (column / largest - scaled.mean()) / (scaled.std() or 1.0)
            side.append(np.clip(np.nan_to_num(z), -10, 10)[:, None])
    if not sides[0]:
        return np.zeros((len(known), 1)), np.zeros((len(asked), 1))
    return np.concatenate(sides[0], axis=1), np.concatenate(sides[1], axis=1)
