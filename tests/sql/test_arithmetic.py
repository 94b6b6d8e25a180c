"""Numbers: operators and functions: each expression is computed by DuckDB, too, over rows with every edge in reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXPRESSIONS = [
    "i+j",
    "i-j",
    "i*j",
    "b*b",
    "b+i",
    "k+k",
    "k+1",
    "u+1",
    "u-u",
    "h+1",
    "h*2",
    "-i",
    "-k",
    "-d",
    "+d",
    "abs(i)",
    "abs(d)",
    "abs(m)",
    "abs(k)",
    "i/j",
    "i//j",
    "i%j",
    "b//b",
    "b%i",
    "mod(i,3)",
    "i//0",
    "i%0",
    "d//0",
    "d+x",
    "d-x",
    "d*x",
    "d/x",
    "d//x",
    "d%x",
    "d+i",
    "d*0.5",
    "i*0.5",
    "i*0.5+1",
    "m+1",
    "m*2",
    "m*m",
    "m+n",
    "n*n",
    "-m",
    "m-n",
    "m/2",
    "w+1",
    "f+1",
    "f*f",
    "f/f",
    "f*d",
    "-f",
    "round(d)",
    "round(d,1)",
    "round(d,2)",
    "round(d,-1)",
    "round(d,-2)",
    "round(x/7,3)",
    "round(i)",
    "round(m)",
    "round(m,1)",
    "round(n,2)",
    "floor(d)",
    "ceil(d)",
    "trunc(d)",
    "floor(i)",
    "floor(m)",
    "ceil(m)",
    "ceiling(n)",
    "sqrt(d)",
    "sqrt(i)",
    "ln(d)",
    "log10(d)",
    "log(d)",
    "exp(d)",
    "exp(x/1000)",
    "pow(d,2)",
    "pow(d,x)",
    "pow(d,0.5)",
    "d**3",
    "d^2",
    "sin(d)",
    "cos(d)",
    "sin(x/100)",
    "sign(d)",
    "sign(i)",
    "sign(m)",
    "ln(1 + abs(x))",
    "1 + 1",
    "2147483647 + 1",
    "sqrt(2)",
    "i + pow(2, 3) * ln(abs(d) + 1) - round(x, 1) / 3",
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
