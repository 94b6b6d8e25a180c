"""DuckDB's texts in Python: functions over values that are not null. A character is a Unicode code point."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

from rondo.sql.arithmetic import Operation, Uncomputable
from rondo.sql.binding import Bound

_ALIASES = {
    "lcase": "lower",
    "ucase": "upper",
    "len": "length",
    "strlen": "bytes",
    "char_length": "length",
    "character_length": "length",
    "substring": "substr",
    "prefix": "starts_with",
    "^@": "starts_with",
    "suffix": "ends_with",
}


def operation(node: Bound) -> Operation | None:
    """What computes the node from its arguments' values; None where it is no operation on texts known here."""
    name = _ALIASES.get(node.name, node.name)
    if not node.args or node.args[0].type not in ("VARCHAR", "ENUM"):
        return None
    if name in ("~~", "!~~"):
        pattern = node.args[1]
        return _like(str(pattern.value), negated=name == "!~~") if pattern.name == "constant" else None
    return _OPERATIONS.get((name, len(node.args)))


def _like(pattern: str, *, negated: bool) -> Operation:
    parts = {"%": ".*", "_": "."}
    matches = re.compile("".join(parts.get(char, re.escape(char)) for char in pattern), re.DOTALL).fullmatch
    return lambda text, _: (matches(text) is None) is negated


def _upper(text: str) -> str:
    """Letter by letter: DuckDB maps one code point to one, never one to several."""
    return text.upper() if text.isascii() else "".join(map(_upper_letter, text))


@cache
def _upper_letter(letter: str) -> str:
    single = (mapped for mapped in (letter.upper(), letter.title()) if len(mapped) == 1)
    return "ẞ" if letter == "ß" else next(single, letter)


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join("i" if letter == "İ" else letter.lower() for letter in text)


def _spaces(text: str) -> str:
    return " " + "".join({char for char in text if unicodedata.category(char) == "Zs"})


def _substr(text: str, offset: int, length: int | None = None) -> str:
    """As DuckDB counts: from 1; a negative offset from the end, a negative length backwards."""
    _check_place(offset)
    _check_place(length or 0)
    start = offset - 1 if offset >= 0 else len(text) + offset
    if length is None:
        return text[max(start, 0) :]
    low, high = (start, start + length) if length >= 0 else (start + length, start)
    return text[max(low, 0) : max(high, 0)]


def _check_place(place: int) -> None:
    if not -(2**32) <= place < 2**32:
        raise Uncomputable(f"{place} is no place in a text")


def _left(text: str, count: int) -> str:
    _check_place(max(count, 0))
    return text[:count]


def _right(text: str, count: int) -> str:
    if count >= 0:
        return text[max(len(text) - count, 0) :]
    return text[min(-count, len(text)) :]


_OPERATIONS: Mapping[tuple[str, int], Operation] = {
    ("lower", 1): _lower,
    ("upper", 1): _upper,
    ("length", 1): len,
    ("trim", 1): lambda text: text.strip(_spaces(text)),
    ("ltrim", 1): lambda text: text.lstrip(_spaces(text)),
    ("rtrim", 1): lambda text: text.rstrip(_spaces(text)),
    ("trim", 2): lambda text, chars: text.strip(chars) if chars else text,
    ("ltrim", 2): lambda text, chars: text.lstrip(chars) if chars else text,
    ("rtrim", 2): lambda text, chars: text.rstrip(chars) if chars else text,
    ("substr", 2): _substr,
    ("substr", 3): _substr,
    ("left", 2): _left,
    ("right", 2): _right,
    ("||", 2): lambda a, b: a + b,
    ("starts_with", 2): str.startswith,
    ("ends_with", 2): str.endswith,
    ("contains", 2): lambda text, part: part in text,
    ("replace", 3): lambda text, old, new: text.replace(old, new) if old else text,
}
