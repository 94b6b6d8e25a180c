"""Commands about what is wrong: alerts, incident."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome
from rondo.cli.working import workplace
from rondo.errors import WrongUse
from rondo.monitor.alerting import (
    acknowledge,
    alert_of,
    document,
    newest_alerts,
    record,
    resolve,
    silences,
    standing,
)
from rondo.monitor.incidents import close, incidents_for, newest_incidents, take, timeline
from rondo.project.channels import chosen
from rondo.project.durations import seconds
from rondo.records.monitoring import Alert, Incident, Silence

if TYPE_CHECKING:
    from rich.console import Console

    from rondo.loop.workplace import Workplace
    from rondo.project.settings import Settings


def alerts(
    options: Options,
    *,
    identity: str | None,
    every: bool,
    acknowledged: bool,
    resolved: bool,
    silenced: str | None,
    because: str | None,
) -> Outcome:
    """What stands open, or all there ever was; one alert, seen or over; silences."""
    if acknowledged and resolved:
        raise WrongUse("An alert is acknowledged or resolved, not both.", next_step="Leave one of them out.")
    if identity is None and (acknowledged or resolved):
        raise WrongUse("Which alert?", next_step="`rondo alerts` lists them; then `rondo alerts ID …`.")
    work = workplace(options, readonly=not (acknowledged or resolved or silenced))
    ledger = work.store.ledger
    known = newest_alerts(ledger)
    shown = list(reversed(standing(known) if identity is None and not every else known))
    if identity is not None:
        shown = [alert_of(known, identity)]
    if silenced is not None:
        _silence(work, shown[0] if identity else None, silenced, because)
    if acknowledged or resolved:
        now = work.now()
        shown = [(acknowledge if acknowledged else resolve)(shown[0], work.by, now)]
        _record(work, shown, incidents_for(shown, newest_incidents(ledger), known))
    documents = [msgspec.to_builtins(document(alert)) for alert in shown]
    quiet = [each for each in silences(ledger) if each.until > datetime.now(UTC)]
    show = _show_alert if identity else _show_alerts
    settings = work.project.settings
    return Outcome(documents, lambda console: show(console, documents, quiet, settings))


def _silence(work: Workplace, alert: Alert | None, length: str, because: str | None) -> None:
    """Nobody is told of that alert's rule (of anything, without one) for a while; 0s ends a silence."""
    if because is None and seconds(length, "--silence"):
        raise WrongUse("A silence has a reason.", next_step='Add --because "…".')
    now = datetime.now(UTC)  # deliveries are made in the wall's time, whatever clock the alerts have
    silence = Silence(
        name=alert.model if alert else "all",
        start=now,
        until=now + timedelta(seconds=seconds(length, "--silence")),
        who=work.by,
        because=because or "ended",
        model=alert.model if alert else None,
        rule=alert.name if alert else None,
    )
    work.store.ledger.append(silence, by=work.by)


def _record(work: Workplace, changes: list[Alert], lines: list[Incident]) -> None:
    """Changes of alerts that a person made, told on the channels."""
    settings = work.project.settings
    channels = chosen(settings.channels, settings.declared_channels)
    record(work.store.ledger, changes, channels, by=work.by, now=datetime.now(UTC), incidents=lines)


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
    ledger, now = work.store.ledger, work.now()
    line = take(timeline(ledger, identity)[-1].record, work.by)
    seen = [each for each in newest_alerts(ledger) if each.id in line.alerts and each.state == "open"]
    _record(work, [acknowledge(alert, work.by, now) for alert in seen], [line])


def _show_alerts(console: Console, documents: list[dict[str, Any]], quiet: list[Silence], settings: Settings) -> None:
    if not documents:
        console.print("Nothing stands open.")
    for each in documents:
        head = f"{each['id']}  {printing.mark(each['state'])}  {each['model']}: {each['name']}"
        told = [each["severity"], f"since {_local(each['since'], settings.timezone)}", each["diagnosis"], each["owner"]]
        console.print(f"{head}  ({', '.join(part for part in told if part)})")
        console.print(f"    {each['causes'][0]['what'] if each['causes'] else each['summary']}", style="dim")
    if documents:
        console.print("\n`rondo alerts ID` says what is behind one, and what to do.")
    _show_silences(console, quiet)


def _show_alert(console: Console, documents: list[dict[str, Any]], quiet: list[Silence], settings: Settings) -> None:
    """One alert, read from top to bottom by whoever was woken: what, why, who, what to do."""
    [told] = documents
    since = _local(told["since"], settings.timezone)
    console.print(f"{told['model']}: {told['name']} ({told['severity']}), {told['state']} since {since}")
    console.print(told["summary"])
    if told["about"]:
        console.print(f"About: {', '.join(told['about'])}")
    if told["diagnosis"]:
        console.print(f"Diagnosis: {told['diagnosis']}")
    for cause in told["causes"]:
        share = f" ({cause['share']:.0%})" if cause["share"] is not None else ""
        console.print(f"  {cause['what']}{share}")
    if told["owner"]:
        person = next((each for each in settings.people if each.id == told["owner"]), None)
        contact = ", ".join(part for part in (person.name, person.contact) if part) if person else ""
        console.print(f"Owner: {told['owner']}" + (f" ({contact})" if contact else ""))
    if told["steps"]:
        console.print(f"What to do ({told['runbook']}):" if told["runbook"] else "What to do:")
        for number, step in enumerate(told["steps"], 1):
            console.print(f"  {number}. {step}")
    if told["rollback"]:
        console.print(f"To undo the release: {told['rollback']}")
    _show_silences(console, quiet)


def _local(moment: str, timezone: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def _show_silences(console: Console, quiet: list[Silence]) -> None:
    for silence in quiet:
        what = " ".join(part for part in (silence.model or "all models", silence.rule) if part)
        console.print(f"Silent until {silence.until:%Y-%m-%d %H:%M} UTC: {what} ({silence.who}: {silence.because})")


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
