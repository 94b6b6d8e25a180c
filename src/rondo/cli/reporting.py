"""`rondo report`: the reports of a project, run, and written as files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome
from rondo.cli.working import moment, workplace
from rondo.errors import WrongUse
from rondo.handbook.browsers import find_browser
from rondo.handbook.report_facts import ReportFacts, ReportsFacts, StatsFacts, TextFacts
from rondo.handbook.reports import report_facts, reports_facts
from rondo.language.catalogues import CODES, Code
from rondo.loop.workplace import Workplace
from rondo.pages.exporting import pdf_of, write_file
from rondo.pages.filled import pieces
from rondo.pages.frame import Frame
from rondo.pages.reports import report_markdown, report_page, report_sheets
from rondo.pages.tabular import xlsx_of

if TYPE_CHECKING:
    from rich.console import Console

ENDINGS = (".html", ".pdf", ".xlsx", ".md")


def report(
    options: Options,
    *,
    name: str | None,
    given: Sequence[str],
    out: Path | None,
    as_of: str | None,
    language: str | None,
) -> Outcome:
    """List the reports, or run one."""
    work = workplace(options, readonly=True)
    code = _code(language) or work.project.settings.language
    if name is None:
        listed = reports_facts(work, code)
        return Outcome(msgspec.to_builtins(listed), lambda console: _show_list(console, listed))
    if out is not None and out.suffix not in ENDINGS:
        raise WrongUse(
            f"{out} ends neither in {', '.join(ENDINGS[:-1])} nor in {ENDINGS[-1]}.", next_step="Name one that does."
        )
    if out is not None and out.suffix == ".pdf":
        find_browser()  # whether there is one is known before the queries run
    at = moment(work, as_of)
    facts = report_facts(work, name, _given(given), code=code, as_of=at)
    if out is not None:
        write_file(out, _content(work, facts, out, at, as_of))
    for problem in facts.problems:
        where = f"{facts.file}:{problem.line}" if problem.line else facts.file
        sys.stderr.write(f"error: {where}: {problem.message}\n  next: {problem.next}\n")
    document: dict[str, Any] = msgspec.to_builtins(facts)
    code_ = 1 if facts.problems else 0
    return Outcome(document, lambda console: _show(console, facts, out, work.project.settings.timezone), code_)


def _code(language: str | None) -> Code | None:
    if language is not None and language not in CODES:
        raise WrongUse(f"--language is {language!r}; it may be: {', '.join(CODES)}.", next_step="Use one of these.")
    return language


def _given(written: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in written]
    for name, equals, _ in pairs:
        if not equals:
            raise WrongUse(f"--set {name} has no value.", next_step="Write --set week=2013-12-02.")
    return {name: value for name, _, value in pairs}


def _content(work: Workplace, facts: ReportFacts, out: Path, at: datetime | None, written: str | None) -> bytes:
    settings = work.project.settings
    if out.suffix == ".xlsx":
        return xlsx_of(report_sheets(facts), timezone=settings.timezone, title=facts.title)
    if out.suffix == ".md":
        return report_markdown(facts).encode()
    frame = Frame(
        project=settings.name,
        now=at or facts.now,
        timezone=settings.timezone,
        state=work.store.state,
        code=facts.language,
        address=f"/reports/{facts.name}",
        query={**facts.given, **({"as_of": written} if written else {})},
        as_of=at,
        saved=True,
    )
    page = report_page(replace(facts, now=frame.now), frame)
    return pdf_of(page) if out.suffix == ".pdf" else page.encode()


def _show_list(console: Console, facts: ReportsFacts) -> None:
    if not facts.reports:
        console.print("There is no report: write reports/weekly.md.")
        return
    table = printing.grid("report", "title", "what it tells", "asks for", "owner")
    for line in facts.reports:
        told = f"cannot be read: {line.problem.message}" if line.problem else line.summary or ""
        table.add_row(line.name, line.title, told, ", ".join(line.parameters), line.person or "")
    console.print(table)
    console.print(f"  next: rondo report {facts.reports[0].name} -o {facts.reports[0].name}.html", style="dim")


def _show(console: Console, facts: ReportFacts, out: Path | None, timezone: str) -> None:
    for block in facts.blocks:
        if isinstance(block, TextFacts):
            for piece in pieces(block.markdown, block.figures):
                console.print(piece.html.striptags(), style="bold" if piece.kind in ("h1", "h2") else None)
        elif isinstance(block, StatsFacts):
            for stat in block.stats:
                console.print(f"  {stat.label}: {stat.value}" + (f" ({stat.below})" if stat.below else ""))
    rows = ", ".join(f"{answer.name} {len(answer.rows):,}" for answer in facts.answers)
    console.print(f"{facts.file} as of {facts.as_of or facts.now:%Y-%m-%d %H:%M} UTC; rows: {rows}.", style="dim")
    console.print(
        f"Written to {out}." if out else f"  next: rondo report {facts.name} -o {facts.name}.html", style="dim"
    )
