"""A request's body read in one pass: decoded straight into the types of the signature.

What does not fit at once (a whole number written 3.0, a mistake) is left to `RequestReader`, which reads it or says
what is wrong with which field. Both give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import astuple

from rondo.features.request import Asked, Read, RequestReader, Unfit
from rondo.features.signature import Column, kind_of

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32}
_WIDE = ("HUGEINT", "UBIGINT")
_ROWS = "rows"


class BodyReader:
    """Reads `{"rows": [{…}, …]}` for one signature."""

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        columns = reader.signature.request
        self._names = tuple(column.name for column in columns)
        self._late: tuple[tuple[str, Read], ...] = tuple(
            (column.name, reader.fields[column.name]) for column in columns if _read_late(column, reader.echoed)
        )
        self._key = tuple(name for name in reader.echoed if name != reader.time)
        self._time = reader.time
        self._decode = _decoder(columns, reader)

    def read(self, body: bytes, now: datetime) -> list[Asked] | None:
        """The rows of a body, or None where they are better read one field at a time."""
        try:
            rows = self._decode(body)
            return [self._asked(row, now) for row in rows]
        except (ValueError, RecursionError, OverflowError, Unfit):
            return None

    def _asked(self, row: Any, now: datetime) -> Asked:
        found = astuple(row)
        values: dict[str, object] = dict(zip(self._names, found, strict=False))
        echo: dict[str, object] = {}
        for name in self._key:
            if (value := values[name]) is UNSET:
                values[name] = None
            else:
                echo[name] = value
        for name, read in self._late:
            if (value := values[name]) is not None:
                values[name] = read(value)
        moment = None
        if self._time and (given := found[-1]) is not UNSET:
            echo[self._time] = given
            moment = None if given is None else self._reader.read_moment(given)
        return self._reader.asked(values, moment, echo, now)


def _read_late(column: Column, echoed: tuple[str, ...]) -> bool:
    """Whether a value is decoded as it came, and read into its type after: moments, numbers that are echoed or wide."""
    kind, name = kind_of(column.type), column.type.upper()
    return kind == "moment" or (kind == "number" and (column.name in echoed or name in _WIDE))


def _decoder(columns: tuple[Column, ...], reader: RequestReader) -> Callable[[bytes], list[Any]]:
    """Fields by place: a column may have any name."""
    named = [(f"f{place}", column) for place, column in enumerate(columns)]
    fields: list[tuple[str, Any, Any]] = [(name, *_field(column, reader.echoed)) for name, column in named]
    rename = {name: column.name for name, column in named}
    if reader.time:
        fields.append(("moment", str | None | UnsetType, UNSET))
        rename["moment"] = reader.time
    row = msgspec.defstruct("Row", fields, rename=rename, forbid_unknown_fields=True, gc=False)
    rows = Annotated[list[row], Meta(min_length=1)]  # type: ignore[valid-type]
    body = msgspec.defstruct("Body", [(_ROWS, rows)], forbid_unknown_fields=True, gc=False)
    decode = msgspec.json.Decoder(body).decode
    return lambda data: getattr(decode(data), _ROWS)


def _field(column: Column, echoed: tuple[str, ...]) -> tuple[Any, Any]:
    """The type as JSON brings it, and what stands where it is left out."""
    kind, name = kind_of(column.type), column.type.upper()
    given: Any = str
    if kind == "boolean":
        given = bool
    elif kind == "number" and _read_late(column, echoed):
        given = int | float
    elif kind == "number":
        given = Annotated[int, _bounds(name)] if name in _BITS else float
    return (given | None | UnsetType, UNSET) if column.name in echoed else (given | None, None)


def _bounds(integer: str) -> Meta:
    bits = _BITS[integer]
    if integer.startswith("U"):
        return Meta(ge=0, le=2**bits - 1)
    return Meta(ge=-(2 ** (bits - 1)), le=2 ** (bits - 1) - 1)
