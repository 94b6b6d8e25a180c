"""DuckDB as the judge: every compiled expression must give what DuckDB gives, row by row, to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import strategies as st

from rondo.errors import RondoError, RowError
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
        return [error] if len(given) == 1 else [x for row in given for x in by_duckdb(scalar, [row], timezone)]


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
    """Fails where a compiled expression and DuckDB differ on a row."""

    def check(expression: str, given: Sequence[Row], timezone: str = "America/New_York") -> None:
        scalar = compiled(expression, timezone)
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
