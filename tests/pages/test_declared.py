from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from rondo.errors import DeclarationError
from rondo.language.words import Language
from rondo.pages import vega
from rondo.pages.declared import measured, spec_of

EN, KO = Language("en", "America/New_York"), Language("ko", "America/New_York")
DAYS = [
    {"day": date(2013, 12, 16) + timedelta(days=n), "shop": shop, "share": 0.1 * n + add, "low": 0.0, "high": 1.0}
    for n in range(5)
    for shop, add in (("A", 0.0), ("B", 0.05))
]
FORMS: list[dict[str, Any]] = [
    {"line": {"x": "day", "y": "share", "series": "shop", "format": "percent"}},
    {"line": {"x": "day", "y": "share", "low": "low", "high": "high", "limit": 0.2}},
    {"line": {"x": "day", "y": "share", "series": "shop", "multiples": "yes"}},
    {"bar": {"x": "shop", "y": "share", "low": "low", "high": "high"}},
    {"bar": {"x": "share", "y": "shop", "limit": 0.2}},
    {"bar": {"x": "day", "y": "share"}},
    {
        "dot": {
            "x": "share",
            "y": "shop",
            "low": "low",
            "high": "high",
            "limit": 0.2,
            "allowed": "above",
            "before": "low",
        }
    },
    {"dot": {"x": "share", "y": "shop", "limit": 0.2, "allowed": "below"}},
    {"interval": {"y": "shop", "low": "low", "high": "high"}},
    {"vega": {"mark": "tick", "encoding": {"x": {"field": "share", "type": "quantitative"}}}},
]


@pytest.mark.parametrize("declared", FORMS, ids=lambda each: "-".join(f"{k}:{'-'.join(v)}" for k, v in each.items()))
@pytest.mark.parametrize("words", [EN, KO], ids=["en", "ko"])
def test_every_short_form_is_drawn(declared: dict[str, Any], words: Language) -> None:
    picture = vega.svg(spec_of(declared, DAYS, words))
    assert picture.startswith("<svg") and 'width="0"' not in picture[:300]
    assert picture.count("<path") + picture.count("<line") > 5 and "NaN" not in picture


def test_days_are_written_in_the_readers_language() -> None:
    spec = spec_of(FORMS[0], DAYS, KO)
    spec["usermeta"] = {"embedOptions": {"timeFormatLocale": vega.KOREAN}}
    assert "16일 (월)" in vega.svg(spec)
    assert "Mon 16" in vega.svg(spec_of(FORMS[0], DAYS, EN))


def test_a_day_stays_that_day_in_every_timezone() -> None:
    assert spec_of(FORMS[0], DAYS, EN)["data"]["values"][0]["day"] == "2013-12-16T00:00:00"
    late = [{"day": datetime.fromisoformat("2013-12-17T03:00:00+00:00"), "share": 1.0, "shop": "A"}]
    assert spec_of(FORMS[0], late, EN)["data"]["values"][0]["day"] == "2013-12-16T22:00:00"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (
            {"line": {"x": "dya", "y": "share"}},
            "x is 'dya', which is no column; there are: day, shop, share, low, high",
        ),
        ({"line": {"x": "day"}}, "line wants y"),
        ({"bar": {"x": "day", "y": "share", "colour": "red"}}, "bar says 'colour'; it may say: x, y"),
    ],
)
def test_a_typo_names_what_there_is(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        spec_of(declared, DAYS, EN)
    assert said in caught.value.message


def test_a_chart_draws_nothing_from_elsewhere() -> None:
    spec = {**spec_of(FORMS[-1], DAYS, EN), "data": {"url": "http://127.0.0.1:9/data.json"}}
    with pytest.raises(ValueError):
        vega.svg(spec)


@pytest.mark.parametrize(
    ("declared", "columns"),
    [
        ({"line": {"x": "hour", "y": "share", "low": "low", "high": "high", "series": "shop"}}, "share low high"),
        ({"bar": {"x": "shop", "y": "share"}}, "share"),
        ({"bar": {"x": "share", "y": "hour"}}, "share"),
        ({"dot": {"x": "share", "y": "hour", "before": "low"}}, "share low"),
        ({"interval": {"y": "hour", "low": "low", "high": "high"}}, "low high"),
        ({"vega": {"mark": "tick"}}, ""),
    ],
)
def test_the_format_of_a_chart_is_that_of_what_it_measures(declared: dict[str, Any], columns: str) -> None:
    rows = [{"hour": 6, "share": 0.5, "shop": "A", "low": 0.25, "high": 0.75}]
    assert measured(declared, rows) == frozenset(columns.split())
