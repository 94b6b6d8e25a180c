"""Two thousand malformed requests at a server: none breaks it, none ends it. benchmarks/malformed.py sends more."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import httpx
import pytest

from rondo.deploy.rollout import promote

FILE = Path(__file__).parents[2] / "benchmarks/malforming.py"


@pytest.fixture(scope="module")
def malforming():
    spec = importlib.util.spec_from_file_location("malforming", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["malforming"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["malforming"]


def test_no_malformed_request_breaks_the_server(place, now, malforming):
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    row = place.request(1, sched="2013-07-01T08:00:00")
    with place.server() as (url, process):
        host, _, port = url.removeprefix("http://").partition(":")
        client = malforming.Client((host, int(port)))
        drawn = malforming.Malformed("late", row, seed=20130701)
        statuses: dict[int | None, int] = {}
        for _ in range(2_000):
            sent = drawn.one()
            status = client.status(sent)
            assert status is None or status < 500, (status, sent.data[:2000])
            statuses[status] = statuses.get(status, 0) + 1
        client.close()
        assert process.poll() is None
        assert {200, 400, 404, 405, 415, 422} <= set(statuses)
        assert statuses.get(None, 0) < 300  # ended without a word: what was no request, and had no end
        answer = httpx.post(f"{url}/v1/models/late/predict", json={"rows": [row]})
        assert answer.status_code == 200 and answer.json()["version"] == "late@1"


def test_the_same_seed_draws_the_same_requests(place, malforming):
    first, again = (malforming.Malformed("late", place.request(1), seed=5) for _ in range(2))
    assert [first.one() for _ in range(300)] == [again.one() for _ in range(300)]
