"""The checks of a table: row conditions in one scan, doubled groups and absent references beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rondo.errors import DeclarationError, RondoError
from rondo.project.checks import Check
from rondo.records.tables import Checked
from rondo.sql.engine import describe, literal, quote, run
from rondo.sql.parsing import columns_of
from rondo.stats.distances import population_stability_index

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLE_ROWS = 200_000
"""A distribution is compared on at most about this many rows a side, evenly spaced."""


@dataclass(frozen=True)
class Examined:
    """What checks look at: a relation with its key, the tables it refers to, and the last good version.

    `references` maps a table's name to a relation. `landed` is set for a source with a key, whose later rows are
    revisions: its rows as they landed, in which a key that stands twice is doubled only within `landed_within`.
    """

    relation: str
    key: tuple[str, ...] = ()
    references: Mapping[str, str] | None = None
    previous: str | None = None
    landed: str | None = None
    landed_within: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None


def run_checks(con: DuckDBPyConnection, examined: Examined, checks: Sequence[Check]) -> list[Checked]:
    """What each check finds, in their order.

    A condition that is null passes; so does a null reference, and nulls never double one another. A check of rows
    that saw no rows has failed. Raises DeclarationError for a check that cannot be evaluated.
    """
    plain = [check for check in checks if check.kind in ("condition", "not_null", "in_table")]
    columns = describe(con, f"select * from {examined.relation}")
    [[any_row]] = run(con, f"select exists (from {examined.relation})")
    for check in checks:
        _bind(con, examined, check, columns, typed=bool(any_row))
    if not any_row:  # nor are there types to evaluate a condition with, where a file has but its header
        return [_checked(con, examined, check, 0, 0) for check in checks]
    counts = ", ".join(f"count(*) filter (where f{n})" for n in range(len(plain)))
    flags = ", ".join(f"{_fails(check, examined)} as f{n}" for n, check in enumerate(plain))
    query = f"select count(*), {counts} from (select {flags} from {examined.relation})"
    answer = _answer(con, examined, plain, query if plain else f"select count(*) from {examined.relation}")
    rows, failed = answer[0], dict(zip(map(id, plain), answer[1:], strict=True))
    for check in checks:
        if check.kind == "unique":
            [[doubled]] = run(con, f"select coalesce(sum(n), 0)::bigint from {_doubled(check, examined, count=True)}")
            failed[id(check)] = int(str(doubled))
    return [_checked(con, examined, check, rows, failed.get(id(check), 0)) for check in checks]


def failing_rows(examined: Examined, checks: Sequence[Check]) -> str:
    """A relation: the rows that fail a check of rows, with `check_name`, the text of the first that they fail."""
    of_rows = [check for check in checks if check.of_rows]
    cases = " ".join(f"when {_fails(check, examined)} then {literal(check.text)}" for check in of_rows)
    rows = examined.landed or examined.relation
    return f"(select * from (select *, case {cases} end as check_name from {rows}) where check_name is not null)"


def passing_rows(examined: Examined, checks: Sequence[Check]) -> str:
    """A relation: the rows that fail no check of rows."""
    fails = " or ".join(_fails(check, examined) for check in checks if check.of_rows)
    return f"(select * from {examined.relation} where not ({fails}))"


def unique_columns(check: Check, key: Sequence[str]) -> tuple[str, ...]:
    """The columns of a `unique` check: its own, or the key."""
    return check.columns or tuple(key)


def _fails(check: Check, examined: Examined) -> str:
    """SQL, true where a row fails the check; never null."""
    if check.kind == "condition":
        return f"coalesce(not ({check.condition}\n), false)"
    if check.kind == "not_null":
        return "(" + " or ".join(f"{quote(column)} is null" for column in check.columns) + ")"
    if check.kind == "in_table":
        absent = []
        for column, table, other in check.references:
            there = f"select {quote(other)} from {_reference(check, table, examined)} where {quote(other)} is not null"
            absent.append(f"coalesce({quote(column)} not in ({there}), false)")
        return "(" + " or ".join(absent) + ")"
    columns = ", ".join(quote(c) for c in (*unique_columns(check, examined.key), *_within(check, examined)))
    return f"coalesce(({columns}) in (select ({columns}) from {_doubled(check, examined)}), false)"


def _within(check: Check, examined: Examined) -> tuple[str, ...]:
    """For a source with a key: what a doubled key is doubled within."""
    covers = examined.landed is not None and set(examined.key) <= set(unique_columns(check, examined.key))
    return examined.landed_within if covers else ()


def _doubled(check: Check, examined: Examined, *, count: bool = False) -> str:
    """The groups that stand more than once, those with a null left out, as SQL's own unique does."""
    columns, within = unique_columns(check, examined.key), _within(check, examined)
    present = " and ".join(f"{quote(column)} is not null" for column in columns)
    names = ", ".join(quote(column) for column in (*columns, *within))
    relation = examined.landed if within else examined.relation
    shown = "count(*) as n" if count else names
    return f"(select {shown} from {relation} where {present} group by {names} having count(*) > 1)"


def _reference(check: Check, table: str, examined: Examined) -> str:
    if table not in (examined.references or {}):
        raise DeclarationError(
            f"The check {check.text!r} refers to {table!r}, which is no table that was built.",
            next_step="Name a source or a table of the project.",
            file=examined.file,
            line=examined.line,
        )
    return (examined.references or {})[table]


def _bind(
    con: DuckDBPyConnection, examined: Examined, check: Check, columns: Mapping[str, str], *, typed: bool
) -> None:
    """Refuse a check that names what is not there, or a condition that is not one."""
    there = {name.casefold() for name in columns}

    def refuse(why: str) -> DeclarationError:
        return DeclarationError(
            f"The check {check.text!r} cannot be evaluated: {why}. The columns are: {', '.join(columns)}.",
            next_step="Mend the check, or the columns of the query.",
            file=examined.file,
            line=examined.line,
        )

    named = check.columns or (examined.key if check.kind == "unique" else ())
    named += tuple(c for c, _, _ in check.references) + tuple(c for c, _ in check.limits)
    if check.condition is not None:
        try:
            read = columns_of(check.condition)
        except DeclarationError as error:
            raise refuse(error.message.rstrip(".")) from error
        named += () if typed else read
    if missing := [column for column in named if column.casefold() not in there]:
        raise refuse(f"there is no column {missing[0]!r}")
    if check.kind == "unique" and not named:
        raise refuse("it names no columns and there is no key")
    if check.kind not in ("condition", "in_table") or not typed:
        return
    try:
        expression = f"({check.condition}\n)" if check.condition is not None else _fails(check, examined)
        [kind] = describe(con, f"select {expression} as holds from {examined.relation}").values()
    except RondoError as error:
        if isinstance(error, DeclarationError) and error.file is not None:
            raise
        raise refuse(error.message.rstrip(".")) from error
    if kind not in ("BOOLEAN", '"NULL"'):
        raise refuse(f"it gives {kind}, not true or false")


def _answer(con: DuckDBPyConnection, examined: Examined, plain: Sequence[Check], query: str) -> tuple[int, ...]:
    try:
        [answer] = run(con, query)
    except RondoError as error:
        for check in plain:  # which of them it was
            try:
                run(con, f"select count(*) filter (where {_fails(check, examined)}) from {examined.relation}")
            except RondoError:
                raise DeclarationError(
                    f"The check {check.text!r} cannot be evaluated: {error.message}",
                    next_step="Write the condition so that it holds for every value, with try_cast for example.",
                    file=examined.file,
                    line=examined.line,
                ) from error
        raise
    return tuple(int(str(value)) for value in answer)


def _checked(con: DuckDBPyConnection, examined: Examined, check: Check, rows: int, failed: int) -> Checked:
    if check.kind == "row_count":
        few = check.minimum is not None and rows < check.minimum
        bad = few or (check.maximum is not None and rows > check.maximum)
    elif check.kind == "distribution":
        bad = any(_moved(con, examined, column, limit) for column, limit in check.limits)
    else:
        bad = failed > 0 or rows == 0
    return Checked(text=check.text, state="failed" if bad else "passed", rows=rows, failed=failed)


def _moved(con: DuckDBPyConnection, examined: Examined, column: str, limit: float) -> bool:
    """Whether a column's distribution left the last good version's; there is nothing to leave without one."""
    if examined.previous is None or column not in describe(con, f"select * from {examined.previous}"):
        return False
    before, after = (_values(con, relation, column) for relation in (examined.previous, examined.relation))
    index = population_stability_index(before, after, draws=2, seed=0).value
    return index is not None and index > limit


def _values(con: DuckDBPyConnection, relation: str, column: str) -> npt.NDArray[np.generic]:
    """About `SAMPLE_ROWS` values, evenly spaced: numbers as floats, moments as seconds, the rest as text."""
    [[rows]] = run(con, f"select count(*) from {relation}")
    [kind] = describe(con, f"select {quote(column)} from {relation}").values()
    numeric = kind.startswith("DECIMAL") or kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE")
    value = quote(column)
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        value, numeric = f"epoch({value})", True
    value = f"coalesce({value}::double, 'nan'::double)" if numeric else f"{value}::varchar"
    step = max(1, int(str(rows)) // SAMPLE_ROWS)
    every = f"select {value} as value, row_number() over () as place from {relation}"
    values = [row[0] for row in run(con, f"select value from ({every}) where place % {step} = 0")]
    return np.array(values, dtype=np.float64 if numeric else object)
