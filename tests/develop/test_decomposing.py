from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.develop.decomposing import HELD, Figured, Reported, decompose
from rondo.records.development import Figure, PairedFigure

AT = datetime(2013, 3, 1, tzinfo=UTC)
VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6))


def fig(value, error=0.01, degrees=13) -> Figure:
    return Figure(value=value, low=None, high=None, n=100, standard_error=error, degrees=degrees)


def now(a, b) -> PairedFigure:
    whole = None if a is None or b is None else a - b
    low, high = (None, None) if whole is None else (whole - 0.01, whole + 0.01)
    return PairedFigure(a=a, b=b, difference=whole, low=low, high=high, n=100)


def split(then, counted, relabelled, moved, today, *, apart=False, note=None):
    reported = None if then is None else Reported("roc_auc", fig(then), 100, AT)
    figured = [Figured(None if value is None else fig(value), note) for value in (counted, relabelled, moved)]
    words = {"metric": "brier", "apart": apart, "unreported": "nothing was reported"}
    return decompose(reported, *figured, now(today, moved), **words)


def test_each_change_has_its_part_in_order_and_they_add_up():
    found = split(0.76, 0.75, 0.74, 0.70, 0.73)
    assert [part.what for part in found.parts] == ["metric", "labels", "data", "model"]
    assert [part.value for part in found.parts] == pytest.approx([-0.01, -0.01, -0.04, 0.03])
    assert (found.then, found.now, found.metric_then, found.metric, found.reported) == (
        0.76,
        0.73,
        "roc_auc",
        "brier",
        AT,
    )
    assert found.difference == math.fsum(part.value for part in found.parts) == pytest.approx(-0.03)
    assert [part.held for part in found.parts] == list(HELD.values())


@given(st.floats(-1e6, 1e6), VALUES, VALUES, st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_what_is_known_adds_up_to_the_whole(then, counted, relabelled, moved, today):
    found = split(then, counted, relabelled, moved, today)
    known = [part.value for part in found.parts if part.value is not None]
    assert found.difference == math.fsum(known) == pytest.approx(today - then, abs=1e-6)
    for part in found.parts:
        assert (part.value is None) <= (part.note is not None)  # what is not known says why


def test_a_part_that_cannot_be_known_is_in_the_next_that_can():
    found = split(0.76, 0.75, None, 0.70, 0.73, note=None)
    assert [part.value for part in found.parts] == [
        pytest.approx(-0.01),
        None,
        pytest.approx(-0.05),
        pytest.approx(0.03),
    ]
    assert found.parts[2].note == "contains the part of the labels"
    both = split(0.76, None, None, 0.70, 0.73)
    assert both.parts[2].note == "contains the part of the metric and the labels"
    assert both.parts[2].value == pytest.approx(-0.06)


def test_without_a_report_the_changes_after_it_are_still_told():
    found = split(None, 0.75, 0.74, 0.70, 0.73)
    assert (found.then, found.difference, found.reported, found.parts[0].value) == (None, None, None, None)
    assert found.parts[0].note == "nothing was reported"
    assert [part.value for part in found.parts[1:]] == pytest.approx([-0.01, -0.04, 0.03])


def test_other_rows_have_the_interval_of_two_samples_and_the_model_the_paired_one():
    apart, together = split(0.76, 0.76, 0.76, 0.70, 0.73, apart=True), split(0.76, 0.76, 0.76, 0.70, 0.73)
    data = apart.parts[2]
    reach = 2.160 * math.hypot(0.01, 0.01)  # Student's t on 13 degrees
    assert (data.low, data.high) == (pytest.approx(-0.06 - reach, abs=1e-4), pytest.approx(-0.06 + reach, abs=1e-4))
    assert (together.parts[2].low, together.parts[2].high) == (None, None)
    assert (apart.parts[3].low, apart.parts[3].high) == (pytest.approx(0.02), pytest.approx(0.04))
    assert split(0.76, 0.75, None, 0.70, 0.73, apart=True).parts[2].low is None  # two changes in one
