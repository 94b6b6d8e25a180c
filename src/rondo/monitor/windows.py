"""Windows of event time: whole weeks of the project's timezone, Monday to Monday."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Window:
    """Half-open: a row on the border belongs to the later window."""

    start: datetime
    end: datetime


def weeks(first: datetime, last: datetime, timezone: str) -> list[Window]:
    """The weeks that hold both moments and all between them, oldest first."""
    zone = ZoneInfo(timezone)
    day = first.astimezone(zone).date()
    monday = day - timedelta(days=day.weekday())
    found = []
    while (start := _midnight(monday, zone)) <= last:
        monday += timedelta(days=7)
        found.append(Window(start, _midnight(monday, zone)))
    return found


def window_of(events_us: npt.NDArray[np.int64], windows: Sequence[Window]) -> npt.NDArray[np.int64]:
    """The place of each event (microseconds since 1970) among the windows."""
    starts = np.array([int(window.start.timestamp()) * 1_000_000 for window in windows], dtype=np.int64)
    places: npt.NDArray[np.int64] = np.searchsorted(starts, events_us, side="right") - 1
    return places


def days_of(events_us: npt.NDArray[np.int64], timezone: str) -> npt.NDArray[np.int64]:
    """The local day of each event, as days since 1970: what is resampled whole."""
    if not len(events_us):
        return np.empty(0, dtype=np.int64)
    zone = ZoneInfo(timezone)
    first, last = (
        datetime.fromtimestamp(t / 1e6, UTC).astimezone(zone).date() for t in (events_us.min(), events_us.max())
    )
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    starts = np.array([int(_midnight(day, zone).timestamp()) * 1_000_000 for day in days], dtype=np.int64)
    places: npt.NDArray[np.int64] = np.searchsorted(starts, events_us, side="right") - 1
    return places + (first - date(1970, 1, 1)).days


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
