"""Drawings of an evaluation's curves as Vega-Lite, of one version or of two beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rondo.records.development import Counts, Line, ScoreBin

Spec = dict[str, Any]
HALF = 310
HEIGHT = 250
ACCENT, INK, SECOND, SOFT = "#3441b4", "#1d1e22", "#888991", "#d3d0c9"
COLOURS = (ACCENT, SECOND)


def line_plot(lines: Mapping[str, Line], *, x: str, y: str, diagonal: bool = False, level: float | None = None) -> Spec:
    """Curves of shares by name, the first with its interval; `level` is where a model without skill lies."""
    layers: list[Spec] = []
    if diagonal:
        layers.append(_reference([{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
    if level is not None:
        layers.append(_reference([{"x": 0, "y": level}, {"x": 1, "y": level}]))
    for place, line in reversed(list(enumerate(lines.values()))):
        layers += _curve(line, COLOURS[place], x, y, band=place == 0)
    if len(lines) > 1:
        layers += _names(lines, top=False)
    return {"width": HALF, "height": HEIGHT, "layer": layers}


def calibration_plot(bins: Mapping[str, Sequence[ScoreBin]], *, x: str, y: str, shares: bool = True) -> Spec:
    """What came true over what was said, by bins with intervals; on the diagonal both are the same."""
    everything = [each for series in bins.values() for each in series]
    ends = [each.predicted for each in everything] + [
        value for each in everything for value in (each.observed, each.low, each.high) if value is not None
    ]
    low, high = min([*ends, 0.0] if shares else ends), max(ends)
    layers = [_reference([{"x": low, "y": low}, {"x": high, "y": high}])]
    for place, series in reversed(list(enumerate(bins.values()))):
        values = [
            {"x": each.predicted, "y": each.observed, "low": each.low, "high": each.high,
             "tenth": each.tenth, "ninth": each.ninth}
            for each in series
            if each.observed is not None
        ]  # fmt: skip
        colour = COLOURS[place]
        across = _axis("x", x, [low, high], shares=shares)
        up = _axis("y", y, None, shares=shares)
        if not shares:
            layers.append(_bars(values, across, up, "tenth", "ninth", {"color": SOFT, "strokeWidth": 5}))
        layers.append(_bars(values, across, up, "low", "high", {"color": colour, "strokeWidth": 1.5}))
        layers.append({"data": {"values": values}, "mark": {"type": "line", "color": colour, "strokeWidth": 1},
                       "encoding": {"x": across, "y": up}})  # fmt: skip
        layers.append({"data": {"values": values}, "mark": {"type": "point", "color": colour, "opacity": 1},
                       "encoding": {"x": across, "y": up}})  # fmt: skip
    if len(bins) > 1:
        layers += _names(bins, top=False)
    return {"width": HALF, "height": HEIGHT, "layer": layers}


def histogram_plot(counts: Counts, *, x: str, y: str, threshold: float | None = None, named: str = "") -> Spec:
    """Rows between edges, what came true stacked in accent at the foot; `threshold` is drawn with its words."""
    names = list(counts.rows)
    values = [
        {"from": counts.edges[place], "to": counts.edges[place + 1], "rows": rows, "what": name,
         "order": -names.index(name)}
        for name in names
        for place, rows in enumerate(counts.rows[name])
    ]  # fmt: skip
    colours = [SOFT, ACCENT] if len(names) == 2 else [ACCENT]
    layers: list[Spec] = [
        {
            "data": {"values": values},
            "mark": {"type": "bar"},
            "encoding": {
                "x": {**_axis("from", x, [counts.edges[0], counts.edges[-1]], shares=False), "bin": {"binned": True}},
                "x2": {"field": "to"},
                "y": {"field": "rows", "type": "quantitative", "stack": True, "axis": {"title": y, "format": ",d"}},
                "color": {"field": "what", "type": "nominal", "scale": {"domain": names, "range": colours}},
                "order": {"field": "order", "type": "quantitative"},
            },
        }
    ]
    if threshold is not None:
        at = [{"at": threshold, "told": named}]
        place = {"field": "at", "type": "quantitative"}
        layers.append(
            {"data": {"values": at}, "mark": {"type": "rule", "style": "reference"}, "encoding": {"x": place}}
        )
        text = {"type": "text", "style": "note", "align": "left", "dx": 4, "y": 4, "baseline": "top"}
        layers.append(
            {
                "data": {"values": at},
                "mark": text,
                "encoding": {"x": place, "text": {"field": "told", "type": "nominal"}},
            }
        )
    return {"width": HALF, "height": HEIGHT, "layer": layers}


def two_histograms(counts: Mapping[str, Counts], *, x: str, y: str) -> Spec:
    """How the scores of two versions lie, as steps."""
    layers: list[Spec] = []
    for place, each in reversed(list(enumerate(counts.values()))):
        rows = [sum(parts) for parts in zip(*each.rows.values(), strict=True)]
        values = [{"x": edge, "y": n} for edge, n in zip(each.edges, rows, strict=False)]
        mark = {"type": "line", "interpolate": "step-after", "color": COLOURS[place]}
        encoding = {
            "x": _axis("x", x, [each.edges[0], each.edges[-1]], shares=True),
            "y": {"field": "y", "type": "quantitative", "axis": {"title": y, "format": ",d"}},
        }
        layers.append({"data": {"values": values}, "mark": mark, "encoding": encoding})
    layers += _names(counts, top=True)
    return {"width": HALF, "height": HEIGHT, "layer": layers}


def _curve(line: Line, colour: str, x: str, y: str, *, band: bool) -> list[Spec]:
    rows = zip(line.x, line.y, line.low, line.high, strict=True)
    values = [{"x": at, "y": value, "low": low, "high": high} for at, value, low, high in rows if value is not None]
    across, up = _axis("x", x, [0, 1], shares=True), _axis("y", y, [0, 1], shares=True)
    drawn = {"data": {"values": values}, "mark": {"type": "line", "color": colour}, "encoding": {"x": across, "y": up}}
    if not band:
        return [drawn]
    area = {"x": across, "y": {**up, "field": "low"}, "y2": {"field": "high"}}
    known = [each for each in values if each["low"] is not None]
    return [{"data": {"values": known}, "mark": {"type": "area", "color": colour}, "encoding": area}, drawn]


def _axis(field: str, title: str, domain: Sequence[float] | None, *, shares: bool) -> Spec:
    axis = {"title": title, "format": ".0%" if shares else ",.3~r"}
    scale = {"scale": {"domain": list(domain), "nice": False}} if domain else {"scale": {"zero": False}}
    return {"field": field, "type": "quantitative", "axis": axis, **scale}


def _bars(values: Sequence[Spec], x: Spec, y: Spec, low: str, high: str, mark: Spec) -> Spec:
    known = [each for each in values if each[low] is not None and each[high] is not None]
    return {
        "data": {"values": known},
        "mark": {"type": "rule", **mark},
        "encoding": {"x": x, "y": {**y, "field": low}, "y2": {"field": high}},
    }


def _reference(points: Sequence[Mapping[str, float]]) -> Spec:
    return {
        "data": {"values": list(points)},
        "mark": {"type": "line", "color": SECOND, "strokeWidth": 1, "strokeDash": [3, 3]},
        "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
    }


def _names(names: Iterable[str], *, top: bool) -> list[Spec]:
    """The names of the series in their colours, in the corner that the curves leave free."""
    return [
        {
            "data": {"values": [{"name": name}]},
            "mark": {
                "type": "text", "align": "right", "x": {"expr": "width"}, "y": (8 if top else HEIGHT - 34) + 18 * place,
                "color": (ACCENT, "#55565d")[place], "fontWeight": "normal" if place else 600,
            },
            "encoding": {"text": {"field": "name", "type": "nominal"}},
        }
        for place, name in enumerate(names)
    ]  # fmt: skip
