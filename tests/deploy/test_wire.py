"""The short way and the long way give the same answers, however the bytes of requests come."""

from __future__ import annotations

import json
import socket
import time
from urllib.parse import urlsplit

import pytest

from rondo.deploy.logged import decode
from rondo.deploy.predictions import stream_of
from rondo.deploy.rollout import promote

PATH = "/v1/models/late/predict"


@pytest.fixture
def url(place, now):
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    with place.server() as (url, _):
        yield url


class Wire:
    """A client that chooses its bytes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.read.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, str], object]:
        status = int(self.read.readline().split()[1])
        headers = {}
        while (line := self.read.readline().decode().strip()) != "":
            name, _, value = line.partition(": ")
            headers[name] = value
        body = self.read.read(int(headers["content-length"]))
        return status, headers, json.loads(body) if body else None

    def closed(self) -> bool:
        return self.read.read(1) == b""


def request(body: bytes, *lines: str, path: str = PATH, method: str = "POST", version: str = "1.1") -> bytes:
    head = [f"{method} {path} HTTP/{version}", "host: 127.0.0.1", "content-type: application/json", *lines]
    if not any(line.startswith("transfer-encoding") for line in lines):
        head.append(f"content-length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def body(place, *numbers) -> bytes:
    return json.dumps({"rows": [place.request(number) for number in numbers]}).encode()


def scored(answer) -> list[float]:
    status, headers, document = answer
    assert status == 200 and headers["content-type"] == "application/json" and document["version"] == "late@1"
    return [each["score"] for each in document["predictions"]]


@pytest.fixture
def expected(place, url):
    with Wire(url) as wire:
        found = []
        for number in range(4):
            wire.send(request(body(place, number)))
            found += scored(wire.answer())
        return found


def test_whole_or_in_pieces(place, url, expected):
    whole = request(body(place, 1))
    with Wire(url) as wire:
        for cut in (1, 20, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
            wire.send(whole[:cut])
            time.sleep(0.02)
            wire.send(whole[cut:])
            assert scored(wire.answer()) == expected[1:2]
        for place_ in range(len(whole)):
            wire.send(whole[place_ : place_ + 1])
        assert scored(wire.answer()) == expected[1:2]


def test_requests_sent_at_once_are_answered_in_their_order(place, url, expected):
    models = request(b"", path="/v1/models", method="GET")
    with Wire(url) as wire:
        wire.send(request(body(place, 0)) + request(body(place, 1)) + models + request(body(place, 2)) + models)
        wire.send(request(body(place, 3)))
        assert scored(wire.answer()) == expected[:1]
        assert scored(wire.answer()) == expected[1:2]
        assert "models" in wire.answer()[2]
        assert scored(wire.answer()) == expected[2:3]
        assert "models" in wire.answer()[2]
        assert scored(wire.answer()) == expected[3:]


def test_what_goes_the_long_way_is_answered_alike(place, url, expected):
    one, many = body(place, 1), body(place, *range(100))
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(one), one)
    with Wire(url) as wire:
        wire.send(request(chunked, "transfer-encoding: chunked"))
        assert scored(wire.answer()) == expected[1:2]
        wire.send(request(many))
        assert scored(wire.answer())[:4] == expected
        wire.send(request(body(place, *range(1000))))
        assert scored(wire.answer())[:4] == expected
        then = json.dumps({"rows": [place.request(1, sched="2013-01-05T12:00:00")]}).encode()
        wire.send(request(then))  # the lake answers
        assert len(scored(wire.answer())) == 1
        wire.send(request(one, path=PATH + "?x=1"))
        assert scored(wire.answer()) == expected[1:2]
        wire.send(request(one, path="/v1/models/%6cate/predict"))
        assert scored(wire.answer()) == expected[1:2]
        wire.send(
            request(b"", "expect: 100-continue", f"content-length: {len(one)}").replace(b"content-length: 0", b"x: y")
        )
        assert b"100" in wire.read.readline() and wire.read.readline() == b"\r\n"
        wire.send(one)
        assert scored(wire.answer()) == expected[1:2]
        wire.send(request(one, "connection: close"))
        assert scored(wire.answer()) == expected[1:2] and wire.closed()
    with Wire(url) as wire:
        wire.send(request(one, version="1.0"))
        assert scored(wire.answer()) == expected[1:2] and wire.closed()


def test_what_is_wrong_is_said_the_short_way_too(place, url, expected):
    with Wire(url) as wire:
        for bad, status in ((b"{", 400), (b'{"rows": []}', 422), (b'{"rows": [{"x": 1}]}', 422), (b"", 400)):
            wire.send(request(bad))
            found, headers, document = wire.answer()
            assert found == document["status"] == status, document
            assert headers["content-type"] == "application/problem+json" and document["instance"] == PATH
        wire.send(request(body(place, 1)).replace(b"application/json", b"text/plain"))
        assert wire.answer()[0] == 415
        wire.send(request(body(place, 1)))
        assert scored(wire.answer()) == expected[1:2]
        wire.send(request(body(place, 1))[:-5].replace(b"\r\nhost", b"\r\n\x00bad") + b"\r\n")
        assert wire.answer()[0] == 400 and wire.closed()


def test_both_ways_are_logged_and_counted_once(place, url):
    with Wire(url) as wire:
        given = []
        for number in range(6):
            whole = request(body(place, number))
            half = len(whole) // 2 if number % 2 else len(whole)
            wire.send(whole[:half])
            time.sleep(0.01)
            wire.send(whole[half:])
            given.append(wire.answer()[2]["predictions"][0]["id"])
        wire.send(request(b"", path="/metrics", method="GET"))
        status = wire.read.readline()
        headers = dict(iter(lambda: tuple(wire.read.readline().decode().strip().partition(": ")[::2]), ("", "")))
        text = wire.read.read(int(headers["content-length"])).decode()
    logged = [decode(payload) for _, _, payload in place.store.log.read(stream_of("late"))]
    assert [each.id for each in logged] == given
    assert b"200" in status and 'rondo_requests_total{route="predict",status="200"} 6' in text


def test_what_must_wait_after_all_is_let_in_once(place, now, monkeypatch):
    """A moment that the lake must answer is tried at once first: that takes no second request from the rate."""
    settings = place.root / "rondo.toml"
    settings.write_text(settings.read_text() + '[serving]\nrate = "4/h"\n')
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    then = json.dumps({"rows": [place.request(1, sched="2013-01-05T12:00:00")]}).encode()
    soon = json.dumps({"rows": [place.request(1, sched="2013-06-30T12:00:00")]}).encode()
    with place.server() as (url, _), Wire(url) as wire:
        found = []
        for each in (soon, then, then, then, then):
            wire.send(request(each))
            found.append(wire.answer()[0])
    assert found == [200, 200, 200, 200, 429]
