from __future__ import annotations

import dataclasses

import pytest

from rondo.deploy import rehearsing
from rondo.deploy.rehearsing import rehearse
from rondo.deploy.resolving import load, version_record
from rondo.features.values import OnlineValues
from rondo.records.deployment import Rehearsal
from rondo.records.tables import Dataset


@pytest.fixture
def rehearsed(place, now):
    def go(**changes):
        packed = load(place.store, place.project, "late", 1)
        arguments = {
            "packed": packed,
            "offline_values": place.lake_values(),
            "online_values": OnlineValues(place.store.online, place.lake_values()),
            **changes,
        }
        dataset = place.store.ledger.latest(Dataset, name="late").record
        version = version_record(place.store.ledger, "late", 1)
        return rehearse(place.store, version, dataset, now=now, seed=3, by="kim", **arguments)

    return go


def test_the_serving_path_gives_the_offline_scores(place, rehearsed):
    rehearsal = rehearsed()
    assert rehearsal.differences == []
    assert (rehearsal.offline_rows, rehearsal.offline_differ, rehearsal.greatest_difference) == (600, 0, 0.0)
    assert rehearsal.online_keys == 3 + 6 and rehearsal.online_differ == 0
    assert rehearsal.requests >= 300
    assert 0 < rehearsal.latency_p50_ms <= rehearsal.latency_p99_ms < 100
    assert place.store.ledger.latest(Rehearsal, name="late").record == rehearsal


def test_another_model_offline_is_noticed(place, rehearsed):
    other = load(place.store, place.project, "late", place.add_version(seed=5))
    packed = load(place.store, place.project, "late", 1)

    asked = []

    @dataclasses.dataclass(frozen=True)
    class Swapped(type(packed)):
        def score(self, matrix):
            asked.append(matrix)
            return (packed if len(asked) == 1 else other).score(matrix)

    fields = {field.name: getattr(packed, field.name) for field in dataclasses.fields(packed)}
    rehearsal = rehearsed(packed=Swapped(**fields))
    assert rehearsal.offline_differ > 500
    assert "the same values were fed" in rehearsal.differences[0]


def test_features_read_otherwise_are_named(place, rehearsed):
    class Late:
        def __init__(self, values):
            self.values = values

        def look_up(self, lookup, keys, moments):
            found = self.values.look_up(lookup, keys, moments)
            return [None if row is None else (0.5, *row[1:]) for row in found] if lookup.table == "delays" else found

    rehearsal = rehearsed(offline_values=Late(place.lake_values()))
    assert rehearsal.offline_differ > 0 and "delays.rate" in rehearsal.differences[0]
    assert rehearsal.online_differ == 3


def test_stale_online_values_are_noticed(place, rehearsed):
    place.publish(rate=0.123)
    rehearsal = rehearsed()
    assert (rehearsal.offline_differ, rehearsal.online_differ) == (0, 3)
    assert any("0.123" in line for line in rehearsal.differences)


def test_what_is_not_published_is_not_called_equal(place, rehearsed, monkeypatch):
    monkeypatch.setattr(rehearsing, "REQUESTS", 10)  # each asks the lake
    place.store.online.drop(place.signature.lookups[0].space)
    rehearsal = rehearsed()
    assert rehearsal.online_keys == 6
    assert "delays is not published" in rehearsal.differences[0]
