"""Charts as a report declares them: the short forms line, bar, dot and interval, or Vega-Lite as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from rondo.errors import DeclarationError
from rondo.language.words import Language
from rondo.pages.plots import WIDTH, local

Spec = dict[str, Any]
Row = Mapping[str, Any]
KEYS: Mapping[str, tuple[str, ...]] = {
    "line": ("x", "y", "series", "low", "high", "limit", "format", "multiples"),
    "bar": ("x", "y", "low", "high", "limit", "format"),
    "dot": ("x", "y", "low", "high", "limit", "allowed", "before", "format"),
    "interval": ("x", "y", "low", "high", "limit", "allowed", "format"),
}
COLUMNS = ("x", "y", "series", "low", "high", "before")
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "line": ("x", "y"), "bar": ("x", "y"), "dot": ("x", "y"), "interval": ("y", "low", "high"),
}  # fmt: skip
COLOURS = ("#3441b4", "#1d1e22", "#888991")
FORMATS = {"percent": ".0%", "points": "+.1f", "count": ",d", "number": ",.3~g"}
DAYS, MONTHS = 35, 400
ROW = 26
ROOM = 90
"""Pixels at the right of a line for its name."""


def spec_of(declared: Mapping[str, Any], rows: Sequence[Row], words: Language) -> Spec:
    """The Vega-Lite of a chart over these rows. Raises DeclarationError for a column or a key that is not there."""
    values = [{name: _plain(value, words) for name, value in row.items()} for row in rows]
    if "vega" in declared:
        whole = {"width": WIDTH - ROOM, "height": 220, **declared["vega"]}
        return {**whole, "data": {"values": values}}
    form = next(name for name in KEYS if name in declared)
    said = declared[form]
    _refuse(form, said, rows)
    height = declared.get("height")
    base: Spec = {"data": {"values": values}, "width": WIDTH - ROOM}
    if form == "line" and said.get("multiples") == "yes" and said.get("series"):
        return _multiples(said, rows, values, words)
    if form == "line":
        return {**base, "height": height or 220, "layer": _line(said, rows, values, words)}
    if form == "bar":
        return {**base, **_bar(said, rows, words, height)}
    return {**base, **_dots(said, rows, words, points=form == "dot")}


def measured(declared: Mapping[str, Any], rows: Sequence[Row]) -> frozenset[str]:
    """The columns that hold what a chart measures, in its `format`: those of one axis alone."""
    form = next((name for name in KEYS if isinstance(declared.get(name), Mapping)), None)
    if form is None:
        return frozenset()
    said = declared[form]
    side = "y" if form == "line" or (form == "bar" and not _numeric(said.get("x"), rows)) else "x"
    return frozenset(str(said[key]) for key in (side, "low", "high", "before") if key in said)


def _refuse(form: str, said: Mapping[str, Any], rows: Sequence[Row]) -> None:
    for key in said:
        if key not in KEYS[form]:
            raise DeclarationError(
                f"{form} says {key!r}; it may say: {', '.join(KEYS[form])}.", next_step="Use one of these."
            )
    for key in REQUIRED[form]:
        if key not in said:
            raise DeclarationError(f"{form} wants {key}.", next_step=f"Name the column: {form}: {{{key}: …}}")
    there = list(rows[0]) if rows else []
    for key in COLUMNS:
        if key in said and rows and said[key] not in there:
            raise DeclarationError(
                f"{form}: {key} is {said[key]!r}, which is no column; there are: {', '.join(there)}.",
                next_step="Use one of these names, or select the column.",
            )


def _line(said: Mapping[str, Any], rows: Sequence[Row], values: list[dict[str, Any]], words: Language) -> list[Spec]:
    x, y = _axis(said["x"], rows, words), _value(said["y"], said)
    series = said.get("series")
    names = list(dict.fromkeys(str(row[series]) for row in values)) if series else []
    colour: Spec = {}
    if series:
        scale = {"domain": names, "range": [COLOURS[min(i, len(COLOURS) - 1)] for i in range(len(names))]}
        colour = {"color": {"field": series, "type": "nominal", "scale": scale}}
    layers: list[Spec] = []
    if "low" in said and "high" in said:
        bounds = {"y": {**y, "field": said["low"]}, "y2": {"field": said["high"]}}
        layers.append({"mark": "area", "encoding": {"x": x, **bounds, **_detail(series)}})
    layers.append({"mark": "line", "encoding": {"x": x, "y": y, **colour}})
    if len(values) <= DAYS * max(1, len(names)):
        layers.append({"mark": {"type": "point", "size": 22}, "encoding": {"x": x, "y": y, **colour}})
    last = [row for row in values if row.get(said["y"]) is not None]
    ends = {str(row[series]): row for row in last} if series else {}
    if ends:
        text = {"type": "text", "align": "left", "dx": 8, "fontWeight": 600}
        named = {"x": x, "y": y, "text": {"field": series}, **colour}
        layers.append({"data": {"values": _apart(list(ends.values()), said["y"])}, "mark": text, "encoding": named})
    return layers + _limit(said, "y", words)


def _multiples(said: Mapping[str, Any], rows: Sequence[Row], values: list[dict[str, Any]], words: Language) -> Spec:
    """The same axes once a series: in each its own line, the others in grey behind it."""
    series = said["series"]
    names = list(dict.fromkeys(str(row[series]) for row in values))
    x, y = _axis(said["x"], rows, words), _value(said["y"], said)
    others = {"x": x, "y": y, "detail": {"field": series}}

    def panel(name: str) -> Spec:
        mine = [{"filter": {"field": series, "equal": name}}]
        return {
            "title": {"text": name, "fontSize": 12, "offset": 6},
            "width": max(140, (WIDTH - 40 * len(names)) // len(names)),
            "height": 120,
            "layer": [
                {"mark": {"type": "line", "color": "#d3d0c9", "strokeWidth": 1.25}, "encoding": others},
                {"transform": mine, "mark": "line", "encoding": {"x": x, "y": y}},
                *_limit(said, "y", words, named=False),
            ],
        }

    return {"data": {"values": values}, "hconcat": [panel(name) for name in names], "spacing": 24}


def _names(column: str) -> Spec:
    return {"field": column, "type": "nominal", "sort": None, "title": None, "axis": {"grid": False}}


def _apart(ends: list[dict[str, Any]], y: str) -> list[dict[str, Any]]:
    """The last rows of the series, so that their names, written beside them, are in the order of their values."""
    return sorted(ends, key=lambda row: -float(row[y]))


def _detail(series: str | None) -> Spec:
    return {"detail": {"field": series}} if series else {}


def _bar(said: Mapping[str, Any], rows: Sequence[Row], words: Language, height: int | None) -> Spec:
    upright = not _numeric(said["x"], rows)
    if upright:
        x = _axis(said["x"], rows, words, banded=True)
        encoding = {"x": x, "y": {**_value(said["y"], said), "scale": {"zero": True}}}
        whole: Spec = {"height": height or 200}
    else:
        y = _names(said["y"])
        encoding = {"x": {**_value(said["x"], said), "scale": {"zero": True}}, "y": y}
        whole = {"height": ROW * max(1, len(rows))}
    side = "y" if upright else "x"
    layers: list[Spec] = [{"mark": {"type": "bar", "cornerRadius": 0}, "encoding": encoding}]
    if "low" in said and "high" in said:
        bounds = {**encoding, side: {**encoding[side], "field": said["low"]}, f"{side}2": {"field": said["high"]}}
        layers.append({"mark": {"type": "rule", "color": "#1d1e22"}, "encoding": bounds})
    return {**whole, "layer": [*layers, *_limit(said, side, words)]}


def _dots(said: Mapping[str, Any], rows: Sequence[Row], words: Language, *, points: bool) -> Spec:
    y = _names(said["y"])
    x = _value(said.get("x", said.get("low")), said)
    layers: list[Spec] = []
    if "limit" in said and said.get("allowed") in ("above", "below"):
        edge = "x2" if said["allowed"] == "below" else "x"
        far = {"value": 0} if edge == "x2" else {"value": WIDTH - ROOM}
        other = "x" if edge == "x2" else "x2"
        band = {"x": {"datum": said["limit"], "type": "quantitative"}} if edge == "x" else {"x": far}
        band |= {"x2": far} if other == "x2" else {"x2": {"datum": said["limit"]}}
        layers.append(
            {"data": {"values": [{}]}, "mark": {"type": "rect", "color": "#d3d0c9", "opacity": 0.5}, "encoding": band}
        )
    if "low" in said and "high" in said:
        whisker = {"y": y, "x": {**x, "field": said["low"]}, "x2": {"field": said["high"]}}
        layers.append({"mark": {"type": "rule", "color": "#3441b4", "strokeWidth": 1.5}, "encoding": whisker})
    if "before" in said:
        old = {"y": y, "x": {**x, "field": said["before"]}}
        change = {"y": y, "x": {**x, "field": said["before"]}, "x2": {"field": said["x"]}}
        if "low" not in said:
            layers.append({"mark": {"type": "rule", "color": "#d3d0c9", "strokeWidth": 1.5}, "encoding": change})
        hollow = {"type": "point", "filled": False, "color": "#888991", "size": 40}
        layers.append({"mark": hollow, "encoding": old})
    if points:
        layers.append({"mark": {"type": "point", "size": 55}, "encoding": {"y": y, "x": x}})
    return {"height": ROW * max(1, len(rows)), "layer": [*layers, *_limit(said, "x", words)]}


def _limit(said: Mapping[str, Any], side: str, words: Language, *, named: bool = True) -> list[Spec]:
    """The limit as a dashed line, with its words at the beginning of the other axis."""
    if "limit" not in said:
        return []
    limit = said["limit"]
    at: Spec = {side: {"datum": limit, "type": "quantitative"}}
    layers: list[Spec] = [{"data": {"values": [{}]}, "mark": {"type": "rule", "style": "reference"}, "encoding": at}]
    if named and side == "y":
        told = {"text": {"value": words.plain("limit {limit}", limit=limit)}}
        text = {"type": "text", "style": "note", "align": "left", "baseline": "top", "dy": 3, "x": 0}
        layers.append({"data": {"values": [{}]}, "mark": text, "encoding": {**at, **told}})
    return layers


def _value(column: str, said: Mapping[str, Any]) -> Spec:
    axis = {"format": FORMATS[said["format"]]} if said.get("format") in FORMATS else {}
    zero = said.get("format") == "percent"  # a share is seen against none
    return {"field": column, "type": "quantitative", "scale": {"zero": zero}, "title": None, "axis": axis}


def _axis(column: str, rows: Sequence[Row], words: Language, *, banded: bool = False) -> Spec:
    """The axis along which rows follow one another: days, months, numbers, or names in the order of the rows."""
    values = [row[column] for row in rows if row[column] is not None]
    if values and all(isinstance(value, date) for value in values):
        kind = "ordinal" if banded else "temporal"
        return {"field": column, "type": kind, "title": None, "axis": _calendar(values, words, banded=banded)}
    if _numeric(column, rows) and not banded:
        return {"field": column, "type": "quantitative", "title": None, "scale": {"zero": False, "nice": False}}
    return {"field": column, "type": "ordinal", "sort": None, "title": None, "axis": {"labelAngle": 0}}


def _calendar(values: Sequence[date], words: Language, *, banded: bool) -> Spec:
    """Labels of days, hours, months or years, as long as the stretch between the first and the last asks for."""
    stretch = max(values) - min(values)
    korean = words.code == "ko"
    if stretch.total_seconds() < 172_800 and isinstance(values[0], datetime):
        style: Spec = {"format": "%H:%M"}
    elif stretch.days <= 10:
        style = {"format": "%-d일 (%a)" if korean else "%a %-d", "tickCount": "day"}
    elif stretch.days <= DAYS * 3:
        style = {"format": "%-m월 %-d일" if korean else "%-d %b"}
    elif stretch.days <= MONTHS:
        style = {"format": "%-m월" if korean else "%b", "tickCount": {"interval": "month", "step": 1}}
    else:
        style = {"format": "%Y년 %-m월" if korean else "%b %Y"}
    if banded:  # a name a bar, of which every one may be told
        return {
            "labelAngle": 0,
            "labelOverlap": True,
            "labelExpr": f"timeFormat(toDate(datum.value), '{style['format']}')",
        }
    return {**style, "labelAngle": 0}


def _numeric(column: str, rows: Sequence[Row]) -> bool:
    values = [row[column] for row in rows if row.get(column) is not None]
    return bool(values) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _plain(value: Any, words: Language) -> Any:
    """A cell as a chart takes it: moments on the project's clock, days at their midnight."""
    if isinstance(value, datetime):
        return local(value, words) if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    return value if isinstance(value, int | float | str | bool) or value is None else str(value)
