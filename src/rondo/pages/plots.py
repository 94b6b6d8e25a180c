"""Drawings that more than one page has, as Vega-Lite with its data inside; the theme brings colours and type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rondo.language.words import Language
from rondo.records.monitoring import Measurement
from rondo.records.versions import model_version

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


@dataclass(frozen=True)
class Track:
    """A series with its name; its limit, where one is declared, is drawn dashed."""

    points: Sequence[Point]
    name: str
    limit: float | None = None
    percent: bool = False


def points_of(windows: Iterable[Measurement]) -> list[Point]:
    """What was measured, as a series; windows in which nothing could be measured are left out."""
    return [
        Point(
            window.end,
            window.value,
            window.low,
            window.high,
            model_version(window.name, window.model_version) if window.model_version else None,
        )
        for window in windows
        if window.value is not None
    ]


def over_time(points: Sequence[Point], words: Language, *, limit: float | None = None) -> Spec:
    """A series over time with its band, its limit dashed, its last value named, and below it the version at work."""
    return tracks_over_time([Track(points, "", limit)], words)


def tracks_over_time(tracks: Sequence[Track], words: Language) -> Spec:
    """Series over the same time, one below the other, and below them the version at work in the last one."""
    ends = [point.at for track in tracks for point in track.points]
    span = [local(min(ends), words), local(max(ends), words)]
    height = 180 if len(tracks) == 1 else 130
    drawn = [_series(track, words, span, height, last=track is tracks[-1]) for track in tracks]
    stretches = _stretches(tracks[-1].points, words)
    drawn += [_tenures(stretches, words, span)] if stretches else []
    return drawn[0] if len(drawn) == 1 else {"vconcat": drawn, "spacing": 12}


def _series(track: Track, words: Language, span: list[str], height: int, *, last: bool) -> Spec:
    values = [_row(point, words, percent=track.percent) for point in track.points]
    x = time_axis("at", words)
    held = time_axis("at", words, span)  # said once: layers that say it again would each have a scale of their own
    axis = {"title": track.name or None, **({"format": ".0%"} if track.percent else {})}
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False}, "axis": axis}
    named = {"type": "text", "align": "left", "dx": 8, "color": "#3441b4" if last else "#1d1e22", "fontWeight": 600}
    line = {"type": "line", "color": "#3441b4" if last else "#1d1e22", "strokeWidth": 2 if last else 1.25}
    layers: list[Spec] = [{"mark": line, "encoding": {"x": held, "y": y}}]
    if last:
        band = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        layers.insert(0, {"mark": "area", "encoding": band})
    layers.append(
        {
            "data": {"values": [values[-1]]},
            "layer": [
                {"mark": {"type": "point", "color": named["color"]}, "encoding": {"x": x, "y": y}},
                {"mark": named, "encoding": {"x": x, "y": y, "text": {"field": "told"}}},
            ],
        }
    )
    if track.limit is not None:
        layers.append(limit_rule(track.limit, str(words.say("required {limit}", limit=f"{track.limit:g}"))))
    return {"data": {"values": values}, "width": WIDTH - 60, "height": height, "layer": layers}


def time_axis(field: str, words: Language, span: Sequence[str] | None = None) -> Spec:
    """An axis of months, in the reader's language; moments are written in the project's timezone, without a zone.

    `span` holds its first and last moment, for drawings that stand one below the other.
    """
    label = "datum.label" if words.code == "en" else "(month(datum.value) + 1) + '월'"
    axis = {"format": "%b", "labelExpr": label, "title": None, "tickCount": {"interval": "month", "step": 1}}
    scale = {"scale": {"domain": [clock(each) for each in span]}} if span else {}
    return {"field": field, "type": "temporal", "axis": axis, **scale}


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


def clock(text: str) -> dict[str, int]:
    """A moment as `local` writes it, as the end of a scale: layers that say it alike are one scale."""
    at = datetime.fromisoformat(text)
    return {"year": at.year, "month": at.month, "date": at.day, "hours": at.hour, "minutes": at.minute}


def _row(point: Point, words: Language, *, percent: bool) -> Mapping[str, object]:
    return {
        "at": local(point.at, words),
        "value": point.value,
        "low": point.low,
        "high": point.high,
        "told": words.share(point.value) if percent else words.number(point.value),
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


def _tenures(stretches: list[dict[str, object]], words: Language, span: Sequence[str]) -> Spec:
    x = {**time_axis("from", words), "axis": None}
    held = {**time_axis("from", words, span), "axis": None}  # on the words: a bar has two ends to conflict
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
                    "x": {**held, "field": "middle"},
                    "text": text,
                    "color": {"condition": {"test": "datum.last", "value": "#fdfcfa"}, "value": "#1d1e22"},
                },
            },
        ],
    }
