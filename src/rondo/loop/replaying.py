"""`replay`: recorded history played through the live path, in a state of its own on a replayed clock.

The state begins with a run as of the start. Then, period by period of the retrain policy: every example whose moment
falls into it is answered by the version in production, with features as they were known at that moment; at the
period's end outcomes known by then land, traffic is measured, and a run as of that moment retrains, judges and
promotes by policy. What a search found at the start is refitted; nothing learned from later time reaches the state.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from rondo.deploy.answering import Answerer
from rondo.deploy.predictions import record
from rondo.deploy.rollout import roles
from rondo.develop.evaluating import figure
from rondo.develop.judging import main_metric, metrics_for
from rondo.errors import BuildError, WrongUse
from rondo.features.values import LakeValues
from rondo.loop.monitoring import answered, collect, monitor
from rondo.loop.planning import newest
from rondo.loop.running import run
from rondo.loop.tables import relation_for
from rondo.loop.versions import packed_version, signature_of
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.windows import days_of
from rondo.project.models import Model
from rondo.project.reading import read_project
from rondo.records.development import Gate, Version
from rondo.records.progress import Progress, silent
from rondo.records.running import Replayed, ReplayedMonth
from rondo.sql.engine import connect, literal, quote
from rondo.stats.intervals import bootstrap
from rondo.store.opening import LIVE

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHUNK = timedelta(days=7)


@dataclass
class ReplayClock:
    """A clock that is set by hand."""

    moment: datetime

    def __call__(self) -> datetime:
        """The moment it was set to."""
        return self.moment


@dataclass
class _Tally:
    predictions: int = 0
    trainings: int = 0
    promotions: int = 0
    rejections: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def spent(self, stage: str, started: float) -> None:
        """Add the time since `started` to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - started


@dataclass(frozen=True)
class _History:
    """Everything recorded by the end, in one session: examples to ask, tables to look features up in."""

    con: DuckDBPyConnection
    tables: dict[str, str]


def replay(
    root: Path,
    name: str,
    start: datetime,
    end: datetime,
    *,
    model: str | None = None,
    by: str | None = None,
    progress: Progress = silent,
) -> Replayed:
    """Play history from `start` to `end`. A state of that name is begun anew. Raises WrongUse, BuildError."""
    if name == LIVE or not name.isidentifier():
        raise WrongUse(f"A replay cannot be called {name!r}.", next_step="Use one word of letters, digits and _.")
    if not start < end:
        raise WrongUse(f"The replay would end ({end}) before it begins ({start}).", next_step="Turn them round.")
    project = read_project(root)
    models = [project.model(model)] if model else list(project.models.values())
    if untimed := [m.name for m in models if project.tables[m.examples].time is None]:
        raise WrongUse(f"{untimed[0]} has no time to be replayed along.", next_step="Name another model with --model.")
    shutil.rmtree(root / ".rondo" / "states" / name, ignore_errors=True)
    clock = ReplayClock(start)
    work = open_workplace(root, state=name, by=by, clock=clock, project=project)
    return _play(work, clock, models, start, end, progress)


def _play(
    work: Workplace, clock: ReplayClock, models: Sequence[Model], start: datetime, end: datetime, progress: Progress
) -> Replayed:
    tally, began = _Tally(), time.monotonic()
    names = [m.name for m in models]
    _run(work, names, start, tally, progress)
    resolved = {m.name: _found(work, m) for m in models if work.store.ledger.latest(Version, name=m.name)}
    if not resolved:
        raise BuildError(
            f"Nothing could be trained as of {start.isoformat()}.",
            next_step="Begin later, or see `rondo run --as-of` for what is missing.",
        )
    started = time.monotonic()
    history = _recorded(work, models, end)
    tally.spent("history", started)
    try:
        borders = [*_ticks(models, start, end, work.project.settings.timezone), end]
        since = start
        for border in borders:
            progress((since - start) / (end - start), f"replaying {since.date()}")
            for each in models:
                tally.predictions += _answer(work, clock, each, history, since, border, tally)
            clock.moment = border
            if border < end:
                _run(work, names, border, tally, progress, resolved)
                _watch(work, models, tally)
            since = border
    finally:
        history.con.close()
    return _finish(work, models, start, end, tally, began)


def _run(
    work: Workplace,
    names: list[str],
    as_of: datetime,
    tally: _Tally,
    progress: Progress,
    resolved: dict[str, tuple[str, dict[str, str | int | float | bool | None]]] | None = None,
) -> None:
    started = time.monotonic()
    ledger = work.store.ledger
    before = {name: ledger.count(Version, name) for name in names}
    ran = run(work, names, as_of=as_of, resolved=resolved, progress=progress)
    if ran.run.state == "failed":
        broken = next(step for step in ran.run.steps if step.state == "failed")
        raise BuildError(
            f"The run as of {as_of.isoformat()} failed at {broken.name}: {broken.reason}",
            next_step="Mend it, then replay again.",
        )
    tally.promotions += sum(step.stage == "promote" and step.state == "built" for step in ran.run.steps)
    for name in names:
        new = ledger.entries(Version, name=name)[before[name] :]
        tally.trainings += len(new)
        tally.rejections += sum(_rejected(work, entry.record) for entry in new)
    tally.spent("runs", started)


def _rejected(work: Workplace, version: Version) -> bool:
    gate = work.store.ledger.latest(Gate, name=version.name, version=version.version)
    return gate is not None and gate.record.state != "passed"


def _found(work: Workplace, model: Model) -> tuple[str, dict[str, str | int | float | bool | None]]:
    entry = work.store.ledger.latest(Version, name=model.name)
    assert entry is not None
    return entry.record.trainer, entry.record.parameters


def _recorded(work: Workplace, models: Sequence[Model], end: datetime) -> _History:
    """Build, aside from the state, every table of the models from sources as known by the end."""
    con = connect(timezone=work.project.settings.timezone, temporary_folder=work.store.folder / "temporary")
    tables: dict[str, str] = {}
    for name, node in work.nodes.items():
        if node.is_source:
            version = newest(work.store.ledger, name)
            if version is not None:
                con.sql(f"create view {quote(name)} as select * from {relation_for(work, version, end)}")
        elif set(node.reads) <= {*work.project.sources, *tables}:
            con.sql(f"create table {quote(name)} as {work.project.tables[name].sql}")
            tables[name] = quote(name)
    wanted = {model.examples for model in models}
    if absent := wanted - tables.keys():
        raise BuildError(f"{absent.pop()} could not be built.", next_step="Run `rondo run` to see why.")
    return _History(con, tables)


def _ticks(models: Sequence[Model], start: datetime, end: datetime, timezone: str) -> Iterator[datetime]:
    """The borders of the policies' periods between start and end: months, or weeks or days where a policy asks."""
    zone = ZoneInfo(timezone)
    policies = {model.retrain for model in models}
    day = start.astimezone(zone).date()
    while (day := day + timedelta(days=1)) <= end.astimezone(zone).date():
        wanted = day.day == 1 or "daily" in policies or ("weekly" in policies and day.weekday() == 0)
        moment = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        if wanted and start < moment < end:
            yield moment


def _answer(
    work: Workplace,
    clock: ReplayClock,
    model: Model,
    history: _History,
    since: datetime,
    until: datetime,
    tally: _Tally,
) -> int:
    """Answer every example asked from `since` to before `until`, in chunks, by the version in production."""
    at_work = roles(work.store.ledger, model.name)
    if "production" not in at_work:
        return 0
    started = time.monotonic()
    number = at_work["production"].record.version
    answerer = Answerer(
        packed_version(work, model.name, number), _values(work, model, number, history), number, ids="derived"
    )
    answers = 0
    while since < until:
        border = min(since + CHUNK, until)
        rows = _asked(history, work, model, answerer, since, border)
        if rows:
            clock.moment = border
            found = answerer.answer(rows, now=border, role="production")
            record(work.store.log, model.name, found, caller="replay", latency_ms=None)
            answers += len(found)
        since = border
    tally.spent("predict", started)
    return answers


def _values(work: Workplace, model: Model, number: int, history: _History) -> LakeValues:
    """As-of look-ups in all of history for tables with a time, in the version landed last for those without."""
    relations = {}
    for lookup in signature_of(work, model.name, number).lookups:
        if lookup.time and lookup.table in history.tables:
            relations[lookup.space] = history.tables[lookup.table]
            continue
        version = newest(work.store.ledger, lookup.table, lookup.definition)
        assert version is not None
        relations[lookup.space] = relation_for(work, version, None)
    return LakeValues(history.con, relations)


def _asked(
    history: _History, work: Workplace, model: Model, answerer: Answerer, since: datetime, until: datetime
) -> list[dict[str, object]]:
    examples = work.project.tables[model.examples]
    moment = quote(examples.time or "")
    names = dict.fromkeys([*(column.name for column in answerer.signature.request), examples.time or ""])
    order = ", ".join([moment, *map(quote, examples.key)])
    query = (
        f"select {', '.join(map(quote, names))} from {history.tables[model.examples]} "
        f"where {moment}::timestamptz >= {literal(since)} and {moment}::timestamptz < {literal(until)} order by {order}"
    )
    rows: list[dict[str, object]] = history.con.sql(query).to_arrow_table().to_pylist()
    return rows


def _watch(work: Workplace, models: Sequence[Model], tally: _Tally) -> None:
    started = time.monotonic()
    for model in models:
        monitor(work, model)
    tally.spent("monitor", started)


def _finish(
    work: Workplace, models: Sequence[Model], start: datetime, end: datetime, tally: _Tally, began: float
) -> Replayed:
    """Bring the tables to the end without training, land what is known by then, and sum up by month."""
    started = time.monotonic()
    run(work, list(work.nodes), as_of=end)
    tally.spent("runs", started)
    _watch(work, models, tally)
    started = time.monotonic()
    months, outcomes = [], 0
    for model in models:
        collect(work, model)
        found, known = _months(work, model)
        months += found
        outcomes += known
    tally.spent("sum up", started)
    tally.seconds["all"] = time.monotonic() - began
    replayed = Replayed(
        name=work.store.state,
        start=start,
        end=end,
        predictions=tally.predictions,
        outcomes=outcomes,
        trainings=tally.trainings,
        promotions=tally.promotions,
        rejections=tally.rejections,
        alerts=0,
        seconds={stage: round(seconds, 3) for stage, seconds in tally.seconds.items()},
        months=months,
    )
    work.store.ledger.append(replayed, by=work.by)
    return replayed


def _months(work: Workplace, model: Model) -> tuple[list[ReplayedMonth], int]:
    """What the predictions of each month came to, and how many outcomes are known."""
    at_work = roles(work.store.ledger, model.name)
    if "production" not in at_work:
        return [], 0
    cohort = answered(work, model, at_work["production"].record.version)
    if cohort is None:
        return [], 0
    timezone = work.project.settings.timezone
    days = days_of(cohort.event_us, timezone)
    epoch = date(1970, 1, 1)
    labels = np.array([(epoch + timedelta(days=int(day))).strftime("%Y-%m") for day in days])
    metrics = [main_metric(model, metrics_for(model, work.project.metrics))]
    found = []
    for month in sorted(set(labels.tolist())):
        part = cohort.where(labels == month)
        judged = part.where(part.matured & np.isfinite(part.truth))
        blocks = days_of(judged.event_us, timezone)
        estimates = bootstrap(metrics, judged.truth, judged.score, judged.label, blocks=blocks, seed=0)
        version = str(part.version[-1]) if len(part) else None
        figures = {name: figure(estimate) for name, estimate in estimates.items()}
        found.append(ReplayedMonth(month=month, version=version, rows=len(part), metrics=figures))
    return found, int(np.isfinite(cohort.truth).sum())
