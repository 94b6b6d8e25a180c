"""Alerts and incidents as people work them: what stands open, what is over, and one with everything behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Literal

from rondo.deploy.resolving import signature_of
from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.errors import RondoError
from rondo.features.signature import Signature
from rondo.handbook.measured import USUAL, Measured, Share, flagged_since, measured, nulls_above
from rondo.handbook.owners import Owner, owner_named
from rondo.handbook.predictions import sources_of
from rondo.handbook.rollbacks import WayBack, way_back
from rondo.handbook.timelines import Line, what_happened
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import alert_of, is_silenced, newest_alerts, silences, standing
from rondo.monitor.incidents import newest_incidents, ticks, timeline
from rondo.monitor.rules import about
from rondo.monitor.runbooks import checked
from rondo.monitor.watched import watched
from rondo.records.monitoring import Alert, Incident, Measurement, Silence, Tick
from rondo.records.versions import model_version
from rondo.store.ledger import Entry, LedgerReader
from rondo.store.until import LedgerUntil

PAGE = 30
BEFORE = {
    timedelta(hours=1): timedelta(days=4),
    timedelta(days=2): timedelta(days=45),
    timedelta.max: timedelta(days=182),
}
"""How far back a series is shown, by how long its windows are."""
AFTER = timedelta(days=14)
SERIES, TOUCHED = 3, 12
Of = Literal["service", "data", "model"]
Says = Literal["well", "weak", "broken", "unknown"]
RULES_OF: Mapping[Of, frozenset[str]] = {
    "service": frozenset({"service errors", "latency", "prediction log"}),
    "data": frozenset({"stale data", "data blocked", "missing values", "values out of range", "unseen values", "skew"}),
    "model": frozenset({"quality", "calibration"}),
}
"""Which rules answer each of the three questions."""


@dataclass(frozen=True)
class Over:
    """An alert that is over: how long it stood, and the incident it belonged to."""

    alert: Alert
    incident: str | None = None


@dataclass(frozen=True)
class Standing:
    """An alert that stands open."""

    alert: Alert
    owner: Owner | None
    incident: str | None = None
    silenced: bool = False


@dataclass(frozen=True)
class IncidentsFacts:
    """What stands open, and a page of what is over, newest first. `now_said` is each incident's worst alert as it is
    now: an incident keeps the words of its opening.
    """

    project: str
    now: datetime
    timezone: str
    alerts: tuple[Standing, ...]
    incidents: tuple[Incident, ...]
    opened: Mapping[str, datetime]
    over: tuple[Over, ...]
    closed: tuple[Incident, ...]
    now_said: Mapping[str, Alert]
    resolved: int
    page: int
    pages: int
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True)
class Step:
    """A step of a runbook with everything filled in; ticked by somebody, or not yet.

    `alert` is the first that has it: alerts of one incident share their steps, and a tick on one counts for all.
    """

    alert: str
    number: int
    text: str
    done: bool = False
    who: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Series:
    """What was measured of one thing that an alert is about, oldest first."""

    about: str
    metric: str
    measured: tuple[Measurement, ...]


@dataclass(frozen=True)
class Touched:
    """A feature that what is wrong reaches: where it is looked up, and the upstream columns that it is made of."""

    feature: str
    table: str | None
    column: str | None
    owner: Owner | None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """One of the three questions of a diagnosis: what was measured last, and what is usual (a median of weeks before).

    `says` is of that question alone: `unknown` where nothing was measured since it began. `flagged` (of the model) is
    then what is known without outcomes: the share flagged of the whole days since it began, and of those before.
    `nulls` (of the data) is how many features were null more often than in training, and of how many that was measured.
    """

    of: Of
    says: Says
    measured: Measurement | None = None
    usual: float | None = None
    out: tuple[str, ...] = ()
    flagged: tuple[Share, Share] | None = None
    nulls: tuple[int, int] | None = None


@dataclass(frozen=True)
class CaseFacts:
    """An alert, or an incident with its alerts, and everything to work it by.

    `alert` is the one shown, or the incident's worst; `answers` counts the predictions given since it began, by whole
    days. `runbook` is (file, heading, anchor).
    """

    project: str
    now: datetime
    timezone: str
    alert: Alert
    alerts: tuple[Alert, ...]
    owner: Owner | None
    incident: Incident | None = None
    taken: datetime | None = None
    closed: datetime | None = None
    began: datetime | None = None
    version: str | None = None
    answers: int | None = None
    asked: tuple[Asked, ...] = ()
    series: tuple[Series, ...] = ()
    touched: tuple[Touched, ...] = ()
    steps: tuple[Step, ...] = ()
    runbook: tuple[str, str, str] | None = None
    back: WayBack | None = None
    timeline: tuple[Line, ...] = ()
    silence: Silence | None = None
    others: tuple[tuple[str, str], ...] = ()


def incidents_facts(work: Workplace, page: int | None) -> IncidentsFacts:
    """Open alerts and incidents first, then those that are over, `PAGE` a page."""
    ledger = work.store.ledger
    alerts, incidents = newest_alerts(ledger), newest_incidents(ledger)
    of = {alert: incident.id for incident in incidents for alert in incident.alerts}
    quiet, now = [each for each in silences(ledger) if each.until > _wall(work)], _wall(work)
    stand = sorted(standing(alerts), key=lambda alert: (alert.severity != "critical", alert.since))
    over = sorted((a for a in alerts if a.state == "resolved"), key=lambda alert: alert.since, reverse=True)
    pages = max(1, -(-len(over) // PAGE))
    number = min(max(1, page or 1), pages)
    opened = {entry.record.id: entry.at for entry in ledger.entries(Incident, where={"event": "opened"})}
    return IncidentsFacts(
        project=work.project.settings.name,
        now=work.now(),
        timezone=work.project.settings.timezone,
        alerts=tuple(
            Standing(alert, owner_named(work, alert.owner), of.get(alert.id), is_silenced(alert, quiet, now))
            for alert in stand
        ),
        incidents=tuple(each for each in incidents if each.state != "closed"),
        opened=opened,
        over=tuple(Over(alert, of.get(alert.id)) for alert in over[(number - 1) * PAGE : number * PAGE]),
        closed=tuple(each for each in reversed(incidents) if each.state == "closed"),
        now_said={each.id: min(mine, key=_urgency) for each in incidents if (mine := _alerts_of(each, alerts))},
        resolved=len(over),
        page=number,
        pages=pages,
        silences=tuple(quiet),
    )


def alert_facts(work: Workplace, identity: str) -> CaseFacts:
    """One alert. Raises NotFound."""
    alerts = newest_alerts(work.store.ledger)
    alert = alert_of(alerts, identity)
    incident = next((each for each in newest_incidents(work.store.ledger) if alert.id in each.alerts), None)
    return _case(work, alert, (alert,), incident, alerts, lines=[])


def incident_facts(work: Workplace, identity: str) -> CaseFacts:
    """One incident. Raises NotFound."""
    lines = timeline(work.store.ledger, identity)
    incident, alerts = lines[-1].record, newest_alerts(work.store.ledger)
    order = sorted(_alerts_of(incident, alerts), key=_urgency)
    return _case(work, order[0], tuple(order), incident, alerts, lines=lines)


def _alerts_of(incident: Incident, alerts: Iterable[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.id in incident.alerts]


def _urgency(alert: Alert) -> tuple[bool, bool, datetime]:
    """What stands before what is over, the critical first, then the oldest."""
    return alert.state == "resolved", alert.severity != "critical", alert.since


def _case(
    work: Workplace,
    alert: Alert,
    alerts: tuple[Alert, ...],
    incident: Incident | None,
    every: Sequence[Alert],
    *,
    lines: Sequence[Entry[Incident]],
) -> CaseFacts:
    ledger, found = work.store.ledger, measured(work, alert.model)
    production = roles(ledger, alert.model).get("production")
    quiet = next((each for each in silences(ledger) if is_silenced(alert, [each], _wall(work))), None)
    signature = signature_of(work.store, alert.model, production.record.version) if production else None
    began = min(each.since for each in alerts)
    return CaseFacts(
        project=work.project.settings.name,
        now=work.now(),
        timezone=work.project.settings.timezone,
        alert=alert,
        alerts=alerts,
        owner=owner_named(work, (incident.owner if incident else None) or alert.owner),
        incident=incident,
        taken=next((line.at for line in lines if line.record.event == "taken"), None),
        closed=next((line.at for line in lines if line.record.state == "closed"), None),
        began=began,
        version=model_version(alert.model, production.record.version) if production else None,
        answers=_answers(found, began, alerts),
        asked=_asked(work, found, alerts, every),
        series=_series(found, alerts),
        touched=_touched(work, signature, alerts) if signature else (),
        steps=tuple(_steps(ledger, alerts, [*(incident.alerts if incident else ()), *(each.id for each in alerts)])),
        runbook=_runbook(work, alert),
        back=way_back(work, alert.model) if production else None,
        timeline=tuple(what_happened(ledger, alerts, lines, production, began)),
        silence=quiet,
        others=tuple(
            (each.id, each.name) for each in standing(every) if each not in alerts and each.model == alert.model
        ),
    )


def _wall(work: Workplace) -> datetime:
    """Silences are in the wall's time; of a look at the past, that moment stands for it."""
    return work.now() if isinstance(work.store.ledger, LedgerUntil) else datetime.now(UTC)


def _answers(found: Measured, began: datetime, alerts: Sequence[Alert]) -> int | None:
    """Answers of the days since it began (until it was over), by whole days."""
    over = all(alert.state == "resolved" for alert in alerts)
    until = max(alert.changed for alert in alerts) if over else datetime.max.replace(tzinfo=UTC)
    days = [each for each in found.days("rows") if each.end > began and each.start < until]
    return sum(int(each.value or 0) for each in days) if days else None


def _series(found: Measured, alerts: Sequence[Alert]) -> tuple[Series, ...]:
    """What was measured of that which the alerts are about, around the time they stood; the first alert's first."""
    chosen: list[Series] = []
    for alert in alerts:
        grouped: dict[tuple[str, str, timedelta], list[Measurement]] = {}
        metrics = [metric for metric, sample in found.metrics().items() if _rule_of(sample) == alert.name]
        for each in found.of(*metrics, since=alert.since - max(BEFORE.values())):
            length = min(long for long in BEFORE if each.end - each.start <= long)
            if alert.since - BEFORE[length] <= each.start <= alert.changed + AFTER and each.value is not None:
                what = about(each)
                if what in alert.about:
                    grouped.setdefault((what, each.metric, length), []).append(each)
        out = [item for item in grouped.items() if any(m.state == "out" for m in item[1])]
        worst = sorted(out, key=lambda item: _beyond(item[1]), reverse=True)
        chosen += [Series(what, metric, tuple(part)) for (what, metric, _), part in worst]
    alike = {tuple((m.start, m.value) for m in series.measured): series for series in reversed(chosen)}
    return tuple([series for series in chosen if series in alike.values()][:SERIES])


def _beyond(measured: Sequence[Measurement]) -> tuple[datetime, float]:
    """When it was out last, and how far beyond its limit it was then."""
    last = next(m for m in reversed(measured) if m.state == "out")
    return last.end, abs((last.value or 0.0) - (last.limit or 0.0)) / (abs(last.limit or 0.0) or 1.0)


def _rule_of(measurement: Measurement) -> str | None:
    each = watched(measurement)
    return each.rule if each else None


def _touched(work: Workplace, signature: Signature, alerts: Iterable[Alert]) -> tuple[Touched, ...]:
    """The features that the things an alert is about are, or are made from."""
    named = {what.removeprefix("feature ") for alert in alerts for what in alert.about}
    lookups = {name: lookup for lookup in signature.lookups for name in lookup.names}
    found = []
    for column in signature.fed:
        lookup = lookups.get(column.name)
        of = column.name.removeprefix(f"{lookup.prefix}.") if lookup else None
        sources = sources_of(work, lookup.table, of) if lookup and of else ()
        reached = {column.name, *(source.partition(".")[0] for source in sources), *([lookup.table] if lookup else [])}
        if reached & named:
            owner = owner_named(work, work.project.owner_of(lookup.table)) if lookup else None
            found.append(Touched(column.name, lookup.table if lookup else None, of, owner, sources))
    return tuple(found[:TOUCHED])


def _asked(work: Workplace, found: Measured, alerts: Sequence[Alert], every: Iterable[Alert]) -> tuple[Asked, ...]:
    """Service, data or model, asked in this order: as it is now, or was when the last of the alerts was over."""
    model, began = alerts[0].model, min(each.since for each in alerts)
    over = all(each.state == "resolved" for each in alerts)
    last = max(each.changed for each in alerts)
    until = last if over else max(work.now(), last)
    stood = [
        a for a in every if a.model == model and a.since <= until and (a.state != "resolved" or a.changed >= began)
    ]
    declared = work.project.models.get(model)
    metric = main_metric(declared, metrics_for(declared, work.project.metrics)).name if declared else "roc_auc"
    service = found.days("latency_p99_ms") or found.hours("latency_p99_ms")
    data = _question("data", found.days("rows_with_missing_inputs"), stood, began, until)
    of_model = _question("model", found.weeks(metric), stood, began, until)
    if of_model.says == "unknown":
        of_model = replace(of_model, flagged=flagged_since(found, began, until))
    if data.measured is not None:
        data = replace(data, nulls=nulls_above(found, data.measured))
    return _question("service", service, stood, began, until), data, of_model


def _question(of: Of, series: Sequence[Measurement], stood: Sequence[Alert], began: datetime, until: datetime) -> Asked:
    known = [each for each in series if each.value is not None and each.start < until]
    last = known[-1] if known else None
    past = [each.value or 0.0 for each in known[:-1] if last and each.start > last.start - USUAL]
    rules = {alert.name for alert in stood if alert.name in RULES_OF[of]}
    bad: Literal["weak", "broken"] = "weak" if of == "model" else "broken"
    says: Says = bad if rules else "well" if last and last.end > began else "unknown"
    return Asked(of, says, last, median(past) if past else None, tuple(sorted(rules)))


def _steps(ledger: LedgerReader, alerts: Sequence[Alert], together: Iterable[str]) -> Iterator[Step]:
    """The steps of alerts, each text once; the newest tick on it of all alerts that belong `together` counts."""
    ticked: dict[str, Entry[Tick]] = {}
    for identity in set(together):
        for text, entry in ticks(ledger, identity).items():
            ticked[text] = max(ticked.get(text, entry), entry, key=lambda each: each.seq)
    first = {text: alert.id for alert in reversed(alerts) for text in alert.steps}
    for number, text in enumerate(dict.fromkeys(text for alert in alerts for text in alert.steps), 1):
        tick = ticked.get(text)
        done = tick is not None and tick.record.done
        yield Step(first[text], number, text, done, tick.record.who if tick else None, tick.at if tick else None)


def _runbook(work: Workplace, alert: Alert) -> tuple[str, str, str] | None:
    """The file, the heading and the anchor of the section that the alert opens; None where it has none."""
    if alert.runbook is None:
        return None
    file, _, anchor = alert.runbook.partition("#")
    try:
        book = checked(work.project.root, alert.model)
    except (RondoError, OSError):
        book = None
    title = next((each.title for each in book.sections if each.anchor == anchor), anchor) if book else anchor
    return file, title, anchor
