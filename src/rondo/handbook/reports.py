"""Reports run: their queries on the lake as of one moment, their sentences filled in."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from rondo.errors import DeclarationError, NotFound, RondoError
from rondo.handbook.figures import Unfound, bounds, picked, written, written_interval
from rondo.handbook.report_facts import (
    AnswerFacts,
    Column,
    DrawingFacts,
    ParameterFacts,
    Problem,
    ReportFacts,
    ReportLine,
    ReportsFacts,
    StatFacts,
    StatsFacts,
    TextFacts,
)
from rondo.handbook.stamps import stamp
from rondo.language.catalogues import Code
from rondo.language.words import NONE, Language
from rondo.loop.workplace import Workplace
from rondo.project.figures import PLACED, Figure
from rondo.project.parameters import NOW, Parameter, Value, parameter_values
from rondo.project.reports import Block, Drawing, Query, Report, Stats, Text, When, read_report, report_names
from rondo.sql.parsing import check_single_select, quote_versions, tables_read
from rondo.sql.relations import Answer, Catalog
from rondo.sql.sessions import Session, parameters_of, session
from rondo.store.until import LedgerUntil
from rondo.team.decisions import person

LIMIT_S = 30.0
"""A query that runs longer is stopped, and the report says so."""
LIMIT_ROWS = 10_000
KEPT = 32
UNFOUND = "?"
_PLACE = "\0"


def reports_facts(work: Workplace, code: Code) -> ReportsFacts:
    """The list of reports, in this language where they are written in it."""
    names = report_names(work.project.root)
    return ReportsFacts(work.now(), tuple(_line(work, name, code) for name in names))


def _line(work: Workplace, name: str, code: Code) -> ReportLine:
    try:
        report = read_report(work.project.root, name, code)
    except DeclarationError as error:
        return ReportLine(name, name, error.file or name, problem=_problem(error))
    return ReportLine(
        name,
        report.title,
        report.file,
        report.summary,
        report.owner,
        person(work.project.settings.people, report.owner),
        report.languages,
        tuple(parameter.name for parameter in report.parameters),
        len(report.queries),
    )


def report_asked(
    work: Workplace, name: str, query: Mapping[str, str], *, code: Code, as_of: datetime | None = None
) -> ReportFacts:
    """A report by the parameters of an address, of which some are not the report's."""
    declared = [parameter.name for parameter in read_report(work.project.root, name, code).parameters]
    given = {each: value for each, value in query.items() if each in declared}
    return report_facts(work, name, given, code=code, as_of=as_of)


_kept: OrderedDict[object, ReportFacts] = OrderedDict()
_lock = threading.Lock()


def report_facts(
    work: Workplace,
    name: str,
    given: Mapping[str, str],
    *,
    code: Code,
    as_of: datetime | None = None,
    limit_s: float = LIMIT_S,
) -> ReportFacts:
    """A report run, or the same as before where neither its text nor its parameters nor a table it reads has changed.

    Raises NotFound, DeclarationError (the file, with its line) and WrongUse (a parameter). A query that fails is a
    problem of the report, and the rest of it stands.
    """
    report = read_report(work.project.root, name, code)
    now, settings = as_of or work.now(), work.project.settings
    values = parameter_values(
        report.parameters, given, now=now, timezone=settings.timezone, models=list(work.project.models)
    )
    catalog = _catalog(work)
    reads = {each: stamp(work, catalog, each) for each in _names(report)}
    moment = now if as_of is not None or any(NOW in parameters_of(query.sql) for query in report.queries) else None
    text = hashlib.sha256(report.text.encode()).hexdigest()
    declared = (str(work.project.root), work.store.state, report.file, text, person(settings.people, report.owner))
    key = (declared, tuple(values.items()), as_of, moment, tuple(reads.items()))
    with _lock:
        if (kept := _kept.get(key)) is not None:
            _kept.move_to_end(key)
            return replace(kept, kept=True, now=now)
    began = time.perf_counter()
    run = _Run(report, values, Language(report.language, settings.timezone))
    run.ask(catalog, now, as_of, limit_s)
    facts = ReportFacts(
        name=name,
        title=report.title,
        file=report.file,
        language=report.language,
        languages=report.languages,
        now=now,
        timezone=settings.timezone,
        summary=report.summary,
        owner=report.owner,
        person=person(settings.people, report.owner),
        parameters=tuple(_parameter(each, values[each.name], work) for each in report.parameters),
        given=dict(given),
        as_of=as_of,
        reads={each: version and version.partition("+")[0] for each, version in reads.items()},
        blocks=tuple(run.blocks()),
        answers=tuple(run.answers.values()),
        problems=tuple(run.problems),
        seconds=time.perf_counter() - began,
    )
    with _lock:
        _kept[key] = facts
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return facts


def _catalog(work: Workplace) -> Catalog:
    """What SQL may read. As of a moment it goes by when rows became known, whatever has been built since."""
    ledger = work.store.ledger
    return replace(work.catalog, ledger=ledger.whole) if isinstance(ledger, LedgerUntil) else work.catalog


def _names(report: Report) -> Iterator[str]:
    """Every name that a query of the report reads; of one that cannot be parsed, none."""
    seen: set[str] = set()
    for query in report.queries:
        try:
            read = tables_read(quote_versions(query.sql))
        except RondoError:
            continue
        yield from (name for name in read if name not in seen)
        seen.update(read)


def _parameter(parameter: Parameter, value: Value, work: Workplace) -> ParameterFacts:
    shown = value.isoformat() if isinstance(value, date) else f"{value:g}" if isinstance(value, float) else value
    choices = parameter.choices or (tuple(work.project.models) if parameter.kind == "model" else ())
    return ParameterFacts(parameter.name, parameter.kind, shown, choices, parameter.summary, parameter.label)


def _problem(error: RondoError, line: int | None = None) -> Problem:
    return Problem(error.message, error.next_step, error.line if error.line is not None else line)


class _Run:
    """One reading of a report: the answers of its queries, and the text filled in with them."""

    def __init__(self, report: Report, values: Mapping[str, Value], words: Language) -> None:
        self.report, self.values, self.words = report, values, words
        self.answers: dict[str, AnswerFacts] = {}
        self.problems: list[Problem] = []

    def ask(self, catalog: Catalog, now: datetime, as_of: datetime | None, limit_s: float) -> None:
        """Run all queries on the same rows: every name is settled before the first of them runs."""
        values: dict[str, object] = {**self.values, NOW: now}
        with session(catalog, as_of) as asked:
            for name in _names(self.report):
                try:
                    asked.settle([name])
                except RondoError:
                    continue  # the query that reads it says so
            for query in self.report.queries:
                self.answers[query.name] = self._answer(asked, query, values, limit_s)
        self.problems += [answer.problem for answer in self.answers.values() if answer.problem is not None]

    def blocks(self) -> Iterator[TextFacts | StatsFacts | DrawingFacts]:
        """What is to be read: the blocks whose condition holds."""
        for block in self.report.blocks:
            if block.when is None or self._holds(block.when):
                yield self._filled(block)

    def _answer(self, asked: Session, query: Query, values: Mapping[str, object], limit_s: float) -> AnswerFacts:
        began = time.perf_counter()
        try:
            check_single_select(query.sql, file=self.report.file, line_offset=query.line - 1)
            answer = asked.query(query.sql, parameters=values, limit=LIMIT_ROWS, limit_s=limit_s)
            rows = _rows(answer)
        except NotFound as error:
            if error.facts.get("available") is not None:
                return AnswerFacts(query.name, query.sql, query.line, problem=_problem(error, query.line))
            return AnswerFacts(query.name, query.sql, query.line)  # nothing is there yet: no rows
        except RondoError as error:
            return AnswerFacts(query.name, query.sql, query.line, problem=_problem(error, query.line))
        return AnswerFacts(
            query.name,
            query.sql,
            query.line,
            tuple(Column(name, kind) for name, kind in answer.columns.items()),
            rows,
            answer.truncated,
            time.perf_counter() - began,
        )

    def _holds(self, when: When) -> bool:
        answer = self.answers[when.query]
        there = bool(answer.rows)
        if when.column is not None and answer.columns:
            if when.column not in [column.name for column in answer.columns]:
                self._unfound(f"{when.query} has no column {when.column!r}.", when.line)
                return False
            there = there and bool(answer.rows[0][when.column])
        return there == when.present

    def _filled(self, block: Block) -> TextFacts | StatsFacts | DrawingFacts:
        if isinstance(block, Text):
            return TextFacts(block.markdown, tuple(map(self._written, block.figures)))
        if isinstance(block, Stats):
            return StatsFacts(
                tuple(
                    StatFacts(
                        each.label, self._text(each.value, each.figures[0]), self._beside(each.below, each.figures[1])
                    )
                    for each in block.stats
                )
            )
        return self._drawn(block)

    def _drawn(self, block: Drawing) -> DrawingFacts:
        title, subtitle = (
            self._text(text, figures)
            for text, figures in zip((block.title, block.subtitle), block.figures, strict=True)
        )
        return DrawingFacts(block.kind, block.query, title, subtitle, block.declared)

    def _text(self, text: str, figures: Sequence[Figure]) -> str:
        """A short text with its figures written into it."""
        said = iter([self._written(figure) for figure in figures])
        return PLACED.sub(lambda _: next(said), text)

    def _beside(self, text: str, figures: Sequence[Figure]) -> str:
        """What stands below a number, without the pieces between commas of which a figure is missing."""
        said = iter([self._written(figure) for figure in figures])
        kept = []
        for piece in PLACED.sub(_PLACE, text).split(", "):
            here = [next(said) for _ in range(piece.count(_PLACE))]
            if not {NONE, ""} & set(here):
                kept.append(
                    "".join(part for pair in zip_longest(piece.split(_PLACE), here, fillvalue="") for part in pair)
                )
        return ", ".join(kept)

    def _written(self, figure: Figure) -> str:
        if figure.of in self.values:
            return written(self.values[figure.of], self.words, figure.format, figure.digits)
        answer = self.answers[figure.of]
        if answer.problem is not None:
            return UNFOUND
        columns = [column.name for column in answer.columns]
        if not columns:
            return written(0 if figure.pick == "rows" else None, self.words)
        try:
            if figure.interval:
                low, high = bounds(figure, answer.rows, columns)
                return written_interval(low, high, self.words, figure.format, figure.digits)
            return written(picked(figure, answer.rows, columns), self.words, figure.format, figure.digits)
        except Unfound as error:
            self._unfound(f"{{{{ {figure.written} }}}}: {error}", figure.line)
            return UNFOUND

    def _unfound(self, message: str, line: int) -> None:
        problem = Problem(message, "Use one of these names, or select the column.", line)
        if problem not in self.problems:
            self.problems.append(problem)


def _rows(answer: Answer) -> tuple[Mapping[str, Any], ...]:
    columns = [[_value(value) for value in column.to_pylist()] for column in answer.rows.columns]
    return tuple(dict(zip(answer.columns, values, strict=True)) for values in zip(*columns, strict=True))


def _value(value: Any) -> Any:
    """A cell as facts hold it: numbers as numbers, times as times, everything else as JSON says it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_value(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str | date):
        return value
    return str(value)
