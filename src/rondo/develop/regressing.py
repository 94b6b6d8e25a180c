"""Linear models fitted: ridge or logistic regression on standardised numbers and one-hot categories."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rondo.errors import DeclarationError
from rondo.models.encoding import Encoder
from rondo.models.linear import Linear, Term, standardised
from rondo.models.links import Link
from rondo.project.models import TaskKind
from rondo.records.tables import Scalar
from rondo.stats.results import Floats, Ints

LINEAR_ROWS = 100_000
"""A linear model is fitted on at most so many rows, drawn at random: more would not change a digit that matters."""
DENSE = 60
"""Up to so many weights the normal equations are solved whole (Newton), beyond step by step (L-BFGS)."""
PARAMETERS = ("c",)
_LINKS: dict[TaskKind, Link] = {"binary": "sigmoid", "multiclass": "softmax", "regression": "identity"}


def fit_linear(
    matrix: Floats,
    y: Floats,
    encoder: Encoder,
    task: TaskKind,
    classes: int,
    parameters: dict[str, Scalar],
    seed: int,
    start: Linear | None = None,
) -> Linear:
    """Ridge or logistic regression on standardised numbers and one-hot categories, missing values told apart.

    Its optimum is the same wherever the search for it begins. So what goes on from a `start` is the penalty: it draws
    the weights to those of the start instead of to nothing (Chelba and Acero, 2006). `c` is the inverse strength of the
    penalty (1 when left out). Raises DeclarationError for another parameter.
    """
    if unknown := [name for name in parameters if name not in PARAMETERS]:
        raise DeclarationError(
            f"rd.linear has no parameter {unknown[0]!r}; it has: {', '.join(PARAMETERS)}.",
            next_step="Take it out.",
        )
    c = parameters.get("c", 1.0)
    if isinstance(c, bool) or not isinstance(c, int | float) or not c > 0:
        raise DeclarationError(f"rd.linear has c={c!r}.", next_step="Use a number above 0.")
    if len(y) > LINEAR_ROWS:
        drawn = np.sort(np.random.default_rng(seed).choice(len(y), LINEAR_ROWS, replace=False))
        matrix, y = matrix[drawn], y[drawn]
    kinds = ["nothing" if e.skipped else e.kind for e in encoder.columns]
    sizes = [len(e.vocabulary) for e in encoder.columns]
    before: list[Term | None] = [*start.terms] if start else [None] * len(kinds)
    columns = [
        _Spread(matrix[:, place], kind, size, like)
        for place, (kind, size, like) in enumerate(zip(kinds, sizes, before, strict=True))
    ]
    outputs = classes if task == "multiclass" else 1
    if start is None:
        weights, intercept = _solve(columns, y, task, outputs, float(c))
    else:
        weights, intercept = _moved(columns, y, task, start.margins(matrix), float(c))
        intercept = intercept + np.array(start.intercept)
    places = np.cumsum([0, *(column.width for column in columns)])
    terms = [column.term(weights[place : place + column.width]) for column, place in zip(columns, places, strict=False)]
    return Linear(_LINKS[task], tuple(intercept.tolist()), tuple(terms))


class _Spread:
    """One column spread over the columns of a design: standardised or one-hot, and an indicator of missing.

    `like` is the term that its weights are added to: a number is standardised as it was there.
    """

    def __init__(self, column: Floats, kind: str, size: int, like: Term | None = None) -> None:
        self.like = like if like is not None and like.kind != "nothing" else None
        self.gone = np.isnan(column)
        self.kind, self.size, self.column = kind, size, column
        self.mean, self.scale = _centre(column[~self.gone]) if kind != "category" else (0.0, 0.0)
        if self.like is not None and self.like.kind == "number":
            self.mean, self.scale = self.like.mean, self.like.scale
        self.told = kind != "nothing" and (self.scale > 0 or kind == "category")
        self.indicator = kind != "nothing" and bool(self.gone.any()) and not bool(self.gone.all())
        self.width = (size if kind == "category" else int(self.told)) + int(self.indicator)

    def entries(self) -> Iterator[tuple[Ints, Ints, Floats]]:
        """Rows, columns (from 0) and values that are not 0."""
        here, missing = np.flatnonzero(~self.gone), np.flatnonzero(self.gone)
        if self.kind == "category":
            yield here, self.column[here].astype(np.int64), np.ones(len(here))
        elif self.told:
            yield here, np.zeros(len(here), dtype=np.int64), standardised(self.column[here], self.mean, self.scale)
        if self.indicator:
            yield missing, np.full(len(missing), self.width - 1), np.ones(len(missing))

    def term(self, weights: Floats) -> Term:
        """The term of its weights (width, m)."""
        nothing = np.zeros(weights.shape[1])
        missing = weights[-1] if self.indicator else nothing
        told = weights[: len(weights) - int(self.indicator)]
        if self.kind == "category":
            term = Term("category", 0.0, 1.0, _tuples(told), tuple(missing.tolist()), ())
        elif self.told or self.indicator:
            scale = self.scale if self.told else 1.0
            told = told if self.told else nothing[None, :]
            term = Term("number", self.mean, scale, _tuples(told), tuple(missing.tolist()), ())
        else:
            term = Term("nothing", 0.0, 1.0, (), tuple(nothing.tolist()), ())
        if self.like is not None:
            term = _added(self.like, term)
        expected = term.of(self.column).mean(axis=0)
        return Term(term.kind, term.mean, term.scale, term.weights, term.missing, tuple(expected.tolist()))


def _added(like: Term, term: Term) -> Term:
    """The term of both: a number is standardised alike in both, a category has the same vocabulary."""
    missing = tuple((np.array(like.missing) + np.array(term.missing)).tolist())
    told = np.array(like.weights)
    weights = told if term.kind == "nothing" else told + np.array(term.weights).reshape(told.shape)
    return Term(like.kind, like.mean, like.scale, _tuples(weights), missing, ())


def _centre(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation, scale 0 where the values do not differ. Scaled first: 1e300 has a square too."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return 0.0, 0.0
    scaled = values / largest
    mean, spread = float(scaled.mean()), float(scaled.std())
    return mean * largest, spread * largest if spread > 1e-12 else 0.0


def _tuples(weights: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in weights.tolist())


def _solve(columns: Sequence[_Spread], y: Floats, task: TaskKind, outputs: int, c: float) -> tuple[Floats, Floats]:
    """Weights (design columns, m) and intercept (m,)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    width = sum(column.width for column in columns)
    if width == 0:
        columns, width = [], 0
    design = _design(columns, len(y), width)
    if task == "regression":
        centre = float(y.mean())
        if width == 0:
            return np.zeros((0, 1)), np.array([centre])
        ridge = Ridge(alpha=1 / c).fit(design, y - centre)
        return np.asarray(ridge.coef_).reshape(1, -1).T, np.atleast_1d(ridge.intercept_) + centre
    seen = np.unique(y).astype(np.int64)
    if width == 0 or len(seen) < 2:
        return np.zeros((width, outputs)), _shares(y, task, outputs)
    dense = width * outputs <= DENSE
    logistic = LogisticRegression(C=c, solver="newton-cholesky" if dense else "lbfgs", max_iter=100 if dense else 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        logistic.fit(design, y.astype(np.int64))
    if task == "binary":
        return logistic.coef_.T, logistic.intercept_
    return _over_classes(logistic.coef_, logistic.intercept_, seen, outputs)


def _moved(columns: Sequence[_Spread], y: Floats, task: TaskKind, begun: Floats, c: float) -> tuple[Floats, Floats]:
    """What is added to the margins `begun` (n, m): weights (design columns, m), penalised, and intercept (m,)."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax
    from sklearn.linear_model import Ridge

    width, outputs = sum(column.width for column in columns), begun.shape[1]
    design: Any = _design(columns, len(y), width) if width else np.zeros((len(y), 0))
    if task == "regression":
        left = y - begun[:, 0]
        if not width:
            return np.zeros((0, 1)), np.array([left.mean()])
        ridge = Ridge(alpha=1 / c).fit(design, left - left.mean())
        return np.asarray(ridge.coef_).reshape(1, -1).T, np.atleast_1d(ridge.intercept_) + left.mean()
    truth = y.astype(np.int64)

    def loss(flat: Floats) -> tuple[float, Floats]:
        moved = flat.reshape(width + 1, outputs)
        margins = begun + design @ moved[:-1] + moved[-1]
        # One margin is that of the second class over a first one of nothing.
        both = np.hstack([np.zeros((len(y), 1)), margins]) if outputs == 1 else margins
        logs = log_softmax(both, axis=1)
        wrong = np.exp(logs)
        wrong[np.arange(len(y)), truth] -= 1
        wrong = wrong[:, -outputs:]
        gradient = np.vstack([design.T @ wrong + moved[:-1] / c, wrong.sum(axis=0)])
        return float(-logs[np.arange(len(y)), truth].sum() + np.square(moved[:-1]).sum() / (2 * c)), gradient.ravel()

    begin = np.zeros((width + 1) * outputs)
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x.reshape(width + 1, outputs)
    return found[:-1], found[-1]


def _over_classes(coefficients: Floats, intercept: Floats, seen: Ints, outputs: int) -> tuple[Floats, Floats]:
    """Margins of all classes; one that no training row had is out of reach."""
    if len(seen) == 2:  # fitted as one margin: that of the second over the first
        coefficients, intercept = np.vstack([0 * coefficients, coefficients]), np.array([0.0, intercept[0]])
    weights, constants = np.zeros((coefficients.shape[1], outputs)), np.full(outputs, -30.0)
    weights[:, seen], constants[seen] = coefficients.T, intercept
    return weights, constants


def _shares(y: Floats, task: TaskKind, outputs: int) -> Floats:
    if task == "multiclass":
        counts = np.bincount(y.astype(np.int64), minlength=outputs) + 1.0
        logs: Floats = np.log(counts / counts.sum())
        return logs
    positive = (y.sum() + 1) / (len(y) + 2)
    return np.array([np.log(positive / (1 - positive))])


def _design(columns: Sequence[_Spread], n: int, width: int) -> object:
    """The design (n, width): dense where it is narrow, else sparse."""
    from scipy.sparse import coo_matrix

    starts = np.cumsum([0, *(column.width for column in columns)])
    entries = [
        (rows, places + start, values)
        for column, start in zip(columns, starts, strict=False)
        for rows, places, values in column.entries()
    ]
    if width <= DENSE:
        dense = np.zeros((n, width))
        for rows, places, values in entries:
            dense[rows, places] = values
        return dense
    rows, places, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    return coo_matrix((values, (rows, places)), shape=(n, width)).tocsr()
