"""Limits proposed from history: the false alarms asked for against those that come, and how soon real shifts are found.

Histories are drawn anew with a weekly season and clusters (rows of a day share its weather), limits are proposed from
each, and seven months that follow are held against them. Nothing is tuned on what is measured.

`--rules` does the same with all that `monitor` does of it: measurements of days and weeks of features and of outcomes
are held against limits that are proposed anew each month, every day rules look at them, and alerts are counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from rondo.monitor.alerting import ENGLISH, settle
from rondo.monitor.limiting import limited
from rondo.monitor.rules import findings
from rondo.monitor.windows import Window, day_window, week_window
from rondo.project.monitoring import Monitoring
from rondo.records.monitoring import Alert, Measurement
from rondo.stats.limits import DAYS_A_MONTH, Limits, Side, proposed

FUTURE_DAYS = 210
SHIFTS = (0.5, 1.0, 2.0, 3.0, 4.0)
"""In standard deviations of a day."""


@dataclass(frozen=True)
class Case:
    """One kind of history: `shared` is the part of a day's variance that all `k` measurements have in common, `lasting`
    how far a day is like the day before (the correlation of neighbours).
    """

    days: int
    k: int
    false_alarms: float
    window_days: int
    side: Side
    tail: str = "normal"
    shared: float = 0.5
    lasting: float = 0.0


CASES = (
    Case(91, 1, 1.0, 1, "above"),
    Case(91, 1, 1.0, 1, "both", "heavy"),
    Case(91, 20, 1.0, 1, "both"),
    Case(91, 20, 1.0, 1, "both", "heavy"),
    Case(91, 20, 0.5, 1, "above", "skewed"),
    Case(182, 100, 0.5, 1, "both", "normal", 0.0),
    Case(182, 100, 0.5, 1, "both", "heavy", 0.9),
    Case(182, 100, 0.5, 1, "above", "normal", 0.9),
    Case(119, 20, 0.5, 7, "both"),
    Case(119, 20, 0.5, 7, "above", "heavy"),
    Case(182, 100, 0.5, 7, "both", "skewed", 0.9),
    Case(91, 20, 1.0, 1, "both", "normal", 0.5, 0.3),
    Case(182, 20, 0.5, 1, "both", "heavy", 0.5, 0.5),
    Case(182, 20, 0.5, 7, "both", "normal", 0.5, 0.5),
)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=800)
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)))
    parser.add_argument("--rules", action="store_true")
    asked = parser.parse_args()
    if asked.rules:
        rules(asked.runs)
    else:
        limits(asked.runs, [CASES[number] for number in asked.cases])


def limits(runs: int, cases: Sequence[Case]) -> None:
    """Print a line a case: stated, observed with its Monte-Carlo error and how many of these lie between them, and the
    median delay of each shift.
    """
    print(
        "history  k window  side   tail    shared  lasting  asked  stated  observed (error)  off   days until found, of"
    )
    print(SHIFTS)
    with ProcessPoolExecutor() as pool:
        for case in cases:
            found = pool.map(simulated, [case] * runs, range(runs), chunksize=20)
            stated, rates, delays = zip(*found, strict=True)
            error = np.std(rates, ddof=1) / np.sqrt(runs)
            print(
                f"{case.days:7d} {case.k:3d} {case.window_days:6d}  {case.side:6s} {case.tail:7s} {case.shared:6.1f} "
                f"{case.lasting:8.1f} {case.false_alarms:6.2f} {stated[0]:7.3f}  {np.mean(rates):.3f} ({error:.3f}) "
                f"{(np.mean(rates) - stated[0]) / error:+4.1f}  ",
                "  ".join(f"{days:.0f}" for days in np.median(delays, axis=0)),
                flush=True,
            )


def simulated(case: Case, seed: int) -> tuple[float, float, list[float]]:
    """False alarms a month as stated and as observed, and for each of `SHIFTS` of one measurement the days until a
    window that saw it ends.
    """
    rng = np.random.default_rng(seed)
    past, future = np.split(history(rng, case, case.days + FUTURE_DAYS), [case.days])
    proposal = proposed(
        *windows(past, 0, case.window_days),
        false_alarms=case.false_alarms,
        window_days=case.window_days,
        side=case.side,
    )
    rate = alarms(proposal, future, case).mean() * DAYS_A_MONTH / case.window_days
    delays = []
    for shift in SHIFTS:
        moved = future.copy()
        moved[:, 0] += shift
        found = alarms(proposal, moved, case)
        delays.append(float((found.argmax() + 1) * case.window_days) if found.any() else float(FUTURE_DAYS))
    return proposal.false_alarms, float(rate), delays


def history(rng: np.random.Generator, case: Case, days: int) -> npt.NDArray[np.float64]:
    """Days of k measurements (days, k), each with a day's standard deviation of 1 about its weekly season."""
    drawn = days + 60
    if case.tail == "heavy":
        noise = rng.standard_t(4, (drawn, case.k)) / np.sqrt(2)
    elif case.tail == "skewed":
        noise = rng.exponential(size=(drawn, case.k)) - 1
    else:
        noise = rng.normal(size=(drawn, case.k))
    days_alone = np.sqrt(case.shared) * rng.normal(size=(drawn, 1)) + np.sqrt(1 - case.shared) * noise
    for day in range(1, drawn):
        days_alone[day] = case.lasting * days_alone[day - 1] + np.sqrt(1 - case.lasting**2) * days_alone[day]
    weekly = 3 * np.sin(2 * np.pi * (np.arange(days)[:, None] % 7) / 7 + np.arange(case.k))
    found: npt.NDArray[np.float64] = weekly + days_alone[-days:]
    return found


def windows(
    values: npt.NDArray[np.float64], first: int, window_days: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The mean of each whole window of these days (windows, k), and the day it begins on."""
    count = len(values) // window_days
    means = values[: count * window_days].reshape(count, window_days, -1).mean(axis=1)
    return means, first + np.arange(count) * window_days


def alarms(limits: Limits, values: npt.NDArray[np.float64], case: Case) -> npt.NDArray[np.bool_]:
    """Which windows of the days after the history have any measurement outside."""
    return np.asarray(limits.outside(*windows(values, case.days, case.window_days)).any(axis=1))


def rules(runs: int) -> None:
    """Print what share of windows was out and how many alerts were opened a month, where nothing changed."""
    with ProcessPoolExecutor() as pool:
        out, opened = np.array(list(pool.map(alerted, range(runs), chunksize=4))).T
    for what, rate in (("windows out a month", out), ("alerts opened a month", opened)):
        print(f"{what}: at most 1 asked, {rate.mean():.3f} ({rate.std(ddof=1) / np.sqrt(runs):.3f}) observed")


def alerted(seed: int) -> tuple[float, float]:
    """Windows that were out, and alerts that were opened, a month: of a stable model with 13 features."""
    rng, first = np.random.default_rng(seed), date(2024, 1, 1)
    case = Case(126, 14, 1.0, 1, "above")
    values = 3 + 0.2 * history(rng, case, case.days + FUTURE_DAYS)
    measured = [
        _measurement(window(first + timedelta(days=int(start)), "UTC"), column, float(value))
        for window, days in ((day_window, 1), (week_window, 7))
        for row, start in zip(*windows(values, 0, days), strict=True)
        for column, value in enumerate(row)
    ]
    begin = day_window(first + timedelta(days=case.days), "UTC").start
    future = [m for m in measured if m.start >= begin]
    judged = limited(future, measured, monitoring=Monitoring(1.0), timezone="UTC", now=datetime.max.replace(tzinfo=UTC))
    months = FUTURE_DAYS / DAYS_A_MONTH
    out = len({(m.start, m.end) for m in judged if m.state == "out"})
    alerts: dict[str, Alert] = {}
    opened = 0
    for day in range(1, FUTURE_DAYS + 1):
        now = begin + timedelta(days=day)
        recent = [m for m in judged if now - timedelta(days=14) <= m.end <= now]
        found, examined = findings(recent, now=now, words=ENGLISH, false_alarms=1.0)
        changes = settle(found, examined, list(alerts.values()), now)
        opened += sum(change.event in ("opened", "reopened") for change in changes)
        alerts |= {change.id: change for change in changes}
    return out / months, opened / months


def _measurement(window: Window, column: int, value: float) -> Measurement:
    """A stability index of a feature, or of the last column the share of outcomes."""
    metric, feature = ("population_stability_index", f"x{column}") if column < 13 else ("positive_share", None)
    return Measurement(
        name="model", metric=metric, feature=feature, start=window.start, end=window.end, rows=900, matured=900,
        value=value, low=value, high=value, limit=None, state="within", n=900,
    )  # fmt: skip


if __name__ == "__main__":
    main()
