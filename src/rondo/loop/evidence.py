"""Evidence for a diagnosis, gathered once something was found: columns by day from sources to model, tables, releases.

Only what the model reads is looked at, only its last weeks, and only what was known by now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from rondo.deploy.predictions import path_of
from rondo.deploy.rollout import roles
from rondo.errors import RondoError
from rondo.features.signature import Lookup, kind_of
from rondo.graph.upstream import upstream
from rondo.language.words import Language
from rondo.loop.cohorts import AnsweredRows
from rondo.loop.planning import newest as newest_version
from rondo.loop.sketching import sketched
from rondo.loop.table_days import MOST_ROWS, VERSIONS, TableDays, by_day
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace
from rondo.monitor.cohorts import FED, cohort_of
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
from rondo.monitor.sketched import Days
from rondo.project.models import Model
from rondo.project.sources import Source
from rondo.records.deployment import Deployment
from rondo.records.monitoring import Measurement
from rondo.records.running import Run
from rondo.records.tables import TableVersion
from rondo.sql.engine import connect, literal, quote
from rondo.sql.parsing import columns_of
from rondo.stats.days import days_of
from rondo.stats.sketches import Sketch, merged
from rondo.store.ledger import Entry
from rondo.team.people import contacts

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

DAYS = 63
"""So many days back a change is looked for, and what was usual before it is learned."""
MOST_JUDGED = 40_000
"""Answered rows that are held against their outcomes, chosen by a hash of their id."""
CALLED = timedelta(days=14)
GROUPS = 12
"""More values than this do not part rows to say where a change is strongest."""


def gather(
    work: Workplace,
    model: Model,
    *,
    words: Language | None = None,
    days: Days | None = None,
    measurements: Sequence[Measurement] = (),
    newest: Newest | None = None,
) -> Evidence | None:
    """What a diagnosis of the model goes by, as of now; None where nothing is in production.

    `days` are the sketched days of its answers, where they are at hand, `measurements` those of its service. `newest`
    says when the newest row of each source and table became known, where the lake does not (in a replay). `words` are
    those of the project, where none are given.
    """
    at_work = roles(work.store.ledger, model.name)
    if "production" not in at_work:
        return None
    number = at_work["production"].record.version
    with closing(connect(timezone=work.project.settings.timezone)) as con:
        days = days or sketched(work, model, con, number)
        settings = work.project.settings
        words = words or Language(settings.language, settings.timezone)
        return _Gathering(work, model, number, con, days, newest).evidence(measurements, words)


class _Gathering:
    """One look at a model's surroundings over one session."""

    def __init__(
        self,
        work: Workplace,
        model: Model,
        number: int,
        con: DuckDBPyConnection,
        days: Days | None,
        newest: Newest | None,
    ) -> None:
        self.work, self.model, self.number, self.con, self.days = work, model, number, con, days
        self.signature = signature_of(work, model.name, number)
        self.timezone, self.now = work.project.settings.timezone, work.now()
        self.since = self.now - timedelta(days=DAYS)
        self.names = upstream_of(model, work.nodes)
        self.newest = dict(newest or {})
        absent = [name for name in self.names if name not in self.newest and not self._as_of(name)]
        self.newest |= newest_known(work.catalog, absent, self.now)

    def evidence(self, measurements: Sequence[Measurement], words: Language) -> Evidence:
        """All of it."""
        columns, rows = TableDays(self.work, self.con, self.since, self.now).of(self.names)
        requests, callers = self._requests()
        settings = self.work.project.settings
        return Evidence(
            model=self.model.name,
            now=self.now,
            words=words,
            owner=self.model.owner,
            state=self.work.store.state,
            people=contacts(settings.people, self.now.astimezone(ZoneInfo(self.timezone)).date()),
            fed=tuple(self._fed(columns)),
            tables={name: self._table(name, rows.get(name, {}), words) for name in self.names},
            columns=columns | requests,
            callers=callers,
            deployments=tuple(self._deployments()),
            judged=self._judged(),
            measurements=tuple(measurements),
            runbook=checked(self.work.project.root, self.model.name),
        )

    def _fed(self, columns: Mapping[Place, Daily]) -> Iterable[Fed]:
        """The columns that the model is fed, and its label, with where each comes from."""
        daily: dict[str, dict[date, list[Sketch]]] = {}
        if self.days is not None:
            first = self.since.astimezone(ZoneInfo(self.timezone)).date()
            for each in self.days.of([day for day in self.days.now if day >= first]):
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
        yield Fed(LABEL, "label", columns.get((self.model.examples, label), {}), None, values, rows)

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
    def _answered(self) -> AnsweredRows | None:
        """The answered rows; None before the first reached the lake."""
        if self.work.store.lake.version(path_of(self.model.name)) is None:
            return None
        return AnsweredRows(self.work, self.model, self.number, self.con)

    def _requests(self) -> tuple[dict[Place, Daily], dict[str, dict[str, Daily]]]:
        """What requests bring, by day: look-up keys and inputs; inputs also by caller, of late."""
        if self._answered is None:
            return {}, {}
        told = [c.name for c in self.signature.request if kind_of(c.type) in ("number", "boolean", "text")]
        names = self._answered.columns_of(told)
        event = "moment" if self.signature.time else "at"
        shown = ", ".join(f"{quote(stored)} as c{place}" for place, stored in enumerate(names.values()))
        rows = self.con.sql(
            f"select {shown or '1 as c0'}, caller, epoch_us({event}) as event_us "
            f"from {self._answered.relation} where role = 'production' and {event} >= {literal(self.since)} "
            f"order by event_us desc limit {MOST_ROWS}"
        ).to_arrow_table()
        daily, _ = by_day(rows, list(names), self.timezone)
        callers: dict[str, dict[str, Daily]] = {}
        who = rows.column("caller").to_pylist()
        if 1 < len({*who} - {None}) <= GROUPS:
            late = rows.column("event_us").to_numpy() >= (self.now - CALLED).timestamp() * 1e6
            for caller in sorted({*who} - {None}):
                mine = np.array([each == caller for each in who]) & late
                callers[caller] = by_day(rows.filter(mine), list(names), self.timezone)[0]
        return {(REQUEST, name): sketches for name, sketches in daily.items()}, callers

    def _table(self, name: str, rows: Mapping[date, int], words: Language) -> TableState:
        node, ledger = self.work.nodes[name], self.work.store.ledger
        declaration = node.declaration
        entries = [e for e in ledger.entries(TableVersion, name=name) if not e.record.pinned]
        landed = tuple(Landed(e.record.version, e.at, e.record.columns) for e in entries[-2 * VERSIONS :])
        refused, at = self._refused(name, words)
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

    def _refused(self, name: str, words: Language) -> tuple[str | None, datetime | None]:
        """Why the newest build of a source or table brought nothing, and since when none does."""
        why: str | None = None
        since: datetime | None = None
        for entry in reversed(self._runs):
            step = next((each for each in entry.record.steps if each.name == name and each.state != "skipped"), None)
            if step is None:
                continue
            if step.state not in ("failed", "blocked"):
                break
            unsaid = words.plain("its build failed") if step.state == "failed" else words.plain("its build blocked")
            why, since = why or step.reason or unsaid, entry.at
        return why, since

    @cached_property
    def _runs(self) -> Sequence[Entry[Run]]:
        return self.work.store.ledger.entries(Run)

    def _deployments(self) -> Iterable[Deployed]:
        for entry in self.work.store.ledger.entries(Deployment, name=self.model.name):
            if entry.record.role == "production" and not entry.record.ended:
                yield Deployed(entry.record.version, entry.at, entry.record.replaced)

    def _judged(self) -> Judged | None:
        """Answered rows of late whose outcome is due; of several classes the score of the one given."""
        if self._answered is None or self.work.store.lake.version(f"outcomes/{self.model.name}") is None:
            return None
        fed = [column.name for column in self.signature.fed]
        rows = self._answered.rows(slices=self.model.slices, fed=fed, since=self.since, rows=MOST_JUDGED)
        cohort = cohort_of(rows, self.signature)
        due = cohort.matured & np.isfinite(cohort.truth)
        columns = {name: _codes(rows.column(FED + name))[due] for name in fed}
        groups = {by: values[due] for by, values in cohort.slices.items()}
        groups |= {c: codes for c, codes in _texts(rows, fed, due).items() if len(set(codes.tolist())) <= GROUPS}
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
