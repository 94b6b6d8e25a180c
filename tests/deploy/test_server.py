"""The server as a process, asked over the network; killed, stopped, promoted under."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from rondo.deploy.logged import Logged, decode
from rondo.deploy.predictions import stream_of
from rondo.deploy.rollout import promote
from rondo.deploy.server import serve
from rondo.errors import WrongUse

PREDICT = "/v1/models/late/predict"


@pytest.fixture
def put(place, now):
    def to(version, role="production", share=None):
        promote(place.store, place.project, "late", version, role, share, because=None, by="kim", now=now)

    return to


class Load:
    """Clients that ask without pause; what was acknowledged, and what failed."""

    def __init__(self, url: str, place, clients: int = 3) -> None:
        self.ids: list[str] = []
        self.versions: list[str] = []
        self.failed: list[str] = []
        self._url, self._place = url, place
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int) -> None:
        until = time.monotonic() + 20
        while len(self.ids) < count:
            assert time.monotonic() < until, f"{len(self.ids)} of {count}; {self.failed[:3]}"
            time.sleep(0.01)

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post(PREDICT, json={"rows": [self._place.request(number)]})
                    document = answer.json()
                    self.ids.append(document["predictions"][0]["id"])
                    self.versions.append(document["version"])
                except (httpx.HTTPError, KeyError) as error:
                    self.failed.append(repr(error))
                    return


def logged(place) -> list[Logged]:
    return [decode(payload) for _, _, payload in place.store.log.read(stream_of("late"))]


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_under_load_it_loses_no_acknowledged_prediction(place, put, workers):
    put(1)
    with place.server(workers) as (url, process), Load(url, place) as load:
        load.wait_for(150)
        if workers > 1:
            children = subprocess.run(["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True)
            for child in children.stdout.split():
                subprocess.run(["kill", "-9", child], check=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = [each.id for each in logged(place)]
    assert len(load.ids) >= 150 and set(load.ids) <= set(kept) and len(set(kept)) == len(kept)


def test_promotions_under_load_fail_no_request(place, put):
    put(1)
    place.add_version(seed=5)
    with place.server() as (url, process), Load(url, place) as load:
        load.wait_for(50)
        for version in (2, 1, 2):
            put(version)
            time.sleep(0.8)
            load.wait_for(len(load.ids) + 20)
        assert load.versions[-1] == "late@2"
        assert load.failed == []
        process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 10
        while process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert process.returncode == 0
        assert process.stdout.read() == b""  # after the ready line nothing
    changes = [b for a, b in zip(load.versions, load.versions[1:], strict=False) if a != b]
    assert {"late@1", "late@2"} == set(load.versions) and len(changes) >= 3
    assert set(load.ids) <= {each.id for each in logged(place)}


def test_republished_values_are_seen_at_once(place, put):
    put(1)
    with place.server() as (url, _), httpx.Client(base_url=url) as client:
        scores = []
        for rate in (0.1, 0.95, 0.1):
            place.publish(rate=rate)
            answer = client.post(PREDICT, json={"rows": [place.request(1, sched="2013-07-01T08:00:00")]}).json()
            explained = client.post("/v1/models/late/explain", json={"id": answer["predictions"][0]["id"]}).json()
            values = {c["feature"]: c["value"] for c in explained["contributions"]}
            assert values["delays.rate"] == rate
            scores.append(answer["predictions"][0]["score"])
        assert scores[0] == scores[2]


def test_the_first_worker_that_dies_is_replaced(place, put):
    put(1)
    with place.server(2) as (url, process):
        children = subprocess.run(["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True)
        first = children.stdout.split()[0]
        subprocess.run(["kill", "-9", first], check=True)
        time.sleep(1.0)
        after = subprocess.run(["pgrep", "-P", str(process.pid)], check=True, capture_output=True, text=True)
        assert len(after.stdout.split()) == 2 and first not in after.stdout.split()
        with httpx.Client(base_url=url, timeout=20) as client:
            for _ in range(20):
                assert client.post(PREDICT, json={"rows": [place.request(1)]}).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


def test_bodies_that_are_too_large_hear_why(place, put):
    put(1)
    with place.server() as (url, _), httpx.Client(base_url=url) as client:
        answer = client.post(PREDICT, content=b" " * (12 << 20), headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.org", ""])
def test_off_the_loopback_it_does_not_serve(place, host):
    with pytest.raises(WrongUse, match="no API key"):
        serve(place.project, lambda: place.store, host=host, ready=print)


def test_a_port_that_is_taken(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WrongUse, match="Nothing can listen"):
            serve(place.project, lambda: place.store, port=taken.getsockname()[1], ready=print)


def test_importing_the_server_loads_no_heavy_library():
    code = (
        "import sys, rondo.deploy.server, rondo.deploy.rehearsing, rondo.deploy.batch\n"
        "heavy = {'pandas', 'sklearn', 'scipy', 'lightgbm', 'duckdb', 'pyarrow', 'deltalake', 'uvicorn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
