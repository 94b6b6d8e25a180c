"""The short way from the socket to an answer: a whole request that came at once is answered at once.

Uvicorn starts a task for each request. Where a request has arrived whole and its answer needs no waiting (the features
are on this machine, the log need not reach the disk), the answer is written where the request was parsed. Everything
else goes uvicorn's way: bodies that come in parts, other paths, pipelined requests behind one that waits, clients that
do not read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from rondo.deploy.connections import connection
from rondo.deploy.http import Reply, Scope

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_BODY = 64 << 10
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Prompt(Protocol):
    """Whoever answers at once."""

    @property
    def prompt_paths(self) -> Collection[bytes]:
        """The paths that may be answered so, as they stand in a request's first line."""
        ...

    def cut(self, reason: str) -> None:
        """A connection was ended for what it sent."""
        ...

    def prompt(self, scope: Scope, body: bytes) -> Reply | None:
        """The answer; None, and nothing done, where it would have to wait."""
        ...


def wire(application: Prompt) -> type[HttpToolsProtocol]:
    """The class of connections, with the short way to this application."""
    prompt: Callable[[Any, bytes], Reply | None] = application.prompt
    # mypy: the class is made when uvicorn is loaded
    Connection: Any = connection(application.cut)  # noqa: N806

    class Wire(Connection):  # type: ignore[misc]
        """One connection. `_parts` collects the body of a request that may be answered at once."""

        _parts: list[bytes] | None = None

        def data_received(self, data: bytes) -> None:
            """Parses; a request that is not whole by then goes the long way."""
            super().data_received(data)
            if self._parts is not None and not self.transport.is_closing():
                self._go_on()

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
            if self._parts is None:
                super().on_message_complete()
                return
            scope: Any = self.scope
            scope["method"], scope["path"], scope["query_string"] = "POST", self.url.decode("ascii"), b""
            scope["raw_path"] = self.url
            body = b"".join(self._parts)
            reply = prompt(scope, body) if len(body) <= LARGEST_BODY else None
            if reply is None:
                self._go_on()
                super().on_message_complete()
                return
            self._parts = None
            self.transport.write(self._response(reply))
            self.on_response_complete()

        def _may_be_prompt(self) -> bool:
            """Whether nothing before it waits, and it asks for nothing out of the ordinary."""
            return (
                self.url in application.prompt_paths
                and self.parser.get_method() == b"POST"
                and self.parser.get_http_version() == "1.1"
                and self.parser.should_keep_alive()
                and not self.parser.should_upgrade()
                and not self.expect_100_continue
                and (self.cycle is None or self.cycle.response_complete)
                and not self.flow.write_paused
            )

        def _go_on(self) -> None:
            """The long way, with what has come of the body."""
            parts, self._parts = self._parts or (), None
            super().on_headers_complete()
            for part in parts:
                super().on_body(part)

        def _response(self, reply: Reply) -> bytes:
            head = [_STATUS[reply.status]]
            for name, value in self.server_state.default_headers:
                head += (name, b": ", value, b"\r\n")
            head += (b"content-type: ", reply.content_type, b"\r\ncontent-length: %d\r\n" % len(reply.body))
            for key, text in reply.headers.items():
                head.append(f"{key}: {text}\r\n".encode("latin-1"))
            head += (b"\r\n", reply.body)
            return b"".join(head)

    return Wire
