from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import DeclarationError
from rondo.sql.lineage import Edge, lineage

SCHEMAS = {
    "flights": {"origin": "VARCHAR", "sched_dep": "TIMESTAMP WITH TIME ZONE", "late": "BOOLEAN", "Distance": "INTEGER"},
    "weather": {"origin": "VARCHAR", "time_hour": "TIMESTAMP WITH TIME ZONE", "wind": "DOUBLE"},
    "dataset.late": {"id": "INTEGER", "wind": "DOUBLE"},
    "flights@v12": {"origin": "VARCHAR"},
}
HOURLY = """
with hourly as (
  select origin, date_trunc('hour', sched_dep) as hour, count(*) as n, sum(late::int) as late
  from flights group by all
)
select origin, hour, hour + interval 75 minute as known_at,
       sum(late) over w / sum(n) over w as Late_rate, sum(n) over w as departures
from hourly
window w as (partition by origin order by hour range between interval 2 hour preceding and current row)
"""


def edges(sql: str, column: str | None = None) -> set[tuple[str | None, str, str | None, str]]:
    found = lineage(sql, SCHEMAS, column)
    assert len(set(found)) == len(found)
    return {(edge.output_column, edge.table, edge.column, edge.kind) for edge in found}


def test_values_and_groups_through_a_cte() -> None:
    assert edges(HOURLY) == {
        ("origin", "flights", "origin", "value"),
        ("hour", "flights", "sched_dep", "value"),
        ("known_at", "flights", "sched_dep", "value"),
        ("Late_rate", "flights", "late", "value"),
        (None, "flights", "origin", "group"),
        (None, "flights", "sched_dep", "group"),
    }


def test_one_column_keeps_what_decides_about_rows() -> None:
    assert edges(HOURLY, "late_RATE") == {
        ("Late_rate", "flights", "late", "value"),
        (None, "flights", "origin", "group"),
        (None, "flights", "sched_dep", "group"),
    }
    with pytest.raises(DeclarationError, match="no column 'nope'; there are: origin, hour"):
        lineage(HOURLY, SCHEMAS, "nope")


@pytest.mark.parametrize(
    "order",
    [
        "select w.wind from flights f {join} where distance > 0",
        "from flights f {join} select w.wind where distance > 0",
    ],
)
def test_joins_and_filters(order: str) -> None:
    join = "asof left join weather w on f.origin = w.origin and f.sched_dep >= w.time_hour"
    assert edges(order.replace("{join}", join)) == {
        ("wind", "weather", "wind", "value"),
        (None, "flights", "origin", "join"),
        (None, "weather", "origin", "join"),
        (None, "flights", "sched_dep", "join"),
        (None, "weather", "time_hour", "join"),
        (None, "flights", "Distance", "filter"),
    }


def test_using() -> None:
    assert {
        (table, column)
        for _, table, column, kind in edges("from flights join weather using (origin) select wind")
        if kind == "join"
    } == {
        ("flights", "origin"),
        ("weather", "origin"),
    }


def test_stars() -> None:
    outputs = {output for output, *_ in edges("select * exclude (late) from flights")}
    assert outputs == {"origin", "sched_dep", "distance"}


def test_subqueries_correlated_or_not() -> None:
    sql = """select (select max(wind) from weather w where w.origin = f.origin) as gust from flights f
             where sched_dep in (select time_hour from weather)"""
    assert edges(sql) == {
        ("gust", "weather", "wind", "value"),
        (None, "weather", "origin", "filter"),
        (None, "flights", "origin", "filter"),
        (None, "flights", "sched_dep", "filter"),
        (None, "weather", "time_hour", "filter"),
    }


def test_unions_qualify_and_limits() -> None:
    sql = "(select wind as x from dataset.late) union all (select distance from flights order by sched_dep limit 3)"
    assert edges(sql) == {
        ("x", "dataset.late", "wind", "value"),
        ("x", "flights", "Distance", "value"),
        (None, "flights", "sched_dep", "filter"),
    }
    sql = "select origin from flights qualify row_number() over (partition by origin order by sched_dep) = 1"
    assert (None, "flights", "sched_dep", "filter") in edges(sql)


def test_order_by_alone_decides_nothing() -> None:
    assert edges("select origin from flights order by sched_dep") == {("origin", "flights", "origin", "value")}


def test_versions_are_tables_of_their_own() -> None:
    assert edges("from flights@v12 select origin") == {("origin", "flights@v12", "origin", "value")}


@pytest.mark.parametrize(
    "sql",
    [
        "select nope from flights",
        "select columns('o.*') from flights",
        "pivot flights on origin in ('JFK') using sum(distance)",
        "with recursive r as (select distance d from flights union all select d + 1 from r where d < 5) from r",
        "select lambda x: x + 1 from flights",
        "from flights, unknown_table select distance",
    ],
)
def test_what_cannot_be_resolved_is_all_columns(sql: str) -> None:
    found = lineage(sql, SCHEMAS)
    assert Edge(None, "flights", None, "value") in found
    assert all(edge.column is None for edge in found)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_wrapping_a_query_changes_no_values(data: st.DataObject) -> None:
    sql, depth = (
        "select origin, late, distance + 1 as far from flights where distance > 3",
        data.draw(st.integers(1, 3)),
    )
    expected = edges(sql)
    for _ in range(depth):
        wrap = data.draw(
            st.sampled_from(["select * from ({}) q", "with q as ({}) from q", "from ({}) select origin, late, far"])
        )
        sql = wrap.format(sql)
    assert edges(sql) == expected
