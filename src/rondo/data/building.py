"""Tables built: a query's rows in the lake, in a settled order, with their checks and profile."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from rondo.data.built import Built
from rondo.data.checking import Examined, failing_rows, passing_rows, run_checks
from rondo.data.profiling import profile
from rondo.data.quarantine import quarantine_path
from rondo.data.session import Session, one_thread, session
from rondo.data.verdicts import sentence, state_of
from rondo.errors import BuildError, DeclarationError, RondoError, VersionTaken
from rondo.features.signature import kind_of
from rondo.project.reading import Project
from rondo.project.tables import Table
from rondo.records.progress import Progress, silent
from rondo.records.tables import Checked, CheckResult, ColumnProfile, Input, Profile, TableVersion
from rondo.sql.engine import describe, quote, relation_of_files, run, to_batches
from rondo.sql.parsing import quote_versions
from rondo.sql.relations import known_column
from rondo.sql.storable import storable_projection
from rondo.store.lake import Lake, LakeVersion
from rondo.store.opening import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ATTEMPTS = 8


def build_table(
    table: Table,
    *,
    project: Project,
    store: Store,
    relations: Mapping[str, str],
    inputs: Sequence[Input],
    definition: str,
    build: str,
    as_of: datetime | None = None,
    by: str,
    now: datetime,
    pinned: bool = False,
    progress: Progress = silent,
) -> Built:
    """Run a table's query over `relations` (name to relation, of all that the query and its checks read).

    Rows are ordered by key, time and known where these are declared, else as the query gives them; the same inputs
    give the same bytes. A blocked build keeps the last good version, and the reason names checks and counts. Raises
    DeclarationError with file and line for SQL, columns and checks that do not hold together, BuildError where the
    query fails on its rows.
    """
    started = time.perf_counter()
    with session(project, store) as work:
        for name, relation in relations.items():
            run(work.con, f"create view {quote(name)} as select * from {relation}")
        path = f"tables/{table.name}/{definition[:12]}"
        query = _Query.of(table, work.con, project.settings.timezone)
        progress(None, f"{table.name}: query")
        written = _write(work.con, store.lake, path, query)
        draft = TableVersion(
            name=table.name, version=0, stage="table", definition=definition, build=build, path=path,
            delta=written.version, rows=written.rows, columns=query.columns, inputs=list(inputs), as_of=as_of,
            pinned=pinned,
        )  # fmt: skip
        progress(None, f"{table.name}: checks")
        kept = _kept(table, store, definition, pinned)
        examined = Examined(
            relation=_rows(store.lake, draft),
            key=table.key,
            references=relations,
            previous=_rows(store.lake, kept) if kept else None,
            file=table.file,
            line=1,
        )
        results = run_checks(work.con, examined, table.checks)
        state = state_of(table.checks, results, table.on_fail)
        if state == "blocked":
            verdict = CheckResult(
                name=table.name, version=kept.version if kept else None, build=build, state=state, checks=results
            )
            store.ledger.append(verdict, by=by, at=now)
            return Built(state, None, verdict, f"blocked by {sentence(results)}", 0, time.perf_counter() - started)
        if state == "quarantined":
            draft = _set_aside(work, store.lake, draft, examined, table, query)
        else:
            _empty_quarantine(work.con, store.lake, draft)
        progress(None, f"{table.name}: profile")
        steady, known_until = _facts(work.con, _rows(store.lake, draft), table)
        columns = profile(work.con, _rows(store.lake, draft), draft.columns)
        seconds = time.perf_counter() - started
        draft = msgspec.structs.replace(draft, steady=steady, known_until=known_until, seconds=seconds)
        version, verdict = _record(store, draft, state, results, columns, by, now)
    reason = _reason(version, sentence(results))
    return Built("built", version, verdict, reason, version.rows, time.perf_counter() - started)


def _reason(version: TableVersion, failed: str) -> str:
    """What became of rows and checks, for the step's line."""
    told = [f"{version.quarantined:,} rows quarantined"] if version.quarantined else []
    return "; ".join([*told, *([f"failed: {failed}"] if failed else [])])


@dataclass(frozen=True)
class _Query:
    """A table's query as the lake takes it. `columns` maps names to stored types."""

    table: Table
    columns: dict[str, str]
    sql: str
    order: str

    @classmethod
    def of(cls, table: Table, con: DuckDBPyConnection, timezone: str) -> _Query:
        """Bind the query; raises DeclarationError for what it or the header has wrong."""
        own, above = quote_versions(table.sql), table.sql_line - 1
        # DuckDB names the line of what it cannot bind when it makes a view, not when it describes a query.
        run(con, f"create or replace temp view _rondo_bound as {own}", file=table.file, line_offset=above)
        given = describe(con, own, file=table.file, line_offset=above)
        _refuse_header(table, given)
        try:
            projection = ", ".join(storable_projection(given, timezone))
        except BuildError as error:
            raise DeclarationError(
                f"{table.name}: {error.message}", next_step=error.next_step, file=table.file, line=table.sql_line
            ) from error
        sql = f"select {projection} from ({own}\n)"
        order = [*table.key, *(name for name in (table.time, known_column(table)) if name)]
        each = ", ".join(quote(name) for name in dict.fromkeys(order))
        return cls(table, describe(con, sql), sql, f" order by {each}" if each else "")

    @property
    def line_offset(self) -> int:
        """Lines of the file above the query."""
        return self.table.sql_line - 1


def _refuse_header(table: Table, given: Mapping[str, str]) -> None:
    """Every column that the header names must be there, and times must be times."""

    def wrong(what: str, next_step: str) -> DeclarationError:
        return DeclarationError(f"{table.file}: {what}", next_step=next_step, file=table.file, line=1)

    named: dict[str, tuple[str, ...]] = {
        "key": table.key,
        "time": (table.time,) if table.time else (),
        "known": (table.known,) if table.known else (),
        "label": (table.label,) if table.label else (),
        "label_known": (table.label_known,) if table.label_known else (),
        "inputs": table.inputs or (),
        "personal": tuple(name for name, _ in table.personal),
    }
    for word, names in named.items():
        for name in names:
            if name not in given:
                there = ", ".join(given)
                raise wrong(f"{word} names {name!r}, which the query does not give; it gives: {there}.", "Mend either.")
            if word in ("time", "known", "label_known") and kind_of(given[name]) != "moment":
                raise wrong(
                    f"{word} names {name!r}, which is {given[name]}, not a date or a timestamp.",
                    f"Cast it in the query: {name}::timestamptz.",
                )
    if taken := [name for name in given if name.casefold().startswith("_rondo_") or name.casefold() == "check_name"]:
        raise wrong(f"the query gives {taken[0]!r}, a name that is taken.", "Give the column another name.")


def _write(con: DuckDBPyConnection, lake: Lake, path: str, query: _Query) -> LakeVersion:
    """The query's rows into the lake. One thread: the order of rows and of sums is then the same each time."""
    with one_thread(con):
        try:
            rows = to_batches(con, query.sql + query.order, file=query.table.file, line_offset=query.line_offset)
            return lake.write(path, rows, mode="overwrite")
        except RondoError as error:
            if error.file is None:
                error.file, error.line = query.table.file, query.table.sql_line
            raise


def _rows(lake: Lake, version: TableVersion) -> str:
    return f"(select * from {relation_of_files(lake.files(version.path, version.delta), version.columns)})"


def _kept(table: Table, store: Store, definition: str, pinned: bool) -> TableVersion | None:
    """The last good version."""
    where: dict[str, object] = {"definition": definition} if pinned else {"pinned": False}
    entry = store.ledger.latest(TableVersion, name=table.name, where=where)
    return entry.record if entry else None


def _set_aside(
    work: Session, lake: Lake, draft: TableVersion, examined: Examined, table: Table, query: _Query
) -> TableVersion:
    """The version without the rows that fail a check of rows; those go to the quarantine."""
    rest = passing_rows(examined, table.checks)
    failing = f"select * from {failing_rows(examined, table.checks)}{query.order}"
    with one_thread(work.con):
        aside = lake.write(
            quarantine_path(draft.name, draft.definition), to_batches(work.con, failing), mode="overwrite"
        )
        left = lake.write(draft.path, to_batches(work.con, f"select * from {rest}{query.order}"), mode="overwrite")
    return msgspec.structs.replace(draft, delta=left.version, rows=left.rows, quarantined=aside.rows)


def _empty_quarantine(con: DuckDBPyConnection, lake: Lake, draft: TableVersion) -> None:
    """What an earlier build set aside is not set aside from this one."""
    path = quarantine_path(draft.name, draft.definition)
    if lake.version(path) is not None and lake.rows(path):
        columns = ", ".join(f"null::{k} as {quote(n)}" for n, k in {**draft.columns, "check_name": "VARCHAR"}.items())
        lake.write(path, to_batches(con, f"select {columns} where false"), mode="overwrite")


def _facts(con: DuckDBPyConnection, relation: str, table: Table) -> tuple[bool, datetime | None]:
    """Whether known follows time at a constant lag without doubles, and the greatest known time."""
    known = known_column(table)
    if not table.time:
        return False, None
    time_of, known_of = (f"{quote(name)}::timestamptz" for name in (table.time, known or table.time))
    lag = f"epoch_us({known_of}) - epoch_us({time_of})"
    [[least, greatest, until]] = run(con, f"select min({lag}), max({lag}), max({known_of}) from {relation}")
    known_until = until if known and isinstance(until, datetime) else None
    if not table.key or least != greatest:
        return False, known_until
    columns = ", ".join(quote(name) for name in (*table.key, known or table.time))
    present = f"{quote(table.time)} is not null and {quote(known or table.time)} is not null"
    doubled = f"select 1 from {relation} where {present} group by {columns} having count(*) > 1 limit 1"
    return not run(con, doubled), known_until


def _record(
    store: Store,
    draft: TableVersion,
    state: str,
    results: list[Checked],
    columns: list[ColumnProfile],
    by: str,
    now: datetime,
) -> tuple[TableVersion, CheckResult]:
    """The version under the next free number, with its checks and profile."""
    for attempt in range(1, ATTEMPTS + 1):
        number = store.ledger.next_version(TableVersion, draft.name)
        version = msgspec.structs.replace(draft, version=number)
        verdict = CheckResult(name=draft.name, version=number, build=draft.build, state=state, checks=results)  # type: ignore[arg-type]
        held = Profile(name=draft.name, version=number, rows=draft.rows, columns=columns)
        try:
            store.ledger.append(version, verdict, held, by=by, at=now)
            return version, verdict
        except VersionTaken:
            if attempt == ATTEMPTS:
                raise
        same = store.ledger.latest(TableVersion, name=draft.name, where={"definition": draft.definition})
        if same is not None and same.record.build == draft.build:  # another process built the very same
            return same.record, msgspec.structs.replace(verdict, version=same.record.version)
    raise AssertionError("unreachable")
