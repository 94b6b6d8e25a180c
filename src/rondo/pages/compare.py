"""The comparison of two versions: paired differences, slices, days, and what differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from rondo.handbook.compared import ComparedFacts, Side
from rondo.language.words import NONE, Language
from rondo.pages.actions import Action
from rondo.pages.charts import whisker
from rondo.pages.curves import ACCENT, SECOND, calibration_plot, two_histograms
from rondo.pages.frame import Frame
from rondo.pages.plots import WIDTH
from rondo.pages.rendering import render
from rondo.pages.ring import Mark
from rondo.pages.vega import Chart, chart
from rondo.records.development import Comparison, PairedFigure

Spec = dict[str, Any]
OWN = "test"


@dataclass(frozen=True)
class MetricLine:
    """A metric of both, as its row shows it."""

    name: str
    better: Markup
    a: Markup
    b: Markup
    difference: Markup
    plot: Markup | None
    mark: Mark
    verdict: Markup


def compare_page(facts: ComparedFacts, frame: Frame) -> str:
    """The page as HTML."""
    words = frame.words
    made = facts.comparison
    return render(
        "compare.html",
        frame,
        section="compare",
        commands=(facts.command,),
        facts=facts,
        headline=_headline(facts, words),
        lede=_lede(facts, words),
        lines=_lines(facts, words),
        slices=_slices_chart(facts, frame) if made else None,
        days=_days_chart(facts, frame) if made else None,
        shapes=_shapes(facts, frame),
        split=_split(made, words) if made else [],
        in_production=_in_production,
        own=OWN,
        action=_action(facts, words),
    )


def _headline(facts: ComparedFacts, words: Language) -> Markup:
    if facts.a is None:
        return words.say("There is no version to compare")
    if facts.b is None:
        return words.say("{version} is the only version", version=facts.a.version)
    made = facts.comparison
    if made is None:
        return words.say("{a} and {b} have not been compared on these rows", a=facts.a.version, b=facts.b.version)
    if made.verdict == "undecided":
        return words.say("Between {a} and {b} the rows do not decide", a=facts.a.version, b=facts.b.version)
    better, worse = (facts.a, facts.b) if made.verdict == "a" else (facts.b, facts.a)
    return words.say("{better} is better than {worse}", better=better.version, worse=worse.version)


def _lede(facts: ComparedFacts, words: Language) -> Markup:
    made = facts.comparison
    if facts.a is None or facts.b is None:
        return words.say("A comparison needs two versions of one model.")
    if made is None and facts.elsewhere:
        first = facts.elsewhere[0]
        return words.say(
            "On {other} they were: {metric} differs by {difference} ({interval}, {rows} rows). The command below "
            "scores both on these rows as well.",
            other=words.say("the test split of A") if first.on == OWN else first.on, metric=facts.metric,
            difference=words.number(first.figure.difference, signed=True), rows=words.whole(first.rows),
            interval=words.interval(first.figure.low, first.figure.high, signed=True),
        )  # fmt: skip
    if made is None:
        return words.say(
            "The command below scores both on the same rows, draws whole days, and remembers what it found."
        )
    figure = made.metrics.get(facts.metric)
    where = words.say("On its test split") if facts.on == OWN else words.say("On the test set {name}", name=facts.on)
    if facts.live:
        where = words.say("On the answers of {month}", month=facts.on)
    if figure is None or figure.difference is None:
        return where + words.say(", {rows} rows, {metric} is not defined.", rows=words.whole(made.rows),
                                 metric=facts.metric)  # fmt: skip
    told = words.say(
        ", {rows} rows, {metric} is {a} for {first} and {b} for {second}: a difference of {difference} ({interval}).",
        rows=words.whole(made.rows), metric=facts.metric, a=words.number(figure.a), b=words.number(figure.b),
        first=Markup("<strong>{}</strong>").format(facts.a.version),
        second=Markup("<strong>{}</strong>").format(facts.b.version),
        difference=Markup("<strong>{}</strong>").format(words.number(figure.difference, signed=True)),
        interval=words.interval(figure.low, figure.high, signed=True),
    )  # fmt: skip
    seen = [
        words.say("{version} was trained on {n} of these rows: there it is judged on what it knows.", version=version,
                  n=words.whole(rows))
        for version, rows in made.seen.items()
    ]  # fmt: skip
    return Markup(" ").join([where + told, *seen])


def _lines(facts: ComparedFacts, words: Language) -> list[MetricLine]:
    made = facts.comparison
    return [] if made is None else [_line(name, figure, facts, words) for name, figure in made.metrics.items()]


def _line(name: str, figure: PairedFigure, facts: ComparedFacts, words: Language) -> MetricLine:
    judged = facts.metrics.get(name)
    higher = judged.higher_is_better if judged else True
    better = words.say("higher is better") if higher else words.say("lower is better")
    a, b = Markup(words.number(figure.a)), Markup(words.number(figure.b))
    if figure.difference is None:
        return MetricLine(name, better, a, b, Markup(NONE), None, "idle", words.say("not defined"))
    told = Markup('{} <span class="ci">{}</span>').format(
        words.number(figure.difference, signed=True), words.interval(figure.low, figure.high, signed=True)
    )
    decided = _decided(figure, higher)
    mark: Mark = "open" if decided is None else "good" if decided else "bad"
    verdict = words.say("undecided") if decided is None else _better(decided, facts, words)
    spoken = words.plain(
        "{name}: difference {difference}", name=name, difference=words.number(figure.difference, signed=True)
    )
    plot = whisker(
        figure.difference, figure.low, figure.high, 0.0, above=higher, state="ink" if decided is None else mark,
        name=spoken,
    )  # fmt: skip
    return MetricLine(name, better, a, b, told, plot, mark, verdict)


def _decided(figure: PairedFigure, higher_is_better: bool) -> bool | None:
    """Whether the interval says that `a` is better; None while it holds zero."""
    if figure.low is None or figure.high is None or figure.low <= 0 <= figure.high:
        return None
    return (figure.low > 0) == higher_is_better


def _better(first: bool, facts: ComparedFacts, words: Language) -> Markup:
    side = facts.a if first else facts.b
    assert side is not None
    return words.say("{version} is better", version=side.version)


def _slices_chart(facts: ComparedFacts, frame: Frame) -> Chart | None:
    """The difference by slice with simultaneous intervals, the side where `a` is better shaded."""
    made, words = facts.comparison, frame.words
    assert made is not None and facts.a is not None and facts.b is not None
    higher = facts.metrics[facts.metric].higher_is_better if facts.metric in facts.metrics else True
    values: list[Spec] = []
    counted: dict[bool | None, int] = {True: 0, False: 0, None: 0}
    for part in made.slices:
        figure = part.metrics.get(facts.metric)
        if figure is None or figure.difference is None:
            continue
        decided = _decided(figure, higher)
        counted[decided] += 1
        values.append(
            {"slice": f"{part.by} = {NONE if part.is_ is None else part.is_}", "value": figure.difference,
             "low": figure.low, "high": figure.high, "decided": decided is not None, "zero": 0}
        )  # fmt: skip
    if not values:
        return None
    ends: list[float] = [
        0.0,
        *(end for each in values for end in (each["value"], each["low"], each["high"]) if end is not None),
    ]
    low, high = min(ends), max(ends)
    pad = 0.04 * (high - low) or 0.1
    told = words.say(
        "{metric}, {a} − {b}, on the same rows. Intervals are 95 % and hold for all slices at once. Black: undecided. "
        "Shaded: {a} is better.",
        metric=facts.metric, a=facts.a.version, b=facts.b.version,
    )  # fmt: skip
    title = words.say("Better in {better} of {n} slices, worse in {worse}", better=counted[True], n=len(values),
                      worse=counted[False])  # fmt: skip
    spec = _differences_by_slice(values, (low - pad, high + pad), higher)
    return chart(frame, spec, "by-slice", title=title, subtitle=told, spoken=str(title))


def _differences_by_slice(values: list[Spec], domain: tuple[float, float], higher_is_better: bool) -> Spec:
    x = {"field": "value", "type": "quantitative", "scale": {"domain": list(domain), "nice": False},
         "axis": {"title": None, "format": "+.3~f", "grid": True}}  # fmt: skip
    y = {"field": "slice", "type": "nominal", "sort": None, "axis": {"title": None, "grid": False, "labelLimit": 180}}
    colour = {"condition": {"test": "datum.decided", "value": ACCENT}, "value": "#1d1e22"}
    side = [{"from": 0, "to": domain[1]}] if higher_is_better else [{"from": domain[0], "to": 0}]
    known = [each for each in values if each["low"] is not None and each["high"] is not None]
    return {
        "width": WIDTH - 190,
        "height": 24 * len(values),
        "layer": [
            {"data": {"values": side}, "mark": {"type": "rect", "color": "#d3d0c9", "opacity": 0.5},
             "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "to"}}},
            {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule"}, "encoding": {"x": {**x, "field": "zero"}}},
            {"data": {"values": known}, "mark": {"type": "rule", "strokeWidth": 1.5},
             "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour}},
            {"data": {"values": values}, "mark": {"type": "point", "opacity": 1},
             "encoding": {"x": x, "y": y, "color": colour}},
        ],
    }  # fmt: skip


def _days_chart(facts: ComparedFacts, frame: Frame) -> Chart | None:
    """The metric of both, day by day."""
    made, words = facts.comparison, frame.words
    assert made is not None and facts.a is not None and facts.b is not None
    both = [each for each in made.days if each.a is not None and each.b is not None]
    if len(both) < 3:
        return None
    values = [
        {"at": each.day.isoformat(), "value": value, "who": who}
        for each in both
        for who, value in (("a", each.a), ("b", each.b))
    ]
    ahead = sum((each.a or 0.0) > (each.b or 0.0) for each in both)
    if facts.metric in facts.metrics and not facts.metrics[facts.metric].higher_is_better:
        ahead = sum((each.a or 0.0) < (each.b or 0.0) for each in both)
    x = {"field": "at", "type": "temporal", "timeUnit": "yearmonthdate",
         "axis": {"title": None, "format": "%-d.%-m." if words.code == "ko" else "%-d %b", "tickCount": 8}}  # fmt: skip
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False}, "axis": {"title": facts.metric}}
    layers: list[Spec] = []
    last = both[-1]
    for who, colour, name, value in (
        ("b", SECOND, facts.b.version, last.b), ("a", ACCENT, facts.a.version, last.a)
    ):  # fmt: skip
        rows = [each for each in values if each["who"] == who]
        layers.append(
            {"data": {"values": rows}, "mark": {"type": "line", "color": colour}, "encoding": {"x": x, "y": y}}
        )
        above = (value or 0.0) >= ((last.b if who == "a" else last.a) or 0.0)
        named = {"type": "text", "align": "left", "dx": 8, "dy": -7 if above else 7, "color": "#55565d"}
        named |= {"color": ACCENT, "fontWeight": 600} if who == "a" else {}
        end = [{"at": last.day.isoformat(), "value": value, "name": name}]
        text = {"field": "name", "type": "nominal"}
        layers.append({"data": {"values": end}, "mark": named, "encoding": {"x": x, "y": y, "text": text}})
    title = words.say("{a} is ahead on {n} of {days} days", a=facts.a.version, n=ahead, days=len(both))
    told = words.say("{metric} of both on the rows of each day.", metric=facts.metric)
    spec = {"width": WIDTH - 110, "height": 190, "layer": layers}
    return chart(frame, spec, "by-day", title=title, subtitle=told, spoken=str(title))


def _shapes(facts: ComparedFacts, frame: Frame) -> list[Chart]:
    """Calibration and scores of both on the same test set; nothing where the rows differ."""
    words = frame.words
    if facts.a is None or facts.b is None or facts.on == OWN:
        return []
    of_a, of_b = facts.a.curves, facts.b.curves
    if of_a is None or of_b is None or not of_a.calibration or not of_b.calibration:
        return []
    classes = bool(of_a.classes)
    spec = calibration_plot(
        {facts.a.version: of_a.calibration, facts.b.version: of_b.calibration},
        x=words.plain("predicted"), y=words.plain("observed"), shares=classes,
    )  # fmt: skip
    title = words.say("Calibration")
    told = words.say("What came true of what was said, in ten equal bins with 95 % intervals.")
    found = [chart(frame, spec, "calibration", title=title, subtitle=told, spoken=str(title))]
    if classes and of_a.scores and of_b.scores:
        scores: Mapping[str, Any] = {facts.a.version: of_a.scores, facts.b.version: of_b.scores}
        title = words.say("Scores")
        spec = two_histograms(scores, x=words.plain("score"), y=words.plain("rows"))
        told = words.say("Rows by score.")
        found.append(chart(frame, spec, "scores", title=title, subtitle=told, spoken=str(title)))
    return found


def _split(made: Comparison, words: Language) -> list[tuple[Markup, Markup, str | None]]:
    """What lies between what was reported of `b` then and `a` now: the change, its part, and why it is not known."""
    if made.split is None:
        return []
    named = {
        "metric": words.say("another metric"),
        "labels": words.say("labels known since"),
        "data": words.say("other rows"),
        "model": words.say("the other version"),
    }
    return [
        (
            named[part.what],
            Markup('{} <span class="ci">{}</span>').format(
                words.number(part.value, signed=True), words.interval(part.low, part.high, signed=True)
            ),
            part.note,
        )
        for part in made.split.parts
    ]


def _in_production(side: Side, words: Language) -> Markup:
    """When a version was in production."""
    if not side.stretches:
        return words.say("never")
    spans = [
        f"{words.day(each.since)} – {words.day(each.until) if each.until else words.say('now')}"
        for each in side.stretches
    ]
    return Markup("{}").format("; ".join(spans))


def _action(facts: ComparedFacts, words: Language) -> Action | None:
    if facts.a is None or facts.b is None or facts.live:
        return None
    label = words.say("Compare again") if facts.comparison else words.say("Compare them now")
    told = (
        words.say("Both versions score the same rows; what is found is remembered, and this page shows it."),
        words.say("It takes some seconds and changes nothing that is at work."),
    )
    values = {"a": facts.a.version, "b": facts.b.version, "on": facts.on}
    return Action("compare", "compare", label, facts.command, values, told)
