"""The models page: every model as it stands, and all versions of one on all test sets."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from rondo.handbook.models import Judgement, ModelsFacts, ModelStanding, VersionLine
from rondo.language.words import NONE, Language
from rondo.pages.frame import Frame
from rondo.pages.plots import local
from rondo.pages.rendering import render
from rondo.pages.requirements import MARKS
from rondo.pages.vega import Chart, chart

TINTS = 5
"""Steps of the heat table's ground."""
OWN = "test"


def models_page(facts: ModelsFacts, frame: Frame) -> str:
    """The page as HTML."""
    words = frame.words
    return render(
        "models.html",
        frame,
        section="models",
        commands=(f"rondo evaluate {facts.shown} --all",) if facts.shown else ("rondo run",),
        facts=facts,
        headline=_headline(facts, words),
        lede=_lede(facts, words),
        asked=_asked,
        marks=MARKS,
        tints=_tints(facts),
        history=_history(facts, frame),
        own=OWN,
        told=_told,
    )


def _headline(facts: ModelsFacts, words: Language) -> Markup:
    if not facts.models:
        return words.say("No model is declared")
    working = [each for each in facts.models if each.production]
    if len(facts.models) == 1:
        only = facts.models[0]
        if only.production is not None:
            return words.say("{version} is in production", version=only.production.version)
        if only.newest is not None:
            return words.say("{version} is ready, nothing is in production", version=only.newest)
        return words.say("{name} has not been trained yet", name=only.name)
    return words.say("{n} models, {working} at work", n=len(facts.models), working=len(working))


def _lede(facts: ModelsFacts, words: Language) -> Markup:
    if not facts.models:
        return words.say("A model is a few lines of Python in {file}: which examples, which features, which split.",
                         file="models/NAME.py")  # fmt: skip
    shown = next(each for each in facts.models if each.name == facts.shown)
    if not shown.versions:
        return words.say("Its declaration stands in {file}; the next run trains it.", file="models/")
    told = words.count("{name} has one version", "{name} has {n} versions", shown.versions, name=shown.name)
    if shown.figure is not None:
        told += words.say(
            "; the newest reached {metric} {figure} on its test split ({n} rows)", metric=shown.metric,
            figure=words.figure(shown.figure), n=words.whole(shown.figure.n),
        )  # fmt: skip
    told += Markup(". ")
    if shown.live is not None and shown.production is not None:
        told += words.say(
            "In its last week measured, production answered with {value} ({interval}, {n} outcomes).",
            value=words.number(shown.live.value), interval=words.interval(shown.live.low, shown.live.high),
            n=words.whole(shown.live.n),
        )  # fmt: skip
    return told


def _asked(model: ModelStanding, words: Language) -> Markup:
    """What a model is asked, in a few words."""
    if model.task == "binary":
        if model.positive in (None, "True"):
            return words.say("{label}: yes or no", label=model.label)
        return words.say("{label}: {positive} or not", label=model.label, positive=model.positive)
    if model.task == "multiclass":
        return words.say("which {label}", label=model.label)
    return words.say("how much {label}", label=model.label)


def _tints(facts: ModelsFacts) -> list[list[int]]:
    """How deep each cell's ground is, 0 to 4: its place between the least and the greatest of its column, the better
    the deeper; -1 without a value, and for test splits, whose rows differ.
    """
    if not facts.versions:
        return []
    columns = list(zip(*(line.judged for line in facts.versions), strict=True))
    placed = [
        [-1] * len(column) if name == OWN else _column(column, facts.higher_is_better)
        for name, column in zip(facts.testsets, columns, strict=True)
    ]
    return [list(row) for row in zip(*placed, strict=True)]


def _column(column: tuple[Judgement, ...], higher_is_better: bool) -> list[int]:
    values = [each.figure.value if each.figure else None for each in column]
    known = [value for value in values if value is not None]
    if not known:
        return [-1] * len(column)
    low, high = min(known), max(known)

    def place(value: float | None) -> int:
        if value is None:
            return -1
        share = (value - low) / (high - low) if high > low else 0.5
        return round((TINTS - 1) * (share if higher_is_better else 1 - share))

    return [place(value) for value in values]


def _told(judgement: Judgement, words: Language) -> Markup:
    """A cell of the heat table: value, interval, rows."""
    figure = judgement.figure
    if figure is None or figure.value is None:
        return Markup(NONE)
    told = Markup('{} <span class="ci">{}</span>').format(
        words.number(figure.value), words.interval(figure.low, figure.high)
    )
    return told + Markup('<br><span class="ci">{}</span>').format(words.count("one row", "{n} rows", figure.n))


def _history(facts: ModelsFacts, frame: Frame) -> Chart | None:
    """Each version's metric on its own test split, and on the others, over the days the version was made."""
    words = frame.words
    values: list[dict[str, Any]] = [
        {"at": local(line.made, words), "value": figure.value, "low": figure.low, "high": figure.high,
         "version": line.version, "live": "production" in line.roles}
        for line in facts.versions
        for figure in [_own(line)]
        if figure is not None and figure.value is not None
    ]  # fmt: skip
    if len(values) < 2:
        return None
    ends = [value for each in values for value in (each["value"], each["low"], each["high"]) if value is not None]
    months = "timeFormat(datum.value, '%b %Y')"
    if words.code == "ko":
        months = "year(datum.value) + '년 ' + (month(datum.value) + 1) + '월'"
    x = {
        "field": "at",
        "type": "temporal",
        "axis": {"title": None, "labelExpr": months, "tickCount": {"interval": "month", "step": 1}},
    }
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False, "domain": [min(ends), max(ends)]},
         "axis": {"title": facts.metric}}  # fmt: skip
    colour = {"condition": {"test": "datum.live", "value": "#3441b4"}, "value": "#888991"}
    known = [each for each in values if each["low"] is not None]
    layers: list[dict[str, Any]] = [
        {"data": {"values": known}, "mark": {"type": "rule", "strokeWidth": 1.5},
         "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour}},
        {"mark": {"type": "point", "opacity": 1}, "encoding": {"x": x, "y": y, "color": colour}},
    ]  # fmt: skip
    if len(values) <= 16:
        text = {"field": "version", "type": "nominal"}
        layers.append(
            {"mark": {"type": "text", "align": "left", "dx": 6, "dy": -6}, "encoding": {"x": x, "y": y, "text": text}}
        )
    title = words.count("One version on its own test split", "{n} versions, each on its own test split", len(values))
    told = words.say(
        "{metric} with its 95 % interval, by the day the version was made; blue: in production. The rows differ from "
        "version to version: what is compared on the same rows stands in the table above.",
        metric=facts.metric,
    )  # fmt: skip
    spec = {"data": {"values": values}, "width": 700, "height": 220, "layer": layers}
    return chart(frame, spec, "evaluations", title=title, subtitle=told, spoken=str(title))


def _own(line: VersionLine) -> Any:
    return next((each.figure for each in line.judged if each.testset == OWN), None)
