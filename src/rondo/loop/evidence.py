"""Evidence for a diagnosis, gathered once something was found: columns by day from sources to model, tables, releases.

Only what the model reads is looked at, only its last weeks, and only what was known by now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from rondo.data.labels import column_of as outcome_column
from rondo.data.labels import current_outcomes
from rondo.deploy.logged import column_of
from rondo.deploy.predictions import path_of
from rondo.deploy.rollout import roles
from rondo.errors import RondoError
from rondo.features.signature import Lookup, Signature, kind_of
from rondo.graph.upstream import upstream
from rondo.loop.planning import newest as newest_version
from rondo.loop.sketching import sketched
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace
from rondo.monitor.cohorts import FED, cohort_of, cohort_query
from rondo.monitor.evidence import (
    LABEL,
    REQUEST,
    Daily,
    Deployed,
    Evidence,
    Fed,
    Judged,
    Landed,
    Place,
    TableState,
)
from rondo.monitor.freshness import Newest, newest_known, upstream_of
from rondo.monitor.runbooks import checked
from rondo.project.models import Model
from rondo.project.sources import Source
from rondo.records.deployment import Deployment
from rondo.records.monitoring import Measurement
from rondo.records.running import Run
from rondo.records.tables import TableVersion
from rondo.sql.engine import connect, literal, quote
from rondo.sql.parsing import columns_of
from rondo.sql.relations import known_column, rows_of, timed_source
from rondo.stats.days import EPOCH, days_of
from rondo.stats.sketches import Sketch, merged, sketch_column
from rondo.store.ledger import Entry

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

DAYS = 63
"""So many days back a change is looked for, and what was usual before it is learned."""
MOST_COLUMNS = 60
MOST_ROWS = 400_000
MOST_JUDGED = 40_000
"""Answered rows that are held against their outcomes, chosen by a hash of their id."""
VERSIONS = 6
"""Versions of a table without time that are looked at."""
CALLED = timedelta(days=14)
GROUPS = 12
"""More values than this do not part rows to say where a change is strongest."""


def gather(
    work: Workplace,
    model: Model,
    *,
    label_delay_s: float,
    measurements: Sequence[Measurement] = (),
    newest: Newest | None = None,
) -> Evidence | None:
    """What a diagnosis of the model goes by, as of now; None where nothing is in production.

    `label_delay_s` says from when on an outcome counts as due, `measurements` are those of its service. `newest` says
    when the newest row of each source and table became known, where the lake does not (in a replay).
    """
    at_work = roles(work.store.ledger, model.name)
    if "production" not in at_work:
        return None
    number = at_work["production"].record.version
    with closing(connect(timezone=work.project.settings.timezone)) as con:
        gathering = _Gathering(work, model, signature_of(work, model.name, number), con, newest)
        return gathering.evidence(number, label_delay_s, measurements)


class _Gathering:
    """One look at a model's surroundings over one session."""

    def __init__(
        self, work: Workplace, model: Model, signature: Signature, con: DuckDBPyConnection, newest: Newest | None
    ) -> None:
        self.work, self.model, self.signature, self.con = work, model, signature, con
        self.timezone, self.now = work.project.settings.timezone, work.now()
        self.since = self.now - timedelta(days=DAYS)
        self.names = upstream_of(model, work.nodes)
        self.newest = dict(newest or {})
        absent = [name for name in self.names if name not in self.newest and not self._as_of(name)]
        self.newest |= newest_known(work.catalog, absent, self.now)

    def evidence(self, number: int, label_delay_s: float, measurements: Sequence[Measurement]) -> Evidence:
        """All of it."""
        columns, rows = self._upstream()
        requests, callers = self._requests()
        settings = self.work.project.settings
        return Evidence(
            model=self.model.name,
            now=self.now,
            timezone=self.timezone,
            owner=self.model.owner,
            state=self.work.store.state,
            people={p.id: ", ".join(t for t in (p.name, p.contact) if t) or p.id for p in settings.people},
            fed=tuple(self._fed(number)),
            tables={name: self._table(name, rows.get(name, {})) for name in self.names},
            columns=columns | requests,
            callers=callers,
            deployments=tuple(self._deployments()),
            judged=self._judged(label_delay_s),
            measurements=tuple(measurements),
            runbook=checked(self.work.project.root, self.model.name),
        )

    def _fed(self, number: int) -> Iterable[Fed]:
        """The columns that the model is fed, and its label, with where each comes from."""
        found = sketched(self.work, self.model, self.con, number)
        daily: dict[str, dict[date, list[Sketch]]] = {}
        if found is not None:
            first = self.since.astimezone(ZoneInfo(self.timezone)).date()
            for each in found.of([day for day in found.now if day >= first]):
                for name, sketch in each.features.items():
                    daily.setdefault(name, {}).setdefault(each.day or first, []).append(sketch)
        looked_up = {
            name: (lookup, column.name)
            for lookup in self.signature.lookups
            for name, column in zip(lookup.names, lookup.columns, strict=True)
        }
        derived = {each.name: columns_of(each.expression) for each in self.signature.derived}
        for fed in self.signature.fed:
            days = {day: merged(sketches) for day, sketches in daily.get(fed.name, {}).items()}
            if fed.name in looked_up:
                lookup, column = looked_up[fed.name]
                place = (lookup.table, column)
                values, rows = self._above(*place)
                yield Fed(fed.name, "looked up", days, place, values, rows, self._keys(lookup))
            else:
                names = derived.get(fed.name, (fed.name,))
                above = [self._above(self.model.examples, name) for name in names]
                values = tuple((REQUEST, name) for name in names) + tuple(p for found, _ in above for p in found)
                rows = tuple(place for _, found in above for place in found)
                role: Literal["derived", "input"] = "derived" if fed.name in derived else "input"
                yield Fed(fed.name, role, days, None if fed.name in derived else (REQUEST, fed.name), values, rows)
        label = self.signature.label.name
        values, rows = self._above(self.model.examples, label)
        yield Fed(LABEL, "label", self._columns.get((self.model.examples, label), {}), None, values, rows)

    def _above(self, table: str, column: str) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
        """The columns that one takes its values from, itself first, and those that decide which rows there are."""
        try:
            found = upstream(self.work.catalog, table, column)
        except RondoError:
            found = {}
        values = [(table, column)] + [(t, c) for t, c, kind in found if c is not None and kind == "value"]
        rows = [(t, c) for t, c, kind in found if c is not None and kind != "value"]
        return tuple(dict.fromkeys(values)), tuple(place for place in dict.fromkeys(rows) if place not in values)

    def _keys(self, lookup: Lookup) -> tuple[Place, ...]:
        """What a look-up is asked by, and what it is found by, each down to the sources."""
        asked = [(REQUEST, name) for _, name in lookup.on]
        above = [self._above(self.model.examples, name)[0] for _, name in lookup.on]
        above += [self._above(lookup.table, key)[0] for key, _ in lookup.on]
        return tuple(dict.fromkeys([*asked, *(place for places in above for place in places)]))

    def _as_of(self, name: str) -> bool:
        """Whether a table was built as of a moment: how new its rows are says nothing of what has come since."""
        version = newest_version(self.work.store.ledger, name)
        return version is not None and version.as_of is not None

    @cached_property
    def _predictions(self) -> str:
        self.work.catalog.publish(self.con, f"predictions.{self.model.name}")
        return f"predictions.{quote(self.model.name)}"

    @cached_property
    def _columns(self) -> dict[Place, Daily]:
        return self._upstream()[0]

    def _upstream(self) -> tuple[dict[Place, Daily], dict[str, dict[date, int]]]:
        """Columns of every source and table on the way, by day, and how many rows each day has."""
        if not hasattr(self, "_looked"):
            columns: dict[Place, Daily] = {}
            rows: dict[str, dict[date, int]] = {}
            for name in self.names:
                version = newest_version(self.work.store.ledger, name)
                if version is None:
                    continue
                found = self._timed(version)
                if found is None:
                    for column, daily in self._landed(version).items():
                        columns[name, column] = daily
                else:
                    rows[name] = found[1]
                    for column, daily in found[0].items():
                        columns[name, column] = daily
            self._looked = columns, rows
        return self._looked

    def _timed(self, version: TableVersion) -> tuple[dict[str, Daily], dict[date, int]] | None:
        """A version's columns by the day of its rows' time; None where rows have none."""
        source = self.work.project.sources.get(version.name)
        if source is not None:
            if source.time is None and source.known == "always":
                return None
            relation = timed_source(source, version, self.work.store.lake)
            time, known = "_rondo_time", "_rondo_known"
        else:
            table = self.work.project.tables[version.name]
            if table.time is None:
                return None
            relation = rows_of(version, self.work.store.lake)
            time, known = quote(table.time), quote(known_column(table) or table.time)
        chosen = [name for name, kind in version.columns.items() if kind_of(kind) in ("number", "boolean", "text")]
        where = f"{time}::timestamptz >= {literal(self.since)} and {time}::timestamptz <= {literal(self.now)}"
        where += f" and ({known} is null or {known}::timestamptz <= {literal(self.now)})"
        shown = ", ".join(f"{quote(name)} as c{place}" for place, name in enumerate(chosen[:MOST_COLUMNS]))
        query = f"select {shown or '1 as c0'}, epoch_us({time}::timestamptz) as event_us from {relation} where {where}"
        try:
            table_ = self.con.sql(f"select * from ({query}) order by event_us desc limit {MOST_ROWS}").to_arrow_table()
        except Exception as error:  # a declared expression that no longer fits the rows is itself told as refused
            if not isinstance(error, _refusals()):
                raise
            return {}, {}
        return self._by_day(table_, chosen[:MOST_COLUMNS])

    def _by_day(self, rows: pa.Table, names: Sequence[str]) -> tuple[dict[str, Daily], dict[date, int]]:
        """Columns `c0` … of rows with `event_us`, sketched for each local day."""
        if not rows.num_rows:
            return {name: {} for name in names}, {}
        rows = rows.combine_chunks()
        days = days_of(np.asarray(rows.column("event_us").to_numpy(), dtype=np.int64), self.timezone)
        order = np.argsort(days, kind="stable")
        ordered, days = rows.take(order), days[order]
        starts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
        parts = [(EPOCH + timedelta(days=int(days[start])), start, end - start) for start, end in pairwise(starts)]
        found: dict[str, Daily] = {
            name: {day: sketch_column(ordered.column(f"c{place}").slice(start, n)) for day, start, n in parts}
            for place, name in enumerate(names)
        }
        return found, {day: n for day, _, n in parts}

    def _landed(self, version: TableVersion) -> dict[str, Daily]:
        """Columns of a table without time: each day has what stood then, as landed."""
        entries = [
            entry for entry in self.work.store.ledger.entries(TableVersion, name=version.name)
            if not entry.record.pinned and entry.record.definition == version.definition
        ][-VERSIONS:]  # fmt: skip
        zone = ZoneInfo(self.timezone)
        found: dict[str, dict[date, Sketch]] = {}
        first, today = self.since.astimezone(zone).date(), self.now.astimezone(zone).date()
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
            rows = self.con.sql(f"select * from {rows_of(version, self.work.store.lake)}").to_arrow_table()
        except Exception as error:  # an old version may have been cleared away
            if not isinstance(error, _refusals()):
                raise
            return {}
        return {name: sketch_column(rows.column(name)) for name in chosen}

    def _requests(self) -> tuple[dict[Place, Daily], dict[str, dict[str, Daily]]]:
        """What requests bring, by day: look-up keys and inputs; inputs also by caller, of late."""
        lake, path = self.work.store.lake, path_of(self.model.name)
        if lake.version(path) is None:
            return {}, {}
        keys = {column.name for column in self.signature.key}
        there = set(lake.schema(path).names)
        names = {
            column.name: stored for column in self.signature.request
            if kind_of(column.type) in ("number", "boolean", "text")
            and (stored := column_of(column.name, "key" if column.name in keys else "input")) in there
        }  # fmt: skip
        event = "moment" if self.signature.time else "at"
        shown = ", ".join(f"{quote(stored)} as c{place}" for place, stored in enumerate(names.values()))
        rows = self.con.sql(
            f"select {shown or '1 as c0'}, caller, epoch_us({event}) as event_us "
            f"from {self._predictions} where role = 'production' and {event} >= {literal(self.since)} "
            f"order by event_us desc limit {MOST_ROWS}"
        ).to_arrow_table()
        daily, _ = self._by_day(rows, list(names))
        callers: dict[str, dict[str, Daily]] = {}
        who = rows.column("caller").to_pylist()
        if 1 < len({*who} - {None}) <= GROUPS:
            late = rows.column("event_us").to_numpy() >= (self.now - CALLED).timestamp() * 1e6
            for caller in sorted({*who} - {None}):
                mine = np.array([each == caller for each in who]) & late
                callers[caller] = self._by_day(rows.filter(mine), list(names))[0]
        return {(REQUEST, name): sketches for name, sketches in daily.items()}, callers

    def _table(self, name: str, rows: Mapping[date, int]) -> TableState:
        node, ledger = self.work.nodes[name], self.work.store.ledger
        declaration = node.declaration
        entries = [e for e in ledger.entries(TableVersion, name=name) if not e.record.pinned]
        landed = tuple(Landed(e.record.version, e.at, e.record.columns) for e in entries[-2 * VERSIONS :])
        refused, at = self._refused(name)
        return TableState(
            name=name,
            kind="source" if isinstance(declaration, Source) else "table",
            owner=declaration.owner,
            reads=tuple(node.reads),
            fresh_s=declaration.fresh_s,
            newest=self.newest.get(name),
            rows=rows,
            refused=refused,
            refused_at=at,
            versions=landed,
        )

    def _refused(self, name: str) -> tuple[str | None, datetime | None]:
        """Why the newest build of a source or table brought nothing, and since when none does."""
        why: str | None = None
        since: datetime | None = None
        for entry in reversed(self._runs):
            step = next((each for each in entry.record.steps if each.name == name and each.state != "skipped"), None)
            if step is None:
                continue
            if step.state not in ("failed", "blocked"):
                break
            why, since = why or step.reason or f"its build {step.state}", entry.at
        return why, since

    @cached_property
    def _runs(self) -> Sequence[Entry[Run]]:
        return self.work.store.ledger.entries(Run)

    def _deployments(self) -> Iterable[Deployed]:
        for entry in self.work.store.ledger.entries(Deployment, name=self.model.name):
            if entry.record.role == "production" and not entry.record.ended:
                yield Deployed(entry.record.version, entry.at, entry.record.replaced)

    def _judged(self, label_delay_s: float) -> Judged | None:
        """Answered rows of late whose outcome is due; of several classes the score of the one given."""
        lake, name = self.work.store.lake, self.model.name
        if lake.version(path_of(name)) is None or lake.version(f"outcomes/{name}") is None:
            return None
        there = set(lake.schema(path_of(name)).names)
        keys = {column.name for column in self.signature.key}
        stored = {c.name: column_of(c.name, "key" if c.name in keys else "input") for c in self.signature.fed}
        self.work.catalog.publish(self.con, f"outcomes.{name}")
        query = cohort_query(
            self.signature,
            self._predictions,
            current_outcomes(f"outcomes.{quote(name)}", self.model, self.work.project, as_of=self.now),
            keys=[(column_of(column.name, "key"), outcome_column(column.name)) for column in self.signature.key],
            label_delay_s=label_delay_s,
            now=self.now,
            slices={by: by for by in self.model.slices if by in there},
            fed={name: column if column in there else None for name, column in stored.items()},
            since=self.since,
            rows=MOST_JUDGED,
        )
        rows = self.con.sql(query).to_arrow_table()
        cohort = cohort_of(rows, self.signature)
        due = cohort.matured & np.isfinite(cohort.truth)
        columns = {name: _codes(rows.column(FED + name))[due] for name in stored}
        groups = {by: values[due] for by, values in cohort.slices.items()}
        groups |= {c: codes for c, codes in _texts(rows, stored, due).items() if len(set(codes.tolist())) <= GROUPS}
        cohort = cohort.where(due)
        score, truth = cohort.score, cohort.truth
        if score.ndim == 2:
            score, truth = score.max(axis=1), (score.argmax(axis=1) == truth).astype(np.float64)
        return Judged(days_of(cohort.event_us, self.timezone), score, truth, columns, groups)


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """A column as numbers: texts and truth values by their place among those there are, null as NaN."""
    import pyarrow as pa

    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    names = column.cast(pa.string()).to_pylist()
    place = {name: float(n) for n, name in enumerate(sorted({name for name in names if name is not None}))}
    return np.array([place.get(name, np.nan) for name in names], dtype=np.float64)


def _texts(rows: pa.Table, stored: Iterable[str], due: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.object_]]:
    """What the model was fed that is text or a truth value."""
    import pyarrow as pa

    named = [name for name in stored if not pa.types.is_floating(rows.column(FED + name).type)]
    named = [name for name in named if not pa.types.is_integer(rows.column(FED + name).type)]
    return {name: np.array(rows.column(FED + name).to_pylist(), dtype=object)[due] for name in named}


def _refusals() -> tuple[type[BaseException], ...]:
    """What DuckDB raises where a query does not fit the rows, or a file is gone."""
    import duckdb

    return (duckdb.Error,)
