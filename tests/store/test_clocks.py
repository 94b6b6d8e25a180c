from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rondo.records.tables import TableVersion
from rondo.store.clocks import BEFORE_ALL, DataClock, landed_at
from rondo.store.ledger import open_ledger

WALL = datetime(2030, 1, 1, tzinfo=UTC)
KNOWN = datetime(2013, 5, 1, tzinfo=UTC)


def landed(name: str, version: int, known: datetime | None) -> TableVersion:
    return TableVersion(
        name=name, version=version, stage="source", definition="d", build="b", path="p", delta=0, rows=1, columns={}, known_until=known,
    )  # fmt: skip


def test_the_clock_shows_the_greatest_known_time_and_only_rises() -> None:
    ledger = open_ledger("sqlite://", clock=lambda: WALL)
    clock = DataClock(ledger, ["flights", "weather"], lambda: WALL)
    assert clock() == BEFORE_ALL
    ledger.append(landed("flights", 1, KNOWN), by="t", at=landed_at(clock, clock(), KNOWN))
    assert clock() == KNOWN
    early = KNOWN - timedelta(days=3)
    ledger.append(landed("weather", 1, early), by="t", at=landed_at(clock, clock(), early))
    assert clock() == KNOWN
    assert [entry.at for entry in ledger.entries(TableVersion)] == [KNOWN, KNOWN]


def test_without_known_times_it_is_the_walls() -> None:
    ledger = open_ledger("sqlite://", clock=lambda: WALL)
    assert DataClock(ledger, [], lambda: WALL)() == WALL


def test_another_clock_is_not_moved_by_what_lands() -> None:
    assert landed_at(lambda: WALL, WALL, WALL + timedelta(days=1)) == WALL
