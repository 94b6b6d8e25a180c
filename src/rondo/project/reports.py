"""Reports: a Markdown file each, whose fenced SQL runs when the report is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from rondo.errors import DeclarationError, NotFound
from rondo.project.figures import Figure, figures_of
from rondo.project.headers import Header, parse_header
from rondo.project.parameters import Parameter, read_parameters
from rondo.project.tables import NAME

FOLDER = "reports"
KEYS = ("title", "owner", "summary", "language", "parameters")
CHART_FORMS = ("line", "bar", "dot", "interval", "vega")
VEGA = ("mark", "layer", "facet", "repeat", "concat", "hconcat", "vconcat")
"""What a chart of Vega-Lite says at its top, one of them."""
CHART_KEYS = ("title", "subtitle", "query", "height", "columns", *CHART_FORMS)
TABLE_KEYS = ("title", "query", "columns")
FIGURE_KEYS = ("label", "value", "below")
LANGUAGES = ("en", "ko")
_Figures: TypeAlias = Callable[[str, int], tuple[Figure, ...]]
_FRONT = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r"(?P<ticks>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)")
_PART = re.compile(r":::[ \t]*(?P<words>.*?)[ \t]*")
_WHEN = re.compile(r"(?P<which>with|without)\s+(?P<query>\w+)(?:\.(?P<column>\w+))?")
_FILE = re.compile(r"(?P<name>[^.]+)(?:\.(?P<language>[a-z]{2}))?\.md")


@dataclass(frozen=True)
class Query:
    """Fenced SQL. `shown` as a table where nothing else in the report draws it; `line` is that of its first line."""

    name: str
    sql: str
    line: int
    shown: bool = True


@dataclass(frozen=True)
class When:
    """A condition of a block: that the query has rows, or a column of its first row a value that is not zero."""

    query: str
    column: str | None
    present: bool
    line: int


@dataclass(frozen=True)
class Text:
    """Markdown with live figures in it."""

    markdown: str
    line: int
    figures: tuple[Figure, ...] = ()
    when: When | None = None


@dataclass(frozen=True)
class Stat:
    """A number with its name, and what it should be seen beside."""

    label: str
    value: str
    below: str
    figures: tuple[tuple[Figure, ...], tuple[Figure, ...]]


@dataclass(frozen=True)
class Stats:
    """A row of numbers."""

    stats: tuple[Stat, ...]
    line: int
    when: When | None = None


@dataclass(frozen=True)
class Drawing:
    """A chart or a table of a query's rows, as YAML declares it. Title and subtitle may hold figures."""

    kind: Literal["chart", "table"]
    query: str
    title: str
    subtitle: str
    declared: Mapping[str, object]
    line: int
    figures: tuple[tuple[Figure, ...], tuple[Figure, ...]] = ((), ())
    when: When | None = None


Block: TypeAlias = Text | Stats | Drawing
"""A part of a report, in the order of its file. A query stands where it is drawn."""


@dataclass(frozen=True)
class Report:
    """A report as written. `languages` are those its text is written in; `text` is the file's, which tells versions."""

    name: str
    file: str
    title: str
    language: Literal["en", "ko"]
    languages: tuple[str, ...]
    text: str
    summary: str | None = None
    owner: str | None = None
    parameters: tuple[Parameter, ...] = ()
    queries: tuple[Query, ...] = ()
    blocks: tuple[Block, ...] = ()


def report_names(root: Path) -> tuple[str, ...]:
    """The reports of a project by name, in order: `weekly.md` and its Korean text `weekly.ko.md` are one."""
    return tuple(sorted(_files(root)))


def read_report(root: Path, name: str, language: str = "en") -> Report:
    """The report `name` in this language if it is written in it, else as it is written.

    Raises NotFound with the names there are, DeclarationError with file and line.
    """
    files = _files(root)
    if name not in files:
        raise NotFound.among("report", name, sorted(files))
    texts = files[name]
    path = texts.get(language) or texts.get("") or next(iter(texts.values()))
    file = path.relative_to(root).as_posix()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{file} is not UTF-8.", next_step="Save it as UTF-8.", file=file) from error
    found = _FRONT.match(text)
    header = parse_header(found["yaml"], file, 2) if found else Header({}, {}, file, 1)
    header.refuse_unknown(KEYS)
    written = next((code for code, each in texts.items() if each == path), "") or header.text("language") or "en"
    if written not in LANGUAGES:
        raise header.wrong("language", f"is {written!r}; it may be: {', '.join(LANGUAGES)}", "Use one of these.")
    body = text[found.end() :] if found else text
    parameters = read_parameters(header)
    parts = _Parts(file, tuple(parameter.name for parameter in parameters))
    parts.read(body, 1 + text.count("\n", 0, found.end()) if found else 1)
    return Report(
        name=name,
        file=file,
        title=header.text("title") or name,
        language=written,  # type: ignore[arg-type]  # one of the languages
        languages=tuple(sorted(code or "en" for code in texts)),
        text=text,
        summary=header.text("summary"),
        owner=header.text("owner"),
        parameters=parameters,
        queries=tuple(parts.queries),
        blocks=parts.blocks(),
    )


def _files(root: Path) -> dict[str, dict[str, Path]]:
    """Report files by name and language; an empty language where the name bears none."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted((root / FOLDER).glob("*.md")):
        named = _FILE.fullmatch(path.name)
        if named is None or not NAME.fullmatch(named["name"]) or named["language"] not in (None, *LANGUAGES):
            continue
        found.setdefault(named["name"], {})[named["language"] or ""] = path
    return found


class _Parts:
    """The body of a report taken apart, line by line: text, queries, drawings, and the parts that have a condition."""

    def __init__(self, file: str, parameters: tuple[str, ...]) -> None:
        self.file, self.parameters = file, parameters
        self.queries: list[Query] = []
        self._found: list[tuple[str, str, int, When | None]] = []  # kind, text, line, condition
        self._when: When | None = None

    def wrong(self, message: str, next_step: str, line: int) -> DeclarationError:
        return DeclarationError(message, next_step=next_step, file=self.file, line=line)

    def read(self, body: str, first: int) -> None:
        """Take apart the text that begins on line `first`."""
        lines = body.splitlines()
        held: list[str] = []
        held_from = first
        at = 0
        while at < len(lines):
            number = first + at
            fence, part = _FENCE.match(lines[at]), _PART.fullmatch(lines[at])
            if fence is None and part is None:
                held_from = held_from if held else number
                held.append(lines[at])
                at += 1
                continue
            inside, after = self._inside(lines, at, fence["ticks"], first) if fence else ([], at + 1)
            info = fence["info"].strip() if fence else ""
            if fence and info.split(" ")[0] not in ("sql", "chart", "table", "figures"):
                held_from = held_from if held else number
                held += lines[at:after]
            else:
                self._keep("text", "\n".join(held), held_from)
                held = []
                if part is not None:
                    self._turn(part["words"], number)
                else:
                    self._fenced(info, "\n".join(inside), number + 1)
            at = after
        self._keep("text", "\n".join(held), held_from)
        if self._when is not None:
            raise self.wrong("This part never ends.", "End it with a line `:::`.", self._when.line)

    def blocks(self) -> tuple[Block, ...]:
        """The blocks, each figure in them known to stand for something."""
        names = [query.name for query in self.queries]
        drawn = [self._block(kind, text, line, when, names) for kind, text, line, when in self._found]
        for when in {when for _, _, _, when in self._found if when is not None}:
            if when.query not in names:
                there = ", ".join(names) or "none"
                raise self.wrong(
                    f"There is no query {when.query!r}; there are: {there}.", "Use one of these.", when.line
                )
        shown = {block.query for block in drawn if isinstance(block, Drawing) and block.declared}
        return tuple(
            block for block in drawn if not isinstance(block, Drawing) or block.declared or block.query not in shown
        )

    def _inside(self, lines: list[str], at: int, ticks: str, first: int) -> tuple[list[str], int]:
        for end in range(at + 1, len(lines)):
            closing = lines[end].strip()
            if closing.startswith(ticks) and not closing.strip(ticks[0]):
                return lines[at + 1 : end], end + 1
        raise self.wrong("This fence never ends.", f"End it with a line {ticks}", first + at)

    def _keep(self, kind: str, text: str, line: int) -> None:
        if kind != "text" or text.strip():
            self._found.append((kind, text, line, self._when))

    def _turn(self, words: str, line: int) -> None:
        """A line of colons: it begins a part with a condition, or ends it."""
        if not words:
            if self._when is None:
                raise self.wrong(
                    "No part begins above this line.", "Take it out, or begin one: `::: with QUERY`.", line
                )
            self._when = None
            return
        found = _WHEN.fullmatch(words)
        if found is None or self._when is not None:
            raise self.wrong(
                f"{words!r} begins no part." if found is None else "A part begins inside another.",
                "Write `::: with QUERY`, `::: with QUERY.COLUMN` or `::: without …`, and `:::` at its end.",
                line,
            )
        self._when = When(found["query"], found["column"], found["which"] == "with", line)

    def _fenced(self, info: str, text: str, line: int) -> None:
        kind, *words = info.split()
        if kind != "sql":
            self._keep(kind, text, line)
            return
        options = dict(word.partition("=")[::2] for word in words)
        name = options.pop("name", "") or f"query_{len(self.queries) + 1}"
        hidden = options.pop("hide", None) is not None
        if options or not NAME.fullmatch(name):
            odd = next(iter(options), name)
            raise self.wrong(f"The query says {odd!r}.", "Write ```sql name=weekly, with `hide` if need be.", line - 1)
        if name in self.parameters or any(query.name == name for query in self.queries):
            raise self.wrong(f"There are two things named {name!r}.", "Give one another name.", line - 1)
        if not text.strip():
            raise self.wrong(f"The query {name} is empty.", "Write a select.", line)
        self.queries.append(Query(name, text, line, not hidden))
        if not hidden:
            self._keep("query", name, line)

    def _block(self, kind: str, text: str, line: int, when: When | None, names: list[str]) -> Block:
        def figures(written: str, at: int) -> tuple[Figure, ...]:
            return tuple(figures_of(written, file=self.file, line=at, queries=names, parameters=self.parameters))

        if kind == "text":
            return Text(text, line, figures(text, line), when)
        if kind == "query":
            return Drawing("table", text, "", "", {}, line, when=when)
        if kind == "figures":
            return Stats(tuple(self._stats(text, line, figures)), line, when)
        return self._drawing(kind, text, line, when, names, figures)

    def _stats(self, text: str, line: int, figures: _Figures) -> Iterator[Stat]:
        header = parse_header("figures:\n" + text, self.file, line - 1)
        items = header.values.get("figures")
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            raise self.wrong(
                "These are no figures.", "Write a list: `- label: …`, with value: and below: under it.", line
            )
        for item, at in zip(items, header.item_lines["figures"], strict=True):
            if unknown := [key for key in item if key not in FIGURE_KEYS]:
                raise self.wrong(
                    f"A figure has an unknown key {unknown[0]!r}; it may have: {', '.join(FIGURE_KEYS)}.",
                    "Use one of these.",
                    at,
                )
            label, value, below = (str(item.get(key) or "") for key in FIGURE_KEYS)
            if not label or not value:
                raise self.wrong("A figure wants a label and a value.", 'Write `value: "{{ weekly.rows }}"`.', at)
            yield Stat(label, value, below, (figures(value, at), figures(below, at)))

    def _drawing(
        self, kind: str, text: str, line: int, when: When | None, names: list[str], figures: _Figures
    ) -> Drawing:
        header = parse_header(text, self.file, line)
        if kind == "chart" and any(key in header.values for key in VEGA):
            columns = (
                ("columns",) if isinstance(header.values.get("columns"), Mapping) else ()
            )  # a number is Vega-Lite's
            apart = ("title", "subtitle", "query", *columns)
            own = {key: value for key, value in header.values.items() if key not in apart}
            kept = {key: value for key, value in header.values.items() if key in apart}
            header = replace(header, values={**kept, "vega": own})
        header.refuse_unknown(CHART_KEYS if kind == "chart" else TABLE_KEYS)
        above = [query.name for query in self.queries if query.line < line]
        query = header.text("query") or (above[-1] if above else "")
        if query not in names:
            there = ", ".join(names) or "none"
            raise self.wrong(
                f"This {kind} is of the query {query!r}; there are: {there}." if query else "No query stands above it.",
                "Put the SQL above it, or name it with query:.",
                header.lines.get("query", line),
            )
        title, subtitle = header.text("title") or "", header.text("subtitle") or ""
        if kind == "chart":
            forms = [form for form in CHART_FORMS if form in header.values]
            if len(forms) != 1 or not isinstance(header.values[forms[0]], Mapping):
                raise self.wrong(
                    f"A chart says one of {', '.join(CHART_FORMS)}, with its columns.",
                    "Write e.g. `line: {x: week, y: auc}`, or a whole Vega-Lite chart under `vega:`.",
                    line,
                )
            if not title:
                raise self.wrong("The chart has no title.", "Write title: what the chart shows was found.", line)
        at = header.lines.get
        told = (figures(title, at("title", line)), figures(subtitle, at("subtitle", line)))
        declared = {
            name: _with_booleans(value) if name == "vega" else value
            for name, value in header.values.items()
            if name not in ("title", "subtitle", "query")
        }
        return Drawing(
            "chart" if kind == "chart" else "table",
            query,
            title,
            subtitle,
            {"kind": kind, **declared},
            line,
            told,
            when,
        )


def _with_booleans(value: object) -> object:
    """`true` and `false` as Vega-Lite means them; headers keep every word as it is written."""
    if isinstance(value, Mapping):
        return {key: _with_booleans(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_booleans(inner) for inner in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
