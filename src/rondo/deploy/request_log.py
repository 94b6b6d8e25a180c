"""The server's log on standard error: one line an event, JSON for machines, plain where a person looks on.

What a request brought is never in it: no body, no value, no query, no header but the trace. A line a request costs, so
that only those that failed are told (at most `MOST_A_SECOND`; the next line says how many were left out), unless every
one is asked for.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Literal, TextIO

import msgspec

Level = Literal["info", "warning", "error"]
MOST_A_SECOND = 20
_encode = msgspec.json.Encoder().encode
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.DOTALL)


class RequestLog:
    """Writes lines to `stream`. `every` request is told, or only those that failed; `plain` for people to read."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        every: bool = False,
        plain: bool | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = monotonic,
    ) -> None:
        self.every = every
        self._stream = stream or sys.stderr
        self._plain = self._stream.isatty() if plain is None else plain
        self._clock, self._seconds = clock, seconds
        self._second, self._told, self._left_out = -1, 0, 0

    def event(self, event: str, level: Level = "info", **said: object) -> None:
        """Something happened. Fields that are None are left out."""
        fields = {name: value for name, value in said.items() if value is not None}
        at = self._clock().astimezone(UTC)
        if self._plain:
            told = " ".join(str(value) if name == "message" else f"{name}={value}" for name, value in fields.items())
            line = f"{at:%H:%M:%S} {level:<7} {event} {told}"
        else:
            time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            line = _encode({"time": time, "level": level, "event": event, **fields}).decode()
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more: answering goes on

    def request(self, *, status: int, **said: object) -> None:
        """A request ended; to be called for failed ones, and with `every` for all."""
        level: Level = "error" if status >= 500 else "warning" if status >= 400 else "info"
        if not self.every:
            second = int(self._seconds())
            if second != self._second:
                self._second, self._told = second, 0
            if self._told >= MOST_A_SECOND:
                self._left_out += 1
                return
            self._told += 1
            if self._left_out:
                said, self._left_out = {**said, "left_out": self._left_out}, 0
        self.event("request", level, status=status, **said)


class Forwarding(logging.Handler):
    """Brings what libraries say into the server's log."""

    def __init__(self, log: RequestLog) -> None:
        super().__init__(logging.ERROR)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One record as an event."""
        raised = record.exc_info[1] if record.exc_info else None
        where = None if raised is None else raised_at(raised)
        self._log.event("library", "error", library=record.name, message=record.getMessage(), raised=where)


def forward(log: RequestLog, *libraries: str) -> None:
    """Sends the errors of these libraries to the server's log, in the place of wherever they went."""
    for name in libraries:
        library = logging.getLogger(name)
        library.handlers, library.propagate = [Forwarding(log)], False
        library.setLevel(logging.ERROR)


def raised_at(error: BaseException) -> str:
    """The kind of an error and the calls that led to it; its message only where it cannot hold a value of a request."""
    said = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    frames = traceback.extract_tb(error.__traceback__)
    calls = " > ".join(f"{_file(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__}{said} at {calls}"


def _file(path: str) -> str:
    """A file without the folders that are the machine's own business."""
    return "/".join(path.split("/")[-2:])


def trace_of(traceparent: bytes | None) -> str | None:
    """The trace id of a `traceparent` header (W3C Trace Context 1); None where it is not valid."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None:
        return None
    version, trace, parent, more = found.groups()
    if version == b"ff" or (version == b"00" and more is not None) or not trace.strip(b"0") or not parent.strip(b"0"):
        return None
    return trace.decode()
