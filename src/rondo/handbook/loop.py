"""The facts of the loop page, composed from records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from rondo.deploy.predictions import given
from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.errors import RondoError
from rondo.handbook.facts import Change, DatasetFacts, LoopFacts, Step, TableFacts, VersionFacts
from rondo.handbook.history import history_document
from rondo.loop.judging import newest_gate
from rondo.loop.planning import newest, plan
from rondo.loop.tables import blocked_by_checks
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import newest_alerts, standing
from rondo.monitor.incidents import newest_incidents
from rondo.monitor.measurements import Identity, identity, is_of_week
from rondo.project.models import Model
from rondo.records.deployment import Deployment, Rehearsal, Role
from rondo.records.development import Candidate, Evaluation, Gate, Version
from rondo.records.monitoring import Alert, Measurement
from rondo.records.tables import CheckResult, Dataset, OutcomesLanded
from rondo.records.versions import model_version, table_version
from rondo.stats.metrics import Metric
from rondo.store.ledger import Entry

CHANGES = 12
QUIET = {"measurements", "candidates", "profiles", "definitions", "publications", "prediction_landings"}
"""Kinds of record that come in crowds: the page's list of changes leaves them out."""
SHOWN_VERSIONS = 12
MEASUREMENTS = 1_000
"""So many of the newest measurements of a metric hold the weeks that a page shows: a year, revised."""
TEST = "test"
_COMMAND = re.compile(r"`(rondo [^`]+)`")
SHARE = "positive_share"


def loop_facts(work: Workplace) -> LoopFacts:
    """How the loop stands now; the model shown is the one in production, or the first."""
    ledger, project = work.store.ledger, work.project
    model = _shown(work)
    newest_first = ledger.entries(Version, name=model.name, limit=SHOWN_VERSIONS, newest_first=True) if model else []
    versions = newest_first[::-1]
    at_work = roles(ledger, model.name) if model else {}
    gate = ledger.latest(Gate, name=model.name) if model else None
    production = at_work.get("production")
    at_work_now = production.record.version if production else None
    rehearsal = ledger.latest(Rehearsal, name=model.name, version=at_work_now) if model and production else None
    windows = _windows(work, model) if model else ()
    alerts = sorted(standing(newest_alerts(ledger)), key=lambda alert: (alert.severity != "critical", alert.since))
    incidents = [each.id for each in newest_incidents(ledger) if each.state != "closed"]
    return LoopFacts(
        project=project.settings.name,
        summary=project.settings.summary,
        now=work.now(),
        timezone=project.settings.timezone,
        next=_next(work, model, versions, gate, alerts),
        state=work.store.state,
        model=model.name if model else None,
        positive=model.task.label if model else None,
        higher_is_better=_main(work, model).higher_is_better if model else True,
        tables=tuple(_table(work, name) for name in (*project.sources, *project.tables)),
        dataset=_dataset(work, model) if model else None,
        versions=tuple(_version(work, model, entry, at_work) for entry in versions) if model else (),
        gate=gate.record if gate else None,
        gate_at=gate.at if gate else None,
        deployment=production.record if production else None,
        deployed_at=production.at if production else None,
        latency_p99_ms=rehearsal.record.latency_p99_ms if rehearsal else None,
        predictions=given(work.store, model.name) if model else 0,
        outcomes=sum(e.record.rows for e in ledger.entries(OutcomesLanded, name=model.name)) if model else 0,
        windows=tuple(measurement for measurement, _ in windows if measurement.metric != SHARE),
        positive_shares=tuple(measurement for measurement, _ in windows if measurement.metric == SHARE),
        alerts=tuple(alerts),
        incident=incidents[0] if incidents else None,
        measured_at=max((at for _, at in windows), default=None),
        changes=tuple(_changes(work)),
        others=tuple(name for name in project.models if model is None or name != model.name),
    )


def _shown(work: Workplace) -> Model | None:
    models = list(work.project.models.values())
    at_work = [model for model in models if "production" in roles(work.store.ledger, model.name)]
    return next(iter(at_work or models), None)


def _main(work: Workplace, model: Model) -> Metric:
    return main_metric(model, metrics_for(model, work.project.metrics))


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
    return DatasetFacts(dataset.rows, _features(work, model, dataset), dataset.splits, entry.at, dataset.seconds)


def _features(work: Workplace, model: Model, dataset: Dataset) -> int:
    """The columns that the newest version is fed, derived ones too; before there is one, those of the dataset."""
    newest_made = work.store.ledger.latest(Version, name=model.name)
    try:
        if newest_made is not None and newest_made.record.dataset == dataset.version:
            return len(signature_of(work, model.name, newest_made.record.version).fed)
    except RondoError:
        pass  # an artifact that cannot be read is doctor's to tell
    apart = {"moment", "label", "split", *work.project.tables[model.examples].key}
    return sum(not name.startswith("_") and name not in apart for name in dataset.columns)


def _version(
    work: Workplace, model: Model, entry: Entry[Version], at_work: Mapping[Role, Entry[Deployment]]
) -> VersionFacts:
    ledger, version = work.store.ledger, entry.record
    metric = _main(work, model).name
    evaluation = ledger.latest(Evaluation, name=model.name, version=version.version, where={"testset": TEST})
    gate = newest_gate(work, version)
    return VersionFacts(
        name=model_version(model.name, version.version),
        at=entry.at,
        trainer=version.trainer,
        why=version.why,
        metric=metric,
        figure=evaluation.record.metrics.get(metric) if evaluation else None,
        gate=gate.state if gate else None,
        roles=tuple(role for role, held in at_work.items() if held.record.version == version.version),
        candidates=ledger.count(Candidate, model.name, where={"dataset": version.dataset}),
        seconds=version.seconds,
    )


def _windows(work: Workplace, model: Model) -> tuple[tuple[Measurement, datetime], ...]:
    """The weeks of the newest measurements, each as it was last measured, oldest first."""
    found: dict[Identity, tuple[Measurement, datetime]] = {}
    for metric in (_main(work, model).name, SHARE):
        for entry in work.store.ledger.entries(
            Measurement, name=model.name, where={"metric": metric, "by": None}, limit=MEASUREMENTS, newest_first=True
        ):
            if is_of_week(entry.record):
                found.setdefault(identity(entry.record), (entry.record, entry.at))
    return tuple(sorted(found.values(), key=lambda each: each[0].start))


def _changes(work: Workplace) -> list[Change]:
    return [
        Change(
            datetime.fromisoformat(line["at"]), line["what"], line["name"], line["version"], line["by"], line["reason"]
        )
        for line in history_document(work.store.ledger, CHANGES * 20)
        if line["what"] not in QUIET
    ][:CHANGES]


def _answered(alert: Alert) -> Step:
    """What to do about an alert: the first step of its runbook, with the command that stands in it."""
    if not alert.steps:
        return Step("alert", alert.summary, f"rondo alerts {alert.id}")
    first = alert.steps[0]
    found = _COMMAND.search(first)
    return Step("alert", first, found[1] if found else f"rondo alerts {alert.id}", alert.summary)


def _next(
    work: Workplace,
    model: Model | None,
    versions: list[Entry[Version]],
    gate: Entry[Gate] | None,
    alerts: Sequence[Alert],
) -> Step:
    """The one thing that helps most now."""
    for alert in alerts[:1]:
        return _answered(alert)
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
