"""Cells, history, lineage, profile, health and the facts of the loop page, over a project that has run."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from rondo.errors import NotFound
from rondo.handbook.cells import cell, rows_document
from rondo.handbook.doctor import examine
from rondo.handbook.history import history_document
from rondo.handbook.loop import loop_facts
from rondo.handbook.profile import profile_of
from rondo.handbook.tracing import lineage_document
from rondo.handbook.versions import version_facts
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.deployment import Rehearsal
from rondo.records.monitoring import Alert


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    root = tmp_path_factory.mktemp("handbook") / "shop"
    for name, text in files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    run(open_workplace(root))
    return open_workplace(root)


def files() -> dict[str, str]:
    rows = ["visit,asked_at,shop,distance,late,result_at"]
    start = datetime(2024, 1, 1)
    for number in range(300):
        asked = start + timedelta(hours=3 * number)
        rows.append(
            f"v{number},{asked},{'AB'[number % 2]},{number % 17},{str(number % 17 > 8).lower()},{asked + timedelta(hours=1)}"
        )
    return {
        "rondo.toml": '[project]\nname = "shop"\nsummary = "Late?"\ntimezone = "Europe/Berlin"\nclock = "data"\n',
        "sources.py": "import rondo as rd\n\nvisits_raw = rd.Source(\n    rd.files('data/visits.csv'), key='visit', time='asked_at', known='result_at'\n)\n",
        "tables/visits.sql": "/* ---\nkey: visit\ntime: asked_at\nlabel: late\nlabel_known: result_at\ninputs: [distance]\nchecks: [unique]\n--- */\n"
        "select visit, asked_at, shop, distance, late, result_at from visits_raw where distance >= 0\n",
        "models/late.py": "import rondo as rd\n\nlate = rd.Model(\n    examples='visits', task=rd.binary('late', positive=True), train=rd.linear(),\n"
        "    split=rd.by_time(validation='5d', test='10d'), slices=['shop'],\n)\n",
        "data/visits.csv": "\n".join(rows) + "\n",
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None), (True, True), (3, 3), (1.5, 1.5), (math.nan, None), (math.inf, None), (Decimal("2.50"), 2.5),
        (Decimal("7"), 7), ("한글", "한글"), (date(2024, 3, 31), "2024-03-31"), (b"\x01", "01"), ([1.0, math.nan], [1.0, None]),
        ({"a": datetime(2024, 7, 1, tzinfo=UTC)}, {"a": "2024-07-01T02:00:00+02:00"}), (timedelta(minutes=1), 60.0),
    ],
)  # fmt: skip
def test_a_cell_says_what_json_can(value: object, said: object) -> None:
    assert cell(value, ZoneInfo("Europe/Berlin")) == said


def test_rows_keep_their_columns_and_types(work: Workplace) -> None:
    answer = work.catalog.query("select asked_at, distance from visits order by asked_at limit 1")
    assert rows_document(answer, "Europe/Berlin") == {
        "columns": [{"name": "asked_at", "type": "TIMESTAMP WITH TIME ZONE"}, {"name": "distance", "type": "BIGINT"}],
        "rows": [{"asked_at": "2024-01-01T00:00:00+01:00", "distance": 0}],
        "truncated": False,
    }


def test_history_is_newest_first_with_whole_versions(work: Workplace) -> None:
    lines = history_document(work.store.ledger, 100)
    assert [line["at"] for line in lines] == sorted((line["at"] for line in lines), reverse=True)
    versions = {line["version"] for line in lines}
    assert {"late@1", "visits@v1", "visits_raw@v1"} <= versions
    assert len(history_document(work.store.ledger, 3)) == 3


def test_lineage_reaches_the_file_with_every_kind_of_use(work: Workplace) -> None:
    upstream = lineage_document(work.catalog, "visits.late")["upstream"]
    assert {"name": "visits_raw", "column": "late", "kind": "value", "source": "data/visits.csv"} in upstream
    assert {"name": "visits_raw", "column": "distance", "kind": "filter", "source": "data/visits.csv"} in upstream
    of_model = {(edge["name"], edge["column"]) for edge in lineage_document(work.catalog, "late")["upstream"]}
    assert {("visits", "distance"), ("visits", "late"), ("visits_raw", "distance")} <= of_model
    for name in ("nothing", "visits.nothing"):
        with pytest.raises(NotFound):
            lineage_document(work.catalog, name)


def test_the_profile_of_examples_ends_with_a_verdict(work: Workplace) -> None:
    document = profile_of(work.catalog, work.store, "visits", by="tester")
    columns = {column["name"]: column for column in document["columns"]}
    assert (columns["distance"]["min"], columns["distance"]["max"], columns["distance"]["nulls"]) == (0, 16, 0)
    assert columns["shop"]["top"] == [{"value": "A", "count": 150}, {"value": "B", "count": 150}]
    assert document["checks"] == [{"text": "unique", "state": "passed", "rows": 300, "failed": 0}]
    assert document["fitness"]["verdict"]
    assert profile_of(work.catalog, work.store, "visits_raw", by="tester")["fitness"] is None


def test_the_loop_page_is_told_what_is_there(work: Workplace) -> None:
    facts = loop_facts(work)
    assert (facts.project, facts.model, facts.next.need) == ("shop", "late", "nothing")
    assert [(table.name, table.rows, table.checks) for table in facts.tables] == [
        ("visits_raw", 300, 0),
        ("visits", 300, 1),
    ]
    [version] = facts.versions
    assert (version.name, version.roles, version.metric) == ("late@1", ("production",), "roc_auc")
    assert facts.dataset is not None
    assert sum(facts.dataset.splits.values()) <= facts.dataset.rows == 300
    assert facts.predictions == 0
    assert facts.changes


def test_the_home_page_tells_of_what_is_in_production_and_counts_what_it_is_fed(work: Workplace) -> None:
    def rehearsed(version: int, latency_ms: float) -> Rehearsal:
        return Rehearsal(
            name="late", version=version, offline_rows=9, offline_differ=0, greatest_difference=0.0, online_keys=0,
            online_differ=0, latency_p50_ms=0.1, latency_p99_ms=latency_ms, requests=9,
        )  # fmt: skip

    work.store.ledger.append(rehearsed(1, 0.25), rehearsed(2, 4.5), by="test")
    facts = loop_facts(work)
    assert facts.latency_p99_ms == 0.25, "of late@1, not of a newer version that is not at work"
    assert facts.dataset is not None and facts.dataset.features == len(version_facts(work, "late", 1).features)


def test_of_an_alert_the_first_step_of_its_runbook_comes_next(work: Workplace) -> None:
    at = datetime(2024, 2, 8, tzinfo=UTC)

    def opened(state: Literal["open", "resolved"], number: int, *steps: str) -> Alert:
        return Alert(
            name="stale data", id="a1", model="late", number=number, event="opened", state=state, since=at, changed=at,
            severity="critical", summary="visits are late", steps=list(steps),
        )  # fmt: skip

    work.store.ledger.append(opened("open", 1, "Ask.", "`rondo plan visits` says more."), by="test")
    step = loop_facts(work).next
    assert (step.about, step.command, step.reason) == ("Ask.", "rondo alerts a1", "visits are late")
    work.store.ledger.append(opened("open", 2, "`rondo plan visits` says more."), by="test")
    assert loop_facts(work).next.command == "rondo plan visits"
    work.store.ledger.append(opened("resolved", 3), by="test")
    assert loop_facts(work).next.need == "nothing"


def test_a_doctor_names_what_is_wrong_and_what_to_do(work: Workplace, tmp_path: Path) -> None:
    assert examine(work.project.root, "live")["healthy"]
    (tmp_path / "rondo.toml").write_text("[project]\n", encoding="utf-8")
    sick = examine(tmp_path, "live")
    assert not sick["healthy"]
    bad = [finding for finding in sick["findings"] if finding["state"] == "bad"]
    assert len(bad) == 1
    assert "name" in bad[0]["what"]
    assert bad[0]["next"]


def test_a_damaged_artifact_is_found(work: Workplace) -> None:
    folder = work.project.root / ".rondo" / "artifacts"
    victim = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = victim.read_bytes()
    victim.chmod(0o600)
    victim.write_bytes(content[:-1] + b"!")
    try:
        assert not examine(work.project.root, "live")["healthy"]
    finally:
        victim.write_bytes(content)
