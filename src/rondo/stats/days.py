"""The local day of moments: what is resampled whole."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from rondo.stats.results import Ints

EPOCH = date(1970, 1, 1)
QUARTER_US = 900_000_000
"""Since 1972 no zone changes its clocks but on a quarter of an hour."""
QUARTERS_A_DAY = 96
_START = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = (
    (datetime(year, 1, 1, tzinfo=UTC) - _START) // timedelta(microseconds=QUARTER_US) for year in (2, 9999)
)


def days_of(events_us: Ints, timezone: str) -> Ints:
    """The local day of each event (n,), given in microseconds since 1970, as days since 1970."""
    zone = ZoneInfo(timezone)
    quarter = events_us // QUARTER_US
    # The clocks are asked at both ends of each day (UTC) that occurs, and inside it where these differ.
    days, place = np.unique(quarter // QUARTERS_A_DAY, return_inverse=True)
    begins, ends = (_shifts(((days + n) * QUARTERS_A_DAY).tolist(), zone) for n in (0, 1))
    shift = begins[place]
    changes = np.flatnonzero((begins != ends)[place])
    found, which = np.unique(quarter[changes], return_inverse=True)
    shift[changes] = _shifts(found.tolist(), zone)[which]
    local: Ints = (events_us + shift) // (QUARTERS_A_DAY * QUARTER_US)
    return local


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins there, in UTC."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _shifts(quarters: Iterable[int], zone: ZoneInfo) -> Ints:
    """How far the clocks of a zone are before UTC, in microseconds; at the ends of the calendar as just inside it."""
    moments = (_START + timedelta(microseconds=min(max(each, _FIRST), _LAST) * QUARTER_US) for each in quarters)
    offsets = (moment.astimezone(zone).utcoffset() or timedelta() for moment in moments)
    return np.array([offset // timedelta(microseconds=1) for offset in offsets], dtype=np.int64)
