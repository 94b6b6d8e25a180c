"""Tries: one trainer with its parameters on the training rows, judged on the validation rows, its latency measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rondo.develop.boosting import PATIENCE, ROUNDS, Boosting, resolve
from rondo.develop.fitting import fit_constant, fit_own
from rondo.develop.judging import judge, threshold_for
from rondo.develop.reading import Rows
from rondo.develop.regressing import fit_linear
from rondo.errors import BuildError
from rondo.models.encoding import Encoder
from rondo.models.linear import Linear
from rondo.models.predictors import LightGBM, Predictor
from rondo.project.models import OwnTrainer, Task
from rondo.records.progress import Progress, silent
from rondo.records.tables import Scalar
from rondo.stats.metrics import Metric
from rondo.stats.results import Floats, Ints

LATENCY_ROWS = 50


@dataclass(frozen=True)
class Material:
    """What every try works with: both parts of the rows, how they are coded, what is asked of them.

    `start` is what training goes on from, coded alike.
    """

    train: Rows
    validation: Rows
    encoder: Encoder
    task: Task
    classes: int
    metric: Metric
    seed: int
    own: OwnTrainer | None = None
    start: Predictor | None = None

    def label(self, scores: Floats) -> Ints:
        """The labels that the task's threshold, chosen on validation, makes of scores."""
        threshold = threshold_for(self.task, self.validation.y, scores)
        if threshold is None:
            return np.asarray(scores.argmax(axis=1), dtype=np.int64)
        return (scores >= threshold).astype(np.int64)


@dataclass(frozen=True)
class Try:
    """A trainer, its resolved parameters, and what came of them."""

    trainer: str
    parameters: dict[str, Scalar]
    predictor: Predictor
    value: float | None
    seconds: float
    latency_us: float | None

    def better_than(self, other: Try, metric: Metric) -> bool:
        """Whether its validation metric is better; a defined one beats an undefined one."""
        if self.value is None or other.value is None:
            return self.value is not None
        return self.value > other.value if metric.higher_is_better else self.value < other.value


def try_out(material: Material, trainer: str, parameters: dict[str, Scalar], *, progress: Progress = silent) -> Try:
    """One try of a built-in trainer by its name, or of the project's `own`.

    LightGBM without `num_iterations` stops early on validation; the rounds found are part of the answer's parameters,
    so that trying these again grows the same trees.
    """
    begun = time.monotonic()
    train, task, classes = material.train, material.task.kind, material.classes
    predictor: Predictor
    if trainer == "constant":
        predictor = fit_constant(train.y, task, classes, train.matrix.shape[1])
    elif trainer == "linear":
        start = material.start if isinstance(material.start, Linear) else None
        predictor = fit_linear(train.matrix, train.y, material.encoder, task, classes, parameters, material.seed, start)
        parameters = {"c": 1.0, **parameters}
    elif trainer == "lightgbm":
        return boost(material, prepare(material, parameters), parameters, progress=progress)
    elif trainer == "own" and material.own is not None:
        predictor = fit_own(
            material.own, train.matrix, train.y, material.encoder.names, task, classes, material.seed, material.start
        )
    else:
        raise BuildError(
            f"The trainer {trainer!r} cannot be run: the declaration no longer brings it.",
            next_step="Bring it back into the model's declaration.",
        )
    return judged(material, trainer, parameters, predictor, begun)


def prepare(material: Material, parameters: dict[str, Scalar] | None = None) -> Boosting:
    """The rows binned for trees."""
    train, validation = material.train, material.validation
    return Boosting(
        (train.matrix, train.y),
        (validation.matrix, validation.y),
        material.encoder.categories,
        material.task.kind,
        material.classes,
        material.seed,
        parameters,
        material.start if isinstance(material.start, LightGBM) else None,
    )


def boost(
    material: Material,
    boosting: Boosting,
    written: dict[str, Scalar],
    *,
    deadline: Callable[[int], float] | None = None,
    progress: Progress = silent,
) -> Try:
    """One try of LightGBM on rows already binned."""
    begun = time.monotonic()
    resolved = resolve(written, material.task.kind, len(material.train))
    # Rounds that a declaration or an earlier search fixed are grown in full; else validation says when to stop.
    fixed = "num_iterations" in resolved and "early_stopping_rounds" not in resolved
    given = resolved if fixed else {"num_iterations": ROUNDS, "early_stopping_rounds": PATIENCE, **resolved}
    grown = boosting.grow(given, deadline=deadline, progress=progress)
    found = {name: value for name, value in resolved.items() if name != "early_stopping_rounds"}
    return judged(material, "lightgbm", {**found, "num_iterations": grown.rounds}, grown.predictor, begun)


def judged(material: Material, trainer: str, parameters: dict[str, Scalar], predictor: Predictor, begun: float) -> Try:
    """A fitted predictor with its validation metric and its latency."""
    scores = predictor.predict(material.validation.matrix)
    value = judge(material.metric, material.task, material.validation.y, scores, material.label)
    latency = latency_us(predictor, material.train.matrix)
    return Try(trainer, parameters, predictor, value, time.monotonic() - begun, latency)


def latency_us(predictor: Predictor, matrix: Floats) -> float | None:
    """Median time of predicting one row alone, in microseconds; None without rows."""
    if not len(matrix):
        return None
    taken = []
    for row in np.linspace(0, len(matrix) - 1, LATENCY_ROWS).astype(np.int64):
        begun = time.perf_counter_ns()
        predictor.predict(matrix[row : row + 1])
        taken.append(time.perf_counter_ns() - begun)
    return float(np.median(taken)) / 1000
