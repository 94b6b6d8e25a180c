"""Nulls, logic, choices and comparisons of the compiled scalars: how values flow, whatever their type."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rondo.sql.arithmetic import Operation
from rondo.sql.binding import Bound

Row = Mapping[str, object]
Evaluate = Callable[[Row], Any]


def is_constant(node: Bound) -> bool:
    """Whether the node is written out in the expression, or is a cast of what is."""
    return node.name == "constant" or (node.name == "cast" and is_constant(node.args[0]))


def strict(operation: Operation, args: Sequence[Evaluate], nodes: Sequence[Bound] = ()) -> Evaluate:
    """The operation over arguments that are not null; null where one is."""
    if len(args) == 1:
        [only] = args

        def unary(row: Row) -> Any:
            value = only(row)
            return None if value is None else operation(value)

        return unary
    if len(args) == 2:
        first, second = args
        if is_constant(nodes[1]) and (constant := second({})) is not None:

            def with_constant(row: Row) -> Any:
                value = first(row)
                return None if value is None else operation(value, constant)

            return with_constant

        def binary(row: Row) -> Any:
            a, b = first(row), second(row)
            return None if a is None or b is None else operation(a, b)

        return binary

    def any_number(row: Row) -> Any:
        values = [arg(row) for arg in args]
        return None if None in values else operation(*values)

    return any_number


# --- nulls, logic, choices ------------------------------------------------------------------------------------------


def _and(args: Sequence[Evaluate]) -> Evaluate:
    def conjunction(row: Row) -> bool | None:
        values = [arg(row) for arg in args]  # all of them: DuckDB, too, fails where one of them fails
        return False if False in values else None if None in values else True

    return conjunction


def _or(args: Sequence[Evaluate]) -> Evaluate:
    def disjunction(row: Row) -> bool | None:
        values = [arg(row) for arg in args]
        return True if True in values else None if None in values else False

    return disjunction


def _not(args: Sequence[Evaluate]) -> Evaluate:
    [arg] = args

    def negation(row: Row) -> bool | None:
        value = arg(row)
        return None if value is None else not value

    return negation


def _is_null(args: Sequence[Evaluate]) -> Evaluate:
    [arg] = args
    return lambda row: arg(row) is None


def _is_not_null(args: Sequence[Evaluate]) -> Evaluate:
    [arg] = args
    return lambda row: arg(row) is not None


def _case(args: Sequence[Evaluate]) -> Evaluate:
    choices, otherwise = list(zip(args[:-1:2], args[1::2], strict=True)), args[-1]

    def choice(row: Row) -> Any:
        for when, then in choices:
            if when(row):
                return then(row)
        return otherwise(row)

    return choice


def _coalesce(args: Sequence[Evaluate]) -> Evaluate:
    def first_known(row: Row) -> Any:
        for arg in args:
            value = arg(row)
            if value is not None:
                return value
        return None

    return first_known


def _concat(args: Sequence[Evaluate]) -> Evaluate:
    return lambda row: "".join(text for arg in args if (text := arg(row)) is not None)


SPECIAL: Mapping[str, Callable[[Sequence[Evaluate]], Evaluate]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "is null": _is_null,
    "is not null": _is_not_null,
    "case": _case,
    "coalesce": _coalesce,
    "concat": _concat,
}


# --- order ----------------------------------------------------------------------------------------------------------


def _float_equal(a: float, b: float) -> bool:
    return a == b or (a != a and b != b)


def _float_less(a: float, b: float) -> bool:
    return a < b or (b != b and a == a)


_PLAIN: Mapping[str, Operation] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FLOATING: Mapping[str, Operation] = {
    "=": _float_equal,
    "<>": lambda a, b: not _float_equal(a, b),
    "<": _float_less,
    "<=": lambda a, b: not _float_less(b, a),
    ">": lambda a, b: _float_less(b, a),
    ">=": lambda a, b: not _float_less(a, b),
}


def by_order(node: Bound, args: Sequence[Evaluate]) -> Evaluate | None:
    """Comparisons, membership, greatest and least: of any types but intervals; None where the node is none of these."""
    kinds = {arg.type for arg in node.args}
    if "INTERVAL" in kinds or len(kinds - {"ENUM", "VARCHAR"}) > 1:
        return None
    relations = _FLOATING if kinds & {"DOUBLE", "FLOAT"} else _PLAIN
    if node.name in relations:
        return strict(relations[node.name], args, node.args)
    if node.name in ("is distinct from", "is not distinct from"):
        return _distinct(args, relations["="], node.name == "is distinct from")
    if node.name in ("in", "not in"):
        if relations is _PLAIN and all(map(is_constant, node.args[1:])):
            return _listed(args[0], [arg({}) for arg in args[1:]], node.name == "in")
        return _member(args, relations["="], node.name == "in")
    if node.name in ("greatest", "least"):
        return _extreme(args, relations[">" if node.name == "greatest" else "<"])
    return None


def _distinct(args: Sequence[Evaluate], equal: Operation, wanted: bool) -> Evaluate:
    first, second = args

    def distinct(row: Row) -> bool:
        a, b = first(row), second(row)
        if a is None or b is None:
            return (a is not b) is wanted
        return (not equal(a, b)) is wanted

    return distinct


def _member(args: Sequence[Evaluate], equal: Operation, wanted: bool) -> Evaluate:
    def member(row: Row) -> bool | None:
        value, *others = [arg(row) for arg in args]
        if value is None:
            return None
        if any(other is not None and equal(value, other) for other in others):
            return wanted
        return None if None in others else not wanted

    return member


def _listed(arg: Evaluate, values: Sequence[object], wanted: bool) -> Evaluate:
    """Membership among values written out."""
    known, missing = frozenset(values) - {None}, None if None in values else not wanted

    def listed(row: Row) -> bool | None:
        value = arg(row)
        return None if value is None else wanted if value in known else missing

    return listed


def _extreme(args: Sequence[Evaluate], beats: Operation) -> Evaluate:
    def extreme(row: Row) -> Any:
        best = None
        for arg in args:
            value = arg(row)
            if best is None or (value is not None and beats(value, best)):
                best = value
        return best

    return extreme
