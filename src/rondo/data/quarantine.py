"""Rows that failed a check, set aside: out of the table, into its quarantine, with the check's text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rondo.data.checking import Examined, failing_rows
from rondo.data.landing import FILE, HIDDEN_TYPES, LANDED, ROW, Landed, Landing, at_moment, stored_columns, surveyed
from rondo.data.writing import stream
from rondo.project.checks import Check
from rondo.sql.engine import describe, literal, quote, relation_of_files, run, to_batches
from rondo.sql.relations import HIDDEN, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

CHECK_NAME = "check_name"


def quarantine_path(name: str, definition: str) -> str:
    """Where in the lake a definition's quarantine is."""
    return f"quarantine/{name}/{definition[:12]}"


def set_aside_rows(landing: Landing, landed: Landed, checks: Sequence[Check], examined: Examined) -> tuple[Landed, int]:
    """Take a source's failing rows out of what landed. Returns what is left, and how many rows were set aside.

    The quarantine is written whole, from what it held of other files and what fails now, so that doing it again after
    a kill gives the same rows.
    """
    con, lake, version = landing.work.con, landing.store.lake, landed.version
    con.sql(f"create or replace temp table _failing as select * from {failing_rows(examined, checks)}")
    path = quarantine_path(version.name, version.definition)
    columns = {**version.columns, CHECK_NAME: "VARCHAR"}
    with_hidden = {**columns, **HIDDEN_TYPES}
    names = ", ".join(map(quote, (*columns, *HIDDEN)))
    there = lake.files(path) if lake.version(path) is not None else []
    earlier = f"(select * from {relation_of_files(there, with_hidden)})"
    again = " or ".join(
        [f"{FILE} = {literal(n)} or starts_with({FILE}, {literal(n + '/')})" for n in landing.files] or ["false"]
    )
    known = {name.casefold() for name in describe(con, f"select * from {earlier}")}
    old = ", ".join(quote(n) if n.casefold() in known else f"null::{k} as {quote(n)}" for n, k in with_hidden.items())
    con.sql(
        f"create or replace temp table _quarantine as select {old} from {earlier} where not ({again}) "
        f"union select {names} from _failing"
    )
    kept = to_batches(con, f"select {names} from _quarantine order by {LANDED}, {ROW}, {CHECK_NAME}")
    lake.write(path, kept, mode="overwrite")
    [[count, older]] = run(con, f"select count(*), count(*) filter (where {LANDED} <> {literal(landed.moment)}) from _failing")
    good = f"select {stored_columns(version.columns)} from {rows_of(version, lake)} stored"
    gone = f"not exists (select 1 from _failing f where f.{LANDED} = stored.{LANDED} and f.{ROW} = stored.{ROW})"
    if older:
        query = f"{good} where {gone} order by {LANDED}, {ROW}"
        written = lake.write(version.path, stream(landing, version.columns, _rows(landing, query)), mode="overwrite")
    else:
        query = f"{good} where {gone} and {LANDED} = {literal(landed.moment)} order by {ROW}"
        rows = stream(landing, version.columns, _rows(landing, query))
        written = lake.write(version.path, rows, mode="overwrite", replace=at_moment(landed.moment))
    return surveyed(landing, version.columns, written.version, landed), int(str(count))


def _rows(landing: Landing, query: str) -> Iterator[pa.RecordBatch]:
    yield from to_batches(landing.work.con, query)
