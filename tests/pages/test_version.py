from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from rondo.handbook.version_detail import (
    Against,
    Declared,
    FedFeature,
    Happened,
    Signed,
    SliceFigure,
    Stretch,
    VersionDetail,
)
from rondo.language.catalogues import Code
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.quality import candidate_name, group_lines, slice_lines
from rondo.pages.version import live_told, version_page
from rondo.records.deployment import Rehearsal, Release
from rondo.records.development import (
    Candidate,
    Contribution,
    Counts,
    Curves,
    Evaluation,
    Explanation,
    Figure,
    Fitness,
    Gate,
    Line,
    PairedFigure,
    RequirementResult,
    ScoreBin,
    Slice,
    State,
    Version,
)
from rondo.records.monitoring import Measurement
from rondo.records.studies import Attributed, Attribution, Condition, Mistake, Mistakes, MistakeSlice
from rondo.records.tables import Dataset, Input

NOW = datetime(2014, 1, 1, 4, 59, tzinfo=UTC)
VOID = {"meta", "link", "line", "circle", "rect", "path", "polygon", "polyline", "br", "img", "input"}
EN = Language("en", "UTC")
CURVE = Line(x=[0.0, 0.5, 1.0], y=[0.0, 0.8, 1.0], low=[0.0, 0.7, 1.0], high=[0.1, 0.9, None])
WEEK = Measurement(
    name="late", metric="roc_auc", feature=None, start=NOW - timedelta(days=7), end=NOW, rows=6_400, matured=6_390,
    value=0.718, low=0.62, high=0.80, limit=0.62, state="within", model_version=7, n=6_390,
)  # fmt: skip
BARE = VersionDetail(
    name="late", number=1, whole="late@1", now=NOW,
    record=Version(
        name="late", version=1, definition="d" * 64, build="b", dataset=1, trainer="linear", parameters={}, seed=0,
        files={}, pinned={}, why="new",
    ),
    made=NOW - timedelta(days=30), made_by="ann", newest=1, first=1, task="binary", label="late", positive="True",
    metric="roc_auc", higher_is_better=True, owner=None, prd_file=None, prd_owner=None, undecided=None, at_work=(),
    stretches=(), production=None, back_to=None, gate=None, gate_at=None, approvals=(), live=(), live_metric=None, months=(),
    evaluations=(), testsets=("test",), slices=(), candidates=(), dataset=None, fitness=None, features=(),
    declared=None, mistakes=None, attribution=None, explanation=None, rehearsal=None, flips=None, releases=(),
    comparisons=(), history=(),
)  # fmt: skip


def figure(value: float | None, n: int = 900) -> Figure:
    low, high = (None, None) if value is None else (value - 0.02, value + 0.02)
    return Figure(value=value, low=low, high=high, n=n, standard_error=0.01, degrees=13)


def line(
    text: str, state: State, value: float | None = 0.7, limit: float | None = 0.62, **rest: Any
) -> RequirementResult:
    low, high = (None, None) if value is None else (value - 0.02, value + 0.02)
    return RequirementResult(text=text, state=state, value=value, low=low, high=high, limit=limit, n=900, **rest)


def gate(state: str, *lines: RequirementResult) -> Gate:
    return Gate(name="late", version=7, state=state, requirements=list(lines), prd="docs/prd.md")  # type: ignore[arg-type]


def evaluation(curves: Curves | None, **metrics: float) -> Evaluation:
    rates = {name: figure(0.3) for name in ("base_rate", "selection_rate", "true_positive_rate", "false_positive_rate")}
    gaps = {"true_positive_rate": figure(0.19), "false_positive_rate": figure(0.001)}
    slices = [
        Slice(by="origin", is_="EWR", rows=4_000, metrics={"roc_auc": figure(0.73)}, rates=rates, gaps=gaps),
        Slice(by="origin", is_=None, rows=3, metrics={}),
    ]
    return Evaluation(
        name="late", version=7, testset="test", rows=12_942, slices=slices, curves=curves,
        metrics={"roc_auc": figure(0.69), "recall": figure(0.42), **{name: figure(v) for name, v in metrics.items()}},
    )  # fmt: skip


BINARY = Curves(
    roc=CURVE, precision_recall=CURVE,
    calibration=[ScoreBin(predicted=0.1 * n, observed=0.1 * n, low=0.05 * n, high=0.2 * n, n=90) for n in range(1, 9)],
    scores=Counts(edges=[0.0, 0.5, 1.0], rows={"false": [9_000, 200], "true": [1_300, 215]}),
    classes=["false", "true"], confusion=[[11_170, 224], [1_333, 215]], threshold=0.3,
)  # fmt: skip
REGRESSION = Curves(
    calibration=[
        ScoreBin(predicted=10.0 * n, observed=11.0 * n, low=9.0 * n, high=12.0 * n, n=90, tenth=5.0 * n, ninth=15.0 * n)
        for n in range(1, 9)
    ],
    scores=Counts(edges=[-20.0, 0.0, 20.0], rows={"": [400, 500]}),
)
SEVERAL = Curves(classes=["a", "b", "c"], confusion=[[90, 5, 5], [10, 80, 10], [1, 2, 97]])


def full(**changes: Any) -> VersionDetail:
    stretch = Stretch("late@7", "production", 1.0, NOW - timedelta(days=31), None, "ann", "passed & reviewed", "gate")
    against = PairedFigure(a=0.744, b=0.727, difference=0.017, low=0.014, high=0.020, n=27_110)
    whole = dataclasses.replace(
        BARE,
        number=7, whole="late@7", newest=8, owner="data_scientist", prd_file="docs/prd.md", prd_owner="pm",
        undecided="canary", at_work=(stretch,), stretches=(stretch,), production="late@7", back_to="late@6",
        record=Version(
            name="late", version=7, definition="d" * 64, build="b", dataset=7, trainer="lightgbm",
            parameters={"num_leaves": 15}, seed=1, files={"model.txt": "a" * 64}, pinned={}, why="due", seconds=492.0,
        ),
        gate=gate(
            "passed", line("roc_auc >= 0.62", "passed"), line("better than linear", "passed", 0.03, 0.0),
            line("latency_p99_ms <= 20", "passed", 11.6, 20.0),
        ),
        gate_at=NOW, live=(WEEK, None, None), live_metric=WEEK,
        approvals=(Signed("roc_auc >= 0.62", "sora", "November is <quiet>.", NOW),),
        evaluations=(evaluation(BINARY),), testsets=("test", "december"),
        slices=(
            SliceFigure("origin", "EWR", 4_000, 0.73, 0.70, 0.76, 0.58, "passed"),
            SliceFigure("origin", "JFK", 400, 0.57, 0.50, 0.64, 0.58, "undecided"),
            SliceFigure("carrier", None, 3, None, None, None, None, None),
            SliceFigure("carrier", "AA", 90, 0.61, None, None, None, None),
        ),
        candidates=tuple(
            Candidate(
                name="late", dataset=7, trainer="lightgbm", parameters={"num_leaves": 2**n, "num_iterations": 100},
                metric="roc_auc", value=0.7 + n / 100, seconds=n, latency_us=3.0 * n, chosen=n == 5,
            )
            for n in range(1, 7)
        ),
        dataset=Dataset(
            name="late", version=7, definition="d", build="b", path="p", delta=0, rows=300_000, columns={},
            splits={"train": 276_007, "validation": 6_000, "test": 12_942},
            inputs=[Input(name="departures", version=334, definition="d")], assumptions=["planes has no history."],
            moments={"train": [NOW - timedelta(days=300), NOW - timedelta(days=40)]},
        ),
        fitness=Fitness(name="late", dataset=7, verdict="doubtful", suits="trees", findings=[]),
        features=(
            FedFeature("hour", "BIGINT", "derived", "departures", "hour(sched_dep)"),
            FedFeature("weather.temp", "DOUBLE", "looked up", "weather", definition="c" * 64, current=False),
        ),
        declared=Declared("models/late.py", 5, 'late = rd.Model(task="<binary>")', same=False),
        mistakes=Mistakes(
            name="late", version=7, testset="test", rows=12_942, mistakes=1_557, loss="log_loss", mean_loss=0.3,
            worst=[
                Mistake(
                    key={"carrier": "B6", "flight": 2002, "sched_dep": "2013-11-17T22:50:00+00:00"}, moment=NOW,
                    score=0.83, label=True, outcome=False, loss=1.8, features={},
                    contributions=[Contribution(feature="hour", value=22, contribution=-0.4)],
                )
            ],
            slices=[
                MistakeSlice(
                    conditions=[Condition(column="hour", low=17.0), Condition(column="origin", is_="JFK")], rows=400,
                    mistakes=120, share=0.3, low=0.2, high=0.4, lift=2.5, loss=0.9,
                )
            ],
            looked=40, confirmed_on=6_000,
        ),
        attribution=Attribution(
            name="late", version=7, kind="testset", of="test", rows=1_000, of_rows=12_942, base=0.2, prediction=0.2,
            features=[Attributed(feature="hour", weight=figure(0.04), share=0.4, direction=0.9, effects=[])],
        ),
        rehearsal=Rehearsal(
            name="late", version=7, offline_rows=1000, offline_differ=0, greatest_difference=0.0, online_keys=271,
            online_differ=0, latency_p50_ms=0.1, latency_p99_ms=11.8, requests=500,
        ),
        releases=(
            Release(
                name="late", version=7, format="onnx", file="late7.onnx", sha256="e" * 64, rows=9, greatest_difference=0.0
            ),
        ),
        comparisons=(Against("late@6", "december", against, True, NOW),),
        history=(Happened(NOW, "gates", "ann", "passed"), Happened(NOW, "versions", "ann", "due")),
    )  # fmt: skip
    return dataclasses.replace(whole, **changes)


def page(detail: VersionDetail, code: Code = "en", *, token: str | None = "t", saved: bool = False) -> str:
    frame = Frame(
        project="flights", now=NOW, timezone="America/New_York", code=code, address="/models/late/7", token=token,
        saved=saved,
    )  # fmt: skip
    return version_page(detail, frame)


class Structure(HTMLParser):
    """What is open, the ids, where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [str(values["id"])] if values.get("id") else []
        self.addresses += [str(values[name]) for name in ("href", "src") if values.get(name)]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)


UNDECIDED = gate(
    "undecided", line("roc_auc >= 0.62", "undecided"), line("better than linear", "not_applicable", None, 0)
)
FAILED = gate("failed", line("roc_auc >= 0.62", "failed", 0.5))
IDLE: dict[str, Any] = {"at_work": (), "stretches": (), "production": "late@6", "back_to": "late@5"}
STATES = {
    "bare": BARE,
    "full": full(),
    "undecided": full(gate=UNDECIDED, live=(None, None), approvals=(), **IDLE),
    "failed": full(gate=FAILED, live=(None,), **IDLE),
    "without curves": full(evaluations=(evaluation(None),)),
    "several classes": full(task="multiclass", evaluations=(evaluation(SEVERAL),)),
    "a number": full(
        task="regression", metric="rmse", higher_is_better=False, evaluations=(evaluation(REGRESSION, rmse=12.0),)
    ),
}


@pytest.mark.parametrize("code", ["en", "ko"])
@pytest.mark.parametrize("name", STATES)
def test_a_page_is_well_formed_in_every_state(name: str, code: Code) -> None:
    for saved in (False, True) if name in ("bare", "full") else (False,):
        text = page(STATES[name], code, saved=saved)
        found = Structure(text)
        assert (found.open, found.wrong) == ([], [])
        assert len(found.ids) == len(set(found.ids))
        assert {a[1:] for a in found.addresses if a.startswith("#")} <= set(found.ids)
        spoken = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert not re.search(r"\{[a-z_]+\}", spoken)
        if saved:
            assert [a for a in found.addresses if not a.startswith(("#", "data:"))] == []


def heading(detail: VersionDetail) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page(detail))
    assert found is not None
    return found[1]


def test_the_first_sentence_says_how_it_stands() -> None:
    assert heading(full()) == "late@7 is in production"
    assert heading(STATES["undecided"]) == "late@7 is undecided at its gate"
    assert heading(STATES["failed"]) == "late@7 did not pass its gate"
    assert heading(BARE) == "late@1 has not been held against requirements"
    assert heading(full(**IDLE)) == "late@7 passed its gate and is not at work"
    ended = dataclasses.replace(full().stretches[0], until=datetime(2013, 12, 24, 12, tzinfo=UTC))
    assert heading(full(**IDLE | {"stretches": (ended,)})) == "late@7 was in production until 24 Dec 2013"
    canary = dataclasses.replace(full().stretches[0], role="canary", share=0.1)
    assert heading(full(**IDLE | {"at_work": (canary,)})) == "late@7 answers 10 % of the requests"


def offered(detail: VersionDetail, **frame: Any) -> list[str]:
    scripted = re.sub(r"<noscript>.*?</noscript>", "", page(detail, **frame), flags=re.DOTALL)
    return re.findall(r'action="/actions/(\w+)"', scripted)


def test_only_what_may_be_done_is_offered() -> None:
    assert offered(full()) == ["rollback"]
    assert offered(full(**IDLE)) == ["promote"] * 3
    assert offered(STATES["undecided"]) == ["promote", "sign"]
    assert 'value="canary=10%"' in page(STATES["undecided"])
    assert offered(dataclasses.replace(STATES["undecided"], undecided="sign")) == ["sign"]
    assert offered(STATES["failed"]) == []
    unequal = msgspec.structs.replace(full().rehearsal, offline_differ=3)
    assert offered(full(rehearsal=unequal, **IDLE)) == []
    assert offered(BARE) == ["promote"]
    assert offered(dataclasses.replace(BARE, prd_file="docs/prd.md")) == []


def test_nothing_is_offered_to_those_who_may_only_look() -> None:
    assert offered(full(), token=None) == [] == offered(full(), saved=True)


def test_a_dialog_says_what_happens_and_whether_it_would_help() -> None:
    text = page(full())
    assert "late@6 answers every request from the next one on" in text
    assert (
        "On december, late@7 less late@6 is +0.017 in roc_auc (+0.014 to +0.020, 27,110 rows): late@7 is better."
        in text
    )
    assert "have not been compared" in page(full(comparisons=()))


def test_every_figure_has_its_interval_and_what_people_wrote_is_escaped() -> None:
    text = page(full())
    for written in ("0.718", "0.620–0.800, 6,390 outcomes, week to 31 Dec 2013", "0.690", "0.670–0.710, 900 rows"):
        assert written in text, written
    assert "November is &lt;quiet&gt;." in text and "passed &amp; reviewed" in text
    assert "rd.Model(task=&#34;&lt;binary&gt;&#34;)" in text
    assert "no longer the table’s" in text and "The declaration has changed since" in text


def test_what_is_missing_is_a_sentence_with_the_command_that_supplies_it() -> None:
    text = page(BARE)
    for command in (
        "gate late@1",
        "evaluate late@1",
        "mistakes late@1",
        "explain late@1 --on test",
        "reproduce late@1",
    ):
        assert f"rondo {command}<" in text, command
    assert "rondo evaluate late@7 --on december<" in page(full())
    assert "rondo evaluate late@7<" in page(STATES["without curves"])


def test_slices_are_drawn_on_one_scale_and_the_unexamined_are_not() -> None:
    whole, undecided, nothing, unknown = slice_lines(full(), EN)
    assert (whole.mark, undecided.mark, nothing.mark) == ("good", "open", "idle")
    assert nothing.plot is None and unknown.plot is None and whole.plot is not None
    limits = [re.search(r'refline" x1="([\d.]+)"', str(each.plot)) for each in (whole, undecided)]
    assert limits[0] is not None and limits[1] is not None and limits[0][1] == limits[1][1]


def test_a_gap_is_bold_only_where_its_interval_is_clear_of_zero() -> None:
    [group] = group_lines(evaluation(BINARY).slices, EN)["origin"]
    caught, in_vain = (gap for _, gap in group.rates[2:])
    assert "<b>+19.0</b>" in str(caught) and "<b>" not in str(in_vain)


def test_fairness_is_told_of_two_classes_alone() -> None:
    assert 'id="fairness"' in page(full())
    assert 'id="fairness"' not in page(STATES["a number"]) + page(STATES["several classes"])


def test_a_candidate_is_called_by_its_size() -> None:
    assert candidate_name(full().candidates[4], EN) == "32 leaves × 100"
    assert candidate_name(msgspec.structs.replace(full().candidates[0], parameters={}), EN) == "lightgbm"


def test_a_live_value_tells_its_slice() -> None:
    assert live_told(None, EN) == "–"
    assert "0.718" in live_told(WEEK, EN) and "0.620–0.800" in live_told(WEEK, EN)


def test_many_slices_fold_away() -> None:
    many = tuple(SliceFigure("carrier", f"C{n}", 90, 0.6, 0.5, 0.7, None, None) for n in range(60))
    text = page(full(slices=many))
    assert "36 more slices" in text and "carrier = C59" in text


def test_the_sample_explains_where_no_attribution_does() -> None:
    sample = Explanation(
        name="late", version=7, base=0.1, prediction=0.2, residual=0.0, rows=1000,
        contributions=[Contribution(feature="hour", value=None, contribution=0.04)],
    )  # fmt: skip
    assert "1,000 rows of the test split" in page(full(attribution=None, explanation=sample))


def test_the_same_facts_make_the_same_bytes() -> None:
    assert page(full()) == page(full())
