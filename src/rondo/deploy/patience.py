"""How long a client may take: a sweep over all connections once a second, in the place of a timer a request.

A client that sends its head or its body a byte a second, leaves its answers unread, or says nothing at all holds no
worker, and its connection only for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from rondo.deploy.problems import Problem

SWEEP_S = 1.0
Waiting = Literal["head", "body", "idle", "unread"]
LIMITS_S: dict[Waiting, float] = {"head": 10, "body": 30, "idle": 75, "unread": 30}
"""For the rest of a head, the rest of a body, the next request (longer than the 60 s after which most proxies let go of
a connection by themselves), and for the client to read what it was answered."""


class _Seen(NamedTuple):
    waiting: Waiting
    progress: tuple[object, int]
    since: float


class Patience:
    """What each connection has been waited for, from one sweep to the next. `cut` is told of answers left unread."""

    def __init__(self, cut: Callable[[str], None]) -> None:
        self._cut = cut
        self._seen: dict[Any, _Seen] = {}

    def sweep(self, connections: Iterable[Any], now: float) -> None:
        """Ends the connections (see `connections`) that were waited for too long. `now` is in seconds."""
        before, self._seen = self._seen, {}
        for connection in list(connections):
            waiting = _waiting(connection)
            if waiting is None:
                continue
            seen = before.get(connection)
            progress = (None if waiting == "unread" else id(connection.scope), connection.answered)
            if seen is None or (seen.waiting, seen.progress) != (waiting, progress):
                seen = _Seen(waiting, progress, now)
            if now - seen.since < LIMITS_S[waiting]:
                self._seen[connection] = seen
                continue
            _end(connection, waiting)
            if waiting == "unread":
                self._cut("unread")

    async def watch(self, connections: Iterable[Any]) -> None:
        """Sweeps until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(connections, asyncio.get_running_loop().time())


def _waiting(connection: Any) -> Waiting | None:
    """What the client owes; None where it is the server's turn."""
    cycle, scope = connection.cycle, connection.scope
    if connection.transport.get_write_buffer_size():
        return "unread"
    if cycle is not None and not cycle.response_complete:
        return "body" if cycle.more_body else None
    return "head" if scope is not None and "path" not in scope else "idle"


def _end(connection: Any, waiting: Waiting) -> None:
    if waiting == "unread":
        connection.transport.abort()  # to close it would wait for the client
    elif waiting == "idle":
        connection.transport.close()
    else:
        connection.refuse(Problem(408, f"The {waiting} of the request took too long to come."))
