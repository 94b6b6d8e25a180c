from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from queue import Queue

import httpx
import pytest

from rondo.console.serving import serve_console
from rondo.errors import StoreError, WrongUse
from rondo.handbook.facts import LoopFacts, Step

FACTS = LoopFacts(
    project="new",
    summary=None,
    now=datetime(2014, 1, 1, tzinfo=UTC),
    timezone="UTC",
    next=Step("nothing", "new", "rondo run"),
)


class Ledger:
    """Facts that change under the console."""

    def __init__(self) -> None:
        self.facts = FACTS
        self.broken = False

    def __call__(self) -> LoopFacts:
        if self.broken:
            raise StoreError("The ledger cannot be read.", next_step="Look at the disk.")
        return self.facts


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def console(ledger: Ledger) -> Iterator[httpx.Client]:
    urls: Queue[str] = Queue()
    stop = threading.Event()
    server = threading.Thread(
        target=serve_console,
        args=(ledger,),
        kwargs={"host": "127.0.0.1", "port": 0, "ready": urls.put, "stop": stop},
    )
    server.start()
    with httpx.Client(base_url=urls.get(timeout=10)) as client:
        yield client
    stop.set()
    server.join(10)
    assert not server.is_alive()


def test_the_loop_is_the_home_page_and_all_it_needs_is_served(console: httpx.Client) -> None:
    answer = console.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "Nothing has been loaded yet" in answer.text
    for name, kind in (("rondo.css", "text/css"), ("rondo.js", "text/javascript")):
        assert f"/static/{name}" in answer.text
        assert console.get(f"/static/{name}").headers["content-type"].startswith(kind)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_page_shows_how_things_stand_now(console: httpx.Client, ledger: Ledger) -> None:
    ledger.facts = dataclasses.replace(FACTS, summary="It has changed.")
    assert "It has changed." in console.get("/").text


def test_both_languages(console: httpx.Client) -> None:
    assert 'lang="ko"' in console.get("/?lang=ko").text.splitlines()[1]
    assert 'lang="en"' in console.get("/?lang=xx").text.splitlines()[1]


def test_the_page_can_be_kept(console: httpx.Client) -> None:
    answer = console.get("/?saved=1")
    assert "attachment" in answer.headers["content-disposition"]
    assert "/static/" not in answer.text


def test_health_and_what_is_not_there(console: httpx.Client) -> None:
    assert console.get("/healthz").text == "ok\n"
    for path in ("/static/nothing.css", "/static/..%2floop.py", "/nothing"):
        assert console.get(path).status_code == 404
    assert console.post("/").status_code == 405


def test_a_store_that_cannot_be_read_is_told_and_the_console_goes_on(console: httpx.Client, ledger: Ledger) -> None:
    ledger.broken = True
    answer = console.get("/")
    assert answer.status_code == 503
    assert "The ledger cannot be read." in answer.text
    ledger.broken = False
    assert console.get("/").status_code == 200


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(WrongUse, match="cannot listen"):
            serve_console(lambda: FACTS, host="127.0.0.1", port=other.getsockname()[1], ready=lambda url: None)
