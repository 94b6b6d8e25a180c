"""`monitor`: what runs is measured and held against its limits; what is wrong is raised, with what is behind it.

A look records in this order: measurements, then alerts with what is due of them and the lines of incidents, then which
days are sketched. Each step is one transaction, and is found undone or done by the next look, wherever this one ended.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rondo.deploy.rollout import roles
from rondo.language.words import Language
from rondo.loop.collecting import Known, collect
from rondo.loop.evidence import gather
from rondo.loop.measuring import Taken, Watching, take
from rondo.loop.requesting import request_data
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import Finding, newest_alerts, settle, standing
from rondo.monitor.alerting import record as record_alerts
from rondo.monitor.channels import sender
from rondo.monitor.delivering import Outbox
from rondo.monitor.diagnosing import diagnose
from rondo.monitor.incidents import incidents_for, newest_incidents
from rondo.monitor.limiting import limited
from rondo.monitor.measurements import is_of_week, record
from rondo.monitor.responses import changing
from rondo.monitor.rules import findings
from rondo.monitor.sketched import Days, alone, keep
from rondo.monitor.windows import Window
from rondo.project.channels import chosen
from rondo.project.models import Model
from rondo.records.documents import moment_text
from rondo.records.monitoring import Alert, Measurement
from rondo.records.progress import Progress, silent
from rondo.sql.engine import connect

SOUGHT, SOUGHT_EVERY = timedelta(days=7), timedelta(days=2)
"""A cause that is not found at first is sought again and again so long: one day may look like weather, three do not."""


@dataclass(frozen=True)
class Look:
    """What one look changed: measurements that are new or different, and alerts."""

    measured: list[Measurement]
    alerts: list[Alert]


def monitor(work: Workplace, model: Model, *, progress: Progress = silent) -> dict[str, Any]:
    """The `monitor` document of a model: every week of its traffic, measured now."""
    watching = Watching(work, model)
    watch(watching, progress=progress)
    return document(model, watching.remembered.newest().values())


def watch(watching: Watching, *, known: Known | None = None, progress: Progress = silent) -> Look:
    """One look at a model: collect, measure, hold against limits, raise and resolve alerts.

    Two looks at one state wait for each other.
    """
    work, model = watching.work, watching.model
    with alone(work.store, model.name):
        served_since = collect(work, model, known=known, progress=progress)
        at_work = roles(work.store.ledger, model.name)
        if "production" not in at_work:
            return Look([], [])
        progress(None, f"measuring {model.name}")
        number = at_work["production"].record.version
        with closing(connect(timezone=work.project.settings.timezone)) as con:
            taken = take(watching, number, con, served_since=served_since, known=known)
            fresh = record(work.store.ledger, _limited(watching, taken), watching.remembered, by=work.by)
            alerts = _settle(watching, taken.days, known)
            if taken.days is not None:
                keep(taken.days)
        request_data(work, model, watching.remembered.newest().values())
        return Look(fresh, alerts)


def outbox(work: Workplace) -> Outbox:
    """What is to be told on the project's channels, and how."""
    settings = work.project.settings
    words = Language(settings.language, settings.timezone)
    senders = {
        channel.name: sender(channel, project=settings.name, words=words, environment=os.environ, console=sys.stderr)
        for channel in chosen(settings.channels, settings.declared_channels)
    }
    return Outbox(work.store.ledger, senders, clock=_wall, by=work.by)


def document(model: Model, measurements: Iterable[Measurement]) -> dict[str, Any]:
    """The `monitor` document: weeks with rows, oldest first, each with what was measured of it."""
    weeks: dict[tuple[datetime, datetime], list[Measurement]] = {}
    for each in measurements:
        if is_of_week(each):
            weeks.setdefault((each.start, each.end), []).append(each)
    return {"model": model.name, "windows": [_window(weeks[window]) for window in sorted(weeks)]}


def _window(measured: Sequence[Measurement]) -> dict[str, Any]:
    first = measured[0]
    return {
        "from": moment_text(first.start),
        "to": moment_text(first.end),
        "rows": max(each.rows for each in measured),
        "matured": max(each.matured for each in measured),
        "measurements": [
            {
                "name": m.metric,
                "feature": m.feature,
                "value": m.value,
                "low": m.low,
                "high": m.high,
                "limit": m.limit,
                "state": m.state,
                "n": m.n,
                "unit": m.unit,
                "higher_is_better": m.higher_is_better,
                "by": m.by,
                "is": m.is_,
                "side": m.side,
                "basis": m.basis,
            }
            for m in measured
        ],
    }


def _limited(watching: Watching, taken: Taken) -> list[Measurement]:
    """The measurements held against what was declared, or what history proposes."""
    work, model = watching.work, watching.model
    prd = work.project.prds.get(model.name)
    return limited(
        taken.measurements,
        watching.remembered.newest().values(),
        monitoring=work.project.settings.monitoring,
        requirements=prd.requirements if prd else (),
        timezone=work.project.settings.timezone,
        now=work.now(),
        excluded=_broken(newest_alerts(work.store.ledger), model, work.now()),
        trained=watching.trained(taken.days),
    )


def _broken(alerts: Iterable[Alert], model: Model, now: datetime) -> list[Window]:
    """When data or service of the model were known to be broken: what was measured then is no history."""
    return [
        Window(alert.since, alert.changed if alert.state == "resolved" else now)
        for alert in alerts
        if alert.model == model.name and alert.diagnosis in ("data", "service")
    ]


def _settle(watching: Watching, days: Days | None, known: Known | None) -> list[Alert]:
    """Raise what is wrong, resolve what is over; answers the alerts that changed."""
    work, model = watching.work, watching.model
    ledger, settings, now = work.store.ledger, work.project.settings, work.now()
    newest = list(watching.remembered.newest().values())
    words = Language(settings.language, settings.timezone)
    found, examined = findings(newest, now=now, words=words, false_alarms=settings.monitoring.false_alarms)
    alerts = [alert for alert in newest_alerts(ledger) if alert.model == model.name]
    diagnosed = _diagnosed(watching, found, alerts, words, days, known)
    with changing(work.store):  # a person may have answered meanwhile
        alerts = [alert for alert in newest_alerts(ledger) if alert.model == model.name]
        changes = settle(diagnosed, examined, alerts, now, words)
        if changes:
            channels = chosen(settings.channels, settings.declared_channels)
            lines = incidents_for(changes, newest_incidents(ledger), alerts)
            record_alerts(ledger, changes, channels, by=work.by, now=_wall(), incidents=lines)
    return changes


def _diagnosed(
    watching: Watching,
    found: Sequence[Finding],
    alerts: Sequence[Alert],
    words: Language,
    days: Days | None,
    known: Known | None,
) -> list[Finding]:
    """The findings, those diagnosed whose alert is new, about something else, or without a cause in its first days."""
    work, model = watching.work, watching.model
    stand, now = standing(alerts), work.now()
    told = {(alert.name, about) for alert in stand for about in alert.about}
    fresh = {each.rule for each in found if (each.rule, each.about) not in told}
    if now - watching.sought >= SOUGHT_EVERY:
        fresh |= {alert.name for alert in stand if not alert.causes and now - alert.since <= SOUGHT}
    fresh &= {each.rule for each in found}
    if not fresh:
        return list(found)
    watching.sought = now
    measurements = list(watching.remembered.newest().values())
    newest = known.newest if known else None
    evidence = gather(work, model, words=words, days=days, measurements=measurements, newest=newest)
    if evidence is None:
        return list(found)
    diagnosed = {id(before): after for before, after in zip(found, diagnose(found, evidence), strict=True)}
    return [diagnosed[id(each)] if each.rule in fresh else each for each in found]


def _wall() -> datetime:
    """Deliveries are made in the wall's time, whatever clock the alerts have."""
    return datetime.now(UTC)
