"""Casts: each expression is computed by DuckDB, too, over rows with every edge in reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXPRESSIONS = [
    "i::double",
    "b::double",
    "h::double",
    "d::int",
    "d::bigint",
    "d::tinyint",
    "f::int",
    "i::varchar",
    "h::varchar",
    "d::varchar",
    "p::varchar",
    "day::varchar",
    "b::int",
    "b::tinyint",
    "i::utinyint",
    "i::bool",
    "d::bool",
    "p::int",
    "p::double",
    "m::double",
    "n::double",
    "w::double",
    "m::int",
    "n::int",
    "n::decimal(9,2)",
    "m::decimal(18,5)",
    "d::decimal(9,2)",
    "i::decimal(9,2)",
    "m::bool",
    "p::decimal(4,1)",
    "try_cast(d as int)",
    "try_cast(b as tinyint)",
    "try_cast(d as decimal(9,2))",
    "d::float",
    "f::double",
    "i::float",
    "cast(e as varchar)",
    "day::timestamp",
    "day::timestamptz",
    "l::date",
    "l::timestamptz",
    "t::date",
    "t::timestamp",
    "null::int",
    "null",
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
