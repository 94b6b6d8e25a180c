from __future__ import annotations

import duckdb
import pytest

from rondo.records.studies import Condition
from rondo.records.study_documents import condition_text, condition_value


@pytest.mark.parametrize(
    ("condition", "sql", "value", "meets"),
    [
        (Condition(column="n", is_=3), '"n" = 3', "3", [3.0]),
        (Condition(column="n", low=2, high=3), '"n" >= 2 and "n" < 3', "2…3", [2.0, 2.5]),
        (Condition(column="n", high=2.5), '"n" < 2.5', "…2.5", [2.0]),
        (Condition(column="n", low=3), '"n" >= 3', "3…", [3.0]),
        (Condition(column="n", missing=True), '"n" is null', "null", [None]),
        (Condition(column="k", is_="O'Hare"), "\"k\" = 'O''Hare'", "O'Hare", [2.0]),
        (Condition(column="t", is_=True), '"t"', "true", [2.5]),
        (Condition(column="t", is_=False), 'not "t"', "false", [3.0]),
    ],
)
def test_a_condition_is_sql_that_finds_its_rows(condition, sql, value, meets):
    rows = """(values (2.0, 'O''Hare', null), (2.5, 'x', true), (3.0, null, false), (null, '', null)) as r(n, k, t)"""
    assert (condition_text(condition), condition_value(condition)) == (sql, value)
    found = duckdb.sql(f"select n::double from {rows} where {condition_text(condition)}").fetchall()
    assert [n for (n,) in found] == meets


def test_a_column_may_have_any_name():
    assert condition_text(Condition(column='a "b".c', is_=1)) == '"a ""b"".c" = 1'
