"""Limits proposed from history: so many false alarms a model and month, over all its measurements together.

History is one value a window and measurement, of days or of whole weeks. The window is the block: its rows share its
weather, so what matters is how windows differ, not how many rows they have. Each weekday has a centre of its own (the
weekly season); what is left is divided by the spread of its measurement. Of measurements that stand together the
greatest residual of each window counts (the max-statistic: Westfall and Young, 1993): windows keep all their columns,
so features and slices that move together are not paid for twice.

Of n past windows and the next one, which is as likely to be at any rank, j exceed the j-th greatest value of the past
in j/(n + 1) of the cases, whatever the shape of the tail (conformal prediction: Vovk and others, 2005). That holds if
all n + 1 are measured alike, so the window that is judged counts into the centre of its weekday and into the spreads,
and its limits are the values at which it would stand at that rank: they differ a little from window to window.

A rate between two ranks is rounded down, and stated so; one that would need more than the greatest value ever seen is
not extrapolated: the limit is uncalibrated, and says how long to wait. Days that hang on the days before them are fewer
than they look, and alarm more often (`benchmarks/alarms.py`: by a fifth where neighbours correlate by a half); weeks
hold. Trends and yearly seasons are in no limit: propose them anew as history grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.results import Floats, Ints
from rondo.stats.statistic import ratio

Side = Literal["above", "below", "both"]

WEEK = 7
DAYS_A_MONTH = 30.4375
LEAST_DAYS = 90
"""Under three months of history nothing is calibrated."""

LEAST_OF_WEEKDAY = 8
"""A weekday seen less often has no centre, and no limit."""

LEAST_SEEN = 14
"""With fewer windows than these not even a provisional limit is set."""

PROVISIONAL = 1.5
"""How much farther than ever seen a window must lie to leave a provisional limit."""


@dataclass(frozen=True, eq=False)
class Limits:
    """What k measurements of a window may be. `calibrated`: `false_alarms` windows a month fall outside although
    nothing changed; otherwise no rate is stated, and `reason` says why; not even `provisional`, there is no limit.
    """

    calibrated: bool
    false_alarms: float
    window_days: int
    days: int
    reason: str = ""
    _season: _Season | None = None
    _rank: int = 0
    _reach: float = 0.0

    @property
    def provisional(self) -> bool:
        return not self.calibrated and self._season is not None

    def of(self, values: npt.ArrayLike, first_day: int, least: npt.ArrayLike = 0.0) -> tuple[Floats, Floats]:
        """The low and high limits (k,) each of a window with these measurements (k,) that begins on that day: `least`
        (k,) away from what is usual at least, which only makes alarms rarer.

        Infinite on a side that is not watched, NaN where a weekday or a measurement has no limit.
        """
        window = np.asarray(values, dtype=np.float64)
        if self._season is None:
            none = np.full(window.shape, np.nan)
            return none, none
        phase = first_day % len(self._season.count)
        reach = _reach(self._season, window, phase, self._rank) if self.calibrated else self._reach
        return self._season.between(phase, np.asarray(reach), np.asarray(least, dtype=np.float64))

    def outside(self, values: npt.ArrayLike, first_days: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which measurements (windows, k) of windows that begin on `first_days` (windows,) are outside; none without
        limits. A window alarms when any of its measurements is.
        """
        rows = np.asarray(values, dtype=np.float64)
        found = np.zeros(rows.shape, dtype=np.bool_)
        for row, first_day, out in zip(rows, np.asarray(first_days, dtype=np.int64), found, strict=True):
            low, high = self.of(row, int(first_day))
            out[:] = (row < low) | (row > high)
        return found


def proposed(
    history: npt.ArrayLike,
    days: npt.ArrayLike,
    *,
    false_alarms: float,
    window_days: int = 1,
    side: Side | Sequence[Side] = "above",
) -> Limits:
    """Limits that the next windows of `window_days` leave at most `false_alarms` times a month, all k measurements
    counted together.

    `history` is (windows, k) or (windows,), NaN where nothing was measured; `days` (windows,) are the numbers of their
    first days (since an epoch). Windows are days, or whole weeks, which have no weekday to be told apart by. `side` is
    one for all measurements, or one for each.
    Raises WrongUse for a rate that no window can have, or windows that overlap or are no days and no weeks.
    """
    values, day = _ordered(history, days, window_days)
    share = false_alarms * window_days / DAYS_A_MONTH
    if not 0 < share < 1:
        raise WrongUse(
            f"{false_alarms:g} false alarms a month cannot come from windows of {window_days} days.",
            next_step=f"Ask for more than 0 and fewer than {DAYS_A_MONTH / window_days:.3g}.",
        )
    span = int(day[-1] - day[0]) + window_days if len(day) else 0
    if span < LEAST_DAYS:
        return _none(false_alarms, window_days, span, f"{span} days of history, {LEAST_DAYS} are needed")
    season = _season(values, day, WEEK if window_days == 1 else 1, LEAST_OF_WEEKDAY, side)
    seen = int(np.isfinite(season.residual).any(axis=1).sum())
    rank = int(share * (seen + 1) + 1e-9)
    if not rank:
        wait = int(np.ceil((1 / share - 1) * span / max(1, seen)))
        reason = f"{span} days of history, about {wait} are needed for {false_alarms:g} false alarms a month"
        return _none(false_alarms, window_days, span, reason)
    return Limits(True, rank / (seen + 1) * DAYS_A_MONTH / window_days, window_days, span, "", season, rank)


def provisional(
    history: npt.ArrayLike,
    days: npt.ArrayLike,
    *,
    window_days: int = 1,
    side: Side | Sequence[Side] = "above",
    reason: str = "",
) -> Limits:
    """Limits by what was ever seen, where history is too short for `proposed`: half again as far from the mean as the
    farthest of all measurements was from its own, in spreads. No rate of false alarms is known of them; no weekday is
    told from another. Under `LEAST_SEEN` windows there are none. Raises WrongUse as `proposed` does.
    """
    values, day = _ordered(history, days, window_days)
    span = int(day[-1] - day[0]) + window_days if len(day) else 0
    if len(day) < LEAST_SEEN:
        return _none(0.0, window_days, span, reason or f"{len(day)} windows of history, {LEAST_SEEN} are needed")
    season = _season(values, day, 1, LEAST_SEEN, side)
    farthest = float(np.nanmax(season.outward(season.residual), initial=0.0))
    return Limits(False, 0.0, window_days, span, reason, season, _reach=PROVISIONAL * farthest)


def _ordered(history: npt.ArrayLike, days: npt.ArrayLike, window_days: int) -> tuple[Floats, Ints]:
    values, day = np.asarray(history, dtype=np.float64), np.asarray(days, dtype=np.int64)
    values = values[:, None] if values.ndim == 1 else values
    if window_days != 1 and (window_days < 1 or window_days % WEEK):
        raise WrongUse(
            f"Windows of {window_days} days have no limits: their weekdays differ.",
            next_step="Measure days, or whole weeks.",
        )
    if day.ndim != 1 or len(day) != len(values) or np.any(np.diff(np.sort(day)) < window_days):
        raise WrongUse(
            f"{len(values)} rows of history do not stand on as many windows of {window_days} days.",
            next_step="Give one row of measurements for each window; windows must not overlap.",
        )
    order = np.argsort(day)
    return values[order], day[order]


def _none(false_alarms: float, window_days: int, span: int, reason: str) -> Limits:
    return Limits(False, false_alarms, window_days, span, f"uncalibrated: {reason}")


@dataclass(frozen=True, eq=False)
class _Season:
    """The centre of each weekday (season, k) and how often it was seen (season, k), a window's spread about it (k,)
    with its degrees of freedom (k,); each past window's weekday (windows,) and its residual in that spread (windows,
    k), as wide as if its weekday's centre had not known it. NaN: nothing known. Measurements that are watched `below`
    (k,) have their sign turned; `both` (k,) are watched on both sides.
    """

    below: npt.NDArray[np.bool_]
    both: npt.NDArray[np.bool_]
    centre: Floats
    count: Floats
    spread: Floats
    degrees: Floats
    phase: Ints
    residual: Floats

    def outward(self, residual: Floats) -> Floats:
        return np.where(self.both, np.abs(residual), residual)

    def between(self, phase: int, reach: Floats, least: Floats) -> tuple[Floats, Floats]:
        """The low and high limits (k,), `reach` spreads of a new window from the centre, and `least` at least."""
        centre, wide = self.centre[phase], self.spread * np.sqrt(1 + 1 / self.count[phase])
        wide = np.maximum(np.multiply(reach, wide, out=np.zeros_like(wide), where=wide != 0), least)
        high = centre + wide
        low = np.where(self.both, centre - wide, np.where(np.isnan(high), np.nan, -np.inf))
        return np.where(self.below, -high, low), np.where(self.below, -low, high)


def _season(values: Floats, day: Ints, period: int, least: int, side: Side | Sequence[Side]) -> _Season:
    sides = np.array([side] * values.shape[1] if isinstance(side, str) else list(side), dtype=object)
    if len(sides) != values.shape[1]:
        raise WrongUse(
            f"{len(sides)} sides do not fit {values.shape[1]} measurements.", next_step="Name one side for each."
        )
    values = np.where(sides == "below", -values, values)
    phase, known = day % period, np.isfinite(values)
    count = np.stack([known[phase == p].sum(axis=0) for p in range(period)]).astype(np.float64)
    total = np.stack([np.where(known, values, 0.0)[phase == p].sum(axis=0) for p in range(period)])
    count = np.where(count >= least, count, np.nan)
    centre = total / count
    strays = values - centre[phase]
    degrees = np.nansum(count - 1, axis=0)
    spread = np.sqrt(ratio(np.nansum(np.square(strays), axis=0), degrees))
    own = strays / np.sqrt(1 - 1 / count[phase])
    residual = np.divide(own, spread, out=np.where(np.isfinite(own), 0.0, np.nan), where=spread > 0)
    return _Season(sides == "below", sides == "both", centre, count, spread, degrees, phase, residual)


def _reach(season: _Season, window: Floats, phase: int, rank: int) -> Floats:
    """How far out, in spreads, each measurement of this window may be (k,): where its residual stands at that rank
    among the greatest residuals of the past windows, all measured with this window counted in.
    """
    count, degrees = season.count[phase], season.degrees
    turned = np.where(season.below, -window, window)
    own = ratio(turned - season.centre[phase], season.spread * np.sqrt(1 + 1 / count))
    counted = np.isfinite(own)
    own = np.where(counted, own, 0.0)
    wider = np.where(counted, np.sqrt((degrees + np.square(own)) / (degrees + 1)), 1.0)
    here = (season.phase == phase)[:, None] & counted
    residual = np.where(here, (season.residual * np.sqrt(np.square(count) - 1) - own) / count, season.residual) / wider
    known = np.isfinite(residual)
    greatest = np.where(known, season.outward(np.where(known, residual, 0.0)), -np.inf)[known.any(axis=1)].max(axis=1)
    most = np.partition(greatest, len(greatest) - rank)[len(greatest) - rank]
    return np.asarray(most * np.sqrt(ratio(degrees, np.maximum(degrees + 1 - most**2, 0.0))))
