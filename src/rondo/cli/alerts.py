"""Commands about what is wrong: alerts, incident."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome
from rondo.cli.working import workplace
from rondo.errors import NotFound, WrongUse
from rondo.monitor.alerting import alert_of, document, newest_alerts, silences, standing
from rondo.monitor.incidents import newest_incidents, ticks, timeline
from rondo.monitor.responses import (
    acknowledge_alert,
    close_incident,
    resolve_alert,
    silence,
    take_incident,
    tick_step,
)
from rondo.records.monitoring import Alert, Silence
from rondo.team.people import contacts

if TYPE_CHECKING:
    from rich.console import Console

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
    done: int | None = None,
    undone: int | None = None,
) -> Outcome:
    """What stands open, or all there ever was; one alert, seen or over; silences; steps ticked."""
    if acknowledged and resolved:
        raise WrongUse("An alert is acknowledged or resolved, not both.", next_step="Leave one of them out.")
    ticked = [number for number in (done, undone) if number is not None]
    if identity is None and (acknowledged or resolved or ticked):
        raise WrongUse("Which alert?", next_step="`rondo alerts` lists them; then `rondo alerts ID …`.")
    work = workplace(options, readonly=not (acknowledged or resolved or silenced or ticked))
    ledger = work.store.ledger
    known = newest_alerts(ledger)
    shown = list(reversed(standing(known) if identity is None and not every else known))
    if identity is not None:
        shown = [alert_of(known, identity)]
    if silenced is not None:
        silence(work.store, identity, silenced, because, by=work.by)
    if identity is not None and (acknowledged or resolved):
        respond = acknowledge_alert if acknowledged else resolve_alert
        shown = [respond(work.store, work.project.settings, identity, by=work.by, now=work.now())]
    for number in ticked:
        tick_step(work.store, shown[0].id, _step(shown[0], number), done=number == done, by=work.by)
    documents = [msgspec.to_builtins(document(alert)) for alert in shown]
    if identity is not None:
        made = {step for step, entry in ticks(ledger, shown[0].id).items() if entry.record.done}
        documents[0]["done"] = [number for number, step in enumerate(shown[0].steps, 1) if step in made]
    quiet = [each for each in silences(ledger) if each.until > datetime.now(UTC)]
    show = _show_alert if identity else _show_alerts
    settings = work.project.settings
    return Outcome(documents, lambda console: show(console, documents, quiet, settings))


def _step(alert: Alert, number: int) -> str:
    if not 0 < number <= len(alert.steps):
        raise NotFound.among(f"step of alert {alert.id}", str(number), [f"{n + 1}" for n in range(len(alert.steps))])
    return alert.steps[number - 1]


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
        take_incident(work.store, work.project.settings, identity, by=work.by, now=work.now())
    elif closed:
        close_incident(work.store, identity, learned or "", by=work.by)
    entries = timeline(work.store.ledger, identity)
    lines = [{"at": msgspec.to_builtins(entry.at), **msgspec.to_builtins(entry.record)} for entry in entries]
    told = msgspec.to_builtins(entries[-1].record) | {"timeline": lines}
    return Outcome(told, lambda console: _show_incident(console, told))


def _show_alerts(console: Console, documents: list[dict[str, Any]], quiet: list[Silence], settings: Settings) -> None:
    if not documents:
        console.print("Nothing stands open.")
    for each in documents:
        head = f"{each['id']}  {printing.mark(each['state'])}  {each['model']}: {each['name']}"
        told = [each["severity"], f"since {_local(each['since'], settings.timezone)}", each["diagnosis"], each["owner"]]
        console.print(f"{head}  ({', '.join(part for part in told if part)})")
        console.print(f"    {each['summary']}", style="dim")
        for cause in each["causes"][:1]:
            share = f" ({cause['share']:.0%})" if cause["share"] is not None else ""
            console.print(f"    Behind it: {cause['what']}{share}", style="dim")
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
        contact = contacts(settings.people).get(told["owner"])
        console.print(f"Owner: {told['owner']}" + (f" ({contact})" if contact else ""))
    if told["steps"]:
        console.print(f"What to do ({told['runbook']}):" if told["runbook"] else "What to do:")
        for number, step in enumerate(told["steps"], 1):
            console.print(f"  {number}. {'✓ ' if number in told['done'] else ''}{step}")
    if told["rollback"]:
        console.print(f"To undo the release: {told['rollback']}")
    _show_silences(console, quiet)


def _local(moment: str, timezone: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M")


def _show_silences(console: Console, quiet: list[Silence]) -> None:
    for each in quiet:
        what = " ".join(part for part in (each.model or "all models", each.rule) if part)
        console.print(f"Silent until {each.until:%Y-%m-%d %H:%M} UTC: {what} ({each.who}: {each.because})")


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
