"""`rondo monitor` from outside: what is wrong reaches a real receiver once, with what is behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from rondo.loop.running import run
from rondo.loop.workplace import open_workplace

Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def received() -> Iterator[tuple[str, list[tuple[dict[str, str], dict[str, Any]]]]]:
    """A receiver on the loopback interface: its address, and what came."""
    came: list[tuple[dict[str, str], dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((dict(self.headers.items()), json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", came
    server.shutdown()
    server.server_close()


@pytest.fixture
def stale(shop: Path, received: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop whose loads ended long ago, with a channel."""
    table, settings = shop / "tables" / "loads.sql", shop / "rondo.toml"
    table.write_text(table.read_text().replace("/* ---\n", "/* ---\nfresh: 1d\nowner: mia\n", 1))
    settings.write_text(
        settings.read_text().replace('clock = "data"\n', "") + '\n[alerts]\nchannels = ["console", "hook"]\n'
        '[alerts.hook]\nkind = "webhook"\nurl = "${HOOK}"\nsecret = "${SECRET}"\n'
        '[people.mia]\nname = "Mia Sol"\ncontact = "mia@example.com"\n'
    )
    monkeypatch.setenv("HOOK", received[0])
    monkeypatch.setenv("SECRET", "between us")
    monkeypatch.setenv("no_proxy", "*")
    run(open_workplace(shop))
    return shop


def test_what_is_wrong_is_told_once_with_what_is_behind_it(
    stale: Path, received: tuple[str, list[tuple[dict[str, str], dict[str, Any]]]], rondo: Called
) -> None:
    code, out, told = rondo(stale, "monitor", "late", "--json")
    assert code == 0 and json.loads(out) == {"model": "late", "windows": []}
    assert "loads" in told and "diagnosis: data" in told  # the console channel
    [(headers, event)] = received[1]
    assert event["specversion"] == "1.0" and headers["Rondo-Signature"].startswith("v1=")
    alert = event["data"]
    assert (alert["name"], alert["diagnosis"], alert["severity"]) == ("stale data", "data", "critical")
    assert "loads" in alert["causes"][0]["what"] and alert["steps"]
    assert rondo(stale, "monitor", "late", "--json")[0] == 0
    assert len(received[1]) == 1
    [listed] = json.loads(rondo(stale, "alerts", "--json")[1])
    assert listed["id"] == alert["id"]
    assert listed["owner"] == "mia" and "stale data" in rondo(stale, "alerts", listed["id"])[1]
    [incident] = json.loads(rondo(stale, "incident", "--json")[1])["incidents"]
    assert incident["alerts"] == [alert["id"]]


def test_it_watches_until_it_is_told_to_stop(
    stale: Path, received: tuple[str, list[tuple[dict[str, str], dict[str, Any]]]], rondo: Called
) -> None:
    assert rondo(stale, "monitor", "--watch", "--json")[0] == 2
    command = [sys.executable, "-m", "rondo.cli", "monitor", "--watch", "--project", str(stale)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    until = time.monotonic() + 60
    while not received[1] and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert received[1] and process.returncode == 0 and "Traceback" not in told
