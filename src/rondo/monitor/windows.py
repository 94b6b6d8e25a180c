"""Windows of event time: whole days and weeks (Monday to Monday) of the project's timezone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from rondo.stats.days import days_of as days_of
from rondo.stats.days import midnight
from rondo.stats.results import Ints


@dataclass(frozen=True)
class Window:
    """Half-open: a row on the border belongs to the later window."""

    start: datetime
    end: datetime


def day_window(day: date, timezone: str) -> Window:
    """A local day: of 23 to 25 hours."""
    return _window(day, 1, ZoneInfo(timezone))


def week_window(monday: date, timezone: str) -> Window:
    """The week that begins on a local Monday."""
    return _window(monday, 7, ZoneInfo(timezone))


def monday_of(day: date) -> date:
    """The Monday of the day's week."""
    return day - timedelta(days=day.weekday())


def weeks(first: datetime, last: datetime, timezone: str) -> list[Window]:
    """The weeks that hold both moments and all between them, oldest first."""
    zone = ZoneInfo(timezone)
    monday = monday_of(first.astimezone(zone).date())
    found = []
    while (window := _window(monday, 7, zone)).start <= last:
        monday += timedelta(days=7)
        found.append(window)
    return found


def window_of(events_us: Ints, windows: Sequence[Window]) -> Ints:
    """The place of each event (microseconds since 1970) among the windows."""
    starts = np.array([int(window.start.timestamp()) * 1_000_000 for window in windows], dtype=np.int64)
    places: Ints = np.searchsorted(starts, events_us, side="right") - 1
    return places


def _window(first: date, days: int, zone: ZoneInfo) -> Window:
    return Window(midnight(first, zone), midnight(first + timedelta(days=days), zone))
