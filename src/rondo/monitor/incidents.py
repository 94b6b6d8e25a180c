"""Incidents: what people do about alerts, from the first alert to what was learned; a record is a line of that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import msgspec

from rondo.errors import NotFound, Refused, WrongUse
from rondo.records.monitoring import Alert, Incident, Tick
from rondo.store.ledger import Entry, LedgerReader
from rondo.store.newest import newest_by_id
from rondo.store.until import LedgerUntil


def incidents_for(changes: Sequence[Alert], known: Sequence[Incident], alerts: Sequence[Alert]) -> list[Incident]:
    """What alerts that changed mean for incidents. `known` are the newest records of all incidents, `alerts` those of
    all alerts before the changes.

    A critical alert opens an incident of its model, or joins one in which something still stands; a warning only joins.
    What is over but not closed is not joined: tomorrow's trouble is not yesterday's. The end of an alert is a line of
    the timeline; closing is left to people, who say what was learned.
    """
    newest = {incident.id: incident for incident in known if incident.state != "closed"}
    stand = {alert.id for alert in alerts if alert.state != "resolved"}
    lines = []
    for alert in changes:
        own = next((each for each in newest.values() if alert.id in each.alerts), None)
        of_model = [each for each in newest.values() if each.name == alert.model and stand.intersection(each.alerts)]
        (stand.discard if alert.state == "resolved" else stand.add)(alert.id)
        line: Incident | None = None
        if own is not None:
            if alert.event == "explained":
                line = _line(own, "noted", None, alert.causes[0].what, diagnosis=alert.diagnosis, owner=alert.owner)
            elif alert.event in ("resolved", "worsened", "reopened"):
                line = _line(own, "resolved" if alert.event == "resolved" else "noted", None, alert.summary)
        elif alert.state == "open" and of_model:
            line = _line(of_model[-1], "joined", None, alert.summary, alerts=[*of_model[-1].alerts, alert.id])
        elif alert.state == "open" and alert.severity == "critical":
            line = _opened(alert)
        if line is not None:
            newest[line.id] = line
            lines.append(line)
    return lines


def take(incident: Incident, who: str) -> Incident:
    """`who` works on it from now on. Raises Refused when it is closed."""
    return _line(_not_closed(incident), "taken", who, None, state="taken")


def note(incident: Incident, who: str, what: str) -> Incident:
    """A line of the timeline. Raises Refused when it is closed."""
    return _line(_not_closed(incident), "noted", who, what)


def close(incident: Incident, who: str, learned: str, alerts: Sequence[Alert]) -> Incident:
    """Ends it with what was learned. Raises Refused while one of its alerts is not over, WrongUse without a lesson."""
    _not_closed(incident)
    if not learned.strip():
        raise WrongUse("An incident ends with what was learned.", next_step='Add --learned "…".')
    held = [alert.id for alert in alerts if alert.id in incident.alerts and alert.state != "resolved"]
    if held:
        raise Refused(
            f"Incident {incident.id} cannot be closed: of its alerts, {', '.join(held)} are not resolved.",
            next_step="Mend what they name, or resolve them by hand.",
        )
    return _line(incident, "closed", who, None, state="closed", learned=learned.strip())


def tick(alert: Alert, step: str, done: bool, who: str) -> Tick:
    """A step of the alert's runbook is done, or is not after all. Raises NotFound for a step that it has not."""
    if step not in alert.steps:
        raise NotFound.among(f"step of alert {alert.id}", step, alert.steps)
    return Tick(name=alert.model, alert=alert.id, step=step, done=done, who=who)


def ticks(ledger: LedgerReader, alert: str) -> dict[str, Entry[Tick]]:
    """The newest tick of each step of an alert, by the step."""
    return {entry.record.step: entry for entry in ledger.entries(Tick, where={"alert": alert})}


def newest_incidents(ledger: LedgerReader, *, until: datetime | None = None) -> list[Incident]:
    """The newest record of each incident, in the order in which they were opened."""
    return list(newest_by_id(ledger if until is None else LedgerUntil(ledger, until), Incident).values())


def timeline(ledger: LedgerReader, identity: str) -> list[Entry[Incident]]:
    """All records of an incident, oldest first. Raises NotFound."""
    found = ledger.entries(Incident, where={"id": identity})
    if not found:
        raise NotFound.among("incident", identity, [incident.id for incident in newest_incidents(ledger)])
    return found


def _opened(alert: Alert) -> Incident:
    return Incident(
        name=alert.model,
        id=sha256(f"incident\0{alert.id}\0{alert.number}".encode()).hexdigest()[:8],
        event="opened",
        state="open",
        alerts=[alert.id],
        summary=alert.summary,
        diagnosis=alert.diagnosis,
        owner=alert.owner,
    )


def _line(before: Incident, event: str, who: str | None, what: str | None, **changes: object) -> Incident:
    return msgspec.structs.replace(before, **{"event": event, "who": who, "note": what, **changes})


def _not_closed(incident: Incident) -> Incident:
    if incident.state == "closed":
        raise Refused(
            f"Incident {incident.id} is closed.", next_step="A new alert opens a new one, or see its timeline."
        )
    return incident
