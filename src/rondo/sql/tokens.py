"""SQL as text: its tokens, and changes made at places in it, the rest left as it was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_PATTERN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<text>[eE]'(?:[^'\\]|\\.|'')*'|(?:[xXbB])?'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<quoted>"(?:[^"]|"")*")
  | (?P<number>(?:0[xX][\da-fA-F_]+|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?|\.\d[\d_]*(?:[eE][+-]?\d+)?))
  | (?P<word>[^\W\d]\w*)
  | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """One token: its kind (word, quoted, text, number or sign), and the characters it takes from `start` to `end`."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The place after its last character."""
        return self.start + len(self.text)


def tokens_of(sql: str) -> Iterator[Token]:
    """Everything but whitespace and comments (block comments nest, as in PostgreSQL)."""
    place = 0
    while place < len(sql):
        match = _PATTERN.match(sql, place)
        assert match is not None
        kind = match.lastgroup if match.lastgroup != "tag" else "text"
        if kind == "comment":
            place = _end_of_comment(sql, place)
            continue
        if kind != "space":
            yield Token(str(kind), match.group(), place)
        place = match.end()


def _end_of_comment(sql: str, place: int) -> int:
    depth = 0
    for mark in re.finditer(r"/\*|\*/", sql[place:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return place + mark.end()
    return len(sql)


def edited(sql: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """The text with each (start, end, replacement) put in; none may overlap."""
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def characters(sql: str) -> Callable[[int], int]:
    """DuckDB counts places in bytes of UTF-8: from a byte's place to the character's."""
    if sql.isascii():
        return lambda place: place
    data = sql.encode()
    return lambda place: len(data[:place].decode(errors="ignore"))


def line_at(sql: str, place: int) -> int:
    """The line of a place, from 1."""
    return sql.count("\n", 0, place) + 1


def quoted(name: str) -> str:
    """A name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def relation(name: str) -> str:
    """A table's name, qualified or not, as a `from` clause takes it; a text that ends with `)` is one already."""
    if name.endswith(")"):
        return name
    schema, dot, table = name.partition(".")
    return f"{quoted(schema)}.{quoted(table)}" if dot else quoted(name)
