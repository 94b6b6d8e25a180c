"""What a report came to: text with its figures, answers with their rows, and what did not work."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from rondo.language.catalogues import Code
from rondo.project.parameters import Kind


@dataclass(frozen=True)
class Problem:
    """What did not work in a report, at which line of its file, and the next step."""

    message: str
    next: str
    line: int | None = None


@dataclass(frozen=True)
class Column:
    """A column of an answer with its DuckDB type."""

    name: str
    type: str


@dataclass(frozen=True)
class AnswerFacts:
    """A query of a report with its rows, or the problem that kept it from having any."""

    name: str
    sql: str
    line: int
    columns: tuple[Column, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    truncated: bool = False
    seconds: float = 0.0
    problem: Problem | None = None


@dataclass(frozen=True)
class TextFacts:
    """Markdown as written; its figures, in order, stand beside it as people read them."""

    markdown: str
    figures: tuple[str, ...]
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class StatFacts:
    """A number with its name and what stands below it."""

    label: str
    value: str
    below: str


@dataclass(frozen=True)
class StatsFacts:
    """A row of numbers."""

    stats: tuple[StatFacts, ...]
    kind: Literal["figures"] = "figures"


@dataclass(frozen=True)
class DrawingFacts:
    """A chart or a table of a query's answer; `declared` is how the report says it is drawn."""

    kind: Literal["chart", "table"]
    query: str
    title: str
    subtitle: str
    declared: Mapping[str, Any]


@dataclass(frozen=True)
class ParameterFacts:
    """A parameter and what it is in this report; people read its label, if it has one."""

    name: str
    kind: Kind
    value: str
    choices: tuple[str, ...] = ()
    summary: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class ReportFacts:
    """A report as it reads at `now`. `reads` says which version of each table was read; `kept`: nothing was run anew.
    `person` is the owner with how to reach them.

    `given` are the parameters that somebody asked for, as written.
    """

    name: str
    title: str
    file: str
    language: Code
    languages: tuple[str, ...]
    now: datetime
    timezone: str
    summary: str | None = None
    owner: str | None = None
    person: str | None = None
    parameters: tuple[ParameterFacts, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    as_of: datetime | None = None
    reads: Mapping[str, str | None] = field(default_factory=dict)
    blocks: tuple[TextFacts | StatsFacts | DrawingFacts, ...] = ()
    answers: tuple[AnswerFacts, ...] = ()
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    kept: bool = False

    def filed(self, names: Container[str]) -> str:
        """What a file of it is called, without its ending, with the parameters that have these names."""
        told = [each.value.replace("/", "-") for each in self.parameters if each.name in names]
        return "-".join([self.name, *told])


@dataclass(frozen=True)
class ReportLine:
    """A report in the list; `problem` where its file cannot be read."""

    name: str
    title: str
    file: str
    summary: str | None = None
    owner: str | None = None
    person: str | None = None
    languages: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    queries: int = 0
    problem: Problem | None = None


@dataclass(frozen=True)
class ReportsFacts:
    """All reports of a project."""

    now: datetime
    reports: tuple[ReportLine, ...]
