"""What an answer is made of: facts, commands to do it oneself, people to ask, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Section = Literal["data", "development", "deployment", "people"]
Effect = Literal["reads", "records", "changes"]
"""What a command does: looks; leaves a record, and nothing at work changes; or changes what is built or at work."""
DiagramKind = Literal["data", "pipeline", "serving"]
BoxKind = Literal["source", "table", "examples", "model", "service", "hook"]


@dataclass(frozen=True)
class Fact:
    """A sentence with its figures. `address` is the page where they come from, `file` where something is declared."""

    said: str
    address: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Command:
    """A command that runs as it stands; `about_s` is roughly how long it takes, where that is known."""

    text: str
    effect: Effect = "reads"
    about_s: float | None = None


@dataclass(frozen=True)
class Who:
    """Somebody to ask, for what they answer; without a `name`, a role that nobody holds."""

    role: str | None
    name: str | None = None
    contact: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Table:
    """Figures side by side, as text; columns in `figures` (by place) hold numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: tuple[int, ...] = ()


@dataclass(frozen=True)
class Point:
    """A value at a moment, with its 95 % interval."""

    at: datetime
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """A figure over time, oldest first; `title` says what is drawn."""

    name: str
    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Box:
    """A thing in a diagram: `kind` says which shape, `lines` stand below its name."""

    id: str
    name: str
    kind: BoxKind
    column: int
    lines: tuple[str, ...] = ()
    address: str | None = None


@dataclass(frozen=True)
class Arrow:
    """What goes from one box to another; `dashed` where it goes beside."""

    start: str
    end: str
    said: str | None = None
    dashed: bool = False


@dataclass(frozen=True)
class Diagram:
    """Boxes in columns, from left to right, and what goes between them."""

    kind: DiagramKind
    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


@dataclass(frozen=True)
class Answer:
    """What can be said to a question now. `missing` says what the project has nothing for, `step` what supplies it."""

    facts: tuple[Fact, ...]
    commands: tuple[Command, ...] = ()
    who: tuple[Who, ...] = ()
    missing: str | None = None
    step: str | None = None
    table: Table | None = None
    diagram: Diagram | None = None
    series: Series | None = None
