"""Alerts: opened, acknowledged, resolved. Pure functions over records; one transaction writes what came of them.

One alert stands for one rule of one model, however much that rule finds wrong (grouped) and however often it is found
(deduplicated). An alert that comes back soon after it was resolved is the same one: what flaps does not page anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import msgspec

from rondo.errors import NotFound, Refused
from rondo.language.words import Language
from rondo.project.channels import Channel
from rondo.records.monitoring import Alert, Cause, Delivery, Incident, Silence
from rondo.store.ledger import Ledger, LedgerReader
from rondo.store.newest import newest_by_id
from rondo.store.until import LedgerUntil

Severity = Literal["warning", "critical"]
Diagnosis = Literal["service", "data", "model"]
ENGLISH = Language("en", "UTC")
REOPENS_WITHIN = timedelta(hours=6)
TOLD = frozenset({"opened", "explained", "worsened", "acknowledged", "resolved", "reopened"})
"""The events that go to channels; `changed` is only recorded."""
Rule = tuple[str, str]
"""Model and rule."""


@dataclass(frozen=True)
class Finding:
    """Something a rule of a model found wrong. Findings of one rule become one alert; what is None is not known yet."""

    model: str
    rule: str
    about: str
    summary: str
    severity: Severity = "warning"
    diagnosis: Diagnosis | None = None
    causes: tuple[Cause, ...] = ()
    owner: str | None = None
    runbook: str | None = None
    steps: tuple[str, ...] = ()
    rollback: str | None = None


def settle(
    findings: Sequence[Finding],
    examined: Collection[Rule],
    known: Sequence[Alert],
    now: datetime,
    words: Language = ENGLISH,
) -> list[Alert]:
    """What changes: a record for every alert that is new, different, worse, back again or over; none for the same.

    `examined` are the rules that were looked at (those with findings are taken to be): only their alerts can be over.
    `known` are the newest records of all alerts, resolved ones included; `words` join what was found into one summary.
    The same input gives the same records.
    """
    grouped: dict[Rule, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault((finding.model, finding.rule), []).append(finding)
    newest: dict[Rule, Alert] = {}
    for alert in sorted(known, key=lambda each: (each.since, each.number)):
        newest[alert.model, alert.name] = alert
    changes = []
    for rule in sorted({*grouped, *examined}):
        before, found = newest.get(rule), grouped.get(rule)
        after = _found(before, found, now, words) if found else _gone(before, now)
        if after is not None:
            changes.append(after)
    return changes


def acknowledge(alert: Alert, who: str, now: datetime) -> Alert:
    """Somebody looks after it. Raises Refused when it is over or taken already."""
    if alert.state != "open":
        raise Refused(
            f"Alert {alert.id} is {alert.state}" + (f" by {alert.by}." if alert.by else "."),
            next_step='See what stands open: `rondo sql "select * from ledger.alerts"`.',
        )
    return _changed(alert, now, event="acknowledged", state="acknowledged", by=who)


def resolve(alert: Alert, who: str, now: datetime) -> Alert:
    """Somebody says it is over; it comes back if a rule finds it again. Raises Refused when it was over before."""
    if alert.state == "resolved":
        raise Refused(f"Alert {alert.id} is resolved already.", next_step="Nothing needs to be done.")
    return _changed(alert, now, event="resolved", state="resolved", by=who)


def newest_alerts(ledger: LedgerReader, *, until: datetime | None = None) -> list[Alert]:
    """The newest record of each alert, in the order in which they were opened."""
    newest = newest_by_id(ledger if until is None else LedgerUntil(ledger, until), Alert)
    return sorted(newest.values(), key=lambda alert: (alert.since, alert.id))


def standing(alerts: Sequence[Alert]) -> list[Alert]:
    """Those that are not over."""
    return [alert for alert in alerts if alert.state != "resolved"]


def alert_of(alerts: Sequence[Alert], identity: str) -> Alert:
    """The alert with that id, or the only one whose id begins so. Raises NotFound."""
    found = [alert for alert in alerts if alert.id == identity]
    found = found or [alert for alert in alerts if identity and alert.id.startswith(identity)]
    if len(found) != 1:
        raise NotFound.among("alert", identity, [alert.id for alert in found or alerts])
    return found[0]


def silences(ledger: LedgerReader) -> list[Silence]:
    """The newest silence of each model and rule: a later one of the same two replaces it, and so may end it."""
    return list({(e.record.model, e.record.rule): e.record for e in ledger.entries(Silence)}.values())


def is_silenced(alert: Alert, silences: Sequence[Silence], moment: datetime) -> bool:
    """Whether a silence covers the alert's model and rule at that moment (half-open: not at its end)."""
    return any(
        silence.start <= moment < silence.until
        and silence.model in (None, alert.model)
        and silence.rule in (None, alert.name)
        for silence in silences
    )


def record(
    ledger: Ledger,
    changes: Sequence[Alert],
    channels: Sequence[Channel],
    *,
    by: str,
    now: datetime,
    incidents: Sequence[Incident] = (),
) -> None:
    """Writes the changes and what is due of them on each channel, all or nothing: no death leaves an alert untold.

    `now` is the wall's: deliveries are made in its time, whatever clock the alerts have. `incidents` are the lines that
    go with the changes.
    """
    due = [
        Delivery(
            name=channel.name, id=f"{alert.id}-{alert.number}-{channel.name}", alert=alert.id, number=alert.number,
            state="due", due=now,
        )
        for alert in changes if alert.event in TOLD for channel in channels
    ]  # fmt: skip
    if changes or incidents:
        ledger.append(*changes, *incidents, *due, by=by)


def document(alert: Alert) -> dict[str, object]:
    """The public `alerts` document of one alert."""
    return {
        "id": alert.id,
        "name": alert.name,
        "model": alert.model,
        "state": alert.state,
        "since": alert.since,
        "diagnosis": alert.diagnosis,
        "causes": [{"what": cause.what, "share": cause.share} for cause in alert.causes],
        "runbook": alert.runbook,
        "owner": alert.owner,
        "severity": alert.severity,
        "summary": alert.summary,
        "about": alert.about,
        "steps": alert.steps,
        "rollback": alert.rollback,
        "event": alert.event,
        "changed": alert.changed,
        "by": alert.by,
    }


def _found(before: Alert | None, found: Sequence[Finding], now: datetime, words: Language) -> Alert | None:
    """The alert after its rule found something: new, back again, worse, different or (None) the same as before."""
    over = before is not None and before.state == "resolved"
    if before is None or (over and now - before.changed > REOPENS_WITHIN):
        return _described(_opened(found[0], now), found, words)
    after = _described(before, found, words)
    if over:
        return _changed(after, now, event="reopened", state="open", by=None)
    if after.severity == "critical" and before.severity == "warning":
        return _changed(after, now, event="worsened", state="open", by=None)
    if after.causes and not before.causes:
        return _changed(after, now, event="explained")
    return _changed(after, now, event="changed") if after != before else None


def _gone(before: Alert | None, now: datetime) -> Alert | None:
    if before is None or before.state == "resolved":
        return None
    return _changed(before, now, event="resolved", state="resolved", by=None)


def _opened(first: Finding, now: datetime) -> Alert:
    identity = sha256("\0".join((first.model, first.rule, now.isoformat())).encode()).hexdigest()[:12]
    return Alert(
        name=first.rule, id=identity, model=first.model, number=1, event="opened", state="open", since=now, changed=now,
        severity=first.severity, summary=first.summary,
    )  # fmt: skip


def _described(alert: Alert, found: Sequence[Finding], words: Language) -> Alert:
    """The alert with what is found now. The worst finding speaks for all; causes once found are not unmade by none."""
    worst = max(found, key=lambda finding: finding.severity == "critical")
    more = len({finding.about for finding in found}) - 1
    alert = msgspec.structs.replace(
        alert,
        severity=worst.severity,
        summary=words.plain("{told} (and {n} more)", told=worst.summary, n=more) if more else worst.summary,
        about=sorted({finding.about for finding in found}),
    )
    told = max((worst, *found), key=lambda finding: (bool(finding.causes), finding.diagnosis is not None))
    unmade = bool(alert.causes) and not told.causes
    return msgspec.structs.replace(
        alert,
        diagnosis=alert.diagnosis if unmade else told.diagnosis or alert.diagnosis,
        causes=list(told.causes) or alert.causes,
        owner=alert.owner if unmade else told.owner or alert.owner,
        runbook=alert.runbook if unmade else told.runbook or alert.runbook,
        steps=alert.steps if unmade else list(told.steps) or alert.steps,
        rollback=told.rollback or alert.rollback,
    )


def _changed(alert: Alert, now: datetime, **changes: object) -> Alert:
    return msgspec.structs.replace(alert, number=alert.number + 1, changed=now, **changes)
