"""The error of any figure from the blocks left out one at a time (the jackknife: Efron and Tibshirani, 1993, §11).

For figures that are smooth in the weights of the rows: a week of days is eight weightings, where a bootstrap needs
hundreds. Student's t on as many degrees as there are blocks, less one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rondo.stats.intervals import Blocks, numbered, two_sided
from rondo.stats.results import Estimate, Floats, finite

GROUPS = 20
"""Rows without blocks, or with fewer than three of them, are left out by so many groups: every 20th row together."""
FEWEST_BLOCKS = 3
UNBOUNDED = (-np.inf, np.inf)


def jackknife(
    name: str,
    value_of: Callable[[Floats], Floats],
    n: int,
    *,
    blocks: Blocks = None,
    unit: str = "",
    higher_is_better: bool | None = None,
    bounds: tuple[float, float] = UNBOUNDED,
) -> Estimate:
    """The figure `value_of` weights (k, n) → (k,) with its interval; none where it is undefined without some block."""
    if not n:
        return Estimate(name, None, None, None, 0, unit, higher_is_better)
    block, number = (np.arange(n) % min(n, GROUPS), min(n, GROUPS)) if blocks is None else numbered(blocks)
    if number < FEWEST_BLOCKS:
        block, number = np.arange(n) % min(n, GROUPS), min(n, GROUPS)
    weights = np.ones((number + 1 if number > 1 else 1, n))
    if number > 1:
        weights[block + 1, np.arange(n)] = 0.0
    found = value_of(weights)
    value, error = finite(float(found[0])), None
    if value is not None and number > 1 and np.isfinite(found).all():
        error = float(np.sqrt((number - 1) / number * np.square(found[1:] - found[1:].mean()).sum()))
    degrees = number - 1 if error is not None else None
    low, high = two_sided(value, error, degrees, bounds)
    return Estimate(name, value, low, high, n, unit, higher_is_better, error, degrees)
