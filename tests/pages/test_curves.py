"""Each drawing is Vega-Lite that the renderer takes, and shows what it was given."""

from __future__ import annotations

from typing import Any

import pytest

from rondo.pages.curves import calibration_plot, histogram_plot, line_plot, two_histograms
from rondo.pages.vega import svg
from rondo.records.development import Counts, Line, ScoreBin

LINE = Line(x=[0.0, 0.5, 1.0], y=[0.0, None, 1.0], low=[0.0, None, None], high=[0.2, None, None])
BINS = [
    ScoreBin(predicted=0.1 * n, observed=0.1 * n, low=0.05 * n, high=0.2 * n, n=90, tenth=0.0, ninth=0.3 * n)
    for n in range(1, 9)
]
BINS.append(ScoreBin(predicted=0.95, observed=0.9, low=None, high=None, n=1))
COUNTS = Counts(edges=[0.0, 0.5, 1.0], rows={"no": [4_000, 20], "yes": [130, 21]})
DRAWINGS: dict[str, dict[str, Any]] = {
    "one line": line_plot({"late@1": LINE}, x="fpr", y="tpr", diagonal=True),
    "two lines": line_plot({"late@1": LINE, "late@2": LINE}, x="recall", y="precision", level=0.2),
    "calibration": calibration_plot({"late@1": BINS}, x="said", y="true"),
    "two calibrations": calibration_plot({"late@1": BINS, "late@2": BINS[:3]}, x="said", y="true"),
    "values": calibration_plot({"price@1": BINS}, x="said", y="true", shares=False),
    "histogram": histogram_plot(COUNTS, x="score", y="rows", threshold=0.3, named="flagged from 0.3 on"),
    "two histograms": two_histograms({"late@1": COUNTS, "late@2": COUNTS}, x="score", y="rows"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_it_can_be_drawn(name: str) -> None:
    picture = svg(DRAWINGS[name])
    assert picture.startswith("<svg") and "NaN" not in picture


def test_two_series_are_named_and_one_is_not() -> None:
    assert "late@1" in svg(DRAWINGS["two lines"]) and "late@2" in svg(DRAWINGS["two histograms"])
    assert "late@1" not in svg(DRAWINGS["one line"])


def test_a_line_is_drawn_where_it_is_known() -> None:
    [_, _, drawn] = DRAWINGS["one line"]["layer"]
    assert [each["x"] for each in drawn["data"]["values"]] == [0.0, 1.0]
    band = DRAWINGS["one line"]["layer"][1]
    assert [each["x"] for each in band["data"]["values"]] == [0.0]


def test_the_threshold_is_named_and_thousands_are_written_out() -> None:
    picture = svg(DRAWINGS["histogram"])
    assert "flagged from 0.3 on" in picture and "4,000" in picture
