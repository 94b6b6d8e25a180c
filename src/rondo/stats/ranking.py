"""Several answers to the same questions, ranked: which is best, and which cannot be said to be worse.

All are judged on the same draws, so that what makes a day hard for all cancels. Every one is compared with the best on
these rows, the bounds of all holding together: then the truly best is called worse with a chance of at most 5 %, though
the data chose whom it is compared with (multiple comparisons with the best; Hsu, 1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rondo.stats.intervals import Blocks, drawn_together
from rondo.stats.metrics import Metric, Rows
from rondo.stats.multiplicity import simultaneous_bounds
from rondo.stats.results import Difference, Estimate, Floats, finite

ALPHA = 0.025
"""To each side."""


@dataclass(frozen=True)
class Place:
    """One side among others: its value, the share of draws in which it is best, what it is apart from the best one."""

    value: float | None
    best: float
    behind: Difference
    among_best: bool


def rank(
    metric: Metric, y_true: Rows, sides: Sequence[tuple[Rows, Rows]], *, blocks: Blocks = None, draws: int, seed: int
) -> list[Place]:
    """The place of each side (score, label), in their order. `behind` is side − best; without an error all are among
    the best.
    """
    values, drawn, units = drawn_together(metric, y_true, sides, blocks=blocks, draws=draws, seed=seed)
    sign = 1.0 if metric.higher_is_better else -1.0
    known = [-np.inf if value is None else sign * value for value in values]
    first = int(np.argmax(known))
    shares = _shares(sign * drawn)
    errors = [_error(drawn[place] - drawn[first], units) for place in range(len(sides))]
    apart = [
        None if value is None or values[first] is None else value - float(values[first] or 0.0) for value in values
    ]
    others = [
        Estimate(metric.name, apart[place], None, None, units, standard_error=errors[place], degrees=units - 1)
        for place in range(len(sides))
        if place != first
    ]
    bounds = simultaneous_bounds(others, ALPHA)
    bounds.insert(first, (0.0, 0.0) if apart[first] is not None else (None, None))
    places = []
    for place, (low, high) in enumerate(bounds):
        worse = (high is not None and high < 0) if metric.higher_is_better else (low is not None and low > 0)
        behind = Difference(
            metric.name, values[place], values[first], apart[place], finite(low), finite(high), len(np.asarray(y_true)),
            standard_error=errors[place], degrees=units - 1, higher_is_better=metric.higher_is_better,
        )  # fmt: skip
        places.append(Place(values[place], float(shares[place]), behind, values[place] is not None and not worse))
    return places


def _shares(drawn: Floats) -> Floats:
    """How often each is the greatest; draws in which any is undefined do not count, ties are shared."""
    defined = drawn[:, np.isfinite(drawn).all(axis=0)]
    if not defined.shape[1]:
        return np.zeros(len(drawn))
    greatest = defined == defined.max(axis=0)
    return np.asarray((greatest / greatest.sum(axis=0)).mean(axis=1))


def _error(differences: Floats, units: int) -> float | None:
    known = differences[np.isfinite(differences)]
    if units < 2 or len(known) < 2:
        return None
    return float(known.std(ddof=1) * np.sqrt(units / (units - 1)))
