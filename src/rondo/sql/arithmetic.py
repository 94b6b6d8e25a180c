"""DuckDB's numbers in Python: operators and functions over values that are not null.

Whole numbers are ints held to their type's range. A DOUBLE is a float, a FLOAT one rounded to single precision after
each step. A DECIMAL(w,s) is its digits, an int: 1.50 in DECIMAL(9,2) is 150.
"""

from __future__ import annotations

import math
import operator
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from rondo.sql.binding import Bound

Operation = Callable[..., Any]

_WHOLE_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
WHOLE: Mapping[str, tuple[int, int]] = {
    **{name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _WHOLE_BITS.items()},
    **{"U" + name: (0, 2**bits - 1) for name, bits in _WHOLE_BITS.items()},
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_ALIASES = {"mod": "%", "@": "abs", "ceiling": "ceil", "power": "pow", "**": "pow", "^": "pow", "log": "log10"}


class Uncomputable(ArithmeticError):
    """DuckDB has no answer for these values; the message says why."""


def operation(node: Bound) -> Operation | None:
    """What computes the node from its arguments' values; None where it is no operation on numbers known here."""
    name = _ALIASES.get(node.name, node.name)
    kinds = {arg.type for arg in node.args}
    arity = len(node.args)
    if name in ("+", "-", "*") and kinds <= set(WHOLE):
        return _whole(_SIGNS[name, arity], node.type)
    if kinds == {"DOUBLE"} and (name, arity) in _DOUBLES:
        return _DOUBLES[name, arity]
    if name == "round" and arity == 2 and [arg.type for arg in node.args] == ["DOUBLE", "INTEGER"]:
        return _round_to if node.value != "error" else _round_to_in_duckdb_1
    if kinds == {"DOUBLE"} and (name, arity) in _LIMITED:
        return _limited(name, strict=node.value == "error")
    if kinds == {"FLOAT"} and (name, arity) in _SINGLES:
        return _single(_SINGLES[name, arity])
    if name in ("+", "-", "*", "abs") and _are_decimals(kinds):
        return _decimal(abs if name == "abs" else _SIGNS[name, arity], node.type)
    if kinds <= set(WHOLE) and name in ("//", "%"):
        quotient = _whole(_quotient, node.type)
        return quotient if name == "//" else _remainder(quotient)
    if kinds <= set(WHOLE) and name == "abs":
        return _whole(abs, node.type)
    if name == "sign" and (kinds <= {*WHOLE, "DOUBLE"} or _are_decimals(kinds)):
        return _sign
    if name in ("round", "floor", "ceil"):
        return _rounding(name, node)
    return None


def decimal_of(type_: str) -> tuple[int, int] | None:
    """Width and scale of a DECIMAL type, None for any other."""
    match = _DECIMAL.fullmatch(type_)
    return (int(match[1]), int(match[2])) if match else None


def in_range(value: int, type_: str) -> int:
    """The value, or Uncomputable where the whole type cannot hold it."""
    low, high = WHOLE[type_]
    if low <= value <= high:
        return value
    raise Uncomputable(f"{value} is out of the range of {type_}")


def in_width(digits: int, type_: str, width: int) -> int:
    """The digits, or Uncomputable where the DECIMAL type cannot hold them."""
    if -(10**width) < digits < 10**width:
        return digits
    raise Uncomputable(f"a number is too wide for {type_}")


def to_single(value: float) -> float:
    """The nearest single-precision number; infinite beyond their range."""
    try:
        single: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return single


def to_double(value: int, type_: str) -> float:
    """A whole number as DuckDB makes a DOUBLE of it: 128 bits go in two halves, which may round twice."""
    if type_ not in ("HUGEINT", "UHUGEINT"):
        return float(value)
    upper, lower = value >> 64, value & (2**64 - 1)
    if upper == -1:
        return -float(2**64 - 1 - lower) - 1.0
    return float(lower) + float(upper) * float(2**64 - 1)


def half_away(digits: int, power: int) -> int:
    """The whole number nearest to digits / power, halves away from zero."""
    rounded = (abs(digits) + power // 2) // power
    return rounded if digits >= 0 else -rounded


# --- whole numbers and decimals -------------------------------------------------------------------------------------


def _whole(compute: Operation, type_: str) -> Operation:
    low, high = WHOLE[type_]

    def bounded(*values: int) -> int | None:
        result: int | None = compute(*values)
        if result is None or low <= result <= high:
            return result
        raise Uncomputable(f"{result} is out of the range of {type_}")

    return bounded


def _quotient(a: int, b: int) -> int | None:
    if b == 0:
        return None
    return a // b if (a < 0) == (b < 0) else -(-a // b)


def _remainder(quotient: Operation) -> Operation:
    """With the dividend's sign; out of range where the quotient is, as the processor has it."""

    def remainder(a: int, b: int) -> int | None:
        whole: int | None = quotient(a, b)
        return None if whole is None else a - whole * b

    return remainder


def _are_decimals(kinds: set[str]) -> bool:
    return bool(kinds) and all(decimal_of(kind) for kind in kinds)


def _decimal(compute: Operation, type_: str) -> Operation:
    shape = decimal_of(type_)
    assert shape is not None
    return lambda *digits: in_width(compute(*digits), type_, shape[0])


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _rounding(name: str, node: Bound) -> Operation | None:
    source, shape = node.args[0].type, decimal_of(node.args[0].type)
    places = node.args[1].value if len(node.args) == 2 and node.args[1].name == "constant" else None
    if len(node.args) == 1 and shape is not None:
        power = 10 ** shape[1]
        return {
            "floor": lambda digits: digits // power,
            "ceil": lambda digits: -(-digits // power),
            "round": lambda digits: half_away(digits, power),
        }[name]
    if name == "round" and source in WHOLE and len(node.args) == 1:
        return lambda value: value
    if name == "round" and shape is not None and isinstance(places, int) and 0 <= places < shape[1]:
        power = 10 ** (shape[1] - places)
        return lambda digits, _: half_away(digits, power)
    return None


# --- floating point -------------------------------------------------------------------------------------------------


def _divide(a: float, b: float) -> float:
    try:
        return a / b
    except ZeroDivisionError:
        return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _modulo(a: float, b: float) -> float:
    try:
        return math.fmod(a, b)
    except ValueError:
        return math.nan


def _round(value: float) -> float:
    """C's round(): halves away from zero, the sign of zero kept."""
    if not math.isfinite(value) or abs(value) >= 2.0**52:
        return value
    whole = math.trunc(value)
    if abs(value - whole) >= 0.5:
        whole += 1 if value > 0 else -1
    return math.copysign(float(whole), value)


def _round_to(value: float, places: int) -> float:
    """DuckDB's own way: scale by a power of ten, round, scale back."""
    power = _power(10.0, float(abs(places)))
    if places < 0:
        if not math.isfinite(value):
            return value
        rounded = _round(value / power) * power
        return rounded if math.isfinite(rounded) else 0.0
    rounded = _divide(_round(value * power), power)
    return rounded if math.isfinite(rounded) else value


def _round_to_in_duckdb_1(value: float, places: int) -> float:
    return 0.0 if places < 0 and not math.isfinite(value) else _round_to(value, places)


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _power(base: float, exponent: float) -> float:
    odd = math.isfinite(exponent) and abs(exponent) < 2.0**53 and exponent % 2 == 1
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base != 0:
            return math.nan
        return math.copysign(math.inf, base) if odd else math.inf


def _integral(to_whole: Callable[[float], int]) -> Callable[[float], float]:
    def integral(value: float) -> float:
        if not math.isfinite(value):
            return value
        return math.copysign(float(to_whole(value)), value) if abs(value) < 1 else float(to_whole(value))

    return integral


def _floor(value: float) -> float:
    if not math.isfinite(value) or value == 0:
        return value
    return float(math.floor(value))


def _limited(name: str, *, strict: bool) -> Operation:
    """A function with a domain: outside of it DuckDB 2 gives what IEEE 754 does, DuckDB 1 an error (`strict`)."""
    inside, compute, outside = _LIMITED[name, 1]

    def limited(value: float) -> float:
        if inside(value):
            return compute(value)
        if strict and value == value:
            raise Uncomputable(f"{name}({value}) does not exist")
        return outside(value)

    return limited


def _single(compute: Operation) -> Operation:
    return lambda *values: to_single(compute(*values))


_SIGNS: Mapping[tuple[str, int], Operation] = {
    ("+", 1): operator.pos,
    ("-", 1): operator.neg,
    ("+", 2): operator.add,
    ("-", 2): operator.sub,
    ("*", 2): operator.mul,
}
_SINGLES: Mapping[tuple[str, int], Operation] = {**_SIGNS, ("/", 2): _divide, ("abs", 1): abs}
_DOUBLES: Mapping[tuple[str, int], Operation] = {
    **_SINGLES,
    ("//", 2): lambda a, b: None if b == 0 else a / b,
    ("%", 2): _modulo,
    ("round", 1): _round,
    ("floor", 1): _floor,
    ("ceil", 1): _integral(math.ceil),
    ("trunc", 1): _integral(math.trunc),
    ("exp", 1): _exp,
    ("pow", 2): _power,
}
_LIMITED: Mapping[
    tuple[str, int], tuple[Callable[[float], bool], Callable[[float], float], Callable[[float], float]]
] = {
    ("sqrt", 1): (lambda x: x >= 0, math.sqrt, lambda x: math.nan),
    ("ln", 1): (lambda x: x > 0, math.log, lambda x: -math.inf if x == 0 else math.nan),
    ("log10", 1): (lambda x: x > 0, math.log10, lambda x: -math.inf if x == 0 else math.nan),
    ("sin", 1): (math.isfinite, math.sin, lambda x: math.nan),
    ("cos", 1): (math.isfinite, math.cos, lambda x: math.nan),
}
