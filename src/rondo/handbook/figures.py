"""The live figures of a text: picked from answers, written as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from rondo.language.words import NONE, Language
from rondo.project.figures import Figure

Rows = Sequence[Mapping[str, Any]]
SHARE_DIGITS, POINT_DIGITS = 1, 1


class Unfound(LookupError):
    """A figure whose column is not in the answer; says which there are."""


def picked(figure: Figure, rows: Rows, columns: Sequence[str]) -> Any:
    """The value that a figure stands for; None where the answer has no rows. Raises Unfound for a wrong column."""
    if figure.pick == "rows":
        return len(rows)
    return _of_column(figure, figure.column or "", rows, columns)


def bounds(figure: Figure, rows: Rows, columns: Sequence[str]) -> tuple[Any, Any]:
    """The interval of a figure: the columns NAME_low and NAME_high, or low and high."""
    pairs = ((f"{figure.column}_low", f"{figure.column}_high"), ("low", "high"))
    low, high = next((pair for pair in pairs if set(pair) <= set(columns)), pairs[0])
    return _of_column(figure, low, rows, columns), _of_column(figure, high, rows, columns)


def written(value: Any, words: Language, format_: str | None = None, digits: int | None = None) -> str:
    """A value as people read it, in the format asked for or the one of its type."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if isinstance(value, bool):
        return words.plain("yes") if value else words.plain("no")
    if isinstance(value, int | float) and format_ != "text":
        return _number(value, words, format_, digits)
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime.combine(value, time(12), words.zone)
        if format_ == "weekday":
            return words.weekday(moment)
        return words.moment(moment) if isinstance(value, datetime) and format_ != "day" else words.day(moment)
    return str(value)


def written_interval(low: Any, high: Any, words: Language, format_: str | None, digits: int | None = None) -> str:
    """Bounds as people read them: 34.3–36.6 %."""
    if format_ == "percent" and _finite(low) and _finite(high):
        places = SHARE_DIGITS if digits is None else digits
        return f"{100 * low:.{places}f}–{100 * high:.{places}f}{words.percent}"
    if digits is None and _finite(low) and _finite(high):
        return words.interval(low, high, signed=format_ == "points")
    parts = [written(bound, words, format_, digits) for bound in (low, high)]
    return "" if parts == [NONE, NONE] else "–".join(parts)


def _number(value: float, words: Language, format_: str | None, digits: int | None) -> str:
    if format_ == "percent":
        return f"{100 * value:.{SHARE_DIGITS if digits is None else digits}f}{words.percent}"
    if format_ == "points":
        return f"{100 * value:+.{POINT_DIGITS if digits is None else digits}f}".replace("-", "−")
    if format_ == "seconds":
        return words.seconds(value)
    if format_ == "count" or (isinstance(value, int) and format_ is None and digits is None):
        return words.whole(round(value))
    return words.number(value) if digits is None else f"{value:,.{digits}f}".replace("-", "−")


def _of_column(figure: Figure, column: str, rows: Rows, columns: Sequence[str]) -> Any:
    if column not in columns:
        raise Unfound(f"{figure.of} has no column {column!r}; it has: {', '.join(columns)}.")
    values = [row[column] for row in rows]
    if figure.pick in ("first", "last"):
        return (values[0] if figure.pick == "first" else values[-1]) if values else None
    known = [value for value in values if value is not None]
    if not known:
        return None
    if figure.pick in ("min", "max"):
        return min(known) if figure.pick == "min" else max(known)
    if not all(isinstance(value, int | float) for value in known):
        raise Unfound(f"{figure.of}.{column} does not hold numbers, so it has no {figure.pick}.")
    return sum(known) if figure.pick == "sum" else sum(known) / len(known)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
