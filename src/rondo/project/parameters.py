"""Parameters of a report: what may be asked of it, and what is asked where nobody says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from rondo.errors import WrongUse
from rondo.project.headers import Header
from rondo.project.tables import NAME

Kind = Literal["text", "number", "date", "week", "model"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEYS = ("type", "default", "choices", "label", "summary")
LATEST: Mapping[str, str] = {"date": "yesterday", "week": "last"}
"""What stands for the day before now, and for the last week that is over."""
NOW = "now"
_WEEK = re.compile(r"(\d{4})-W?(\d{1,2})")

Value = str | float | date | datetime


@dataclass(frozen=True)
class Parameter:
    """One parameter. A `week` is its Monday; a `model` is one of the project's. `label` is its name for people."""

    name: str
    kind: Kind
    default: str | None = None
    choices: tuple[str, ...] = ()
    summary: str | None = None
    label: str | None = None


def read_parameters(header: Header) -> tuple[Parameter, ...]:
    """The parameters of a report's front matter: `week: date`, or type, default, choices, label and summary."""
    written = header.values.get("parameters") or {}
    if not isinstance(written, Mapping):
        raise header.wrong("parameters", "is not names with types", "Write `week: date` lines below it.")
    return tuple(_parameter(str(name), value, header) for name, value in written.items())


def _parameter(name: str, written: object, header: Header) -> Parameter:
    said = written if isinstance(written, Mapping) else {"type": written}
    if unknown := [key for key in said if key not in KEYS]:
        raise header.wrong(
            "parameters", f"{name} says {unknown[0]!r}; it may say: {', '.join(KEYS)}", "Use one of these."
        )
    if not NAME.fullmatch(name) or name == NOW:
        raise header.wrong("parameters", f"{name!r} is not a name for one", f"Use letters, digits and _, not {NOW!r}.")
    choices = said.get("choices") or ()
    if not isinstance(choices, Sequence) or isinstance(choices, str):
        raise header.wrong("parameters", f"{name} has choices {choices!r}", "Write choices: [first, second].")
    kind = said.get("type", "text")
    if kind not in KINDS:
        raise header.wrong("parameters", f"{name} is a {kind!r}; it may be: {', '.join(KINDS)}", "Use one of these.")
    default = said.get("default", LATEST.get(str(kind)))
    summary, label = said.get("summary"), said.get("label")
    return Parameter(
        name,
        kind,
        None if default is None else str(default),
        tuple(str(choice) for choice in choices),
        None if summary is None else str(summary),
        None if label is None else str(label),
    )


def parameter_values(
    parameters: Sequence[Parameter], given: Mapping[str, str], *, now: datetime, timezone: str, models: Sequence[str]
) -> dict[str, Value]:
    """What each parameter is: as `given`, else its default as of `now`. Raises WrongUse for what does not fit."""
    for name in given:
        if name not in [parameter.name for parameter in parameters]:
            there = ", ".join(parameter.name for parameter in parameters) or "none"
            raise WrongUse(f"There is no parameter {name!r}; there are: {there}.", next_step="Use one of these names.")
    today = now.astimezone(ZoneInfo(timezone)).date()
    return {each.name: _value(each, given.get(each.name) or None, today, models) for each in parameters}


def _value(parameter: Parameter, given: str | None, today: date, models: Sequence[str]) -> Value:
    text = given if given is not None else parameter.default
    choices = parameter.choices or (tuple(models) if parameter.kind == "model" else ())
    if text is None:
        text = choices[0] if choices else None
    if text is None:
        raise WrongUse(f"{parameter.name} is not given.", next_step=f"Give it: --set {parameter.name}=…")
    if choices and text not in choices:
        raise WrongUse(f"{parameter.name} is {text!r}; it may be: {', '.join(choices)}.", next_step="Use one of these.")
    if parameter.kind in ("text", "model"):
        return text
    try:
        return float(text) if parameter.kind == "number" else _day(text, today, parameter.kind)
    except (ValueError, OverflowError):
        want = {"number": "a number", "week": "a week (2013-W51) or a day in it (2013-12-16)"}
        raise WrongUse(
            f"{parameter.name} is {text!r}, and must be {want.get(parameter.kind, 'a day (2013-12-16)')}.",
            next_step=f"Write it that way: --set {parameter.name}=…",
        ) from None


def _day(text: str, today: date, kind: Kind) -> date:
    """A day; of a week, its Monday. `today`, `yesterday` and `last` (the last week that is over) are counted back."""
    if kind == "week":
        monday = today - timedelta(days=today.weekday())
        if text in ("last", "this"):
            return monday - timedelta(days=7 if text == "last" else 0)
        if week := _WEEK.fullmatch(text):
            return date.fromisocalendar(int(week[1]), int(week[2]), 1)
        day = date.fromisoformat(text)
        return day - timedelta(days=day.weekday())
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    return date.fromisoformat(text)
