"""The metrics of a model: the one home of each formula, in the form that any weighting of the rows can use.

`y_true`, `y_score`, `y_label` hold one row an example:

    binary       0 or 1        probability of the positive class (n,)    0 or 1, the predicted label
    multiclass   class index   probabilities (n, k)                      predicted class index
    regression   value         predicted value                           not read

Every formula is weighted: a weight of 2 is the row twice. Undefined is NaN (the AUC of one class), never 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from rondo.errors import NotFound, WrongUse
from rondo.stats import classification, regression
from rondo.stats.results import Floats, Ints
from rondo.stats.statistic import Looped, Statistic

Task = Literal["binary", "multiclass", "regression"]
Needs = Literal["score", "label", "both"]
Scale = Literal["plain", "logit"]
Prepare = Callable[[Floats, Floats, Ints], Statistic]
Rows = npt.ArrayLike | None
HIGHER, LOWER = True, False
UNBOUNDED, POSITIVE, SHARE = (-np.inf, np.inf), (0.0, np.inf), (0.0, 1.0)


class Compute(Protocol):
    """The value of a metric; `weight` (n,) left out: every row counts once."""

    def __call__(self, y_true: Rows, y_score: Rows, y_label: Rows, weight: Floats | None = None) -> float: ...


@dataclass(frozen=True)
class Metric:
    """One way to judge predictions. `bounds` are the least and greatest value it can take.

    `by_class`: its error is that of the rarer class, not of all rows (an AUC of 5 positive rows is known by 5).
    `prepare` sorts and bins once for many weightings; without it, `compute` is called once a bootstrap draw.
    """

    name: str
    task: Task
    higher_is_better: bool
    unit: str
    needs: Needs
    compute: Compute
    bounds: tuple[float, float] = UNBOUNDED
    prepare: Prepare | None = None
    by_class: bool = False

    @property
    def scale(self) -> Scale:
        """Where its error is even: shares that strive for 1 crowd against it, so theirs is even in log-odds."""
        return "logit" if self.higher_is_better and self.bounds == SHARE else "plain"

    def ready(self, y_true: Rows, y_score: Rows, y_label: Rows) -> Statistic:
        """The metric on these rows, as a function of their weights.

        Raises WrongUse where what the metric reads is missing, of another length, or not finite.
        """
        truth, score, label = checked(self.name, self.task, self.needs, y_true, y_score, y_label)
        if self.prepare is not None:
            return self.prepare(truth, score, label)
        return Looped(lambda weight: self.compute(y_true, y_score, y_label, weight))


def checked(
    name: str, task: Task, needs: Needs, y_true: Rows, y_score: Rows, y_label: Rows
) -> tuple[Floats, Floats, Ints]:
    """The rows as arrays, what the metric does not read left empty."""
    truth = np.asarray(y_true, dtype=np.float64)
    score, label = np.empty(0), np.empty(0, dtype=np.int64)
    if needs != "label":
        score = _column(name, "y_score", y_score, truth, columns=task == "multiclass")
    if needs != "score":
        label = _column(name, "y_label", y_label, truth).astype(np.int64)
    if not np.isfinite(truth).all():
        raise _unfit(name, f"y_true has {np.count_nonzero(~np.isfinite(truth))} values that are not finite")
    if task == "regression":
        return truth, score, label
    classes: float = 2 if task == "binary" else score.shape[-1] if needs != "label" else np.inf
    if not ((truth >= 0) & (truth < classes) & (truth % 1 == 0)).all():
        raise _unfit(name, f"y_true holds {truth.min():g} to {truth.max():g}, not classes numbered below {classes}")
    return truth, score, label


def _column(name: str, column: str, given: Rows, truth: Floats, *, columns: bool = False) -> Floats:
    if given is None:
        raise _unfit(name, f"it reads {column}, which is missing")
    values = np.asarray(given, dtype=np.float64)
    if len(values) != len(truth) or values.ndim != 1 + columns:
        raise _unfit(name, f"{column} has the shape {values.shape}, y_true {truth.shape}")
    if not np.isfinite(values).all():
        raise _unfit(name, f"{column} has {np.count_nonzero(~np.isfinite(values))} values that are not finite")
    return values


def _unfit(name: str, reason: str) -> WrongUse:
    return WrongUse(
        f"The metric {name} cannot be computed: {reason}.",
        next_step="Give one finite prediction for each row whose outcome is known.",
    )


def _metric(
    name: str,
    task: Task,
    prepare: Prepare,
    higher_is_better: bool,
    bounds: tuple[float, float],
    unit: str,
    needs: Needs,
    by_class: bool,
) -> Metric:
    def compute(y_true: Rows, y_score: Rows, y_label: Rows, weight: Floats | None = None) -> float:
        truth, score, label = checked(name, task, needs, y_true, y_score, y_label)
        if not len(truth):
            return float("nan")
        row = np.ones(len(truth)) if weight is None else np.asarray(weight, dtype=np.float64)
        return float(prepare(truth, score, label).of_weights(row[None, :])[0])

    return Metric(name, task, higher_is_better, unit, needs, compute, bounds, prepare, by_class)


def _of_score(
    name: str,
    task: Task,
    formula: Callable[[Floats, Floats], Statistic],
    higher_is_better: bool,
    bounds: tuple[float, float],
    unit: str = "",
    by_class: bool = False,
) -> Metric:
    return _metric(name, task, lambda y, score, _: formula(y, score), higher_is_better, bounds, unit, "score", by_class)


def _of_label(
    name: str,
    task: Task,
    formula: Callable[[Floats, Ints], Statistic],
    higher_is_better: bool,
    bounds: tuple[float, float],
    unit: str = "",
    by_class: bool = False,
) -> Metric:
    return _metric(name, task, lambda y, _, label: formula(y, label), higher_is_better, bounds, unit, "label", by_class)


def cost_metric(false_positive: float, false_negative: float) -> Metric:
    """Mean cost a row of a binary label: what each wrong answer costs, right ones being free."""
    return _of_label(
        "cost",
        "binary",
        lambda y_true, y_label: classification.cost(y_true, y_label, false_positive, false_negative),
        higher_is_better=False,
        bounds=(0.0, max(false_positive, false_negative)),
        unit="cost per row",
    )


def pinball(quantile: float) -> Metric:
    """Mean pinball loss of a predicted quantile (Koenker and Bassett, 1978); `pinball_50` is half the `mae`."""
    return _of_score(
        f"pinball_{round(quantile * 100):02d}",
        "regression",
        lambda y_true, y_score: regression.pinball(y_true, y_score, quantile),
        higher_is_better=False,
        bounds=POSITIVE,
        unit="label",
    )


def custom_metric(
    name: str,
    task: Task,
    function: Callable[[Floats, Floats, Ints], float],
    *,
    higher_is_better: bool,
    unit: str = "",
    needs: Needs = "score",
) -> Metric:
    """A user's own `function(y_true, y_score, y_label)`, which knows no weights: a row drawn twice is given twice.

    What `needs` leaves out is given empty. Only whole weights (counts) are possible.
    """

    def compute(y_true: Rows, y_score: Rows, y_label: Rows, weight: Floats | None = None) -> float:
        truth, score, label = checked(name, task, needs, y_true, y_score, y_label)
        if weight is None:
            return float(function(truth, score, label))
        rows = np.repeat(np.arange(len(truth)), np.asarray(weight).astype(np.int64))
        return float(function(truth[rows], score[rows] if len(score) else score, label[rows] if len(label) else label))

    return Metric(name, task, higher_is_better, unit, needs, compute)


_BUILT_IN = (
    _of_score("roc_auc", "binary", classification.roc_auc, HIGHER, SHARE, by_class=True),
    _of_score("average_precision", "binary", classification.average_precision, HIGHER, SHARE, by_class=True),
    _of_score("log_loss", "binary", classification.binary_log_loss, LOWER, POSITIVE, "nats"),
    _of_score("brier", "binary", classification.brier, LOWER, SHARE),
    _of_label("accuracy", "binary", classification.accuracy, HIGHER, SHARE),
    _of_label("f1", "binary", classification.f1, HIGHER, SHARE, by_class=True),
    _of_label("precision", "binary", classification.precision, HIGHER, SHARE, by_class=True),
    _of_label("recall", "binary", classification.recall, HIGHER, SHARE, by_class=True),
    _of_score("expected_calibration_error", "binary", classification.expected_calibration_error, LOWER, SHARE),
    _of_score("log_loss", "multiclass", classification.log_loss, LOWER, POSITIVE, "nats"),
    _of_label("accuracy", "multiclass", classification.accuracy, HIGHER, SHARE),
    _of_label("macro_f1", "multiclass", classification.macro_f1, HIGHER, SHARE),
    _of_score("roc_auc_ovr", "multiclass", classification.roc_auc_ovr, HIGHER, SHARE),
    _of_score("rmse", "regression", regression.rmse, LOWER, POSITIVE, "label"),
    _of_score("mae", "regression", regression.mae, LOWER, POSITIVE, "label"),
    _of_score("r2", "regression", regression.r2, HIGHER, (-np.inf, 1.0)),
    _of_score("median_absolute_error", "regression", regression.median_absolute_error, LOWER, POSITIVE, "label"),
    _of_score("mape", "regression", regression.mape, LOWER, POSITIVE, "ratio"),
    pinball(0.05),
    pinball(0.50),
    pinball(0.95),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in reversed(_BUILT_IN)}
"""By name. `log_loss` and `accuracy` of a multiclass task are other formulas than of a binary one: `metric_named`."""


def metrics_of(task: Task) -> tuple[Metric, ...]:
    """The built-in metrics of a task, in the order they are shown."""
    return tuple(metric for metric in _BUILT_IN if metric.task == task)


def metric_named(name: str, task: Task) -> Metric:
    """The built-in metric of that name for that task, any `pinball_NN` included. Raises NotFound."""
    for metric in metrics_of(task):
        if metric.name == name:
            return metric
    if task == "regression" and (match := re.fullmatch(r"pinball_(\d\d)", name)) and match[1] != "00":
        return pinball(int(match[1]) / 100)
    raise NotFound.among(f"{task} metric", name, [metric.name for metric in metrics_of(task)])
