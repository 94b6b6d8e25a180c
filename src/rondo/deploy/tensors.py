"""Tensors of the Open Inference Protocol (version 2): a column each, told as JSON or as bytes behind the JSON.

As bytes (Triton's binary data extension): little-endian, row-major, nothing between the elements; a BOOL is one byte,
an element of BYTES its length as four bytes and then itself. A null is `null` in JSON, NaN among floating-point bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from rondo.deploy.problems import Problem
from rondo.features.signature import Column, kind_of

Value = object
INTEGERS = {
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
FLOATS = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
DATATYPES = ("BOOL", *INTEGERS, *FLOATS, "BYTES")
_PACKED = {"FP16": struct.Struct("<e"), "FP32": struct.Struct("<f"), "FP64": struct.Struct("<d")}
_LENGTH = struct.Struct("<I")
_OF_SQL = {
    "TINYINT": "INT8", "SMALLINT": "INT16", "INTEGER": "INT32", "BIGINT": "INT64", "HUGEINT": "INT64",
    "UTINYINT": "UINT8", "USMALLINT": "UINT16", "UINTEGER": "UINT32", "UBIGINT": "UINT64", "FLOAT": "FP32",
}  # fmt: skip
_OF_KIND = {"number": "FP64", "boolean": "BOOL"}


class Unread(ValueError):
    """An element that is not what its tensor's datatype says."""


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """A tensor of a request; without `data` its elements are bytes behind the JSON."""

    name: str
    shape: list[Annotated[int, Meta(ge=0)]]
    datatype: str
    data: list[Any] | UnsetType = UNSET
    parameters: dict[str, Any] | None = None


class Output(msgspec.Struct, frozen=True):
    """A tensor of an answer; `data` is flat, row-major."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Value]


def datatype_of(column: Column) -> str:
    """What a column is told in best; any other datatype with values that fit the column is read as well."""
    return _OF_SQL.get(column.type.upper()) or _OF_KIND.get(kind_of(column.type), "BYTES")


def column_values(tensor: Input, raw: memoryview | None) -> list[Value]:
    """The values of an input of shape [n] or [n, 1]; `raw` are its bytes, None where they are JSON.

    Raises Problem for another shape or datatype, another number of elements, an element of another type.
    """
    if tensor.datatype not in DATATYPES:
        raise _wrong(tensor, f"has the datatype {tensor.datatype[:20]!r}; there are {', '.join(DATATYPES)}")
    if not (len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)):
        raise _wrong(tensor, f"has the shape {tensor.shape[:8]}; a column has [n] or [n, 1], one tensor each")
    try:
        return _of_json(tensor) if raw is None else _of_bytes(tensor, raw)
    except Unread as unread:
        raise _wrong(tensor, str(unread)) from None


def _wrong(tensor: Input, what: str) -> Problem:
    return Problem(422, f"The input {tensor.name!r} {what}.", errors=[(tensor.name, what)])


def _of_json(tensor: Input) -> list[Value]:
    given = [] if tensor.data is UNSET else tensor.data
    if len(tensor.shape) == 2 and given and isinstance(given[0], list):
        if any(not isinstance(each, list) or len(each) != 1 for each in given):
            raise Unread(f"is nested otherwise than its shape {tensor.shape} says")
        given = [element for (element,) in given]
    _refuse_other_count(tensor, len(given))
    read = _READ[tensor.datatype]
    values: list[Value] = []
    for place, element in enumerate(given):
        try:
            values.append(None if element is None else read(element))
        except Unread as unread:
            raise Unread(f"has an element [{place}] that {unread}") from None
    return values


def _of_bytes(tensor: Input, raw: memoryview) -> list[Value]:
    if tensor.datatype == "BYTES":
        return _of_texts(tensor, raw)
    dtype = np.dtype(INTEGERS.get(tensor.datatype) or FLOATS.get(tensor.datatype) or "u1")
    if len(raw) % dtype.itemsize:
        raise Unread(f"has {len(raw)} bytes, which are no whole elements of {dtype.itemsize}")
    found = np.frombuffer(raw, dtype)
    _refuse_other_count(tensor, len(found))
    if tensor.datatype == "BOOL":
        if (found > 1).any():
            raise Unread("has a byte that is neither 0 nor 1")
        found = found.astype(bool)
    values: list[Value] = found.tolist()
    if tensor.datatype in FLOATS and np.isnan(found).any():
        return [None if value != value else value for value in values]
    return values


def _of_texts(tensor: Input, raw: memoryview) -> list[Value]:
    values: list[Value] = []
    place = 0
    while place < len(raw):
        begins = place + _LENGTH.size
        if begins > len(raw) or (place := begins + _LENGTH.unpack_from(raw, begins - _LENGTH.size)[0]) > len(raw):
            raise Unread(f"ends within its element [{len(values)}]")
        try:
            values.append(str(raw[begins:place], "utf-8"))
        except UnicodeDecodeError:
            raise Unread(f"has an element [{len(values)}] that is not UTF-8") from None
    _refuse_other_count(tensor, len(values))
    return values


def _refuse_other_count(tensor: Input, count: int) -> None:
    if count != tensor.shape[0]:
        raise Unread(f"has {count} elements, and its shape {tensor.shape} says otherwise")


def _boolean(element: object) -> Value:
    if not isinstance(element, bool):
        raise Unread("is not true or false")
    return element


def _text(element: object) -> Value:
    if not isinstance(element, str):
        raise Unread("is not text")
    return element


def _integer(datatype: str) -> Callable[[object], Value]:
    bounds = np.iinfo(INTEGERS[datatype])
    low, high = int(bounds.min), int(bounds.max)

    def read(element: object) -> Value:
        if isinstance(element, float) and element.is_integer():
            element = int(element)
        if isinstance(element, bool) or not isinstance(element, int):
            raise Unread("is not a whole number")
        if not low <= element <= high:
            raise Unread(f"is not between {low} and {high}")
        return element

    return read


def _number(datatype: str) -> Callable[[object], Value]:
    """A number as the datatype holds it, so that a tensor says the same as JSON and as bytes."""
    packed = _PACKED[datatype]

    def read(element: object) -> Value:
        if isinstance(element, bool) or not isinstance(element, int | float):
            raise Unread("is not a number")
        try:
            return packed.unpack(packed.pack(float(element)))[0]
        except OverflowError:
            raise Unread(f"is too large for {datatype}") from None

    return read


_READ: Mapping[str, Callable[[object], Value]] = {
    "BOOL": _boolean,
    "BYTES": _text,
    **{datatype: _integer(datatype) for datatype in INTEGERS},
    **{datatype: _number(datatype) for datatype in FLOATS},
}


def as_bytes(output: Output) -> bytes:
    """The elements of an output as the binary extension lays them."""
    if output.datatype == "BYTES":
        texts = [str(value).encode() for value in output.data]
        return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
    dtype = INTEGERS.get(output.datatype) or FLOATS.get(output.datatype) or "?"
    return np.asarray(output.data, dtype=dtype).tobytes()
