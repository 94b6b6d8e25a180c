"""Limits proposed from history: the false alarms asked for against those that come, and how soon real shifts are found.

Histories are drawn anew with a weekly season and clusters (rows of a day share its weather), limits are proposed from
each, and seven months that follow are held against them. Nothing is tuned on what is measured.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rondo.stats.limits import DAYS_A_MONTH, Limits, Side, proposed

FUTURE_DAYS = 210
SHIFTS = (0.5, 1.0, 2.0, 3.0, 4.0)
"""In standard deviations of a day."""


@dataclass(frozen=True)
class Case:
    """One kind of history: `shared` is the part of a day's variance that all `k` measurements have in common."""

    days: int
    k: int
    false_alarms: float
    window_days: int
    side: Side
    tail: str = "normal"
    shared: float = 0.5


CASES = (
    Case(91, 1, 1.0, 1, "above"),
    Case(91, 1, 1.0, 1, "both", "heavy"),
    Case(91, 20, 1.0, 1, "both"),
    Case(91, 20, 1.0, 1, "both", "heavy"),
    Case(182, 100, 0.5, 1, "both", "normal", 0.0),
    Case(182, 100, 0.5, 1, "both", "heavy", 0.9),
    Case(119, 20, 0.5, 7, "both"),
    Case(119, 20, 0.5, 7, "above", "heavy"),
)


def main() -> None:
    """Print a line a case: nominal, observed with its Monte-Carlo error, and the median delay of each shift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    print("history  k  window  side   tail    shared  asked  observed (error)   days until found, by shift", SHIFTS)
    for case in CASES:
        rates, delays = zip(*(simulated(case, run) for run in range(runs)), strict=True)
        error = np.std(rates, ddof=1) / np.sqrt(runs)
        print(
            f"{case.days:7d} {case.k:3d} {case.window_days:6d}  {case.side:6s} {case.tail:7s} {case.shared:5.1f} "
            f"{case.false_alarms:7.2f}  {np.mean(rates):.3f} ({error:.3f})  ",
            "  ".join(f"{days:.0f}" for days in np.median(delays, axis=0)),
            flush=True,
        )


def simulated(case: Case, seed: int) -> tuple[float, list[float]]:
    """False alarms a month, and for each of `SHIFTS` of one measurement the days until a window that saw it ends."""
    rng = np.random.default_rng(seed)
    values = history(rng, case, case.days + FUTURE_DAYS)
    past, future = values[: case.days], values[case.days :]
    limits = proposed(
        past,
        np.arange(case.days),
        false_alarms=case.false_alarms,
        window_days=case.window_days,
        side=case.side,
        seed=seed,
    )
    rate = alarms(limits, future, case).mean() * DAYS_A_MONTH / case.window_days
    delays = []
    for shift in SHIFTS:
        moved = future.copy()
        moved[:, 0] += shift
        found = alarms(limits, moved, case)
        delays.append(float((found.argmax() + 1) * case.window_days) if found.any() else float(FUTURE_DAYS))
    return float(rate), delays


def history(rng: np.random.Generator, case: Case, days: int) -> npt.NDArray[np.float64]:
    """Days of k measurements (days, k), each with a day's standard deviation of 1 about its weekly season."""
    noise = rng.standard_t(4, (days, case.k)) / np.sqrt(2) if case.tail == "heavy" else rng.normal(size=(days, case.k))
    weekly = 3 * np.sin(2 * np.pi * (np.arange(days)[:, None] % 7) / 7 + np.arange(case.k))
    found: npt.NDArray[np.float64] = (
        weekly + np.sqrt(case.shared) * rng.normal(size=(days, 1)) + np.sqrt(1 - case.shared) * noise
    )
    return found


def alarms(limits: Limits, values: npt.NDArray[np.float64], case: Case) -> npt.NDArray[np.bool_]:
    """Which windows of the days after the history have any measurement outside."""
    count = len(values) // case.window_days
    windows = values[: count * case.window_days].reshape(count, case.window_days, -1).mean(axis=1)
    first = case.days + np.arange(count) * case.window_days
    return np.asarray(limits.outside(windows, first).any(axis=1))


if __name__ == "__main__":
    main()
