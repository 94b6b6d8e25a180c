"""Requests and replies over ASGI: routes, bodies within bounds, media types."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from rondo.deploy.problems import Problem
from rondo.project.serving import size_text

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Need = Literal["predict", "explain", "outcome", "any"]
DRAINED = 4
"""A body is read on for so many times the largest, so that who sent it hears why it was not taken."""
DEEPEST = 32
_ALIKE = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
ADMITTED = "rondo.admitted"
"""Where a scope keeps the request that was let in already."""
JSON, PROBLEM = b"application/json", b"application/problem+json"


class Gone(Exception):
    """The client left before it had sent its request."""


class Request(msgspec.Struct):
    """What came: the ASGI scope, the whole body, who asks (the name of the key; None without keys).

    `trace` is the id of the trace that it is part of, `version` the one in production where a version answered, `model`
    whose predictions it asks for where its path does not say it.
    """

    scope: Scope
    body: bytes
    began: float
    caller: str | None = None
    trace: str | None = None
    version: str | None = None
    model: str | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first header of that name (in lower case)."""
        return header(self.scope, name)


class Reply(msgspec.Struct, frozen=True):
    """What goes back. `after` is done once it has gone."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: Mapping[str, str] = {}
    after: Callable[[], Awaitable[None]] | None = None


Handler = Callable[[Request], Awaitable[Reply]]


def closing(reply: Reply) -> Reply:
    """A reply after which the connection is closed."""
    return msgspec.structs.replace(reply, headers={**reply.headers, "connection": "close"})


def refusal(problem: Problem, path: str) -> Reply:
    """A problem as a problem document (RFC 9457)."""
    return Reply(problem.body(path), problem.status, PROBLEM, problem.headers)


@dataclass(frozen=True)
class Route:
    """A path: its name in metrics, its handlers by method, what a caller's key must allow, what a body may be.

    `need` None is open to all. `refuse` writes what goes wrong in the protocol's own way. Where `may_prompt`, `prompt`
    answers a POST at once, or gives None, and has done nothing, where its handler must. `model` is whose predictions
    the path asks for.
    """

    name: str
    handlers: Mapping[str, Handler]
    need: Need | None = "any"
    media: tuple[bytes, ...] = (JSON,)
    refuse: Callable[[Problem, str], Reply] = refusal
    prompt: Callable[[Request], Reply | None] | None = None
    may_prompt: Callable[[], bool] = bool
    model: str | None = None


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that name (in lower case) of a request."""
    for each, value in scope["headers"]:
        if each == name:
            found: bytes = value
            return found
    return None


async def read_body(receive: Receive, largest: int) -> bytes:
    """The request's body, of at most `largest` bytes. Raises Problem (413), Gone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body") and len(body) <= largest:
        return body
    return await _read_on(message, receive, largest)


async def _read_on(message: Message, receive: Receive, largest: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size <= largest:
            parts.append(part)
        if size > DRAINED * largest or not message.get("more_body", False):
            break
        message = await receive()
    if size > largest:
        said = f"A body has at most {size_text(largest)}; send the rows in parts."
        raise Problem(413, said, headers={"connection": "close"})
    return b"".join(parts)


def media_of(scope: Scope) -> tuple[bytes, bytes]:
    """The media type and the charset of a body, in lower case; JSON where nothing is said."""
    given = header(scope, b"content-type")
    if given is None or given == JSON:
        return JSON, b""
    media, _, parameters = given.lower().partition(b";")
    return media.strip(), parameters.partition(b"charset=")[2].strip(b' "')


def refuse_other_media(scope: Scope, media: tuple[bytes, ...]) -> None:
    """Raise Problem (415) for a body of another kind, or not in UTF-8."""
    given_type = header(scope, b"content-type")
    if given_type is None or given_type in media:
        return
    given, charset = media_of(scope)
    if given not in media or charset not in (b"", b"utf-8", b"utf8"):
        said = (header(scope, b"content-type") or b"").decode("latin-1")
        wanted = " or ".join(each.decode() for each in media)
        raise Problem(415, f"The body is {said!r}; send {wanted} in UTF-8.")


def refuse_encoded(request: Request) -> None:
    """Raise Problem (415) for a body that is compressed."""
    encoding = request.header(b"content-encoding")
    if encoding not in (None, b"identity"):
        raise Problem(415, f"The body is encoded as {str(encoding, 'latin-1')!r}; send it as it is.")


async def send_reply(reply: Reply, send: Send, *, head: bool) -> None:
    """Sends it; of a HEAD request the headers alone."""
    body = reply.body
    headers = [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(body))]
    if reply.headers:
        headers += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


def fields(body: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    """The body as a JSON object with no other fields than these. Raises Problem."""
    document = parsed(body)
    if not isinstance(document, dict):
        raise Problem(422, "The body must be an object.", errors=[(None, "must be an object")])
    allowed = " or ".join(names)
    if unknown := [(name, f"is unknown; the body has {allowed}") for name in document if name not in names]:
        raise Problem(422, f"The body has an unknown field {unknown[0][0]!r}.", errors=unknown)
    return document


def parsed(body: bytes) -> object:
    """The body as JSON. Raises Problem."""
    return _parsed(body, _decode)


def parsed_with_nan(body: bytes) -> object:
    """The body as JSON in which NaN, as Python's own encoder writes it, is null. Raises Problem."""
    return _parsed(body, _decode_nan if b"NaN" in body else _decode)


def _parsed(body: bytes, decode: Callable[[bytes], object]) -> object:
    refuse_deep(body)
    try:
        return decode(body)
    except (ValueError, RecursionError) as error:
        reason = "is nested too deep" if isinstance(error, RecursionError) else f"is not JSON: {error}"
        raise Problem(400, f"The body {reason}.", errors=[(None, reason)]) from error


def refuse_many(rows: int, most: int, what: str = "rows") -> None:
    """Raise Problem (413) for more rows than a request may have."""
    if rows > most:
        reason = f"has {rows:,}; a request has at most {most:,}"
        raise Problem(413, f"{what} {reason}. Send them in parts.", errors=[(what, reason)])


def refuse_deep(body: bytes) -> None:
    """Raise Problem (400) for JSON nested deeper than `DEEPEST`, before a decoder recurses into it.

    Brackets are counted, which takes no time. Only where there are many are they paired, one level a round, once the
    texts are gone: what an even number of quotes stands before, escaped ones left out.
    """
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(body.split(b'"')[::2]).translate(_ALIKE, _OTHERS)
    if b"[" * (DEEPEST + 1) not in brackets:
        for _ in range(DEEPEST):
            before, brackets = len(brackets), brackets.replace(b"[]", b"")
            if len(brackets) == before:
                break
    # What never closes is for the decoder to tell, unless it is too deep itself.
    if b"[]" in brackets or brackets.count(b"[") > DEEPEST:
        reason = f"is nested deeper than {DEEPEST} levels"
        raise Problem(400, f"The body {reason}.", errors=[(None, reason)], code="too_deep")


def _decode_nan(body: bytes) -> object:
    found: object = json.loads(body.decode(), parse_constant=_null)
    msgspec.json.encode(found)  # refuses half a character, which Python lets through
    return found


def _null(constant: str) -> None:
    if constant != "NaN":
        raise ValueError(f"{constant} is no number")


_decode = msgspec.json.Decoder().decode
