"""What is measured of a model at one look: its traffic, answers, quality, service, and the data that it reads.

Only what has changed since the last look is measured: days and weeks that rows or outcomes came to, those whose
outcomes were not all in. What was measured is known from the records, so a look that was killed is made again by the
next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rondo.deploy.servicing import path_of as service_path
from rondo.develop.judging import main_metric, metrics_for
from rondo.features.signature import Signature
from rondo.loop.cohorts import AnsweredRows, label_delay_s
from rondo.loop.collecting import Known
from rondo.loop.planning import newest
from rondo.loop.sketching import references_of, sketched, trained_history
from rondo.loop.versions import dataset_of, packed_version, pinned_relations
from rondo.loop.workplace import Workplace
from rondo.monitor.cohorts import Cohort
from rondo.monitor.expected_loss import measure_domain, measure_expected_loss
from rondo.monitor.features import measure_days, measure_weeks
from rondo.monitor.freshness import fresh_lengths, last_landed, measure_blocked, measure_freshness, newest_known
from rondo.monitor.measurements import Remembered, is_of_week
from rondo.monitor.quality import PAST, PAST_ROWS, judge_estimates, measure_quality, unsettled
from rondo.monitor.samples import ROWS, Reference, reference_of, reference_query, sample_of
from rondo.monitor.service import lines_of, measure_service, service_query, since_of
from rondo.monitor.sketched import Days
from rondo.monitor.skew import compared_of, measure_skew, skew_query
from rondo.monitor.windows import Window, day_window, monday_of, week_window
from rondo.project.models import Model
from rondo.records.development import Version
from rondo.records.monitoring import Measurement
from rondo.records.tables import OutcomesLanded, TableVersion
from rondo.records.versions import model_version
from rondo.sql.engine import connect, relation_of_files
from rondo.stats.metrics import Metric

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CALIBRATION = "expected_calibration_error"
RECENT = timedelta(days=35)
"""Outcomes that name no moment are taken to be about answers that are not much older, nor than twice their delay."""


class Watching:
    """A model as it is watched: what was measured of it, and what its versions are compared with, each read once."""

    def __init__(self, work: Workplace, model: Model) -> None:
        self.work, self.model = work, model
        self.remembered = Remembered(work.store.ledger, model.name)
        self.references = references_of(work, model)
        self.samples = cache(self._sample)
        self.sought = datetime.min.replace(tzinfo=UTC)
        """When causes were sought last."""
        metrics = metrics_for(model, work.project.metrics)
        main = main_metric(model, metrics)
        self._trained: tuple[date, list[Measurement]] | None = None
        self.metrics: tuple[Metric, ...] = (main, *(m for m in metrics if m.name == CALIBRATION and m is not main))

    def trained(self, days: Days | None) -> list[Measurement]:
        """What the days before the first answer would have been measured to be, by the rows trained on."""
        if days is None or not days.now:
            return []
        first = min(days.now)
        if self._trained is None or self._trained[0] != first:
            self._trained = first, trained_history(self.work, self.model, days, self.references)
        return self._trained[1]

    def _sample(self, number: int) -> Reference | None:
        """Some of the rows that a version was trained on, as it was fed them."""
        entry = self.work.store.ledger.latest(Version, name=self.model.name, version=number)
        if entry is None:
            return None
        packed, dataset = packed_version(self.work, self.model.name, number), dataset_of(self.work, entry.record)
        with closing(connect(timezone=packed.signature.timezone)) as con:
            relation = relation_of_files(self.work.store.lake.files(dataset.path, dataset.delta))
            rows = con.sql(reference_query(packed.signature, relation)).to_arrow_table()
        return reference_of(rows, packed.signature, packed.encoder)


@dataclass(frozen=True)
class Taken:
    """What one look measured. `days` are to be kept (`monitor.sketched.keep`) when all of it is recorded."""

    measurements: list[Measurement]
    days: Days | None


def take(
    watching: Watching,
    number: int,
    con: DuckDBPyConnection,
    *,
    served_since: datetime | None,
    known: Known | None = None,
) -> Taken:
    """Everything that is to be measured now, of the traffic of production (`number`), its service and its data.

    `served_since` is the beginning of the earliest period of service that landed since the last look.
    """
    work, model = watching.work, watching.model
    look = _Look(watching, number, con, known)
    found = list(look.of_data())
    found += look.of_service(served_since)
    days = sketched(work, model, con, number)
    if days is not None:
        found += measure_days(days, watching.references)
        found += measure_weeks(days, watching.references)
        found += look.of_answers(days, found)
    return Taken(found, days)


class _Look:
    """One look at a model's surroundings."""

    def __init__(self, watching: Watching, number: int, con: DuckDBPyConnection, known: Known | None) -> None:
        self.watching, self.number, self.con, self.known = watching, number, con, known
        self.work, self.model = watching.work, watching.model
        self.timezone, self.now = watching.work.project.settings.timezone, watching.work.now()
        self.signature: Signature = packed_version(self.work, self.model.name, number).signature

    def of_data(self) -> Iterator[Measurement]:
        """Whether what the model reads still arrives. A replay lands all at once: when loads came says nothing."""
        nodes, ledger = self.work.nodes, self.work.store.ledger
        yield from measure_blocked(self.model, nodes, ledger)
        if self.known is not None:
            yield from measure_freshness(self.model, nodes, self.known.newest, now=self.now)
            return
        came = newest_known(self.work.catalog, fresh_lengths(self.model, nodes), self.now)
        landed = last_landed(ledger, self.model, nodes)
        yield from measure_freshness(self.model, nodes, came, now=self.now, landed=landed)

    def of_service(self, served_since: datetime | None) -> list[Measurement]:
        """The hours and days that periods of service landed for, and today's."""
        path = service_path(self.model.name)
        if self.work.store.lake.version(path) is None:
            return []
        query = service_query(
            relation_of_files(self.work.store.lake.files(path)), since_of(self.now, self.timezone, served_since)
        )
        lines = lines_of(self.con.sql(query).to_arrow_table())
        return measure_service(self.model.name, lines, timezone=self.timezone, now=self.now)

    def of_answers(self, days: Days, taken: Sequence[Measurement]) -> Iterator[Measurement]:
        """Quality, skew, and what drift is expected to cost, of windows that rows or outcomes came to."""
        rows = AnsweredRows(self.work, self.model, self.number, self.con)
        quality = list(self._quality(days, rows))
        yield from quality
        yield from judge_estimates(self.watching.metrics[0], [*self.watching.remembered.newest().values(), *quality])
        yield from self._skew(days, rows)
        versions = {each.start: each.model_version for each in taken if each.metric == "rows" and is_of_week(each)}
        for start, version in sorted(versions.items()):
            window = week_window(start.astimezone(ZoneInfo(self.timezone)).date(), self.timezone)
            if window.end <= self.now and version is not None:
                yield from self._drift(window, version, rows)

    def _quality(self, days: Days, rows: AnsweredRows) -> Iterator[Measurement]:
        outcomes = self.work.store.lake.version(f"outcomes/{self.model.name}")
        delay_s = label_delay_s(self.work, self.model, self.number)

        def past_of(window: Window, version: str) -> Cohort:
            since = window.start - PAST
            return rows.cohort(since=since, until=window.start, rows=PAST_ROWS)

        for run in _runs(self._changed(days, delay_s)):
            since, until = min(each.start for each in run), max(each.end for each in run)
            yield from measure_quality(
                self.signature,
                rows.cohort(slices=self.model.slices, since=since, until=until),
                run,
                self.watching.metrics,
                timezone=self.timezone,
                label_delay_s=delay_s,
                now=self.now,
                past_of=past_of,
                slices=self.model.slices,
                outcomes=outcomes,
            )

    def _changed(self, days: Days, delay_s: float) -> list[Window]:
        """Days that are over and weeks, that answers or outcomes came to since they were measured, or can have."""
        zone = ZoneInfo(self.timezone)
        touched = set(days.grown)
        recent = self.now - max(RECENT, 2 * timedelta(seconds=delay_s))
        for first, last in self._landed():
            since, until = (
                (moment or other).astimezone(zone).date() for moment, other in ((first, recent), (last, self.now))
            )
            touched |= {day for day in days.now if since <= day <= until}
        found = {day_window(day, self.timezone) for day in touched}
        found |= {week_window(monday, self.timezone) for monday in {monday_of(day) for day in touched}}
        found |= set(unsettled(list(self.watching.remembered.newest().values()), self.now, delay_s))
        return [window for window in found if window.end <= self.now or (self.known is None and _is_week(window))]

    def _landed(self) -> Iterator[tuple[datetime | None, datetime | None]]:
        """The moments that outcomes are about which landed since outcomes were last measured; None: not known."""
        seen = max((m.outcomes or 0 for m in self.watching.remembered.newest().values()), default=0)
        before = seen
        for entry in self.work.store.ledger.entries(OutcomesLanded, name=self.model.name):
            landed = entry.record
            if landed.delta > seen and (landed.rows or landed.delta > before):
                yield landed.first, landed.last
            before = max(before, landed.delta)

    def _skew(self, days: Days, rows: AnsweredRows) -> Iterator[Measurement]:
        """Of each day that is over, under the version that answered most of it."""
        wanted = [day for day in days.grown if day_window(day, self.timezone).end <= self.now]
        by_version: dict[int, list[date]] = {}
        for day in wanted:
            answered = Counter[int]()
            for each in days.fresh[day]:
                answered[each.version] += each.rows
            by_version.setdefault(answered.most_common(1)[0][0], []).append(day)
        for version, of_version in sorted(by_version.items()):
            signature = packed_version(self.work, self.model.name, version).signature
            if not signature.lookups:
                continue
            names = [
                name for lookup in signature.lookups for name in (*lookup.names, *(asked for _, asked in lookup.on))
            ]
            tables = {lookup.table: self._table(lookup.table, lookup.definition) for lookup in signature.lookups}
            relations = dict(self.known.relations) if self.known else {}
            relations = {**pinned_relations(self.work, signature), **relations}
            for run in _runs([day_window(day, self.timezone) for day in of_version]):
                query = skew_query(
                    signature,
                    version,
                    rows.relation,
                    relations,
                    columns=rows.columns_of(dict.fromkeys(names)),
                    since=run[0].start,
                    until=run[-1].end,
                    timezone=self.timezone,
                    landed={name: at for name, (at, _) in tables.items()},
                    steady=[name for name, (_, steady) in tables.items() if steady],
                )
                compared = compared_of(self.con.sql(query).to_arrow_table())
                yield from measure_skew(signature, version, compared, run, timezone=self.timezone)

    def _table(self, name: str, definition: str) -> tuple[datetime, bool]:
        """When a looked-up table's newest rows landed, and whether its known time follows its time."""
        entries = self.work.store.ledger.entries(TableVersion, name=name, where={"definition": definition}, limit=1,
                                                 newest_first=True)  # fmt: skip
        found = newest(self.work.store.ledger, name, definition)
        at = entries[0].at if entries else self.now
        return at, found is not None and found.steady

    def _drift(self, window: Window, version: int, rows: AnsweredRows) -> Iterator[Measurement]:
        """Of a week that is over: how far its rows have moved together, and what that is expected to cost."""
        reference = self.watching.samples(version)
        if reference is None:
            return
        packed = packed_version(self.work, self.model.name, version)
        found = rows.rows(
            fed=packed.encoder.names,
            since=window.start,
            until=window.end,
            version=model_version(self.model.name, version),
            rows=ROWS,
        )
        sample = sample_of(found, packed.signature, packed.encoder)
        if not len(sample.matrix) or not len(reference.matrix):
            return
        yield measure_domain(packed, version, sample, reference, window=window)
        yield from measure_expected_loss(packed, version, self.watching.metrics[0], sample, reference, window=window)


def _is_week(window: Window) -> bool:
    return window.end - window.start > timedelta(days=2)


def _runs(windows: Iterable[Window]) -> Iterator[list[Window]]:
    """Windows in order, parted where rows between them need not be read."""
    run: list[Window] = []
    for window in sorted(windows, key=lambda each: (each.start, each.end)):
        if run and window.start > max(each.end for each in run):
            yield run
            run = []
        run.append(window)
    if run:
        yield run
