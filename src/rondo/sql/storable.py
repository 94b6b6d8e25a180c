"""Making a query's columns writable as a Delta table, which knows fewer types than DuckDB, without silent changes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rondo.errors import BuildError
from rondo.sql.engine import literal, quote

_KEPT = frozenset(
    ["BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "BLOB", "DATE"]
) | {"TIMESTAMP WITH TIME ZONE"}
_CAST = {
    "UTINYINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)",
    "HUGEINT": "DECIMAL(38,0)",
    "UHUGEINT": "DECIMAL(38,0)",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_S": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_MS": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_NS": "TIMESTAMP WITH TIME ZONE",
    "UUID": "VARCHAR",
    "JSON": "VARCHAR",
    '"NULL"': "INTEGER",
    "NULL": "INTEGER",
}
_ADVICE = {
    "TIME": "::varchar, or hour(…) and minute(…)",
    "TIME_NS": "::varchar",
    "TIME WITH TIME ZONE": "::varchar",
    "INTERVAL": " as seconds: epoch(…)",
    "BIT": "::varchar",
    "MAP": " as a list: map_entries(…)",
    "UNION": "::varchar, or one column a member",
}
_WALL_TIMES = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
_MAY_BE_INFINITE = _WALL_TIMES | {"DATE", "TIMESTAMP WITH TIME ZONE"}


def storable_projection(columns: Mapping[str, str], timezone: str) -> list[str]:
    """The select list that gives the columns (name to DuckDB type) types that a Delta table stores unchanged.

    A time without zone becomes the moment it means in `timezone`, to the microsecond; an unsigned whole number the next
    wider signed one; HUGEINT a DECIMAL(38,0); ENUM, UUID and JSON become VARCHAR, a column of nulls alone INTEGER.
    Lists and structs are kept, their elements treated alike. Raises BuildError, naming column and cast, for TIME,
    INTERVAL, BIT, MAP, UNION and whatever else has no counterpart; an infinite date fails when the query runs.
    """
    return [_projected(name, type_, timezone) for name, type_ in columns.items()]


def storable_type(type_: str) -> str | None:
    """The DuckDB type that a column of this type is stored as; None where there is none."""
    if type_ in _KEPT or re.fullmatch(r"DECIMAL\(\d+,\s*\d+\)", type_):
        return type_
    if type_ in _CAST:
        return _CAST[type_]
    if match := re.fullmatch(r"(.+)\[\d*\]", type_, re.DOTALL):
        element = storable_type(match[1])
        return None if element is None else f"{element}[]"
    if type_.startswith("ENUM("):
        return "VARCHAR"
    if type_.startswith("STRUCT(") and type_.endswith(")"):
        members = [(name, storable_type(member)) for name, member in _members(type_[len("STRUCT(") : -1])]
        if not members or any(member is None for _, member in members):
            return None
        return "STRUCT(" + ", ".join(f"{name} {member}" for name, member in members) + ")"
    return None


def _projected(name: str, type_: str, timezone: str) -> str:
    target, column = storable_type(type_), quote(name)
    if target is None:
        family = type_.partition("(")[0]
        advice = _ADVICE.get(family, "::varchar")
        raise BuildError(
            f"Column {name!r} is of type {type_}, which a stored table cannot hold.",
            next_step=f"Cast it in the query, {name}{advice}." if advice.startswith("::") else f"Write it{advice}.",
            facts={"column": name, "type": type_},
        )
    value = column
    if type_ in _MAY_BE_INFINITE:
        message = f"Column {name} holds an infinite date or time, which a stored table cannot hold"
        value = f"if(isinf({column}), error({literal(message)}), {column})"
    if type_ in _WALL_TIMES:
        return f"timezone({literal(timezone)}, ({value})::timestamp) as {column}"
    if target != type_:
        return f"({value})::{target} as {column}"
    return column if value == column else f"{value} as {column}"


def _members(text: str) -> list[tuple[str, str]]:
    """The members of a STRUCT: `a INTEGER, "b c" STRUCT(d DATE)` to (name as quoted, type) pairs."""
    members, depth, quoted, start = [], 0, False, 0
    for place, char in enumerate(text):
        if char in "\"'":
            quoted = not quoted
        elif not quoted and char in "([":
            depth += 1
        elif not quoted and char in ")]":
            depth -= 1
        elif not quoted and char == "," and depth == 0:
            members.append(text[start:place])
            start = place + 1
    members.append(text[start:])
    pairs = [re.match(r'\s*("(?:[^"]|"")*"|\S+)\s+(.+)', member, re.DOTALL) for member in members]
    return [(pair[1], pair[2].strip()) for pair in pairs if pair]
