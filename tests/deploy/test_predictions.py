from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from datetime import timedelta

import msgspec
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from rondo.deploy import predictions
from rondo.deploy.answering import Answerer
from rondo.deploy.logged import answer_payload, decode, id_of, logged_of, payload_of
from rondo.deploy.predictions import (
    answered_last,
    compact,
    find,
    identify,
    landings,
    path_of,
    record,
    stream_of,
    uncompacted,
    write,
)
from rondo.deploy.resolving import load
from rondo.features.signature import Column
from rondo.records.deployment import PredictionsLanded
from rondo.sql.engine import relation_of_files as relation
from rondo.sql.relations import Catalog
from rondo.store.log import PredictionLog


@pytest.fixture
def answerer(place):
    return Answerer(load(place.store, place.project, "late", 1), place.online_values(), 1)


@pytest.fixture
def predict(place, answerer, now):
    def some(count, start=0):
        answers = answerer.answer([place.request(start + n) for n in range(count)], now=now, role="production")
        record(place.store.log, "late", answers, caller="kim", latency_ms=1.5)
        return answers

    return some


def lake(place) -> pa.Table:
    return ds.dataset(place.store.lake.files(path_of("late"))).to_table()


def everything(place) -> pa.Table:
    catalog = Catalog(place.project, place.store.ledger, place.store.lake, lambda m: uncompacted(place.store, m))
    return catalog.query('select * from predictions."late" order by flight').rows


def test_columns_of_the_lake(place, predict, now):
    answers = predict(4)
    landed = compact(place.store, place.signature, by="kim", now=now)
    table = lake(place)
    assert landed.rows == table.num_rows == 4
    row = table.filter(pa.compute.equal(table["id"], answers[3].id)).to_pylist()[0]
    assert (row["version"], row["role"], row["caller"], row["latency_ms"]) == ("late@1", "production", "kim", 1.5)
    assert (row["carrier"], row["flight"], row["origin"], row["tailnum"]) == ("AA", 3, "EWR", "N3")
    assert row["score"] == answers[3].score and row["label"] == answers[3].label
    assert row["planes.seats"] == 130 and row["delays.rate"] == answers[3].features["delays.rate"]
    assert row["moment"] == row["at"] == now and row["hour"] == 8 and row["sched"] == now


def test_what_is_logged_is_seen_before_it_lands_and_once_after(place, predict, now):
    predict(3)
    assert everything(place).num_rows == 3
    compact(place.store, place.signature, by="kim", now=now)
    assert uncompacted(place.store, "late") is None
    predict(2, start=3)
    assert everything(place).column("flight").to_pylist() == [0, 1, 2, 3, 4]
    compact(place.store, place.signature, by="kim", now=now)
    assert lake(place).num_rows == 5
    assert compact(place.store, place.signature, by="kim", now=now) is None


def test_finished_segments_are_dropped(place, predict, now):
    predict(3)
    place.store.log.close()
    predict(1)
    compact(place.store, place.signature, by="kim", now=now)
    assert len(place.store.log.segments(stream_of("late"))) == 1
    predict(1)
    compact(place.store, place.signature, by="kim", now=now)
    assert lake(place).num_rows == 5
    assert len(landings(place.store.ledger, "late")[0].segments) == 1


@pytest.mark.parametrize("where", ["announced", "written"])
def test_a_death_between_ledger_and_lake_doubles_and_loses_nothing(place, predict, now, where):
    predict(3)
    code = (
        "import os, signal, sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from rondo.store.opening import open_store; from rondo.deploy import predictions\n"
        "from rondo.deploy.resolving import signature_of\n"
        f"store = open_store(Path({str(place.root)!r}))\n"
        "write = store.lake.write\n"
        "def die(*a, **k):\n"
        f"    {'write(*a, **k)' if where == 'written' else 'pass'}\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.lake.write = die\n"
        "predictions.compact(store, signature_of(store, 'late', 1), by='kim', now=datetime(2013, 7, 1, tzinfo=UTC))\n"
    )
    died = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert landings(place.store.ledger, "late")[1] is not None
    predict(2, start=3)
    assert everything(place).column("flight").to_pylist() == [0, 1, 2, 3, 4]
    compact(place.store, place.signature, by="kim", now=now)
    assert sorted(lake(place).column("flight").to_pylist()) == [0, 1, 2, 3, 4]
    rows = [e.record.rows for e in place.store.ledger.entries(PredictionsLanded) if e.record.rows]
    assert rows == [3, 2]


def test_large_logs_land_in_parts(place, predict, now, monkeypatch):
    monkeypatch.setattr(predictions, "LANDED_AT_ONCE", 4)
    predict(6), place.store.log.close(), predict(5, start=6)
    compact(place.store, place.signature, by="kim", now=now)
    assert sorted(lake(place).column("flight").to_pylist()) == list(range(11))


def test_the_schema_grows_with_the_signature(place, predict, answerer, now):
    predict(2)
    compact(place.store, place.signature, by="kim", now=now)
    grown = msgspec.structs.replace(
        place.signature,
        inputs=(*place.signature.inputs, Column(name="gate", type="VARCHAR"), Column(name="SCORE", type="DOUBLE")),
    )
    (answer,) = answerer.answer([place.request(9)], now=now)
    asked = msgspec.structs.replace(answer, inputs={**answer.inputs, "gate": "A4", "SCORE": 7.0, "distance": "far"})
    record(place.store.log, "late", [asked], caller=None, latency_ms=None)
    compact(place.store, grown, by="kim", now=now)
    row = next(row for row in lake(place).to_pylist() if row["flight"] == 9)
    assert lake(place).num_rows == 3
    files = place.store.lake.schema(path_of("late")).names
    assert {"gate", "input.SCORE", "distance (string)"} <= set(files)
    assert row["id"] == answer.id


def test_other_tasks(place, answerer, now):
    (answer,) = answerer.answer([place.request()], now=now)
    several = msgspec.structs.replace(answer, score=None, scores={"a": 0.25, "b": 0.75}, label="b")
    number = msgspec.structs.replace(answer, score=None, label=None, value=3.5, inputs={"flight": 2**70, "when": "x"})
    for each in (several, number):
        record(place.store.log, "late", [each], caller=None, latency_ms=None)
    table = uncompacted(place.store, "late")
    assert [dict(v) if v else None for v in table.column("scores").to_pylist()] == [{"a": 0.25, "b": 0.75}, None]
    assert table.column("value").to_pylist() == [None, 3.5]
    compact(place.store, place.signature, by="kim", now=now)
    assert everything(place).num_rows == 2


def test_a_prediction_is_found_in_the_log_and_in_the_lake(place, predict, now):
    (answer,) = predict(1)
    logged = find(place.store, "late", answer.id)
    assert logged.score == answer.score and logged.features == answer.features
    compact(place.store, place.signature, by="kim", now=now)
    place.store.log.close()
    compact(place.store, place.signature, by="kim", now=now)
    landed = find(place.store, "late", answer.id)
    assert landed.version == 1 and landed.score == answer.score
    assert {name: landed.features[name] for name in answer.features} == answer.features
    assert find(place.store, "late", "nothing") is None
    assert identify(place.store, "late", [answer.id, "nothing"]) == {answer.id: ({"carrier": "AA", "flight": 0}, now)}
    assert identify(place.store, "late", ["nothing"]) == identify(place.store, "late", []) == {}


def test_a_prediction_is_found_among_many_landings_by_opening_one(place, predict, answerer, now, monkeypatch):
    """Ids sort by time: of all files only those that may hold the id are read."""
    told = []
    for hours in range(4):
        answers = answerer.answer([place.request(hours)], now=now + timedelta(hours=hours), role="production")
        record(place.store.log, "late", answers, caller="kim", latency_ms=1.0)
        compact(place.store, place.signature, by="kim", now=now)
        told += answers
    read = []
    monkeypatch.setattr(predictions, "relation_of_files", lambda files: read.append(len(files)) or relation(files))
    for answer in told:
        found = find(place.store, "late", answer.id)
        assert (found.id, found.score, found.moment, found.at) == (answer.id, answer.score, answer.moment, answer.at)
    assert read == [1, 1, 1, 1] and len(place.store.lake.files(path_of("late"))) == 4
    assert find(place.store, "late", "00000000-0000-7000-8000-000000000000") is None and len(read) == 4


def test_two_compactions_at_once_land_each_row_once(place, predict, now):
    predict(40)
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "from rondo.store.opening import open_store; from rondo.deploy import predictions\n"
        "from rondo.deploy.resolving import signature_of\n"
        "predictions.LANDED_AT_ONCE = 7\n"
        f"store = open_store(Path({str(place.root)!r}))\n"
        "predictions.compact(store, signature_of(store, 'late', 1), by='kim', now=datetime(2013, 7, 1, tzinfo=UTC))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0], [process.stderr.read().decode() for process in both]
    for process in both:
        process.stderr.close()
    assert sorted(lake(place).column("flight").to_pylist()) == list(range(40))


OLD = (
    "9fd92430313839313130652d376330302d376162632d386465662d30313233343536373839616207a663616e617279d6ff51d16f40d7ff77359400"
    "51d16f4083a66f726967696ea34a464ba6666c6967687411a57363686564d6ff51d18b6082ab64656c6179732e72617465cb3fd0000000000000ac"
    "706c616e65732e7365617473c0cb3fd3d70a3d70a3d7c0c0c30100cb3ff8000000000000a36b696d"
)
"""A prediction as the first release logged it, before there was a field after `caller`."""


def test_what_the_first_release_logged_is_read(place):
    old = bytes.fromhex(OLD)
    assert id_of(old) == "0189110e-7c00-7abc-8def-0123456789ab"
    logged = decode(old)
    assert (logged.version, logged.role, logged.caller, logged.beside, logged.trace) == (7, "canary", "kim", None, None)
    assert logged.features == {"delays.rate": 0.25, "planes.seats": None} and logged.moment.hour == 12
    place.store.log.append(stream_of("late"), [old])
    assert uncompacted(place.store, "late").select(["id", "beside"]).to_pylist() == [{"id": logged.id, "beside": None}]


def test_a_release_that_knows_more_fields_can_be_gone_back_from(answerer, place, now):
    (answer,) = answerer.answer([place.request()], now=now)
    payload = answer_payload(answer, None, None)
    assert payload[:3] == b"\xdc\x00\x11", "an array of 17"
    assert decode(b"\xdc\x00\x12" + payload[3:] + b"\xa5later").id == answer.id


def test_the_short_way_writes_the_same_bytes(answerer, place, now):
    (answer,) = answerer.answer([place.request()], now=now, role="canary")
    several = msgspec.structs.replace(answer, score=None, scores={"a": 0.25}, inputs={"n": 2**70}, beside="x")
    for each in (answer, several):
        written = answer_payload(each, "kim", 1.5, "ab" * 16)
        assert written == payload_of(logged_of(each, caller="kim", latency_ms=1.5, trace="ab" * 16))
        assert id_of(written) == each.id and decode(written).beside == each.beside


def test_what_stands_beside_an_answer_names_it(place, answerer, now):
    (given,) = answerer.answer([place.request()], now=now, role="canary")
    beside = msgspec.structs.replace(given, id="beside", role="production", beside=given.id)
    record(place.store.log, "late", [given, beside], caller=None, latency_ms=None)
    for _ in range(2):
        rows = {row["id"]: row["beside"] for row in everything(place).select(["id", "beside"]).to_pylist()}
        assert rows == {given.id: None, "beside": given.id}
        assert find(place.store, "late", "beside").beside == given.id
        compact(place.store, place.signature, by="kim", now=now)


def test_written_and_then_safe(place, answerer, now, monkeypatch):
    log = PredictionLog(place.root / "logged", durability="disk")
    answers = answerer.answer([place.request(n) for n in range(3)], now=now)
    asyncio.run(log.safe(write(log, "late", answers, "kim", 1.5, "ab" * 16)))
    logged = [decode(payload) for *_, payload in log.read(stream_of("late"))]
    assert [each.id for each in logged] == [each.id for each in answers] and logged[0].trace == "ab" * 16
    log.close()


def test_ids_are_found_in_one_pass(place, predict, now, monkeypatch):
    landed = predict(300)
    compact(place.store, place.signature, by="kim", now=now)
    waiting, reads = predict(50, start=300), []
    read = place.store.log.read
    monkeypatch.setattr(place.store.log, "read", lambda *a, **k: reads.append(a) or read(*a, **k))
    asked = [each.id for each in (*landed, *waiting)]
    found = identify(place.store, "late", [*asked, "unknown"])
    assert found == {each.id: ({"carrier": each.inputs["carrier"], "flight": each.inputs["flight"]}, now)
                     for each in (*landed, *waiting)}  # fmt: skip
    assert len(reads) == 1


def test_many_small_files_become_one(place, predict, now, monkeypatch):
    monkeypatch.setattr(predictions, "FILES_JOINED", 3)
    for number in range(5):
        predict(1, start=number)
        compact(place.store, place.signature, by="kim", now=now)
    assert len(place.store.lake.files(path_of("late"))) <= 3
    assert sorted(lake(place).column("flight").to_pylist()) == [0, 1, 2, 3, 4]
    assert compact(place.store, place.signature, by="kim", now=now) is None


def test_a_segment_that_holds_nothing_readable_is_dropped(place, predict, now):
    predict(1)
    place.store.log.erase(stream_of("late"), lambda payload: True)
    place.store.log.close()
    compact(place.store, place.signature, by="kim", now=now)
    assert place.store.log.segments(stream_of("late")) == []


def test_the_last_answers_are_those_given_last_by_production(place, answerer, now):
    told = []
    for hours, role in ((3, "production"), (1, "production"), (2, "production"), (0, "shadow")):
        at = now - timedelta(hours=hours)
        rows = [place.request(n, sched=(at - timedelta(minutes=n)).isoformat()) for n in range(10)]
        answers = answerer.answer(rows, now=at, role=role)
        record(place.store.log, "late", answers, caller="kim", latency_ms=1.0)
        compact(place.store, place.signature, by="kim", now=now)
        told += [(each.at, each.moment, each.id) for each in answers if role == "production"]
    for rows in (1, 10, 15, 30, 99):
        found = answered_last(place.store, "late", rows)
        assert [(each.at, each.moment, each.id) for each in found] == sorted(told)[-rows:]
    assert answered_last(place.store, "other", 5) == []
