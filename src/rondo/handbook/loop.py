"""The facts of the loop page, composed from records."""

from __future__ import annotations

from datetime import datetime

from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.errors import RondoError
from rondo.handbook.facts import Change, DatasetFacts, LoopFacts, Step, TableFacts, VersionFacts
from rondo.handbook.history import history_document
from rondo.loop.judging import newest_gate
from rondo.loop.planning import newest, plan
from rondo.loop.tables import blocked_by_checks
from rondo.loop.workplace import Workplace
from rondo.monitor.measurements import Remembered, is_of_week
from rondo.project.models import Model
from rondo.records.deployment import Rehearsal
from rondo.records.development import Candidate, Evaluation, Gate, Version
from rondo.records.monitoring import Measurement
from rondo.records.tables import CheckResult, Dataset
from rondo.records.versions import model_version, table_version
from rondo.store.ledger import Entry

CHANGES = 12
QUIET = {"measurements", "candidates", "profiles", "definitions", "publications", "prediction_landings"}
"""Kinds of record that come in crowds: the page's list of changes leaves them out."""
SHOWN_VERSIONS = 12
TEST = "test"


def loop_facts(work: Workplace) -> LoopFacts:
    """How the loop stands now; the model shown is the one in production, or the first."""
    ledger, project = work.store.ledger, work.project
    model = _shown(work)
    versions = ledger.entries(Version, name=model.name) if model else []
    gate = ledger.latest(Gate, name=model.name) if model else None
    production = roles(ledger, model.name).get("production") if model else None
    rehearsal = ledger.latest(Rehearsal, name=model.name) if model else None
    windows = _windows(work, model) if model else ()
    return LoopFacts(
        project=project.settings.name,
        summary=project.settings.summary,
        now=work.now(),
        timezone=project.settings.timezone,
        next=_next(work, model, versions, gate),
        state=work.store.state,
        model=model.name if model else None,
        tables=tuple(_table(work, name) for name in (*project.sources, *project.tables)),
        dataset=_dataset(work, model) if model else None,
        versions=tuple(_version(work, model, entry) for entry in versions[-SHOWN_VERSIONS:]) if model else (),
        gate=gate.record if gate else None,
        gate_at=gate.at if gate else None,
        deployment=production.record if production else None,
        deployed_at=production.at if production else None,
        latency_p99_ms=rehearsal.record.latency_p99_ms if rehearsal else None,
        predictions=_answered(work, model) if model else 0,
        outcomes=_landed(work, f"outcomes/{model.name}") if model else 0,
        windows=tuple(measurement for measurement, _ in windows),
        measured_at=max((at for _, at in windows), default=None),
        changes=tuple(_changes(work)),
        others=tuple(name for name in project.models if model is None or name != model.name),
    )


def _shown(work: Workplace) -> Model | None:
    models = list(work.project.models.values())
    at_work = [model for model in models if "production" in roles(work.store.ledger, model.name)]
    return next(iter(at_work or models), None)


def _landed(work: Workplace, path: str) -> int:
    return work.store.lake.rows(path) if work.store.lake.version(path) is not None else 0


def _answered(work: Workplace, model: Model) -> int:
    live = work.catalog.live(model.name)
    return _landed(work, f"predictions/{model.name}") + (live.num_rows if live is not None else 0)


def _table(work: Workplace, name: str) -> TableFacts:
    ledger = work.store.ledger
    declaration = work.project.sources.get(name) or work.project.tables[name]
    version = newest(ledger, name)
    entry = ledger.latest(CheckResult, name=name)
    checks = entry.record if entry else None
    return TableFacts(
        name=name,
        stage="source" if name in work.project.sources else "table",
        summary=declaration.summary,
        version=table_version(name, version.version) if version else None,
        rows=version.rows if version else None,
        checks=len(checks.checks) if checks else 0,
        checks_failed=sum(check.state == "failed" for check in checks.checks) if checks else 0,
        quarantined=version.quarantined if version else 0,
        state=checks.state if checks else "passed",
        at=entry.at if entry else None,
        seconds=version.seconds if version else None,
    )


def _dataset(work: Workplace, model: Model) -> DatasetFacts | None:
    entry = work.store.ledger.latest(Dataset, name=model.name)
    if entry is None:
        return None
    dataset = entry.record
    apart = {"moment", "label", "split", *work.project.tables[model.examples].key}
    features = sum(not name.startswith("_") and name not in apart for name in dataset.columns)
    return DatasetFacts(dataset.rows, features, dataset.splits, entry.at, dataset.seconds)


def _version(work: Workplace, model: Model, entry: Entry[Version]) -> VersionFacts:
    ledger, version = work.store.ledger, entry.record
    metric = main_metric(model, metrics_for(model, work.project.metrics)).name
    evaluation = ledger.latest(Evaluation, name=model.name, version=version.version, where={"testset": TEST})
    gate = newest_gate(work, version)
    at_work = roles(ledger, model.name)
    return VersionFacts(
        name=model_version(model.name, version.version),
        at=entry.at,
        trainer=version.trainer,
        why=version.why,
        metric=metric,
        figure=evaluation.record.metrics.get(metric) if evaluation else None,
        gate=gate.state if gate else None,
        roles=tuple(role for role, held in at_work.items() if held.record.version == version.version),
        candidates=len(ledger.entries(Candidate, name=model.name, where={"dataset": version.dataset})),
        seconds=version.seconds,
    )


def _windows(work: Workplace, model: Model) -> tuple[tuple[Measurement, datetime], ...]:
    metric = main_metric(model, metrics_for(model, work.project.metrics)).name
    known = Remembered(work.store.ledger, model.name).newest().values()
    found = [m for m in known if m.metric == metric and m.by is None and is_of_week(m)]
    entry = work.store.ledger.latest(Measurement, name=model.name)
    at = entry.at if entry else work.now()
    return tuple((measurement, at) for measurement in sorted(found, key=lambda m: m.start))


def _changes(work: Workplace) -> list[Change]:
    return [
        Change(
            datetime.fromisoformat(line["at"]), line["what"], line["name"], line["version"], line["by"], line["reason"]
        )
        for line in history_document(work.store.ledger, CHANGES * 20)
        if line["what"] not in QUIET
    ][:CHANGES]


def _next(work: Workplace, model: Model | None, versions: list[Entry[Version]], gate: Entry[Gate] | None) -> Step:
    """The one thing that helps most now."""
    for name in work.project.names:
        if blocked_by_checks(work, name):
            return Step("blocked", name, f"rondo profile {name}", "its checks hold it back")
    try:
        coming = [step for step in plan(work) if step.action == "build"]
    except RondoError as error:
        return Step("failed", work.project.settings.name, "rondo doctor", error.message)
    for step in coming:
        return Step("stale" if step.why == "stale" else "due", step.name, "rondo run", step.reason)
    if model is None or not versions:
        return Step("nothing", work.project.settings.name, "rondo history")
    whole = model_version(model.name, versions[-1].record.version)
    if gate is not None and gate.record.state != "passed" and gate.record.version == versions[-1].record.version:
        need = "gate_failed" if gate.record.state == "failed" else "gate_undecided"
        return Step(need, whole, f"rondo gate {model.name}")  # type: ignore[arg-type]  # one of the needs
    if "production" not in roles(work.store.ledger, model.name):
        return Step("not_deployed", whole, f"rondo promote {whole} --to production")
    return Step("nothing", whole, f"rondo monitor {model.name}")
