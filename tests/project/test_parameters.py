from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import DeclarationError, WrongUse
from rondo.project.headers import parse_header
from rondo.project.parameters import Parameter, parameter_values, read_parameters

NOW = datetime(2014, 1, 1, 3, tzinfo=UTC)  # still New Year's Eve in New York, a Tuesday


def values(*parameters: Parameter, **given: str) -> dict[str, object]:
    return dict(parameter_values(parameters, given, now=NOW, timezone="America/New_York", models=["late"]))


def test_defaults_count_back_from_now_in_the_projects_timezone() -> None:
    week, day = Parameter("week", "week", "last"), Parameter("day", "date", "yesterday")
    assert values(week, day) == {"week": date(2013, 12, 23), "day": date(2013, 12, 30)}


@pytest.mark.parametrize("written", ["2013-W51", "2013-51", "2013-12-16", "2013-12-22"])
def test_a_week_is_its_monday_however_it_is_written(written: str) -> None:
    assert values(Parameter("week", "week"), week=written) == {"week": date(2013, 12, 16)}


@given(st.dates(date(1, 1, 8), date(9998, 1, 1)))
def test_every_day_of_a_week_gives_the_same_monday(day: date) -> None:
    monday = values(Parameter("week", "week"), week=day.isoformat())["week"]
    assert isinstance(monday, date) and monday.weekday() == 0 and timedelta(0) <= day - monday < timedelta(days=7)


@pytest.mark.parametrize(
    ("parameter", "written", "said"),
    [
        (Parameter("week", "week"), "2013-W60", "must be a week"),
        (Parameter("day", "date"), "soon", "must be a day"),
        (Parameter("n", "number"), "many", "must be a number"),
        (Parameter("model", "model"), "early", "may be: late"),
        (Parameter("airport", "text", choices=("EWR", "JFK")), "'; drop table x", "may be: EWR, JFK"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_words(parameter: Parameter, written: str, said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        values(parameter, **{parameter.name: written})


def test_a_parameter_that_nobody_declared_or_gave_is_named() -> None:
    with pytest.raises(WrongUse, match="no parameter 'wek'; there are: week"):
        values(Parameter("week", "week", "last"), wek="2013-W51")
    with pytest.raises(WrongUse, match="airport is not given"):
        values(Parameter("airport", "text"))


def test_the_front_matter_declares_in_short_or_at_length() -> None:
    header = parse_header(
        "parameters:\n  day: date\n  airport: {type: text, default: JFK, choices: [EWR, JFK]}\n", "r.md", 2
    )
    day, airport = read_parameters(header)
    assert day == Parameter("day", "date", "yesterday")
    assert airport == Parameter("airport", "text", "JFK", ("EWR", "JFK"))


@pytest.mark.parametrize(
    "written", ["now: date", "a: {type: colour}", "a: {tipe: date}", "a: {choices: x}", "1x: date"]
)
def test_a_wrong_declaration_has_its_line(written: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_parameters(parse_header(f"title: x\nparameters:\n  {written}\n", "r.md", 2))
    assert caught.value.line == 3
