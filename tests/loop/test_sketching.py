from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rondo.deploy.answering import Answerer
from rondo.deploy.lookups import live_values
from rondo.deploy.predictions import record
from rondo.loop.collecting import collect
from rondo.loop.forgetting import forget
from rondo.loop.running import run
from rondo.loop.sketching import forget_sketches, references_of, sketched, trained_history
from rondo.loop.versions import packed_version
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.features import measure_days, measure_weeks
from rondo.monitor.measurements import Remembered, is_of_week
from rondo.monitor.measurements import record as record_measurements
from rondo.monitor.sketched import alone, keep
from rondo.records.monitoring import Measurement
from rondo.sql.engine import connect
from rondo.store.sketches import days_path, marks_of


@pytest.fixture
def served(shop: Path) -> Workplace:
    run(open_workplace(shop))
    return open_workplace(shop)


def ask(work: Workplace, *, since: str, until: str) -> int:
    """Asks production what history asked; gives how many rows."""
    query = (
        f"select visit, asked_at, shop, distance from visits where asked_at >= '{since}' and asked_at < '{until}' "
        "order by visit"
    )
    rows = work.catalog.query(query).rows.to_pylist()
    answerer = Answerer(packed_version(work, "late", 1), live_values(work.store, "Europe/Berlin"), 1)
    answers = answerer.answer(rows, now=work.now(), role="production")
    record(work.store.log, "late", answers, caller="test", latency_ms=1.0)
    return len(rows)


def watched(work: Workplace, *, killed: bool = False) -> list[Measurement]:
    """One round of measuring, which may end when all is recorded and nothing kept yet; what was recorded of it."""
    model = work.project.model("late")
    collect(work, model)
    with connect(timezone=work.project.settings.timezone) as con:
        days = sketched(work, model, con, 1)
        assert days is not None
        of = references_of(work, model)
        found = [*measure_days(days, of), *measure_weeks(days, of)]
        recorded = record_measurements(work.store.ledger, found, Remembered(work.store.ledger, "late"), by="test")
        if not killed:
            keep(days)
    return recorded


def test_what_history_asked_is_measured_beside_what_was_trained_on(served: Workplace) -> None:
    rows = ask(served, since="2024-02-05", until="2024-02-12")  # a week, Monday to Monday
    found = watched(served)
    week = {(each.metric, each.feature): each for each in found if each.rows == rows}
    signature = packed_version(served, "late", 1).signature
    for feature in signature.fed:
        measured = week["population_stability_index", feature.name]
        assert measured.value is not None and measured.low is not None
        assert week["null_share", feature.name].n == rows
    assert week["score_population_stability_index", None].value is not None
    assert week["rows", None].value == rows == sum(
        each.rows for each in found if each.metric == "rows" and each is not week["rows", None]
    )  # fmt: skip
    assert watched(served) == []


def test_killed_before_sketches_are_kept_it_is_done_again_and_nothing_is_doubled(served: Workplace) -> None:
    ask(served, since="2024-02-05", until="2024-02-08")
    assert watched(served, killed=True)
    assert watched(served, killed=True) == watched(served) == []
    ask(served, since="2024-02-08", until="2024-02-09")
    assert {each.start.date().isoformat() for each in watched(served)} == {"2024-02-04", "2024-02-07"}  # in UTC


def test_the_reference_is_there_before_it_is_asked_for(served: Workplace) -> None:
    path = "sketches/dataset.late"
    before = served.store.lake.version(path)
    assert before is not None
    references_of(served, served.project.model("late"))(1)
    assert served.store.lake.version(path) == before


def test_a_forgotten_key_leaves_the_sketches(served: Workplace) -> None:
    ask(served, since="2024-02-05", until="2024-02-12")
    watched(served)
    stored = marks_of(served.store.lake, days_path("late"))
    [visit] = served.catalog.query("select visit from predictions.late order by id limit 1").rows.column(0).to_pylist()
    forget(served, "late", [f'{{"visit": "{visit}"}}'])
    with connect(timezone="UTC") as con:
        forget_sketches(served, served.project.model("late"), con, 1)
    left = marks_of(served.store.lake, days_path("late"))
    [day] = stored.keys() - left.keys()
    watched(served)
    again = marks_of(served.store.lake, days_path("late"))
    assert again.keys() == stored.keys() and again[day].rows == stored[day].rows - 1


def test_forgetting_waits_for_who_is_measuring(served: Workplace) -> None:
    """Else what was read before would be stored after."""
    ask(served, since="2024-02-05", until="2024-02-06")
    watched(served)
    model = served.project.model("late")
    with ThreadPoolExecutor(1) as pool, connect(timezone="UTC") as con:
        with alone(served.store, "late"):
            waiting = pool.submit(forget_sketches, served, model, con, 1)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=30) == 0


def test_labels_of_the_days_before_are_history_for_outcomes(served: Workplace) -> None:
    ask(served, since="2024-02-05", until="2024-02-12")
    model = served.project.model("late")
    collect(served, model)
    with connect(timezone="Europe/Berlin") as con:
        days = sketched(served, model, con, 1)
        assert days is not None
        shares = [
            m
            for m in trained_history(served, model, days, references_of(served, model))
            if m.metric == "positive_share"
        ]
    query = (
        "select asked_at::date as day, count(*) as n, avg(late::int) as mean from visits "
        "where asked_at < '2024-02-05' group by all order by all"
    )
    truth = served.catalog.query(query).rows.to_pylist()
    daily = [m for m in shares if not is_of_week(m)]
    assert [(m.n, m.value) for m in daily] == [(row["n"], pytest.approx(row["mean"])) for row in truth]
    assert len(shares) > len(daily) and all(m.low is None for m in shares)
