from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.deploy.outcomes import STREAM, append, decode, parse, write
from rondo.errors import RowError
from rondo.store.log import PredictionLog

KEYS = {"late": ("carrier", "flight", "sched")}
NOW = datetime(2013, 7, 1, 12, tzinfo=UTC)
BY_KEY = {"model": "late", "key": {"carrier": "AA", "flight": 1}, "moment": "2013-07-01T08:00", "outcome": True}


def read(*outcomes):
    return parse(outcomes, keys=KEYS, timezone="America/New_York", now=NOW)


def test_by_id_and_by_key_reach_the_log(tmp_path):
    log = PredictionLog(tmp_path)
    found = read({"id": "x", "outcome": 3, "known": "2013-07-01T13:00:00+09:00"}, BY_KEY, {"id": "y", "outcome": None})
    assert append(log, found) == 3
    kept = [decode(payload) for _, _, payload in log.read(STREAM)]
    assert kept == found
    assert kept[0].known == datetime(2013, 7, 1, 4, tzinfo=UTC)
    assert kept[1].moment == NOW and kept[1].known == NOW and kept[1].received == NOW
    assert kept[1].key == {"carrier": "AA", "flight": 1} and kept[1].id is None


@pytest.mark.parametrize(
    ("outcome", "field"),
    [
        ({"id": "x"}, "outcomes[0].outcome"),
        ({"outcome": 1}, "outcomes[0].model"),
        ({"id": "", "outcome": 1}, "outcomes[0].id"),
        ({"id": "x", "model": "late", "outcome": 1}, "outcomes[0].model"),
        ({**BY_KEY, "model": "early"}, "outcomes[0].model"),
        ({**BY_KEY, "key": {}}, "outcomes[0].key"),
        ({**BY_KEY, "key": {"origin": "JFK"}}, "outcomes[0].key.origin"),
        ({**BY_KEY, "key": {"carrier": ["AA"]}}, "outcomes[0].key.carrier"),
        ({**BY_KEY, "moment": "noon"}, "outcomes[0].moment"),
        ({**BY_KEY, "moment": None}, "outcomes[0].moment"),
        ({**BY_KEY, "moment": "2013-13-01T00:00"}, "outcomes[0].moment"),
        ({**BY_KEY, "known": 5}, "outcomes[0].known"),
        ({**BY_KEY, "outcome": {}}, "outcomes[0].outcome"),
        ({**BY_KEY, "sure": True}, "outcomes[0].sure"),
        ("late", "outcomes[0]"),
    ],
)
def test_what_does_not_fit_is_named(outcome, field):
    with pytest.raises(RowError) as refused:
        read(outcome)
    assert field in [f for f, _ in refused.value.errors]


def test_nothing_is_taken_when_one_is_wrong(tmp_path):
    with pytest.raises(RowError):
        append(PredictionLog(tmp_path), read(BY_KEY, {"id": "x"}))
    with pytest.raises(RowError):
        read()


NAMES = st.sampled_from(["id", "model", "key", "moment", "outcome", "known", "late", "carrier"]) | st.text(max_size=3)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


def nested(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner | st.sampled_from(["late", "2013-07-01T08:00"]))


@given(st.recursive(PLAIN, nested, max_leaves=12))
def test_any_json_is_read_or_refused(value):
    try:
        found = read(value)
    except RowError as error:
        assert error.errors
    else:
        assert len(found) == 1


def test_written_and_then_safe(tmp_path):
    log = PredictionLog(tmp_path, durability="disk")
    reported = parse([{"id": "a", "outcome": True}], keys={}, timezone="UTC", now=NOW)
    asyncio.run(log.safe(write(log, reported)))
    assert [decode(payload) for *_, payload in log.read(STREAM)] == reported
    log.close()
