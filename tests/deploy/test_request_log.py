"""The server's log: one line an event, bounded, nothing of what a request brought."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.deploy.request_log import MOST_A_SECOND, RequestLog, forward, raised_at, trace_of
from rondo.deploy.rollout import promote
from rondo.deploy.serving import Application
from rondo.deploy.traffic import Traffic

PREDICT = "/v1/models/late/predict"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def log(**more):
    stream = io.StringIO()
    return RequestLog(stream, clock=lambda: datetime(2013, 7, 1, 12, tzinfo=UTC), **more), stream


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_for_machines_and_one_for_people():
    machine, written = log()
    machine.event("at_work", message="late@1 is\nproduction", worker=None, seconds=0.5)
    assert lines(written) == [
        {"time": "2013-07-01T12:00:00.000Z", "level": "info", "event": "at_work",
         "message": "late@1 is\nproduction", "seconds": 0.5}
    ]  # fmt: skip
    people, shown = log(plain=True)
    people.event("stop", "error", message="told to", code=1)
    assert shown.getvalue() == "12:00:00 error   stop told to code=1\n"


def test_failed_requests_are_told_so_often_a_second_and_the_rest_is_counted():
    now = 0.0
    told, stream = log(seconds=lambda: now)
    for _ in range(MOST_A_SECOND + 30):
        told.request(status=422, route="predict")
    now = 1.0
    told.request(status=503, route="predict")
    told.request(status=503, route="predict")
    found = lines(stream)
    assert len(found) == MOST_A_SECOND + 2
    assert found[-2]["left_out"] == 30 and found[-2]["level"] == "error" and "left_out" not in found[-1]
    every, stream = log(every=True, seconds=lambda: now)
    for _ in range(100):
        every.request(status=200)
    assert len(lines(stream)) == 100


def test_a_log_that_nobody_reads_fails_nothing(tmp_path):
    stream = (tmp_path / "log").open("w")
    stream.close()
    RequestLog(stream, plain=False).event("stop")


@pytest.fixture
def serve(place, now):
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    traffic = Traffic(place.project, place.store)
    traffic.refresh()

    def asked(every, *requests):
        told, stream = log(every=every)
        application = Application(traffic, place.store, log=told)

        async def ask():
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return [await client.request(**request) for request in requests]

        return asyncio.run(ask()), lines(stream), stream.getvalue()

    return asked


def test_a_request_is_told_with_trace_route_and_version_and_nothing_it_brought(place, serve):
    secret = "Hunter2-항공"
    requests = [
        {"method": "POST", "url": PREDICT, "json": {"rows": [place.request(1, tailnum=secret)]},
         "headers": {"traceparent": PARENT}},
        {"method": "POST", "url": PREDICT, "json": {"rows": [{"colour" + secret: secret, "sched": secret}]}},
        {"method": "POST", "url": PREDICT + "?token=" + secret, "content": secret.encode()},
        {"method": "GET", "url": "/" + secret, "headers": {"authorization": "Bearer " + secret.encode().hex()}},
    ]  # fmt: skip
    answers, told, text = serve(True, *requests)
    assert [answer.status_code for answer in answers] == [200, 422, 400, 404] == [line["status"] for line in told]
    assert (told[0]["trace"], told[0]["version"], told[0]["route"]) == (TRACE, "late@1", "predict")
    assert told[0]["latency_ms"] > 0 and "reason" not in told[0]
    assert [line.get("reason") for line in told[1:]] == ["unknown_field", "not_json", "not_found"]
    assert "Hunter2" not in text and "colour" not in text and secret.encode().hex() not in text
    _, few, _ = serve(False, *requests)
    assert [line["status"] for line in few] == [422, 400, 404]


def test_what_breaks_is_told_by_place_without_the_values(serve, monkeypatch):
    def broken(self, name):
        raise ValueError("cannot read the customer's secret")

    monkeypatch.setattr(Traffic, "of", broken)
    answers, (line,), text = serve(False, {"method": "POST", "url": PREDICT, "json": {"rows": [{}]}})
    assert answers[0].status_code == 500 and line["reason"] == "broken" and line["level"] == "error"
    assert line["raised"].startswith("ValueError at ") and "test_request_log.py" in line["raised"]
    assert "secret" not in text and "secret" not in answers[0].text


def test_an_error_of_the_system_says_which():
    try:
        Path("/nowhere/at/all").stat()
    except OSError as error:
        assert raised_at(error).startswith("FileNotFoundError: No such file or directory at deploy/")


def test_libraries_are_told_in_the_same_log():
    told, stream = log()
    forward(told, "rondo.test.library")
    logging.getLogger("rondo.test.library.inner").warning("not this")
    logging.getLogger("rondo.test.library").error("broken %s", "pipe")
    (line,) = lines(stream)
    assert (line["event"], line["library"], line["message"]) == ("library", "rondo.test.library", "broken pipe")


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (PARENT, TRACE),
        (f"01-{TRACE}-b7ad6b7169203331-01-more", TRACE),
        (f"cc-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f"00-{TRACE}-b7ad6b7169203331-01-more", None),
        (f"ff-{TRACE}-b7ad6b7169203331-01", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-b7ad6b7169203331", None),
        ("", None),
    ],
)
def test_traces_are_read_as_the_standard_says(header, trace):
    assert trace_of(header.encode()) == trace


@given(st.binary(max_size=80))
def test_no_header_breaks_the_reading_of_traces(header):
    assert trace_of(header) is None or len(header) >= 55
