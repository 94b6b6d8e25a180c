"""Linear models and constants, predicted with numpy alone out of JSON: nothing that fitted them is needed again."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Literal

import msgspec
import numpy as np

from rondo.models.links import Link, scores
from rondo.stats.results import Floats

FAR = 1e6
"""A number this many standard deviations away counts as no farther."""


class Term(msgspec.Struct, frozen=True, dict=True):
    """What one column adds to the margins (m,): of a number, a category, or nothing at all.

    number: (x − mean) / scale · weights[0], or `missing` where there is none (imputed by the mean, with an indicator).
    category: weights[code], or `missing`. `expected` is the mean of the term over the training rows.
    """

    kind: Literal["number", "category", "nothing"]
    mean: float
    scale: float
    weights: tuple[tuple[float, ...], ...]
    missing: tuple[float, ...]
    expected: tuple[float, ...]

    @cached_property
    def _table(self) -> Floats:
        """Weights, and those of missing as the last row: (rows, m)."""
        return np.array([*self.weights, self.missing])

    def of(self, column: Floats) -> Floats:
        """The term (n, m) of a column (n,)."""
        gone = np.isnan(column)
        table = self._table
        if self.kind == "nothing":
            return np.zeros((len(column), table.shape[1]))
        if self.kind == "category":
            picked: Floats = table[np.where(gone, len(table) - 1, column).astype(np.int64)]
            return picked
        z = standardised(np.where(gone, self.mean, column), self.mean, self.scale)
        told: Floats = z[:, None] * table[0] + gone[:, None] * table[-1]
        return told


def standardised(column: Floats, mean: float, scale: float) -> Floats:
    """Distances from the mean in standard deviations, never farther than `FAR`."""
    with np.errstate(over="ignore"):
        return np.clip((column - mean) / scale, -FAR, FAR)


class Linear(msgspec.Struct, frozen=True):
    """Sums of terms under a link: logistic or ridge regression."""

    kind: ClassVar[str] = "linear"
    link: Link
    intercept: tuple[float, ...]
    terms: tuple[Term, ...]

    def margins(self, matrix: Floats) -> Floats:
        """(n, columns) to (n, m), added term by term: a matrix product rounds otherwise for one row than for many."""
        total = np.tile(np.array(self.intercept), (len(matrix), 1))
        for place, term in enumerate(self.terms):
            total += term.of(matrix[:, place])
        return total

    def predict(self, matrix: Floats) -> Floats:
        """Scores (n,) or (n, classes)."""
        return scores(self.link, self.margins(matrix))

    def contributions(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Base (m,) and each column's share of the margins (n, columns, m): its term less the term's mean.

        These are the Shapley values of a linear model with independent columns (Lundberg and Lee, 2017, cor. 1).
        """
        expected = np.array([term.expected for term in self.terms]).reshape(len(self.terms), len(self.intercept))
        shares = np.zeros((len(matrix), len(self.terms), len(self.intercept)))
        for place, term in enumerate(self.terms):
            shares[:, place] = term.of(matrix[:, place]) - expected[place]
        return np.array(self.intercept) + expected.sum(axis=0), shares

    def save(self) -> dict[str, bytes]:
        """As one JSON file."""
        return {"model.json": msgspec.json.encode(self)}


class Constant(msgspec.Struct, frozen=True):
    """The same answer to everything: the mean, or the shares of the classes."""

    kind: ClassVar[str] = "constant"
    columns: int
    value: tuple[float, ...]  # one number, or one a class
    link: Link = "identity"

    def margins(self, matrix: Floats) -> Floats:
        """(n, columns) to (n, m)."""
        return np.tile(np.array(self.value), (len(matrix), 1))

    def predict(self, matrix: Floats) -> Floats:
        """Scores (n,) or (n, classes)."""
        return scores(self.link, self.margins(matrix))

    def contributions(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Base (m,) and zeros (n, columns, m)."""
        return np.array(self.value), np.zeros((len(matrix), self.columns, len(self.value)))

    def save(self) -> dict[str, bytes]:
        """As one JSON file."""
        return {"model.json": msgspec.json.encode(self)}
