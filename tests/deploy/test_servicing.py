"""The service log: what is told adds up to what was counted, whoever is killed, and lands once; a slow disk shows."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rondo.deploy import servicing
from rondo.deploy.counting import Counts, Totals
from rondo.deploy.rollout import promote
from rondo.deploy.servicing import KEPT, ServiceReport, decode, land, path_of, service_log, stream_of
from rondo.deploy.serving import Application
from rondo.deploy.traffic import Traffic
from rondo.errors import LogFull, NotFound
from rondo.monitor.service import lines_of, measure_service, service_query
from rondo.records.deployment import LATENCY_BOUNDS_S
from rondo.sql.engine import connect, relation_of_files, run
from rondo.sql.relations import Catalog
from rondo.store import segment
from rondo.store.lake import DeltaLake
from rondo.store.log import PredictionLog

PREDICT = "/v1/models/late/predict"
HASTY = "from rondo.deploy import server as quick; quick.PERIOD_S = 0.3\n"


@pytest.fixture
def at_work(place, now):
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    traffic = Traffic(place.project, place.store)
    traffic.refresh()
    return traffic


def told(store):
    """Every line of `late`, in the order of writing."""
    return [decode(payload) for _, _, payload in service_log(store).read(stream_of("late"))]


def answered(line):
    return sum(count for status, count in line.statuses.items() if status < 400)


def of_predictions(counts, asked):
    for status, seconds, reason in asked:
        counts.request("predict", status, seconds, "late")
        if status >= 400:
            counts.error("predict", reason, "late")


ASKED = st.tuples(st.sampled_from([200, 404, 422, 503]), st.floats(0, 20), st.sampled_from(["rate", "store"]))


@settings(max_examples=60)
@given(st.lists(st.lists(ASKED, max_size=5), max_size=5))
def test_what_came_since_adds_up_to_what_was_counted(turns):
    counts, before, parts = Counts(), Totals(), []
    for asked in turns:
        of_predictions(counts, asked)
        now = counts.totals().get("late", Totals())
        parts.append(now.since(before))
        before = now
    everything = [each for asked in turns for each in asked]
    for part, asked in zip(parts, turns, strict=True):
        assert part.requests == len(asked) and sum(part.latency[0]) == sum(status < 400 for status, *_ in asked)
        assert sum(part.reasons.values()) == sum(status >= 400 for status, *_ in asked)
    for status in (200, 404, 422, 503):
        assert sum(p.statuses.get(status, 0) for p in parts) == sum(s == status for s, *_ in everything)
    buckets = np.sum([part.latency[0] for part in parts] or [Totals().latency[0]], axis=0)
    places = np.searchsorted(LATENCY_BOUNDS_S, [seconds for status, seconds, _ in everything if status < 400])
    assert buckets.tolist() == np.bincount(places, minlength=len(LATENCY_BOUNDS_S) + 1).tolist()


def test_a_successor_tells_only_what_it_counted_itself():
    before = Counts()
    of_predictions(before, [(200, 0.001, ""), (503, 0.1, "store")])
    counts = Counts(before.samples())
    assert counts.totals() == {}
    of_predictions(counts, [(200, 0.001, "")])
    assert counts.totals()["late"].statuses == {200: 1}
    assert counts.samples()["rondo_requests_total"] == {("predict", "200"): 2, ("predict", "503"): 1}


def test_requests_are_told_by_model_and_outcome_whatever_protocol_brought_them(place, at_work):
    application = Application(at_work, place.store)
    report = ServiceReport(place.store, application.counts)
    row = place.request(1, tailnum="none", distance=None)
    tensors = [{"name": name, "datatype": "BYTES" if isinstance(value, str) else "FP64", "shape": [1], "data": [value]}
               for name, value in place.request(2).items()]  # fmt: skip

    async def ask():
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [
                (await client.post(path, json=body)).status_code
                for path, body in (
                    (PREDICT, {"rows": [row]}),
                    (PREDICT, {"rows": [row, row]}),
                    (PREDICT, {"rows": [{"colour": 1}]}),
                    ("/v1/models/nobody/predict", {"rows": [row]}),
                    ("/v1/models/late/explain", {"rows": [row]}),
                    ("/v2/models/late/infer", {"inputs": tensors}),
                    ("/invocations", {"dataframe_records": [row]}),
                    ("/endpoints/late/invocations", {"dataframe_records": [{"colour": 1}]}),
                )
            ]

    assert asyncio.run(ask())[:5] == [200, 200, 422, 404, 200]
    assert report.write(report.due(["late"])) == 1
    (line,) = told(place.store)
    assert line.statuses[200] >= 3 and sum(line.statuses.values()) == 6
    assert line.reasons["unknown_field"] >= 1 and line.predictions >= 4
    assert line.missing["planes"] >= 3 and line.stale["planes"] >= 3
    assert sum(line.latency) == answered(line) and sum(line.log_write) == answered(line)
    assert line.latency_s > 0 and line.waiting_bytes > 0 and line.resident_bytes > 1e7
    assert (line.number, line.last) == (0, False)
    assert line.at <= place.store.clock() and line.began <= line.ended
    report.write(report.due(["late"], last=True))
    quiet = told(place.store)[1]
    assert (quiet.statuses, quiet.reasons, quiet.predictions, sum(quiet.latency)) == ({}, {}, 0, 0)
    assert (quiet.number, quiet.last, quiet.began, quiet.at) == (1, True, line.ended, quiet.at)


def test_what_the_log_did_not_take_is_told_the_next_time(place, at_work, monkeypatch):
    counts = Counts()
    report = ServiceReport(place.store, counts)
    of_predictions(counts, [(200, 0.001, "")] * 3)
    append = PredictionLog.append

    def full(self, stream, payloads):
        raise LogFull("No space left.")

    monkeypatch.setattr(PredictionLog, "append", full)
    with pytest.raises(LogFull):
        report.write(report.due(["late"]))
    monkeypatch.setattr(PredictionLog, "append", append)
    of_predictions(counts, [(200, 0.001, "")] * 2)
    late = report.due(["late"])
    of_predictions(counts, [(200, 0.001, "")])
    newest = report.due(["late"], last=True)
    assert (report.write(newest), report.write(late)) == (1, 0)  # overtaken: it is told already
    (line,) = told(place.store)
    assert answered(line) == 6


def landed(place, since):
    """The lines of `late` in the lake, as monitoring reads them."""
    con = connect(timezone="UTC")
    try:
        Catalog(place.project, place.store.ledger, place.store.lake).publish(con, "service.late")
        return lines_of(con.sql(service_query('"service"."late"', since)).to_arrow_table())
    finally:
        con.close()


def wait_for(true, seconds=10):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_killed_server_doubles_no_line_and_loses_less_than_a_period(place, at_work):
    original = place.code
    place.code = lambda: HASTY + original()
    asked = []
    for end in (signal.SIGKILL, signal.SIGTERM):
        with place.server() as (url, process), httpx.Client(base_url=url) as client:
            began, before = time.monotonic(), len(told(place.store))
            moments = []
            while time.monotonic() < began + 1.1 or len(told(place.store)) < before + 2:
                assert client.post(PREDICT, json={"rows": [place.request(1)]}).status_code == 200
                moments.append(datetime.now(UTC))
                time.sleep(0.005)
            process.send_signal(end)
            process.wait(10)
        asked.append(moments)
    lines = told(place.store)
    servers = list(dict.fromkeys(line.server for line in lines))
    killed, stopped = ([line for line in lines if line.server == server] for server in servers)
    for mine in (killed, stopped):
        assert [line.number for line in mine] == list(range(len(mine)))
        assert all(a.ended == b.began for a, b in itertools.pairwise(mine))
    assert not any(line.last for line in killed)
    assert [line.last for line in stopped] == [False] * (len(stopped) - 1) + [True]
    assert sum(map(answered, stopped)) == len(asked[1])
    lost = len(asked[0]) - sum(map(answered, killed))
    assert 0 <= lost <= sum(moment >= killed[-1].ended - timedelta(milliseconds=20) for moment in asked[0])
    assert (asked[0][-1] - killed[-1].ended).total_seconds() < 0.3 + 1.0  # a period, and a slow machine

    def measured(now):
        found = landed(place, since=lines[0].at - timedelta(days=1))
        return {each.metric: each for each in measure_service("late", found, timezone="UTC", now=now)}

    assert land(place.store, "late", now=place.store.clock()) == lines[0].at
    assert measured(lines[-1].ended)["abrupt_ends"].value == 0.0  # it may yet tell more
    after = measured(lines[-1].ended + timedelta(minutes=4))
    assert (after["abrupt_ends"].value, after["abrupt_ends"].state) == (1.0, "out")
    assert after["requests"].value == sum(map(answered, lines)) and after["error_share"].value == 0.0
    assert service_log(place.store).segments(stream_of("late")) == []


def test_several_workers_tell_of_themselves(place, at_work):
    original = place.code
    place.code = lambda: HASTY + original()
    with place.server(2) as (url, process):
        for _ in range(10):
            assert httpx.post(f"{url}{PREDICT}", json={"rows": [place.request(1)]}).status_code == 200
        wait_for(lambda: {line.worker for line in told(place.store)} == {0, 1})
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    lines = told(place.store)
    assert sum(map(answered, lines)) == 10 and sum(line.last for line in lines) == 2


class Killed(BaseException):
    """The process ends here."""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["tell", "land", "before", "after", "drop", "close"]), min_size=4, max_size=10))
def test_landing_loses_and_doubles_no_line_whenever_it_is_killed(place, monkeypatch_steps, steps):
    store, patch = place.store, monkeypatch_steps
    path = f"late{time.monotonic_ns()}"
    counts, number = Counts(), 0
    report = ServiceReport(store, counts)
    for step in steps:
        if step == "tell":
            report.write(report.due([path]))
            number += 1
        elif step == "close":
            report._log.close()  # the next line begins a segment
        else:
            with patch(step), suppress(Killed):
                land(store, path, now=store.clock())
    report._log.close()
    land(store, path, now=store.clock())
    if number == 0:
        assert store.lake.version(path_of(path)) is None
        return
    with closing(connect(timezone="UTC")) as con:
        rows = run(con, f"select number from {relation_of_files(store.lake.files(path_of(path)))} order by number")
    assert [each for (each,) in rows] == list(range(number))
    assert service_log(store).segments(path) == []


@pytest.fixture
def monkeypatch_steps():
    """Kills a landing before or after the lake's commit, or at the first drop."""

    @contextmanager
    def patch(step):
        write, drop = DeltaLake.write, PredictionLog.drop

        def killed_write(self, *args, **more):
            if step == "after":
                write(self, *args, **more)
            raise Killed

        def killed_drop(self, *args, **more):
            raise Killed

        with pytest.MonkeyPatch.context() as patching:
            if step in ("before", "after"):
                patching.setattr(DeltaLake, "write", killed_write)
            if step == "drop":
                patching.setattr(PredictionLog, "drop", killed_drop)
            yield
        assert (DeltaLake.write, PredictionLog.drop) == (write, drop)

    return patch


def test_old_lines_are_erased_and_lines_that_nobody_lands_are_bounded(place, monkeypatch):
    store, counts = place.store, Counts()
    times = [datetime(2022, 1, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC)]
    for moment in times:
        report = ServiceReport(store, counts, clock=lambda moment=moment: moment)
        report.write(report.due(["late"], last=True))
    land(store, "late", now=times[0] + timedelta(days=30))
    assert store.lake.rows(path_of("late")) == 2
    report = ServiceReport(store, counts, clock=lambda: times[1])
    report.write(report.due(["late"], last=True))
    land(store, "late", now=times[1] + timedelta(days=30))
    assert set(landed(place, since=times[0]).at_us / 1e6) == {times[1].timestamp()}
    assert timedelta(days=400) == KEPT
    monkeypatch.setattr(servicing, "MOST_BYTES", 3_000)
    for _ in range(30):
        report = ServiceReport(store, counts)
        report.write(report.due(["busy"], last=True))
    assert sum(service_log(store).sizes("busy").values()) < 3_000 + 1_000


@pytest.mark.parametrize("durability", ["process", "disk"])
def test_a_slow_disk_shows_in_the_log_and_in_latency_and_in_no_error(place, at_work, monkeypatch, durability):
    store, slow_s = replace(place.store, durability=durability), 0.03
    if durability == "disk":
        flush = os.fsync
        monkeypatch.setattr(segment.os, "fsync", lambda descriptor: (time.sleep(slow_s), flush(descriptor)))
    else:
        write = segment.Segment.write
        monkeypatch.setattr(segment.Segment, "write", lambda self, frames: (time.sleep(slow_s), write(self, frames))[1])
    traffic = Traffic(place.project, store)
    traffic.refresh()
    application = Application(traffic, store)
    report = ServiceReport(store, application.counts)

    async def ask():
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for _ in range(12):
                assert (await client.post(PREDICT, json={"rows": [place.request(1)]})).status_code == 200

    asyncio.run(ask())
    report.write(report.due(["late"], last=True))
    store.log.close()
    with pytest.raises(NotFound, match="no lines of the service log of late"):
        landed(place, since=datetime(2000, 1, 1, tzinfo=UTC))
    land(store, "late", now=store.clock())
    (row,) = (
        Catalog(place.project, store.ledger, store.lake)
        .query("select log_write_p99_ms, latency_p50_ms, failed, requests from service.late")
        .rows.to_pylist()
    )
    row = tuple(row.values())
    lines = landed(place, since=datetime(2000, 1, 1, tzinfo=UTC))
    assert row[0] >= slow_s * 1e3 / 1.28 and row[1] >= slow_s * 1e3 / 1.28 and row[2:] == (0, 12)
    found = {each.metric: each for each in measure_service("late", lines, timezone="UTC", now=store.clock())}
    assert found["log_write_p99_ms"].low >= slow_s * 1e3 / 1.28 and found["log_write_p99_ms"].n == 12
    assert found["latency_p50_ms"].low >= slow_s * 1e3 / 1.28
    assert found["error_share"].value == 0.0 and found["error_share"].high < 0.3
