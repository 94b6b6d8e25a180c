"""Questions 9, 27 and 28: what watches what runs, what stands open, and what to do about it."""

from __future__ import annotations

import re

from rondo.handbook.questions.answers import Answer, Command, Fact, Table
from rondo.handbook.questions.desk import SHOWN, Desk
from rondo.handbook.rollbacks import WayBack, way_back
from rondo.monitor.alerting import newest_alerts, standing
from rondo.monitor.incidents import newest_incidents, ticks
from rondo.monitor.runbooks import read_runbook
from rondo.records.monitoring import Alert, Incident, Measurement

_COMMAND = re.compile(r"`(rondo [^`]+)`")
LOOKED_AT = 600
"""So many of the newest measurements hold at least one round of all that is measured of a model."""


def watched(desk: Desk) -> Answer:
    """9: the monitors, their thresholds and last values, where alerts go."""
    say, settings = desk.say, desk.work.project.settings
    who = desk.ask((None, "devops_engineer"), desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    channels = ", ".join(settings.channels) or say("nowhere")
    facts = [
        Fact(
            say("Alerts go to {channels}, and name the owner of what they are about.", channels=channels),
            "/incidents",
            "rondo.toml",
        )
    ]
    if desk.model is None:
        what, step = desk.unmodelled()
        return Answer(tuple(facts), (), who, what, step)
    commands = (
        desk.command(f"rondo monitor {desk.name}", "records", 10.0),
        desk.command("rondo alerts --all", about_s=1.0),
    )
    newest = _newest(desk)
    if not newest:
        what = say("Nothing has been measured of {model} yet.", model=desk.name)
        return Answer(tuple(facts), commands if desk.shown else (), who, what, "rondo up --once --send 100")
    out = [each for each in newest.values() if each.state == "out"]
    told = say(
        "{metrics} are measured; {out} out of bounds now.",
        metrics=desk.counted(
            "One kind of number", "{n} kinds of numbers", len({each.metric for each in newest.values()})
        ),
        out=len(out),
    )
    facts.insert(0, Fact(told, f"/live/{desk.name}"))
    limited = sorted(
        (each for each in newest.values() if each.limit is not None),
        key=lambda m: (m.state != "out", m.metric, m.feature or ""),
    )
    columns = (
        say("measurement"),
        say("of"),
        say("value"),
        say("limit"),
        say("where the limit comes from"),
        say("state"),
    )
    rows = tuple(_row(desk, each) for each in limited[:SHOWN])
    return Answer(tuple(facts), commands, who, table=Table(columns, rows, (2, 3)))


def _newest(desk: Desk) -> dict[tuple[str, str | None], Measurement]:
    """The newest of each measurement over all rows."""

    def read() -> dict[tuple[str, str | None], Measurement]:
        found: dict[tuple[str, str | None], Measurement] = {}
        for entry in desk.ledger.entries(Measurement, name=desk.name, limit=LOOKED_AT, newest_first=True):
            if entry.record.by is None and entry.record.value is not None:
                found.setdefault((entry.record.metric, entry.record.feature), entry.record)
        return found

    return desk.kept(("newest",), Measurement, read)


def _row(desk: Desk, found: Measurement) -> tuple[str, ...]:
    side = {"above": "≤ ", "below": "≥ "}.get(found.side or "", "")
    return (
        found.metric,
        found.feature or "–",
        desk.words.number(found.value),
        side + desk.words.number(found.limit),
        desk.words.known(found.basis or "–"),
        desk.words.known(found.state),
    )


def on_call(desk: Desk) -> Answer:
    """27: open alerts with their diagnosis: service, data or model."""
    say = desk.say
    alerts = sorted(standing(newest_alerts(desk.ledger)), key=lambda each: (each.severity != "critical", each.since))
    who = desk.ask(*((each.owner, "devops_engineer") for each in alerts), (None, "devops_engineer"))
    commands = [desk.command("rondo alerts", about_s=1.0)]
    if not alerts:
        return Answer((Fact(say("No alert stands open."), "/incidents"),), tuple(commands), who)
    facts = [Fact(desk.counted("One alert stands open.", "{n} alerts stand open.", len(alerts)), "/incidents")]
    facts += [Fact(_alert(desk, each), f"/alerts/{each.id}") for each in alerts[:SHOWN]]
    commands.append(desk.command(f"rondo alerts {alerts[0].id}", about_s=1.0))
    return Answer(tuple(facts), tuple(commands), who)


def _alert(desk: Desk, alert: Alert) -> str:
    where = {"service": desk.say("the service"), "data": desk.say("the data"), "model": desk.say("the model")}
    diagnosis = where[alert.diagnosis] if alert.diagnosis else desk.say("not known yet")
    return desk.say(
        "{name} since {at}: {summary} It lies with {diagnosis}.",
        name=alert.name,
        at=desk.words.moment(alert.since),
        summary=alert.summary,
        diagnosis=diagnosis,
    )


def paged(desk: Desk) -> Answer:
    """28: the incident's runbook with its steps filled in, then the way back and whether it would help."""
    say = desk.say
    incidents = [each for each in newest_incidents(desk.ledger) if each.state != "closed"]
    who = desk.ask(*((each.owner, "devops_engineer") for each in incidents), (None, "devops_engineer"))
    known = way_back(desk.work, desk.name) if desk.model else None
    back = [] if known is None else [desk.command(f'rondo rollback {desk.name} --because "paged"', "changes", 1.0)]
    if not incidents:
        runbook = read_runbook(desk.work.project.root, desk.name)
        facts = [Fact(say("No incident is open: nobody has been paged."), "/incidents")]
        if runbook is not None:
            facts.append(
                Fact(
                    say(
                        "The steps for when it happens: {sections}.",
                        sections=", ".join(each.title for each in runbook.sections),
                    ),
                    f"/docs/{runbook.file[5:-3]}",
                    runbook.file,
                )
            )
        facts += [Fact(_would_help(desk, known), f"/live/{desk.name}")] if known else []
        return Answer(tuple(facts), (desk.command("rondo incident", about_s=1.0), *back), who)
    incident = incidents[0]
    page = f"/incidents/{incident.id}"
    taken = incident.who is not None and incident.state == "taken"
    alert = _alert_of(desk, incident)
    facts = [
        Fact(say("Incident {id}: {summary}", id=incident.id, summary=(alert or incident).summary), page),
        *(_steps(desk, incident, alert) if alert else ()),
        Fact(say("{who} works on it.", who=incident.who) if taken else say("Nobody has taken it."), page),
    ]
    commands = [*_first_step(desk, alert), desk.command(f"rondo incident {incident.id}", about_s=1.0)]
    if incident.state == "open":
        commands.append(desk.command(f"rondo incident {incident.id} --take", "changes", 1.0))
    if known is None:
        facts.append(Fact(say("No earlier version was in production, so there is nothing to roll back to.")))
    else:
        facts.append(Fact(_would_help(desk, known), f"/live/{desk.name}"))
    return Answer(tuple(facts), (*commands, *back), who)


def _alert_of(desk: Desk, incident: Incident) -> Alert | None:
    alerts = {each.id: each for each in newest_alerts(desk.ledger)}
    return next((alerts[each] for each in incident.alerts if each in alerts), None)


def _first_step(desk: Desk, alert: Alert | None) -> list[Command]:
    """The command of the first step that is not done, where one stands in it."""
    done = ticks(desk.ledger, alert.id) if alert else {}
    for step in alert.steps if alert else ():
        if step in done and done[step].record.done:
            continue
        found = _COMMAND.search(step)
        return [Command(found[1])] if found else []
    return []


def _would_help(desk: Desk, back: WayBack) -> str:
    """What is known of how the version before would do."""
    told = desk.say("A roll-back would put {behind} back in place of {version}.", behind=back.behind,
                    version=back.version)  # fmt: skip
    if back.difference is None:
        known = desk.say("The two have not been compared: whether it would help is not known.")
    else:
        known = desk.say(
            "On {testset} ({rows} rows) the {metric} of {behind} differs from that of {version} by {value} {interval}.",
            testset=desk.words.known(back.testset or ""), rows=desk.words.whole(back.rows), metric=back.metric,
            behind=back.behind, version=back.version, value=desk.words.number(back.difference, signed=True),
            interval=f"[{desk.words.interval(back.low, back.high, signed=True)}]",
        )  # fmt: skip
    alike = desk.say("It reads the same tables: it would not help where data is missing or wrong.")
    return " ".join((told, known, alike) if back.reads_alike else (told, known))


def _steps(desk: Desk, incident: Incident, alert: Alert) -> list[Fact]:
    done = ticks(desk.ledger, alert.id)
    facts = []
    for number, step in enumerate(alert.steps, 1):
        ticked = step in done and done[step].record.done
        told = (
            desk.say("{n}. {step} (done)", n=number, step=step)
            if ticked
            else desk.say("{n}. {step}", n=number, step=step)
        )
        facts.append(Fact(told, f"/incidents/{incident.id}#runbook", alert.runbook if number == 1 else None))
    return facts
