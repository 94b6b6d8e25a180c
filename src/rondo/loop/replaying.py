"""`replay`: recorded history played through the live path, in a state of its own on a replayed clock.

The state begins with a run as of the start. Then tick by tick (every local midnight, and whenever a source becomes
stale or fresh again): what was asked since is answered by the version in production, with features as they were known
at each question's moment; outcomes known by then land, traffic is measured, alerts are raised and resolved; and where
a retrain policy says so, a run as of that moment retrains, judges and promotes. What a search found at the start is
refitted; nothing learned from later time reaches the state, and nothing leaves it: alerts go to no channel.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rondo.deploy.answering import Answerer
from rondo.errors import BuildError, WrongUse
from rondo.loop.collecting import Known
from rondo.loop.measuring import Watching
from rondo.loop.models import Resolved
from rondo.loop.monitoring import watch
from rondo.loop.replayed_history import History, recorded, ticks
from rondo.loop.replayed_months import Rivals, months, rivals
from rondo.loop.replayed_requests import Answered, Counted, Questions, ReplayClock
from rondo.loop.retraining import period_begins, policy_verdict
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.alerting import newest_alerts
from rondo.project.channels import CONSOLE
from rondo.project.models import Model
from rondo.project.reading import Project, read_project
from rondo.records.development import Gate, Version
from rondo.records.progress import Progress, silent
from rondo.records.running import Replayed
from rondo.sql.engine import literal, quote
from rondo.store.opening import LIVE

TOLD = 10
"""So many of the answers that differed over HTTP are told."""


@dataclass
class _Tally(Counted):
    """What a replay has done so far."""

    trainings: int = 0
    promotions: int = 0
    rejections: int = 0


@dataclass
class _Replay:
    """A replay as it goes. `resolved` are the trainers found at the start, with their parameters, by model."""

    work: Workplace
    clock: ReplayClock
    models: Sequence[Model]
    watched: Sequence[Watching]
    progress: Progress
    tally: _Tally = field(default_factory=_Tally)
    resolved: dict[str, Resolved] = field(default_factory=dict)
    rivals: dict[str, Rivals] = field(default_factory=dict)


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
    project = _without_channels(read_project(root))
    models = [project.model(model)] if model else list(project.models.values())
    if untimed := [m.name for m in models if project.tables[m.examples].time is None]:
        raise WrongUse(f"{untimed[0]} has no time to be replayed along.", next_step="Name another model with --model.")
    shutil.rmtree(root / ".rondo" / "states" / name, ignore_errors=True)
    clock = ReplayClock(start)
    work = open_workplace(root, state=name, by=by, clock=clock, project=project)
    watched = [Watching(work, each) for each in models]
    return _play(_Replay(work, clock, models, watched, progress), start, end)


def _without_channels(project: Project) -> Project:
    """The project with the console as its only channel: what was bad in March pages nobody today."""
    settings = dataclasses.replace(project.settings, channels=(CONSOLE,), declared_channels=())
    return dataclasses.replace(project, settings=settings)


def _play(replay: _Replay, start: datetime, end: datetime) -> Replayed:
    began, tally = time.monotonic(), replay.tally
    _begin(replay, start, end)
    started = time.monotonic()
    with recorded(replay.work, replay.models, end) as history:
        moments = [*ticks(replay.work, replay.models, history, start, end), end]
        tally.spent("history", started)

        def seen(answerer: Answerer, found: list[Answered]) -> None:
            if rival := replay.rivals.get(answerer.signature.model):
                rival.see(answerer, found)

        with Questions(replay.work, replay.clock, history, tally, seen) as questions:
            since = start
            for moment in moments:
                replay.progress((since - start) / (end - start), f"replaying {since.date()}")
                _tick(replay, history, questions, since, moment)
                since = moment
    return _finish(replay, start, end, began)


def _tick(replay: _Replay, history: History, questions: Questions, since: datetime, moment: datetime) -> None:
    """What was asked since then is answered; then what a day brings: a look round, and what policies ask for."""
    for model in replay.models:
        questions.play(model, since, moment)
    replay.clock.moment = moment
    if moment == history.end:
        _bring_tables(replay, moment)
    _look_round(replay, history, since, moment)
    if moment < history.end and (due := _due(replay, since, moment)):
        _run(replay, due, moment)
        questions.ran()


def _begin(replay: _Replay, start: datetime, end: datetime) -> None:
    """The run as of the start."""
    _run(replay, [model.name for model in replay.models], start)
    for model in replay.models:
        entry = replay.work.store.ledger.latest(Version, name=model.name)
        if entry is not None:
            replay.resolved[model.name] = entry.record.trainer, entry.record.parameters
        if rival := rivals(replay.work, model, end):
            replay.rivals[model.name] = rival
    if not replay.resolved:
        raise BuildError(
            f"Nothing could be trained as of {start.isoformat()}.",
            next_step="Begin later, or see `rondo run --as-of` for what is missing.",
        )


def _due(replay: _Replay, since: datetime, moment: datetime) -> list[str]:
    """The models to bring up to date now: all where a period begins, with their tables; else those due by an alert."""
    timezone, ledger = replay.work.project.settings.timezone, replay.work.store.ledger
    if period_begins({model.retrain for model in replay.models}, since, moment, timezone):
        return [model.name for model in replay.models]
    due = []
    for model in replay.models:
        newest = ledger.latest(Version, name=model.name)
        if model.retrain != "on alert" or newest is None:
            continue
        if policy_verdict(ledger, model, newest, now=moment, timezone=timezone).due:
            due.append(model.name)
    return due


def _run(replay: _Replay, names: list[str], as_of: datetime) -> None:
    started, tally, ledger = time.monotonic(), replay.tally, replay.work.store.ledger
    before = {name: ledger.count(Version, name) for name in names}
    ran = run(replay.work, names, as_of=as_of, resolved=replay.resolved, progress=replay.progress)
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
        tally.rejections += sum(_rejected(replay.work, entry.record) for entry in new)
    tally.spent("runs", started)


def _rejected(work: Workplace, version: Version) -> bool:
    gate = work.store.ledger.latest(Gate, name=version.name, version=version.version)
    return gate is not None and gate.record.state != "passed"


def _bring_tables(replay: _Replay, end: datetime) -> None:
    """Bring the tables to the end, without training."""
    started = time.monotonic()
    run(replay.work, list(replay.work.nodes), as_of=end)
    replay.tally.spent("runs", started)


def _look_round(replay: _Replay, history: History, since: datetime, moment: datetime) -> None:
    """Land what has become known since then, measure, raise and resolve."""
    started = time.monotonic()
    for watching in replay.watched:
        examples = replay.work.project.tables[watching.model.examples]
        rows, label_known = history.relation(examples.name), quote(examples.label_known or "")
        known = Known(
            newest=history.newest_known(moment),
            examples=f"(select * from {rows} where {label_known}::timestamptz >= {literal(since)})",
            relations=history.relations(watching.model),
        )
        watch(watching, known=known)
    replay.tally.spent("monitor", started)


def _finish(replay: _Replay, start: datetime, end: datetime, began: float) -> Replayed:
    """Sum up."""
    work, tally = replay.work, replay.tally
    started = time.monotonic()
    found, outcomes = [], 0
    for model in replay.models:
        of_model, known = months(work, model)
        found += of_model
        outcomes += known
    comparisons = [made for rival in replay.rivals.values() if (made := rival.compared()) is not None]
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
        alerts=len(newest_alerts(work.store.ledger)),
        seconds={stage: round(seconds, 3) for stage, seconds in tally.seconds.items()},
        months=found,
        requests=tally.requests,
        differences=tally.differences,
        differing=tally.told[:TOLD],
        comparisons=comparisons,
    )
    work.store.ledger.append(replayed, by=work.by)
    return replayed
