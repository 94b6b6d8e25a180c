from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import TYPE_CHECKING

import httpx
import pytest

from rondo.console import following
from rondo.console.sessions import Sessions
from rondo.deploy.keys import make, revoke
from rondo.deploy.predictions import stream_of
from rondo.loop.workplace import open_workplace
from rondo.records.team import Note
from rondo.team.notes import note

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Console, Serve


@contextmanager
def followed(console: Console, query: str, **headers: str) -> Iterator[Queue[str]]:
    """The lines of an event stream, as they come."""
    lines: Queue[str] = Queue()
    url = f"{console.client.base_url}/events?{query}"
    ready = threading.Event()

    def read() -> None:
        with httpx.stream("GET", url, headers=headers, timeout=20) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            try:
                for line in answer.iter_lines():
                    ready.set()
                    if not stop.is_set() and line.startswith("data: "):
                        lines.put(line)
                    if stop.is_set():
                        return
            except httpx.HTTPError:
                return
            lines.put("ended")

    stop = threading.Event()
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert ready.wait(10)
    yield lines
    stop.set()


def wait_for(condition: object, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_page_is_told_of_the_kinds_that_concern_it(open_console: Console) -> None:
    work = open_console.work
    with (
        followed(open_console, "kinds=notes,gates&name=late") as lines,
        followed(open_console, "kinds=alerts") as other,
    ):
        note(work.store.ledger, "visits", "of something else", by="test")
        note(work.store.ledger, "late", "of this", by="test")
        assert lines.get(timeout=10) == 'data: {"kinds": ["notes"]}'
        with pytest.raises(Empty):
            other.get(timeout=0.3)
        assert lines.empty()


def test_a_page_is_told_of_predictions(open_console: Console) -> None:
    with followed(open_console, "kinds=predictions") as lines:
        open_console.work.store.log.append(stream_of("late"), [b"x"])
        assert lines.get(timeout=10) == 'data: {"kinds": ["predictions"]}'


def test_very_many_records_are_told_as_one(open_console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "READ_AT_ONCE", 3)
    with followed(open_console, "kinds=gates") as lines:
        said = [Note(name="late", text=f"{number}", who="test") for number in range(9)]
        open_console.work.store.ledger.append(*said, by="test")
        assert lines.get(timeout=10) == 'data: {"kinds": [""]}'


def test_whoever_leaves_is_forgotten_and_no_more_than_so_many_follow(
    open_console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST", 1)
    with httpx.stream("GET", f"{open_console.client.base_url}/events?kinds=notes", timeout=10) as first:
        lines = first.iter_lines()
        next(lines)
        assert open_console.following.count == 1
        assert open_console.client.get("/events").status_code == 503
    wait_for(lambda: open_console.following.count == 0)


def test_a_stream_ends_with_the_key_that_opened_it(root: Path, serve: Serve) -> None:
    work = open_workplace(root)
    ledger, sessions = work.store.ledger, Sessions("tester")
    _, key = make(ledger, "ada", scopes=["look"], owner="ada", by="test", now=sessions.clock())
    with (
        serve(root, sessions, every_s=0.05) as console,
        followed(console, "kinds=notes", authorization=f"Bearer {key}") as lines,
    ):
        revoke(ledger, "ada", because="left", by="test", now=sessions.clock())
        note(ledger, "late", "secret", by="test")
        assert lines.get(timeout=10) == "ended"


def test_a_project_that_cannot_be_read_ends_no_stream(open_console: Console) -> None:
    file = open_console.root / "models/late.py"
    before = file.read_text()
    with followed(open_console, "kinds=notes") as lines:
        file.write_text("broken(")
        time.sleep(0.2)
        file.write_text(before)
        note(open_console.work.store.ledger, "late", "again", by="test")
        assert "notes" in lines.get(timeout=10)
