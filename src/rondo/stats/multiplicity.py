"""Many statements at once: error rates that hold for the whole gate, not for each line alone.

*Over the lines of a gate*: Holm's step-down procedure (1979), which keeps the chance of any wrong "passed" (or any
wrong "failed") at `alpha` whatever the dependence of the lines, and never decides less than Bonferroni.

*Over the slices of a line*: each bound at level 1 − alpha/k (Bonferroni). Slices share their days, so they depend on
each other in ways that nobody declares. Šidák's level needs independence or a known sign of it, and would gain less
than 2.6 % of alpha; max-t from the draws would gain more where slices are alike, but its tail is read off 14 days.
"""

from __future__ import annotations

from collections.abc import Sequence

from rondo.stats.intervals import Uncertain, lower_bound, upper_bound
from rondo.stats.metrics import Scale


def holm(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Which hypotheses are rejected so that the chance of any wrong rejection is at most `alpha` (Holm, 1979)."""
    return [adjusted <= alpha for adjusted in holm_adjusted(p_values)]


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """For each p-value the least `alpha` at which Holm's procedure rejects it."""
    adjusted = [1.0] * len(p_values)
    reached = 0.0
    for step, number in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        reached = max(reached, min(1.0, (len(p_values) - step) * p_values[number]))
        adjusted[number] = reached
    return adjusted


def simultaneous_level(k: int, alpha: float = 0.05) -> float:
    """The confidence of each of `k` one-sided bounds for all to hold together with 1 − `alpha` (Bonferroni)."""
    return 1 - alpha / max(1, k)


def simultaneous_bounds(
    results: Sequence[Uncertain], alpha: float = 0.05, *, scale: Scale = "plain"
) -> list[tuple[float | None, float | None]]:
    """One-sided lower and upper bounds of each slice; all lower ones hold together, and so do all upper ones.

    Slices without a value or an error have None, and still count among the k.
    """
    level = simultaneous_level(len(results), alpha)
    return [(lower_bound(each, level, scale=scale), upper_bound(each, level, scale=scale)) for each in results]


def over_slices(p_values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """One (`p_clears`, `p_misses`) of a line out of those of its slices (see `intervals.one_sided`).

    The line clears when every slice's simultaneous bound does, and misses when any slice's does. Without slices: 1, 1.
    """
    if not p_values:
        return 1.0, 1.0
    k = len(p_values)
    return min(1.0, k * max(clears for clears, _ in p_values)), min(1.0, k * min(misses for _, misses in p_values))
