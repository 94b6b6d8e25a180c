"""The checks of a table: what each found last, run after run, and the rows that were set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from rondo.data.quarantine import CHECK_NAME, quarantine_path
from rondo.handbook.cells import cell
from rondo.loop.workplace import Workplace
from rondo.project.checks import OnFail
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.tables import CheckResult, TableVersion
from rondo.sql.engine import quote, relation_of_files, run
from rondo.store.ledger import Entry

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RUNS = 30
SET_ASIDE = 5
"""So many of the rows set aside are shown."""
Outcome = Literal["passed", "warned", "blocked", "absent"]
"""What a check came to in one run: `absent` where it was not declared yet, or not any more."""


@dataclass(frozen=True)
class CheckLine:
    """One check. `history` is of the newest runs, oldest first; without a run there is no state."""

    text: str
    on_fail: OnFail
    state: Literal["passed", "failed"] | None
    rows: int
    failed: int
    history: tuple[Outcome, ...]
    declared: bool = True


@dataclass(frozen=True)
class Quarantine:
    """Rows that failed a check and were set aside: how many by check, and some of them."""

    by_check: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def count(self) -> int:
        """Rows set aside; one that failed two checks stands there twice."""
        return sum(rows for _, rows in self.by_check)


@dataclass(frozen=True)
class Checks:
    """All checks of a table and when they were last run; `state` is what they came to together."""

    lines: tuple[CheckLine, ...]
    at: datetime | None
    state: Literal["passed", "warned", "quarantined", "blocked"] | None
    runs: int


def checks_of(work: Workplace, declared: Source | Table, version: TableVersion | None, *, newest: bool) -> Checks:
    """What the checks found of a version, or when the newest was last tried."""
    entries = work.store.ledger.entries(CheckResult, name=declared.name, limit=RUNS, newest_first=True)
    if not newest and version is not None:
        of_version = work.store.ledger.entries(CheckResult, name=declared.name, version=version.version, limit=1)
        upto = of_version[0].seq if of_version else 0
        entries = [entry for entry in entries if entry.seq <= upto] or of_version
    last = entries[0] if entries else None
    found = {check.text: check for check in last.record.checks} if last else {}
    written = [check.text for check in declared.checks]
    lines = []
    for text in (*written, *(text for text in found if text not in written)):
        held = found.get(text)
        history = tuple(_outcome(entry, text) for entry in reversed(entries))
        lines.append(
            CheckLine(
                text, declared.on_fail, held.state if held else None, held.rows if held else 0,
                held.failed if held else 0, history, text in written,
            )
        )  # fmt: skip
    return Checks(tuple(lines), last.at if last else None, last.record.state if last else None, len(entries))


def _outcome(entry: Entry[CheckResult], text: str) -> Outcome:
    held = next((check for check in entry.record.checks if check.text == text), None)
    if held is None:
        return "absent"
    if held.state == "passed":
        return "passed"
    return "blocked" if entry.record.state == "blocked" else "warned"


def quarantine_of(
    con: DuckDBPyConnection, work: Workplace, version: TableVersion, hidden: Mapping[str, object]
) -> Quarantine | None:
    """The rows set aside; None where there never were any. Values of `hidden` columns are not told."""
    path = quarantine_path(version.name, version.definition)
    if work.store.lake.version(path) is None:
        return None
    columns = {**version.columns, CHECK_NAME: "VARCHAR"}
    rows = relation_of_files(work.store.lake.files(path), columns)
    counted = run(con, f"select {CHECK_NAME}, count(*) from {rows} group by 1 order by 2 desc, 1")
    names = ", ".join(map(quote, columns))
    shown = run(con, f"select {names} from {rows} limit {SET_ASIDE}")
    by_check = tuple((str(text), int(str(n))) for text, n in counted)
    return Quarantine(by_check, tuple(columns), tuple(masked(shown, tuple(columns), hidden, work)))


def masked(
    rows: Sequence[Sequence[object]], columns: Sequence[str], hidden: Mapping[str, object], work: Workplace
) -> list[tuple[Any, ...]]:
    """Rows as JSON says them, without the values of `hidden` columns: those read as null."""
    zone = ZoneInfo(work.project.settings.timezone)
    told = [name not in hidden for name in columns]
    return [tuple(cell(value, zone) if shown else None for value, shown in zip(row, told, strict=True)) for row in rows]
