"""A scalar expression as DuckDB itself understands it: every name resolved, every implicit cast written out.

DuckDB binds `select expression from a row of these types`, and its plan becomes a small tree that can be stored with
a model and read without DuckDB. So what is served has the meaning that the expression had when it was trained.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from rondo.errors import DeclarationError, RondoError
from rondo.sql.engine import connect, literal, quote, run
from rondo.sql.parsing import columns_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_NOTEQUAL": "<>",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
    "COMPARE_DISTINCT_FROM": "is distinct from",
    "COMPARE_NOT_DISTINCT_FROM": "is not distinct from",
    "COMPARE_IN": "in",
    "COMPARE_NOT_IN": "not in",
    "OPERATOR_NOT": "not",
    "OPERATOR_IS_NULL": "is null",
    "OPERATOR_IS_NOT_NULL": "is not null",
    "OPERATOR_COALESCE": "coalesce",
    "CONJUNCTION_AND": "and",
    "CONJUNCTION_OR": "or",
}
# Constants that are written as text, and how DuckDB gives them back: times as ISO 8601, in UTC where they have a zone.
_FROM_TEXT = {
    "DATE": "::varchar",
    "TIMESTAMP": "::varchar",
    "TIMESTAMP WITH TIME ZONE": " at time zone 'UTC' || ''",
    "INTERVAL": "",
    "BOOLEAN": "",  # DuckDB 1 reads `true` as 't'::boolean
}
_WITH_A_DOMAIN = frozenset({"sqrt", "ln", "log", "log10", "sin", "cos", "round"})
_WORLD_OF_ITS_OWN = "it is computed over a row's columns alone"


@dataclass(frozen=True)
class Bound:
    """One node: a `column`, a `constant`, a `cast` or the name of a function or operator, over `args`.

    `type` is DuckDB's name of the result's type. `value` is a column's name, a constant (a DECIMAL as its digits, an
    INTERVAL as months, days and microseconds, a time as ISO 8601), or whether a cast is a try_cast.
    """

    name: str
    type: str
    args: tuple[Bound, ...] = ()
    value: object = None

    def document(self) -> dict[str, object]:
        """The tree as JSON."""
        return {
            "name": self.name,
            "type": self.type,
            "args": [arg.document() for arg in self.args],
            "value": self.value,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Bound:
        """The tree that `document` wrote."""
        args = tuple(cls.of(arg) for arg in document["args"])
        return cls(document["name"], document["type"], args, document["value"])


def bind(expression: str, types: Mapping[str, str], timezone: str) -> Bound:
    """The expression over a row with columns of these DuckDB types, in a session of this time zone.

    Raises DeclarationError where it is not one scalar expression, names an unknown column, does not fit the types, or
    is no function of the row (aggregates, windows, subqueries).
    """
    spelled = {name.casefold(): name for name in types}
    used = []
    for name in columns_of(expression):
        if name.casefold() not in spelled:
            there = ", ".join(types) or "none"
            raise DeclarationError(
                f"There is no column {name!r} in {expression!r}; there are: {there}.",
                next_step="Use one of these columns.",
            )
        used.append(spelled[name.casefold()])
    row = ", ".join(f"null::{types[name]} as {quote(name)}" for name in used) or "null as nothing"
    plan = _session(timezone).plan(f"select (\n{expression}\n) from (select {row})")
    if plan["error"]:
        reason = str(plan.get("error_message", "")).partition("\n")[0].rstrip(".!")
        raise DeclarationError(f"{expression!r} cannot be computed: {reason}.", next_step="Mend the expression.")
    node = plan["plans"][0]
    source = node["children"][0] if node["children"] else {}
    if node["type"] != "LOGICAL_PROJECTION" or source.get("type") != "LOGICAL_PROJECTION":
        raise DeclarationError(
            f"{expression!r} is no function of one row: {_WORLD_OF_ITS_OWN}.",
            next_step="Compute aggregates, windows and subqueries in a table.",
        )
    return _bound(node["expressions"][0], tuple(used), timezone, expression)


class _Session:
    """One DuckDB session that only binds. Any thread may use it."""

    def __init__(self, timezone: str) -> None:
        self._lock = threading.Lock()
        self._con: DuckDBPyConnection = connect(timezone=timezone, threads=1)

    def plan(self, sql: str) -> dict[str, Any]:
        query = "select json_serialize_plan($1::varchar, optimize := false)"
        with self._lock:
            [[document]] = self._con.execute(query, [sql]).fetchall()
        plan: dict[str, Any] = json.loads(document)
        return plan

    def value(self, constant: str) -> object:
        with self._lock:
            [[value]] = run(self._con, f"select {constant}")
        if isinstance(value, tuple):
            months, days, nanoseconds = value
            return [months, days, nanoseconds // 1000]
        return value


@cache
def _session(timezone: str) -> _Session:
    return _Session(timezone)


def _bound(node: Mapping[str, Any], columns: tuple[str, ...], timezone: str, expression: str) -> Bound:
    def inner(child: Mapping[str, Any]) -> Bound:
        return _bound(child, columns, timezone, expression)

    kind = node["expression_class"]
    if kind in ("BOUND_REF", "BOUND_COLUMN_REF"):
        index = node["index"] if kind == "BOUND_REF" else node["binding"]["column_index"]
        return Bound("column", _type_name(node["return_type"]), value=columns[index])
    if kind == "BOUND_CONSTANT":
        return _constant(node["value"])
    if node["type"] == "OPERATOR_CAST":  # a class of its own in DuckDB 1.5, a function in 2.0
        [child] = [node["child"]] if "child" in node else node["children"]
        lenient = bool(node.get("try_cast", node.get("function_data", {}).get("try_cast", False)))
        return _cast(inner(child), _type_name(node["return_type"]), lenient, timezone, expression)
    if kind == "BOUND_CASE":
        pairs = [inner(check[part]) for check in node["case_checks"] for part in ("when_expr", "then_expr")]
        return Bound("case", _type_name(node["return_type"]), (*pairs, inner(node["else_expr"])))
    if kind == "BOUND_BETWEEN":
        value, low, high = inner(node["input"]), inner(node["lower"]), inner(node["upper"])
        above = ">=" if node["lower_inclusive"] else ">"
        below = "<=" if node["upper_inclusive"] else "<"
        ends = (Bound(above, "BOOLEAN", (value, low)), Bound(below, "BOOLEAN", (value, high)))
        return Bound("and", "BOOLEAN", ends)
    children = node["children"] if "children" in node else [node["left"], node["right"]]
    if name := _COMPARISONS.get(node["type"]):
        return Bound(
            name, "BOOLEAN" if name != "coalesce" else _type_name(node["return_type"]), tuple(map(inner, children))
        )
    if kind == "BOUND_FUNCTION":
        name = node.get("name") or node["qname"]["path"][-1]
        outside = _outside() if name in _WITH_A_DOMAIN else None
        return Bound(name, _type_name(node["return_type"]), tuple(map(inner, children)), outside)
    raise DeclarationError(
        f"{expression!r} is more than a scalar: {_WORLD_OF_ITS_OWN}.", next_step="Compute it in a table and look it up."
    )


def _cast(child: Bound, type_: str, lenient: bool, timezone: str, expression: str) -> Bound:
    """A cast; a text or null that is written in the expression is cast once, here, by DuckDB."""
    if child.name == "constant" and child.value is None:
        return Bound("constant", type_)
    if child.name != "constant" or child.type != "VARCHAR" or type_ not in _FROM_TEXT:
        return Bound("cast", type_, (child,), lenient)
    try:
        value = _session(timezone).value(f"({literal(child.value)}::{type_}){_FROM_TEXT[type_]}")
    except RondoError as error:
        raise DeclarationError(
            f"{expression!r} cannot be computed: {error.message}", next_step=error.next_step
        ) from None
    return Bound("constant", type_, value=value)


def _constant(document: Mapping[str, Any]) -> Bound:
    type_ = _type_name(document["type"])
    if document["is_null"]:
        return Bound("constant", type_)
    value = document["value"]
    if type_ == "INTERVAL":
        return Bound("constant", type_, value=[value["months"], value["days"], value["micros"]])
    if isinstance(value, dict) and {"upper", "lower"} <= set(value):
        return Bound("constant", type_, value=(value["upper"] << 64) + value["lower"])
    return Bound("constant", type_, value=value)


def _type_name(document: Mapping[str, Any]) -> str:
    details: Mapping[str, Any] = document["type_info"] or {}
    if document["id"] == "DECIMAL":
        return f"DECIMAL({details['width']},{details['scale']})"
    return str(details.get("alias") or document["id"])


def _outside() -> str:
    """What DuckDB does outside a function's domain: the root of -1 is an error in DuckDB 1, NaN since 2."""
    import duckdb

    return "error" if duckdb.__version__.startswith("1.") else "nan"
