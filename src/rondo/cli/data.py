"""Commands of data and of looking: init, sql, profile, lineage, history, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.working import moment, workplace
from rondo.handbook.cells import rows_document
from rondo.handbook.doctor import examine
from rondo.handbook.history import history_document
from rondo.handbook.profile import profile_of
from rondo.handbook.tracing import lineage_document
from rondo.pages.exporting import write_file
from rondo.pages.tabular import Sheet, xlsx_of
from rondo.project.starting import start

if TYPE_CHECKING:
    pass


def init(options: Options, *, directory: Path, template: str) -> Outcome:
    """Make a new project."""
    written = start(directory, template, directory.resolve().name)
    document = {"project": directory.name, "template": template, "files": written}
    return Outcome(document, lambda console: printing.show_started(console, directory, template, written))


def sql(options: Options, *, query: str, as_of: str | None, limit: int, out: Path | None) -> Outcome:
    """Ask the lake and the ledger."""
    work = workplace(options, readonly=True)
    answer = work.catalog.query(query, as_of=moment(work, as_of), limit=limit or None)
    if out is not None and out.suffix == ".xlsx":
        rows = zip(*(column.to_pylist() for column in answer.rows.columns), strict=True)
        sheet = Sheet("rows", list(answer.columns), list(rows))
        write_file(out, xlsx_of([sheet], timezone=work.project.settings.timezone, title=query))
    elif out is not None:
        printing.write_rows(answer.rows, out)
    document = rows_document(answer, work.project.settings.timezone)
    return Outcome(document, lambda console: printing.show_rows(console, document))


def profile(options: Options, *, table: str) -> Outcome:
    """What a table holds."""
    work = workplace(options)
    with progress_shown(options) as progress:
        document = profile_of(work.catalog, work.store, table, by=work.by, progress=progress)
    return Outcome(document, lambda console: printing.show_profile(console, document))


def lineage(options: Options, *, name: str) -> Outcome:
    """Where something comes from."""
    work = workplace(options, readonly=True)
    document = lineage_document(work.catalog, name)
    return Outcome(document, lambda console: printing.show_lineage(console, document))


def history(options: Options, *, limit: int) -> Outcome:
    """What happened, newest first."""
    work = workplace(options, readonly=True)
    document = history_document(work.store.ledger, limit)
    return Outcome(document, lambda console: printing.show_history(console, document))


def doctor(options: Options) -> Outcome:
    """Whether installation and project are healthy."""
    document = examine(options.project or Path.cwd(), options.state)
    code = 0 if document["healthy"] else 1
    return Outcome(document, lambda console: printing.show_doctor(console, document), code)
