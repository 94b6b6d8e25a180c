from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from rondo.pages.ring import LABELS, SIDES, Mark, Stage, notes, radius

NOW = datetime(2014, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "line"),
    [
        (timedelta(minutes=5), 214.0),
        (timedelta(hours=1), 214.0),
        (timedelta(hours=2), 202.0),
        (timedelta(days=3), 190.0),
        (timedelta(days=20), 178.0),
        (timedelta(days=90), 166.0),
    ],
)
def test_the_more_recent_the_further_out(age: timedelta, line: float) -> None:
    assert radius(NOW - age, NOW) == line


def test_what_never_changed_is_innermost() -> None:
    assert radius(None, NOW) == 166.0


def test_every_state_has_its_own_shape() -> None:
    marks: list[Mark] = ["good", "warn", "bad", "open", "run", "idle"]
    shapes = set()
    for mark in marks:
        stage = Stage(Markup("x"), mark, Markup("x"), (), NOW, "#x")
        drawn = ElementTree.fromstring(f"<svg>{notes([stage], NOW)}</svg>")
        note = [element for element in drawn if element.tag != "line"]
        corners = len(note[0].attrib.get("points", "").split())
        shapes.add((tuple(element.tag for element in note), corners, note[0].attrib.get("r")))
    assert len(shapes) == len(marks)


def test_seven_stages_have_seven_places() -> None:
    assert len(LABELS) == len(SIDES) == 7
    assert len(set(LABELS)) == 7
