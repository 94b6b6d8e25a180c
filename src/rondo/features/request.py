"""The request function: a row of a request read against the signature, and the values a model is fed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from rondo.errors import RowError
from rondo.features.signature import Column, Signature, kind_of
from rondo.sql.scalars import compile_scalar

Value = object
Read = Callable[[object], Value]
_INTEGERS = {
    "TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128,
    "UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64,
}  # fmt: skip


class _Unfit(Exception):
    """A value that does not fit its field; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A row as read. `moment` is None for a model without time, `echo` the key and time as they came.

    `values` holds every field of the request by name, typed (None where missing); `keys` the look-up keys, one a
    look-up, in the order of its key (None where a part is null); `missing` names the inputs that were not given.
    """

    moment: datetime | None
    values: Mapping[str, Value]
    keys: tuple[tuple[Value, ...] | None, ...]
    echo: Mapping[str, object] | None
    missing: tuple[str, ...]


class RequestReader:
    """Reads request rows for one signature; made once, used for every row."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        zone = ZoneInfo(signature.timezone)
        self._time = signature.time
        self._fields: dict[str, Read] = {column.name: _reader(column, zone) for column in signature.request}
        self._read_moment = _reader(Column(name=signature.time or "", type="TIMESTAMP WITH TIME ZONE"), zone)
        self._inputs = tuple(column.name for column in signature.inputs)
        self._time_is_input = signature.time in self._inputs
        self._time_type = next((c.type for c in signature.inputs if c.name == signature.time), "")
        self._zone = zone
        self._echo = tuple(c.name for c in signature.key) + ((signature.time,) if signature.time else ())
        self._on = tuple(tuple(asked for _, asked in lookup.on) for lookup in signature.lookups)
        self._defaults: dict[str, Value] = dict.fromkeys(self._fields)
        types = {column.name: column.type for column in signature.inputs}
        self._derived = tuple(
            (d.name, compile_scalar(d.expression, types, signature.timezone)) for d in signature.derived
        )
        self._fed = _fed_plan(signature)

    def read(self, row: Mapping[str, object], now: datetime, *, at: str = "") -> Asked:
        """One row; `at` is its path in the request (`rows[0]`). Raises RowError with every field at fault."""
        errors: list[tuple[str | None, str]] = []
        values = dict(self._defaults)
        moment: datetime | None = now if self._time else None
        for name, given in row.items():
            read = self._fields.get(name)
            try:
                if name == self._time:
                    found = None if given is None else self._read_moment(given)
                    moment = found if isinstance(found, datetime) else now
                elif read is None:
                    raise _Unfit(self._unknown(name))
                else:
                    values[name] = None if given is None else read(given)
            except _Unfit as unfit:
                errors.append((f"{at}.{name}" if at else str(name), str(unfit)))
        if errors:
            raise RowError(errors)
        if self._time_is_input and moment is not None:
            values[str(self._time)] = moment.astimezone(self._zone).date() if self._time_type == "DATE" else moment
        echo = {name: row[name] for name in self._echo if name in row}
        keys = tuple(
            None
            if any(values.get(name, moment) is None for name in names)
            else tuple(values.get(name, moment) for name in names)
            for names in self._on
        )
        missing = tuple(name for name in self._inputs if values.get(name) is None)
        return Asked(moment, values, keys, echo or None, missing)

    def _unknown(self, name: str) -> str:
        carried = {column.name for column in self.signature.carried}
        if name in carried or name == self.signature.label.name:
            return "is not an input: the model is never fed it, so it may not be sent"
        return f"is unknown; a row may have: {', '.join([*self._fields, *([self._time] if self._time else [])])}"

    def derive(self, asked: Asked, *, at: str = "") -> list[Value]:
        """The derived features, in order."""
        found = []
        for name, scalar in self._derived:
            try:
                found.append(scalar(asked.values))
            except RowError as error:
                raise RowError([(f"{at}.{name}" if at else name, error.message)]) from error
        return found

    def fed(self, asked: Asked, found: Sequence[Sequence[Value] | None], *, at: str = "") -> list[Value]:
        """The values the model is fed, in the signature's order; `found` holds what each look-up brought."""
        derived = self.derive(asked, at=at) if self._derived else []
        out: list[Value] = []
        for kind, where, place in self._fed:
            if kind == 0:
                out.append(asked.values[where])
            elif kind == 1:
                out.append(derived[place])
            else:
                values = found[int(where)]
                out.append(None if values is None else values[place])
        return out


def _fed_plan(signature: Signature) -> tuple[tuple[int, str, int], ...]:
    """For each fed column where its value is: 0 an input by name, 1 a derived feature, 2 a look-up by number."""
    places: dict[str, tuple[int, str, int]] = {c.name: (0, c.name, 0) for c in signature.inputs}
    places |= {d.name: (1, "", number) for number, d in enumerate(signature.derived)}
    for number, lookup in enumerate(signature.lookups):
        places |= {name: (2, str(number), place) for place, name in enumerate(lookup.names)}
    return tuple(places[column.name] for column in signature.fed)


def _reader(column: Column, zone: ZoneInfo) -> Read:
    kind = kind_of(column.type)
    if kind == "number":
        bits = _INTEGERS.get(column.type.upper())
        return _number if bits is None else _integer(bits, signed=not column.type.upper().startswith("U"))
    if kind == "boolean":
        return _boolean
    if kind == "moment":
        return _date if column.type.upper() == "DATE" else _moment(zone)
    return _text


def _number(given: object) -> Value:
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        raise _Unfit(f"must be a number, not {_shown(given)}")
    try:
        value = float(given)
    except OverflowError:
        raise _Unfit("is too large") from None
    if not math.isfinite(value):
        raise _Unfit("must be finite; send null where there is no value")
    return value


def _integer(bits: int, *, signed: bool) -> Read:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def read(given: object) -> Value:
        if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
            raise _Unfit(f"must be a whole number, not {_shown(given)}")
        if isinstance(given, float | Decimal):
            if not math.isfinite(given):
                raise _Unfit("must be finite; send null where there is no value")
            if given != int(given):
                raise _Unfit(f"must be a whole number, not {given}")
        value = int(given)
        if not low <= value <= high:
            raise _Unfit(f"must be between {low} and {high}")
        return value

    return read


def _boolean(given: object) -> Value:
    if not isinstance(given, bool):
        raise _Unfit(f"must be true or false, not {_shown(given)}")
    return given


def _text(given: object) -> Value:
    if not isinstance(given, str):
        raise _Unfit(f"must be text, not {_shown(given)}")
    return given


def _date(given: object) -> Value:
    if isinstance(given, date) and not isinstance(given, datetime):
        return given
    try:
        return date.fromisoformat(given)  # type: ignore[arg-type]  # whatever is no text raises
    except (TypeError, ValueError):
        raise _Unfit(f"must be a date such as 2013-07-01, not {_shown(given)}") from None


def _moment(zone: ZoneInfo) -> Read:
    def read(given: object) -> Value:
        try:
            moment = given if isinstance(given, datetime) else datetime.fromisoformat(given)  # type: ignore[arg-type]
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            raise _Unfit(f"must be a time such as 2013-07-01T18:00:00, not {_shown(given)}") from None

    return read


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 40 else text[:37] + "…"
