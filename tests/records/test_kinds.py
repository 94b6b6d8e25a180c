from __future__ import annotations

import typing
from datetime import UTC, datetime

import msgspec
import pytest

import rondo.records.deployment
import rondo.records.development
import rondo.records.erasing
import rondo.records.monitoring
import rondo.records.running
import rondo.records.studies
import rondo.records.tables
import rondo.records.team
from rondo.records.development import Slice
from rondo.records.kinds import ALL, KINDS, VERSIONED
from rondo.records.tables import TableVersion

MODULES = (
    rondo.records.deployment,
    rondo.records.development,
    rondo.records.erasing,
    rondo.records.monitoring,
    rondo.records.running,
    rondo.records.studies,
    rondo.records.tables,
    rondo.records.team,
)


def test_every_record_is_a_kind_of_one_name() -> None:
    declared = {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and "KIND" in vars(value)
    }
    assert set(ALL) == declared and len(KINDS) == len(ALL)


def test_versioned_kinds_carry_a_version() -> None:
    assert all("version" in KINDS[kind].__struct_fields__ for kind in VERSIONED)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.KIND)
def test_records_are_frozen_and_named(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert not kind.__struct_config__.forbid_unknown_fields  # a newer Rondo's fields are passed over
    assert typing.get_type_hints(kind)["name"] is str


def test_a_record_reads_back_from_json() -> None:
    record = TableVersion(
        name="flights", version=1, stage="table", definition="d", build="b", path="p", delta=0, rows=3,
        columns={"a": "BIGINT"}, known_until=datetime(2013, 5, 1, tzinfo=UTC),
    )  # fmt: skip
    text = msgspec.json.encode(record)
    assert msgspec.json.decode(text, type=TableVersion) == record
    grown = msgspec.json.encode({**msgspec.json.decode(text), "of_tomorrow": 1})
    assert msgspec.json.decode(grown, type=TableVersion) == record


def test_a_slice_is_written_with_the_word_of_the_contract() -> None:
    part = Slice(by="origin", is_="JFK", rows=1, metrics={})
    assert msgspec.to_builtins(part) == {"by": "origin", "is": "JFK", "rows": 1, "metrics": {}}
