from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from rondo.pages.charts import Point, scale, ticks, track, whisker
from rondo.language.words import Language

EN = Language("en", "UTC")
START = datetime(2013, 3, 1, tzinfo=UTC)
values = st.floats(-1e6, 1e6).map(lambda v: round(v, 4))


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


@given(values, values, st.floats(0, 1))
def test_a_scale_keeps_order_and_stays_inside(low: float, high: float, share: float) -> None:
    low, high = sorted((low, high))
    place = scale((low, high), (8.0, 252.0))
    inside = place(low + share * (high - low))
    assert 8.0 <= place(low) <= inside <= place(high) <= 252.0
    assert place(high + 1) == place(high) or low == high
    assert place(low - 1) == 8.0


@given(values, st.floats(1e-4, 1e6))
def test_ticks_are_few_round_and_inside(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    assert 1 <= len(marks) <= 8
    assert all(low - 1e-6 <= mark <= low + span + 1e-6 for mark in marks)
    assert marks == sorted(set(marks))


def test_ticks_of_nothing() -> None:
    assert ticks(0.5, 0.5) == [0.5]
    assert ticks(0.61, 0.82) == [0.65, 0.7, 0.75, 0.8]


@given(values, values, st.booleans())
def test_the_dot_is_in_the_shade_exactly_when_the_value_is_allowed(value: float, limit: float, above: bool) -> None:
    drawn = parsed(whisker(value, None, None, limit, above=above, state="good", name="x"))
    shade = drawn.find("rect")
    dot = drawn.find("circle")
    assert shade is not None
    assert dot is not None
    left = float(shade.attrib["x"])
    right = left + float(shade.attrib["width"])
    within = left - 0.11 <= float(dot.attrib["cx"]) <= right + 0.11
    allowed = value >= limit if above else value <= limit
    clear = abs(value - limit) > 1e-9
    assert within == allowed or not clear


def test_an_open_bound_runs_to_the_edge() -> None:
    drawn = parsed(whisker(11.8, None, 12.3, 20, above=False, state="good", name="x"))
    line = drawn.find("line[@class='whisker good']")
    assert line is not None
    assert float(line.attrib["x1"]) == 8.0
    assert float(line.attrib["x2"]) < 252.0


def test_names_are_escaped() -> None:
    svg = whisker(1, 0, 2, 1, above=True, state="bad", name='"><script>')
    assert "<script>" not in svg
    assert parsed(svg).attrib["aria-label"] == '"><script>'


def points(n: int, version: str | None = "late@1") -> list[Point]:
    return [Point(START + timedelta(days=7 * i), 0.7 + 0.01 * (i % 3), 0.68, 0.75, version) for i in range(n)]


def test_a_track_draws_every_window_and_the_limit() -> None:
    drawn = parsed(track(points(12), EN, name="auc", limit=0.62))
    line = drawn.find("polyline")
    assert line is not None
    assert len(line.attrib["points"].split()) == 12
    band = drawn.find("polygon")
    assert band is not None
    assert len(band.attrib["points"].split()) == 24
    assert any(text.text == "required 0.62" for text in drawn.iter("text"))
    assert {"Mar", "Apr", "May"} <= {text.text for text in drawn.iter("text")}


def test_a_track_of_one_window_without_an_interval() -> None:
    drawn = parsed(track([Point(START, 0.7, None, None)], EN, name="auc"))
    assert drawn.find("polygon") is None
    assert drawn.find("circle") is not None


def test_each_version_at_work_has_its_stretch() -> None:
    series = points(6, "late@1") + points(20, "late@2")[6:] + points(22, "late@3")[20:]
    drawn = parsed(track(series, EN, name="auc"))
    bars = drawn.findall("rect")
    assert len(bars) == 3
    ends = [(float(bar.attrib["x"]), float(bar.attrib["x"]) + float(bar.attrib["width"])) for bar in bars]
    assert all(left[1] <= right[0] for left, right in pairwise(ends))
    assert any(text.text == "late@3" for text in drawn.iter("text"))
    assert not re.search(r"nan|inf", track(series, EN, name="auc"))
