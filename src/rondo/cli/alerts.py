"""Commands about what is wrong: alerts, incident."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome
from rondo.cli.working import workplace
from rondo.errors import WrongUse
from rondo.monitor.alerting import acknowledge, document, newest_alerts, record, standing
from rondo.monitor.incidents import close, newest_incidents, take, timeline
from rondo.project.channels import chosen

if TYPE_CHECKING:
    from rich.console import Console

    from rondo.loop.workplace import Workplace


def alerts(options: Options, *, every: bool) -> Outcome:
    """What stands open, or all there ever was."""
    known = newest_alerts(workplace(options, readonly=True).store.ledger)
    documents = [msgspec.to_builtins(document(alert)) for alert in (known if every else standing(known))]
    return Outcome(documents, lambda console: _show_alerts(console, documents))


def incident(options: Options, *, identity: str | None, taken: bool, closed: bool, learned: str | None) -> Outcome:
    """List incidents, show one, take or close it."""
    if taken and closed:
        raise WrongUse("An incident is taken or closed, not both.", next_step="Leave one of them out.")
    if closed != (learned is not None):
        raise WrongUse("An incident is closed with what was learned.", next_step='Say --close --learned "…".')
    if identity is None:
        if taken or closed:
            raise WrongUse("Which incident?", next_step="`rondo incident` lists them; then `rondo incident ID …`.")
        known = newest_incidents(workplace(options, readonly=True).store.ledger)
        documents = [msgspec.to_builtins(each) for each in known]
        return Outcome({"incidents": documents}, lambda console: _show_incidents(console, documents))
    work = workplace(options, readonly=not (taken or closed))
    if taken:
        _take(work, identity)
    elif closed:
        ledger = work.store.ledger
        now = timeline(ledger, identity)[-1].record
        ledger.append(close(now, work.by, learned or "", newest_alerts(ledger)), by=work.by)
    entries = timeline(work.store.ledger, identity)
    lines = [{"at": msgspec.to_builtins(entry.at), **msgspec.to_builtins(entry.record)} for entry in entries]
    told = msgspec.to_builtins(entries[-1].record) | {"timeline": lines}
    return Outcome(told, lambda console: _show_incident(console, told))


def _take(work: Workplace, identity: str) -> None:
    """Whoever takes an incident has seen its alerts: they are acknowledged in the same transaction."""
    ledger, settings, now = work.store.ledger, work.project.settings, datetime.now(UTC)
    line = take(timeline(ledger, identity)[-1].record, work.by)
    seen = [each for each in newest_alerts(ledger) if each.id in line.alerts and each.state == "open"]
    changes = [acknowledge(alert, work.by, now) for alert in seen]
    channels = chosen(settings.channels, settings.declared_channels)
    record(ledger, changes, channels, by=work.by, now=now, incidents=[line])


def _show_alerts(console: Console, documents: list[dict[str, Any]]) -> None:
    if not documents:
        console.print("Nothing stands open.")
        return
    table = printing.grid("alert", "state", "model", "rule", "since", "diagnosis", "owner", "what")
    for each in documents:
        table.add_row(
            each["id"], printing.mark(each["state"]), each["model"], each["name"], each["since"][:16],
            each["diagnosis"] or "", each["owner"] or "", each["summary"],
        )  # fmt: skip
    console.print(table)


def _show_incidents(console: Console, documents: list[dict[str, Any]]) -> None:
    if not documents:
        console.print("There is no incident.")
        return
    table = printing.grid("incident", "state", "model", "alerts", "owner", "what", right=("alerts",))
    for each in documents:
        alerts = printing.number(len(each["alerts"]))
        table.add_row(
            each["id"], printing.mark(each["state"]), each["name"], alerts, each["owner"] or "", each["summary"]
        )
    console.print(table)


def _show_incident(console: Console, told: dict[str, Any]) -> None:
    console.print(f"{told['id']}, {told['name']}: {told['state']}", highlight=False)
    table = printing.grid("at", "", "who", "what")
    for line in told["timeline"]:
        what = line["learned"] or line["note"] or (line["summary"] if line["event"] == "opened" else "")
        table.add_row(line["at"][:16], line["event"], line["who"] or "", what)
    console.print(table)
