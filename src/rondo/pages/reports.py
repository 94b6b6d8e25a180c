"""Reports as pages: a document with its charts and tables, and the list of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from markupsafe import Markup

from rondo.errors import DeclarationError
from rondo.handbook.figures import written, written_interval
from rondo.handbook.report_facts import (
    AnswerFacts,
    DrawingFacts,
    Problem,
    ReportFacts,
    ReportsFacts,
    StatFacts,
    StatsFacts,
    TextFacts,
)
from rondo.language.words import Language
from rondo.pages.charts import movement
from rondo.pages.declared import KEYS, measured, spec_of
from rondo.pages.filled import pieces, sql_code
from rondo.pages.frame import Frame
from rondo.pages.rendering import render
from rondo.pages.tabular import Sheet
from rondo.pages.vega import Chart, chart
from rondo.project.figures import PLACED

_SIGNS = re.compile(r"[\\`*_{}\[\]<>#|~&]")
SHOWN_ROWS = 200
"""So many rows of an answer stand on the page; the file of the table has them all."""
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT", "UINTEGER", "FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True)
class Cell:
    """A value as it is read, with its interval; or a drawing."""

    text: str
    interval: str = ""
    plot: Markup | None = None


@dataclass(frozen=True)
class TablePart:
    """An answer as a table: its headings (with whether they are of numbers), its rows, and what is not shown."""

    name: str
    title: str
    headings: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int
    more: bool
    sql: Markup
    kind: str = "table"


@dataclass(frozen=True)
class ChartPart:
    """A chart with the table of its numbers."""

    chart: Chart
    table: TablePart
    kind: str = "chart"


@dataclass(frozen=True)
class ProblemPart:
    """What did not work, with the query it is about."""

    problem: Problem
    sql: Markup | None
    kind: str = "problem"


@dataclass(frozen=True)
class TextPart:
    """Paragraphs."""

    html: Markup
    kind: str = "text"


@dataclass(frozen=True)
class StatsPart:
    """A row of numbers."""

    stats: tuple[StatFacts, ...]
    kind: str = "stats"


Part = TablePart | ChartPart | ProblemPart | TextPart | StatsPart


@dataclass
class Section:
    """A part of the document under one heading."""

    id: str
    title: Markup | None = None
    note: Markup | None = None
    parts: list[Part] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Put a part below the others; paragraphs that follow one another stand together."""
        last = self.parts[-1] if self.parts else None
        if isinstance(part, TextPart) and isinstance(last, TextPart):
            self.parts[-1] = TextPart(last.html + part.html)
        else:
            self.parts.append(part)


@dataclass
class Document:
    """The report taken apart as the page shows it."""

    title: Markup
    lede: Markup | None = None
    stats: tuple[StatFacts, ...] = ()
    sections: list[Section] = field(default_factory=list)

    def here(self) -> Section:
        """The section that is being filled; a first one without a heading where the text has none."""
        if not self.sections:
            self.sections.append(Section("report"))
        return self.sections[-1]


def reports_page(facts: ReportsFacts, frame: Frame) -> str:
    """The list of reports."""
    return render("reports.html", frame, section="reports", commands=("rondo report",), facts=facts)


def report_page(facts: ReportFacts, frame: Frame) -> str:
    """A report as HTML."""
    words = Language(facts.language, frame.timezone)
    return render(
        "report.html",
        frame,
        section="reports",
        commands=_commands(facts, frame),
        facts=facts,
        document=document_of(facts, frame, words),
        words=words,
        values=[(each, _shown(each.kind, each.value)) for each in facts.parameters],
    )


def document_of(facts: ReportFacts, frame: Frame, words: Language) -> Document:
    """The report's blocks, in their sections."""
    document = Document(Markup("{}").format(facts.title))
    for number, block in enumerate(facts.blocks):
        if isinstance(block, TextFacts):
            _read(document, block, frame)
        elif isinstance(block, StatsFacts):
            if document.sections or document.stats:
                document.here().add(StatsPart(block.stats))
            else:
                document.stats = block.stats
        else:
            document.here().add(_drawn(block, facts, frame, words, number))
    return document


def report_sheets(facts: ReportFacts) -> list[Sheet]:
    """The report as sheets: what it says and where it comes from first, then one a query, values as they are."""
    words = Language(facts.language, facts.timezone)
    told: list[tuple[object, ...]] = [
        (words.plain("file"), facts.file),
        (words.plain("owner"), facts.person or ""),
        (words.plain("as of"), facts.now),
        *((each.label or each.name, each.value) for each in facts.parameters),
        *((name, version or words.plain("nothing yet")) for name, version in facts.reads.items()),
        *((words.plain("did not work"), each.message) for each in facts.problems),
        (),
    ]
    for block in facts.blocks:
        if isinstance(block, TextFacts):
            told += [("", each.html.striptags()) for each in pieces(block.markdown, block.figures)]
        elif isinstance(block, StatsFacts):
            told += [(stat.label, stat.value, stat.below) for stat in block.stats]
    head = (words.plain("report"), facts.title, "")
    first = Sheet(words.plain("report"), head, [(*line, "", "", "")[: len(head)] for line in told])
    sheets = [
        Sheet(answer.name, [column.name for column in answer.columns], [list(row.values()) for row in answer.rows])
        for answer in facts.answers
        if answer.columns
    ]
    return [first, *sheets]


def report_markdown(facts: ReportFacts) -> str:
    """The report as Markdown with nothing live in it: figures as text, charts as the tables of their numbers."""
    words = Language(facts.language, facts.timezone)
    parts: list[str] = []
    for block in facts.blocks:
        if isinstance(block, TextFacts):
            parts.append(_with_figures(block))
        elif isinstance(block, StatsFacts):
            parts += [
                "\n".join(f"- {_literal(' · '.join(filter(None, (s.label, s.value, s.below))))}" for s in block.stats)
            ]
        else:
            parts += _tabled(block, facts, words)
    read = ", ".join(version or name for name, version in facts.reads.items())
    parts.append(f"---\n\n{_literal(facts.file)} · {_literal(words.moment(facts.now))} · {_literal(read)}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _with_figures(text: TextFacts) -> str:
    said = iter(text.figures)
    return PLACED.sub(lambda _: _literal(next(said)), text.markdown).strip()


def _tabled(block: DrawingFacts, facts: ReportFacts, words: Language) -> list[str]:
    """A drawing as lines of Markdown: its title, and the table of its rows or what kept it from having any."""
    answer = next(each for each in facts.answers if each.name == block.query)
    titles = [f"**{_literal(block.title)}**" if block.title else "", _literal(block.subtitle)]
    if answer.problem is not None:
        return [*titles, f"> {_literal(answer.problem.message)} {_literal(answer.problem.next)}"]
    table = _table(answer, block if block.kind == "table" else _numbers(block.declared, answer), words)
    kept = [place for place in range(len(table.headings)) if not any(row[place].plot for row in table.rows)]
    lines = [[_literal(table.headings[place][0]) for place in kept]]
    lines.append(["--:" if table.headings[place][1] else "---" for place in kept])
    lines += [[_literal(f"{row[place].text} {row[place].interval}".strip()) for place in kept] for row in table.rows]
    return [*titles, "\n".join(f"| {' | '.join(line)} |" for line in lines)]


def _literal(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return _SIGNS.sub(r"\\\g<0>", " ".join(text.split()))


def _commands(facts: ReportFacts, frame: Frame) -> tuple[str, ...]:
    given = "".join(f" --set {name}={shlex.quote(value)}" for name, value in facts.given.items())
    given += f" --as-of {frame.query['as_of']}" if "as_of" in frame.query else ""
    whole = f"rondo report {facts.name}{given}"
    return tuple(f"{whole} -o {shlex.quote(f'{facts.filed(facts.given)}.{ending}')}" for ending in ("html", "xlsx"))


def _shown(kind: str, value: str) -> str:
    """A parameter as its field takes it: a week as 2013-W51."""
    if kind != "week":
        return value
    year, week, _ = date.fromisoformat(value).isocalendar()
    return f"{year}-W{week:02}"


def _read(document: Document, block: TextFacts, frame: Frame) -> None:
    """Put a text into its places: title, lede, headings, what explains them, paragraphs."""
    for piece in pieces(block.markdown, block.figures, frame):
        section = document.sections[-1] if document.sections else None
        if piece.kind == "h1":
            document.title = piece.html
        elif piece.kind == "h2":
            document.sections.append(Section(f"part-{len(document.sections) + 1}", piece.html))
        elif section is None and document.lede is None and piece.kind == "paragraph":
            document.lede = Markup(piece.html.removeprefix("<p>").rstrip().removesuffix("</p>"))
        elif section is not None and piece.kind == "quotation" and not section.parts and section.note is None:
            section.note = Markup(piece.html.replace("<blockquote>", "").replace("</blockquote>", ""))
        else:
            document.here().add(TextPart(piece.html))


def _drawn(block: DrawingFacts, facts: ReportFacts, frame: Frame, words: Language, number: int) -> Part:
    answer = next(each for each in facts.answers if each.name == block.query)
    code = sql_code(answer.sql)
    if answer.problem is not None:
        return ProblemPart(answer.problem, code)
    if block.kind == "table" or not answer.rows:
        return _table(answer, block, words)
    try:
        spec = spec_of(block.declared, answer.rows, words)
        drawn = chart(
            frame,
            spec,
            block.query if block.query not in frame.charts else f"{block.query}-{number}",
            title=Markup("{}").format(block.title),
            subtitle=Markup("{}").format(block.subtitle),
            spoken=f"{block.title}. {block.subtitle}".strip(),
            code=facts.language,
        )
    except (DeclarationError, ValueError) as error:
        told = error.message if isinstance(error, DeclarationError) else f"{block.title}: {error}"
        step = error.next_step if isinstance(error, DeclarationError) else words.plain("Mend the chart.")
        return ProblemPart(Problem(told, step, answer.line), code)
    return ChartPart(drawn, _table(answer, _numbers(block.declared, answer), words))


def _table(answer: AnswerFacts, block: DrawingFacts, words: Language) -> TablePart:
    types = {column.name: column.type for column in answer.columns}
    declared = block.declared.get("columns")
    chosen: Mapping[str, Any] = declared if isinstance(declared, Mapping) else dict.fromkeys(types)
    columns = [(name, _column(name, said)) for name, said in chosen.items() if name in types]
    rows = answer.rows[:SHOWN_ROWS]
    headings: list[tuple[str, bool]] = []
    cells: list[list[Cell]] = []
    for name, said in columns:
        headings.append((said["title"], types[name].startswith(NUMBERS)))
        cells.append([_cell(row, name, said, words) for row in rows])
        if isinstance(said.get("plot"), Mapping):
            headings.append((str(said["plot"].get("title", "")), False))
            cells.append(_plots(rows, name, said, words))
    return TablePart(
        name=answer.name,
        title=block.title,
        headings=tuple(headings),
        rows=tuple(zip(*cells, strict=True)),
        left_out=max(0, len(answer.rows) - SHOWN_ROWS),
        more=answer.truncated,
        sql=sql_code(answer.sql),
    )


def _column(name: str, said: object) -> dict[str, Any]:
    """How a column is read: a heading alone, or title, format, digits, the columns of its interval, and its drawing."""
    if isinstance(said, Mapping):
        return {"title": name.replace("_", " "), **said}
    return {"title": str(said) if said is not None else name.replace("_", " ")}


def _cell(row: Mapping[str, Any], name: str, said: Mapping[str, Any], words: Language) -> Cell:
    text = written(row[name], words, said.get("format"), said.get("digits"))
    low, high = _interval(row, said)
    if low is None or high is None or row[name] is None:
        return Cell(text)
    return Cell(text, written_interval(low, high, words, said.get("format"), said.get("digits")))


def _interval(row: Mapping[str, Any], said: Mapping[str, Any]) -> tuple[Any, Any]:
    pair: Sequence[str] = said.get("interval") or ()
    return (row.get(pair[0]), row.get(pair[1])) if len(pair) == 2 else (None, None)


def _plots(rows: Sequence[Mapping[str, Any]], name: str, said: Mapping[str, Any], words: Language) -> list[Cell]:
    """The values of a column drawn in their rows, all on one scale."""
    before = said["plot"].get("before")
    known = [
        value
        for row in rows
        for value in (row[name], row.get(before), *_interval(row, said))
        if isinstance(value, int | float)
    ]
    domain = (min(known, default=0.0), max(known, default=1.0))
    drawn = []
    for row in rows:
        low, high = _interval(row, said)
        if row[name] is None:
            drawn.append(Cell(""))
            continue
        spoken = [
            written(value, words, said.get("format")) for value in (row.get(before), row[name]) if value is not None
        ]
        bounds = None if low is None or high is None else (low, high)
        drawn.append(Cell("", plot=movement(row[name], row.get(before), bounds, domain, name=" → ".join(spoken))))
    return drawn


def _numbers(declared: Mapping[str, Any], answer: AnswerFacts) -> DrawingFacts:
    """The table below a chart: the columns it names, else all, what it measures in the format it draws it in."""
    form: Mapping[str, Any] = next((declared[name] for name in KEYS if isinstance(declared.get(name), Mapping)), {})
    formats = dict.fromkeys(measured(declared, answer.rows), {"format": form["format"]} if "format" in form else {})
    named = declared.get("columns")
    chosen = named if isinstance(named, Mapping) else dict.fromkeys(column.name for column in answer.columns)
    columns = {name: {**formats.get(name, {}), **_column(name, said)} for name, said in chosen.items()}
    return DrawingFacts("table", answer.name, "", "", {"columns": columns})
