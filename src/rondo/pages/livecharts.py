"""The charts of a model at work, as Vega-Lite with its data inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rondo.handbook.inputs import ScoreFacts
from rondo.language.words import Language
from rondo.pages.plots import clock, limit_rule, local
from rondo.records.monitoring import Measurement

Spec = dict[str, Any]
HALF, HIGH = 300, 130
ACCENT, SECOND, INK = "#3441b4", "#888991", "#1d1e22"


def bars(measured: Sequence[Measurement], words: Language) -> Spec:
    """What was counted, a bar a window."""
    values = [{"from": local(m.start, words), "to": local(m.end, words), "value": m.value} for m in measured]
    x = _time("from", words, measured)
    del x["scale"]  # the bars' ends say how far it goes
    return {
        "data": {"values": values},
        "width": HALF,
        "height": HIGH,
        "mark": {"type": "rect", "stroke": "#fdfcfa", "strokeWidth": 0.5},
        "encoding": {"x": x, "x2": {"field": "to"}, "y": _axis(",~d"), "y2": {"datum": 0}},
    }


def lines(
    series: Mapping[str, Sequence[Measurement]], words: Language, *, percent: bool = False, limit: float | None = None
) -> Spec:
    """Series over the same windows, each named at its end, the first with its interval; the limit is drawn dashed."""
    first = next(iter(series))
    windows = [m for part in series.values() for m in part]
    x, y = _time("at", words, windows), _axis(".0%" if percent else None)
    layers: list[Spec] = []
    for name, part in series.items():
        colour = ACCENT if name == first else SECOND
        values = [_row(m, words, name) for m in part if m.value is not None]
        if not values:
            continue
        data = {"data": {"values": values}}
        if name == first:
            band = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
            layers.append({**data, "mark": {"type": "area", "clip": True}, "encoding": band})
        layers.append({**data, "mark": {"type": "line", "color": colour}, "encoding": {"x": x, "y": y}})
        layers.append(
            {
                "data": {"values": values[-1:]},
                "mark": {"type": "text", "align": "left", "dx": 6, "color": colour, "fontWeight": 600},
                "encoding": {"x": x, "y": y, "text": {"field": "told"}},
            }
        )
    if limit is not None:
        layers.append(
            limit_rule(limit, str(words.say("limit {limit}", limit=words.share(limit) if percent else f"{limit:.3g}")))
        )
    return {"width": HALF, "height": HIGH, "layer": layers}


def quality(
    realised: Sequence[Measurement], estimated: Sequence[Measurement], words: Language, *, limit: float | None
) -> Spec:
    """The weeks of a metric with their intervals, in grey what was expected before outcomes were in."""
    x = _time("at", words, [*realised, *estimated])
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False}, "axis": {"title": None}}
    expected = [_row(m, words, "") for m in estimated if m.value is not None]
    values = [_row(m, words, "") for m in realised if m.value is not None]
    layers: list[Spec] = []
    if values:
        band = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        layers.append({"data": {"values": values}, "mark": "area", "encoding": band})
    if expected:
        line = {"type": "line", "color": SECOND, "strokeWidth": 1.25, "strokeDash": [3, 3]}
        layers.append({"data": {"values": expected}, "mark": line, "encoding": {"x": x, "y": y}})
        below = bool(values) and float(str(expected[-1]["value"])) < float(str(values[-1]["value"]))
        layers.append(_named(expected[-1], str(words.say("expected")), x, y, SECOND, dy=10 if below else -10))
    if values:
        layers.append({"data": {"values": values}, "mark": "line", "encoding": {"x": x, "y": y}})
        layers.append({"data": {"values": values}, "mark": {"type": "point", "size": 24}, "encoding": {"x": x, "y": y}})
        layers.append(_named(values[-1], str(values[-1]["told"]), x, y, ACCENT))
    if limit is not None:
        layers.append(limit_rule(limit, str(words.say("required {limit}", limit=f"{limit:g}"))))
    return {"width": 690, "height": 200, "layer": layers}


def histogram(scores: ScoreFacts, words: Language) -> Spec:
    """The scores of the last days as bars, those of the version's test rows as a line of steps."""
    bins = list(zip(scores.edges, scores.edges[1:], scores.now, scores.trained, strict=False))
    values = [{"from": low, "to": high, "now": now, "trained": before} for low, high, now, before in bins]
    steps = [*values, {**values[-1], "from": values[-1]["to"]}]
    percent = scores.edges[0] >= 0 and scores.edges[-1] <= 1
    axis = {"title": None, **({"format": ".0%"} if percent else {})}
    x = {
        "field": "from",
        "type": "quantitative",
        "axis": axis,
        "scale": {"domain": [scores.edges[0], scores.edges[-1]]},
    }
    return {
        "width": 690,
        "height": 150,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "rect", "stroke": "#fdfcfa"},
                "encoding": {"x": x, "x2": {"field": "to"}, "y": _axis(".0%", "now"), "y2": {"datum": 0}},
            },
            {
                "data": {"values": steps},
                "mark": {"type": "line", "interpolate": "step-after", "color": INK, "strokeWidth": 1.25},
                "encoding": {"x": x, "y": _axis(".0%", "trained")},
            },
        ],
    }


def _named(row: Mapping[str, object], text: str, x: Spec, y: Spec, colour: str, *, dy: int = 0) -> Spec:
    return {
        "data": {"values": [{**row, "said": text}]},
        "mark": {"type": "text", "align": "left", "dx": 8, "dy": dy, "color": colour, "fontWeight": 600},
        "encoding": {"x": x, "y": y, "text": {"field": "said"}},
    }


def _row(measured: Measurement, words: Language, name: str) -> dict[str, object]:
    shown = words.share(measured.value or 0.0) if measured.unit == "share" else words.number(measured.value)
    return {
        "at": local(measured.start + (measured.end - measured.start) / 2, words),
        "value": measured.value,
        "low": measured.low,
        "high": measured.high,
        "told": f"{name} {shown}".strip(),
    }


def _time(field: str, words: Language, measured: Sequence[Measurement]) -> Spec:
    """An axis of hours, days or months, as long as the windows are; moments stand on the project's clock."""
    start, end = min(m.start for m in measured), max(m.end for m in measured)
    axis: dict[str, object] = {"title": None, "tickCount": 4}
    axis |= _labels(end - start > _DAYS, end - start > _MONTHS, words)
    scale = {"domain": [clock(local(start, words)), clock(local(end, words))]}
    return {"field": field, "type": "temporal", "axis": axis, "scale": scale}


_DAYS = datetime(2000, 1, 3) - datetime(2000, 1, 1)
_MONTHS = datetime(2000, 4, 1) - datetime(2000, 1, 1)


def _labels(days: bool, months: bool, words: Language) -> dict[str, object]:
    if words.code == "en":
        return {"format": "%b" if months else "%-d %b" if days else "%H:%M"}
    month = "(month(datum.value) + 1) + '월'"
    if months:
        return {"labelExpr": month}
    return {"labelExpr": f"{month} + ' ' + date(datum.value) + '일'"} if days else {"format": "%H:%M"}


def _axis(form: str | None, field: str = "value") -> Spec:
    axis = {"title": None, "tickCount": 4, **({"format": form} if form else {})}
    return {"field": field, "type": "quantitative", "axis": axis}
