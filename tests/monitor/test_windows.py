from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.monitor.windows import Window, day_window, days_of, monday_of, week_window, weeks, window_of

NEW_YORK = "America/New_York"
ZONES = st.sampled_from(["UTC", NEW_YORK, "Asia/Seoul", "America/Sao_Paulo", "Australia/Lord_Howe"])
MOMENTS = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(NEW_YORK)).astimezone(UTC)


def us(*moments: datetime) -> np.ndarray:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return np.array([(moment - epoch) // timedelta(microseconds=1) for moment in moments], dtype=np.int64)


def test_weeks_run_from_monday_to_monday_there() -> None:
    found = weeks(local(2013, 5, 1, 12), local(2013, 5, 14), NEW_YORK)
    assert found == [
        Window(local(2013, 4, 29), local(2013, 5, 6)),
        Window(local(2013, 5, 6), local(2013, 5, 13)),
        Window(local(2013, 5, 13), local(2013, 5, 20)),
    ]


@pytest.mark.parametrize(("day", "hours"), [((2013, 3, 10), 167), ((2013, 11, 3), 169), ((2013, 5, 1), 168)])
def test_a_week_is_as_long_as_its_clocks_make_it(day: tuple[int, int, int], hours: int) -> None:
    [week] = weeks(local(*day), local(*day), NEW_YORK)
    assert week.end - week.start == timedelta(hours=hours)


def test_a_row_on_the_border_belongs_to_the_later_window() -> None:
    border = local(2013, 5, 6)
    windows = weeks(border - timedelta(days=1), border, NEW_YORK)
    events = us(border - timedelta(microseconds=1), border)
    assert window_of(events, windows).tolist() == [0, 1]


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=60)), ZONES)
def test_windows_touch_and_hold_everything_between(first: datetime, length: timedelta, zone: str) -> None:
    windows = weeks(first, first + length, zone)
    assert windows[0].start <= first and first + length < windows[-1].end
    assert all(one.end == other.start for one, other in pairwise(windows))
    assert all(window.start.astimezone(ZoneInfo(zone)).weekday() == 0 for window in windows)


@given(st.lists(MOMENTS, max_size=20), ZONES)
def test_the_day_of_an_event_is_the_day_there(moments: list[datetime], zone: str) -> None:
    there = [(moment.astimezone(ZoneInfo(zone)).date() - datetime(1970, 1, 1).date()).days for moment in moments]
    assert days_of(us(*moments), zone).tolist() == there


def test_days_and_weeks_begin_at_local_midnight_whatever_the_clocks_do() -> None:
    autumn = date(2013, 11, 3)  # a day of 25 hours, and a Sunday
    day, week = day_window(autumn, "America/New_York"), week_window(monday_of(autumn), "America/New_York")
    assert day == Window(datetime(2013, 11, 3, 4, tzinfo=UTC), datetime(2013, 11, 4, 5, tzinfo=UTC))
    assert week == Window(datetime(2013, 10, 28, 4, tzinfo=UTC), day.end)
    assert [week] == weeks(week.start, week.end - timedelta(microseconds=1), "America/New_York")
    assert monday_of(date(2013, 10, 28)) == date(2013, 10, 28)


def test_days_at_the_ends_of_the_calendar_are_told() -> None:
    ends = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
    events = np.array([(end - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for end in ends])
    assert days_of(events, NEW_YORK).tolist() == [-719163, 2932896]
    assert days_of(np.empty(0, dtype=np.int64), NEW_YORK).tolist() == []
