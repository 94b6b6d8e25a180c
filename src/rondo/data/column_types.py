"""Which type a column of texts has, such that no value changes its meaning.

A value fits a type where reading it as that type loses nothing: 007 is no number, since its zeros would go; 3/4/2013
is no date, since nobody can say which month; yes is no truth value, NaN no number. What fits nothing stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from rondo.sql.engine import quote
from rondo.sql.storable import storable_type

TEXT = "VARCHAR"
MOMENT = "TIMESTAMP WITH TIME ZONE"
GUESSES = ("BOOLEAN", "BIGINT", "DOUBLE", "DATE", MOMENT)
"""What a text may turn out to be, the narrowest first."""
_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
_WHOLE_TEXT = r"\s*[+-]?(0|[1-9][0-9]*)\s*"
_NUMBER_TEXT = r"\s*[+-]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][+-]?[0-9]+)?\s*"
_LONG_WHOLE_TEXT = r"\s*[+-]?[0-9]{16,}\s*"

_LOOKS = {
    "BOOLEAN": re.compile("true|false", re.IGNORECASE),
    "BIGINT": re.compile(_WHOLE_TEXT),
    "DOUBLE": re.compile(_NUMBER_TEXT),
    "DATE": re.compile(r"\d{4}-\d\d-\d\d"),
    MOMENT: re.compile(r"....-..-...*", re.DOTALL),
}


def stored(kind: str) -> str:
    """The type a source's column of this DuckDB type has in the lake; text for what the lake has no type for."""
    return TEXT if kind in ('"NULL"', "NULL") else storable_type(kind) or TEXT


def fits(column: str, kind: str, *, pinned: bool = False) -> str:
    """SQL that is true where the text in `column` (not null) can be read as `kind` without loss.

    `pinned` says that a person named the type: then 007 is a number, NaN one too, and any spelling that DuckDB's own
    cast takes is good, but for fractions read as whole numbers and clock times read as dates.
    """
    text, cast = quote(column), f"try_cast({quote(column)} as {kind})"
    if kind == TEXT:
        return "true"
    if pinned:
        same = f"({cast} is not null)"
        if kind.upper() in _WHOLE:
            exact = f"coalesce({cast} = try_cast({text} as decimal(38, 10)), false)"
            return f"(case when {cast}::varchar = {text} then true else {exact} end)"
        return f"({same} and not contains({text}, ':'))" if kind.upper() == "DATE" else same
    if kind == "BOOLEAN":
        return f"(lower({text}) in ('true', 'false'))"
    if kind == "BIGINT":
        spelled = f"{cast} is not null and regexp_full_match({text}, '{_WHOLE_TEXT}')"
        return f"(case when {cast}::varchar = {text} then true else {spelled} end)"
    if kind == "DOUBLE":
        # Most numbers are told by comparing texts, which is much cheaper than a pattern.
        zeros = f"({text} >= '00' and {text} < '0:') or ({text} >= '-00' and {text} < '-0:')"
        plain = f"{text} >= '-' and length({text}) <= 16 and not contains({text}, '_') and not ({zeros})"
        number = f"regexp_full_match({text}, '{_NUMBER_TEXT}') and not regexp_full_match({text}, '{_LONG_WHOLE_TEXT}')"
        return f"(coalesce(isfinite({cast}), false) and case when {plain} then true else {number} end)"
    if kind == "DATE":
        return f"coalesce({cast}::varchar = {text}, false)"
    return f"({cast} is not null and {text} like '____-__-__%' and length({text}) not in (11, 12, 13))"


def plausible(values: Iterable[object], candidates: Sequence[str]) -> tuple[str, ...]:
    """The candidates that these few texts do not rule out, so that fewer need to be asked of all rows."""
    left = list(candidates)
    for value in values:
        if isinstance(value, str):
            left = [kind for kind in left if _LOOKS[kind].fullmatch(value)]
    return tuple(left)


def candidates_query(relation: str, columns: Mapping[str, Sequence[str]]) -> str:
    """One row: for each column how many values it has, and for each of its candidates whether all of these fit."""
    facts = []
    for name, kinds in columns.items():
        facts.append(f"count({quote(name)})")
        facts += [f"bool_and({fits(name, kind)}) filter ({quote(name)} is not null)" for kind in kinds]
    return f"select {', '.join(facts)} from {relation}"


def common(kinds: Sequence[str]) -> str:
    """One type for a column that comes with several: DOUBLE for numbers of different widths, else text."""
    if not kinds or (len(set(kinds)) > 1 and not all(re.match(r"(TINY|SMALL|BIG)?INT|DOUBLE|FLOAT", k) for k in kinds)):
        return TEXT
    if len(set(kinds)) == 1:
        return kinds[0]
    return "DOUBLE" if {"DOUBLE", "FLOAT"} & set(kinds) else "BIGINT"


class Guess:
    """What is still possible for each column after some of its values were seen."""

    def __init__(self) -> None:
        self._possible: dict[str, list[str]] = {}
        self._seen: set[str] = set()

    def narrow(self, columns: Mapping[str, Sequence[str]], answer: Iterable[object]) -> None:
        """Take in the answer to `candidates_query`."""
        values = iter(answer)
        for name, kinds in columns.items():
            has_values = bool(next(values))
            fitting = [kind for kind in kinds if next(values) is not False]
            before = self._possible.get(name)
            self._possible[name] = fitting if before is None else [kind for kind in before if kind in fitting]
            if has_values:
                self._seen.add(name)

    def has_seen(self, name: str) -> bool:
        """Whether the column was among those guessed at."""
        return name in self._possible

    def type_of(self, name: str) -> str:
        """The narrowest type that all values seen fit; text where none does, or none was seen."""
        possible = self._possible.get(name, [])
        return possible[0] if possible and name in self._seen else TEXT
