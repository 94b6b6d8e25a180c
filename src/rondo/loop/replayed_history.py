"""What a replay plays: everything recorded by its end, laid out once so that any moment can be asked of it.

It stands aside from the replay's state: what is read from it is cut by its known time at each moment, so that nothing
of later time reaches the state.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from rondo.errors import BuildError
from rondo.features.signature import Lookup, Signature
from rondo.features.values import Item, Key, LakeValues, microseconds
from rondo.loop.planning import newest
from rondo.loop.tables import relation_for
from rondo.loop.workplace import Workplace
from rondo.monitor.freshness import HOUR, fresh_lengths, stale_moments
from rondo.monitor.rules import STALE_TWICE
from rondo.project.models import Model
from rondo.project.sources import Source
from rondo.sql.engine import connect, literal, quote, relation_of_files, run
from rondo.sql.relations import known_column, rows_of, timed_source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Micros = npt.NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER: Micros = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class History:
    """Tables in one session (`con`), as files in `folder` for others, and when rows of what declares it became known.

    `timed` are the tables that have a time. `known_us` holds for each source and table with known times these times in
    microseconds, rising and distinct.
    """

    con: DuckDBPyConnection
    folder: Path
    end: datetime
    tables: Mapping[str, str]
    timed: frozenset[str]
    known_us: Mapping[str, Micros]

    def relation(self, table: str) -> str:
        """A table as what stands after `from` in any session."""
        path = self.folder / f"{table}.parquet"
        if not path.exists():
            run(self.con, f"copy {self.tables[table]} to {literal(str(path))} (format parquet)")
        return relation_of_files([str(path)])

    def relations(self, model: Model) -> dict[str, str]:
        """Of the tables that a model looks features up in those with a time, as `relation` gives them."""
        names = dict.fromkeys(feature.table for feature in model.features)
        return {name: self.relation(name) for name in names if name in self.timed}

    def newest_known(self, moment: datetime) -> dict[str, datetime]:
        """When the newest row of each source and table that was known by then became known; others are left out."""
        at_us = microseconds(moment)
        found = {}
        for name, known in self.known_us.items():
            place = int(np.searchsorted(known, at_us, side="right"))
            if place:
                found[name] = _moment(known[place - 1])
        return found


@contextmanager
def recorded(work: Workplace, models: Sequence[Model], end: datetime) -> Iterator[History]:
    """Every table of the models, built aside from the state from sources as known by the end. Raises BuildError."""
    con = connect(timezone=work.project.settings.timezone, temporary_folder=work.store.folder / "temporary")
    folder = work.store.folder / "history"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tables: dict[str, str] = {}
        known: dict[str, Micros] = {}
        for name, node in work.nodes.items():
            if isinstance(node.declaration, Source):
                version = newest(work.store.ledger, name)
                if version is None:
                    continue
                run(con, f"create view {quote(name)} as select * from {relation_for(work, version, end)}")
                if node.declaration.known not in (None, "always"):
                    rows = timed_source(node.declaration, version, work.store.lake)
                    known[name] = _known_times(con, rows, "_rondo_known", end)
            elif set(node.reads) <= {*work.project.sources, *tables}:
                run(con, f"create table {quote(name)} as {node.declaration.sql}")
                tables[name] = quote(name)
                if column := known_column(node.declaration):
                    known[name] = _known_times(con, quote(name), quote(column), end)
        if absent := {model.examples for model in models} - tables.keys():
            raise BuildError(f"{absent.pop()} could not be built.", next_step="Run `rondo run` to see why.")
        timed = frozenset(name for name in tables if work.project.tables[name].time)
        yield History(con, folder, end, tables, timed, known)
    finally:
        con.close()
        shutil.rmtree(folder, ignore_errors=True)


def _known_times(con: DuckDBPyConnection, rows: str, known: str, end: datetime) -> Micros:
    query = (
        f"select distinct epoch_us({known}::timestamptz) as us from {rows} "
        f"where {known}::timestamptz <= {literal(end)} order by us"
    )
    found: Micros = con.sql(query).to_arrow_table().column("us").to_numpy()
    return found


class HistoryValues:
    """Look-ups by the as-of join: in all of history for tables with a time, in what landed last for those without."""

    def __init__(self, work: Workplace, history: History) -> None:
        self._work, self._history = work, history

    def look_up(self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]) -> list[Item]:
        """See Values.look_up."""
        relation = self._history.tables[lookup.table] if self.replayed(lookup) else self._landed(lookup)
        return LakeValues(self._history.con, {lookup.space: relation}).look_up(lookup, keys, moments)

    def replayed(self, lookup: Lookup) -> bool:
        """Whether history holds what is looked up at every moment."""
        return lookup.table in self._history.timed

    def published_from(self, lookup: Lookup) -> tuple[str, int]:
        """The relation that online values are published from, for any session, and which version that is."""
        version = newest(self._work.store.ledger, lookup.table, lookup.definition)
        number = version.version if version else 0
        if self.replayed(lookup):
            return self._history.relation(lookup.table), number
        return self._landed(lookup), number

    def _landed(self, lookup: Lookup) -> str:
        version = newest(self._work.store.ledger, lookup.table, lookup.definition)
        if version is None:
            raise BuildError(f"{lookup.table} has no rows as of this moment.", next_step="Begin the replay later.")
        return f"(select * from {rows_of(version, self._work.store.lake)})"


def asked(
    history: History, work: Workplace, model: Model, signature: Signature, since: datetime, until: datetime
) -> tuple[list[dict[str, Any]], list[Any]]:
    """The rows asked from `since` to before `until`, by moment then key, as requests bring them; and their labels.

    The labels are those that are known by the end of history, the others None.
    """
    examples = work.project.tables[model.examples]
    moment, label = quote(examples.time or ""), quote(examples.label or "")
    if examples.label_known:
        label = f"case when {quote(examples.label_known)}::timestamptz <= {literal(history.end)} then {label} end"
    names = dict.fromkeys([*(column.name for column in signature.request), examples.time or ""])
    order = ", ".join([moment, *map(quote, examples.key)])
    query = (
        f"select {', '.join(map(quote, names))}, {label} as _label from {history.tables[model.examples]} "
        f"where {moment}::timestamptz >= {literal(since)} and {moment}::timestamptz < {literal(until)} order by {order}"
    )
    found = history.con.sql(query).to_arrow_table()
    labels: list[Any] = found.column("_label").to_pylist()
    rows: list[dict[str, Any]] = found.drop_columns(["_label"]).to_pylist()
    return rows, labels


def ticks(work: Workplace, models: Sequence[Model], history: History, start: datetime, end: datetime) -> list[datetime]:
    """The moments at which a replay looks round, between start and end, rising.

    Every local midnight; and exactly when a source or table that a model reads becomes stale, critically so, and fresh
    again.
    """
    zone = ZoneInfo(work.project.settings.timezone)
    moments: set[datetime] = set()
    day = start.astimezone(zone).date()
    while (day := day + timedelta(days=1)) <= end.astimezone(zone).date():
        moments.add(midnight(day, zone))
    for model in models:
        for name, length in fresh_lengths(model, work.nodes).items():
            moments.update(_turns(history.known_us.get(name, _NEVER), length))
    return sorted(moment for moment in moments if start < moment < end)


def _turns(known_us: Micros, fresh: timedelta) -> Iterator[datetime]:
    """When something became stale, when it was surely twice as old as it may be, and when the next row ended that.

    Staleness is measured as of whole hours, but for its beginning.
    """
    for stale in stale_moments(known_us, fresh):
        yield stale
        place = int(np.searchsorted(known_us, microseconds(stale)))
        again = _moment(known_us[place]) if place < len(known_us) else None
        worse = stale - fresh + STALE_TWICE * fresh
        worse += -(worse - _EPOCH) % HOUR
        if again is None or worse < again:
            yield worse
        if again is not None:
            yield again


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a local day begins."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(us))
