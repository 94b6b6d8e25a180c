from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from rondo.handbook.facts import Change, DatasetFacts, LoopFacts, Need, Step, TableFacts, VersionFacts
from rondo.language.catalogues import Code
from rondo.pages import loop
from rondo.pages.frame import Frame
from rondo.records.deployment import Deployment
from rondo.records.development import Figure, Gate, RequirementResult, SliceResult, State
from rondo.records.kinds import KINDS
from rondo.records.monitoring import Measurement

HAPPENED = loop.HAPPENED
NOW = datetime(2014, 1, 1, 4, 59, tzinfo=UTC)
VOID = {"meta", "link", "line", "circle", "rect", "path", "polygon", "polyline", "br", "img", "input"}
EMPTY = LoopFacts(project="new", summary=None, now=NOW, timezone="UTC", next=Step("nothing", "new", "rondo run"))


def requirement(text: str, state: State, value: float | None, limit: float, **rest: object) -> RequirementResult:
    low, high = (None, None) if value is None else (value - 0.02, value + 0.02)
    return RequirementResult(text=text, state=state, value=value, low=low, high=high, limit=limit, n=900, **rest)  # type: ignore[arg-type]


def window(week: int, value: float | None, state: str = "within") -> Measurement:
    start = NOW - timedelta(days=7 * (10 - week))
    low, high = (None, None) if value is None else (value - 0.02, value + 0.02)
    return Measurement(
        name="late", metric="roc_auc", feature=None, start=start, end=start + timedelta(days=7), rows=6_400,
        matured=6_390, value=value, low=low, high=high, limit=0.62, state=state, model_version=1 + week // 5,
    )  # fmt: skip


def full() -> LoopFacts:
    slices = [
        SliceResult(by="origin", is_="EWR", state="passed", value=0.731, low=0.70, high=0.76, n=9_000),
        SliceResult(by="origin", is_="JFK", state="undecided", value=0.59, low=0.57, high=0.61, n=800),
        SliceResult(by="origin", is_="LGA", state="unexamined", value=None, low=None, high=None, n=12),
    ]
    lines = [
        requirement("roc_auc >= 0.62", "passed", 0.744, 0.62),
        requirement("roc_auc >= 0.58 for each origin", "undecided", 0.59, 0.58, slices=slices, signed_by="pat"),
        requirement("expected_calibration_error <= 0.05", "failed", 0.09, 0.05),
        requirement("better than linear", "passed", 0.031, 0.0),
        requirement("not worse than production by 0.005", "not_applicable", None, 0.005),
        requirement("words of another age", "passed", 0.5, 0.4),
    ]
    return LoopFacts(
        project="flights",
        summary="Which departures will leave late?",
        now=NOW,
        timezone="America/New_York",
        next=Step("gate_failed", "late@2", "rondo gate late", "expected_calibration_error"),
        state="year",
        model="late",
        tables=(
            TableFacts("raw", "source", version="raw@v2", rows=336_776, checks=3, at=NOW, seconds=1.2),
            TableFacts("flights", "table", version="flights@v2", rows=336_776, checks=5, at=NOW, seconds=12.4),
            TableFacts("weather", "table", version="weather@v1", rows=9, checks=2, checks_failed=1, state="warned"),
            TableFacts("planes", "table", version="planes@v1", rows=9, quarantined=3, state="quarantined"),
            TableFacts("hopes", "table"),
        ),
        dataset=DatasetFacts(336_776, 22, {"train": 300_000, "validation": 6_000, "test": 12_000}, NOW, 21),
        versions=(
            VersionFacts(
                "late@1", NOW - timedelta(days=40), "lightgbm", "new", "roc_auc", None, "passed", ("production",)
            ),
            VersionFacts(
                "late@2", NOW, "linear", "stale", "roc_auc", Figure(value=0.74, low=0.72, high=0.76, n=9), "failed"
            ),
        ),
        gate=Gate(name="late", version=2, state="failed", requirements=lines, prd="docs/prd.md"),
        gate_at=NOW,
        deployment=Deployment(name="late", version=1, role="production", share=1.0),
        deployed_at=NOW - timedelta(days=39),
        latency_p99_ms=4.123,
        predictions=24_607,
        outcomes=24_001,
        windows=(*(window(week, 0.7 + 0.01 * (week % 3)) for week in range(9)), window(9, None, "unexamined")),
        measured_at=NOW,
        changes=(Change(NOW, "tables", "flights", "flights@v2", "dana", "new data"),),
        others=("early",),
    )


def loop_page(facts: LoopFacts, code: Code = "en", *, saved: bool = False) -> str:
    frame = Frame(
        project=facts.project, now=facts.now, timezone=facts.timezone, state=facts.state, code=code, saved=saved
    )  # fmt: skip
    return loop.loop_page(facts, frame)


class Page(HTMLParser):
    """The structure of a page: what is open, the ids, where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.unclosed: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []  # type: ignore[list-item]
        self.addresses += [str(values[name]) for name in ("href", "src") if values.get(name)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("facts", [EMPTY, full()], ids=["empty", "full"])
def test_a_page_is_well_formed_and_its_links_lead_somewhere(facts: LoopFacts, saved: bool, language: Code) -> None:
    page = Page(loop_page(facts, language, saved=saved))
    assert page.unclosed == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    inside = [address[1:] for address in page.addresses if address.startswith("#")]
    assert set(inside) <= set(page.ids)
    outside = [a for a in page.addresses if not a.startswith(("#", "data:"))]
    if saved:
        assert outside == []
    else:
        assert all(a.startswith(("/", "?")) for a in outside)


def test_a_saved_page_stands_alone() -> None:
    text = loop_page(full(), saved=True)
    assert "--paper" in text
    assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org/)", text)


def test_the_same_facts_make_the_same_bytes() -> None:
    assert loop_page(full()) == loop_page(full())


def test_every_number_is_on_the_page_with_its_interval() -> None:
    text = loop_page(full())
    for written in (
        "336,776",
        "24,607",
        "24,001",
        "4.12 ms",
        "0.744",
        "0.724–0.764",
        "late@2",
    ):
        assert written in text, written
    assert "as of" in text
    assert "31 Dec 2013, 23:59" in text
    assert "rondo gate late" in text


def test_a_for_each_line_names_the_slice_that_binds_it() -> None:
    text = loop_page(full())
    assert '<span class="ci">JFK</span>' in text
    assert '<span class="ci">EWR</span>' not in text
    assert "signed by pat" in text


def test_what_was_counted_has_no_interval() -> None:
    counted = RequirementResult(
        text="latency_p99_ms <= 20", state="passed", value=0.337, low=0.337, high=0.337, limit=20.0, n=500
    )
    facts = dataclasses.replace(full(), gate=Gate(name="late", version=2, state="passed", requirements=[counted]))
    assert "0.337" in loop_page(facts)
    assert "0.337–0.337" not in loop_page(facts)


def test_the_allowed_side_of_a_difference_is_the_metrics() -> None:
    def shade(facts: LoopFacts) -> str:
        text = loop_page(facts)
        row = text[text.index("<code>better than linear") :]
        return row[row.index('<rect class="band quiet" x="') :].split('"')[3]

    assert shade(full()) != shade(dataclasses.replace(full(), higher_is_better=False)) == "8.0"


def test_every_kind_of_record_has_its_words() -> None:
    assert set(KINDS) <= set(HAPPENED)


def test_states_are_words() -> None:
    text = loop_page(full())
    for word in ("passed", "failed", "not applicable", "1 failing", "3 ready"):
        assert word in text, word
    assert "not_applicable" not in text


def test_what_users_write_is_text() -> None:
    hostile = "<script>alert(1)</script>"
    facts = dataclasses.replace(
        full(),
        project=hostile,
        summary=hostile,
        state=hostile,
        next=Step("blocked", hostile, f"rondo run {hostile}", hostile),
        changes=(Change(NOW, hostile, hostile, None, hostile, hostile),),
        tables=(TableFacts(hostile, "table", version="x@v1", rows=1),),
        others=(hostile,),
    )
    for saved in (True, False):
        text = loop_page(facts, saved=saved)
        assert hostile not in text
        assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize(
    ("need", "said"),
    [
        ("blocked", "a check said no"),
        ("failed", "could not be built"),
        ("stale", "has changed"),
        ("due", "New data"),
        ("gate_failed", "does not meet"),
        ("gate_undecided", "may answer for it"),
        ("not_deployed", "not at work"),
        ("nothing", "Nothing is waiting"),
    ],
)
def test_every_need_has_its_sentence(need: Need, said: str) -> None:
    facts = dataclasses.replace(full(), next=Step(need, "late@2", "rondo plan"))
    assert said in loop_page(facts)
    assert "rondo plan" in loop_page(facts, "ko")


def test_of_an_alert_the_step_is_the_action_and_what_was_found_its_reason() -> None:
    step = Step("alert", "`rondo plan weather` says <what> would be loaded.", "rondo plan weather", "weather is late")
    text = loop_page(dataclasses.replace(full(), next=step))
    assert "<code>rondo plan weather</code> says &lt;what&gt; would be loaded." in text
    assert text.index("would be loaded") < text.index("weather is late")


def test_the_headline_says_the_worst_first() -> None:
    def headline(facts: LoopFacts) -> str:
        found = re.search(r"<h1>(.*?)</h1>", loop_page(facts))
        assert found is not None
        return found[1]

    working = dataclasses.replace(full(), next=Step("nothing", "late", "rondo plan"))
    held = TableFacts("weather", "table", version="weather@v1", state="blocked")
    assert headline(dataclasses.replace(working, tables=(*working.tables, held))) == "weather is held back"
    assert headline(full()) == "late@2 did not pass its gate"
    assert headline(working) == "late@1 is at work, nothing is waiting"
    assert headline(dataclasses.replace(working, deployment=None)) == "late@2 is ready, nothing is in production"
    assert headline(dataclasses.replace(working, versions=(), deployment=None)) == "The data is ready"
    assert headline(EMPTY) == "Nothing has been loaded yet"


def test_only_a_reason_to_go_round_again_draws_the_way_back() -> None:
    assert 'class="back"' not in loop_page(full())
    assert 'class="back"' in loop_page(dataclasses.replace(full(), next=Step("due", "late", "rondo run late")))
