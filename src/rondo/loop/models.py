"""Bringing a model up to date: freeze, train, evaluate, rehearse, gate, promote. Each step leaves its record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime

from rondo.data.freezing import freeze
from rondo.deploy.lookups import NewestLakeValues, live_values
from rondo.deploy.rehearsing import rehearse
from rondo.deploy.resolving import newest_declared
from rondo.deploy.rollout import promote, roles
from rondo.develop.fitness import fitness_of
from rondo.develop.training import Resolved, train_version
from rondo.features.assembly import assemble
from rondo.features.signature import Signature
from rondo.graph.definitions import digest, model_definition, tables_of
from rondo.loop.judging import bring_evaluations, bring_gate, newest_gate
from rondo.loop.planning import ModelStanding, dataset_build, model_standing
from rondo.loop.publishing import publish_lookups
from rondo.loop.requesting import request_data
from rondo.loop.studying import study
from rondo.loop.tables import Versions, relation_for
from rondo.loop.versions import dataset_of, packed_version, signature_of
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.records.deployment import Rehearsal
from rondo.records.development import Fitness, Version
from rondo.records.progress import Progress, silent
from rondo.records.running import RetrainDecision, Step
from rondo.records.tables import Dataset, Input
from rondo.records.versions import model_version

__all__ = ["Resolved", "bring_model", "gate_failed"]


def bring_model(
    work: Workplace,
    model: Model,
    tables: Versions,
    stopped: Mapping[str, str],
    *,
    as_of: datetime | None = None,
    resolved: Resolved | None = None,
    progress: Progress = silent,
) -> Iterator[Step]:
    """The steps of one model, each yielded when it is done. `tables` holds what stands of every table now."""
    held_back = held_back_by(work, model, tables, stopped)
    if held_back:
        for name, stage in ((f"dataset.{model.name}", "freeze"), (model.name, "train")):
            yield Step(name=name, stage=stage, state="skipped", reason=held_back)
        return
    mine = {name: tables[name] for name in tables_of(model)}
    stands = model_standing(work, model, {name: table.version for name, table in mine.items()}, as_of, {})
    _remember_decision(work, model, stands, mine, as_of)
    if stands.standing.fresh:
        assert stands.newest is not None
        version = stands.newest
        yield Step(name=f"dataset.{model.name}", stage="freeze", state="fresh", reason=stands.waits)
        yield step_of(version, "train", "fresh", stands.waits)
    else:
        signature = assemble(
            model,
            work.project,
            {name: table.columns for name, table in mine.items()},
            {name: table.definition for name, table in mine.items()},
        )
        dataset, step = dataset_for(work, model, signature, mine, as_of, stands.standing.reason or "", progress)
        yield step
        yield from looked_at(work, model, dataset, signature, progress)
        version, step = _trained(work, model, dataset, signature, stands, resolved, progress)
        yield step
    yield from bring_evaluations(work, model, version, progress=progress)
    if not stands.standing.fresh:
        study(work, version, progress=progress)
    yield from rehearsed(work, version, progress)
    yield from bring_gate(work, model, version, progress=progress)
    request_data(work, model)
    yield from _promoted(work, model, version)


def held_back_by(work: Workplace, model: Model, tables: Versions, stopped: Mapping[str, str]) -> str | None:
    """Why a model cannot be trained on what stands of its tables."""
    for name in tables_of(model):
        if name in stopped:
            return f"{name} did not come through"
        if name not in tables:
            return f"{name} has no rows"
        if tables[name].definition != work.nodes[name].definition:
            return f"{name} is blocked: what stands of it is of an older definition"
    return None


def _remember_decision(
    work: Workplace, model: Model, stands: ModelStanding, tables: Versions, as_of: datetime | None
) -> None:
    """Record what the retrain policy decided about new data, once for the same data."""
    due = stands.standing.why == "due"
    if not due and stands.waits is None:
        return
    build = digest("policy", {name: table.version for name, table in tables.items()}, as_of, due, stands.alerts)
    last = work.store.ledger.latest(RetrainDecision, name=model.name)
    if last is None or last.record.build != build:
        reason = stands.standing.reason or ""
        decision = RetrainDecision(
            name=model.name, policy=model.retrain, retrain=due, reason=reason, build=build, alerts=list(stands.alerts)
        )
        work.store.ledger.append(decision, by=work.by)


def step_of(version: Version, stage: str, state: str, reason: str | None = None, seconds: float | None = None) -> Step:
    whole = model_version(version.name, version.version)
    return Step(name=version.name, stage=stage, state=state, reason=reason, version=whole, seconds=seconds)  # type: ignore[arg-type]


def dataset_for(
    work: Workplace,
    model: Model,
    signature: Signature,
    tables: Versions,
    as_of: datetime | None,
    reason: str,
    progress: Progress,
) -> tuple[Dataset, Step]:
    """The dataset, frozen now or by a run that was stopped behind it."""
    definition = model_definition(model, work.project, work.nodes)
    build = dataset_build(definition, {name: table.version for name, table in tables.items()}, as_of)
    name = f"dataset.{model.name}"
    before = work.store.ledger.latest(Dataset, name=model.name, where={"build": build})
    if before is not None:
        return before.record, Step(name=name, stage="freeze", state="fresh", rows=before.record.rows)
    dataset = freeze(
        model,
        signature,
        project=work.project,
        store=work.store,
        relations={name: relation_for(work, table, as_of) for name, table in tables.items()},
        inputs=[Input(name=t.name, version=t.version, definition=t.definition) for t in tables.values()],
        definition=definition,
        build=build,
        as_of=as_of,
        by=work.by,
        now=work.now(),
        steady={name: table.steady for name, table in tables.items()},
        progress=progress,
    )
    told = "; ".join([reason, *(f"{rows:,} {split}" for split, rows in dataset.splits.items())])
    step = Step(name=name, stage="freeze", state="built", reason=told, rows=dataset.rows, seconds=dataset.seconds)
    return dataset, step


def looked_at(
    work: Workplace, model: Model, dataset: Dataset, signature: Signature, progress: Progress
) -> Iterator[Step]:
    """What the examples are fit for, before any model is trained on them."""
    name = f"dataset.{model.name}"
    if work.store.ledger.latest(Fitness, name=model.name, where={"dataset": dataset.version}) is not None:
        yield Step(name=name, stage="fitness", state="fresh")
        return
    started = time.monotonic()
    progress(None, f"looking at the examples of {model.name}")
    found = fitness_of(
        dataset, store=work.store, signature=signature, task=model.task, now=work.now(), by=work.by, progress=progress
    )
    weighty = [finding.what for finding in found.findings if finding.weight != "note"]
    reason = "; ".join([f"{found.verdict}: {found.suits}", *weighty])
    yield Step(name=name, stage="fitness", state="built", reason=reason, seconds=time.monotonic() - started)


def _trained(
    work: Workplace,
    model: Model,
    dataset: Dataset,
    signature: Signature,
    stands: ModelStanding,
    resolved: Resolved | None,
    progress: Progress,
) -> tuple[Version, Step]:
    why = stands.standing.why
    assert why is not None
    version = train_version(
        model,
        dataset,
        project=work.project,
        store=work.store,
        signature=signature,
        definition=dataset.definition,
        build=digest("version", dataset.definition, dataset.build, resolved),
        why=why,
        definitions={i.name: i.definition for i in dataset.inputs},
        now=work.now(),
        by=work.by,
        resolved=resolved,
        progress=progress,
    )
    step = step_of(version, "train", "built", f"{stands.standing.reason}; {version.trainer}", version.seconds)
    return version, step


def rehearsed(work: Workplace, version: Version, progress: Progress) -> Iterator[Step]:
    """Publish what the version looks up, then try the serving path."""
    ledger = work.store.ledger
    if ledger.latest(Rehearsal, name=version.name, version=version.version) is not None:
        yield step_of(version, "rehearse", "fresh")
        return
    signature = signature_of(work, version.name, version.version)
    yield from publish_lookups(work, signature.lookups, progress=progress)
    started = time.monotonic()
    timezone = work.project.settings.timezone
    rehearsal = rehearse(
        work.store,
        version,
        dataset_of(work, version),
        packed=packed_version(work, version.name, version.version),
        offline_values=NewestLakeValues(work.store, timezone),
        online_values=live_values(work.store, timezone),
        now=work.now(),
        seed=version.seed,
        by=work.by,
        progress=progress,
    )
    differ = rehearsal.offline_differ + rehearsal.online_differ
    latency = "" if rehearsal.latency_p99_ms is None else f", p99 {rehearsal.latency_p99_ms:.1f} ms"
    reason = (
        f"{rehearsal.offline_rows} rows and {rehearsal.online_keys} live keys: "
        f"{'all the same' if not differ else f'{differ} DIFFER'}{latency}"
    )
    yield step_of(version, "rehearse", "built", reason, time.monotonic() - started)


def _promoted(work: Workplace, model: Model, version: Version) -> Iterator[Step]:
    """What the promotion policy does with a version that has just been judged."""
    at_work = roles(work.store.ledger, model.name)
    production = at_work["production"].record.version if "production" in at_work else None
    if model.promote == "never" or production == version.version:
        return
    gate = newest_gate(work, version)
    has_prd = model.name in work.project.prds
    if has_prd and (gate is None or gate.state != "passed"):
        return
    rehearsal = work.store.ledger.latest(Rehearsal, name=model.name, version=version.version)
    if rehearsal is not None and rehearsal.record.unequal:
        yield step_of(version, "promote", "skipped", rehearsal.record.unequal)
        return
    first = production is None
    if not first and not (model.promote == "due" and version.why == "due" and version.version > (production or 0)):
        return
    because = "first version to pass its gate" if first else "trained on new data and passed its gate"
    if not has_prd:
        because = (
            "first version; there is no PRD to hold it against" if first else "trained on new data; there is no PRD"
        )
    made = promote(
        work.store, work.project, model.name, version.version, "production", because=because, by=work.by,
        now=work.now(), evidence=f"gate {gate.state}" if gate else None,
    )  # fmt: skip
    yield step_of(version, "promote", "built", f"{made.record.role}: {because}")


def gate_failed(work: Workplace, model: Model) -> bool:
    """Whether the newest version of a model failed its gate."""
    entry = newest_declared(work.store.ledger, model.name)
    gate = newest_gate(work, entry.record) if entry else None
    return gate is not None and gate.state == "failed"
