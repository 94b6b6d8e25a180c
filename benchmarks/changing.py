"""Clients that ask without pause and hold every answer against the version that it names; and changes of roles."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from rondo.deploy.answering import Answerer
from rondo.deploy.lookups import NewestLakeValues
from rondo.deploy.resolving import load
from rondo.deploy.rollout import promote, roles, rollback
from rondo.errors import Refused
from rondo.project.reading import Project
from rondo.records.deployment import Role
from rondo.store.opening import Store

Row = Mapping[str, object]
EQUAL = 1e-6
SHARES = (0.1, 0.3, 0.5, 0.9)


def offline_scores(
    project: Project, store: Store, model: str, versions: Sequence[int], rows: Sequence[Row], now: datetime
) -> dict[str, list[float]]:
    """Each version's score of each row, its features by the as-of join over the lake."""
    values = NewestLakeValues(store, project.settings.timezone)
    found = {}
    for version in versions:
        answerer = Answerer(load(store, project, model, version), values, version)
        found[answerer.name] = [float(each.score or 0.0) for each in answerer.answer(rows, now=now)]
    return found


class Changes:
    """Random changes of what is at work, by the functions behind `rondo promote` and `rondo rollback`."""

    def __init__(self, project: Project, store: Store, model: str, versions: Sequence[int], seed: int) -> None:
        self._project, self._store, self._model, self._versions = project, store, model, versions
        self._random = random.Random(seed)
        self.made = Counter[str]()
        self.refused = 0

    def make(self) -> None:
        """One that is not refused: a version into a role, another share, a step back, or a role left empty."""
        while True:
            kind = self._random.choice(("production", "production", "canary", "canary", "shadow", "back", "off"))
            try:
                self._make(kind)
            except Refused:
                self.refused += 1
                continue
            self.made[kind] += 1
            return

    def _make(self, kind: str) -> None:
        now = self._store.clock()
        if kind in ("back", "off"):
            off: Role = self._random.choice(("canary", "shadow"))
            role: Role = off if kind == "off" else "production"
            rollback(self._store, self._project, self._model, role, because=None, by="benchmark", now=now)
            return
        into: Role = "canary" if kind == "canary" else "shadow" if kind == "shadow" else "production"
        share = self._random.choice(SHARES) if into == "canary" else None
        version = self._random.choice(self._versions)
        promote(self._store, self._project, self._model, version, into, share, because=None, by="benchmark", now=now)

    def at_work(self) -> dict[str, int]:
        """The versions at work."""
        return {role: entry.record.version for role, entry in roles(self._store.ledger, self._model).items()}


class Clients(threading.Thread):
    """Connections that ask one row after the other until stopped; every answer is held against `expected`."""

    def __init__(
        self, url: str, model: str, rows: Sequence[Row], expected: Mapping[str, Sequence[float]], connections: int
    ) -> None:
        super().__init__()
        host, _, port = url.removeprefix("http://").partition(":")
        self._address, self._expected, self._connections = (host, int(port)), expected, connections
        self._requests = [_request(host, f"/v1/models/{model}/predict", [row]) for row in rows]
        self._stopped = False
        self.by_version = Counter[str]()
        self.failed: list[str] = []
        self.wrong: list[str] = []

    @property
    def answered(self) -> int:
        """How many answers came so far."""
        return sum(self.by_version.values())

    def run(self) -> None:
        """Ask until stopped."""
        asyncio.run(self._ask_all())

    def stop(self) -> None:
        """End after the answers that are due."""
        self._stopped = True
        self.join()

    def wait_for(self, more: int, seconds: float = 30.0) -> None:
        """Returns when so many more answers have come. Raises TimeoutError."""
        wanted, until = self.answered + more, time.monotonic() + seconds
        while self.answered < wanted and not self.failed:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.answered} answers of {wanted}")
            time.sleep(0.001)

    async def _ask_all(self) -> None:
        await asyncio.gather(*(self._ask(number) for number in range(self._connections)))

    async def _ask(self, number: int) -> None:
        reading, writing = await asyncio.open_connection(*self._address)
        try:
            while not self._stopped:
                row = number % len(self._requests)
                number += self._connections
                writing.write(self._requests[row])
                head = await reading.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                body = await reading.readexactly(length)
                if not head.startswith(b"HTTP/1.1 200"):
                    self.failed.append(f"{head[:40]!r} {body!r}")
                    return
                self._judge(row, msgspec.json.decode(body))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failed.append(repr(error))
        finally:
            writing.close()

    def _judge(self, row: int, document: Mapping[str, object]) -> None:
        (prediction,) = document["predictions"]  # type: ignore[misc]
        version = prediction.get("version", document["version"])
        expected = self._expected[version][row]
        if not abs(prediction["score"] - expected) <= EQUAL:
            self.wrong.append(f"row {row}: {version} answered {prediction['score']}, offline it is {expected}")
        self.by_version[version] += 1


def _request(host: str, path: str, rows: Sequence[Row]) -> bytes:
    body = msgspec.json.encode({"rows": rows})
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body
