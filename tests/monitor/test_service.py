"""Hours and days of a service log: what adds up, what overlaps, what was never examined, who was killed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.monitor.service import lines_of, measure_service, service_query, since_of
from rondo.records.deployment import LATENCY_BOUNDS_S
from rondo.sql.engine import connect
from rondo.stats.proportions import wilson

MINUTE = timedelta(minutes=1)
BUCKETS = len(LATENCY_BOUNDS_S) + 1
NOON = datetime(2024, 11, 1, 12, tzinfo=UTC)


def line(at=NOON, *, server="a", seconds=60.0, latency_ms=(), log_ms=(), **more):
    """A line of the table `service`; requests that were answered are those with a latency."""
    values = {
        "at": at, "began": at, "ended": at + timedelta(seconds=seconds), "server": server, "number": 0, "last": False,
        "refused": 0, "failed": 0, "latency": counted(latency_ms), "log_write": counted(log_ms), "waiting_s": None,
    } | more  # fmt: skip
    return values | {"requests": len(latency_ms) + values["refused"] + values["failed"]}


def counted(milliseconds):
    places = np.searchsorted(LATENCY_BOUNDS_S, np.asarray(milliseconds, dtype=float) / 1e3)
    return np.bincount(places, minlength=BUCKETS).tolist()


def read(*lines):
    """Lines as a query of the lake gives them."""
    moment = pa.timestamp("us", tz="UTC")
    kinds = {"at": moment, "began": moment, "ended": moment, "waiting_s": pa.float64()}
    table = pa.table({name: pa.array([each[name] for each in lines], kinds.get(name)) for name in lines[0]})
    con = connect(timezone="Asia/Seoul")
    try:
        con.register("service", table)
        return lines_of(con.sql(service_query("service", NOON - timedelta(days=400))).to_arrow_table())
    finally:
        con.close()


def measured(*lines, timezone="UTC", now=None, length=timedelta(hours=1)):
    """The measurements of windows of one length, by start and metric."""
    found = measure_service("late", read(*lines), timezone=timezone, now=now or NOON + timedelta(hours=9))
    assert len({(each.start, each.end, each.metric) for each in found}) == len(found)
    return {(each.start, each.metric): each for each in found if each.end - each.start == length}


def test_an_hour_of_two_workers():
    found = measured(
        line(latency_ms=[1.0] * 90, log_ms=[0.1] * 90, refused=6, waiting_s=4.0, last=True),
        line(server="b", latency_ms=[20.0] * 10, failed=4, waiting_s=90.0),
        line(NOON + MINUTE, server="b", waiting_s=None, last=True),
    )
    hour = {metric: each for (_, metric), each in found.items()}
    assert {each.start for each in hour.values()} == {NOON}
    assert hour["requests"].value == hour["requests"].rows == 110
    assert hour["requests_per_s"].value == pytest.approx(110 / 120)  # side by side they served two minutes
    errors = hour["error_share"]
    assert (errors.value, errors.low, errors.high) == (4 / 110, *wilson(4, 110))
    assert hour["refused_share"].value == 6 / 110
    assert hour["latency_p50_ms"].low <= 1.0 <= hour["latency_p50_ms"].high < 1.3 and hour["latency_p50_ms"].n == 100
    assert hour["latency_p99_ms"].low <= 20.0 and hour["latency_p99_ms"].high is None  # a hundred do not bound it
    assert hour["latency_p99_ms"].value == pytest.approx(20.0, rel=0.28)
    assert hour["log_write_p99_ms"].value == pytest.approx(0.1, rel=0.28)
    assert (hour["log_lag_s"].value, hour["log_lag_s"].n, hour["log_lag_s"].unit) == (90.0, 2, "s")
    assert hour["abrupt_ends"].value == 0 and hour["abrupt_ends"].state == "within"
    assert {each.state for each in hour.values() if each.metric != "abrupt_ends"} == {"no limit"}


def test_what_nobody_asked_is_unexamined_and_without_lines_there_is_nothing():
    hour = {metric: each for (_, metric), each in measured(line(last=True)).items()}
    examined = {metric for metric, each in hour.items() if each.state != "unexamined"}
    assert examined == {"requests", "requests_per_s", "abrupt_ends"}
    assert hour["requests"].value == 0.0 and hour["latency_p99_ms"].value is None
    nothing = read(line())
    empty = type(nothing)(**{name: getattr(nothing, name)[:0] for name in nothing.__dataclass_fields__})
    assert measure_service("late", empty, timezone="UTC", now=NOON) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_hours_and_days_hold_every_request_once_and_in_the_hour_of_its_line(told):
    lines = [line(NOON + n * MINUTE, latency_ms=[1.0] * ok, failed=bad, last=True) for n, ok, bad in told]
    hours = measured(*lines)
    days = measure_service("late", read(*lines), timezone="America/New_York", now=NOON)
    total = sum(ok + bad for _, ok, bad in told)
    assert sum(each.value for (_, metric), each in hours.items() if metric == "requests") == total
    of_days = [each for each in days if each.metric == "requests" and each.end - each.start > timedelta(hours=2)]
    assert sum(each.value for each in of_days) == total
    for n, *_ in told:
        assert any(start <= NOON + n * MINUTE < start + timedelta(hours=1) for start, _ in hours)
    midnights = {each.start.hour for each in of_days}
    assert midnights <= {4, 5}  # New York's, before and after the clocks go back on 3 November
    assert {each.end - each.start for each in of_days} <= {timedelta(hours=24), timedelta(hours=25)}


@pytest.mark.parametrize(
    ("now", "last", "killed"),
    [
        (NOON + 3 * MINUTE, False, 0),  # it may only be late
        (NOON + 5 * MINUTE, False, 1),
        (NOON + 500 * MINUTE, True, 0),
    ],
)
def test_a_worker_that_falls_silent_without_a_last_word_was_killed(now, last, killed):
    found = measured(line(), line(NOON + MINUTE, seconds=10, last=last), now=now)[NOON, "abrupt_ends"]
    assert found.value == killed and found.state == ("out" if killed else "within")
    assert (found.limit, found.side, found.basis, found.n) == (0.0, "above", "declared", 2)


def test_another_that_goes_on_shows_who_was_killed_whatever_the_projects_clock_says():
    went_on = [line(server="b", began=NOON + n * MINUTE, ended=NOON + (n + 1) * MINUTE) for n in range(9)]
    found = measured(line(), *went_on, now=NOON - timedelta(days=4_000))
    assert found[NOON, "abrupt_ends"].value == 1


def test_what_is_read_again_begins_with_yesterday_or_what_came_late():
    zone = "America/New_York"
    assert since_of(NOON, zone) == datetime(2024, 10, 31, 4, tzinfo=UTC)
    late = NOON - timedelta(days=9)
    assert since_of(NOON, zone, late) == datetime(2024, 10, 23, 4, tzinfo=UTC)
    assert since_of(NOON, zone, NOON) == since_of(NOON, zone)
