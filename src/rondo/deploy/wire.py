"""The short way from the socket to an answer: a whole request that came at once is answered at once.

Uvicorn starts a task for each request. Where a request has come whole and its answer needs no waiting (the features are
on this machine, the log need not reach the disk), the answer is made where the request was parsed. Everything else goes
uvicorn's way: bodies that come in parts, other paths, requests behind one that waits, clients that do not read.

Two more things are saved on the way. A client sends the same head again and again: one that was parsed before is known
by its bytes. And answers go out together at the end of a turn of the loop: the first wakes whoever reads them, for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rondo.deploy.connections import Bounded, Cutting
from rondo.deploy.http import ADMITTED, Reply, Scope
from rondo.deploy.problems import Problem

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_BODY = 64 << 10
MOST_HEADS = 1_000
LARGEST_HEAD = 2 << 10
_END = b"\r\n\r\n"
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Prompt(Cutting, Protocol):
    """Whoever answers at once."""

    @property
    def prompt_paths(self) -> Collection[bytes]:
        """The paths that may be answered so, as they stand in a request's first line."""
        ...

    def prompt(self, scope: Scope, body: bytes) -> Reply | None:
        """The answer; None, and nothing done, where it would have to wait."""
        ...


class _Head(NamedTuple):
    """A head that was parsed before: the length of its body, and what it says."""

    length: int
    scope: Scope


class Outbox:
    """Answers that leave together, in the next turn of the loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def put(self, transport: asyncio.Transport, data: bytes) -> None:
        """Sends soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.send)
        self._waiting.append((transport, data))

    def send(self) -> None:
        """Sends all that waits."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)


class Wire(Bounded):
    """One connection: a base that stands before uvicorn's own class. `heads` and `outbox` are those of all of a server.

    `_parts` collects the body of a request that may be answered at once, `_answered` is the body of the last one
    that was; `_within` says whether a request has begun and not ended; `_admitted` is one that was let in already.
    """

    application: Prompt
    heads: dict[bytes, _Head]
    outbox: Outbox
    _parts: list[bytes] | None = None
    _answered: bytes | None = None
    _within = False
    _admitted: object = None

    def data_received(self, data: bytes) -> None:
        """Answers a request whose head is known, or parses; what is not whole by then goes the long way."""
        end = data.find(_END) + 4
        known = self.heads.get(data[:end])
        if known is not None and len(data) - end == known.length and not self._within and self._is_free():
            scope: Any = {**known.scope, "server": self.server, "client": self.client, "scheme": self.scheme}
            reply = self.application.prompt(scope, data[end:])
            if reply is not None:
                self.scope = scope
                self._answer(reply)
                return
            self._admitted = scope.get(ADMITTED)
        whole = not self._within
        super().data_received(data)
        if self._parts is not None and not self.transport.is_closing():
            self._go_on()
        if self._answered is not None:
            if whole and data[end:] == self._answered and end <= LARGEST_HEAD:
                self._learn(data[:end])
            self._answered = None

    def on_message_begin(self) -> None:
        """A request begins."""
        self._within = True
        super().on_message_begin()
        if self._admitted is not None:
            scope: Any = self.scope
            scope[ADMITTED], self._admitted = self._admitted, None

    def on_headers_complete(self) -> None:
        """Holds the request back until its body is there, if it may be answered at once."""
        if self._may_be_prompt():
            self._parts = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Collects."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Answers, or goes the long way."""
        self._within = False
        if self._parts is None:
            super().on_message_complete()
            return
        scope: Any = self.scope
        scope["method"], scope["path"], scope["query_string"] = "POST", self.url.decode("ascii"), b""
        scope["raw_path"] = self.url
        body = b"".join(self._parts)
        reply = self.application.prompt(scope, body) if len(body) <= LARGEST_BODY else None
        if reply is None:
            self._go_on()
            super().on_message_complete()
            return
        self._parts, self._answered = None, body
        self._answer(reply)

    def refuse(self, problem: Problem | None) -> None:
        """What was answered before leaves before."""
        self.outbox.send()
        super().refuse(problem)

    def shutdown(self) -> None:
        """What was answered leaves before the connection is closed."""
        self.outbox.send()
        super().shutdown()

    def _is_free(self) -> bool:
        """Whether no request before it waits, nor the client's reading."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    def _may_be_prompt(self) -> bool:
        """Whether nothing before it waits, and it asks for nothing out of the ordinary."""
        return (
            self.url in self.application.prompt_paths
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and ADMITTED not in self.scope  # that would have been tried already
            and self._is_free()
        )

    def _learn(self, head: bytes) -> None:
        if len(self.heads) >= MOST_HEADS:
            self.heads.clear()
        scope = {name: value for name, value in self.scope.items() if name != ADMITTED}
        self.heads[head] = _Head(len(self._answered or b""), scope)

    def _go_on(self) -> None:
        """The long way, with what has come of the body."""
        parts, self._parts = self._parts or (), None
        super().on_headers_complete()
        for part in parts:
            super().on_body(part)

    def _answer(self, reply: Reply) -> None:
        self.outbox.put(self.transport, self._response(reply))
        if reply.headers.get("connection") == "close":
            self.outbox.send()
            self.transport.close()
        self.on_response_complete()

    def _response(self, reply: Reply) -> bytes:
        head = [_STATUS[reply.status]]
        for name, value in self.server_state.default_headers:
            head += (name, b": ", value, b"\r\n")
        head += (b"content-type: ", reply.content_type, b"\r\ncontent-length: %d\r\n" % len(reply.body))
        for key, text in reply.headers.items():
            head.append(f"{key}: {text}\r\n".encode("latin-1"))
        head += (b"\r\n", reply.body)
        return b"".join(head)


def wire(application: Prompt) -> type[HttpToolsProtocol]:
    """The class of connections to this application. Loads uvicorn."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    shared = {"application": application, "heads": {}, "outbox": Outbox()}
    return type("Connection", (Wire, HttpToolsProtocol), shared)
