"""By which metrics a model is judged, and how scores become labels before they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import numpy as np

from rondo.errors import DeclarationError, NotFound
from rondo.project.metrics import CustomMetric
from rondo.project.models import Cost, Model, Task
from rondo.stats.metrics import Metric, Needs, cost_metric, custom_metric, metric_named, metrics_of
from rondo.stats.results import Floats, Ints
from rondo.stats.thresholds import best_f1_threshold, least_cost_threshold


def metrics_for(model: Model, custom: Mapping[str, CustomMetric], also: Iterable[str] = ()) -> tuple[Metric, ...]:
    """All metrics of a model: those of its task, `cost` where it has prices, the project's own, the one it names.

    A metric of the project's own takes the place of a built-in one of its name. Raises NotFound for a name of none.
    `also` are names that a PRD asks for (`pinball_10`); those that mean nothing here are left to the gate to refuse.
    """
    kind = model.task.kind
    known = {metric.name: metric for metric in metrics_of(kind)}
    if isinstance(model.task.threshold, Cost):
        known["cost"] = cost_metric(model.task.threshold.false_positive, model.task.threshold.false_negative)
    for own in custom.values():
        if own.task == kind:
            needs: Needs = "score" if kind == "regression" else "both"
            known[own.name] = custom_metric(
                own.name, kind, _guarded(own), higher_is_better=own.higher_is_better, unit=own.unit, needs=needs
            )
    if model.metric not in known:
        try:
            known[model.metric] = metric_named(model.metric, kind)
        except NotFound:
            raise NotFound.among(f"{kind} metric", model.metric, list(known)) from None
    for name in sorted(set(also) - set(known)):
        with suppress(NotFound):
            known[name] = metric_named(name, kind)
    return tuple(known.values())


def _guarded(own: CustomMetric) -> Callable[[Floats, Floats, Ints], float]:
    """A project's own metric: undefined where it finds no value (one class alone), an error where it is wrong."""

    def function(y_true: Floats, y_score: Floats, y_label: Ints) -> float:
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # numpy's word for a draw without what is averaged
                return float(own.function(y_true, y_score, y_label))
        except (ValueError, ZeroDivisionError):
            return float("nan")
        except Exception as error:
            raise DeclarationError(
                f"The metric {own.name} failed: {type(error).__name__}: {error}.",
                next_step="Mend it: it is called with arrays y_true, y_score, y_label.",
                file="metrics.py",
            ) from error

    return function


def main_metric(model: Model, metrics: tuple[Metric, ...]) -> Metric:
    """The metric the model names."""
    return next(metric for metric in metrics if metric.name == model.metric)


def threshold_for(task: Task, y: Floats, scores: Floats) -> float | None:
    """The threshold of a binary task, chosen on these (validation) rows where the task says how; else None."""
    if task.kind != "binary":
        return None
    if isinstance(task.threshold, Cost):
        prices = task.threshold
        return least_cost_threshold(y, scores, prices.false_positive, prices.false_negative)
    return best_f1_threshold(y, scores) if isinstance(task.threshold, str) else float(task.threshold)


def judge(metric: Metric, task: Task, y: Floats, scores: Floats, label: Callable[[Floats], Ints]) -> float | None:
    """One metric of scores, None where it is undefined on these rows."""
    if not len(y):
        return None
    value = metric.compute(y, scores, label(scores) if task.kind != "regression" else None)
    return float(value) if np.isfinite(value) else None
