from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from rondo.errors import DeclarationError, RowError
from rondo.sql.engine import connect, describe
from rondo.sql.scalars import SUPPORTED, compile_scalar, scalar_of

ZONE = "America/New_York"
TYPES = {
    "i": "INTEGER",
    "d": "DOUBLE",
    "s": "VARCHAR",
    "t": "TIMESTAMP WITH TIME ZONE",
    "l": "TIMESTAMP",
    "day": "DATE",
    "m": "DECIMAL(9,2)",
    "Two words": "INTEGER",
}


def test_columns_type_and_value() -> None:
    scalar = compile_scalar('I + "two words" * 2', TYPES, ZONE)
    assert (scalar.columns, scalar.type) == (("i", "Two words"), "INTEGER")
    assert scalar({"i": 1, "Two words": 3}) == 7
    assert scalar({"i": 1}) is None


@pytest.mark.parametrize(
    "expression", ["i / 2", "i // 2", "d > i", "s || i", "m * 2", "hour(t)", "l + interval 1 day", "sign(d)"]
)
def test_the_type_is_what_duckdb_describes(expression: str) -> None:
    row = ", ".join(f'null::{kind} as "{name}"' for name, kind in TYPES.items())
    [described] = describe(connect(timezone=ZONE), f"select {expression} from (select {row})").values()
    assert compile_scalar(expression, TYPES, ZONE).type == described


def test_times_are_of_the_projects_zone() -> None:
    late = datetime(2013, 7, 2, 2, 30, tzinfo=UTC)
    assert compile_scalar("dayofweek(t) * 100 + hour(t)", TYPES, ZONE)({"t": late}) == 122
    assert compile_scalar("dayofweek(t) * 100 + hour(t)", TYPES, "UTC")({"t": late}) == 202
    assert compile_scalar("t::date", TYPES, ZONE)({"t": late}) == date(2013, 7, 1)
    assert compile_scalar("t::timestamp", TYPES, ZONE)({"t": late}) == late


def test_a_naive_time_is_read_in_the_zone() -> None:
    assert compile_scalar("t", TYPES, ZONE)({"t": datetime(2013, 7, 1, 22)}) == datetime(2013, 7, 2, 2, tzinfo=UTC)
    assert compile_scalar("hour(l)", TYPES, ZONE)({"l": datetime(2013, 7, 1, 22)}) == 22


def test_decimals_go_in_and_come_out_as_numbers() -> None:
    scalar = compile_scalar("m * 3", TYPES, ZONE)
    assert [scalar({"m": value}) for value in (0.1, Decimal("0.10"), 2, None)] == [0.3, 0.3, 6.0, None]


@pytest.mark.parametrize(
    ("expression", "row", "message"),
    [
        ("i + 1", {"i": 2**31 - 1}, "out of the range of INTEGER"),
        ("i + 1", {"i": 2**31}, "out of the range of INTEGER"),
        ("i + 1", {"i": "1"}, "i: '1' is not of type INTEGER"),
        ("i + 1", {"i": True}, "i: True is not of type INTEGER"),
        ("s || 'x'", {"s": 1}, "s: 1 is not of type VARCHAR"),
        ("d::int", {"d": math.nan}, "out of the range"),
        ("day + 1", {"day": datetime(2013, 1, 1)}, "not a date"),
        ("t + interval 1 day", {"t": datetime(9999, 12, 31, tzinfo=UTC)}, "cannot be computed"),
        ("m", {"m": 1e9}, "too wide"),
        ("m", {"m": math.inf}, "no decimal"),
    ],
)
def test_a_value_that_does_not_fit_is_a_row_error(expression: str, row: dict[str, object], message: str) -> None:
    with pytest.raises(RowError, match=message):
        compile_scalar(expression, TYPES, ZONE)(row)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("regexp_matches(s, 'a')", r"regexp_matches\(VARCHAR, VARCHAR\) is not among .* There are: .*date_trunc"),
        ("random()", r"random\(\) is not among"),
        ("now()", r"now\(\) is not among"),
        ("s::int", "cast from VARCHAR to INTEGER"),
        ("s::timestamp", "cast from VARCHAR to TIMESTAMP"),
        ("t - t", r"-\(TIMESTAMP WITH TIME ZONE"),
        ("interval 1 day", "result of type INTERVAL"),
        ("date_diff('day', t, t)", "date_diff"),
        ("date_trunc(s, t)", "date_trunc"),
        ("s like s", "~~"),
        ("[i]", "list_value|LIST"),
        ("sum(i)", "no function of one row"),
        ("row_number() over ()", "no function of one row"),
        ("(select 1)", "no function of one row"),
        ("nope + 1", "no column 'nope' .* there are: i, d, s, t"),
        ("lower(i)", "cannot be computed"),
        ("i +", "not SQL"),
        ("i, d", "not one expression"),
        ("t > 'soon'", "cannot be computed"),
        ("i = $1", "not one expression"),
    ],
)
def test_what_cannot_be_compiled_is_refused_in_words(expression: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        compile_scalar(expression, TYPES, ZONE)


def test_a_column_of_another_type_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"type LIST of 'x'|type INTEGER\[\]"):
        compile_scalar("x is null", {"x": "INTEGER[]"}, ZONE)


def test_a_document_brings_the_scalar_back_without_duckdb() -> None:
    scalar = compile_scalar("case when t > '2013-01-01' then d * 0.5 + epoch(t) else i end", TYPES, ZONE)
    text = json.dumps(scalar.document())
    row = {"t": datetime(2013, 7, 1, tzinfo=UTC), "d": 3.0, "i": None}
    assert scalar_of(json.loads(text))(row) == scalar(row)
    code = (
        "import sys, json; from rondo.sql.scalars import scalar_of; scalar_of(json.load(sys.stdin));"
        "print('duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_supported_name_compiles() -> None:
    """The table is what the documentation shows: nothing in it may be refused, and nothing be told twice."""
    names = [name for name, _ in SUPPORTED]
    assert len(set(names)) == len(names)
    written = {
        "1, 2.5, 'text', true, null, date '2013-01-31', timestamp '…', timestamptz '…'": [
            *("1", "2.5", "'text'", "true", "null", "date '2013-01-31'", "i"),
            *("timestamp '2013-01-31 10:00:00'", "timestamptz '2013-01-31 10:00:00+02'"),
        ],
        "+ - *": ["i + i", "i - d", "m * 2", "-d"],
        "/": ["i / 2"],
        "//": ["i // 2", "d // 2"],
        "%": ["i % 2", "mod(d, 2)"],
        "= <> < <= > >=": ["i = 1", "s <> 'a'", "d < 1", "t <= t", "i != 2"],
        "and or not": ["i > 1 and not (d > 1 or s is null)"],
        "is [not] null, is [not] distinct from": ["s is not null", "d is not distinct from i"],
        "in (…), between … and …": ["s in ('a', 'b')", "d not between 1 and 2"],
        "case … when … then … else … end, if": ["case i when 1 then 2 else 3 end", "if(d > 1, 'a', s)"],
        "coalesce, ifnull, nullif": ["coalesce(d, i)", "ifnull(s, '')", "nullif(i, 0)"],
        "greatest, least": ["greatest(i, d)", "least(t, l)"],
        "abs, sign, floor, ceil, trunc": ["abs(m)", "sign(d)", "floor(d)", "ceil(m)", "trunc(d)"],
        "round(x), round(x, n)": ["round(d)", "round(d, -2)", "round(m, 1)", "round(i)"],
        "sqrt, ln, log10, exp, pow, sin, cos": [
            "sqrt(i)",
            "ln(d)",
            "log10(d)",
            "exp(d)",
            "pow(d, 2)",
            "sin(d)",
            "cos(d)",
        ],
        "cast(x as …), x::…, try_cast": ["cast(d as integer)", "t::date", "try_cast(d as tinyint)", "i::varchar"],
        "lower, upper, length": ["lower(s)", "upper(s)", "length(s)"],
        "trim, ltrim, rtrim": ["trim(s)", "ltrim(s, '0')", "rtrim(s)"],
        "substr, left, right": ["substr(s, 2, 3)", "left(s, 1)", "right(s, 1)"],
        "||, concat": ["s || i", "concat(s, i)"],
        "like": ["s like 'a%_'"],
        "starts_with, ends_with, contains, replace": [
            "starts_with(s, 'a')",
            "ends_with(s, 'a')",
            "contains(s, 'a')",
            "replace(s, 'a', 'b')",
        ],
        "year, quarter, month, week, day, hour, minute, second": [
            f"{part}({time})"
            for part in ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
            for time in ("t", "l", "day")
        ],
        "dayofweek, isodow, dayofyear": ["dayofweek(t)", "isodow(day)", "dayofyear(l)"],
        "date_part('…', t), extract(… from t)": ["date_part('dow', t)", "extract(hour from l)"],
        "date_trunc('…', t)": ["date_trunc('hour', t)", "date_trunc('week', day)"],
        "date_diff('…', a, b)": ["date_diff('day', day, t::date)", "date_diff('hour', t, t)"],
        "epoch(t)": ["epoch(t) - epoch(l)"],
        "t + interval …, t - interval …": ["t + interval 75 minute", "l - interval '1 month'", "t + interval (i) day"],
        "d + n, d - n, d - d": ["day + i", "day - 1", "day - day"],
    }
    assert list(written) == names
    for expression in [example for examples in written.values() for example in examples]:
        compile_scalar(expression, TYPES, ZONE)({})
