"""DuckDB's dates and times in Python, in a session's time zone: functions over values that are not null.

A DATE is a date, a TIMESTAMP a naive datetime, a TIMESTAMP WITH TIME ZONE a datetime in UTC, an INTERVAL its months,
days and microseconds. Where clocks are set back, a wall time that comes twice means the later one; where they are set
forward, one that is skipped is read by the clock from before.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rondo.sql.arithmetic import Operation, in_range
from rondo.sql.binding import Bound

Interval = tuple[int, int, int]
DATE, NAIVE, ZONED = "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"

_ALIASES = {
    "weekday": "dayofweek",
    "dayofmonth": "day",
    "weekofyear": "week",
    "dow": "dayofweek",
    "doy": "dayofyear",
    "datetrunc": "date_trunc",
    "datediff": "date_diff",
}
_EPOCH, _EPOCH_DAY = datetime(1970, 1, 1), date(1970, 1, 1)
_UTC_EPOCH = _EPOCH.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_MICROSECONDS = {"second": 10**6, "minute": 60 * 10**6, "hour": 3600 * 10**6}
_SPELLINGS = {
    "year": "year years y yr yrs",
    "quarter": "quarter quarters",
    "month": "month months mon mons",
    "week": "week weeks w",
    "day": "day days d",
    "hour": "hour hours h hr hrs",
    "minute": "minute minutes m min mins",
    "second": "second seconds s sec secs",
}
_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()}


def operation(node: Bound, zone: ZoneInfo) -> Operation | None:
    """What computes the node from its arguments' values; None where it is no operation on times known here."""
    if node.name in ("date_part", "datepart") and node.args[0].name == "constant":
        part_name = str(node.args[0].value).lower()
        return _behind_its_name(operation(Bound(_UNITS.get(part_name, part_name), node.type, node.args[1:]), zone))
    name = _ALIASES.get(node.name, node.name)
    types = tuple(arg.type for arg in node.args)
    if name in _PARTS and len(types) == 1:
        part = _PARTS[name]
        if types[0] == ZONED:
            return lambda moment: part(moment.astimezone(zone))
        return part if types[0] in (DATE, NAIVE) else None
    if name == "epoch" and types in ((DATE,), (NAIVE,), (ZONED,)):
        return _epoch_zoned if types == (ZONED,) else lambda moment: _microseconds(moment) / 1e6
    if name == "date_trunc" and types[0] == "VARCHAR":
        return _date_trunc(node, zone)
    if name == "date_diff" and types[0] == "VARCHAR":
        return _date_diff(node, zone)
    if name in _INTERVALS:
        months, days, microseconds = _INTERVALS[name]
        return lambda n: (_counted(n * months), _counted(n * days), in_range(n * microseconds, "BIGINT"))
    if name in ("+", "-"):
        return _shift(name, types, zone)
    return None


def _behind_its_name(part: Operation | None) -> Operation | None:
    return None if part is None else lambda _, moment: part(moment)


def to_utc(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clocks of the zone show this naive wall time (see the module for doubled and skipped)."""
    first = wall.replace(tzinfo=zone).utcoffset()
    second = wall.replace(tzinfo=zone, fold=1).utcoffset()
    assert first is not None
    assert second is not None
    return (wall - min(first, second)).replace(tzinfo=UTC)


def to_wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """The naive wall time that the clocks of the zone show at a moment."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def add(start: datetime, interval: Interval) -> datetime:
    """A naive time an interval later: months first, to the last day of a month that is too short, then the rest."""
    months, days, microseconds = interval
    return _months_later(start, months) + timedelta(days=days, microseconds=microseconds)


def add_zoned(moment: datetime, interval: Interval, zone: ZoneInfo) -> datetime:
    """A moment an interval later: months and days by the clocks of the zone, the rest by elapsed time.

    As in DuckDB the rest comes last, but where a part is negative it comes first.
    """
    months, days, microseconds = interval
    rest = timedelta(microseconds=microseconds)
    if min(interval) < 0:
        return _days_later(_months_later_zoned(moment + rest, months, zone), days, zone)
    return _days_later(_months_later_zoned(moment, months, zone), days, zone) + rest


def _months_later_zoned(moment: datetime, months: int, zone: ZoneInfo) -> datetime:
    return to_utc(_months_later(to_wall(moment, zone), months), zone) if months else moment


def _months_later(start: datetime, months: int) -> datetime:
    if not months:
        return start
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))


def _days_later(moment: datetime, days: int, zone: ZoneInfo) -> datetime:
    """ICU's Calendar::add: a day is 24 hours, then mended where the clocks were set in between."""
    if not days:
        return moment
    before, later = moment.astimezone(zone), moment + days * _DAY
    after = later.astimezone(zone)
    if after.time() == before.time():
        return later
    old, new = before.utcoffset(), after.utcoffset()
    assert old is not None
    assert new is not None
    mended = later + (old - new)
    if mended.astimezone(zone).time() == before.time() or old > new:
        return mended
    return later


def _shift(name: str, types: tuple[str, ...], zone: ZoneInfo) -> Operation | None:
    sign = 1 if name == "+" else -1

    def signed(interval: Interval) -> Interval:
        return (sign * interval[0], sign * interval[1], sign * interval[2])

    match types:
        case ("DATE", "INTEGER" | "BIGINT"):
            return lambda day, days: day + sign * days * _DAY
        case ("INTEGER", "DATE") if name == "+":
            return lambda days, day: day + days * _DAY
        case ("DATE", "DATE") if name == "-":
            return lambda day, other: (day - other).days
        case ("DATE", "INTERVAL"):
            return lambda day, interval: add(datetime.combine(day, time()), signed(interval))
        case ("TIMESTAMP", "INTERVAL"):
            return lambda wall, interval: add(wall, signed(interval))
        case ("TIMESTAMP WITH TIME ZONE", "INTERVAL"):
            return lambda moment, interval: add_zoned(moment, signed(interval), zone)
        case ("INTERVAL", "DATE" | "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE") if name == "+":
            shift = _shift(name, (types[1], types[0]), zone)
            assert shift is not None
            return lambda interval, moment: shift(moment, interval)
    return None


def _counted(number: int) -> int:
    return in_range(number, "INTEGER")


def _microseconds(moment: date) -> int:
    """Since 1970, of a moment or of a wall time or date as if it were UTC's."""
    if not isinstance(moment, datetime):
        return (moment - _EPOCH_DAY).days * 86_400 * 10**6
    return (moment - (_EPOCH if moment.tzinfo is None else _UTC_EPOCH)) // _MICROSECOND


def _epoch_zoned(moment: datetime) -> float:
    """Seconds since 1970, summed as ICU does: to the millisecond, then the rest."""
    milliseconds, rest = divmod(_microseconds(moment), 1000)
    return milliseconds / 1000.0 + rest / 1e6


def _unit(node: Bound) -> str:
    """The unit of time written as the first argument; empty where it is not written out."""
    return _UNITS.get(str(node.args[0].value).lower(), "") if node.args[0].name == "constant" else ""


def _date_trunc(node: Bound, zone: ZoneInfo) -> Operation | None:
    unit = _unit(node)
    cut = _CUTS.get(unit)
    if cut is None:
        return None
    match node.args[1].type, node.type:
        case ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE") if unit in ("minute", "second"):
            size = _MICROSECONDS[unit]
            return lambda _, moment: _UTC_EPOCH + _since(moment, size, zone) * _MICROSECOND
        case ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE") if unit == "quarter":
            return lambda _, moment: _quarter_zoned(moment, zone)
        case ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"):
            return lambda _, moment: to_utc(cut(to_wall(moment, zone)), zone)
        case ("TIMESTAMP", "TIMESTAMP"):
            return lambda _, wall: cut(wall)
        case ("DATE", "TIMESTAMP"):
            return lambda _, day: cut(datetime.combine(day, time()))
        case ("DATE", "DATE"):
            return lambda _, day: cut(datetime.combine(day, time())).date()
    return None


def _quarter_zoned(moment: datetime, zone: ZoneInfo) -> datetime:
    """As DuckDB goes: to the start of the month as the zone's clocks show it, and from there to the quarter's first."""
    month = to_wall(to_utc(_CUTS["month"](to_wall(moment, zone)), zone), zone)
    return to_utc(month.replace(month=(month.month - 1) // 3 * 3 + 1), zone)


def _date_diff(node: Bound, zone: ZoneInfo) -> Operation | None:
    unit, types = _unit(node), {arg.type for arg in node.args[1:]}
    if types == {ZONED}:
        return _date_diff_zoned(unit, zone)
    if types not in ({DATE}, {NAIVE}):
        return None
    if size := _MICROSECONDS.get(unit):
        return lambda _, a, b: _microseconds(b) // size - _microseconds(a) // size
    count = _COUNTS.get(unit)
    return None if count is None else lambda _, a, b: count(b) - count(a)


def _date_diff_zoned(unit: str, zone: ZoneInfo) -> Operation | None:
    """Whole units of elapsed time between the starts of the units that the two moments are in.

    Days and longer are left to dates: where a zone's clocks are set at midnight, ICU counts them by rules of its own.
    """
    if unit in ("minute", "second"):
        size = _MICROSECONDS[unit]
        return lambda _, a, b: _toward_zero(_since(b, size, zone) - _since(a, size, zone), size)
    if unit != "hour":
        return None

    def start(moment: datetime) -> int:
        return _microseconds(to_utc(_CUTS["hour"](to_wall(moment, zone)), zone))

    return lambda _, a, b: _toward_zero(start(b) - start(a), _MICROSECONDS["hour"])


def _toward_zero(value: int, size: int) -> int:
    return value // size if value >= 0 else -(-value // size)


def _since(moment: datetime, size: int, zone: ZoneInfo) -> int:
    """Microseconds from 1970 to the start of the wall clock's hour, minute or second."""
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    start = _microseconds(moment)
    return start - (start + offset // _MICROSECOND) % size


_PARTS: Mapping[str, Callable[[date], int]] = {
    "year": lambda day: day.year,
    "quarter": lambda day: (day.month + 2) // 3,
    "month": lambda day: day.month,
    "week": lambda day: day.isocalendar().week,
    "day": lambda day: day.day,
    "hour": lambda day: day.hour if isinstance(day, datetime) else 0,
    "minute": lambda day: day.minute if isinstance(day, datetime) else 0,
    "second": lambda day: day.second if isinstance(day, datetime) else 0,
    "dayofweek": lambda day: day.isoweekday() % 7,
    "isodow": lambda day: day.isoweekday(),
    "dayofyear": lambda day: day.timetuple().tm_yday,
}
_CUTS: Mapping[str, Callable[[datetime], datetime]] = {
    "year": lambda wall: datetime(wall.year, 1, 1),
    "quarter": lambda wall: datetime(wall.year, (wall.month - 1) // 3 * 3 + 1, 1),
    "month": lambda wall: datetime(wall.year, wall.month, 1),
    "week": lambda wall: datetime(wall.year, wall.month, wall.day) - wall.weekday() * _DAY,
    "day": lambda wall: datetime(wall.year, wall.month, wall.day),
    "hour": lambda wall: wall.replace(minute=0, second=0, microsecond=0),
    "minute": lambda wall: wall.replace(second=0, microsecond=0),
    "second": lambda wall: wall.replace(microsecond=0),
}
_COUNTS: Mapping[str, Callable[[date], int]] = {
    "year": lambda day: day.year,
    "quarter": lambda day: day.year * 4 + (day.month - 1) // 3,
    "month": lambda day: day.year * 12 + day.month,
    "day": lambda day: day.toordinal(),
}
_INTERVALS: Mapping[str, tuple[int, int, int]] = {
    "to_years": (12, 0, 0),
    "to_months": (1, 0, 0),
    "to_weeks": (0, 7, 0),
    "to_days": (0, 1, 0),
    "to_hours": (0, 0, 3600 * 10**6),
    "to_minutes": (0, 0, 60 * 10**6),
}
