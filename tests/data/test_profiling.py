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
