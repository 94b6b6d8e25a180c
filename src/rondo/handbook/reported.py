"""Whether reports can be read, without running them: looked at once for each state of their files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rondo.errors import RondoError
from rondo.language.catalogues import Code
from rondo.project.reports import FOLDER, read_report, report_names
from rondo.sql.parsing import check_single_select

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Reported:
    """A report as its file says; `wrong` is why it, or a query in it, cannot be read."""

    name: str
    file: str
    owner: str | None = None
    wrong: str | None = None


def reported(root: Path, code: Code) -> tuple[Reported, ...]:
    """Every report of a project, in the text of a language if it is written in it."""
    return tuple(_reported(root, name, code, _stamp(root, name)) for name in report_names(root))


def _stamp(root: Path, name: str) -> Stamp:
    """What tells one state of a report's files from another."""
    files = sorted((root / FOLDER).glob(f"{name}*.md"))
    return tuple((path.name, (at := path.stat()).st_mtime_ns, at.st_size) for path in files)


@lru_cache(maxsize=512)
def _reported(root: Path, name: str, code: Code, stamp: Stamp) -> Reported:
    try:
        report = read_report(root, name, code)
    except RondoError as error:
        return Reported(name, f"{FOLDER}/{name}.md", None, error.message)
    try:
        for query in report.queries:
            check_single_select(query.sql, file=report.file, line_offset=query.line - 1)
    except RondoError as error:
        return Reported(name, report.file, report.owner, error.message)
    return Reported(name, report.file, report.owner)
