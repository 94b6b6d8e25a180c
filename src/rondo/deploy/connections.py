"""One client's connection: uvicorn's over httptools, within bounds that it does not have itself.

Each client is bounded in what it makes the server hold before anything is answered: the bytes of a head, and requests
sent on without waiting for the answers before (uvicorn reads on however many there are).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from rondo.deploy.problems import Problem

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
else:
    HttpToolsProtocol = object

MOST_CONNECTIONS = 10_000
MOST_AHEAD = 1_000
"""More requests than so many are not taken on a connection while an answer is due; 16 are many for a real client."""
LARGEST_HEAD = 64 << 10
LARGEST_REST = 16 << 20
"""What is sent on after an early answer (no key, too often) is passed over, for a while."""
MOST_LINES = 16_384


class Cutting(Protocol):
    """Whoever is told of connections that were ended."""

    def cut(self, reason: str) -> None:
        """A connection was ended for what it sent."""
        ...


class Bounded(HttpToolsProtocol):
    """The bounds of a connection: a base that stands before uvicorn's own class, which is loaded to serve."""

    application: Cutting
    head_bytes = 0
    answered = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self.refuse(Problem(503, "Too many clients are connected.", code="connections"))

    def data_received(self, data: bytes) -> None:
        before, cycle = self.scope, self.cycle
        held = len(cycle.body) if cycle is not None else 0
        super().data_received(data)
        if self.scope is not before:
            self.head_bytes = 0
        elif before is not None and "path" not in before:  # all of this belonged to a head that goes on
            self.bound_head(len(data))
        elif cycle is None or cycle.response_complete:  # an answer that did not wait for the body
            if self.too_much(len(data), LARGEST_REST) and not self.transport.is_closing():
                self.application.cut("too_large")
                self.transport.close()
        elif self.cycle is cycle and len(cycle.body) == held:  # extensions of chunks, trailers
            self.bound_head(len(data))
        if len(self.pipeline) > MOST_AHEAD:
            self.refuse(None)

    def too_much(self, size: int, largest: int) -> bool:
        """Counts bytes that are none of a body; whether they are too many, or too many lines."""
        self.head_bytes += size
        return self.head_bytes > largest or len(self.headers or ()) > MOST_LINES

    def bound_head(self, size: int) -> None:
        if self.too_much(size, LARGEST_HEAD):
            self.refuse(Problem(431, f"The head of a request has at most {LARGEST_HEAD >> 10} KiB."))

    def send_400_response(self, msg: str) -> None:
        self.refuse(Problem(400, "This is not a request of HTTP/1.1.", code="not_http"))

    def on_response_complete(self) -> None:
        # As uvicorn's, but for its timer: `Patience` sees to connections that stand idle.
        self.server_state.total_requests += 1
        self.answered += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def refuse(self, problem: Problem | None) -> None:
        """Ends the connection. A whole request that came before is answered first, else the client is told why."""
        if self.transport.is_closing():
            return
        self.application.cut(problem.code if problem else "too_many_ahead")
        cycle: Any = self.cycle
        due = cycle is not None and not cycle.response_complete
        if due and not cycle.more_body and problem is not None:
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if problem is not None and not self.pipeline and not (due and cycle.response_started):
            self.transport.write(raw(problem))
        if due:
            cycle.disconnected = True
            cycle.message_event.set()
        self.pipeline.clear()
        self.transport.close()


def raw(problem: Problem) -> bytes:
    """A problem as the bytes of a whole response, after which the connection is closed."""
    body = problem.body("")
    head = f"HTTP/1.1 {problem.status} {problem.title}\r\ncontent-type: application/problem+json\r\n"
    return f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
