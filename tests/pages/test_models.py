from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rondo.handbook.models import AtWork, Judgement, ModelsFacts, ModelStanding, VersionLine
from rondo.language.catalogues import Code
from rondo.pages.frame import Frame
from rondo.pages.models import models_page
from rondo.records.development import Figure

NOW = datetime(2014, 1, 1, 4, 59, tzinfo=UTC)


def figure(value: float) -> Figure:
    return Figure(value=value, low=value - 0.02, high=value + 0.02, n=12_568)


MODEL = ModelStanding(
    name="late", summary="Which <departures>?", task="binary", label="late", positive="True", examples="departures",
    metric="roc_auc", higher_is_better=True, owner="sam", retrain="monthly", promote="due", versions=3, newest="late@3",
    made=NOW, gate="undecided", figure=figure(0.716), live=None, production=AtWork("late@2", 1.0, NOW),
    canary=AtWork("late@3", 0.1, NOW), shadow=None, next="rondo gate late@3",
)  # fmt: skip
NEW = dataclasses.replace(
    MODEL, name="early", task="regression", label="delay", positive=None, versions=0, newest=None, made=None, gate=None,
    figure=None, production=None, canary=None, next="rondo run early", owner=None,
)  # fmt: skip


def versions(count: int = 3) -> tuple[VersionLine, ...]:
    return tuple(
        VersionLine(
            f"late@{n}", n, NOW - timedelta(days=30 * (count - n)), "due", "lightgbm", 289_533, "passed",
            ("production",) if n == 2 else (), NOW, NOW,
            (
                Judgement("test", figure(0.7 + n / 100)),
                Judgement("december", figure(0.72 + n / 100), trained_on=40 if n == 3 else 0, best_share=0.5),
                Judgement("storms", None),
            ),
        )
        for n in range(count, 0, -1)
    )  # fmt: skip


def facts(*models: ModelStanding, **changes: Any) -> ModelsFacts:
    found = ModelsFacts(
        NOW, models or (MODEL,), "late", "roc_auc", True, ("test", "december", "storms"), versions(),
        {"december": "late@2"}, 1, 1,
    )  # fmt: skip
    return dataclasses.replace(found, **changes)


NONE = ModelsFacts(NOW, (), None, "", True, (), (), {}, 1, 1)
UNTRAINED = facts(NEW, shown="early", versions=(), testsets=("test",), best={})


def page(shown: ModelsFacts, code: Code = "en") -> str:
    return models_page(shown, Frame(project="flights", now=NOW, timezone="UTC", code=code, address="/models"))


def heading(shown: ModelsFacts) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page(shown))
    assert found is not None
    return found[1]


@pytest.mark.parametrize("code", ["en", "ko"])
@pytest.mark.parametrize(
    "shown", [facts(), facts(MODEL, NEW), NONE, UNTRAINED], ids=["one", "two", "none", "untrained"]
)
def test_a_page_of_every_state(shown: ModelsFacts, code: Code) -> None:
    spoken = re.sub(r"<(script|style)\b.*?</\1>", "", page(shown, code), flags=re.DOTALL)
    assert not re.search(r"\{[a-z_]+\}", spoken)
    assert spoken.count("<table") == spoken.count("</table>")


def test_the_first_sentence_says_how_the_models_stand() -> None:
    assert heading(facts()) == "late@2 is in production"
    assert heading(facts(MODEL, NEW)) == "2 models, 1 at work"
    assert heading(UNTRAINED) == "early has not been trained yet"
    assert heading(NONE) == "No model is declared"
    idle = dataclasses.replace(MODEL, production=None, canary=None)
    assert heading(facts(idle)) == "late@3 is ready, nothing is in production"


def test_each_model_tells_what_it_is_asked_who_owns_it_and_what_to_do() -> None:
    text = page(facts(MODEL, NEW))
    for written in (
        "late: yes or no", "how much delay", "Which &lt;departures&gt;?", "/team#sam", "rondo gate late@3",
        "rondo run early", "not trained yet", "0.696–0.736", "12,568 rows", "10 %",
    ):  # fmt: skip
        assert written in text, written


def test_every_value_has_interval_and_rows_and_one_judged_on_what_it_knows_says_so() -> None:
    text = page(facts())
    assert "trained on 40 of them" in text and "best in 50 %" in text
    assert "On december all others are shown to be worse than late@2." in text
    assert text.count("12,568 rows") >= 6


def grounds(shown: ModelsFacts) -> list[list[str]]:
    rows = re.findall(r"<tr[^>]*><th scope=\"row\"><a href=\"/models/late/\d+\">.*?</tr>", page(shown), flags=re.DOTALL)
    return [re.findall(r"heat-(-?\d)", row) for row in rows]


def test_the_better_in_a_column_the_deeper_and_test_splits_are_not_compared() -> None:
    assert grounds(facts()) == [["-1", "4", "-1"], ["-1", "2", "-1"], ["-1", "0", "-1"]]
    assert grounds(facts(higher_is_better=False)) == [["-1", "0", "-1"], ["-1", "2", "-1"], ["-1", "4", "-1"]]


def test_many_versions_come_by_pages() -> None:
    text = page(facts(page=2, pages=20))
    assert "page 2 of 20" in text and 'href="/models?page=1"' in text and 'href="/models?page=3"' in text
    assert 'rel="prev"' not in page(facts(page=1, pages=20))


def test_the_versions_over_time_are_drawn_from_two_on() -> None:
    assert 'id="evaluations"' in page(facts())
    assert 'id="evaluations"' not in page(facts(versions=versions(1)))
