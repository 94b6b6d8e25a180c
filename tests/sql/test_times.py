"""Dates and times, in time zones of every kind: each expression is computed by DuckDB, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXPRESSIONS = [
    "year(t)",
    "month(t)",
    "day(t)",
    "hour(t)",
    "minute(t)",
    "second(t)",
    "quarter(t)",
    "week(t)",
    "dayofweek(t)",
    "isodow(t)",
    "dayofyear(t)",
    "weekday(t)",
    "year(l)",
    "hour(l)",
    "week(l)",
    "dayofyear(day)",
    "week(day)",
    "dayofweek(day)",
    "quarter(day)",
    "hour(day)",
    "extract(hour from t)",
    "extract(epoch from t)",
    "date_part('dow', t)",
    "date_part('isodow', l)",
    "date_part('doy', day)",
    "epoch(t)",
    "epoch(l)",
    "epoch(day)",
    "epoch(t) - epoch(v)",
    "date_trunc('year', t)",
    "date_trunc('quarter', t)",
    "date_trunc('month', t)",
    "date_trunc('week', t)",
    "date_trunc('day', t)",
    "date_trunc('hour', t)",
    "date_trunc('minute', t)",
    "date_trunc('second', t)",
    "date_trunc('month', l)",
    "date_trunc('hour', l)",
    "date_trunc('week', day)",
    "date_trunc('day', day)",
    "date_trunc('hour', day)",
    "date_trunc('hour', t) = t",
    "date_diff('hour', t, v)",
    "date_diff('minute', t, v)",
    "date_diff('second', t, v)",
    "date_diff('year', l, v::timestamp)",
    "date_diff('quarter', l, v::timestamp)",
    "date_diff('month', l, v::timestamp)",
    "date_diff('day', l, v::timestamp)",
    "date_diff('hour', l, v::timestamp)",
    "date_diff('minute', l, v::timestamp)",
    "date_diff('second', l, v::timestamp)",
    "date_diff('day', day, other)",
    "date_diff('month', day, other)",
    "date_diff('quarter', day, other)",
    "date_diff('hour', day, other)",
    "datediff('day', t::date, v::date)",
    "t + interval 15 minute",
    "t - interval 90 minute",
    "t + interval 1 day",
    "t - interval 1 day",
    "t + interval 1 month",
    "t - interval 1 month",
    "t + interval '1 year'",
    "t + interval '1 month 1 day 3 hours'",
    "t - interval '1 month 1 day 3 hours'",
    "t + interval '1 month -1 day'",
    "t - interval '1 month -1 day 3 hours'",
    "t + interval '-1 month 3 hours'",
    "t + interval '1 day -3 hours'",
    "t + interval 36 hour",
    "t + interval 1 week",
    "t + interval (k) hour",
    "t + interval (k) day",
    "t + interval (k) month",
    "t - to_days(k)",
    "interval 1 day + t",
    "l + interval 1 month",
    "l - interval 1 month",
    "l + interval '1 month 1 day 3 hours'",
    "l - interval '1 month 1 day 3 hours'",
    "l - interval (k) month",
    "l + interval 75 minute",
    "day + interval 1 day",
    "day + interval 1 month",
    "day - interval 2 hour",
    "day + k",
    "day - k",
    "k + day",
    "day - other",
    "year(t + interval (k) year)",
    "hour(t + interval 75 minute)",
    "dayofweek(t) in (0, 6)",
    "sin(2 * 3.141592653589793 * hour(t) / 24)",
    "(hour(t) * 60 + minute(t)) // 30",
]

ZONES = [
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Asia/Seoul",
    "UTC",
]


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe"])
def test_as_duckdb_on_the_edges(agrees: Callable[..., None], zone: str) -> None:
    for expression in EXPRESSIONS:
        agrees(expression, timezone=zone)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_as_duckdb_anywhere(
    agrees: Callable[..., None], draw_rows: Callable[..., list[dict[str, Any]]], data: st.DataObject
) -> None:
    expression = data.draw(st.sampled_from(EXPRESSIONS))
    zone = data.draw(st.sampled_from(ZONES))
    agrees(expression, draw_rows(data, expression, zone), zone)
