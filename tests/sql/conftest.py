"""DuckDB as the judge: every compiled expression must give what DuckDB gives, row by row, to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import strategies as st

from rondo.errors import RondoError, RowError
from rondo.sql.arithmetic import WHOLE, to_single
from rondo.sql.engine import connect, literal, run
from rondo.sql.scalars import Scalar, compile_scalar, scalar_of

Row = Mapping[str, object]

TYPES = {
    **dict.fromkeys("ij", "INTEGER"),
    "b": "BIGINT",
    "k": "TINYINT",
    "u": "UINTEGER",
    "h": "HUGEINT",
    **dict.fromkeys("dx", "DOUBLE"),
    "f": "FLOAT",
    "m": "DECIMAL(9,2)",
    "n": "DECIMAL(18,4)",
    "w": "DECIMAL(38,3)",
    **dict.fromkeys("pq", "BOOLEAN"),
    **dict.fromkeys("sz", "VARCHAR"),
    "e": "ENUM('a', 'b', 'é')",
    **dict.fromkeys(["t", "v"], "TIMESTAMP WITH TIME ZONE"),
    "l": "TIMESTAMP",
    **dict.fromkeys(["day", "other"], "DATE"),
}
ALPHABET = "aAbB éÉßİıΣςσ한국ﬁǆ%_\\ \t\u3000\xa0👨\u200d👩x.*'"
SWITCHES = [  # around which clocks are set somewhere: New York, London, Lord Howe, São Paulo, Beirut
    datetime(2013, 3, 10, 7, tzinfo=UTC),
    datetime(2013, 11, 3, 6, tzinfo=UTC),
    datetime(2013, 3, 31, 1, tzinfo=UTC),
    datetime(2013, 10, 27, 1, tzinfo=UTC),
    datetime(2013, 4, 6, 15, tzinfo=UTC),
    datetime(2013, 10, 5, 15, 30, tzinfo=UTC),
    datetime(2013, 10, 20, 3, tzinfo=UTC),
    datetime(2013, 12, 31, 5, tzinfo=UTC),
]


def _whole(bits: int, low: int | None = None) -> st.SearchStrategy[int]:
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if low is None else (low, 2**bits - 1)
    return st.integers(max(least, -12), 12) | st.sampled_from([least, most, most - 1]) | st.integers(least, most)


_DOUBLES = (
    st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, math.nan, math.inf, -math.inf, 9.3e18])
    | st.integers(-10_000, 10_000).map(lambda n: n / 100)
    | st.floats(-1e6, 1e6)
    | st.floats()
)
_MOMENTS = st.builds(
    lambda switch, minutes, micros: switch + timedelta(minutes=minutes, microseconds=micros),
    st.sampled_from(SWITCHES),
    st.integers(-300, 300),
    st.sampled_from([0, 0, 1, 500_000]) | st.integers(0, 10**8),
) | st.datetimes(datetime(1905, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC))
_TEXTS = st.text(ALPHABET, max_size=6) | st.sampled_from(["", "abc", "a", "  a b "])

_BY_TYPE: dict[str, st.SearchStrategy[object]] = {
    "INTEGER": _whole(32),
    "BIGINT": _whole(64),
    "TINYINT": _whole(8),
    "UINTEGER": _whole(32, 0),
    "HUGEINT": _whole(100),
    "DOUBLE": _DOUBLES,
    "FLOAT": st.floats(width=32),
    "DECIMAL(9,2)": st.decimals(-(10**7) + 1, 10**7 - 1, places=2),
    "DECIMAL(18,4)": st.decimals(-(10**8), 10**8, places=4),
    "DECIMAL(38,3)": st.integers(-(10**30), 10**30).map(lambda n: Decimal(n).scaleb(-3)),
    "BOOLEAN": st.booleans(),
    "VARCHAR": _TEXTS,
    "ENUM('a', 'b', 'é')": st.sampled_from("abé"),
    "TIMESTAMP WITH TIME ZONE": _MOMENTS,
    "TIMESTAMP": _MOMENTS,
    "DATE": _MOMENTS.map(datetime.date),
}


def rows(columns: Sequence[str]) -> st.SearchStrategy[list[dict[str, object]]]:
    """Rows with these columns of TYPES."""
    row = st.fixed_dictionaries({name: st.none() | _BY_TYPE[TYPES[name]] for name in columns})
    return st.lists(row, min_size=1, max_size=12)


def _edges(type_: str) -> list[object]:
    """The values of a type at which something happens, and null."""
    if type_ in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "DATE"):
        around = [timedelta(minutes=minutes) for minutes in (-90, -60, -30, 0, 29, 30, 60, 90)]
        moments = [switch + step - timedelta(days=days) for switch in SWITCHES for step in around for days in (0, 1)]
        moments += [datetime(2013, month, 28, 17, 59, 4 + month, 77_367 * month, UTC) for month in range(1, 13)]
        moments += [
            datetime(*day, 22, 30, tzinfo=UTC) for day in ((2012, 2, 29), (2013, 1, 30), (2013, 5, 31), (1969, 12, 31))
        ]
        return [None, *(sorted({moment.date() for moment in moments}) if type_ == "DATE" else moments)]
    if type_ in WHOLE:
        low, high = WHOLE[type_]
        return [None, *sorted({low, low + 1, max(low, -3), max(low, -1), 0, 1, 2, 3, 7, 100, high - 1, high})]
    halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994, 1.005, 2147483646.5, 3e9, -129.0]
    texts = [
        "",
        "a",
        "abc",
        " abé ",
        "Straße",
        "İıσς",
        "한국어",
        "a%_\\",
        "A'b",
        "x.\n*",
        "bab",
        "\u3000é\xa0",
        "👨\u200d👩",
    ]
    return {
        "DOUBLE": [None, 0.0, -0.0, *halves, math.nan, math.inf, -math.inf, 9.3e18, 1e300, 5e-324, -7.25, 720.0],
        "FLOAT": [None, 0.0, -0.0, 0.5, 1.5, -2.5, math.nan, math.inf, 16777216.0, 3e38, to_single(0.1)],
        "BOOLEAN": [None, True, False],
        "VARCHAR": [None, *texts],
        "ENUM('a', 'b', 'é')": [None, "a", "b", "é"],
    }.get(type_) or [
        None,
        *(Decimal(text) for text in ("0", "0.49", "0.50", "-0.50", "1.25", "-1.35", "99999.99", "-2.5")),
    ]


def edge_rows(columns: Sequence[str]) -> list[dict[str, object]]:
    """Every combination of the columns' edges, or a fixed choice of 160 of them."""
    lists = [_edges(TYPES[name]) for name in columns]
    places = range(math.prod(map(len, lists)))
    chosen = places if len(places) <= 160 else sorted(Random(0).sample(places, 160))
    given = []
    for number in chosen:
        row, place = {}, number
        for name, values in zip(columns, lists, strict=True):
            row[name] = values[place % len(values)]
            place //= len(values)
        given.append(row)
    return given


@cache
def _session(timezone: str) -> DuckDBPyConnection:
    return connect(timezone=timezone, threads=1)


@cache
def compiled(expression: str, timezone: str) -> Scalar:
    """The scalar over TYPES, after a journey through its document."""
    return scalar_of(compile_scalar(expression, TYPES, timezone).document())


def by_duckdb(scalar: Scalar, given: Sequence[Row], timezone: str) -> list[object]:
    """What DuckDB gives for each row: a value or an error."""
    shown = {"TIMESTAMP": f"({scalar.expression})::timestamptz"}
    text = f"({scalar.expression})::double" if scalar.type.startswith("DECIMAL") else f"({scalar.expression})"
    columns = scalar.columns or ("i",)
    values = ", ".join(
        "(" + ", ".join([str(place), *(_written(row.get(name), TYPES[name]) for name in columns)]) + ")"
        for place, row in enumerate(given)
    )
    query = (
        f"select {shown.get(scalar.type, text)} from (values {values}) t(_place, {', '.join(columns)}) order by _place"
    )
    try:
        return [value for (value,) in run(_session(timezone), query)]
    except RondoError as error:
        half = len(given) // 2
        parts = (given[:half], given[half:]) if half else ()
        return [value for part in parts for value in by_duckdb(scalar, part, timezone)] or [error]


def _written(value: object, type_: str) -> str:
    text = literal(str(value) if isinstance(value, Decimal) else value)
    return f"({text})::timestamptz::timestamp" if type_ == "TIMESTAMP" else f"({text})::{type_}"


def _same(ours: object, theirs: object) -> bool:
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        return isinstance(ours, RowError) and isinstance(theirs, RondoError)
    if isinstance(ours, float) and isinstance(theirs, float):
        both_nan = ours != ours and theirs != theirs
        return both_nan or (ours == theirs and math.copysign(1, ours) == math.copysign(1, theirs))
    return type(ours) is type(theirs) and ours == theirs


@pytest.fixture(scope="session")
def agrees() -> Callable[..., None]:
    """Fails where a compiled expression and DuckDB differ on a row: on any of the edges, if none are given."""

    def check(expression: str, given: Sequence[Row] | None = None, timezone: str = "America/New_York") -> None:
        scalar = compiled(expression, timezone)
        given = edge_rows(scalar.columns) if given is None else given
        for row, theirs in zip(given, by_duckdb(scalar, given, timezone), strict=True):
            ours: object
            try:
                ours = scalar(row)
            except RowError as error:
                ours = error
            assert _same(ours, theirs), f"{expression} over {row}: DuckDB {theirs!r}, compiled {ours!r}"

    return check


@pytest.fixture(scope="session")
def draw_rows() -> Callable[[st.DataObject, str, str], list[dict[str, object]]]:
    """Draws rows with the columns that an expression reads."""

    def draw(data: st.DataObject, expression: str, timezone: str = "America/New_York") -> list[dict[str, object]]:
        return data.draw(rows(compiled(expression, timezone).columns))

    return draw
