"""Scalar SQL compiled to Python: what `derive` computes in training with DuckDB, computed again for one request.

DuckDB binds the expression once; its tree becomes closures over the row. For every supported expression the result
equals DuckDB's to the bit (one NaN being like another), and where DuckDB fails, a RowError is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rondo.errors import DeclarationError, RowError
from rondo.sql import arithmetic, texts, times
from rondo.sql.arithmetic import WHOLE, Operation, Uncomputable, decimal_of
from rondo.sql.binding import Bound, bind
from rondo.sql.casts import cast, float_of_decimal, moment_of
from rondo.sql.conditions import SPECIAL, Evaluate, Row, by_order, is_constant, strict

_WIDE = Context(prec=80)  # more digits than any DECIMAL has
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
    ("date_diff('…', a, b)", "years, quarters, months, days of dates (t::date); hours, minutes, seconds of times, too"),
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
    if special := SPECIAL.get(node.name):
        return special(args)
    if chosen := by_order(node, args):
        return chosen
    if node.name == "cast":
        operation = cast(node.args[0].type, node.type, zone)
        what = f"The cast from {node.args[0].type} to {node.type}"
    else:
        operation = arithmetic.operation(node) or texts.operation(node) or times.operation(node, zone)
        what = f"{node.name}({', '.join(arg.type for arg in node.args)})"
    if operation is None:
        raise _refused(what, expression)
    evaluate = strict(operation, args, node.args)
    if node.name == "cast" and node.value:
        return _lenient(evaluate)
    if all(map(is_constant, node.args)):
        return _folded(evaluate)
    return evaluate


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
    return int(number.scaleb(scale, _WIDE).to_integral_value(ROUND_HALF_UP))


def _given(evaluate: Evaluate, type_: str, zone: ZoneInfo) -> Evaluate | None:
    """The result as the caller gets it; None where a type cannot be given."""
    if shape := decimal_of(type_):
        return strict(lambda digits: float_of_decimal(digits, *shape), [evaluate])
    if type_ == times.NAIVE:
        return strict(lambda wall: times.to_utc(wall, zone), [evaluate])
    given = {*WHOLE, "DOUBLE", "FLOAT", "BOOLEAN", "VARCHAR", "ENUM", times.DATE, times.ZONED, "NULL"}
    return evaluate if type_.strip('"') in given else None
