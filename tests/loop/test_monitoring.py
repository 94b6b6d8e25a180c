from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rondo.deploy.answering import Answerer
from rondo.deploy.lookups import live_values
from rondo.deploy.outcomes import append, parse
from rondo.deploy.predictions import record
from rondo.loop.monitoring import monitor
from rondo.loop.running import run
from rondo.loop.versions import packed_version
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.monitoring import Measurement


@pytest.fixture
def served(shop: Path) -> Workplace:
    run(open_workplace(shop))
    return open_workplace(shop)


def ask(work: Workplace, rows: list[dict[str, object]]) -> list[str]:
    answerer = Answerer(packed_version(work, "late", 1), live_values(work.store, "Europe/Berlin"), 1)
    answers = answerer.answer(rows, now=work.now(), role="production")
    record(work.store.log, "late", answers, caller="test", latency_ms=1.0)
    return [answer.id for answer in answers]


def known(work: Workplace) -> list[dict[str, object]]:
    query = "select visit, asked_at, shop, distance from visits where asked_at >= timestamp '2024-02-05' order by visit"
    return work.catalog.query(query).rows.to_pylist()


def test_answers_are_joined_to_what_became_of_them(served: Workplace) -> None:
    rows = known(served)
    ask(served, rows)
    document = monitor(served, served.project.model("late"))
    assert sum(window["rows"] for window in document["windows"]) == len(rows)
    for window in document["windows"]:
        figures = {m["name"]: m for m in window["measurements"] if not m["feature"] and not m["by"]}
        assert figures["rows"]["value"] == window["rows"]
        auc = figures["roc_auc"]
        assert auc["low"] <= auc["value"] <= auc["high"]
        assert (auc["limit"], auc["state"]) == (0.55, "within")
    mean = served.catalog.query("select avg(outcome::int) as late, count(*) as n from outcomes.late").rows.to_pylist()
    truth = served.catalog.query("select avg(late::int) as late, count(*) as n from visits").rows.to_pylist()
    assert mean == truth


def test_measuring_again_records_nothing_and_late_rows_are_measured_again(served: Workplace) -> None:
    rows = known(served)
    ask(served, rows[:-5])
    model = served.project.model("late")
    monitor(served, model)
    first = served.store.ledger.count(Measurement, "late")
    monitor(served, model)
    assert served.store.ledger.count(Measurement, "late") == first
    ask(served, rows[-5:])
    monitor(served, model)
    assert served.store.ledger.count(Measurement, "late") > first
    assert served.catalog.query("select count(*) as n from predictions.late").rows.column("n")[0].as_py() == len(rows)


def test_outcomes_that_are_not_due_yet_do_not_count(served: Workplace) -> None:
    now = served.now()
    soon = now - timedelta(minutes=30)  # an outcome takes an hour
    ask(served, [{"visit": "new", "asked_at": soon.isoformat(), "shop": "A", "distance": 3.0}])
    [window] = monitor(served, served.project.model("late"))["windows"]
    assert (window["rows"], window["matured"]) == (1, 0)
    auc = next(m for m in window["measurements"] if m["name"] == "roc_auc")
    assert (auc["value"], auc["state"]) == (None, "unexamined")


def test_an_outcome_reported_by_id_reaches_an_answer_without_a_key(served: Workplace) -> None:
    [identity] = ask(served, [{"asked_at": "2024-02-10T08:00:00", "shop": "B", "distance": 9.5}])
    now = datetime.now(UTC)
    reported = parse([{"id": identity, "outcome": True}], keys={"late": ["visit"]}, timezone="Europe/Berlin", now=now)
    append(served.store.log, reported)
    work = open_workplace(served.project.root, clock=lambda: now + timedelta(seconds=1))
    [window] = monitor(work, work.project.model("late"))["windows"]
    assert (window["rows"], window["matured"]) == (1, 1)
    brier = work.catalog.query(
        "select outcome, source from outcomes.late where prediction is not null"
    ).rows.to_pylist()
    assert brier == [{"outcome": True, "source": "api"}]
