from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from rondo.records.monitoring import Incident
from rondo.store.ledger import SqlLedger, open_ledger
from rondo.store.newest import newest_by_id
from rondo.store.until import LedgerUntil

AT = datetime(2024, 1, 1, tzinfo=UTC)


def incident(name: str, state: str = "open") -> Incident:
    return Incident(name="late", id=name, event="opened", state=state, alerts=[], summary="")  # type: ignore[arg-type]


def test_the_newest_record_of_each_id_counts_whoever_wrote_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ours, theirs = (open_ledger(url, clock=lambda: AT) for _ in range(2))
    assert newest_by_id(ours, Incident) == {}
    ours.append(incident("a"), incident("b"), by="us")
    assert list(newest_by_id(ours, Incident)) == ["a", "b"]
    closed = msgspec.structs.replace(incident("a"), state="closed")
    theirs.append(closed, incident("c"), by="them", at=AT + timedelta(days=1))
    assert newest_by_id(ours, Incident) == {"a": closed, "b": incident("b"), "c": incident("c")}
    newest_by_id(ours, Incident).clear()
    assert len(newest_by_id(ours, Incident)) == 3, "what one caller does with it is no other's matter"
    assert newest_by_id(LedgerUntil(ours, AT), Incident) == {"a": incident("a"), "b": incident("b")}


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: AT)
    assert isinstance(ledger, SqlLedger)
    ledger.append(incident("a"), by="us")
    newest_by_id(ledger, Incident)
    asked: list[int] = []
    entries = ledger.entries
    ledger.entries = lambda kind, **given: asked.append(given["after"]) or entries(kind, **given)  # type: ignore[method-assign, func-returns-value]
    newest_by_id(ledger, Incident)
    assert asked == [1]
