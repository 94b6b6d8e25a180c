"""Texts: each expression is computed by DuckDB, too, over rows with every edge in reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXPRESSIONS = [
    "lower(s)",
    "upper(s)",
    "length(s)",
    "len(s)",
    "trim(s)",
    "ltrim(s)",
    "rtrim(s)",
    "trim(s, 'a ')",
    "ltrim(s, z)",
    "rtrim(s, 'b')",
    "substr(s, 2)",
    "substr(s, 1, 2)",
    "substr(s, k)",
    "substr(s, k % 9, (k // 3) % 8)",
    "substr(s, i, j)",
    "substring(s, -2, 1)",
    "left(s, 2)",
    "left(s, k % 5)",
    "left(s, b)",
    "right(s, 2)",
    "right(s, k % 5)",
    "right(s, b)",
    "s || z",
    "s || i",
    "s || '-' || z",
    "concat(s, z, i)",
    "concat(s, p)",
    "concat(e, '!')",
    "s like 'a%'",
    "s like '%b%'",
    "s like '_'",
    "s not like 'a_c'",
    "s like '%\\%'",
    "s like ''",
    "s like '%.*%'",
    "lower(e)",
    "starts_with(s, z)",
    "prefix(s, 'a')",
    "s ^@ z",
    "ends_with(s, 'a')",
    "suffix(s, z)",
    "contains(s, z)",
    "contains(s, 'a')",
    "replace(s, z, 'x')",
    "replace(s, 'a', z)",
    "'a' || 'b'",
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


def test_every_letter_has_duckdbs_other_case(agrees: Callable[..., None]) -> None:
    letters = [chr(code) for code in range(1, 0x20000) if chr(code).isalpha()]
    given = [{"s": "".join(letters[place : place + 100])} for place in range(0, len(letters), 100)]
    for expression in ("upper(s)", "lower(s)"):
        agrees(expression, given)
