from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rondo.errors import Refused, WrongUse
from rondo.monitor.alerting import Finding, newest_alerts, record, settle
from rondo.monitor.incidents import incidents_for, newest_incidents
from rondo.monitor.responses import (
    acknowledge_alert,
    close_incident,
    note_incident,
    resolve_alert,
    silence,
    take_incident,
)
from rondo.project.settings import Settings
from rondo.records.monitoring import Alert, Delivery
from rondo.store.opening import Store, open_store

NOW = datetime(2024, 2, 20, 12, tzinfo=UTC)
SETTINGS = Settings(name="p")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path, clock=lambda: NOW)
    opened = settle([Finding(model="m", rule="r", about="x", summary="s", severity="critical")], [], [], NOW)
    record(store.ledger, opened, [], by="monitor", now=NOW, incidents=incidents_for(opened, [], []))
    return store


def test_of_many_who_acknowledge_at_once_one_does(store: Store) -> None:
    identity = newest_alerts(store.ledger)[0].id

    def respond(number: int) -> bool:
        own = open_store(store.root, clock=lambda: NOW)  # as in a process of its own
        try:
            acknowledge_alert(own, SETTINGS, identity, by=f"p{number}", now=NOW)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(6) as people:
        assert sum(people.map(respond, range(6))) == 1
    assert [entry.record.number for entry in store.ledger.entries(Alert)] == [1, 2]
    assert [entry.record.number for entry in store.ledger.entries(Delivery)] == [2], "told once"


def test_who_takes_an_incident_has_seen_its_alerts_and_closes_it_when_they_are_over(store: Store) -> None:
    [incident], [alert] = newest_incidents(store.ledger), newest_alerts(store.ledger)
    take_incident(store, SETTINGS, incident.id, by="ada", now=NOW)
    assert newest_alerts(store.ledger)[0].by == "ada"
    note_incident(store, incident.id, "  The file is empty. ", by="ada")
    assert newest_incidents(store.ledger)[0].note == "The file is empty."
    with pytest.raises(WrongUse):
        note_incident(store, incident.id, " ", by="ada")
    with pytest.raises(Refused, match="not resolved"):
        close_incident(store, incident.id, "x", by="ada")
    resolve_alert(store, SETTINGS, alert.id, by="ada", now=NOW)
    assert close_incident(store, incident.id, "Look at sizes.", by="ada").state == "closed"
    with pytest.raises(Refused):
        take_incident(store, SETTINGS, incident.id, by="eve", now=NOW)


def test_a_silence_has_a_reason_and_its_end_has_none(store: Store) -> None:
    for because in (None, " "):
        with pytest.raises(WrongUse, match="has a reason"):
            silence(store, None, "2h", because, by="ada")
    made = silence(store, None, "2h", "We move.", by="ada")
    assert (made.model, made.rule, made.until > made.start) == (None, None, True)
    ended = silence(store, newest_alerts(store.ledger)[0].id, "0s", None, by="ada")
    assert ended.until == ended.start and (ended.model, ended.rule) == ("m", "r")
