"""Rows that failed a check, set aside: out of the table, into its quarantine, with the check's text."""

from __future__ import annotations

from collections.abc import Sequence

from rondo.data.checking import Examined, failing_rows
from rondo.data.landing import FILE, HIDDEN_TYPES, LANDED, ROW, Landed, Landing, at_moment, stored_columns, surveyed
from rondo.project.checks import Check
from rondo.records.tables import TableVersion
from rondo.sql.engine import describe, literal, quote, relation_of_files, run, to_batches
from rondo.sql.relations import rows_of

CHECK_NAME = "check_name"


def quarantine_path(name: str, definition: str) -> str:
    """Where in the lake a definition's quarantine is."""
    return f"quarantine/{name}/{definition[:12]}"


def set_aside_rows(landing: Landing, landed: Landed, checks: Sequence[Check], examined: Examined) -> tuple[Landed, int]:
    """Take a source's failing rows out of what landed. Returns what is left, and how many rows were set aside."""
    con, lake, version = landing.work.con, landing.store.lake, landed.version
    con.sql(f"create or replace temp table _failing as select * from {failing_rows(examined, checks)}")
    _rewrite(landing, version, "_failing")
    older = f"count(*) filter (where {LANDED} <> {literal(landed.moment)})"
    [[count, of_before]] = run(con, f"select count(*), {older} from _failing")
    stored = f"select {stored_columns(version.columns)} from {rows_of(version, lake)} s"
    kept = f"not exists (select 1 from _failing f where f.{LANDED} = s.{LANDED} and f.{ROW} = s.{ROW})"
    if of_before:  # rows that landed before fail now: a double of theirs has come
        query, replace = f"{stored} where {kept} order by {LANDED}, {ROW}", None
    else:
        query = f"{stored} where {kept} and {LANDED} = {literal(landed.moment)} order by {ROW}"
        replace = at_moment(landed.moment)
    written = lake.write(version.path, to_batches(con, query), mode="overwrite", replace=replace)
    return surveyed(landing, version.columns, written.version, landed), int(str(count))


def nothing_set_aside(landing: Landing, landed: Landed) -> None:
    """Forget the rows that the files of this landing had in quarantine: now they pass."""
    path = quarantine_path(landed.version.name, landed.version.definition)
    if landing.files and landing.store.lake.version(path) is not None:
        _rewrite(landing, landed.version, None)


def _rewrite(landing: Landing, version: TableVersion, failing: str | None) -> None:
    """The quarantine, written whole: what it held of other files, and what fails now.

    So doing it again after a kill gives the same rows. They carry where they came from, as a source's rows do.
    """
    con, lake = landing.work.con, landing.store.lake
    path = quarantine_path(version.name, version.definition)
    columns = {**version.columns, CHECK_NAME: "VARCHAR", **HIDDEN_TYPES}
    there = lake.files(path) if lake.version(path) is not None else []
    earlier = f"(select * from {relation_of_files(there, columns)})"
    known = {name.casefold() for name in describe(con, f"select * from {earlier}")}
    old = ", ".join(quote(n) if n.casefold() in known else f"null::{k} as {quote(n)}" for n, k in columns.items())
    again = " or ".join(
        [f"{FILE} = {literal(n)} or starts_with({FILE}, {literal(n + '/')})" for n in landing.files] or ["false"]
    )
    names = ", ".join(map(quote, columns))
    both = f"select {old} from {earlier} where not ({again})"
    both += f" union select {names} from {failing}" if failing else ""
    con.sql(f"create or replace temp table _quarantine as {both}")
    rows = f"select {names} from _quarantine order by {LANDED}, {ROW}, {CHECK_NAME}"
    lake.write(path, to_batches(con, rows), mode="overwrite")
