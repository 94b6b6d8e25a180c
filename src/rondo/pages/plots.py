"""Drawings that more than one page has, as Vega-Lite with its data inside; the theme brings colours and type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rondo.language.words import Language

Spec = dict[str, Any]
WIDTH = 760


@dataclass(frozen=True)
class Point:
    """One window of a series: its end, its value with the interval, and what was at work."""

    at: datetime
    value: float
    low: float | None
    high: float | None
    version: str | None = None


def over_time(points: Sequence[Point], words: Language, *, limit: float | None = None, height: int = 180) -> Spec:
    """A series over time with its band, its limit dashed, its last value named, and below it the version at work."""
    values = [_row(point, words) for point in points]
    x = time_axis("at", words)
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False}, "title": None}
    layers: list[Spec] = [
        {
            "mark": "area",
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {"mark": "line", "encoding": {"x": x, "y": y}},
        {
            "data": {"values": [values[-1]]},
            "layer": [
                {"mark": "point", "encoding": {"x": x, "y": y}},
                {
                    "mark": {"type": "text", "align": "left", "dx": 8, "color": "#3441b4", "fontWeight": 600},
                    "encoding": {"x": x, "y": y, "text": {"field": "told"}},
                },
            ],
        },
    ]
    if limit is not None:
        layers.append(limit_rule(limit, str(words.say("required {limit}", limit=f"{limit:g}"))))
    series = {"width": WIDTH - 60, "height": height, "layer": layers}
    stretches = _stretches(points, words)
    if not stretches:
        return {"data": {"values": values}, **series}
    return {"data": {"values": values}, "vconcat": [series, _tenures(stretches, words)], "spacing": 8}


def time_axis(field: str, words: Language) -> Spec:
    """An axis of months, in the reader's language; moments are written in the project's timezone, without a zone."""
    label = "datum.label" if words.code == "en" else "(month(datum.value) + 1) + '월'"
    axis = {"format": "%b", "labelExpr": label, "title": None, "tickCount": {"interval": "month", "step": 1}}
    return {"field": field, "type": "temporal", "axis": axis}


def limit_rule(limit: float, told: str) -> Spec:
    """A dashed line at `limit` with its words at the left."""
    return {
        "data": {"values": [{"limit": limit, "told": told}]},
        "layer": [
            {
                "mark": {"type": "rule", "style": "reference"},
                "encoding": {"y": {"field": "limit", "type": "quantitative"}},
            },
            {
                "mark": {"type": "text", "style": "note", "align": "left", "baseline": "bottom", "dy": -3, "x": 0},
                "encoding": {"y": {"field": "limit", "type": "quantitative"}, "text": {"field": "told"}},
            },
        ],
    }


def local(at: datetime, words: Language) -> str:
    """A moment as a chart takes it: on the clock of the project's timezone, without a zone."""
    return at.astimezone(words.zone).replace(tzinfo=None).isoformat()


def _row(point: Point, words: Language) -> Mapping[str, object]:
    return {
        "at": local(point.at, words),
        "value": point.value,
        "low": point.low,
        "high": point.high,
        "told": words.number(point.value),
    }


def _stretches(points: Sequence[Point], words: Language) -> list[dict[str, object]]:
    """Which version was at work: one bar a stretch of windows with the same version."""
    starts = [i for i, point in enumerate(points) if i == 0 or point.version != points[i - 1].version]
    found = []
    for start, stop in zip(starts, [*starts[1:], len(points)], strict=True):
        version = points[start].version
        if version is not None:
            begins = points[start - 1].at if start else points[0].at
            ends = points[stop - 1].at
            middle = begins + (ends - begins) / 2
            last = stop == len(points)
            found.append(
                {
                    "from": local(begins, words),
                    "to": local(ends, words),
                    "middle": local(middle, words),
                    "version": version,
                    "last": last,
                    "shown": version if (ends - begins).days >= 21 or last else "",
                }
            )
    return found


def _tenures(stretches: list[dict[str, object]], words: Language) -> Spec:
    x = {**time_axis("from", words), "axis": None}
    text = {"field": "shown"}
    return {
        "data": {"values": stretches},
        "width": WIDTH - 60,
        "height": 22,
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "#fdfcfa"},
                "encoding": {
                    "x": x,
                    "x2": {"field": "to"},
                    "color": {
                        "condition": {"test": "datum.last", "value": "#3441b4"},
                        "value": "#d3d0c9",
                    },
                },
            },
            {
                "mark": {"type": "text"},
                "encoding": {
                    "x": {**x, "field": "middle"},
                    "text": text,
                    "color": {"condition": {"test": "datum.last", "value": "#fdfcfa"}, "value": "#1d1e22"},
                },
            },
        ],
    }
