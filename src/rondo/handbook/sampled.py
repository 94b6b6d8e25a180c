"""A few rows of a table, and the share of its label week by week: the only questions a page asks of the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rondo.handbook.checked import masked
from rondo.loop.workplace import Workplace
from rondo.project.models import Task
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.tables import Definition, TableVersion
from rondo.sql.engine import connect, literal, quote, run
from rondo.sql.relations import rows_of, timed_source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 20
MOST_ROWS = 5_000_000
"""The label of a larger table is not counted for a page."""


@dataclass(frozen=True)
class Sample:
    """The first rows of a version as stored; `masked` columns hold personal data, and read as null."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    masked: tuple[str, ...]


@dataclass(frozen=True)
class LabelWeek:
    """The rows asked about in a week (its Monday), and the share whose label is the positive one (or its mean)."""

    start: datetime
    rows: int
    value: float


def sample_of(
    con: DuckDBPyConnection,
    work: Workplace,
    declared: Source | Table,
    version: TableVersion,
    hidden: Mapping[str, object],
) -> Sample:
    """Rows of a version that are known by now: a source holds what landed, revisions and rows of later alike."""
    columns = tuple(version.columns)
    if isinstance(declared, Source) and declared.known not in (None, "always"):
        rows = timed_source(declared, version, work.store.lake)
        rows += f" where _rondo_known <= {literal(work.now())}"
    else:
        rows = rows_of(version, work.store.lake)
    found = run(con, f"select {', '.join(map(quote, columns))} from {rows} limit {ROWS}")
    return Sample(columns, tuple(masked(found, columns, hidden, work)), tuple(c for c in columns if c in hidden))


def label_weeks(work: Workplace, table: Table, task: Task, version: TableVersion) -> tuple[LabelWeek, ...]:
    """The share of positive labels (of numbers to predict: their mean) by week of `time`, oldest first.

    None of a table without time, of more than two classes, of a very large table or of one whose columns are gone.
    """
    label, time = table.label, table.time
    if label is None or time is None or task.kind == "multiclass" or version.rows > MOST_ROWS:
        return ()
    if label not in version.columns or time not in version.columns:
        return ()
    value = quote(label)
    if task.kind == "binary":
        kind = version.columns[label]
        given = f"max({value}) over ()" if task.positive is None else f"{literal(task.positive)}::{kind}"
        value = f"({value} = {given})::int"
    rows = rows_of(version, work.store.lake)
    return _label_weeks(rows, quote(time), value, quote(label), work.project.settings.timezone)


@lru_cache(maxsize=64)
def _label_weeks(rows: str, time: str, value: str, label: str, timezone: str) -> tuple[LabelWeek, ...]:
    """Remembered by the files of the version, which do not change."""
    week = f"date_trunc('week', {time}::timestamptz)"
    labelled = f"select {week} as week, {value} as value from {rows} where {label} is not null and {time} is not null"
    con = connect(timezone=timezone)
    try:
        found = run(con, f"select week::timestamptz, count(*), avg(value) from ({labelled}) group by 1 order by 1")
    finally:
        con.close()
    return tuple(
        LabelWeek(at, int(str(rows)), float(str(mean)))
        for at, rows, mean in found
        if isinstance(at, datetime) and mean is not None
    )


def written_for(work: Workplace, version: TableVersion) -> Definition | None:
    """The definition that a version was made by, where it is not today's and the ledger remembers it."""
    if version.definition == work.nodes[version.name].definition:
        return None
    entry = work.store.ledger.latest(Definition, name=version.name, where={"definition": version.definition})
    return entry.record if entry else None
