from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rondo.deploy.resolving import resolve
from rondo.errors import BuildError, WrongUse
from rondo.loop.judging import compare
from rondo.loop.replaying import replay
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.project.moments import parse_moment
from rondo.records.documents import replay_document
from rondo.records.running import Replayed
from rondo.records.tables import Dataset

ZONE = "Europe/Berlin"


def moment(text: str, side: str = "start") -> datetime:
    return parse_moment(text, ZONE, side=side)  # type: ignore[arg-type]


def state(root: Path) -> Workplace:
    return open_workplace(root, state="spring")


@pytest.fixture
def long_shop(shop: Path, more_visits: str, more_loads: str) -> Path:
    (shop / "data/visits_2.csv").write_text(more_visits, encoding="utf-8")
    (shop / "data/loads_2.csv").write_text(more_loads, encoding="utf-8")
    (shop / "testsets").mkdir()
    (shop / "testsets/march.sql").write_text(
        "select * from visits where asked_at >= timestamp '2024-03-01'", encoding="utf-8"
    )
    return shop


@pytest.fixture
def replayed(long_shop: Path) -> Replayed:
    return replay(long_shop, "spring", moment("2024-02-10"), moment("2024-03-06", "end"))


def test_history_goes_through_the_live_path(long_shop: Path, replayed: Replayed) -> None:
    work = state(long_shop)
    count = "select count(*) as n from visits where asked_at >= timestamp '2024-02-10'"
    asked = work.catalog.query(count).rows.column("n")[0].as_py()
    document = replay_document(replayed)
    assert document["predictions"] == sum(month["rows"] for month in document["months"]) == asked > 500
    assert [month["month"] for month in document["months"]] == ["2024-02", "2024-03"]
    assert (document["trainings"], document["promotions"] + document["rejections"]) == (2, 2)
    logged = work.catalog.query(
        "select count(*) as n, count(distinct id) as ids, min(role) as role from predictions.late"
    )
    assert logged.rows.to_pylist() == [{"n": asked, "ids": asked, "role": "production"}]
    for month in document["months"]:
        figure = month["metrics"]["roc_auc"]
        assert figure["low"] <= figure["value"] <= figure["high"]


def test_nothing_of_later_time_was_learned(long_shop: Path, replayed: Replayed) -> None:
    work = state(long_shop)
    for entry in work.store.ledger.entries(Dataset, name="late"):
        as_of = entry.record.as_of
        assert as_of is not None
        assert entry.at == as_of
        assert max(last for _, last in entry.record.moments.values()) < as_of
    starts = [entry.record.as_of for entry in work.store.ledger.entries(Dataset, name="late")]
    assert starts == [moment("2024-02-10"), moment("2024-03-01")]


def test_the_served_features_are_those_of_the_as_of_join(long_shop: Path, replayed: Replayed) -> None:
    live = open_workplace(long_shop)
    run(live)
    joined = live.catalog.query('select visit, "loads.load" as load from dataset.late order by visit').rows.to_pylist()
    offline = {row["visit"]: row["load"] for row in joined}
    served = state(long_shop).catalog.query('select visit, "loads.load" as load from predictions.late').rows.to_pylist()
    assert len(served) > 500
    assert [row for row in served if offline[row["visit"]] != row["load"]] == []


def test_a_replay_is_deterministic(long_shop: Path, replayed: Replayed) -> None:
    query = "select id, score, label, version from predictions.late order by id"
    first = state(long_shop).catalog.query(query, limit=None).rows
    again = replay(long_shop, "spring", moment("2024-02-10"), moment("2024-03-06", "end"))
    assert state(long_shop).catalog.query(query, limit=None).rows.equals(first)
    assert again.months == replayed.months


def test_production_is_compared_with_what_it_was(long_shop: Path, replayed: Replayed) -> None:
    work = state(long_shop)
    then = resolve(work.store.ledger, "late@2024-02-15", timezone=ZONE)
    now = resolve(work.store.ledger, "late@production", timezone=ZONE)
    assert then == ("late", 1)
    found = compare(work, now, then, "march")
    figure = found.metrics["roc_auc"]
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= (figure.difference or 0.0) <= figure.high


def test_the_live_state_is_left_alone(long_shop: Path, replayed: Replayed) -> None:
    assert open_workplace(long_shop).store.ledger.history(10) == []


def test_what_cannot_be_replayed_is_refused(long_shop: Path) -> None:
    early, late = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    for name, start, end in (("live", early, late), ("spring", late, early), ("../up", early, late)):
        with pytest.raises(WrongUse):
            replay(long_shop, name, start, end)
    with pytest.raises(BuildError):
        replay(long_shop, "spring", datetime(2020, 1, 1, tzinfo=UTC), early)
