"""The reports that ship with `flights`, from the first day on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats as scipy_stats

from rondo.handbook.report_facts import ReportFacts, StatsFacts, TextFacts
from rondo.handbook.reports import report_facts
from rondo.language.catalogues import Code
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.pages.frame import Frame
from rondo.pages.reports import report_page
from rondo.project.reports import Text, read_report, report_names
from rondo.project.starting import start
from rondo.records.monitoring import Alert, Measurement

WEEK = datetime.fromisoformat("2013-12-16T00:00:00-05:00")
REPORTS: tuple[tuple[str, Code], ...] = (("weekly", "en"), ("for_everyone", "en"), ("for_everyone", "ko"))
HOURS = range(6, 22)


def flights() -> str:
    """Three weeks of one departure an hour from each airport."""
    lines = ["year,month,day,dep_delay,sched_dep_time,carrier,flight,tailnum,origin,dest,distance"]
    for day in range(9, 30):
        for hour in HOURS:
            for number, origin in enumerate(("EWR", "JFK", "LGA")):
                late = (day * hour + number) % 5 <= day % 3  # some days far more than others
                delay = "NA" if (day, hour) == (17, 6) else 40 if late else -2
                lines.append(f"2013,12,{day},{delay},{hour}00,{'UA' if hour % 2 else 'B6'},{hour},N1,{origin},SFO,2500")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("flights") / "flights"
    start(root, "flights", "flights")
    (root / "data").mkdir(exist_ok=True)
    for path in (root / "data").iterdir():
        path.unlink()
    (root / "data" / "flights.csv").write_text(flights())
    return root


def alert(id_: str, number: int, event: Literal["opened", "resolved"], day: int) -> Alert:
    return Alert(
        name="drift", id=id_, model="late", number=number, event=event, state="open" if event == "opened" else event,
        since=WEEK, changed=WEEK + timedelta(days=day), severity="warning", summary="The weather is | <b>colder</b>.",
    )  # fmt: skip


@pytest.fixture
def work(root: Path) -> Workplace:
    """A week that production has answered for."""
    if open_workplace(root, readonly=True).store.lake.version("predictions/late") is None:
        run(open_workplace(root), ["departures"])
        answered(open_workplace(root))
    return open_workplace(root, readonly=True)


def answered(work: Workplace) -> None:
    """Production has answered for every departure of the week, their outcomes are in, and it was measured."""
    rows = work.catalog.query(
        "select * from departures where sched_dep >= '2013-12-16' and sched_dep < '2013-12-23'"
    ).rows
    key = ["carrier", "flight", "origin", "sched_dep"]
    late = rows["late"].to_pylist()
    said = [number % 2 == 0 for number in range(rows.num_rows)]
    predictions = rows.select([*key, "dest", "tailnum"]).append_column("moment", rows["asked_at"])
    for name, values in (
        ("id", [f"p{n}" for n in range(rows.num_rows)]),
        ("version", ["late@1"] * rows.num_rows),
        ("role", ["production"] * rows.num_rows),
        ("at", rows["asked_at"].to_pylist()),
        ("score", [0.4 if each else 0.1 for each in said]),
        ("label", said),
        ("weather.temp", [None if n % 10 == 0 else 40.0 for n in range(rows.num_rows)]),
    ):
        predictions = predictions.append_column(name, pa.array(values))
    work.store.lake.write("predictions/late", predictions, mode="append")
    outcomes = rows.select(key).append_column("moment", rows["asked_at"]).append_column("outcome", pa.array(late))
    outcomes = outcomes.append_column("known", rows["known_at"])
    work.store.lake.write("outcomes/late", outcomes, mode="append")
    base = {
        "name": "late", "start": WEEK, "end": WEEK + timedelta(days=7), "rows": 300, "matured": 300, "n": 290, "low": 0.6,
        "high": 0.8, "limit": 0.62, "state": "within", "model_version": 1,
    }  # fmt: skip
    work.store.ledger.append(
        Measurement(**base, metric="roc_auc", feature=None, value=0.7),
        *(
            Measurement(**{**base, "n": n}, metric="roc_auc", feature=None, value=0.7, by="origin", is_=each)
            for each, n in (("EWR", 95), ("JFK", 101))
        ),
        Measurement(**base, metric="population_stability_index", feature="weather.temp", value=2.5),
        *(alert("a", 1, "opened", 0), alert("b", 1, "opened", -3), alert("c", 1, "opened", -3)),
        *(alert("c", 2, "resolved", -1), alert("b", 2, "resolved", 3), alert("d", 1, "opened", 7)),
        by="test",
    )  # fmt: skip


def read(work: Workplace, name: str, code: Code, **given: str) -> tuple[ReportFacts, str]:
    facts = report_facts(work, name, given, code=code)
    frame = Frame("flights", facts.now, facts.timezone, code=code, saved=True)
    return facts, report_page(facts, frame)


def figures(facts: ReportFacts) -> list[str]:
    return [figure for block in facts.blocks if isinstance(block, TextFacts) for figure in block.figures]


def test_they_read_on_the_first_day_on_data_alone_and_with_answers(root: Path) -> None:
    assert report_names(root) == ("for_everyone", "weekly")
    for name, code in REPORTS:  # nothing was ever run
        facts, page = read(open_workplace(root, readonly=True), name, code)
        assert facts.problems == () and "–" not in figures(facts) and "?" not in figures(facts)
        assert facts.file == f"reports/{name}.ko.md" if code == "ko" else f"reports/{name}.md"
        assert len(page) > 5_000
    run(open_workplace(root), ["departures"])
    for name, code in REPORTS:
        facts, _ = read(open_workplace(root, readonly=True), name, code)
        assert facts.problems == () and "–" not in figures(facts)
    facts, page = read(open_workplace(root, readonly=True), "weekly", "en", week="2013-W51")
    assert "<h1>46 % left late" in page and "336 departures" in page and "No quality has been measured" in page
    answered(open_workplace(root))
    for name, code in REPORTS:
        facts, page = read(
            open_workplace(root, readonly=True), name, code, **({"week": "2013-W51"} if name == "weekly" else {})
        )
        assert facts.problems == () and not {"–", "?"} & set(figures(facts)), figures(facts)
        stats = [stat for block in facts.blocks if isinstance(block, StatsFacts) for stat in block.stats]
        assert len(stats) >= 4 and all(stat.value not in ("–", "?") for stat in stats)
        assert page.count("<svg") > 1
    weekly = read(open_workplace(root, readonly=True), "weekly", "en", week="2013-W51")[1]
    assert "AUC of <strong>0.700</strong>" in weekly and "weather.temp lies furthest" in weekly
    assert "The weather is | &lt;b&gt;colder&lt;/b&gt;." in weekly


def test_both_languages_ask_the_same_queries(root: Path) -> None:
    english, korean = (read_report(root, "for_everyone", code) for code in ("en", "ko"))
    assert [query.name for query in english.queries] == [query.name for query in korean.queries]
    assert [parameter.default for parameter in english.parameters] == [
        parameter.default for parameter in korean.parameters
    ]
    said = [
        {f.written for block in each.blocks if isinstance(block, Text) for f in block.figures}
        for each in (english, korean)
    ]
    assert said[0] == said[1]


def of(facts: ReportFacts, query: str) -> tuple[Mapping[str, Any], ...]:
    return next(answer.rows for answer in facts.answers if answer.name == query)


def test_a_week_tells_its_own_numbers(work: Workplace) -> None:
    facts, page = read(work, "weekly", "en", week="2013-W51")
    assert [(row["origin"], row["outcomes"]) for row in of(facts, "by_airport")] == [("EWR", 95), ("JFK", 101)]
    assert of(facts, "quality")[0]["outcomes"] == 290 and of(facts, "weeks")[-1]["week"] == WEEK.date()
    assert [(row["state"], row["raised"], row["standing"]) for row in of(facts, "alerts")] == [
        ("resolved", 1, 1),
        ("open", 1, 1),
    ]
    assert "by the Monday of its week" in page
    later = read(work, "weekly", "en", week="2013-W52")[0]
    assert [row["raised"] for row in of(later, "alerts")] == [1, 1] and of(later, "alerts")[0]["standing"] == 1


def test_a_week_that_is_not_whole_says_so(root: Path, work: Workplace) -> None:
    path = root / "data" / "flights.csv"
    whole = path.read_text()
    more = [f"2013,12,{day},{day - 20},{hour}00,UA,{hour},N1,EWR,SFO,2500" for day in (30, 31) for hour in HOURS]
    try:
        path.write_text(whole + "\n".join(more) + "\n")
        run(open_workplace(root), ["departures"])
        facts, page = read(open_workplace(root, readonly=True), "weekly", "en", week="2013-12-30")
    finally:
        path.write_text(whole)
        run(open_workplace(root), ["departures"])
    assert "departures are known of 2 of its 7 days, up to 31 Dec 2013" in page
    stats = [stat for block in facts.blocks if isinstance(block, StatsFacts) for stat in block.stats]
    assert not [stat.below for stat in stats if stat.below.startswith(",") or "–," in stat.below], stats
    assert stats[1].below.startswith(("+", "−")) and stats[3].below == "n = 0"


def whole_days(days: Sequence[Any], hits: Sequence[bool]) -> tuple[float, float, float]:
    """A share with the 95 % interval of a ratio of totals over whole days (Cochran 1977, 2.11), bounds kept in [0, 1]."""
    _, day = np.unique(np.asarray(days), return_inverse=True)
    n, x = np.bincount(day), np.bincount(day, weights=np.asarray(hits, dtype=float))
    share, many = x.sum() / n.sum(), len(n)
    error = np.sqrt(many / (many - 1) * np.square(x - share * n).sum()) / n.sum()
    half = scipy_stats.t.ppf(0.975, many - 1) * error
    return share, max(share - half, 0.0), min(share + half, 1.0)


def test_their_intervals_are_those_of_whole_days(work: Workplace) -> None:
    rows = work.catalog.query(
        "select d.carrier, d.sched_dep::date as day, d.late, p.label from departures d "
        "join predictions.late p using (carrier, flight, origin, sched_dep) "
        "where d.sched_dep >= '2013-12-16' and d.sched_dep < '2013-12-23'"
    ).rows.to_pylist()
    weekly = read(work, "weekly", "en", week="2013-W51")[0]
    everyone = read(work, "for_everyone", "en", until="2013-12-22")[0]
    [total], [answers], [warned] = (of(weekly, "totals"), of(weekly, "answers"), of(everyone, "warned"))
    late, said = [row for row in rows if row["late"]], [row for row in rows if row["label"]]
    cases = [
        (rows, "late", total, "late_share"),
        (late, "label", answers, "found"),
        (said, "late", answers, "right_share"),
        (said, "late", warned, "right_share"),
    ]
    told = [(each, column, row[name], row[f"{name}_low"], row[f"{name}_high"]) for each, column, row, name in cases]
    for row in of(weekly, "carriers"):
        flown = [each for each in rows if each["carrier"] == row["carrier"]]
        told.append((flown, "late", row["late_share"], row["low"], row["high"]))
    assert len(told) == 6
    for each, column, share, low, high in told:
        want = whole_days([row["day"] for row in each], [row[column] for row in each])
        assert share == pytest.approx(want[0])
        assert high - low == pytest.approx(want[2] - want[1], rel=0.02) and high > share > low  # Student's t within 2 %
