"""Live figures in a text: `{{ weekly.late_share | percent }}`. They are looked up, never run as code."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from rondo.errors import DeclarationError

PICKS = ("first", "last", "sum", "mean", "min", "max", "rows")
"""Which value of a column: of the first row unless said; `rows` counts the rows and takes no column."""
FORMATS = ("number", "count", "percent", "points", "day", "weekday", "moment", "text", "seconds")
INTERVAL = "interval"
WORDS = (*PICKS, *FORMATS, INTERVAL)
PLACED = re.compile(r"\{\{(?P<inside>.*?)\}\}")
_NAMED = re.compile(r'(?P<query>\w+)(?:\.(?:(?P<column>\w+)|"(?P<quoted>[^"]+)"))?')
_WORD = re.compile(r"(?P<word>[a-z]+)(?:\s+(?P<digits>\d))?")


@dataclass(frozen=True)
class Figure:
    """A figure in a text: a column of a query's answer, or a parameter (no column); how it is picked and written.

    `interval` asks for the bounds in place of the value: the columns `NAME_low` and `NAME_high`, or `low` and `high`.
    `digits` are those after the point; None leaves them to the format.
    """

    written: str
    of: str
    line: int
    column: str | None = None
    pick: str = "first"
    format: str | None = None
    digits: int | None = None
    interval: bool = False


def figures_of(
    text: str, *, file: str, line: int, queries: Collection[str], parameters: Collection[str]
) -> list[Figure]:
    """The figures of a text, in order; `line` is its first line in `file`. Raises DeclarationError for a typo."""
    return [
        _figure(found["inside"].strip(), file, line + text.count("\n", 0, found.start()), queries, parameters)
        for found in PLACED.finditer(text)
    ]


def _figure(written: str, file: str, line: int, queries: Collection[str], parameters: Collection[str]) -> Figure:
    def wrong(message: str, next_step: str) -> DeclarationError:
        return DeclarationError(f"{{{{ {written} }}}}: {message}.", next_step=next_step, file=file, line=line)

    name, *steps = (part.strip() for part in written.split("|"))
    found = _NAMED.fullmatch(name)
    if found is None:
        raise wrong("is no figure", "Write {{ query.column | percent }}, or {{ parameter }}.")
    of, column = found["query"], found["column"] or found["quoted"]
    if of not in queries and of not in parameters:
        there = ", ".join([*queries, *parameters]) or "none"
        raise wrong(f"there is no query or parameter {of!r}; there are: {there}", "Use one of these names.")
    pick, format_, digits, interval = "first", None, None, False
    for step in steps:
        word = _WORD.fullmatch(step)
        if word is None or word["word"] not in WORDS:
            raise wrong(f"{step!r} is unknown; there are: {', '.join(WORDS)}", "Use one of these words.")
        if word["word"] in PICKS:
            pick = word["word"]
        elif word["word"] == INTERVAL:
            interval = True
        else:
            format_ = word["word"]
        digits = int(word["digits"]) if word["digits"] else digits
    if of in queries and column is None and pick != "rows":
        raise wrong(f"{of} is a query, and no column of it is named", f"Write {{{{ {of}.COLUMN }}}}.")
    if of not in queries and column is not None:
        raise wrong(f"{of} is a parameter, which has no columns", f"Write {{{{ {of} }}}}.")
    return Figure(written, of, line, column, pick, format_, digits, interval)
