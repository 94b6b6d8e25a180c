"""A small project with three versions, an alert and its incident, and its console as a real server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvicorn

from rondo.console.following import Following
from rondo.console.looking import Project
from rondo.console.serving import console
from rondo.console.sessions import Sessions
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.alerting import Finding, record, settle
from rondo.monitor.incidents import incidents_for
from rondo.records.development import Version
from rondo.records.tables import TableVersion

Write = Callable[[dict[str, str]], Path]
KNOWN = datetime(2024, 2, 20, 12, tzinfo=UTC)


@dataclass
class Console:
    """A console at work: who asks it, what it rests on, the token of its forms while it is open."""

    client: httpx.Client
    root: Path
    sessions: Sessions
    following: Following

    @property
    def work(self) -> Workplace:
        return open_workplace(self.root, by="test")

    @property
    def token(self) -> str:
        return self.sessions.signed("token", "open")

    def act(self, verb: str, **fields: str) -> httpx.Response:
        return self.client.post(f"/actions/{verb}", data={"token": self.token, "back": "/", **fields})


def version(number: int) -> Version:
    return Version(
        name="late", version=number, definition="d", build=f"b{number}", dataset=1, trainer="lightgbm", parameters={},
        seed=0, files={}, pinned={}, why="due",
    )  # fmt: skip


@pytest.fixture
def root(shop: Path) -> Path:
    """The shop with records as a run and a bad day leave them, and without a PRD."""
    (shop / "docs/prd.md").unlink()
    work = open_workplace(shop, by="test")
    loaded = TableVersion(
        name="visits_raw", version=1, stage="source", definition="d", build="b", path="p", delta=0, rows=3,
        columns={"visit": "VARCHAR", "late": "BOOLEAN"}, known_until=KNOWN,
    )  # fmt: skip
    work.store.ledger.append(loaded, *(version(number) for number in (1, 2, 3)), by="test", at=KNOWN)
    found = Finding(
        model="late", rule="stale data", about="visits", summary="visits brought nothing", severity="critical",
        owner="mia", steps=("Ask who sends the file.", "Load it by hand."),
    )  # fmt: skip
    opened = settle([found], [], [], work.now())
    record(work.store.ledger, opened, [], by="monitor", now=work.now(), incidents=incidents_for(opened, [], []))
    return shop


@contextmanager
def served(root: Path, sessions: Sessions, **followed: float) -> Iterator[Console]:
    project = Project(root, "live")
    following = Following(project, **followed)
    config = uvicorn.Config(
        console(project, sessions, following), port=0, log_level="warning", access_log=False, lifespan="off",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    following.ended = lambda: server.should_exit
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield Console(client, root, sessions, following)
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def open_console(root: Path) -> Iterator[Console]:
    """The console of a project without keys."""
    with served(root, Sessions("tester"), every_s=0.05) as found:
        yield found


Serve = Callable[..., AbstractContextManager[Console]]


@pytest.fixture
def serve() -> Serve:
    """Serves the console of a folder with given sessions."""
    return served
