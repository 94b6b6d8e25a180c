"""Columns of sources and tables day by day: by the time of their rows, or as they stood when they landed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from rondo.features.signature import kind_of
from rondo.loop.planning import newest as newest_version
from rondo.loop.workplace import Workplace
from rondo.monitor.evidence import Daily, Place
from rondo.records.tables import TableVersion
from rondo.sql.engine import literal, quote
from rondo.sql.relations import known_column, rows_of, timed_source
from rondo.stats.days import EPOCH, days_of
from rondo.stats.sketches import Sketch, sketch_column

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MOST_COLUMNS = 60
MOST_ROWS = 400_000
VERSIONS = 6
"""Versions of a table without time that are looked at."""


class TableDays:
    """What sources and tables held from a moment on, as far as it is known now, read through one session."""

    def __init__(self, work: Workplace, con: DuckDBPyConnection, since: datetime, now: datetime) -> None:
        self._work, self._con, self._since, self._now = work, con, since, now
        self._timezone = work.project.settings.timezone

    def of(self, names: Iterable[str]) -> tuple[dict[Place, Daily], dict[str, dict[date, int]]]:
        """Their columns by day, and how many rows each day has."""
        columns: dict[Place, Daily] = {}
        rows: dict[str, dict[date, int]] = {}
        for name in names:
            version = newest_version(self._work.store.ledger, name)
            if version is None:
                continue
            found = self._timed(version)
            if found is None:
                held = self._landed(version)
            else:
                held, rows[name] = found
            columns |= {(name, column): daily for column, daily in held.items()}
        return columns, rows

    def _timed(self, version: TableVersion) -> tuple[dict[str, Daily], dict[date, int]] | None:
        """A version's columns by the day of its rows' time; None where rows have none."""
        source = self._work.project.sources.get(version.name)
        if source is not None:
            if source.time is None and source.known == "always":
                return None
            relation = timed_source(source, version, self._work.store.lake)
            time, known = "_rondo_time", "_rondo_known"
        else:
            table = self._work.project.tables[version.name]
            if table.time is None:
                return None
            relation = rows_of(version, self._work.store.lake)
            time, known = quote(table.time), quote(known_column(table) or table.time)
        chosen = [name for name, kind in version.columns.items() if kind_of(kind) in ("number", "boolean", "text")]
        where = f"{time}::timestamptz >= {literal(self._since)} and {time}::timestamptz <= {literal(self._now)}"
        where += f" and ({known} is null or {known}::timestamptz <= {literal(self._now)})"
        shown = ", ".join(f"{quote(name)} as c{place}" for place, name in enumerate(chosen[:MOST_COLUMNS]))
        query = f"select {shown or '1 as c0'}, epoch_us({time}::timestamptz) as event_us from {relation} where {where}"
        try:
            rows = self._con.sql(f"select * from ({query}) order by event_us desc limit {MOST_ROWS}").to_arrow_table()
        except Exception as error:  # a declared expression that no longer fits the rows is itself told as refused
            if not isinstance(error, _refusals()):
                raise
            return {}, {}
        return by_day(rows, chosen[:MOST_COLUMNS], self._timezone)

    def _landed(self, version: TableVersion) -> dict[str, Daily]:
        """Columns of a table without time: each day has what stood then, as landed."""
        entries = [
            entry for entry in self._work.store.ledger.entries(TableVersion, name=version.name)
            if not entry.record.pinned and entry.record.definition == version.definition
        ][-VERSIONS:]  # fmt: skip
        zone = ZoneInfo(self._timezone)
        found: dict[str, dict[date, Sketch]] = {}
        first, today = self._since.astimezone(zone).date(), self._now.astimezone(zone).date()
        for place, entry in enumerate(entries):
            begins = max(first, entry.at.astimezone(zone).date()) if place else first
            ends = entries[place + 1].at.astimezone(zone).date() if place + 1 < len(entries) else today + timedelta(1)
            for name, sketch in self._whole(entry.record).items():
                for n in range((ends - begins).days):
                    found.setdefault(name, {})[begins + timedelta(days=n)] = sketch
        return dict(found)

    def _whole(self, version: TableVersion) -> dict[str, Sketch]:
        chosen = [name for name, kind in version.columns.items() if kind_of(kind) in ("number", "boolean", "text")]
        try:
            rows = self._con.sql(f"select * from {rows_of(version, self._work.store.lake)}").to_arrow_table()
        except Exception as error:  # an old version may have been cleared away
            if not isinstance(error, _refusals()):
                raise
            return {}
        return {name: sketch_column(rows.column(name)) for name in chosen}


def by_day(rows: pa.Table, names: Sequence[str], timezone: str) -> tuple[dict[str, Daily], dict[date, int]]:
    """Columns `c0` … of rows with `event_us`, sketched for each local day."""
    if not rows.num_rows:
        return {name: {} for name in names}, {}
    rows = rows.combine_chunks()
    days = days_of(np.asarray(rows.column("event_us").to_numpy(), dtype=np.int64), timezone)
    order = np.argsort(days, kind="stable")
    ordered, days = rows.take(order), days[order]
    starts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    parts = [(EPOCH + timedelta(days=int(days[start])), start, end - start) for start, end in pairwise(starts)]
    found: dict[str, Daily] = {
        name: {day: sketch_column(ordered.column(f"c{place}").slice(start, n)) for day, start, n in parts}
        for place, name in enumerate(names)
    }
    return found, {day: n for day, _, n in parts}


def _refusals() -> tuple[type[BaseException], ...]:
    """What DuckDB raises where a query does not fit the rows, or a file is gone."""
    import duckdb

    return (duckdb.Error,)
