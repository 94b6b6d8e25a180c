from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from rondo.handbook.compared import Choice, ComparedFacts, Differs, Judged, Side
from rondo.handbook.version_detail import Stretch
from rondo.language.catalogues import Code
from rondo.pages.compare import compare_page
from rondo.pages.frame import Frame
from rondo.records.development import (
    Comparison,
    Counts,
    Curves,
    PairedDay,
    PairedFigure,
    PairedSlice,
    Part,
    ScoreBin,
    Split,
    Version,
)

NOW = datetime(2014, 1, 1, 4, 59, tzinfo=UTC)
CURVES = Curves(
    calibration=[ScoreBin(predicted=0.1 * n, observed=0.1 * n, low=0.05 * n, high=0.2 * n, n=90) for n in range(1, 9)],
    scores=Counts(edges=[0.0, 0.5, 1.0], rows={"false": [900, 20], "true": [130, 21]}), classes=["false", "true"],
)  # fmt: skip


def paired(difference: float | None, reach: float = 0.01) -> PairedFigure:
    low, high = (None, None) if difference is None else (difference - reach, difference + reach)
    return PairedFigure(a=0.744, b=0.727, difference=difference, low=low, high=high, n=27_110)


def side(number: int, curves: Curves | None = None) -> Side:
    record = Version(
        name="late", version=number, definition="d", build="b", dataset=1, trainer="lightgbm", parameters={}, seed=0,
        files={}, pinned={}, why="due",
    )  # fmt: skip
    stretch = Stretch(f"late@{number}", "production", 1.0, NOW - timedelta(days=31), None, "ann", None, None)
    return Side(f"late@{number}", record, NOW, (stretch,) if number == 7 else (), None, ("hour",), None, curves)


def comparison(verdict: str = "a", **changes: Any) -> Comparison:
    values: dict[str, Any] = {
        "name": "late", "a": "late@7", "b": "late@1", "testset": "december", "rows": 27_110,
        "metrics": {
            "roc_auc": paired(0.017), "log_loss": paired(-0.019), "f1": paired(0.001), "accuracy": paired(-0.05),
            "precision": paired(None),
        },
        "verdict": verdict,
        "slices": [
            PairedSlice(by="origin", is_="EWR", rows=9_445, metrics={"roc_auc": paired(0.02)}),
            PairedSlice(by="origin", is_="JFK", rows=8_963, metrics={"roc_auc": paired(-0.03)}),
            PairedSlice(by="carrier", is_=None, rows=9, metrics={"roc_auc": paired(0.001)}),
            PairedSlice(by="carrier", is_="HA", rows=2, metrics={"roc_auc": paired(None)}),
        ],
        "days": [PairedDay(day=date(2013, 12, n), rows=900, a=0.7 + n / 100, b=0.72) for n in range(1, 6)],
        "seen": {"late@7": 120},
        "split": Split(
            metric="roc_auc", metric_then="roc_auc", then=0.725, now=0.744, difference=0.019, rows_then=9, reported=NOW,
            parts=[Part(what="model", value=0.019, low=0.01, high=0.03, held="rows", note="a <note>")],
        ),
    }  # fmt: skip
    return Comparison(**values | changes)


def facts(made: Comparison | None, **changes: Any) -> ComparedFacts:
    judged = {name: Judged(name != "log_loss", "") for name in ("roc_auc", "log_loss", "f1", "accuracy", "precision")}
    found = ComparedFacts(
        now=NOW, choices=(Choice("late@7", ("production",)), Choice("late@1", ())), testsets=("test", "december"),
        model="late", a=side(7, CURVES), b=side(1, CURVES), on="december", metric="roc_auc", metrics=judged, margin=0.005,
        comparison=made, compared_at=NOW if made else None,
        differs=(
            Differs("trainer", ("lightgbm",), ("linear",)), Differs("seed", (), (), 1),
            Differs("definitions of tables", ("weather",), ("weather",), 3),
        ),
        production="late@7",
    )  # fmt: skip
    return dataclasses.replace(found, **changes)


NOTHING = facts(None, a=None, b=None, choices=(), model=None)
FACTS = {"made": facts(comparison()), "not made": facts(None), "nothing": NOTHING, "one": facts(None, b=None)}


def page(shown: ComparedFacts, code: Code = "en", *, token: str | None = "t", saved: bool = False) -> str:
    frame = Frame(
        project="flights", now=NOW, timezone="America/New_York", code=code, address="/compare", token=token, saved=saved
    )
    return compare_page(shown, frame)


def heading(shown: ComparedFacts) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page(shown))
    assert found is not None
    return found[1]


@pytest.mark.parametrize("code", ["en", "ko"])
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("name", FACTS)
def test_a_page_of_every_state(name: str, saved: bool, code: Code) -> None:
    text = page(FACTS[name], code, saved=saved)
    spoken = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"\{[a-z_]+\}", spoken)
    assert "<form" not in spoken or not saved


def test_the_first_sentence_is_the_verdict() -> None:
    assert heading(facts(comparison("a"))) == "late@7 is better than late@1"
    assert heading(facts(comparison("b"))) == "late@1 is better than late@7"
    assert heading(facts(comparison("undecided"))) == "Between late@7 and late@1 the rows do not decide"
    assert heading(facts(None)) == "late@7 and late@1 have not been compared on these rows"
    assert heading(NOTHING) == "There is no version to compare"


def test_each_metric_is_held_in_its_own_direction() -> None:
    rows = {
        name: re.sub(r"<[^>]+>", " ", row)
        for name, row in re.findall(r'<th scope="row">(\w+) <span class="ci">(.*?)</tr>', page(facts(comparison())))
    }
    assert "late@7 is better" in rows["roc_auc"] and "late@7 is better" in rows["log_loss"]
    assert "late@1 is better" in rows["accuracy"]
    assert "undecided" in rows["f1"] and "not defined" in rows["precision"]
    assert "−0.019 −0.029 to −0.009" in re.sub(r"\s+", " ", rows["log_loss"])


def shaded(text: str) -> Sequence[tuple[float, float]]:
    return [(float(x), float(w)) for x, w in re.findall(r'band quiet" x="([\d.]+)" y="3" width="([\d.]+)"', text)]


def test_the_side_where_the_first_is_better_is_shaded() -> None:
    higher, lower = shaded(page(facts(comparison())))[:2]
    assert higher[0] > 8 and higher[0] + higher[1] == pytest.approx(252)
    assert lower[0] == 8


def test_slices_and_days_are_counted_in_the_title() -> None:
    text = page(facts(comparison()))
    assert "Better in 1 of 3 slices, worse in 1" in text
    assert "late@7 is ahead on 3 of 5 days" in text
    assert "120 of these rows" in text and "a &lt;note&gt;" in text


def test_where_lower_is_better_the_lower_one_is_ahead() -> None:
    turned = facts(comparison(), metrics={"roc_auc": Judged(False, "")})
    text = page(turned)
    assert "Better in 1 of 3 slices, worse in 1" in text and "late@7 is ahead on 1 of 5 days" in text


def test_what_was_not_compared_can_be_with_its_command_and_button() -> None:
    text = page(facts(None))
    assert "rondo compare late@7 late@1 --on december<" in text
    assert 'action="/actions/compare"' in text and 'name="on" value="december"' in text
    assert 'action="/actions/compare"' not in page(facts(None), token=None)


def test_curves_are_drawn_together_only_on_the_same_rows() -> None:
    assert 'id="shape"' in page(facts(comparison()))
    assert 'id="shape"' not in page(facts(comparison(testset="test"), on="test"))


def test_a_comparison_of_a_gate_has_no_slices_and_says_so() -> None:
    text = page(facts(comparison(slices=[], days=[], split=None, seen={})))
    assert "made for a gate" in text and 'id="since"' not in text and 'id="days"' not in text


def test_what_differs_is_struck_and_underlined() -> None:
    text = page(facts(comparison()))
    assert "<del>linear</del>" in text and "<ins>lightgbm</ins>" in text
    assert ">weather</a>" in text and "never" in text
