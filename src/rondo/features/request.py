"""The request function: a row of a request read against the signature, and the values a model is fed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from rondo.errors import RowError
from rondo.features.signature import Column, Signature, kind_of
from rondo.sql.scalars import Scalar, compile_scalar

Value = object
Read = Callable[[object], Value]
_INTEGERS = {
    "TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128,
    "UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64,
}  # fmt: skip


class Unfit(Exception):
    """A value that does not fit its field; the text says why."""


class Asked(msgspec.Struct, frozen=True):
    """A row as read. `moment` is None for a model without time, `echo` the key and time as they came.

    `values` holds every field of the request by name, typed (None where missing); `keys` the look-up keys, one a
    look-up, in the order of its key (None where a part is null).
    """

    moment: datetime | None
    values: Mapping[str, Value]
    keys: tuple[tuple[Value, ...] | None, ...]
    echo: Mapping[str, object] | None


class RequestReader:
    """Reads request rows for one signature; made once, used for every row.

    `derived` are its derived features as `compile_derived` gives them, which needs DuckDB; without, they are compiled.
    """

    def __init__(self, signature: Signature, derived: Sequence[Scalar] | None = None) -> None:
        self.signature = signature
        self.zone = ZoneInfo(signature.timezone)
        self.time = signature.time
        self.fields: dict[str, Read] = {column.name: _reader(column, self.zone) for column in signature.request}
        self.read_moment = _moment(self.zone)
        self._time_type = next((c.type for c in signature.inputs if c.name == signature.time), None)
        self.echoed = tuple(c.name for c in signature.key) + ((signature.time,) if signature.time else ())
        self._read_keys = tuple(_key_reader([name for _, name in lookup.on]) for lookup in signature.lookups)
        self._defaults: dict[str, Value] = dict.fromkeys(self.fields)
        compiled = compile_derived(signature) if derived is None else derived
        self._derived = tuple(zip([d.name for d in signature.derived], compiled, strict=True))
        self._nothing = tuple((None,) * len(lookup.columns) for lookup in signature.lookups)
        self._sent, self._in_order = _fed_plan(signature)

    def read(self, row: Mapping[str, object], now: datetime, *, at: str = "") -> Asked:
        """One row; `at` is its path in the request (`rows[0]`). Raises RowError with every field at fault."""
        errors: list[tuple[str | None, str]] = []
        values = dict(self._defaults)
        moment: datetime | None = None
        for name, given in row.items():
            read = self.fields.get(name)
            try:
                if name == self.time:
                    moment = None if given is None else self.read_moment(given)
                elif read is None:
                    raise Unfit(self._unknown(name))
                else:
                    values[name] = None if given is None else read(given)
            except Unfit as unfit:
                errors.append((f"{at}.{name}" if at else str(name), str(unfit)))
        if errors:
            raise RowError(errors)
        return self.asked(values, moment, {name: row[name] for name in self.echoed if name in row}, now)

    def asked(
        self, values: dict[str, Value], moment: datetime | None, echo: Mapping[str, object], now: datetime
    ) -> Asked:
        """The row with these typed fields; asked at `now` where it brings no moment."""
        if self.time:
            moment = moment or now
            if self._time_type is not None:
                values[self.time] = moment.astimezone(self.zone).date() if self._time_type == "DATE" else moment
        keys = tuple([read_key(values, moment) for read_key in self._read_keys])
        return Asked(moment, values, keys, echo or None)

    def _unknown(self, name: str) -> str:
        carried = {column.name for column in self.signature.carried}
        if name in carried or name == self.signature.label.name:
            return "is not an input: the model is never fed it, so it may not be sent"
        return f"is unknown; a row may have: {', '.join([*self.fields, *([self.time] if self.time else [])])}"

    def derive(self, asked: Asked, *, at: int | None = None) -> list[Value]:
        """The derived features, in order; `at` is the number of the row in its request."""
        found = []
        for name, scalar in self._derived:
            try:
                found.append(scalar(asked.values))
            except RowError as error:
                raise RowError([(name if at is None else f"rows[{at}].{name}", error.message)]) from error
        return found

    def fed(self, asked: Asked, found: Sequence[Sequence[Value] | None], *, at: int | None = None) -> tuple[Value, ...]:
        """The values the model is fed, in the signature's order; `found` holds what each look-up brought."""
        gathered = list(self._sent(asked.values))
        if self._derived:
            gathered += self.derive(asked, at=at)
        for values, nothing in zip(found, self._nothing, strict=True):
            gathered += values or nothing
        return self._in_order(gathered)


def compile_derived(signature: Signature) -> tuple[Scalar, ...]:
    """The derived features of a signature, compiled in order. Raises DeclarationError for what cannot be."""
    types = {column.name: column.type for column in signature.inputs}
    return tuple(compile_scalar(d.expression, types, signature.timezone) for d in signature.derived)


def _key_reader(
    names: Sequence[str],
) -> Callable[[Mapping[str, Value], datetime | None], tuple[Value, ...] | None]:
    """What makes a look-up key of a row's fields, of which the time is the moment; None where a part is null."""
    if len(names) == 1:
        (name,) = names

        def read_one(values: Mapping[str, Value], moment: datetime | None) -> tuple[Value, ...] | None:
            value = values.get(name, moment)
            return None if value is None else (value,)

        return read_one

    def read(values: Mapping[str, Value], moment: datetime | None) -> tuple[Value, ...] | None:
        key = tuple([values.get(name, moment) for name in names])
        return None if None in key else key

    return read


def taking(places: Sequence[Any]) -> Callable[[Any], tuple[Value, ...]]:
    """What picks these keys or places out of a mapping or sequence, always as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    if not places:
        return lambda _: ()
    (place,) = places
    return lambda values: (values[place],)


def _fed_plan(signature: Signature) -> tuple[Callable[[Any], tuple[Value, ...]], Callable[[Any], tuple[Value, ...]]]:
    """What takes the inputs out of a request, and what puts inputs, derived and looked-up values in the fed order."""
    inputs = [column.name for column in signature.inputs]
    gathered = [*inputs, *(d.name for d in signature.derived), *(n for each in signature.lookups for n in each.names)]
    places = {name: place for place, name in enumerate(gathered)}
    return taking(inputs), taking([places[column.name] for column in signature.fed])


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
        raise Unfit(f"must be a number, not {_shown(given)}")
    try:
        value = float(given)
    except OverflowError:
        raise Unfit("is too large") from None
    if not math.isfinite(value):
        raise Unfit("must be finite; send null where there is no value")
    return value


def _integer(bits: int, *, signed: bool) -> Read:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def read(given: object) -> Value:
        if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
            raise Unfit(f"must be a whole number, not {_shown(given)}")
        if isinstance(given, float | Decimal):
            if not math.isfinite(given):
                raise Unfit("must be finite; send null where there is no value")
            if given != int(given):
                raise Unfit(f"must be a whole number, not {given}")
        value = int(given)
        if not low <= value <= high:
            raise Unfit(f"must be between {low} and {high}")
        return value

    return read


def _boolean(given: object) -> Value:
    if not isinstance(given, bool):
        raise Unfit(f"must be true or false, not {_shown(given)}")
    return given


def _text(given: object) -> Value:
    if not isinstance(given, str):
        raise Unfit(f"must be text, not {_shown(given)}")
    return given


def _date(given: object) -> Value:
    if isinstance(given, date) and not isinstance(given, datetime):
        return given
    try:
        return date.fromisoformat(given)  # type: ignore[arg-type]  # whatever is no text raises
    except (TypeError, ValueError):
        raise Unfit(f"must be a date such as 2013-07-01, not {_shown(given)}") from None


def _moment(zone: ZoneInfo) -> Callable[[object], datetime]:
    def read(given: object) -> datetime:
        try:
            moment = given if isinstance(given, datetime) else datetime.fromisoformat(given)  # type: ignore[arg-type]
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            raise Unfit(f"must be a time such as 2013-07-01T18:00:00, not {_shown(given)}") from None

    return read


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 40 else text[:37] + "…"
