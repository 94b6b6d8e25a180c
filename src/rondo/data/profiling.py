"""What a table's columns hold: one scan for the plain facts, a sample for quantiles and frequent values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from rondo.features.signature import kind_of
from rondo.records.tables import ColumnProfile, Scalar, Top
from rondo.sql.engine import literal, quote, run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EXACT_ROWS = 200_000
"""Up to so many rows everything is exact. Above, distinct values are estimated (HyperLogLog, Flajolet et al., 2007),
and quantiles and frequent values come from about so many rows, evenly spaced, with counts scaled up."""
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP = 5
BARS = 24
TAIL = 0.5
"""So far beyond the 5th and the 95th percentile, in what lies between them, bars reach; the outermost hold the rest."""
GROUP_COLUMNS = 30
"""Columns profiled together: DuckDB takes long to plan a query over very many."""


def profile(con: DuckDBPyConnection, relation: str, columns: Mapping[str, str]) -> list[ColumnProfile]:
    """A profile of each column (name to SQL type) of a relation, in the order given.

    Values are safe for JSON: moments in ISO form, NaN and infinity as None. A column of lists or structs has only its
    nulls counted.
    """
    [[rows]] = run(con, f"select count(*) from {relation}")
    total, names = int(str(rows)), list(columns)
    profiles: list[ColumnProfile] = []
    for start in range(0, len(names), GROUP_COLUMNS):
        profiles += _profiles(con, relation, {n: columns[n] for n in names[start : start + GROUP_COLUMNS]}, total)
    return profiles


def _profiles(
    con: DuckDBPyConnection, relation: str, columns: Mapping[str, str], total: int
) -> Iterator[ColumnProfile]:
    exact = total <= EXACT_ROWS
    step = 1 if exact else total // EXACT_ROWS
    names = ", ".join(map(quote, columns))
    placed = f"(select {names}, row_number() over () as _place from {relation})"
    sample = relation if exact else f"{placed} where _place % {step} = 0"
    con.sql(f"create or replace temp table _profiled as select {names} from {sample}")
    seen = "_profiled" if exact else relation
    [facts] = run(con, f"select {', '.join(_facts(n, k, exact) for n, k in columns.items())} from {seen}")
    [spread] = run(con, f"select {', '.join(_quantiles(n, k) for n, k in columns.items())} from _profiled")
    for number, (name, kind) in enumerate(columns.items()):
        nulls, distinct, least, greatest, mean = facts[5 * number : 5 * number + 5]
        frequent = _frequent(con, name, kind, step) if nulls != total else None
        bars = _bars(con, name, kind, step, least, greatest, spread[number], frequent)
        yield _column(name, kind, nulls, distinct, least, greatest, mean, spread[number], frequent, bars)
    con.sql("drop table _profiled")


def _facts(name: str, kind: str, exact: bool) -> str:
    """Five expressions: nulls, distinct, least, greatest, mean."""
    column, sort = quote(name), kind_of(kind)
    nulls = f"count(*) - count({column})"
    if sort == "other":
        return f"{nulls}, null, null, null, null"
    distinct = f"count(distinct {column})" if exact else f"approx_count_distinct({column})"
    finite = f" filter (isfinite({column}::double))" if kind in ("DOUBLE", "FLOAT") else ""
    mean = (
        f"avg({column}::double){finite}" if sort == "number" else f"avg({column}::int)" if sort == "boolean" else "null"
    )
    return f"{nulls}, {distinct}, min({column}){finite}, max({column}){finite}, {mean}"


def _quantiles(name: str, kind: str) -> str:
    column, sort = quote(name), kind_of(kind)
    if sort == "number":
        finite = f" filter (isfinite({column}::double))" if kind in ("DOUBLE", "FLOAT") else ""
        return f"quantile_cont({column}::double, {list(SHARES)}){finite}"
    return f"quantile_disc({column}, {list(SHARES)})" if sort == "moment" else "any_value(null)"


def _frequent(con: DuckDBPyConnection, name: str, kind: str, step: int) -> list[Top] | None:
    """The most frequent values, ties by value."""
    if kind_of(kind) == "other":
        return None
    column = quote(name)
    counted = f"select {column}, count(*) as n from _profiled where {column} is not null group by 1"
    rows = run(con, f"{counted} order by 2 desc, 1 limit {BARS}")
    return [Top(value=_plain(value), count=int(str(n)) * step) for value, n in rows]


def _bars(
    con: DuckDBPyConnection,
    name: str,
    kind: str,
    step: int,
    least: object,
    greatest: object,
    quantiles: object,
    frequent: list[Top] | None,
) -> list[int] | None:
    """How values are spread: see `ColumnProfile`."""
    shares = [_place(value) for value in quantiles] if isinstance(quantiles, list | tuple) else []
    ends = _place(least), _place(greatest)
    if not shares or None in (*shares, *ends):
        return None if frequent is None or kind_of(kind) in ("number", "moment") else [each.count for each in frequent]
    least_x, first, last, greatest_x = (float(x) for x in (ends[0], shares[0], shares[-1], ends[1]) if x is not None)
    reach = TAIL * (last - first) or greatest_x - least_x
    low, high = max(least_x, first - reach), min(greatest_x, last + reach)
    whole = kind_of(kind) == "number" and kind not in ("DOUBLE", "FLOAT") and not kind.startswith("DECIMAL")
    if whole:  # bars that hold unequally many whole numbers would draw a pattern that is not there
        low = float(math.floor(low))
        width = float(math.ceil((math.floor(high) - low + 1) / BARS))
        count = math.ceil((math.floor(high) - low + 1) / width)
    else:
        count = BARS if high > low else 1
        width = (high - low) / count or 1.0
    column = quote(name)
    x = f"{column}::double" if kind_of(kind) == "number" else f"epoch({column})"
    at = f"least({count - 1}, greatest(0, floor(({x} - {literal(low)}) / {literal(width)})))::int"
    counted = f"select {at}, count(*) from _profiled where isfinite({x}) group by 1"
    held = {int(str(bar)): int(str(n)) * step for bar, n in run(con, counted)}
    return [held.get(bar, 0) for bar in range(count)]


def _place(value: object) -> float | None:
    """Where a number or a moment lies: moments in seconds since 1970."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    number = float(value) if isinstance(value, int | float | Decimal) else math.nan
    return number if math.isfinite(number) else None


def _column(
    name: str,
    kind: str,
    nulls: object,
    distinct: object,
    least: object,
    greatest: object,
    mean: object,
    quantiles: object,
    frequent: list[Top] | None,
    bars: list[int] | None,
) -> ColumnProfile:
    shares: Sequence[object] = quantiles if isinstance(quantiles, list | tuple) else ()
    average = _plain(mean)
    return ColumnProfile(
        name=name,
        type=kind,
        nulls=int(str(nulls)),
        distinct=None if distinct is None else int(str(distinct)),
        min=_plain(least),
        max=_plain(greatest),
        # the order in which threads add is not fixed: the last bits would differ from run to run
        mean=float(f"{average:.12g}") if isinstance(average, float | int) else None,
        quantiles={f"{share:g}": _plain(value) for share, value in zip(SHARES, shares, strict=True)}
        if shares
        else None,
        top=None if frequent is None else frequent[:TOP],
        bars=bars,
    )


def _plain(value: object) -> Scalar:
    """A value as JSON takes it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)
