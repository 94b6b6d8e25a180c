from __future__ import annotations

from datetime import UTC, datetime

import pytest
from markupsafe import Markup

from rondo.language.words import Language
from rondo.records.development import Figure

EN, KO = Language("en", "America/New_York"), Language("ko", "Asia/Seoul")
EVENING = datetime(2014, 1, 1, 4, 59, tzinfo=UTC)


def test_values_are_escaped_and_markup_is_not() -> None:
    said = EN.say("{version} in production", version="<script>")
    assert said == "&lt;script&gt; in production"
    assert EN.say("{version} in production", version=Markup("<b>x</b>")) == "<b>x</b> in production"


def test_one_and_many() -> None:
    assert EN.count("{n} row", "{n} rows", 1) == "1 row"
    assert EN.count("{n} row", "{n} rows", 1200) == "1,200 rows"
    assert KO.count("{n} row", "{n} rows", 1) == "1행"


def test_moments_are_the_projects() -> None:
    assert EN.moment(EVENING) == "31 Dec 2013, 23:59"
    assert KO.moment(EVENING) == "2014년 1월 1일 13:59"
    assert EN.weekday(EVENING) == "Tuesday"
    assert KO.weekday(EVENING) == "수요일"
    assert EN.day_with_weekday(EVENING) == "Tuesday 31 Dec 2013"
    assert KO.day_with_weekday(EVENING) == "2014년 1월 1일 수요일"
    assert EN.short(EVENING) == "31 Dec 23:59"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.7444, "0.744"), (-0.002, "−0.002"), (12.3456, "12.35"), (345.678, "345.7"), (123456.7, "123,457"), (None, "–")],
)
def test_numbers(value: float | None, written: str) -> None:
    assert EN.number(value) == written


def test_shares_are_written_as_each_language_does() -> None:
    assert (EN.share(0.2345), KO.share(0.2345)) == ("23.4 %", "23.4%")


def test_intervals() -> None:
    assert EN.interval(0.737, 0.751) == "0.737–0.751"
    assert EN.interval(-0.01, 0.006) == "−0.010 to 0.006"
    assert EN.interval(-0.01, 0.006, signed=True) == "−0.010 to +0.006"
    assert EN.interval(None, 12.3) == "≤ 12.30"
    assert EN.interval(0.5, None) == "≥ 0.500"
    assert EN.interval(None, None) == ""
    assert KO.interval(-1, 1) == "−1.000 ~ 1.000"


def test_a_figure_stands_with_its_interval() -> None:
    figure = Figure(value=0.744, low=0.737, high=0.751, n=24_607)
    assert EN.figure(figure) == '0.744 <span class="ci">0.737–0.751</span>'
    assert EN.figure(None) == "–"


def test_lengths_of_time() -> None:
    assert EN.seconds(1.94) == "1.9 s"
    assert EN.seconds(520) == "8 min 40 s"
    assert KO.seconds(520) == "8분 40초"
    assert EN.seconds(None) == ""


def test_a_word_of_a_record_may_be_unknown() -> None:
    assert KO.known("built") == "생성"
    assert KO.known("something else") == "something else"
