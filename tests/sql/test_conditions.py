"""Nulls, logic, choices, comparisons: each expression is computed by DuckDB, too, with every edge in reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXPRESSIONS = [
    "i = j",
    "i < b",
    "i <= 1.5",
    "d = x",
    "d < x",
    "d >= x",
    "d <> x",
    "d <= x",
    "d > x",
    "f = d",
    "s = z",
    "s < z",
    "s >= 'b'",
    "e = 'a'",
    "e > s",
    "p = q",
    "p < q",
    "t < v",
    "t >= '2013-03-10 02:30:00'",
    "l > timestamp '2013-01-01'",
    "day = date '2013-03-31'",
    "day > l",
    "t > l",
    "day < other",
    "m < n",
    "m = 1.5",
    "i is distinct from j",
    "d is distinct from x",
    "d is not distinct from x",
    "s is not distinct from null",
    "p is true",
    "p is not false",
    "i is null",
    "d is not null",
    "i in (1,2,3)",
    "i in (1,null)",
    "i not in (1,2)",
    "i not in (1,null)",
    "i in (j, 3)",
    "d in (1.5, x)",
    "d in (0, 2.5)",
    "s in ('abc', z)",
    "s in ('abc', 'a')",
    "i between 0 and j",
    "d between x and 1",
    "d not between x and 1",
    "t between v and '2014-01-01'",
    "p and q",
    "p or q",
    "not p",
    "p and i > 0 or d is null",
    "p and q and i > 3",
    "k::int + 1 > 2 and s like 'a%' or t > v",
    "case when i > 0 then d when i < 0 then x end",
    "case i when 1 then 'a' when 2 then s else z end",
    "case when p then i else 2.5 end",
    "case p when true then 1 when false then 2 end",
    "if(p, i, j)",
    "case when i > 2147483646 then 0 else i + 1 end",
    "coalesce(i, j, 0)",
    "coalesce(d, i)",
    "coalesce(i, 2147483647 + 1)",
    "ifnull(s, 'x')",
    "nullif(i, 0)",
    "nullif(d, 0)",
    "greatest(i,j)",
    "least(i,j,b)",
    "greatest(d,x)",
    "least(d,x)",
    "greatest(s,z)",
    "greatest(t,v)",
    "least(day,other)",
    "greatest(m,n)",
    "greatest(1, null)",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_duckdb_on_the_edges(agrees: Callable[..., None], expression: str) -> None:
    agrees(expression)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_as_duckdb_anywhere(
    agrees: Callable[..., None], draw_rows: Callable[..., list[dict[str, Any]]], data: st.DataObject
) -> None:
    expression = data.draw(st.sampled_from(EXPRESSIONS))
    agrees(expression, draw_rows(data, expression))
