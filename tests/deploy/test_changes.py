"""Roles changed under load, two workers: no request fails, each answer is its version's own. benchmarks/changes.py
makes a thousand changes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from rondo.deploy.rollout import promote

FILE = Path(__file__).parents[2] / "benchmarks/changing.py"
OFTEN = "from rondo.deploy import serving; serving.POLL_S = 0.02\n"


@pytest.fixture(scope="module")
def changing():
    spec = importlib.util.spec_from_file_location("changing", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["changing"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["changing"]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_answer_is_that_of_the_version_it_names(place, now, changing, workers):
    for seed in (5, 6):
        place.add_version(seed=seed)
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    rows = [place.request(number, sched="2013-07-01T08:00:00") for number in range(60)]
    expected = changing.offline_scores(place.project, place.store, "late", (1, 2, 3), rows, now)
    assert len(expected) == 3 and all(
        sum(abs(a - b) > 1e-4 for a, b in zip(expected["late@1"], expected[other], strict=True)) > 50
        for other in ("late@2", "late@3")
    )
    original = place.code
    place.code = lambda: OFTEN + original()
    with place.server(workers) as (url, _):
        clients = changing.Clients(url, "late", rows, expected, 8)
        changes = changing.Changes(place.project, place.store, "late", (1, 2, 3), seed=workers)
        clients.start()
        try:
            for _ in range(25):
                clients.wait_for(60)
                changes.make()
            clients.wait_for(60)
        finally:
            clients.stop()
    assert (clients.failed, clients.wrong) == ([], [])
    assert set(clients.by_version) == {"late@1", "late@2", "late@3"} and min(clients.by_version.values()) > 20
    assert {"production", "canary", "shadow"} <= set(changes.made)
