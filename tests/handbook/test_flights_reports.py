"""The reports that ship with `flights`, from the first day on."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

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
    """Three weeks of one departure an hour from each airport, a third of them late."""
    lines = ["year,month,day,dep_delay,sched_dep_time,carrier,flight,tailnum,origin,dest,distance"]
    for day in range(9, 30):
        for hour in HOURS:
            for number, origin in enumerate(("EWR", "JFK", "LGA")):
                delay = "NA" if (day, hour) == (17, 6) else 40 if (day + hour + number) % 3 == 0 else -2
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
        "name": "late", "start": WEEK, "end": WEEK + timedelta(days=7), "rows": 300, "matured": 300, "low": 0.6,
        "high": 0.8, "limit": 0.62, "state": "within", "model_version": 1,
    }  # fmt: skip
    work.store.ledger.append(
        Measurement(**base, metric="roc_auc", feature=None, value=0.7),
        *(Measurement(**base, metric="roc_auc", feature=None, value=0.7, by="origin", is_=each) for each in ("EWR", "JFK")),
        Measurement(**base, metric="population_stability_index", feature="weather.temp", value=2.5),
        Alert(
            name="drift", id="a", model="late", number=1, event="opened", state="open", since=WEEK, changed=WEEK,
            severity="warning", summary="The weather is | <b>colder</b>.",
        ),
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
    assert "<h1>34 % left late" in page and "336 departures" in page and "No quality has been measured" in page
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
