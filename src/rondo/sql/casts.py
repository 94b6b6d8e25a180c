"""DuckDB's casts in Python, among numbers, texts, truth values, dates and times, over values that are not null."""

from __future__ import annotations

import math
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from rondo.sql.arithmetic import (
    WHOLE,
    Operation,
    Uncomputable,
    decimal_of,
    half_away,
    in_range,
    in_width,
    to_double,
    to_single,
)
from rondo.sql.times import DATE, NAIVE, ZONED, to_utc, to_wall


def cast(source: str, target: str, zone: ZoneInfo) -> Operation | None:
    """What casts a value of one type to another; None where that is not among the compiled casts.

    A text is never read as a number or a time: which spellings count belongs to the table that gives the column.
    """
    if source == target or (source, target) == ("ENUM", "VARCHAR"):
        return _unchanged
    if from_decimal := decimal_of(source):
        return _from_decimal(*from_decimal, target)
    if to_decimal := decimal_of(target):
        return _to_decimal(source, target, *to_decimal)
    if source in WHOLE:
        return _from_whole(source, target)
    if source in ("DOUBLE", "FLOAT"):
        return _from_float(source, target)
    if source == "BOOLEAN":
        return _from_boolean(target)
    return _between_times(source, target, zone)


def _unchanged(value: object) -> object:
    return value


def _from_whole(source: str, target: str) -> Operation | None:
    if target in WHOLE:
        return lambda value: in_range(value, target)
    casts: dict[str, Operation] = {
        "DOUBLE": (lambda value: to_double(value, source)) if "HUGE" in source else float,
        "FLOAT": to_single,
        "BOOLEAN": bool,
        "VARCHAR": str,
    }
    return casts.get(target)


def _from_float(source: str, target: str) -> Operation | None:
    if target in WHOLE:
        return lambda value: in_range(_nearest(value, target), target)
    if target == "VARCHAR" and source == "DOUBLE":
        return repr
    casts: dict[str, Operation] = {"DOUBLE": _unchanged, "FLOAT": _narrowed, "BOOLEAN": lambda value: value != 0}
    return casts.get(target)


def _narrowed(value: float) -> float:
    single = to_single(value)
    if math.isinf(single) and not math.isinf(value):
        raise Uncomputable(f"{value} is out of the range of FLOAT")
    return single


def _nearest(value: float, target: str) -> int:
    """Halves to the even neighbour, as the processor rounds."""
    if not math.isfinite(value):
        raise Uncomputable(f"{value} is out of the range of {target}")
    return round(value)


def _from_boolean(target: str) -> Operation | None:
    if target in WHOLE:
        return int
    casts: dict[str, Operation] = {"DOUBLE": float, "FLOAT": float, "VARCHAR": _truth}
    return casts.get(target)


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _from_decimal(width: int, scale: int, target: str) -> Operation | None:
    power = 10**scale
    if shape := decimal_of(target):
        to_width, wanted = shape
        if wanted >= scale:
            factor = 10 ** (wanted - scale)
            return lambda digits: in_width(digits * factor, target, to_width)
        divisor = 10 ** (scale - wanted)
        return lambda digits: in_width(half_away(digits, divisor), target, to_width)
    if target in WHOLE:
        return lambda digits: in_range(half_away(digits, power), target)
    casts: dict[str, Operation] = {"DOUBLE": lambda digits: float_of_decimal(digits, width, scale), "BOOLEAN": bool}
    return casts.get(target)


def float_of_decimal(digits: int, width: int, scale: int) -> float:
    """A DECIMAL's digits as DuckDB makes a DOUBLE of them: the nearest one, but where 128 bits are cast as a whole.

    (DuckDB 1 may be off in the last place beyond 53 bits of a DECIMAL wider than 18.)
    """
    return digits / 10**scale if scale or width <= 18 else to_double(digits, "HUGEINT")


def _to_decimal(source: str, target: str, width: int, scale: int) -> Operation | None:
    power = 10**scale
    if source in WHOLE or source == "BOOLEAN":
        return lambda value: in_width(int(value) * power, target, width)
    if source == "DOUBLE":
        return lambda value: in_width(_scaled(value, power, target), target, width)
    return None


def _scaled(value: float, power: int, target: str) -> int:
    scaled = value * float(power)
    if not math.isfinite(scaled):
        raise Uncomputable(f"{value} is out of the range of {target}")
    whole = math.trunc(scaled)
    if abs(scaled - whole) < 0.5:
        return whole
    return whole + (1 if scaled > 0 else -1)


def _between_times(source: str, target: str, zone: ZoneInfo) -> Operation | None:
    midnight = time()
    return {
        (DATE, NAIVE): lambda day: datetime.combine(day, midnight),
        (DATE, ZONED): lambda day: to_utc(datetime.combine(day, midnight), zone),
        (DATE, "VARCHAR"): lambda day: day.isoformat(),
        (NAIVE, DATE): lambda wall: wall.date(),
        (NAIVE, ZONED): lambda wall: to_utc(wall, zone),
        (ZONED, DATE): lambda moment: moment.astimezone(zone).date(),
        (ZONED, NAIVE): lambda moment: to_wall(moment, zone),
    }.get((source, target))


def moment_of(value: datetime, zone: ZoneInfo) -> datetime:
    """A datetime as a moment in UTC; one without zone is a wall time of the session's zone."""
    return to_utc(value, zone) if value.tzinfo is None else value.astimezone(UTC)
