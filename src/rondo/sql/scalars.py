"""Scalar SQL compiled to Python: what `derive` computes in training with DuckDB, computed again for one request.

DuckDB binds the expression once; its tree becomes closures over the row. For every supported expression the result
equals DuckDB's to the bit (one NaN being like another), and where DuckDB fails, a RowError is raised.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rondo.errors import DeclarationError, RowError
from rondo.sql import arithmetic, texts, times
from rondo.sql.arithmetic import WHOLE, Operation, Uncomputable, decimal_of
from rondo.sql.binding import Bound, bind
from rondo.sql.casts import cast, float_of_decimal, moment_of

Row = Mapping[str, object]
Evaluate = Callable[[Row], Any]

SUPPORTED: tuple[tuple[str, str], ...] = (
    ("1, 2.5, 'text', true, null, date '2013-01-31', timestamp '…', timestamptz '…'", "literals, and columns by name"),
    ("+ - *", "arithmetic; a whole number beyond its type's range is an error"),
    ("/", "division, always of doubles: 7 / 2 is 3.5, 1 / 0 is infinity"),
    ("//", "whole division towards zero; by zero it is null"),
    ("%", "remainder, with the sign of the dividend (also mod); of whole numbers by zero it is null"),
    ("= <> < <= > >=", "comparisons; NaN equals itself and is the greatest number"),
    ("and or not", "three-valued logic"),
    ("is [not] null, is [not] distinct from", "comparisons that are never null"),
    ("in (…), between … and …", "membership and range, ends included"),
    ("case … when … then … else … end, if", "choices"),
    ("coalesce, ifnull, nullif", "for nulls"),
    ("greatest, least", "of values that are not null"),
    ("abs, sign, floor, ceil, trunc", "of numbers"),
    ("round(x), round(x, n)", "halves away from zero"),
    ("sqrt, ln, log10, exp, pow, sin, cos", "of doubles"),
    (
        "cast(x as …), x::…, try_cast",
        "among numbers, boolean, date, timestamp; to varchar from whole numbers, double, boolean, date",
    ),
    ("lower, upper, length", "of texts, by code point"),
    ("trim, ltrim, rtrim", "spaces, or the characters of a second text, taken off the ends"),
    ("substr, left, right", "parts of a text, counted from 1"),
    ("||, concat", "texts joined; || with a null is null, concat skips nulls"),
    ("like", "with a pattern written out: % for any characters, _ for one"),
    ("starts_with, ends_with, contains, replace", "of texts"),
    ("year, quarter, month, week, day, hour, minute, second", "parts of a date or time in the project's timezone"),
    ("dayofweek, isodow, dayofyear", "Sunday 0 to Saturday 6; Monday 1 to Sunday 7; 1 to 366"),
    ("date_part('…', t), extract(… from t)", "the same parts by name"),
    ("date_trunc('…', t)", "the start of its year, quarter, month, week, day, hour, minute or second"),
    ("date_diff('…', a, b)", "years, quarters, months, days, hours, minutes or seconds begun between two times"),
    ("epoch(t)", "seconds since 1970; for elapsed time, subtract two of them"),
    ("t + interval …, t - interval …", "months and days by the clock, hours and less by elapsed time"),
    ("d + n, d - n, d - d", "dates and numbers of days"),
)


@dataclass(frozen=True)
class Scalar:
    """A compiled expression: call it with a row (column to value) for its value.

    Values are None, bool, int, float, str, date and aware datetime; a DECIMAL comes as the float DuckDB casts it to, a
    TIMESTAMP as the moment its wall time means in the session's time zone. `columns` are those it reads, as the row
    spells them; a column that a row lacks is null. `type` is the DuckDB type of the result.
    """

    expression: str
    columns: tuple[str, ...]
    type: str
    timezone: str
    bound: Bound = field(repr=False)
    _evaluate: Evaluate = field(repr=False, compare=False)

    def __call__(self, row: Row) -> object:
        """The value for one row. Raises RowError where a value has the wrong type or DuckDB would fail."""
        try:
            return self._evaluate(row)
        except (ArithmeticError, ValueError) as error:  # Uncomputable, or a time beyond the years 1 to 9999
            raise RowError([(None, f"{self.expression} cannot be computed: {error}")]) from None

    def document(self) -> dict[str, object]:
        """All that `scalar_of` needs to make it again, as JSON."""
        return {"expression": self.expression, "timezone": self.timezone, "bound": self.bound.document()}


def compile_scalar(expression: str, types: Mapping[str, str], timezone: str) -> Scalar:
    """Compile scalar SQL over columns of these DuckDB types, in a session of this time zone.

    Raises DeclarationError where it does not bind, or uses what is not SUPPORTED.
    """
    return _scalar(expression, bind(expression, types, timezone), timezone)


def scalar_of(document: Mapping[str, Any]) -> Scalar:
    """The scalar that `document` wrote, with the meaning it had then, whatever DuckDB is installed, or none."""
    return _scalar(document["expression"], Bound.of(document["bound"]), document["timezone"])


def _scalar(expression: str, bound: Bound, timezone: str) -> Scalar:
    zone = ZoneInfo(timezone)
    evaluate = _given(_compile(bound, zone, expression), bound.type, zone)
    if evaluate is None:
        raise _refused(f"A result of type {bound.type}", expression)
    return Scalar(expression, tuple(dict.fromkeys(_columns(bound))), bound.type, timezone, bound, evaluate)


def _columns(bound: Bound) -> list[str]:
    return [str(bound.value)] if bound.name == "column" else [name for arg in bound.args for name in _columns(arg)]


def _refused(what: str, expression: str) -> DeclarationError:
    names = "; ".join(name for name, _ in SUPPORTED)
    return DeclarationError(
        f"{what} is not among the scalars that serving compiles, in {expression!r}. There are: {names}.",
        next_step="Use one of these, or compute the column in the table's SQL.",
    )


# --- the tree -------------------------------------------------------------------------------------------------------


def _compile(node: Bound, zone: ZoneInfo, expression: str) -> Evaluate:
    if node.name == "column":
        return _reader(str(node.value), node.type, zone, expression)
    if node.name == "constant":
        constant = _constant(node)
        return lambda row: constant
    args = [_compile(arg, zone, expression) for arg in node.args]
    if special := _SPECIAL.get(node.name):
        return special(args)
    if chosen := _by_order(node, args):
        return chosen
    if node.name == "cast":
        operation = cast(node.args[0].type, node.type, zone)
        what = f"The cast from {node.args[0].type} to {node.type}"
    else:
        operation = arithmetic.operation(node) or texts.operation(node) or times.operation(node, zone)
        what = f"{node.name}({', '.join(arg.type for arg in node.args)})"
    if operation is None:
        raise _refused(what, expression)
    evaluate = _strict(operation, args, node.args)
    if node.name == "cast" and node.value:
        return _lenient(evaluate)
    if all(arg.name == "constant" for arg in node.args):
        return _folded(evaluate)
    return evaluate


def _strict(operation: Operation, args: Sequence[Evaluate], nodes: Sequence[Bound]) -> Evaluate:
    """The operation over arguments that are not null; null where one is."""
    if len(args) == 1:
        [only] = args

        def unary(row: Row) -> Any:
            value = only(row)
            return None if value is None else operation(value)

        return unary
    if len(args) == 2:
        first, second = args
        constant = second({}) if nodes[1].name == "constant" else None
        if constant is not None:

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


def _lenient(evaluate: Evaluate) -> Evaluate:
    def lenient(row: Row) -> Any:
        try:
            return evaluate(row)
        except Uncomputable:
            return None

    return lenient


def _folded(evaluate: Evaluate) -> Evaluate:
    """Computed once; what cannot be computed fails row by row, as it does in DuckDB."""
    try:
        constant = evaluate({})
    except (ArithmeticError, ValueError):
        return evaluate
    return lambda row: constant


def _constant(node: Bound) -> Any:
    value: Any = node.value
    if value is None:
        return None
    if node.type == times.DATE:
        return date.fromisoformat(value)
    if node.type == times.NAIVE:
        return datetime.fromisoformat(value)
    if node.type == times.ZONED:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return tuple(value) if node.type == "INTERVAL" else value


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


_SPECIAL: Mapping[str, Callable[[Sequence[Evaluate]], Evaluate]] = {
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


def _by_order(node: Bound, args: Sequence[Evaluate]) -> Evaluate | None:
    """Comparisons, membership, greatest and least: of any types but intervals; None where the node is none of these."""
    kinds = {arg.type for arg in node.args}
    if "INTERVAL" in kinds or len(kinds - {"ENUM", "VARCHAR"}) > 1:
        return None
    relations = _FLOATING if kinds & {"DOUBLE", "FLOAT"} else _PLAIN
    if node.name in relations:
        return _strict(relations[node.name], args, node.args)
    if node.name in ("is distinct from", "is not distinct from"):
        return _distinct(args, relations["="], node.name == "is distinct from")
    if node.name in ("in", "not in"):
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


def _extreme(args: Sequence[Evaluate], beats: Operation) -> Evaluate:
    def extreme(row: Row) -> Any:
        best = None
        for arg in args:
            value = arg(row)
            if best is None or (value is not None and beats(value, best)):
                best = value
        return best

    return extreme


# --- in and out -----------------------------------------------------------------------------------------------------


def _reader(name: str, type_: str, zone: ZoneInfo, expression: str) -> Evaluate:
    """Reads one column of a row as the compiled functions want it."""
    accepted, convert = _accepted(type_, zone)
    if not accepted:
        raise _refused(f"The type {type_} of {name!r}", expression)

    def read(row: Row) -> Any:
        value = row.get(name)
        if value is None:
            return None
        if not isinstance(value, accepted) or (type(value) is bool and bool not in accepted):
            raise RowError([(name, f"{value!r} is not of type {type_}")])
        return value if convert is None else convert(value)

    return read


def _accepted(type_: str, zone: ZoneInfo) -> tuple[tuple[type, ...], Operation | None]:
    """The Python types that a column of this DuckDB type may come as, and what is done to them."""
    if type_ in WHOLE:
        return (int,), lambda value: arithmetic.in_range(value, type_)
    if shape := decimal_of(type_):
        width, scale = shape
        return (int, float, Decimal), lambda value: arithmetic.in_width(_digits(value, scale), type_, width)
    accepted: Mapping[str, tuple[tuple[type, ...], Operation | None]] = {
        "BOOLEAN": ((bool,), None),
        "DOUBLE": ((float, int), float),
        "FLOAT": ((float, int), arithmetic.to_single),
        "VARCHAR": ((str,), None),
        "ENUM": ((str,), None),
        times.DATE: ((date,), _day),
        times.NAIVE: ((datetime,), lambda value: times.to_wall(moment_of(value, zone), zone)),
        times.ZONED: ((datetime,), lambda value: moment_of(value, zone)),
    }
    return accepted.get(type_, ((), None))


def _day(value: date) -> date:
    if isinstance(value, datetime):
        raise Uncomputable(f"{value} is a time, not a date")
    return value


def _digits(value: float | Decimal, scale: int) -> int:
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite():
        raise Uncomputable(f"{value} is no decimal number")
    return int(number.scaleb(scale).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _given(evaluate: Evaluate, type_: str, zone: ZoneInfo) -> Evaluate | None:
    """The result as the caller gets it; None where a type cannot be given."""
    if shape := decimal_of(type_):
        return _strict(lambda digits: float_of_decimal(digits, shape[1]), [evaluate], [])
    if type_ == times.NAIVE:
        return _strict(lambda wall: times.to_utc(wall, zone), [evaluate], [])
    given = {*WHOLE, "DOUBLE", "FLOAT", "BOOLEAN", "VARCHAR", "ENUM", times.DATE, times.ZONED, "NULL"}
    return evaluate if type_.strip('"') in given else None
