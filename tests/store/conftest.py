"""A Redis of the tests' own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class RedisServer:
    """A redis-server at a socket, in a folder of its own; at a TCP port too where a test asks for one."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rondo-redis-"))
        self.socket = self.folder / "s"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        run = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder), "--save", ""]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*run, *self.options], stdout=log)
        deadline = time.monotonic() + 10
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(self.socket)) == 0:
                    probe.sendall(b"PING\r\n")
                    if not probe.recv(100).startswith(b"-LOADING"):
                        return
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def url(self, options: str = "prefix=test", who: str = "") -> str:
        return f"unix://{who}{self.socket}?{options}"


@pytest.fixture(scope="session")
def start_redis() -> Iterator[Callable[..., RedisServer]]:
    """Starts a server with options of the command line; all are gone at the end."""
    if shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    started: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        started.append(RedisServer(*options))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.kill()
        shutil.rmtree(server.folder)


@pytest.fixture(scope="session")
def redis_server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    """One that the tests share; each keeps to a prefix."""
    return start_redis()
