"""From a figure reported then to a figure of now, a change at a time: metric, labels, data, model.

The order is fixed, because a part depends on what had changed before it: first what is counted (the metric's
definition), then what is held to have happened (labels), then which rows are judged (data), at last who answers them
(model). Each part is the difference of two figures that differ in one thing, so that the parts add up to the whole.
Where a figure between cannot be had, its part is not known and is contained in the next one that is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rondo.records.development import Figure, PairedFigure, Part, Split
from rondo.stats.intervals import two_sided

Change = Literal["metric", "labels", "data", "model"]
HELD: dict[Change, str] = {
    "metric": "the version judged then, its own test rows and their labels of then",
    "labels": "the version judged then, its own test rows, the metric of now",
    "data": "the version judged then, the metric and the labels of now",
    "model": "the rows, their labels and the metric of now",
}


@dataclass(frozen=True)
class Reported:
    """What was said of a version when it was judged: a figure by a metric, on so many rows, at a moment."""

    metric: str
    figure: Figure
    rows: int
    at: datetime


@dataclass(frozen=True)
class Figured:
    """A figure on the way from then to now, or why there is none. `note` says what the reader should know of it."""

    figure: Figure | None
    note: str | None = None

    @property
    def told(self) -> tuple[float | None, str | None]:
        """The value with its note."""
        return (None if self.figure is None else self.figure.value), self.note


def decompose(
    reported: Reported | None,
    counted: Figured,
    relabelled: Figured,
    moved: Figured,
    now: PairedFigure,
    *,
    metric: str,
    apart: bool,
    unreported: str | None = None,
) -> Split:
    """The split of `now.a` minus what was reported of `b`, in the metric of now.

    `counted` is `b` on its own test rows by that metric, `relabelled` with the labels of now, `moved` on the rows
    compared now. `apart` says that those rows and the test rows are of different days, so that the part of the data
    has an interval: of two independent samples. That of the model is the paired one.
    """
    then = reported.figure.value if reported else None
    values = [(then, unreported), counted.told, relabelled.told, (now.b, moved.note), (now.a, None)]
    parts = _parts(values)
    if apart and (both := _both(relabelled, moved)) and parts[2].note is None:
        low, high = two_sided(parts[2].value, *both)
        parts[2] = _part("data", parts[2].value, None, low, high)
    if parts[3].value is not None:
        parts[3] = _part("model", parts[3].value, parts[3].note, now.low, now.high)
    known = [part.value for part in parts if part.value is not None]
    return Split(
        metric=metric,
        metric_then=reported.metric if reported else metric,
        then=then,
        now=now.a,
        difference=math.fsum(known) if then is not None and now.a is not None else None,
        rows_then=reported.rows if reported else None,
        reported=reported.at if reported else None,
        parts=parts,
    )


def _parts(values: Sequence[tuple[float | None, str | None]]) -> list[Part]:
    """The four changes between five figures, each given with the reason why it is missing."""
    parts: list[Part] = []
    (before, absent), waiting = values[0], list[str]()
    for what, (after, note) in zip(HELD, values[1:], strict=True):
        if after is None:
            parts.append(_part(what, None, note or "the metric is undefined on these rows"))
            waiting.append(what)
            continue
        if before is None:
            parts.append(_part(what, None, absent))
        else:
            contains = f"contains the part of the {' and the '.join(waiting)}" if waiting else None
            parts.append(_part(what, after - before, "; ".join(filter(None, (contains, note))) or None))
        before, waiting = after, []
    return parts


def _part(
    what: Change, value: float | None, note: str | None, low: float | None = None, high: float | None = None
) -> Part:
    return Part(what=what, value=value, low=low, high=high, held=HELD[what], note=note)


def _both(before: Figured, after: Figured) -> tuple[float, int | None] | None:
    """The standard error of the difference of two independent figures, and its degrees (the fewer of the two)."""
    a, b = before.figure, after.figure
    if a is None or b is None or a.standard_error is None or b.standard_error is None:
        return None
    degrees = [each for each in (a.degrees, b.degrees) if each is not None]
    return math.hypot(a.standard_error, b.standard_error), min(degrees, default=None)
