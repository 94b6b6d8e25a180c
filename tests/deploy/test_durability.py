"""What was acknowledged is kept: servers killed at random moments, and a disk that is full."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from rondo.deploy.logged import decode
from rondo.deploy.predictions import compact, stream_of
from rondo.deploy.rollout import promote

PREDICT = "/v1/models/late/predict"
BALLAST_KIB, STATE_MIB = 128, 96


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import kills

    return kills


def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path: Path, kills: ModuleType) -> None:
    project = kills.churn(tmp_path / "project", "process")
    tally = kills.campaign(project, kills.MODEL, kills.row, kills=9, seed=11, looks=5)
    assert tally.kills["server"] and tally.kills["worker"] and tally.kills["compaction"]
    assert len(tally.acknowledged) > 100, "it was killed while it answered"
    assert tally.clean, tally


@pytest.fixture
def small_disk(place):
    """The state on a small disk of its own, with little room left; what makes room again."""
    state, kept = place.root / ".rondo", place.root / "kept"
    state.rename(kept)
    state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={STATE_MIB}m", "tmpfs", str(state)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs more rights; a limit on file sizes is tested with the log")
    try:
        shutil.copytree(kept, state, dirs_exist_ok=True)
        free = shutil.disk_usage(state).free - (BALLAST_KIB << 10)
        (state / "ballast").write_bytes(bytes(free))
        yield state
    finally:
        place.store.log.close()
        subprocess.run(["umount", "-l", str(state)], check=True)


@pytest.mark.parametrize("durability", ["process", "disk"])
def test_on_a_full_disk_it_is_not_ready_and_what_it_acknowledged_is_whole(place, now, small_disk, durability):
    promote(place.store, place.project, "late", 1, "production", None, because=None, by="kim", now=now)
    toml = place.root / "rondo.toml"
    toml.write_text(toml.read_text() + f'\n[serving]\ndurability = "{durability}"\n')
    with served(place.root) as url, httpx.Client(base_url=url, timeout=10) as client:
        acknowledged, refused = ask_until_full(place, client)
        assert len(acknowledged) > 50 and refused.status_code == 503
        assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200
        assert logged(place) == acknowledged, "all of what was acknowledged, and nothing of what was refused"
        assert len(place.store.log.segments(stream_of("late"))) <= 3, "what could not be written leaves no files"
        (small_disk / "ballast").unlink()
        until = time.monotonic() + 10
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < until, "there is room again"
            time.sleep(0.05)
        answer = client.post(PREDICT, json={"rows": [place.request(7)]}).json()
        acknowledged += [each["id"] for each in answer["predictions"]]
        assert logged(place) == acknowledged
    landed = compact(place.store, place.signature, by="kim", now=now)
    assert landed is not None and landed.rows == len(acknowledged)


@contextmanager
def served(root: Path) -> Iterator[str]:
    """`rondo serve` of a project, as rondo.toml says."""
    command = [sys.executable, "-m", "rondo.cli", "serve", "--port", "0", "--project", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


def ask_until_full(place, client: httpx.Client) -> tuple[list[str], httpx.Response]:
    acknowledged: list[str] = []
    for number in range(5000):
        rows = [place.request(number + each) for each in range(1 + number % 3)]
        answer = client.post(PREDICT, json={"rows": rows})
        if answer.status_code != 200:
            for _ in range(20):
                assert client.post(PREDICT, json={"rows": rows * 20}).status_code == 503
            return acknowledged, answer
        acknowledged += [each["id"] for each in answer.json()["predictions"]]
    raise AssertionError("the disk was never full")


def logged(place) -> list[str]:
    return [decode(payload).id for *_, payload in place.store.log.read(stream_of("late"))]
