from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from rondo.pages.charts import movement, scale, ticks, whisker

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


@given(values, values, values, values)
def test_a_movement_keeps_the_order_of_its_values(value: float, before: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    domain = (min(value, before, low), max(value, before, high))
    drawn = parsed(movement(value, before, (low, high), domain, name="x"))
    hollow, dot = (float(circle.attrib["cx"]) for circle in drawn.findall("circle"))
    line = drawn.find("line")
    assert line is not None and float(line.attrib["x1"]) <= float(line.attrib["x2"])
    assert all(5 <= place <= 155 for place in (hollow, dot))
    assert (hollow <= dot) == (before <= value) or hollow == dot


def test_a_movement_without_an_interval_draws_the_way_and_without_a_past_the_dot_alone() -> None:
    drawn = parsed(movement(2, 1, None, (1, 2), name="from 1 to 2"))
    line = drawn.find("line")
    assert line is not None and (line.attrib["x1"], line.attrib["x2"]) == ("5.0", "155.0")
    assert len(parsed(movement(2, None, None, (1, 2), name="2")).findall("circle")) == 1
