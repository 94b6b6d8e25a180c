"""How a version was judged, drawn: candidates, curves, slices, and who bears its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from rondo.handbook.version_detail import SliceFigure, VersionDetail
from rondo.language.words import NONE, Language
from rondo.pages.charts import whisker
from rondo.pages.curves import ACCENT, SECOND, calibration_plot, histogram_plot, line_plot
from rondo.pages.frame import Frame
from rondo.pages.requirements import MARKS
from rondo.pages.vega import Chart, chart
from rondo.records.development import Candidate, Counts, Curves, Evaluation, Figure, Line, Slice

Spec = dict[str, Any]
FEWEST = 4
"""Fewer candidates need no drawing beside their table."""
NAMED = 8
"""At most so many candidates bear their name in the drawing."""


@dataclass(frozen=True)
class Drawn:
    """A drawing with its numbers: the heads of their columns, and rows."""

    chart: Chart
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class SliceLine:
    """A slice as its row shows it."""

    name: str
    rows: int
    figure: Markup
    plot: Markup | None
    mark: str
    word: Markup


@dataclass(frozen=True)
class GroupLine:
    """A group and its rates, each with how far it is from that of all others (None where that is not told)."""

    name: str
    rows: int
    rates: tuple[tuple[Markup, Markup | None], ...]


def candidate_name(candidate: Candidate, words: Language) -> str:
    """What tells a candidate from others: `15 leaves × 300`, or its trainer."""
    leaves, trees = candidate.parameters.get("num_leaves"), candidate.parameters.get("num_iterations")
    if leaves is not None and trees is not None:
        return words.plain("{leaves} leaves × {trees}", leaves=leaves, trees=trees)
    return candidate.trainer


def candidates_chart(detail: VersionDetail, frame: Frame) -> Chart | None:
    """The metric of each candidate over what one row costs to score; None where there are few."""
    words = frame.words
    shown = [each for each in detail.candidates if each.value is not None and each.latency_us is not None]
    if len(shown) < FEWEST:
        return None
    values = [
        {"x": each.latency_us, "y": each.value, "name": candidate_name(each, words) if place < NAMED else "",
         "chosen": each.chosen}
        for place, each in enumerate(shown)
    ]  # fmt: skip
    x = {"field": "x", "type": "quantitative", "axis": {"title": words.plain("scoring one row, µs")}}
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"zero": False, "padding": 14},
        "axis": {"title": shown[0].metric},
    }
    colour = {"condition": {"test": "datum.chosen", "value": ACCENT}, "value": SECOND}
    text = {"condition": {"test": "datum.chosen", "value": ACCENT}, "value": "#1d1e22"}
    spec = {
        "data": {"values": values}, "width": 700, "height": 240, "encoding": {"x": x, "y": y},
        "layer": [
            {"mark": {"type": "point", "opacity": 1}, "encoding": {"color": colour}},
            {"mark": {"type": "text", "dy": -11}, "encoding": {"text": {"field": "name"}, "color": text}},
        ],
    }  # fmt: skip
    title = words.count("One candidate, and it was kept", "{n} candidates, one kept", len(detail.candidates))
    told = words.say(
        "{metric} on the validation split against what scoring one row takes. Blue: {version}.",
        metric=shown[0].metric, version=detail.whole,
    )  # fmt: skip
    return chart(frame, spec, "candidates-chart", title=title, subtitle=told, spoken=str(title))


def curve_charts(detail: VersionDetail, frame: Frame) -> list[Drawn]:
    """The drawings of the test split, each with its numbers; none where they were not kept."""
    if detail.curves is None or detail.evaluation is None:
        return []
    draw = _of_values if detail.task == "regression" else _of_classes
    return list(draw(detail.curves, detail.evaluation, detail, frame))


def _of_classes(curves: Curves, judged: Evaluation, detail: VersionDetail, frame: Frame) -> Iterator[Drawn]:
    words = frame.words
    if curves.roc is not None:
        heads = words.plain("false positive rate"), words.plain("true positive rate")
        told = words.say(
            "What is caught for what is flagged in vain · area {figure}",
            figure=words.figure(judged.metrics.get("roc_auc")),
        )
        spec = line_plot({detail.whole: curves.roc}, x=heads[0], y=heads[1], diagonal=True)
        yield Drawn(_chart(frame, spec, "roc", words.say("ROC"), told), heads, _points(curves.roc, words))
    if curves.calibration:
        yield _calibrated(curves, judged, detail, frame)
    if curves.precision_recall is not None:
        heads = words.plain("recall"), words.plain("precision")
        told = words.say(
            "How many of those flagged are right, as more are caught · area {figure}",
            figure=words.figure(judged.metrics.get("average_precision")),
        )
        line = curves.precision_recall
        spec = line_plot({detail.whole: line}, x=heads[0], y=heads[1], level=_base_rate(curves))
        yield Drawn(
            _chart(frame, spec, "precision-recall", words.say("Precision and recall"), told),
            heads,
            _points(line, words),
        )
    if curves.scores is not None:
        yield _scored(curves.scores, curves.threshold, detail, frame)


def _calibrated(curves: Curves, judged: Evaluation, detail: VersionDetail, frame: Frame) -> Drawn:
    words = frame.words
    heads = words.plain("predicted"), words.plain("observed"), words.plain("rows")
    figure = words.figure(judged.metrics.get("expected_calibration_error"))
    told = words.say("What came true of what was said, in ten equal bins · mean error {figure}", figure=figure)
    spec = calibration_plot({detail.whole: curves.calibration}, x=heads[0], y=heads[1])
    rows = tuple(
        (words.share(each.predicted), _share(each.observed, each.low, each.high, words), words.whole(each.n))
        for each in curves.calibration
    )
    return Drawn(_chart(frame, spec, "calibration", words.say("Calibration"), told), heads, rows)


def _scored(scores: Counts, threshold: float | None, detail: VersionDetail, frame: Frame) -> Drawn:
    words = frame.words
    named = words.plain("flagged from {threshold} on", threshold=f"{threshold or 0.5:g}")
    spec = histogram_plot(scores, x=words.plain("score"), y=words.plain("rows"), threshold=threshold, named=named)
    told = words.say("Rows by score. Blue: those that turned out {outcome}.", outcome=outcome(detail))
    rows = tuple(
        (f"{low:.2f}–{high:.2f}", *(words.whole(counts[place]) for counts in scores.rows.values()))
        for place, (low, high) in enumerate(pairwise(scores.edges))
    )
    heads = (words.plain("score"), *scores.rows)
    return Drawn(_chart(frame, spec, "scores", words.say("Scores"), told), heads, rows)


def _of_values(curves: Curves, judged: Evaluation, detail: VersionDetail, frame: Frame) -> Iterator[Drawn]:
    words = frame.words
    heads: tuple[str, ...] = words.plain("predicted"), words.plain("actual"), words.plain("rows")
    if curves.calibration:
        told = words.say(
            "Mean with its 95 % interval in ten equal bins; grey: eight rows in ten · rmse {figure}",
            figure=words.figure(judged.metrics.get("rmse")),
        )
        spec = calibration_plot({detail.whole: curves.calibration}, x=heads[0], y=heads[1], shares=False)
        rows = tuple(
            (words.number(e.predicted), f"{words.number(e.observed)} {words.interval(e.low, e.high)}", words.whole(e.n))
            for e in curves.calibration
        )
        yield Drawn(_chart(frame, spec, "calibration", words.say("Predicted against actual"), told), heads, rows)
    if curves.scores is not None:
        heads = words.plain("predicted less actual"), words.plain("rows")
        spec = histogram_plot(curves.scores, x=heads[0], y=heads[1], threshold=0.0)
        told = words.say("Rows by how far the answer was off; right of zero it was too high.")
        counts = zip(pairwise(curves.scores.edges), curves.scores.rows.get("", ()), strict=False)
        far = tuple((words.interval(low, high), words.whole(n)) for (low, high), n in counts)
        yield Drawn(_chart(frame, spec, "residuals", words.say("Residuals"), told), heads, far)


def _chart(frame: Frame, spec: Spec, name: str, title: Markup, told: Markup) -> Chart:
    return chart(frame, spec, name, title=title, subtitle=told, spoken=f"{title}: {told.striptags()}")


def _base_rate(curves: Curves) -> float | None:
    """The share of positive rows: the precision of one who flags at random."""
    rows = sum(map(sum, curves.confusion))
    return sum(curves.confusion[-1]) / rows if rows else None


def outcome(detail: VersionDetail) -> str:
    """What a positive label says: the label's name where it is true or false, else its value."""
    return detail.label if detail.positive in (None, "True") else f"{detail.label} = {detail.positive}"


def _points(line: Line, words: Language) -> tuple[tuple[str, ...], ...]:
    """Every fourth point of a curve."""
    rows = list(zip(line.x, line.y, line.low, line.high, strict=True))[::4]
    return tuple((words.share(x), _share(y, low, high, words)) for x, y, low, high in rows)


def _share(value: float | None, low: float | None, high: float | None, words: Language) -> str:
    if value is None:
        return NONE
    between = "" if low is None or high is None else f" ({100 * low:.3g}–{100 * high:.3g})"
    return f"{words.share(value)}{between}"


def slice_lines(detail: VersionDetail, words: Language) -> list[SliceLine]:
    """The slices, drawn on one scale against what the gate asks of them, or against the whole.

    The scale is that of the slices that were examined: the others, smaller and wider, may run out of it.
    """
    whole = detail.figure.value if detail.figure else None
    examined = [each for each in detail.slices if each.state not in (None, "unexamined")] or detail.slices
    known = [
        value
        for each in examined
        for value in (each.value, each.low, each.high, each.limit, whole)
        if value is not None and each.value is not None
    ]
    pad = 0.1 * (max(known) - min(known)) if known else 0.0
    domain = (min(known) - pad, max(known) + pad) if known else None
    return [_slice_line(each, detail, words, whole, domain) for each in detail.slices]


def _slice_line(
    each: SliceFigure, detail: VersionDetail, words: Language, whole: float | None, domain: tuple[float, float] | None
) -> SliceLine:
    name = f"{each.by} = {NONE if each.is_ is None else each.is_}"
    if each.value is None:
        return SliceLine(name, each.rows, Markup(NONE), None, "idle", words.say("unexamined"))
    figure = words.figure(Figure(value=each.value, low=each.low, high=each.high, n=each.rows))
    state = each.state
    limit = each.limit if each.limit is not None else whole
    mark = "ink" if state in (None, "undecided", "unexamined") else MARKS[state]  # type: ignore[index]
    spoken = f"{words.number(each.value)}, {words.interval(each.low, each.high)}"
    above = None if each.limit is None else detail.higher_is_better
    plot = None
    if limit is not None and each.low is not None and each.high is not None:
        plot = whisker(each.value, each.low, each.high, limit, above=above, state=mark, name=spoken, domain=domain)
    if state is None:
        return SliceLine(name, each.rows, figure, plot, "idle", words.say("not asked for"))
    return SliceLine(name, each.rows, figure, plot, MARKS[state], words.say(state))  # type: ignore[index]


OF_ERRORS = ("true_positive_rate", "false_positive_rate")
RATES = ("base_rate", "selection_rate", *OF_ERRORS)


def group_lines(slices: Sequence[Slice], words: Language) -> Mapping[str, list[GroupLine]]:
    """Who bears the errors, by slice column; columns whose groups have no rates are left out."""
    found: dict[str, list[GroupLine]] = {}
    for part in slices:
        if not part.rates:
            continue
        line = GroupLine(
            NONE if part.is_ is None else str(part.is_),
            part.rows,
            tuple(
                (
                    _rate(part.rates.get(name), words, told=name in OF_ERRORS),
                    _gap(part.gaps.get(name), words) if name in OF_ERRORS else None,
                )
                for name in RATES
            ),
        )
        found.setdefault(part.by, []).append(line)
    return found


def _rate(figure: Figure | None, words: Language, *, told: bool) -> Markup:
    """A share in percent with its interval, to a tenth; with the rows it is of, where these are `told`."""
    if figure is None or figure.value is None:
        return Markup(NONE)
    value = Markup("{:.1f}{}").format(100 * figure.value, words.percent)
    of = words.say(" of {n}", n=words.whole(figure.n)) if told else Markup()
    if figure.low is None or figure.high is None:
        return value + of
    between = Markup("{:.1f}–{:.1f}").format(100 * figure.low, 100 * figure.high)
    return value + Markup(' <span class="ci">{}{}</span>').format(between, of)


def _gap(figure: Figure | None, words: Language) -> Markup:
    """A difference in points, bold where its interval is clear of zero."""
    if figure is None or figure.value is None:
        return Markup(NONE)
    told = Markup(f"{100 * figure.value:+.1f}".replace("-", "−"))
    if figure.low is None or figure.high is None:
        return told
    between = words.say("{low} to {high}", low=_points_of(figure.low), high=_points_of(figure.high))
    told = told if figure.low <= 0 <= figure.high else Markup("<b>{}</b>").format(told)
    return told + Markup(' <span class="ci">{}</span>').format(between)


def _points_of(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")
