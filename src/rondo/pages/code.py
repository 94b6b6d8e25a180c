"""Definitions from the project's files as a page shows them: line numbers, keywords and comments marked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from markupsafe import Markup, escape

_SQL = re.compile(
    r"(?P<i>/\*.*?\*/|--[^\n]*)|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|(?P<word>[^\W\d]\w*)|(?P<rest>.)",
    re.DOTALL,
)
_PYTHON = re.compile(
    r"(?P<i>\#[^\n]*)|(?P<text>\"\"\".*?\"\"\"|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
    r"|(?P<word>[^\W\d][\w.]*)|(?P<rest>.)",
    re.DOTALL,
)
_KEYWORD = re.compile(
    r"""all|and|anti|as|asc|asof|between|by|case|cast|create|cross|desc|distinct|else|end|except|exclude|exists|false
    |filter|following|from|full|group|having|in|inner|intersect|interval|is|join|lateral|left|like|limit|natural|not|null
    |nulls|offset|on|or|order|outer|over|partition|pivot|preceding|qualify|range|recursive|replace|right|row|rows|select
    |semi|similar|then|true|try_cast|union|unnest|unpivot|using|values|when|where|window|with""",
    re.IGNORECASE | re.VERBOSE,
)
_PYTHON_KEYWORDS = frozenset(
    {"import", "from", "def", "return", "lambda", "None", "True", "False", "class", "for", "in"}
)


def marked(text: str, language: Literal["sql", "python"], first: int = 1) -> Markup:
    """The text with a number before each line, beginning with `first`."""
    pieces = "".join(_pieces(text.rstrip("\n"), language))
    lines = pieces.split("\n")
    width = len(str(first + len(lines) - 1))
    return Markup("\n").join(
        Markup("<i>{}</i>  {}").format(f"{first + place:>{width}}", Markup(line)) for place, line in enumerate(lines)
    )


def _pieces(text: str, language: Literal["sql", "python"]) -> Iterator[str]:
    for found in (_SQL if language == "sql" else _PYTHON).finditer(text):
        piece = str(escape(found.group()))
        if found.lastgroup == "i":
            yield "\n".join(f"<i>{line}</i>" if line else "" for line in piece.split("\n"))
        elif found.lastgroup == "word" and _is_keyword(found.group(), language):
            yield f"<b>{piece}</b>"
        else:
            yield piece


def _is_keyword(word: str, language: Literal["sql", "python"]) -> bool:
    if language == "sql":
        return _KEYWORD.fullmatch(word) is not None
    return word in _PYTHON_KEYWORDS or word.startswith("rd.")
