"""A metric made ready on one sample: sorted, binned and termed once, so that a thousand weightings are cheap.

A bootstrap draw is a weighting of the rows by how often each was drawn. Where whole blocks are drawn, all rows of a
block weigh the same, and most statistics need only one total a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rondo.stats.results import Floats, Ints

CELLS = 1_000_000
"""At most so many weights are held at once (8 MB)."""


class Statistic(Protocol):
    """One number of a fixed sample of n rows, as a function of the rows' weights; NaN where it is undefined."""

    def of_weights(self, weights: Floats) -> Floats:
        """Weights (draws, n), none negative, to values (draws,)."""
        ...

    def of_blocks(self, block: Ints, counts: Floats) -> Floats:
        """Each row's block (n,), numbered from 0, and counts (draws, blocks) to values (draws,)."""
        ...


def ratio(above: Floats, below: Floats) -> Floats:
    """`above / below`, NaN where `below` is 0."""
    quotient: Floats = np.full(np.broadcast(above, below).shape, np.nan)
    return np.divide(above, below, out=quotient, where=below != 0)


def chunks(draws: int, cells_a_draw: int) -> Iterator[slice]:
    """Slices that cover the draws, of at most `CELLS` cells each (and at least one draw)."""
    step = max(1, CELLS // max(1, cells_a_draw))
    return (slice(start, min(start + step, draws)) for start in range(0, draws, step))


def block_totals(block: Ints, terms: Floats, blocks: int) -> Floats:
    """Sums of each column of terms (n, k) within each block: (blocks, k)."""
    return np.stack([np.bincount(block, weights=column, minlength=blocks) for column in terms.T], axis=1)


@dataclass(frozen=True, eq=False)
class Sums:
    """A function of weighted sums: terms (n, k), `finish` takes sums (draws, k) to values (draws,)."""

    terms: Floats
    finish: Callable[[Floats], Floats]

    def of_weights(self, weights: Floats) -> Floats:
        return self.finish(weights @ self.terms)

    def of_blocks(self, block: Ints, counts: Floats) -> Floats:
        return self.finish(counts @ block_totals(block, self.terms, counts.shape[1]))


@dataclass(frozen=True, eq=False)
class Ordered:
    """A function of the rows in one order: `finish` takes weights (draws, n) in that order to values (draws,)."""

    order: Ints
    finish: Callable[[Floats], Floats]

    def of_weights(self, weights: Floats) -> Floats:
        return self.finish(weights[:, self.order])

    def of_blocks(self, block: Ints, counts: Floats) -> Floats:
        ordered = block[self.order]
        return np.concatenate([self.finish(counts[part][:, ordered]) for part in chunks(len(counts), len(block))])


@dataclass(frozen=True, eq=False)
class Wins:
    """The chance that a row of `upper` scores above a row of `lower`, ties counting half (Mann and Whitney, 1947).

    `upper` and `lower` are row numbers, each sorted by score; `score` is that of all rows.
    """

    upper: Ints
    lower: Ints
    score: Floats

    def of_weights(self, weights: Floats) -> Floats:
        upper, lower = weights[:, self.upper], weights[:, self.lower]
        below = np.zeros((len(weights), len(self.lower) + 1))
        np.cumsum(lower, axis=1, out=below[:, 1:])
        first, last = self._beaten(self.lower)
        beaten = below[:, first] if first is last else (below[:, first] + below[:, last]) / 2
        return ratio(np.einsum("dn,dn->d", upper, beaten), upper.sum(axis=1) * below[:, -1])

    def of_blocks(self, block: Ints, counts: Floats) -> Floats:
        blocks = counts.shape[1]
        if blocks * blocks > CELLS:
            return np.concatenate([self.of_weights(counts[part][:, block]) for part in chunks(len(counts), len(block))])
        wins = np.empty((blocks, blocks))
        upper_block, lower_block = block[self.upper], block[self.lower]
        for number in range(blocks):
            first, last = self._beaten(self.lower[lower_block == number])
            wins[:, number] = np.bincount(upper_block, weights=(first + last) / 2, minlength=blocks)
        pairs = (counts @ np.bincount(upper_block, minlength=blocks)) * (
            counts @ np.bincount(lower_block, minlength=blocks)
        )
        return ratio(((counts @ wins) * counts).sum(axis=1), pairs)

    def _beaten(self, lower: Ints) -> tuple[Ints, Ints]:
        """For each upper row, how many of `lower` score below it, and how many at most as high."""
        upper_score, lower_score = self.score[self.upper], self.score[lower]
        first = np.searchsorted(lower_score, upper_score, side="left")
        last = np.searchsorted(lower_score, upper_score, side="right")
        return (first, first) if np.array_equal(first, last) else (first, last)


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of statistics over those that are defined."""

    parts: tuple[Statistic, ...]

    def of_weights(self, weights: Floats) -> Floats:
        return self._mean([part.of_weights(weights) for part in self.parts])

    def of_blocks(self, block: Ints, counts: Floats) -> Floats:
        return self._mean([part.of_blocks(block, counts) for part in self.parts])

    @staticmethod
    def _mean(values: list[Floats]) -> Floats:
        stacked = np.stack(values)
        defined = np.isfinite(stacked)
        return ratio(np.where(defined, stacked, 0.0).sum(axis=0), defined.sum(axis=0).astype(np.float64))


@dataclass(frozen=True, eq=False)
class Looped:
    """Any function of one weighting (n,), called once a draw."""

    function: Callable[[Floats], float]

    def of_weights(self, weights: Floats) -> Floats:
        return np.array([self.function(row) for row in weights], dtype=np.float64)

    def of_blocks(self, block: Ints, counts: Floats) -> Floats:
        return np.array([self.function(row[block]) for row in counts], dtype=np.float64)
