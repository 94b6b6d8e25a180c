from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from rondo.language.words import Language
from rondo.pages import vega
from rondo.pages.plots import Point, Spec, local, over_time

EN, KO = Language("en", "America/New_York"), Language("ko", "America/New_York")
START = datetime(2013, 3, 1, tzinfo=UTC)


def points(n: int, version: str | None = "late@1") -> list[Point]:
    return [Point(START + timedelta(days=7 * i), 0.7 + 0.01 * (i % 3), 0.68, 0.75, version) for i in range(n)]


def stretches(spec: Spec) -> list[dict[str, object]]:
    """The stretches of versions, below the series."""
    return [row for part in spec.get("vconcat", ()) for row in part["data"]["values"] if "version" in row]


def test_a_series_draws_every_window_its_limit_and_its_months() -> None:
    picture = vega.svg(over_time(points(12), EN, limit=0.62))
    assert "required 0.62" in picture and all(f">{month}<" in picture for month in ("Mar", "Apr", "May"))
    assert ">4월<" in vega.svg(over_time(points(12), KO, limit=0.62))


def test_one_window_without_an_interval_can_be_drawn() -> None:
    assert vega.svg(over_time([Point(START, 0.7, None, None)], EN)).startswith("<svg")


def test_each_version_at_work_has_its_stretch_and_none_overlaps() -> None:
    series = points(6, "late@1") + points(20, "late@2")[6:] + points(22, "late@3")[20:]
    found = stretches(over_time(series, EN))
    assert [each["version"] for each in found] == ["late@1", "late@2", "late@3"]
    assert all(str(left["to"]) <= str(right["from"]) for left, right in pairwise(found))
    assert ">late@3<" in vega.svg(over_time(series, EN))


def test_a_moment_is_written_on_the_clock_of_the_project() -> None:
    assert local(START, EN) == "2013-02-28T19:00:00"
