from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from rondo.deploy import erasing
from rondo.deploy.answering import Answerer
from rondo.deploy.erasing import erase_predictions, expire, questions_of
from rondo.deploy.predictions import compact, find, landings, path_of, record, stream_of, uncompacted
from rondo.deploy.resolving import load
from rondo.store.pseudonyms import Forgotten, Pseudonyms

TYPES = {"carrier": "VARCHAR", "flight": "BIGINT", "tailnum": "VARCHAR", "distance": "DOUBLE"}


def forgotten(*keys: dict[str, object]) -> Forgotten:
    columns = {name: TYPES[name] for name in keys[0]}
    blank = Forgotten(columns, frozenset(), Pseudonyms(b"1" * 32), "UTC")
    return Forgotten(columns, frozenset(blank.pseudonym(list(key.values())) for key in keys), blank.pseudonyms, "UTC")


@pytest.fixture
def predict(place, now):
    answerer = Answerer(load(place.store, place.project, "late", 1), place.online_values(), 1)

    def some(count, start=0, at=now):
        answers = answerer.answer([place.request(start + n) for n in range(count)], now=at, role="production")
        record(place.store.log, "late", answers, caller="kim", latency_ms=1.5)
        return answers

    return some


def landed(place) -> list[int]:
    rows = ds.dataset(place.store.lake.files(path_of("late"))).to_table()
    return sorted(rows.column("flight").to_pylist())


def logged(place) -> list[int]:
    rows = uncompacted(place.store, "late")
    return sorted(rows.column("flight").to_pylist()) if rows is not None else []


def erase(place, keys, now):
    erase_predictions(place.store, place.signature, keys, by="kim", now=now)


def test_predictions_of_a_key_go_from_the_log_and_the_lake(place, predict, now):
    answers = predict(4)
    compact(place.store, place.signature, by="kim", now=now)
    again = predict(4)
    keys = forgotten({"carrier": "AA", "flight": 3})
    assert set(questions_of(place.store, place.signature, keys)) == {answers[3].id, again[3].id}
    assert questions_of(place.store, place.signature, keys)[again[3].id] == ({"carrier": "AA", "flight": 3}, now)
    erase(place, keys, now)
    assert questions_of(place.store, place.signature, keys) == {}
    assert landed(place) == logged(place) == [0, 1, 2]
    assert find(place.store, "late", answers[3].id) is None and find(place.store, "late", again[3].id) is None
    compact(place.store, place.signature, by="kim", now=now)
    assert landed(place) == [0, 0, 1, 1, 2, 2]
    erase(place, keys, now)
    assert landed(place) == [0, 0, 1, 1, 2, 2]


def test_a_key_may_be_one_of_a_look_up_or_several_at_once(place, predict, now):
    predict(5), compact(place.store, place.signature, by="kim", now=now), predict(5, start=5)
    erase(place, forgotten({"tailnum": "N1"}), now)
    assert landed(place) == [0, 2, 3, 4] and logged(place) == [5, 7, 8, 9]
    erase(place, forgotten({"carrier": "AA", "flight": 0}, {"carrier": "UA", "flight": "7"}), now)
    assert landed(place) == [2, 3, 4] and logged(place) == [5, 8, 9]


def test_a_column_that_changed_its_type_is_looked_into_as_well(place, predict, now):
    predict(1)
    compact(place.store, place.signature, by="kim", now=now)
    (answer,) = predict(1, start=1)
    place.store.log.erase(stream_of("late"), lambda payload: True)
    record(place.store.log, "late", [msgspec.structs.replace(answer, inputs={**answer.inputs, "flight": "seventeen"})],
           caller=None, latency_ms=None)  # fmt: skip
    compact(place.store, place.signature, by="kim", now=now)
    assert "flight (string)" in place.store.lake.schema(path_of("late")).names
    erase(place, forgotten({"carrier": "UA", "flight": "seventeen"}), now)
    assert place.store.lake.rows(path_of("late")) == 1


def test_a_landing_that_was_killed_is_finished_before_its_rows_go(place, predict, now):
    predict(3)
    write = place.store.lake.write

    def die(*arguments, **named):
        write(*arguments, **named)
        raise KeyboardInterrupt

    place.store.lake.write = die
    with pytest.raises(KeyboardInterrupt):
        compact(place.store, place.signature, by="kim", now=now)
    place.store.lake.write = write
    erase(place, forgotten({"carrier": "AA", "flight": 0}), now)
    compact(place.store, place.signature, by="kim", now=now)
    predict(1, start=5)
    compact(place.store, place.signature, by="kim", now=now)
    assert landed(place) == [1, 2, 5]
    assert landings(place.store.ledger, "late")[1] is None


def test_a_server_that_goes_on_writing_is_erased_from(place, now):
    key = forgotten({"carrier": "AA", "flight": 3})
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from rondo.store.opening import open_store; from rondo.deploy import predictions, answering\n"
        "store = open_store(Path(sys.argv[1]))\n"
        "def answer(n): return answering.Answer(f'{n:06}', 1, 'production', at, at, None,\n"
        "    {'carrier': 'AA', 'flight': n % 7}, {}, (), 0.5, None, None, True, 0, 0)\n"
        "at = datetime(2013, 7, 1, 12, tzinfo=UTC)\n"
        "for n in range(7 * 2000):\n"
        "    predictions.record(store.log, 'late', [answer(n)], caller=None, latency_ms=None)\n"
        "    if n % 2000 == 0: print(n, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        for _ in range(7):
            writer.stdout.readline()
            compact(place.store, place.signature, by="kim", now=now)
            erase(place, key, now)
        writer.communicate(b"\n")
    erase(place, key, now)
    compact(place.store, place.signature, by="kim", now=now)
    ids = ds.dataset(place.store.lake.files(path_of("late"))).to_table().column("id").to_pylist()
    assert sorted(ids) == [f"{n:06}" for n in range(7 * 2000) if n % 7 != 3]
    assert place.store.log.segments(stream_of("late")) == []


def test_old_predictions_go_and_not_one_by_one(place, predict, now):
    for day in range(10):
        predict(1, start=day, at=now - timedelta(days=9 - day))
        if day != 8:
            compact(place.store, place.signature, by="kim", now=now)

    def expired(days, at=now):
        return expire(place.store, place.signature, keep_s=int(days * 86_400), by="kim", now=at)

    assert expired(9) == 0, "none is older"
    assert expired(8.5) == 0, "one is, by less than a tenth"
    assert expired(6) == 3 and landed(place) == [3, 4, 5, 6, 7, 8, 9]
    assert expired(6) == 0 and expired(6, now + timedelta(hours=12)) == 0
    assert expired(1, now + timedelta(days=20)) == 7 and landed(place) == []
    assert uncompacted(place.store, "late") is None
    predict(1, start=20), compact(place.store, place.signature, by="kim", now=now)
    assert landed(place) == [20]


def test_nothing_expires_where_nothing_is(place, now):
    assert expire(place.store, place.signature, keep_s=1, by="kim", now=now) == 0


def test_marks_rows_by_whichever_column_has_the_value():
    rows = pa.table({"key.id": ["a", None, None], "id (int64)": [None, 7, 8]})
    keys = Forgotten({"id": "VARCHAR"}, frozenset(), Pseudonyms(b"1" * 32), "UTC")
    both = Forgotten({"id": "VARCHAR"}, frozenset(map(keys.pseudonym, (["a"], [7]))), keys.pseudonyms, "UTC")
    named = rows.rename_columns(["key.id", "key.id (int64)"])
    assert erasing._marks(named, both) == [True, True, False]
