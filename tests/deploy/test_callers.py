from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from rondo.deploy.callers import Callers
from rondo.errors import StoreError
from rondo.records.deployment import ModelCaller
from rondo.store.ledger import open_ledger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def ledger():
    return open_ledger("sqlite:///:memory:", clock=lambda: NOON)


def written(ledger):
    return [(e.record.caller, e.record.name, e.record.day) for e in ledger.entries(ModelCaller)]


def test_each_caller_of_a_model_is_written_once_a_day_whichever_worker_saw_it(ledger):
    now = [NOON]
    workers = [Callers(ledger, lambda: now[0]) for _ in range(2)]
    today, tomorrow = date(2026, 3, 1), date(2026, 3, 2)
    for _ in range(3):
        for callers in workers:
            callers.saw("shop", "late")
            callers.saw("shop", "churn")
            callers.saw(None, "late")
            callers.write(callers.fresh())
    assert written(ledger) == [("shop", "churn", today), ("shop", "late", today)]
    now[0] += timedelta(days=1)
    workers[1].saw("shop", "late")
    workers[1].write(workers[1].fresh())
    workers[1].write(workers[1].fresh())
    assert written(ledger)[2:] == [("shop", "late", tomorrow)]


def test_what_could_not_be_written_is_written_later(ledger):
    class Gone:
        def latest(self, *arguments, **more):
            raise StoreError("gone")

    callers = Callers(ledger, lambda: NOON)
    callers._ledger, there = Gone(), ledger
    callers.saw("shop", "late")
    with pytest.raises(StoreError):
        callers.write(callers.fresh())
    callers._ledger = there
    callers.write(callers.fresh())
    assert len(written(ledger)) == 1 and callers.fresh() == []
