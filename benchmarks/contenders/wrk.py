"""The load: wrk on one thread, its connections kept open, the prepared questions in turn."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contenders.servers import HERE, Running

_SPINNING = """
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == {parent}:
    sum(range(100_000))
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw, and the processor time the server spent on a request."""

    requests: int
    requests_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def drive(server: Running, *, connections: int, seconds: float, rate: float | None = None) -> Load:
    """At `rate` requests a second, or as many as are answered. Exits where one fails."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
    arguments = [str(_bodies(server)), *([str(rate)] if rate else [])]
    before_s = server.cpu_s()
    told = subprocess.run(
        [*command, "--script", HERE / "rotate.lua", server.url, "--", *arguments],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    seen = json.loads(told[-1])
    if seen["failed"] or not seen["requests"]:
        sys.exit(f"{server.contender.name} failed {seen['failed']} requests, and answered {seen['requests']}")
    cpu_us = 1e6 * (server.cpu_s() - before_s) / seen["requests"]
    return Load(seen["requests"], seen["requests"] / seen["seconds"], seen["p50_ms"], seen["p99_ms"], cpu_us)


def _bodies(server: Running) -> Path:
    """The questions as this server is asked them, one a line."""
    path = server.prepared.folder / f"{server.contender.name}.bodies"
    if not path.exists():
        asked = [server.contender.body(question) for question in server.prepared.questions]
        path.write_text("".join(json.dumps(body, separators=(",", ":")) + "\n" for body in asked))
    return path


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """No core halts meanwhile: on each spins a process that gives way to every other at once (SCHED_IDLE).

    On a virtual machine, to wake a halted core costs tens of microseconds, and the server that answers pays it, for
    wrk: so a server would be measured by how long its client sleeps, which no client on another machine lets it pay.
    """
    spinning = [sys.executable, "-S", "-c", _SPINNING.format(parent=os.getpid())]
    processes = [subprocess.Popen(spinning) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for each in processes:
            each.kill()
            each.wait()
