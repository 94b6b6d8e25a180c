"""The loop page: how things stand, stage by stage, and the one thing to do next."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup

from rondo.errors import DeclarationError
from rondo.handbook.facts import Change, LoopFacts, Step, TableFacts, VersionFacts
from rondo.language.words import Language
from rondo.pages.charts import whisker
from rondo.pages.frame import Frame
from rondo.pages.plots import Point, over_time
from rondo.pages.rendering import render
from rondo.pages.ring import LABELS, SIDES, Mark, Stage, notes
from rondo.pages.vega import Chart, chart
from rondo.project.requirements import parse_requirement
from rondo.records.development import RequirementResult, State
from rondo.records.versions import model_version

__all__ = ["Change", "LoopFacts", "Step", "TableFacts", "VersionFacts", "loop_page"]

MARKS: dict[State, Mark] = {
    "passed": "good",
    "failed": "bad",
    "undecided": "open",
    "unexamined": "idle",
    "not_applicable": "idle",
}
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
    "decisions": "decided",
    "approvals": "signed",
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
        requirements=[(line, *_held(line, facts, words)) for line in (facts.gate.requirements if facts.gate else ())],
        table_marks=[(table, *_table_state(table, words)) for table in facts.tables],
        gate_name=model_version(facts.gate.name, facts.gate.version) if facts.gate else None,
        chart=_chart(facts, frame),
        marks=MARKS,
        happened=HAPPENED,
    )


def _blocked(facts: LoopFacts) -> list[str]:
    return [table.name for table in facts.tables if table.state == "blocked"]


def _production(facts: LoopFacts) -> str | None:
    return model_version(facts.deployment.name, facts.deployment.version) if facts.deployment else None


def _headline(facts: LoopFacts, words: Language) -> Markup:
    held, production, need = _blocked(facts), _production(facts), facts.next.need
    if held:
        return words.count("{name} is held back", "{n} tables are held back", len(held), name=held[0])
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
        return Stage(name, "idle", nothing, (), None, "#data")
    mark: Mark = "bad" if held else "warn" if failed else "good"
    headline = (
        words.say("{n} ready, {held} held back", n=len(tables) - len(held), held=len(held))
        if held
        else words.say("{n} ready", n=len(built))
    )
    told = words.count("{n} check", "{n} checks", checks)
    if failed:
        told += words.say(", {n} failing", n=failed)
    rows = words.count("{n} row", "{n} rows", sum(table.rows or 0 for table in built))
    changed = max((table.at for table in built if table.at), default=None)
    return Stage(name, mark, headline, (rows + ", " + told, _when(changed, words)), changed, "#data")


def _dataset(facts: LoopFacts, words: Language) -> Stage:
    name, dataset = words.say("dataset"), facts.dataset
    if dataset is None:
        return Stage(name, "idle", words.say("not frozen yet"), (), None, "#versions")
    features = words.count("{n} feature, as known when asked", "{n} features, as known when asked", dataset.features)
    headline = words.count("{n} example", "{n} examples", dataset.rows)
    return Stage(name, "good", headline, (features, _when(dataset.at, words)), dataset.at, "#versions")


def _model(facts: LoopFacts, words: Language) -> Stage:
    name = words.say("model")
    if not facts.versions:
        return Stage(name, "idle", words.say("not trained yet"), (), None, "#versions")
    newest = facts.versions[-1]
    tried = words.count("{n} candidate", "{n} candidates", newest.candidates) if newest.candidates else Markup()
    if newest.figure is not None and newest.figure.value is not None:
        tried += Markup(", " if tried else "") + f"{newest.metric} {words.number(newest.figure.value)}"
    headline = words.say("{version} trained", version=newest.name)
    return Stage(name, "good", headline, (tried, _when(newest.at, words)), newest.at, "#versions")


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
        return Stage(name, "idle", words.say("nothing in production"), (), None, "#live")
    answers = words.count("{n} answer", "{n} answers", facts.predictions)
    if facts.latency_p99_ms is not None:
        answers += words.say(", 99 of 100 within {ms} ms", ms=f"{facts.latency_p99_ms:.3g}")
    headline = words.say("{version} in production", version=production)
    return Stage(name, "good", headline, (answers, _when(facts.deployed_at, words)), facts.deployed_at, "#live")


def _monitoring(facts: LoopFacts, words: Language) -> Stage:
    name = words.say("monitoring")
    if facts.measured_at is None:
        return Stage(name, "idle", words.say("not measured yet"), (), None, "#live")
    out = sum(window.state == "out" for window in facts.windows)
    headline = (
        words.count("{n} window out of bounds", "{n} windows out of bounds", out)
        if out
        else words.count("{n} window measured", "{n} windows measured", len(facts.windows))
    )
    outcomes = words.count("{n} outcome", "{n} outcomes", facts.outcomes)
    lines = (outcomes, _when(facts.measured_at, words))
    return Stage(name, "warn" if out else "good", headline, lines, facts.measured_at, "#live")


def _when(at: datetime | None, words: Language) -> Markup:
    return Markup("{}").format(words.moment(at)) if at else Markup()


def _next(step: Step, words: Language) -> Markup:
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


def _table_state(table: TableFacts, words: Language) -> tuple[Mark, Markup]:
    if table.state == "blocked":
        return "bad", words.say("held back")
    if table.version is None:
        return "idle", words.say("not built yet")
    if table.state == "quarantined":
        return "warn", words.count("{n} row set aside", "{n} rows set aside", table.quarantined)
    if table.state == "warned":
        return "warn", words.count("{n} check failing", "{n} checks failing", table.checks_failed)
    return "good", words.say("passed")


def _held(line: RequirementResult, facts: LoopFacts, words: Language) -> tuple[Markup, Markup | None, Markup]:
    """A requirement's value with its bounds, its plot (None without a value) and its state in words."""
    state = words.say(line.state.replace("_", " "))
    if line.signed_by:
        state = words.say("signed by {who}", who=line.signed_by)
    binding = next((piece for piece in line.slices or () if piece.value == line.value is not None), None)
    if binding is not None:
        state += Markup(' <span class="ci">{}</span>').format(binding.is_)
    above = _allowed_above(line, facts)
    written = Markup('{} <span class="ci">{}</span>').format(
        words.number(line.value, signed=above is None),
        "" if line.low == line.high else words.interval(line.low, line.high, signed=above is None),
    )
    if line.value is None or line.limit is None:
        return written, None, state
    name = words.say("{value}, limit {limit}", value=words.number(line.value), limit=f"{line.limit:g}")
    above = facts.higher_is_better if above is None else above
    mark = "ink" if line.state == "undecided" else MARKS[line.state]
    return written, whisker(line.value, line.low, line.high, line.limit, above=above, state=mark, name=str(name)), state


def _allowed_above(line: RequirementResult, facts: LoopFacts) -> bool | None:
    """Whether a line allows values above its limit; None for a difference, where the metric's direction decides."""
    try:
        parsed = parse_requirement(line.text)
    except DeclarationError:
        return facts.higher_is_better  # a line of an older document, which the grammar of today no longer reads
    return parsed.comparison == ">=" if parsed.kind == "metric" else None


def _chart(facts: LoopFacts, frame: Frame) -> Chart | None:
    name, words = facts.model, frame.words
    points = [
        Point(
            window.end, window.value, window.low, window.high,
            model_version(window.name, window.model_version) if window.model_version else None,
        )
        for window in facts.windows
        if window.value is not None
    ]  # fmt: skip
    if not points or name is None:
        return None
    metric = next(window.metric for window in facts.windows if window.value is not None)
    title = words.say("{metric} of {model} a window, with its 95 % interval", metric=metric, model=name)
    limit = next((window.limit for window in reversed(facts.windows) if window.limit is not None), None)
    below = words.say("Below: the version that was at work.")
    return chart(frame, over_time(points, words, limit=limit), "rounds", title=title, subtitle=below, spoken=str(title))
