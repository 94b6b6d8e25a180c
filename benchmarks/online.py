"""30 features of one key: Rondo's look-up as serving does it (as-of rule, columns by name), in LMDB and in Redis; a
bare get and msgpack decode in each; and Feast's online stores, in an environment of its own under `.bench/`.

Redis takes part where `redis-server` is installed, listening on the loopback interface for everyone alike.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lmdb
import msgspec
from contenders.servers import ENVIRONMENTS, install
from workload import line, race, scratch

from rondo.features.signature import Column, Lookup
from rondo.features.values import OnlineValues, encode_key, encode_steps, microseconds, together
from rondo.store.online import Online, open_online

KEYS = 10_000
NUMBERS, NAMES = 25, 5
COLUMNS = (*(f"n{place}" for place in range(NUMBERS)), *(f"c{place}" for place in range(NAMES)))
KNOWN = datetime(2025, 1, 1, tzinfo=UTC)
NOW = KNOWN + timedelta(hours=1)

Rows = dict[str, list[object]]
LookUps = Callable[[], object]


def main() -> None:
    """Publish the same rows everywhere, and look the same keys up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lookups", type=int, default=10_000, help="a round and contender")
    parser.add_argument("--without-feast", action="store_true")
    given = parser.parse_args()
    choice = random.Random(5)
    rows: Rows = {
        f"N{number:05}": [choice.random() for _ in range(NUMBERS)] + [f"c{choice.randrange(20)}" for _ in range(NAMES)]
        for number in range(KEYS)
    }
    asked = choice.choices(list(rows), k=given.lookups)
    expected = rows[asked[-1]]
    with scratch() as folder, ExitStack() as stack:
        port = stack.enter_context(redis_server(folder))
        contenders: dict[str, LookUps] = {"rondo, lmdb": rondo(f"lmdb://{folder}/online", rows, asked)}
        if port is not None:
            contenders["rondo, redis"] = rondo(f"redis://127.0.0.1:{port}/0?prefix=bench", rows, asked)
        if not given.without_feast:
            install("feast")
            parquet = write_parquet(rows, folder / "rows.parquet")
            contenders["feast, sqlite"] = stack.enter_context(
                feast("sqlite", f"{folder}/feast.db", folder, parquet, asked)
            )
            if port is not None:
                contenders["feast, redis"] = stack.enter_context(
                    feast("redis", f"127.0.0.1:{port},db=1", folder, parquet, asked)
                )
        if port is not None:
            contenders["bare redis"] = bare_redis(port, rows, asked)
        contenders["bare lmdb"] = bare_lmdb(folder / "bare", rows, asked)
        for name, look_up in contenders.items():
            assert list(look_up()) == expected, name  # type: ignore[call-overload]
        race("online", contenders, rows=given.lookups, rounds=given.rounds)


def rondo(url: str, rows: Rows, asked: Sequence[str]) -> LookUps:
    """Look-ups as a request does them."""
    lookup = Lookup(
        table="features", prefix="features", definition="benchmark", on=(("key", "key"),), key_types=("VARCHAR",),
        columns=tuple(Column(name=name, type="DOUBLE" if name[0] == "n" else "VARCHAR") for name in COLUMNS),
        time="at", known="known", keep_s=6 * 3600,
    )  # fmt: skip
    online: Online = open_online(url)
    known = microseconds(KNOWN)
    items = ((encode_key((key,)), encode_steps([(known, known, values)], whole=True)) for key, values in rows.items())
    online.publish(lookup.space, items, meta={"columns": list(COLUMNS)})
    of_row = together(OnlineValues(online), [lookup]).of_row

    def look_up() -> object:
        for key in asked:
            [found] = of_row([(key,)], NOW, wait=False)
        return found

    return look_up


def bare_lmdb(folder: Path, rows: Rows, asked: Sequence[str]) -> LookUps:
    """One get and one decode each."""
    env = lmdb.open(str(folder), map_size=1 << 30)
    with env.begin(write=True) as txn:
        for key, values in rows.items():
            txn.put(key.encode(), msgspec.msgpack.encode(values))
    decode = msgspec.msgpack.Decoder().decode

    def look_up() -> object:
        for key in asked:
            with env.begin() as txn:
                found = decode(txn.get(key.encode()))
        return found

    return look_up


def bare_redis(port: int, rows: Rows, asked: Sequence[str]) -> LookUps:
    """One GET and one decode each, by the same client."""
    import redis

    client = redis.Redis(port=port, db=2, protocol=2)
    client.mset({key: msgspec.msgpack.encode(values) for key, values in rows.items()})
    decode = msgspec.msgpack.Decoder().decode

    def look_up() -> object:
        for key in asked:
            found = decode(client.get(key))  # type: ignore[arg-type]
        return found

    return look_up


@contextmanager
def feast(kind: str, connection: str, folder: Path, parquet: Path, asked: Sequence[str]) -> Iterator[LookUps]:
    """Feast in a process of its own, which looks up when it is told to."""
    script = Path(__file__).parent / "contenders" / "feast_store.py"
    place = folder / f"feast-{kind}"
    place.mkdir()
    run = [ENVIRONMENTS / "feast" / "bin" / "python", "-W", "ignore", script, kind, connection, place, parquet]
    environment = os.environ | {"FEAST_USAGE": "False"}
    with subprocess.Popen(
        run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place, env=environment
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def answer() -> dict[str, Any]:
            assert process.stdout is not None
            text = process.stdout.readline()
            return json.loads(text) if text else sys.exit(f"Feast ended: {' '.join(map(str, run))}")

        def look_up() -> object:
            print(json.dumps(list(asked)), file=process.stdin, flush=True)
            return answer()["last"]

        answer()
        yield look_up
        process.stdin.close()


def write_parquet(rows: Rows, path: Path) -> Path:
    """The rows as Feast takes them in."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = dict(zip(COLUMNS, map(list, zip(*rows.values(), strict=True)), strict=True))
    times = pa.array([KNOWN] * len(rows), pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({"key": list(rows), "time": times, **columns}), path)
    return path


@contextmanager
def redis_server(folder: Path) -> Iterator[int | None]:
    """A Redis that keeps nothing, and its port; None where there is none installed."""
    if shutil.which("redis-server") is None:
        line(benchmark="online", left_out="Redis: redis-server is not installed")
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.01)
        yield port
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
