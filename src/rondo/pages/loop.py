"""The loop page: how things stand, stage by stage, and the one thing to do next."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup

from rondo.handbook.facts import Change, LoopFacts, Step, TableFacts, VersionFacts
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.handbook import coded
from rondo.pages.plots import Track, points_of, tracks_over_time
from rondo.pages.rendering import render
from rondo.pages.requirements import MARKS, held
from rondo.pages.ring import LABELS, SIDES, Mark, Stage, notes
from rondo.pages.vega import Chart, chart
from rondo.records.monitoring import Measurement
from rondo.records.versions import model_version

__all__ = ["Change", "LoopFacts", "Step", "TableFacts", "VersionFacts", "loop_page"]

STALE = "stale data"  # the rule of monitoring that finds sources and tables without news
# What the entry of a record kind says of its name.
HAPPENED = {
    "definitions": "declared",
    "tables": "built",
    "checks": "checked",
    "profiles": "profiled",
    "datasets": "frozen",
    "outcome_landings": "outcomes landed",
    "publications": "published online",
    "fitness": "examples examined",
    "candidates": "candidate tried",
    "versions": "trained",
    "evaluations": "evaluated",
    "comparisons": "compared",
    "explanations": "explained",
    "mistakes": "mistakes looked at",
    "attributions": "explained over many rows",
    "rankings": "versions ranked",
    "gates": "held against its requirements",
    "rehearsals": "rehearsed",
    "flips": "tried on logged requests",
    "deployments": "deployed",
    "prediction_landings": "predictions landed",
    "releases": "exported",
    "api_keys": "key made or revoked",
    "callers": "used by a caller",
    "erasures": "forgotten",
    "measurements": "measured",
    "alerts": "alert raised or changed",
    "deliveries": "alert sent on",
    "silences": "silenced",
    "incidents": "incident worked on",
    "ticks": "step ticked",
    "decisions": "decided",
    "approvals": "signed",
    "notes": "remarked",
    "runs": "run",
    "retrain_decisions": "retraining considered",
    "replays": "replayed",
    "data_requests": "data asked for",
}


def loop_page(facts: LoopFacts, frame: Frame) -> str:
    """The page as HTML."""
    words = frame.words
    stages = _stages(facts, words)
    return render(
        "loop.html",
        frame,
        section="loop",
        commands=("rondo history", "rondo plan"),
        facts=facts,
        headline=_headline(facts, words),
        lede=_lede(facts, words),
        centre=_centre(facts, words),
        stages=list(zip(stages, LABELS, SIDES, strict=True)),
        notes=notes(stages, facts.now),
        around_again=facts.next.need in ("stale", "due"),
        next_sentence=_next(facts.next, words),
        requirements=[
            (line, *held(line, words, higher_is_better=facts.higher_is_better))
            for line in (facts.gate.requirements if facts.gate else ())
        ],
        gate_name=model_version(facts.gate.name, facts.gate.version) if facts.gate else None,
        rounds=_rounds(facts, frame),
        weeks=_weeks(facts),
        marks=MARKS,
        happened=HAPPENED,
    )


def _blocked(facts: LoopFacts) -> list[str]:
    return [table.name for table in facts.tables if table.state == "blocked"]


def _production(facts: LoopFacts) -> str | None:
    return model_version(facts.deployment.name, facts.deployment.version) if facts.deployment else None


def _headline(facts: LoopFacts, words: Language) -> Markup:
    blocked, production, need = _blocked(facts), _production(facts), facts.next.need
    if facts.alerts:
        rule = words.known(facts.alerts[0].name)
        return words.count("One alert is open: {rule}", "{n} alerts are open", len(facts.alerts), rule=rule)
    if blocked:
        return words.count("{name} is held back", "{n} tables are held back", len(blocked), name=blocked[0])
    if need == "failed":
        return words.say("A step did not work")
    if not any(table.version for table in facts.tables):
        return words.say("Nothing has been loaded yet")
    if not facts.versions:
        return words.say("The data is ready")
    newest = facts.versions[-1].name
    if need in ("gate_failed", "gate_undecided") and newest != production:
        said = "{version} did not pass its gate" if need == "gate_failed" else "{version} is undecided at its gate"
        return words.say(said, version=newest)
    if production is None:
        return words.say("{version} is ready, nothing is in production", version=newest)
    if need in ("stale", "due"):
        return words.say("{version} is at work, and due to be trained again", version=production)
    return words.say("{version} is at work, nothing is waiting", version=production)


def _lede(facts: LoopFacts, words: Language) -> Markup:
    sentences = [Markup("{}").format(facts.summary)] if facts.summary else []
    production = _production(facts)
    if production is not None:
        share = words.count(
            "{version} has given one answer", "{version} has given {n} answers", facts.predictions,
            version=Markup("<strong>{}</strong>").format(production),
        )  # fmt: skip
        measured = [window for window in facts.windows if window.value is not None]
        if measured:
            last = measured[-1]
            share += words.say(
                "; its {metric} in the last window measured is {value} {interval} over {rows} outcomes",
                metric=last.metric, value=words.number(last.value), rows=words.whole(last.matured),
                interval=Markup('<span class="ci">[{}]</span>').format(words.interval(last.low, last.high)),
            )  # fmt: skip
        sentences.append(share + ".")
    return Markup(" ").join(sentences)


def _centre(facts: LoopFacts, words: Language) -> tuple[Markup, str, Markup, Markup | None]:
    """The middle of the ring: label, name, a line, and the reason to go round again."""
    production = _production(facts)
    rounds = words.say("Round {n}", n=max(1, len(facts.versions)))
    again = None
    if facts.next.need in ("stale", "due"):
        again = words.say("one reason to go back to A")
    if production is None:
        newest = facts.versions[-1].name if facts.versions else facts.project
        return rounds, newest, words.say("nothing in production"), again
    since = words.day(facts.deployed_at) if facts.deployed_at else ""
    return rounds, production, words.say("in production since {day}", day=since), again


def _stages(facts: LoopFacts, words: Language) -> list[Stage]:
    sources = [table for table in facts.tables if table.stage == "source"]
    tables = [table for table in facts.tables if table.stage == "table"]
    return [
        _rows(words.say("sources"), sources, facts, words),
        _rows(words.say("tables"), tables, facts, words),
        _dataset(facts, words),
        _model(facts, words),
        _gate(facts, words),
        _deployment(facts, words),
        _monitoring(facts, words),
    ]


def _rows(name: Markup, tables: list[TableFacts], facts: LoopFacts, words: Language) -> Stage:
    built = [table for table in tables if table.version]
    held = [table.name for table in tables if table.state == "blocked"]
    checks, failed = sum(table.checks for table in tables), sum(table.checks_failed for table in tables)
    if not built and not held:
        nothing = words.say("not built yet") if tables else words.say("none declared")
        return Stage(name, "idle", nothing, (), None, "/tables")
    stale = {name for alert in facts.alerts if alert.name == STALE for name in alert.about}
    silent = [table.name for table in built if table.name in stale]
    mark: Mark = "bad" if held else "warn" if failed or silent else "good"
    headline = words.say("{n} ready", n=len(built))
    if silent:
        headline = words.say("{n} fresh, {silent} silent", n=len(built) - len(silent), silent=len(silent))
    if held:
        headline = words.say("{n} ready, {held} held back", n=len(tables) - len(held), held=len(held))
    told = words.count("{n} check", "{n} checks", checks)
    if failed:
        told += words.say(", {n} failing", n=failed)
    rows = words.count("{n} row", "{n} rows", sum(table.rows or 0 for table in built))
    changed = max((table.at for table in built if table.at), default=None)
    return Stage(name, mark, headline, (rows + ", " + told, _when(changed, words)), changed, "/tables")


def _dataset(facts: LoopFacts, words: Language) -> Stage:
    name, dataset = words.say("dataset"), facts.dataset
    if dataset is None:
        return Stage(name, "idle", words.say("not frozen yet"), (), None, "/models")
    features = words.count("{n} feature, as known when asked", "{n} features, as known when asked", dataset.features)
    headline = words.count("{n} example", "{n} examples", dataset.rows)
    return Stage(name, "good", headline, (features, _when(dataset.at, words)), dataset.at, "/models")


def _model(facts: LoopFacts, words: Language) -> Stage:
    name = words.say("model")
    if not facts.versions:
        return Stage(name, "idle", words.say("not trained yet"), (), None, "/models")
    newest = facts.versions[-1]
    tried = words.count("{n} candidate", "{n} candidates", newest.candidates) if newest.candidates else Markup()
    if newest.figure is not None and newest.figure.value is not None:
        tried += Markup(", " if tried else "") + f"{newest.metric} {words.number(newest.figure.value)}"
    headline = words.say("{version} trained", version=newest.name)
    return Stage(
        name, "good", headline, (tried, _when(newest.at, words)), newest.at, "/models/" + newest.name.replace("@", "/")
    )


def _gate(facts: LoopFacts, words: Language) -> Stage:
    name, gate = words.say("gate"), facts.gate
    if gate is None:
        nothing = words.say("no requirements") if facts.versions else words.say("not held yet")
        return Stage(name, "idle", nothing, (), None, "#requirements")
    passed = sum(line.state == "passed" for line in gate.requirements)
    asked = sum(line.state not in ("not_applicable", "unexamined") for line in gate.requirements)
    version = model_version(gate.name, gate.version)
    headline = words.say("{version}: {passed} of {asked} passed", version=version, passed=passed, asked=asked)
    prd = Markup("{}").format(gate.prd or "")
    return Stage(name, MARKS[gate.state], headline, (prd, _when(facts.gate_at, words)), facts.gate_at, "#requirements")


def _deployment(facts: LoopFacts, words: Language) -> Stage:
    name, production = words.say("deployment"), _production(facts)
    if production is None:
        return Stage(name, "idle", words.say("nothing in production"), (), None, "/live")
    answers = words.count("{n} answer", "{n} answers", facts.predictions)
    if facts.latency_p99_ms is not None:
        answers += words.say(", 99 of 100 within {ms} ms", ms=f"{facts.latency_p99_ms:.3g}")
    headline = words.say("{version} in production", version=production)
    return Stage(name, "good", headline, (answers, _when(facts.deployed_at, words)), facts.deployed_at, "/live")


def _monitoring(facts: LoopFacts, words: Language) -> Stage:
    name = words.say("monitoring")
    if facts.measured_at is None:
        return Stage(name, "idle", words.say("not measured yet"), (), None, "/live")
    critical = any(alert.severity == "critical" for alert in facts.alerts)
    mark: Mark = "bad" if critical else "warn" if facts.alerts else "good"
    headline = (
        words.count("{n} alert open", "{n} alerts open", len(facts.alerts))
        if facts.alerts
        else words.count("{n} week measured", "{n} weeks measured", len(facts.windows))
    )
    outcomes = words.count("{n} outcome", "{n} outcomes", facts.outcomes)
    lines = (outcomes, _when(facts.measured_at, words))
    return Stage(name, mark, headline, lines, facts.measured_at, "/incidents" if facts.alerts else "/live")


def _when(at: datetime | None, words: Language) -> Markup:
    return Markup("{}").format(words.moment(at)) if at else Markup()


def _next(step: Step, words: Language) -> Markup:
    if step.need == "alert":
        return coded(step.about)
    said = {
        "blocked": "{about} is held at its last good version: a check said no.",
        "failed": "{about} could not be built.",
        "stale": "A definition that {about} stands on has changed: train it again.",
        "due": "New data has come for {about}: its policy says to train it again.",
        "gate_failed": "{about} does not meet a requirement: see which, then mend the model or change the document.",
        "gate_undecided": "{about} is undecided on a requirement: a person may answer for it.",
        "not_deployed": "{about} passed its gate and is not at work.",
        "nothing": "Nothing is waiting.",
    }
    return words.say(said[step.need], about=Markup("<b>{}</b>").format(step.about))


def _rounds(facts: LoopFacts, frame: Frame) -> Chart | None:
    """The rounds so far, a track for each part: what happened, how well it was answered, what was at work."""
    words = frame.words
    quality = points_of(facts.windows)
    if not quality or facts.model is None:
        return None
    metric = facts.windows[-1].metric
    shares = points_of(facts.positive_shares)
    limit = next((window.limit for window in reversed(facts.windows) if window.basis == "declared"), None)
    tracks = [Track(quality, metric, limit=limit)]
    told = words.say("B: {metric} of the model in production, by week, with its 95 % interval.", metric=metric)
    if shares:
        tracks.insert(
            0, Track(shares, str(words.say("share of {positive}", positive=facts.positive or "")), percent=True)
        )
        told = (
            words.say("A: share of {positive} among the outcomes, by week.", positive=facts.positive or "") + " " + told
        )
    told += Markup(" ") + words.say("C: what was at work.")
    title = words.say("The rounds, one track for each part of the loop")
    return chart(frame, tracks_over_time(tracks, words), "rounds", title=title, subtitle=told, spoken=str(title))


def _weeks(facts: LoopFacts) -> list[tuple[Measurement, float | None]]:
    """The numbers of the chart, newest first: a week of quality and the share of positives in it."""
    shares = {window.start: window.value for window in facts.positive_shares}
    return [(window, shares.get(window.start)) for window in reversed(facts.windows)]
