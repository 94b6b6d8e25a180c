"""Limits proposed from history: so many false alarms a model and month, over all its measurements together.

History is one value a day and measurement. A day is the block: its rows share its weather, so what matters is how days
differ, not how many rows they have. Each weekday has a centre of its own (the weekly season); what is left is divided
by the spread of its measurement. Of measurements that stand together the greatest residual of each window counts (the
max-statistic: Westfall and Young, 1993): days keep all their columns, so features and slices that move together are not
paid for twice.

Of n past windows and the next one, which is as likely to be at any rank, j exceed the j-th greatest value of the past
in j/(n + 1) of the cases, whatever the shape of the tail (conformal prediction: Vovk and others, 2005). That holds if
all n + 1 are measured alike: so the spread that a limit is laid off in is the one it would be with the next window in
it, and residuals are made as wide as a new day's, whose weekday's centre does not know it. Where many measurements rise
and fall together, alarms come out up to a tenth rarer than asked.

A rate that would need more than the greatest value ever seen is not extrapolated: the limit is uncalibrated, and says
how long to wait.

A window of several days is made of days drawn again, each for its own weekday (`blocks="days"`), or of runs of days as
they followed one another (`blocks="runs"`: the moving blocks of Künsch, 1989), which keeps weather that lasts but
offers far fewer windows that differ. Trends and yearly seasons are in no limit: propose them anew as history grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.results import Floats, Ints
from rondo.stats.statistic import chunks, ratio

Side = Literal["above", "below", "both"]

WEEK = 7
DAYS_A_MONTH = 30.4375
LEAST_DAYS = 90
"""Under three months of history nothing is calibrated."""

LEAST_OF_WEEKDAY = 8
"""A weekday seen less often has no centre, and no limit."""

DRAWS = 20_000
ROUNDS = 6


@dataclass(frozen=True, eq=False)
class Limits:
    """What k measurements of a window may be, by the weekday of the window's first day (0 to 6: day modulo 7).

    `low` and `high` are (7, k), NaN where a side, a weekday or a measurement has no limit; None where there is none at
    all, and `reason` says why. `false_alarms` is how many windows a month fall outside although nothing changed.
    """

    low: Floats | None
    high: Floats | None
    false_alarms: float
    window_days: int
    days: int
    reason: str = ""

    @property
    def calibrated(self) -> bool:
        return self.low is not None

    def outside(self, values: npt.ArrayLike, first_days: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which measurements (windows, k) of windows that begin on `first_days` (windows,) are outside; none if
        uncalibrated. A window alarms when any of its measurements is.
        """
        rows = np.asarray(values, dtype=np.float64)
        if self.low is None or self.high is None:
            return np.zeros(rows.shape, dtype=np.bool_)
        weekday = np.asarray(first_days, dtype=np.int64) % WEEK
        found = (rows.T < self.low[weekday].T) | (rows.T > self.high[weekday].T)
        return np.asarray(found.T, dtype=np.bool_)


def proposed(
    history: npt.ArrayLike,
    days: npt.ArrayLike,
    *,
    false_alarms: float,
    window_days: int = 1,
    side: Side = "above",
    blocks: Literal["days", "runs"] = "days",
    seed: int,
) -> Limits:
    """Limits that windows of `window_days` break `false_alarms` times a month, all k measurements counted together.

    `history` is (days, k) or (days,), a day without a measurement NaN; `days` (days,) are numbers of days (since an
    epoch), none twice. The value of a longer window is the mean of its days'. Windows do not overlap.
    Raises WrongUse for a rate that no window can have, or days that do not fit.
    """
    values, day = _ordered(history, days)
    share = false_alarms * window_days / DAYS_A_MONTH
    if not 0 < share < 1:
        raise WrongUse(
            f"{false_alarms:g} false alarms a month cannot come from windows of {window_days} days.",
            next_step=f"Ask for more than 0 and fewer than {DAYS_A_MONTH / window_days:.3g}.",
        )
    span = int(day[-1] - day[0]) + 1 if len(day) else 0
    if span < LEAST_DAYS:
        return _uncalibrated(false_alarms, window_days, span, f"{span} days of history, {LEAST_DAYS} are needed")
    season = _season(values, day % WEEK)
    windows, independent = _windows(season.residual, day, window_days, blocks, np.random.default_rng(seed))
    if share * (independent + 1) < 1:
        wait = int(np.ceil((1 / share - 1) * max(1, span / max(1, independent))))
        reason = f"{span} days of history, about {wait} are needed for {false_alarms:g} false alarms a month"
        return _uncalibrated(false_alarms, window_days, span, reason)
    outward = -windows if side == "below" else np.abs(windows) if side == "both" else windows
    reach = _reach(outward, share, season.degrees, window_days) * season.spread
    reach = reach * np.sqrt(_of_windows(season.widening, window_days))
    middle = _of_windows(season.centre, window_days)
    none = np.where(np.isfinite(reach), np.inf, np.nan)
    low = middle - (none if side == "above" else reach)
    high = middle + (none if side == "below" else reach)
    return Limits(low, high, false_alarms, window_days, span)


def _ordered(history: npt.ArrayLike, days: npt.ArrayLike) -> tuple[Floats, Ints]:
    values, day = np.asarray(history, dtype=np.float64), np.asarray(days, dtype=np.int64)
    values = values[:, None] if values.ndim == 1 else values
    if day.ndim != 1 or len(day) != len(values) or len(np.unique(day)) != len(day):
        raise WrongUse(
            f"{len(values)} rows of history do not stand on {len(np.unique(day))} days.",
            next_step="Give one row of measurements for each day.",
        )
    order = np.argsort(day)
    return values[order], day[order]


def _uncalibrated(false_alarms: float, window_days: int, span: int, reason: str) -> Limits:
    return Limits(None, None, false_alarms, window_days, span, f"uncalibrated: {reason}")


@dataclass(frozen=True, eq=False)
class _Season:
    """The centre of each weekday (7, k), how much wider a new day lies for that centre's own error (7, k), a day's
    spread about it (k,) with its degrees of freedom (k,), and residuals in that spread (days, k). NaN: nothing known.
    """

    centre: Floats
    widening: Floats
    spread: Floats
    degrees: Floats
    residual: Floats


def _season(values: Floats, weekday: Ints) -> _Season:
    known = np.isfinite(values)
    count = np.stack([known[weekday == w].sum(axis=0) for w in range(WEEK)]).astype(np.float64)
    total = np.stack([np.where(known, values, 0.0)[weekday == w].sum(axis=0) for w in range(WEEK)])
    count = np.where(count >= LEAST_OF_WEEKDAY, count, np.nan)
    centre = total / count
    strays = values - centre[weekday]
    degrees = np.nansum(count - 1, axis=0)
    spread = np.sqrt(ratio(np.nansum(np.square(strays), axis=0), degrees))
    own = strays / np.sqrt(1 - 1 / count[weekday])
    residual = np.divide(own, spread, out=np.where(np.isfinite(own), 0.0, np.nan), where=spread > 0)
    return _Season(centre, 1 + 1 / count, spread, degrees, residual)


def _windows(
    residual: Floats,
    day: Ints,
    window_days: int,
    blocks: Literal["days", "runs"],
    rng: np.random.Generator,
) -> tuple[Floats, int]:
    """The residuals of windows (windows, k), and how many of them owe each other nothing."""
    if window_days == 1:
        return residual, len(residual)
    if blocks == "runs":
        starts = np.flatnonzero(day[window_days - 1 :] - day[: len(day) - window_days + 1] == window_days - 1)
        runs = _mean(residual[starts[:, None] + np.arange(window_days)])
        return runs, len(runs) // window_days
    parts = []
    of_weekday = [np.flatnonzero(day % WEEK == w) for w in range(WEEK)]
    for part in chunks(DRAWS, window_days * residual.shape[1]):
        weekday = (rng.integers(0, WEEK, part.stop - part.start)[:, None] + np.arange(window_days)) % WEEK
        picked = np.empty(weekday.shape, dtype=np.int64)
        for w, among in enumerate(of_weekday):
            chosen = weekday == w
            picked[chosen] = rng.choice(among, int(chosen.sum()))
        parts.append(_mean(residual[picked]))
    return np.concatenate(parts), int(np.isfinite(residual).any(axis=1).sum())


def _mean(drawn: Floats) -> Floats:
    """The mean of the days that are known: (windows, days, k) to (windows, k)."""
    known = np.isfinite(drawn)
    return ratio(np.where(known, drawn, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))


def _reach(outward: Floats, share: float, degrees: Floats, window_days: int) -> Floats:
    """How far out, in spreads, each measurement of the next window may be (k,): the greatest of its residuals is
    farther out than the past windows' in that share of the cases.

    A next window at the limit would itself widen its measurement's spread by `wider`, which makes the past of that
    measurement look calmer and the window too: a fixed point, found by going there.
    """
    outward = np.where(np.isfinite(outward), outward, -np.inf)
    outward = outward[(outward > -np.inf).any(axis=1)]
    greatest, column = outward.max(axis=1), outward.argmax(axis=1)
    rest = outward.copy()
    rest[np.arange(len(rest)), column] = -np.inf
    others = np.where(column[:, None] == np.arange(outward.shape[1]), rest.max(axis=1)[:, None], greatest[:, None])
    reach, wider = np.zeros(outward.shape[1]), np.ones(outward.shape[1])
    for _ in range(ROUNDS):
        reach = _exceeded_in(share, np.maximum(others, outward / wider)) * wider
        wider = np.sqrt((degrees + window_days - 1 + window_days * np.square(reach)) / (degrees + window_days))
    return np.asarray(np.where(degrees > 0, reach, np.nan))


def _exceeded_in(share: float, values: Floats) -> Floats:
    """What the next value of each column (windows, k) exceeds in that share, by a straight line between two ranks."""
    rank = share * (len(values) + 1)
    above = min(int(rank), len(values))
    below = min(above + 1, len(values))
    rising = np.partition(values, (len(values) - below, len(values) - above), axis=0)
    first, second = rising[len(values) - above], rising[len(values) - below]
    return np.asarray(first + (rank - int(rank)) * (second - first))


def _of_windows(by_weekday: Floats, window_days: int) -> Floats:
    """The mean over the days of a window that begins on each weekday: (7, k) to (7, k)."""
    days = (np.arange(WEEK)[:, None] + np.arange(window_days)) % WEEK
    means: Floats = by_weekday[days].mean(axis=1)
    return means
