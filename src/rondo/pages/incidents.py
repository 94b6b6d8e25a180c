"""Alerts and incidents: the list, and the page by which one is worked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from markupsafe import Markup

from rondo.handbook.incidents import Asked, CaseFacts, IncidentsFacts, Over, Series, Step
from rondo.handbook.timelines import Line
from rondo.language.words import Language
from rondo.pages import livecharts
from rondo.pages.alerted import measured_at, title_of
from rondo.pages.caseactions import case_actions
from rondo.pages.frame import Frame
from rondo.pages.rendering import render
from rondo.pages.ring import Mark
from rondo.pages.rollback import rollback
from rondo.pages.vega import Chart, chart
from rondo.records.monitoring import Alert, Measurement

STATES: dict[str, Mark] = {"open": "bad", "acknowledged": "run", "taken": "run", "resolved": "good", "closed": "good"}
SEVERITY: dict[str, Mark] = {"critical": "bad", "warning": "warn"}
SAYS: dict[str, Mark] = {"well": "good", "weak": "warn", "broken": "bad", "unknown": "idle"}
HAPPENED: dict[str, Mark] = {
    "opened": "bad", "reopened": "bad", "worsened": "bad", "joined": "warn", "explained": "idle", "acknowledged": "run",
    "taken": "run", "noted": "idle", "resolved": "good", "closed": "good", "done": "good", "delivered": "idle",
    "failed": "warn", "given_up": "bad", "production": "run", "canary": "run", "shadow": "run",
}  # fmt: skip
METRICS = {
    "staleness_h": "hours since the newest row",
    "unloaded_h": "hours since the last load",
    "null_shift": "nulls above training",
    "out_of_range_share": "values out of range",
    "unseen_share": "unseen values",
    "skew_share": "values that differ",
    "error_share": "failed requests",
    "latency_p99_ms": "latency of 99 in 100, ms",
    "latency_p50_ms": "latency of half, ms",
    "flagged_share": "share called positive",
    "positive_share": "share that came true",
}
"""Measurements whose names say little to a newcomer."""
AGES = {
    "staleness_h": "{about}: {hours} h since the newest row",
    "unloaded_h": "{about}: {hours} h since the last load",
}
"""Measurements that are hours: titles in which the unit stands with the number."""
SAID = {
    ("alert", "opened"): "Alert: {text}",
    ("alert", "worsened"): "Worse: {text}",
    ("alert", "reopened"): "It is back: {text}",
    ("alert", "explained"): "Found: {text}",
    ("alert", "acknowledged"): "Seen",
    ("alert", "resolved"): "Over",
    ("incident", "opened"): "<b>Incident</b> opened",
    ("incident", "joined"): "Another alert joined: {text}",
    ("incident", "taken"): "Taken",
    ("incident", "resolved"): "An alert of it is over",
    ("incident", "closed"): "Closed: {text}",
    ("delivery", "delivered"): "Told on {channel}",
    ("delivery", "failed"): "Could not be told on {channel}: {text}",
    ("delivery", "given_up"): "Given up telling on {channel}: {text}",
    ("deployment", "production"): "{version} put to work as {role}",
}
"""A line of the timeline, by its record and what happened."""
_COMMAND = re.compile(r"`([^`]+)`")


def incidents_page(facts: IncidentsFacts, frame: Frame) -> str:
    """What stands open, then what is over."""
    words = frame.words
    months = [(month, list(part)) for month, part in groupby(facts.over, lambda each: _month(each, words))]
    return render(
        "incidents.html",
        frame,
        section="incidents",
        commands=("rondo alerts", "rondo incident"),
        facts=facts,
        headline=_open_headline(facts, words),
        lede=_open_lede(facts, words),
        months=months,
        ago=lambda at: since(at, facts.now, words),
        behind=lambda alert: behind(alert, words),
        measured_at=lambda alert: measured_at(alert, words),
        lasted=lambda alert: since(alert.since, alert.changed, words),
        states=STATES,
        severity=SEVERITY,
    )


def case_page(facts: CaseFacts, frame: Frame) -> str:
    """An alert, or an incident with its alerts."""
    words = frame.words
    alert, incident = facts.alert, facts.incident
    about_incident = frame.address.startswith("/incidents")
    commands = [f"rondo incident {incident.id}"] if about_incident and incident else []
    commands.append(f"rondo alerts {alert.id}")
    if facts.back is not None:
        commands.append(f"rondo rollback {alert.model}")
    return render(
        "incident.html",
        frame,
        section="incidents",
        commands=commands,
        facts=facts,
        of_incident=about_incident and incident is not None,
        title=title_of(alert, words),
        mark=STATES[incident.state if about_incident and incident else alert.state],
        state=words.say(incident.state if about_incident and incident else alert.state),
        open_for=since(facts.began or alert.since, facts.now, words),
        lasted=since(alert.since, alert.changed, words),
        behind=behind(alert, words),
        measured_at=measured_at(alert, words),
        asked=[_question(each, words) for each in facts.asked],
        charts=[(_chart(each, n, frame), each) for n, each in enumerate(facts.series)],
        steps=[(step, _step(step.text), _commands(step)) for step in facts.steps],
        done=sum(step.done for step in facts.steps),
        actions=case_actions(facts, words),
        way_back=rollback(facts.back, words) if facts.back else None,
        lines=[(line, _line(line, words), HAPPENED.get(line.event, "idle")) for line in facts.timeline],
        states=STATES,
        severity=SEVERITY,
    )


def behind(alert: Alert, words: Language) -> Markup:
    """What is held to be behind it first of all, and how much of it that explains; empty where nothing is."""
    if not alert.causes:
        return Markup()
    cause = alert.causes[0]
    if cause.share is None:
        return words.say("Behind it: {cause}", cause=cause.what)
    return words.say("Behind it: {cause} (explains {share})", cause=cause.what, share=words.share(cause.share))


def since(at: datetime, now: datetime, words: Language) -> Markup:
    """How long, in the largest unit that fits."""
    hours = max(0.0, (now - at).total_seconds() / 3600)
    if hours < 1:
        return words.count("{n} minute", "{n} minutes", round(hours * 60))
    if hours < 48:
        return words.count("{n} hour", "{n} hours", round(hours))
    return words.count("{n} day", "{n} days", round(hours / 24))


def _open_headline(facts: IncidentsFacts, words: Language) -> Markup:
    if facts.alerts:
        title = title_of(facts.alerts[0].alert, words)
        return title if len(facts.alerts) == 1 else words.say("{n} alerts are open", n=len(facts.alerts))
    if facts.incidents:
        return words.count("One incident waits to be closed", "{n} incidents wait to be closed", len(facts.incidents))
    if facts.resolved:
        return words.say("Nothing is open")
    return words.say("There has been no alert yet")


def _open_lede(facts: IncidentsFacts, words: Language) -> Markup:
    if facts.alerts:
        worst = facts.alerts[0].alert
        told = worst.summary.rstrip(".")
        return words.say(
            "{what}; since {since}.",
            what=Markup('<span lang="en">{}</span>').format(told),
            since=words.moment(worst.since),
        )
    if facts.resolved:
        return words.count("One alert was raised and is over.", "{n} alerts were raised and are over.", facts.resolved)
    return words.say("An alert is raised when a measurement leaves its limit, here and on the project's channels.")


def _month(each: Over, words: Language) -> str:
    at = each.alert.since.astimezone(words.zone)
    return f"{at.year}년 {at.month}월" if words.code == "ko" else f"{at:%B %Y}"


def _question(each: Asked, words: Language) -> tuple[Asked, Markup, Markup, Mark, Markup]:
    """The question, what was measured, what is usual, and what it says."""
    measured = each.measured
    said = {
        "service": "99 of 100 answers within {value} ms on {day}",
        "data": "{value} of the answers with a null on {day}",
        "model": "{metric} {value} {interval} in the week of {day}",
    }
    usual = Markup("–")
    if measured is None or measured.value is None:
        nothing = words.say("nobody was served here") if each.of == "service" else words.say("not measured yet")
        told = nothing
    else:
        share = each.of == "data"
        value = words.share(measured.value) if share else words.number(measured.value)
        told = words.say(
            said[each.of], value=value, metric=measured.metric, day=words.day(measured.start),
            interval=Markup('<span class="ci">{}</span>').format(words.interval(measured.low, measured.high)),
        )  # fmt: skip
        if each.usual is not None:
            usual = Markup("{}").format(words.share(each.usual) if share else words.number(each.usual))
    if each.nulls is not None:
        told += Markup("; ") + words.say(
            "{n} of {all} features null more often than in training", n=each.nulls[0], all=each.nulls[1]
        )
    if each.flagged is not None:
        since, before = each.flagged
        told += Markup("; ") + words.say(
            "in the days since, {share} of {n} answers flagged, {before} of {usual} in the weeks before",
            share=words.share(since.value), n=words.whole(since.n), before=words.share(before.value),
            usual=words.whole(before.n),
        )  # fmt: skip
    verdict = words.say({"well": "well", "weak": "weak", "broken": "broken", "unknown": "not known"}[each.says])
    if each.says == "unknown" and measured is not None:
        verdict = words.say("not known since it began")
    if each.out:
        verdict += Markup(": ") + Markup(", ").join(words.say(rule) for rule in each.out)
    return each, told, usual, SAYS[each.says], verdict


def _chart(series: Series, n: int, frame: Frame) -> Chart:
    words = frame.words
    last = next((m for m in reversed(series.measured) if m.state == "out"), series.measured[-1])
    percent = last.unit == "share"
    spec = livecharts.lines({"": series.measured}, words, percent=percent, limit=_drawable(last, series.measured))
    spec["width"] = 690
    shown = words.share(last.value or 0.0) if percent else f"{last.value:.3g}"
    metric = words.say(METRICS.get(last.metric, last.metric))
    title = words.say("{about}: {metric} {value}", metric=metric, about=series.about, value=shown)
    if age := AGES.get(last.metric):
        title = words.say(age, about=series.about, hours=shown)
    if last.limit is not None and last.side is not None:
        limit = words.share(last.limit) if percent else f"{last.limit:.4g}"
        if age:
            limit = words.plain("{hours} h", hours=limit)
        beyond = "above its limit {limit} ({basis})" if last.side == "above" else "below its limit {limit} ({basis})"
        title += Markup(", ") + words.say(beyond, limit=limit, basis=words.known(last.basis or "declared"))
    subtitle = words.say("By window, with its 95 % interval; dashed: the limit.")
    return chart(frame, spec, f"series-{n + 1}", title=title, subtitle=subtitle, spoken=f"{title}. {subtitle}")


def _drawable(last: Measurement, measured: Sequence[Measurement]) -> float | None:
    """The limit, where it does not dwarf all that was measured."""
    most = max(abs(m.value or 0.0) for m in measured)
    return last.limit if last.limit is not None and abs(last.limit) <= 20 * (most or 1.0) else None


def _step(text: str) -> Markup:
    """A step with its commands as code."""
    parts = _COMMAND.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else Markup("{}").format(part) for n, part in enumerate(parts)
    )


def _commands(step: Step) -> list[str]:
    return [part for part in _COMMAND.findall(step.text) if part.startswith("rondo ")]


def _line(line: Line, words: Language) -> Markup:
    text = Markup('<span lang="en">{}</span>').format(line.text) if line.text else Markup()
    if line.kind == "tick":
        return words.say("Step done: {text}", text=_step(line.text or ""))
    said = SAID.get((line.kind, line.event), "{text}")
    return words.say(said, text=text, channel=line.name, version=line.name, role=words.known(line.event))
