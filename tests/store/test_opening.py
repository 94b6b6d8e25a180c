from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from rondo.errors import StoreError
from rondo.records.team import Decision
from rondo.store.opening import Store, open_store

NOW = datetime(2013, 3, 1, tzinfo=UTC)
DECISION = Decision(name="late", what="promote", who="mia", why="it is better", version=7)


def fill(store: Store) -> str:
    store.ledger.append(DECISION, by="mia")
    store.lake.write("tables/x", pa.table({"a": [1, 2]}), mode="append")
    store.online.publish("x", [(b"k", b"v")], meta={})
    store.log.append("late", [b"one"])
    return store.artifacts.put(b"model")


def check(store: Store, digest: str) -> None:
    found = store.ledger.latest(Decision)
    assert found is not None and (found.record, found.at) == (DECISION, NOW)
    assert store.lake.rows("tables/x") == 2 and all(Path(file).exists() for file in store.lake.files("tables/x"))
    assert store.online.read([("x", [b"k"])])[0].values == [b"v"]
    assert [payload for _, _, payload in store.log.read("late")] == [b"one"]
    assert store.artifacts.get(digest) == b"model"


def test_lives_in_the_project(tmp_path: Path) -> None:
    store = open_store(tmp_path, clock=lambda: NOW)
    check(store, fill(store))
    assert [path.name for path in tmp_path.iterdir()] == [".rondo"]
    made = {path.name for path in (tmp_path / ".rondo").iterdir()} - {"ledger.db-wal", "ledger.db-shm"}
    assert made == {"ledger.db", "lake", "online", "artifacts", "predictions"}


def test_a_copied_project_works(tmp_path: Path) -> None:
    digest = fill(open_store(tmp_path / "a project", clock=lambda: NOW))
    shutil.copytree(tmp_path / "a project", tmp_path / "copies" / "프로젝트")
    shutil.rmtree(tmp_path / "a project")
    check(open_store(tmp_path / "copies" / "프로젝트", clock=lambda: NOW), digest)
    for file in (tmp_path / "copies").rglob("*"):
        if file.is_file():
            assert str(tmp_path).encode() not in file.read_bytes(), file


def test_a_state_has_stores_of_its_own(tmp_path: Path) -> None:
    live = open_store(tmp_path, clock=lambda: NOW)
    digest = fill(live)
    replay = open_store(tmp_path, state="march", clock=lambda: NOW)
    assert replay.ledger.latest(Decision) is None and replay.lake.version("tables/x") is None
    assert replay.online.spaces() == [] and not replay.artifacts.has(digest)
    assert replay.folder == tmp_path / ".rondo" / "states" / "march"
    fill(replay)
    check(open_store(tmp_path, state="march", clock=lambda: NOW), digest)
    assert live.ledger.count(Decision) == 1 and live.lake.rows("tables/x") == 2


def test_a_replay_stays_out_of_a_shared_redis(tmp_path: Path) -> None:
    shared = "redis://:secret@nowhere:1"
    live = open_store(tmp_path, online_url=shared, project="flights")
    assert not live.online.local and "secret" not in repr(live)
    replay = open_store(tmp_path, online_url=shared, project="flights", state="march")
    assert replay.online.publish("x", [(b"k", b"v")], meta={}) == 1
    assert (tmp_path / ".rondo" / "states" / "march" / "online" / "data.mdb").exists()


def test_other_places(tmp_path: Path) -> None:
    store = open_store(
        tmp_path / "p",
        ledger_url=f"sqlite:///{tmp_path}/elsewhere/l.db",
        lake_url=str(tmp_path / "elsewhere" / "lake"),
        online_url=f"lmdb://{tmp_path}/elsewhere/online",
        clock=lambda: NOW,
    )
    check(store, fill(store))
    assert {path.name for path in (tmp_path / "p" / ".rondo").iterdir()} == {"artifacts", "predictions"}


def test_reading_an_empty_project_creates_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path, readonly=True)
    assert store.ledger.history(5) == [] and store.lake.version("x") is None and store.online.spaces() == []
    assert list(store.log.read("late")) == [] and not store.artifacts.has("0" * 64)
    assert list(tmp_path.iterdir()) == []
    assert store.clock().tzinfo is UTC


@pytest.mark.parametrize(
    ("urls", "named"),
    [
        ({"ledger_url": "mysql://me:secret@host/db"}, "ledger"),
        ({"ledger_url": "sqlite://"}, "ledger"),
        ({"ledger_url": "ledger.db"}, "ledger"),
        ({"lake_url": "s3://bucket/prefix"}, "lake"),
        ({"online_url": "memcached://:secret@host"}, "Online"),
        ({"online_url": "redis://:secret@host"}, "prefix"),
        ({"durability": "paper"}, "paper"),
        ({"state": "a/b"}, "a/b"),
        ({"state": ".."}, "cannot name"),
    ],
)
def test_what_it_does_not_speak_is_refused(tmp_path: Path, urls: dict[str, str], named: str) -> None:
    with pytest.raises(StoreError, match=named) as caught:
        _ = open_store(tmp_path, **urls).online  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_ledger_loads_nothing_else(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from rondo.store.opening import open_store
open_store(Path(sys.argv[1])).ledger.history(1)
print(*{"alembic", "deltalake", "pyarrow", "lmdb", "duckdb", "pandas"} & set(sys.modules))
"""
    run = [sys.executable, "-c", script, str(tmp_path)]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == ""
