"""Custom metrics: a function registered once, used in evaluation, gate and monitoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rondo.errors import DeclarationError
from rondo.project.models import DEFAULT_METRIC, TaskKind


@dataclass(frozen=True)
class CustomMetric:
    """A project's own metric: `function(y_true, y_score, y_label)` answers one number."""

    name: str
    task: TaskKind
    higher_is_better: bool
    unit: str
    function: Callable[[Any, Any, Any], float]


def metric(
    *, task: TaskKind = "binary", higher_is_better: bool = True, unit: str = "", name: str | None = None
) -> Callable[[Callable[[Any, Any, Any], float]], CustomMetric]:
    """Register a function of `metrics.py`: arrays `(n,)` of truth, scores and labels in, one number out."""
    if task not in DEFAULT_METRIC:
        raise DeclarationError(
            f"task is {task!r}; it may be: {', '.join(DEFAULT_METRIC)}.", next_step="Use one of these."
        )

    def register(function: Callable[[Any, Any, Any], float]) -> CustomMetric:
        return CustomMetric(name or function.__name__, task, higher_is_better, unit, function)

    return register
