"""The server as a process, under clients and operators as they are: slow, idle, many, stopping it in between."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest

from rondo.deploy.logged import decode
from rondo.deploy.predictions import stream_of
from rondo.deploy.rollout import promote

PREDICT = "/v1/models/late/predict"
IMPATIENT = (
    "from rondo.deploy import patience\n"
    "patience.SWEEP_S = 0.1; patience.LIMITS_S.update(head=0.6, body=0.6, idle=1.5, unread=0.6)\n"
)


@pytest.fixture
def put(place, now):
    def to(version, role="production", share=None):
        promote(place.store, place.project, "late", version, role, share, because=None, by="kim", now=now)

    to(1)
    return to


def address(url):
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def body_of(place, number=1):
    return json.dumps({"rows": [place.request(number)]}).encode()


def head_of(body, path=PREDICT):
    return (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode()


def read_answer(connection):
    """The status of one answer, and whether the server closes the connection after it."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        assert part, f"closed after {got!r}"
        got += part
    head, _, rest = got.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])
    while len(rest) < length:
        part = connection.recv(65536)
        assert part, "closed in the middle of an answer"
        rest += part
    return int(head.split()[1]), b"connection: close" in head.lower()


def logged(place):
    return [decode(payload) for _, _, payload in place.store.log.read(stream_of("late"))]


class Asker(threading.Thread):
    """A client that asks on one connection and opens another when told that it ends. What failed half-way is kept."""

    def __init__(self, url, place):
        super().__init__()
        self.url, self.body, self.answered, self.failed, self.told = url, body_of(place), 0, [], 0
        self.start()

    def run(self):
        connection = None
        while True:
            try:
                if connection is None:
                    connection = socket.create_connection(address(self.url), timeout=10)
            except OSError:
                return  # refused: the server is gone, and no request failed
            try:
                connection.sendall(head_of(self.body) + self.body)
                status, closing = read_answer(connection)
                assert status == 200
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))
                connection.close()
                return
            self.answered += 1
            if closing:
                self.told += 1
                connection.close()
                connection = None


@pytest.mark.parametrize("workers", [1, 2])
def test_stopped_under_load_it_fails_no_request(place, put, workers):
    place.add_version(seed=5)
    put(2, "shadow")
    with place.server(workers) as (url, process):
        askers = [Asker(url, place) for _ in range(6)]
        time.sleep(0.7)
        process.send_signal(signal.SIGTERM)
        for asker in askers:
            asker.join(20)
        assert process.wait(timeout=20) == 0
    # A connection that the system had accepted and no process yet is reset when the socket is closed: none to a few.
    begun = [failure for asker in askers for failure in asker.failed]
    assert begun == [], begun
    answered = sum(asker.answered for asker in askers)
    kept = logged(place)
    assert answered > 50 and sum(asker.told for asker in askers) >= 1
    given = [each for each in kept if each.beside is None]
    assert len(given) == answered == len(kept) - answered  # every shadow was written, too


def test_what_has_begun_is_finished_and_readiness_says_no(place, put):
    body = body_of(place)
    with contextlib.ExitStack() as stack:
        url, process = stack.enter_context(place.server())
        asleep = stack.enter_context(httpx.Client(base_url=url))
        assert asleep.get("/readyz").status_code == 200
        slow = stack.enter_context(socket.create_connection(address(url), timeout=10))
        slow.sendall(head_of(body) + body[:10])
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        answer = asleep.get("/readyz")  # on the connection that it has
        assert answer.status_code == 503 and "shutting down" in answer.text and answer.headers["connection"] == "close"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address(url), timeout=2)
        time.sleep(1.2)
        assert process.poll() is None
        slow.sendall(body[10:])
        assert read_answer(slow) == (200, True)
        assert process.wait(timeout=10) == 0
        told = [json.loads(line) for line in process.stderr.read().splitlines()]
        assert {"start", "at_work", "stop"} <= {line["event"] for line in told}
    assert len(logged(place)) == 1


def test_slow_clients_hold_no_worker_and_are_cut_off(place, put):
    original, body = place.code, body_of(place)
    place.code = lambda: IMPATIENT + original()
    with contextlib.ExitStack() as stack:
        url, _ = stack.enter_context(place.server())
        client = stack.enter_context(httpx.Client(base_url=url))
        silent, heads, bodies, part = (
            stack.enter_context(socket.create_connection(address(url), timeout=10)) for _ in range(4)
        )
        heads.sendall(b"POST /v1/models/late/predict HTTP/1.1\r\nhost")
        bodies.sendall(head_of(body))
        part.sendall(head_of(body) + body[:5])
        began = time.monotonic()
        for _ in range(3):
            assert client.post(PREDICT, content=body, headers={"content-type": "application/json"}).status_code == 200
        assert time.monotonic() - began < 0.5
        assert read_answer(heads) == read_answer(bodies) == read_answer(part) == (408, True)
        assert heads.recv(10) == bodies.recv(10) == part.recv(10) == b""
        assert 0.5 < time.monotonic() - began < 3
        assert silent.recv(10) == b""  # says nothing, is told nothing
        found = httpx.get(f"{url}/metrics").text
        assert 'rondo_errors_total{route="other",reason="timeout"} 3' in found


def test_a_client_that_reads_nothing_is_cut_off(place, put):
    original = place.code
    place.code = lambda: IMPATIENT + original()
    with place.server() as (url, _), httpx.Client(base_url=url) as client, socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.connect(address(url))
        greedy.settimeout(10)
        with pytest.raises(ConnectionError):
            for _ in range(100):
                greedy.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 20)
                time.sleep(0.05)
        found = client.get("/metrics").text
        assert 'rondo_errors_total{route="other",reason="unread"} 1' in found
        assert 'rondo_open_connections{worker="0"} 1' in found


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n" * 50_000, "too_many_ahead"),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nlong: " + b"x" * 10_000_000, "too_large"),
        (b"GET /" + b"x" * 10_000_000, "too_large"),
        (b"GARBAGE\r\n\r\n", "not_http"),
    ],
)
def test_what_a_connection_may_send_is_bounded(place, put, sent, reason):
    with place.server() as (url, _), socket.create_connection(address(url), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        with contextlib.suppress(ConnectionError):
            while connection.recv(1 << 20):
                pass
        found = httpx.get(f"{url}/metrics").text
        assert f'rondo_errors_total{{route="other",reason="{reason}"}} 1' in found
        resident = float(re.search(r'rondo_resident_memory_bytes{worker="0"} (\S+)', found)[1])
        assert resident < 150e6


def test_a_thousand_idle_connections_starve_nobody(place, put):
    with place.server() as (url, _), httpx.Client(base_url=url) as client:
        idle = [socket.create_connection(address(url), timeout=10) for _ in range(1000)]
        seconds = []
        for number in range(50):
            began = time.monotonic()
            assert client.post(PREDICT, json={"rows": [place.request(number)]}).status_code == 200
            seconds.append(time.monotonic() - began)
        assert sorted(seconds)[25] < 0.05
        assert 'rondo_open_connections{worker="0"} 1001' in client.get("/metrics").text
        for each in idle:
            each.close()


def scrape(url):
    """The counters of one scrape."""
    with httpx.Client(base_url=url) as client:
        text = client.get("/metrics").text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def children(process):
    found = subprocess.run(["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True)
    return [int(each) for each in found.stdout.split()]


def test_any_worker_tells_the_counts_of_all_and_none_goes_down(place, put):
    ok = 'rondo_requests_total{route="predict",status="200"}'
    given = 'rondo_predictions_total{model="late",version="late@1",role="production"}'
    asked = 0

    def ask(url, count):
        nonlocal asked
        for number in range(count):  # each on a connection of its own, so that both workers get some
            assert httpx.post(url + PREDICT, json={"rows": [place.request(number)]}).status_code == 200
        asked += count

    with place.server(2) as (url, process):
        ask(url, 40)
        time.sleep(0.8)
        seen = [scrape(url) for _ in range(8)]
        assert {each[ok] for each in seen} == {each[given] for each in seen} == {40.0}
        workers = {name for name in seen[0] if name.startswith("rondo_resident_memory_bytes")}
        assert workers == {f'rondo_resident_memory_bytes{{worker="{n}"}}' for n in (0, 1)}
        killed = children(process)[0]
        subprocess.run(["kill", "-9", str(killed)], check=True)
        last = 0.0
        for _ in range(15):
            try:
                now = scrape(url)[ok]
            except httpx.HTTPError:
                continue  # the one killed had taken this connection
            assert now >= last
            last = now
            time.sleep(0.05)
        until = time.monotonic() + 10
        while len(children(process)) < 2 or killed in children(process):
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(1.0)
        ask(url, 30)
        time.sleep(0.8)
        assert {scrape(url)[ok] for _ in range(6)} == {70.0}


def test_workers_end_when_the_one_that_began_them_is_killed(place, put):
    with place.server(2) as (url, process):
        workers = children(process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        until = time.monotonic() + 10
        while any(alive(each) for each in workers):
            assert time.monotonic() < until
            time.sleep(0.05)
        with pytest.raises(OSError):
            socket.create_connection(address(url), timeout=1)


def alive(process):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_workers_restarted_in_turns_fail_no_request_and_keep_their_counts(place, put):
    with place.server(2) as (url, process):
        askers = [Asker(url, place) for _ in range(4)]
        for worker in children(process):
            time.sleep(0.3)
            subprocess.run(["kill", "-TERM", str(worker)], check=True)
            until = time.monotonic() + 10
            while worker in (now := children(process)) or len(now) < 2:
                assert time.monotonic() < until
                time.sleep(0.05)
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        for asker in askers:
            asker.join(20)
        assert process.wait(timeout=20) == 0
        assert [failure for asker in askers for failure in asker.failed] == []
        ended = [json.loads(line) for line in process.stderr.read().splitlines()]
        assert [line["code"] for line in ended if line["event"] == "worker_ended"] == [0, 0]
    assert len(logged(place)) == sum(asker.answered for asker in askers) > 100


@pytest.mark.parametrize("told", ["errors", "all"])
def test_the_log_tells_what_the_setting_says(place, put, told):
    (place.root / "rondo.toml").write_text(f'[project]\nname = "flights"\n\n[serving]\nlog = "{told}"\n')
    with place.server() as (url, process):
        for rows in ([place.request(1)], []):
            httpx.post(url + PREDICT, json={"rows": rows})
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    requests = [line["status"] for line in lines if line["event"] == "request"]
    assert requests == ([422] if told == "errors" else [200, 422])
    assert {"start", "at_work", "stop"} <= {line["event"] for line in lines}
