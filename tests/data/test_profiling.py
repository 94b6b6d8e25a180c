from __future__ import annotations

from collections.abc import Iterator

import duckdb
import msgspec
import numpy as np
import pytest

from rondo.data import profiling
from rondo.data.profiling import profile
from rondo.records.tables import Top
from rondo.sql.engine import connect, describe

Con = duckdb.DuckDBPyConnection


@pytest.fixture
def con() -> Iterator[Con]:
    con = connect(timezone="UTC")
    yield con
    con.close()


def test_what_columns_hold(con: Con) -> None:
    sql = """(from (values
        (1, 1.5, 'x', true, timestamptz '2020-01-01 00:00:00+00', date '2020-01-01', [1]),
        (2, 'nan'::double, 'y', false, timestamptz '2020-01-03 00:00:00+00', date '2020-01-03', [2]),
        (2, 'inf'::double, 'y', null, timestamptz '2020-01-05 00:00:00+00', null, null),
        (null, -2, null, null, null, null, null)) as t(i, f, s, b, ts, d, l))"""
    i, f, s, b, ts, d, other = profile(con, sql, describe(con, f"select * from {sql}"))
    assert (i.nulls, i.distinct, i.min, i.max, i.mean) == (1, 2, 1, 2, 1.66666666667)
    assert i.quantiles is not None and i.quantiles["0.5"] == 2.0
    assert i.top == [Top(value=2, count=2), Top(value=1, count=1)]
    assert (f.min, f.max, f.mean, f.nulls) == (-2.0, 1.5, -0.25, 0)
    assert (s.min, s.max, s.mean, s.quantiles) == ("x", "y", None, None)
    assert (b.nulls, b.mean) == (2, 0.5)
    assert (ts.min, ts.max) == ("2020-01-01T00:00:00Z", "2020-01-05T00:00:00Z")
    assert ts.quantiles is not None and ts.quantiles["0.5"] == "2020-01-03T00:00:00Z"
    assert (d.min, d.type) == ("2020-01-01", "DATE")
    assert (other.nulls, other.distinct, other.top) == (2, None, None)
    msgspec.json.decode(msgspec.json.encode([i, f, s, b, ts, d, other]))


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_all_nulls(con: Con, rows: int) -> None:
    sql = f"(select null::int as a, null::double as b, null::varchar as c from range({rows}))"
    for column in profile(con, sql, describe(con, f"select * from {sql}")):
        assert (column.nulls, column.distinct, column.min, column.mean, column.top) == (rows, 0, None, None, None)


def test_a_large_table_is_close_and_the_same_each_time(con: Con, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "EXACT_ROWS", 5_000)
    con.sql("create table big as select (range * 7919) % 100003 as n, range % 3 as few from range(100003)")
    columns = {"n": "BIGINT", "few": "BIGINT"}
    first = profile(con, "(from big)", columns)
    n, few = first
    assert n.distinct == pytest.approx(100_003, rel=0.1)
    assert n.quantiles is not None
    for share, value in n.quantiles.items():
        assert value == pytest.approx(np.quantile(np.arange(100_003), float(share)), abs=3_000)
    assert few.top is not None and sum(top.count for top in few.top) == pytest.approx(100_003, rel=0.01)
    assert profile(con, "(from big)", columns) == first


def test_many_columns_come_in_their_order(con: Con) -> None:
    names = [f"c{n}" for n in range(230)]
    sql = f"(select {', '.join(f'{n} as {name}' for n, name in enumerate(names))})"
    found = profile(con, sql, dict.fromkeys(names, "INTEGER"))
    assert [(column.name, column.min) for column in found] == [(name, n) for n, name in enumerate(names)]


def test_bars_count_rows_by_value_and_hold_the_tails(con: Con) -> None:
    con.sql("create table spread as select i as n, i % 3 as few, i::double / 7 as x, from range(0, 1000) r(i)")
    con.sql("insert into spread values (1000000, 0, 1e9), (null, null, 'nan')")
    con.sql("alter table spread add column seen timestamptz")
    con.sql("update spread set seen = timestamptz '2020-01-01 00:00:00+00' + to_hours(n % 240)")
    n, few, x, seen = profile(
        con, "(from spread)", {"n": "BIGINT", "few": "BIGINT", "x": "DOUBLE", "seen": "TIMESTAMP WITH TIME ZONE"}
    )
    assert few.bars == [335, 333, 333]
    assert n.bars is not None and x.bars is not None and seen.bars is not None
    assert 12 < len(n.bars) <= profiling.BARS == len(x.bars) == len(seen.bars)
    assert max(n.bars[:10]) - min(n.bars[:10]) <= 1  # each holds as many whole numbers
    assert [sum(each.bars or []) for each in (n, few, x, seen)] == [1001, 1001, 1001, 1001]
    assert min(n.bars[:10]) > 0  # one value far away has not made one bar of all the others
    assert max(seen.bars) - min(seen.bars) <= 42


@pytest.mark.parametrize(
    ("kind", "values", "bars"),
    [
        ("VARCHAR", "'a', 'b', 'b', null", [2, 1]), ("BOOLEAN", "true, true, false, null", [2, 1]),
        ("INTEGER", "7, 7, 7", [3]), ("DOUBLE", "0.5, 0.5", [2]), ("INTEGER", "null", None), ("VARCHAR", "null", None),
        ("DATE", "date '2020-01-01', date '2020-01-01'", [2]), ("INTEGER[]", "[1], [2]", None), ("DOUBLE", "'nan'", None),
    ],
)  # fmt: skip
def test_bars_of_other_columns(con: Con, kind: str, values: str, bars: list[int] | None) -> None:
    rows = ", ".join(f"({value}::{kind})" for value in values.split(", "))
    [column] = profile(con, f"(from (values {rows}) as t(c))", {"c": kind})
    assert column.bars == bars
