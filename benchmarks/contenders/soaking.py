"""A bounded soak: one server for minutes at half of what it can do, its memory and p99 at the start and at the end."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from contenders.servers import Running
from contenders.wrk import drive

CONNECTIONS = 16
WINDOW_S = 15


@dataclass(frozen=True)
class Window:
    """A stretch of the soak. `at_s` is its end, `requests` those answered since the soak began."""

    at_s: float
    requests: int
    requests_s: float
    p99_ms: float
    memory_mb: float


def soak(server: Running, minutes: float) -> Iterator[Window]:
    """Windows as they end, four at least; the load before, which finds the most it can do, also warms it up."""
    most = drive(server, connections=CONNECTIONS, seconds=5).requests_s
    requests = 0
    for number in range(1, max(4, round(minutes * 60 / WINDOW_S)) + 1):
        load = drive(server, connections=CONNECTIONS, seconds=WINDOW_S, rate=most / 2)
        requests += load.requests
        yield Window(number * WINDOW_S, requests, load.requests_s, load.p99_ms, server.memory_mb())


def ends(windows: list[Window], what: str) -> tuple[float, float]:
    """The median of the first quarter of the windows, and of the last."""
    quarter = max(1, len(windows) // 4)
    values = [float(getattr(window, what)) for window in windows]
    return statistics.median(values[:quarter]), statistics.median(values[-quarter:])
