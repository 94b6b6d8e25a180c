from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import WrongUse
from rondo.project.moments import as_document, parse_moment

NEW_YORK = "America/New_York"


def test_a_bare_date_is_the_whole_day_there() -> None:
    start = parse_moment("2013-05-01", NEW_YORK, side="start")
    end = parse_moment("2013-05-01", NEW_YORK)
    assert start == datetime(2013, 5, 1, 4, tzinfo=UTC)
    assert end == datetime(2013, 5, 2, 3, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(("day", "hours"), [("2013-03-10", 23), ("2013-11-03", 25), ("2013-05-01", 24)])
def test_a_day_is_as_long_as_its_clocks_make_it(day: str, hours: int) -> None:
    length = parse_moment(day, NEW_YORK) - parse_moment(day, NEW_YORK, side="start")
    assert length == timedelta(hours=hours) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2013-05-01T12:00", datetime(2013, 5, 1, 16, tzinfo=UTC)),
        ("2013-05-01 12:00:30", datetime(2013, 5, 1, 16, 0, 30, tzinfo=UTC)),
        ("2013-05-01T12:00Z", datetime(2013, 5, 1, 12, tzinfo=UTC)),
        ("2013-05-01T12:00+02:00", datetime(2013, 5, 1, 10, tzinfo=UTC)),
        ("20130501", datetime(2013, 5, 2, 3, 59, 59, 999_999, tzinfo=UTC)),
        ("2013-11-03T01:30", datetime(2013, 11, 3, 5, 30, tzinfo=UTC)),  # the first of the two
    ],
)
def test_a_time_without_a_zone_is_in_the_projects(text: str, moment: datetime) -> None:
    assert parse_moment(text, NEW_YORK) == moment
    assert parse_moment(text, NEW_YORK).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2013-13-01", "2013-02-30", "9999-12-31", "25:00", "2013-05-01T25:00"]
)
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(WrongUse, match="is not a moment") as refused:
        parse_moment(text, NEW_YORK)
    assert "2013-05-01" in refused.value.next_step


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00"])
def test_a_moment_before_time_in_utc_is_refused(text: str) -> None:
    with pytest.raises(WrongUse, match="is not a moment"):
        parse_moment(text, "Asia/Tokyo", side="start")


@given(st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)))
def test_a_documents_moment_reads_back(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    assert as_document(moment).endswith("Z")
    assert parse_moment(as_document(moment), NEW_YORK) == moment
