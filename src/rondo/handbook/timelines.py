"""What happened about alerts, line by line: the alerts, what people did, who was told, what was put to work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from rondo.monitor.incidents import ticks
from rondo.records.deployment import Deployment
from rondo.records.monitoring import Alert, Delivery, Incident
from rondo.records.versions import model_version
from rondo.store.ledger import Entry, LedgerReader

TOLD = ("delivered", "failed", "given_up")
BEFORE, AFTER = timedelta(days=1), timedelta(days=14)
"""A deployment so long before it began, or after the last line, belongs to it."""


@dataclass(frozen=True)
class Line:
    """A line of a timeline. `kind` says which record it is, `event` what happened."""

    at: datetime
    kind: Literal["alert", "incident", "tick", "delivery", "deployment"]
    event: str
    name: str
    by: str | None = None
    text: str | None = None


def what_happened(
    ledger: LedgerReader,
    alerts: Sequence[Alert],
    lines: Sequence[Entry[Incident]],
    production: Entry[Deployment] | None,
    began: datetime,
) -> list[Line]:
    """Everything that happened, oldest first; of an alert's many small changes the ones that were told."""
    found: list[Line] = []
    for alert in alerts:
        for entry in ledger.entries(Alert, where={"id": alert.id}):
            each = entry.record
            if each.event != "changed":
                found.append(Line(each.changed, "alert", each.event, alert.name, each.by, _told(each)))
        found += _ticked(ledger, alert.id)
        for sent in ledger.entries(Delivery, where={"alert": alert.id}):
            if sent.record.state in TOLD:
                found.append(Line(sent.at, "delivery", sent.record.state, sent.record.name, None, sent.record.problem))
    for line in lines:
        said = line.record
        text = said.learned if said.event == "closed" else said.note
        found.append(Line(line.at, "incident", said.event, said.id, said.who, text))
    last = max([line.at for line in found], default=began)
    if production is not None and began - BEFORE <= production.at <= last + AFTER:
        made = production.record
        whole = model_version(made.name, made.version)
        found.append(Line(production.at, "deployment", made.role, whole, production.by, made.because))
    return sorted(found, key=lambda line: line.at)


def _ticked(ledger: LedgerReader, alert: str) -> list[Line]:
    """The steps of an alert that stand ticked."""
    return [
        Line(entry.at, "tick", "done", alert, entry.record.who, entry.record.step)
        for entry in ticks(ledger, alert).values()
        if entry.record.done
    ]


def _told(alert: Alert) -> str:
    """What an alert says, or which cause was found and how much it explains."""
    if alert.event != "explained" or not alert.causes:
        return alert.summary
    cause = alert.causes[0]
    return cause.what if cause.share is None else f"{cause.what} ({cause.share:.0%})"
