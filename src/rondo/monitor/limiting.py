"""Limits of measurements: declared, else by default, else from history; and whether each measurement is out.

A declared limit is left when the whole interval has, and so is one by default, which history may have raised where data
strayed farther before. A limit from history is of values: so many windows of a model a month lie outside although
nothing changed, days and weeks, features, slices and metrics together (`stats.limits`). It is made of what was measured
before the month began, and of no later time; windows of incidents are left out, and days on which a feature itself was
broken. Under three months of history it is provisional: `uncalibrated`, without a rate.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from rondo.monitor.measurements import Identity, identity, is_of_week
from rondo.monitor.watched import MOST_RAISED, WATCHED, Together, Watched, is_from_history, watched
from rondo.monitor.windows import Window
from rondo.project.monitoring import Monitoring
from rondo.project.requirements import Requirement
from rondo.records.monitoring import Measurement
from rondo.stats.days import midnight
from rondo.stats.limits import WEEK, Limits, proposed, provisional

LONGEST = timedelta(days=366)
"""History older than this is not looked at: the year before had another world."""

FEW = 0.25
"""A window with a smaller part of the usual rows is neither history nor held against it: it strays more."""

OF_DAYS, OF_WEEKS = 3, 6
"""A third of the false alarms is for days of what was asked, a third for days of what came of it, and a sixth each for
their weeks: a third of an alarm a month can be seen in three months.
"""

State = Literal["within", "out", "no limit", "uncalibrated", "unexamined"]
Series = tuple[str, str | None, str | None, object]
"""What is measured again in each window: metric, feature, slice."""


def limited(
    measurements: Sequence[Measurement],
    history: Iterable[Measurement],
    *,
    monitoring: Monitoring,
    requirements: Sequence[Requirement] = (),
    timezone: str,
    now: datetime,
    excluded: Sequence[Window] = (),
    trained: Iterable[Measurement] = (),
) -> list[Measurement]:
    """The measurements, in their order, with limit, side, basis and state; and after them those of `history` that were
    measured while their window still ran, where it is over by now. A window that runs has no limit from history.

    `history` holds the newest record of every measurement of the model, `trained` those of the days before, whose rows
    its first version was trained on; `excluded` are windows in which something was known to be wrong.
    """
    past = _Past(history, trained, monitoring, requirements, timezone, excluded)
    measured = [*measurements, *past.ended({identity(each) for each in measurements}, now)]
    found = [_declared(each, monitoring, requirements) for each in measured]
    open_ones: dict[tuple[datetime, datetime, Together], list[int]] = defaultdict(list)
    for place, measurement in enumerate(measured):
        each = watched(measurement)
        if found[place] is None and each is not None and is_from_history(each) and measurement.end <= now:
            open_ones[measurement.start, measurement.end, each.together].append(place)
    for places in open_ones.values():
        for place, judged in zip(places, past.judged([measured[place] for place in places]), strict=True):
            found[place] = judged
    return [before if after is None else after for before, after in zip(measured, found, strict=True)]


def _declared(
    measurement: Measurement, monitoring: Monitoring, requirements: Sequence[Requirement]
) -> Measurement | None:
    """The measurement held against the limit that somebody declared, or that it has by default; None without one."""
    own = monitoring.limit(measurement.metric, measurement.feature, measurement.name)
    if own is not None:
        return _held(measurement, own.limit, own.side)
    requirement = _required(measurement, requirements)
    if requirement is not None:
        if measurement.by is not None and (measurement.n or 0) < (requirement.minimum_rows or 0):
            return _held(msgspec.structs.replace(measurement, low=None, high=None), requirement.limit, "below")
        return _held(measurement, requirement.limit, "below" if requirement.comparison == ">=" else "above")
    each = watched(measurement)
    if each is None or is_from_history(each):
        return None
    if each.limit is None:
        return measurement
    return _held(measurement, each.limit, "below" if each.side == "below" else "above")


def _required(measurement: Measurement, requirements: Sequence[Requirement]) -> Requirement | None:
    """The PRD's line about it. A day is too short to hold a promise of quality against; for a service it is not."""
    each = watched(measurement)
    if not is_of_week(measurement) and (each is None or each.together != "service"):
        return None
    fits = (
        r for r in requirements
        if r.kind == "metric" and r.metric == measurement.metric and r.testset is None and r.by == measurement.by
    )  # fmt: skip
    return next(fits, None) if measurement.feature is None else None


def _held(measurement: Measurement, limit: float | None, side: Literal["above", "below"]) -> Measurement:
    """It is out when its whole interval is; a value without an interval was not examined."""
    state: State
    if measurement.value is None or not measurement.n:
        state = "unexamined"
    elif limit is None:
        state = "no limit"
    elif measurement.low is None or measurement.high is None:
        state = "unexamined"
    else:
        state = "out" if (measurement.low > limit if side == "above" else measurement.high < limit) else "within"
    declared = limit is not None
    return msgspec.structs.replace(
        measurement, limit=limit, side=side if declared else None, basis="declared" if declared else None, state=state
    )


Ends = tuple[float, float]
"""The low and the high limit; infinite on a side that is not watched."""


@dataclass(frozen=True)
class _Family:
    """Days, or weeks, before a month: the limits that they propose, which column of these each series is, how many
    rows it usually has, and for each column the least that it must move by.
    """

    limits: Limits
    column: Mapping[Series, int]
    usual: Mapping[Series, float]
    least: Sequence[float]

    def between(self, together: Sequence[Measurement], first_day: int) -> list[Ends | None]:
        """The limits of each measurement of a window that begins on that day; None where it has none, or so few rows
        that it strays more than those did.
        """
        there = [
            self.column[series] if series in self.column and (m.n or 0) >= FEW * self.usual[series] else None
            for m in together for series in [_series(m)]
        ]  # fmt: skip
        values = np.full(len(self.column), np.nan)
        for place, m in zip(there, together, strict=True):
            if place is not None and m.value is not None:
                values[place] = m.value
        low, high = self.limits.of(values, first_day, self.least)
        ends = [None if place is None else (float(low[place]), float(high[place])) for place in there]
        return [None if end is None or not any(map(math.isfinite, end)) else end for end in ends]


class _Past:
    """What was measured, and the limits that it proposes for each month: they are made when first asked for."""

    def __init__(
        self,
        history: Iterable[Measurement],
        trained: Iterable[Measurement],
        monitoring: Monitoring,
        requirements: Sequence[Requirement],
        timezone: str,
        excluded: Sequence[Window],
    ) -> None:
        self._monitoring, self._zone = monitoring, ZoneInfo(timezone)
        self._families: dict[tuple[bool, bool, datetime, frozenset[Series] | None], _Family] = {}
        self._open: list[Measurement] = []
        self._days: dict[Series, list[Measurement]] = defaultdict(list)
        self._weeks: dict[Series, list[Measurement]] = defaultdict(list)
        self._broken: set[tuple[datetime, str | None]] = set()
        free: dict[tuple[object, ...], bool] = {}
        left_out: dict[tuple[datetime, datetime], bool] = {}
        for m, answered in [*((m, False) for m in trained), *((m, True) for m in history)]:
            if m.state == "out" and m.basis == "declared":
                self._broken.add((m.start, m.feature))
            weekly = is_of_week(m)
            key = m.metric, m.feature, m.by, weekly
            if key not in free:
                free[key] = _is_free(m, monitoring, requirements)
            if not free[key] or m.value is None:
                continue
            if answered and m.state == "no limit":
                self._open.append(m)
            window = m.start, m.end  # the same for many features and metrics
            if window not in left_out:
                left_out[window] = any(each.start < m.end and m.start < each.end for each in excluded)
            if not left_out[window]:
                (self._weeks if weekly else self._days)[_series(m)].append(m)

    def ended(self, measured: Collection[Identity], now: datetime) -> list[Measurement]:
        """What was measured while its window ran, is over by now, and was not measured again."""
        return [m for m in self._open if m.end <= now and identity(m) not in measured]

    def judged(self, together: Sequence[Measurement]) -> list[Measurement]:
        """Measurements of one window that were made at the same time, held against what was before its month; those
        that have too little of that, against what was before the window itself.
        """
        weekly, start = is_of_week(together[0]), together[0].start
        local = start.astimezone(self._zone)
        month = midnight(local.date().replace(day=1), self._zone)
        asked = _is_asked(together[0])
        family = self._family(weekly, asked, month)
        ends = family.between(together, local.date().toordinal())
        young = frozenset(_series(each) for each, end in zip(together, ends, strict=True) if end is None)
        recent = self._family(weekly, asked, start, young) if young else family
        provisional = recent.between(together, local.date().toordinal())
        return [
            _judged(each, end or other, family.limits if end is not None else recent.limits)
            for each, end, other in zip(together, ends, provisional, strict=True)
        ]

    def _family(self, weekly: bool, asked: bool, until: datetime, young: frozenset[Series] | None = None) -> _Family:
        """What windows before `until` propose: calibrated limits, or provisional ones of the `young` series alone.

        What was asked and what came of it are families of their own: weather has such days that no share of outcomes
        would ever be out among them.
        """
        key = weekly, asked, until, young
        if key not in self._families:
            past = self._measured(weekly, asked, until)
            kept = past if young is None else {series: found for series, found in past.items() if series in young}
            self._families[key] = self._proposed(weekly, kept, calibrated=young is None)
        return self._families[key]

    def _measured(self, weekly: bool, asked: bool, until: datetime) -> dict[Series, list[Measurement]]:
        """The healthy measurements of each series in the year before."""
        oldest, past = until - LONGEST, dict[Series, list[Measurement]]()
        for series, measured in (self._weeks if weekly else self._days).items():
            each, feature = WATCHED.get(series[0]), series[1]
            learns = feature is None or (each is not None and each.learns)
            healthy = [m for m in measured if learns or (m.start, feature) not in self._broken]
            if measured and _is_asked(measured[-1]) is asked:
                past[series] = [m for m in healthy if m.end <= until and m.start >= oldest]
        return {series: found for series, found in sorted(past.items(), key=lambda each: str(each[0])) if found}

    def _proposed(self, weekly: bool, past: Mapping[Series, list[Measurement]], *, calibrated: bool) -> _Family:
        column = {series: place for place, series in enumerate(past)}
        usual = {series: median(m.n or 0 for m in found) for series, found in past.items()}
        moments = {m.start for found in past.values() for m in found}
        starts = {moment: self._day(moment, weekly) for moment in moments}
        days = sorted({day for day in starts.values() if day is not None})
        row = {day: place for place, day in enumerate(days)}
        values = np.full((len(days), len(column)), np.nan)
        for series, found in past.items():
            for m in found:
                # What was out by a provisional limit would make the next day of the same kind usual.
                kept = (m.n or 0) >= FEW * usual[series] and (calibrated or m.state != "out")
                if (day := starts[m.start]) is not None and kept:
                    values[row[day], column[series]] = m.value
        of_each = [_watched(past[series][-1]) for series in column]
        sides = [each.side for each in of_each]
        window_days = WEEK if weekly else 1
        if calibrated:
            rate = self._monitoring.false_alarms / (OF_WEEKS if weekly else OF_DAYS)
            limits = proposed(values, days, false_alarms=rate, window_days=window_days, side=sides)
        else:
            limits = provisional(values, days, window_days=window_days, side=sides)
        return _Family(limits, column, usual, [each.least for each in of_each])

    def _day(self, start: datetime, weekly: bool) -> int | None:
        """The number of the day on which a window begins; None where days began at another hour (another timezone)."""
        day = start.astimezone(self._zone).date()
        whole = midnight(day, self._zone) == start and (not weekly or day.weekday() == 0)
        return day.toordinal() if whole else None


def _judged(measurement: Measurement, between: Ends | None, limits: Limits) -> Measurement:
    """The measurement held against limits from history, where it has any: the nearer one is told."""
    each, value = watched(measurement), measurement.value
    if value is None or not measurement.n:
        return msgspec.structs.replace(measurement, limit=None, side=None, basis=None, state="unexamined")
    low, high = between or (math.nan, math.nan)
    if each is not None and each.limit is not None:
        by_default = _held(measurement, each.limit, "above")
        high = min(high, MOST_RAISED * each.limit)
        if between is None or high <= each.limit or by_default.state == "unexamined":
            return by_default
        out = by_default.state == "out" and value > high
        return _with_limit(measurement, high, "above", out, limits)
    if each is None or between is None:
        return msgspec.structs.replace(measurement, limit=None, side=None, basis="uncalibrated", state="uncalibrated")
    if high - value < value - low:
        return _with_limit(measurement, high, "above", value > high, limits)
    return _with_limit(measurement, low, "below", value < low, limits)


def _with_limit(
    measurement: Measurement, limit: float, side: Literal["above", "below"], out: bool, limits: Limits
) -> Measurement:
    inside: State = "within" if limits.calibrated else "uncalibrated"
    return msgspec.structs.replace(
        measurement,
        limit=limit,
        side=side,
        basis="calibrated" if limits.calibrated else "uncalibrated",
        state="out" if out else inside,
    )


def _is_asked(measurement: Measurement) -> bool:
    """Whether it is of what was asked (features, scores), not of what came of it (outcomes, quality)."""
    each = watched(measurement)
    return each is None or each.together not in ("outcomes", "estimates")


def _is_free(measurement: Measurement, monitoring: Monitoring, requirements: Sequence[Requirement]) -> bool:
    """Whether its limits come from history: nobody declares one."""
    each = watched(measurement)
    return each is not None and is_from_history(each) and _declared(measurement, monitoring, requirements) is None


def _series(measurement: Measurement) -> Series:
    return measurement.metric, measurement.feature, measurement.by, measurement.is_


def _watched(measurement: Measurement) -> Watched:
    each = watched(measurement)
    assert each is not None
    return each
