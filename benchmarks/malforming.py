"""Malformed requests, drawn by a seed: valid ones bent in one or two places, and bytes that are no HTTP at all."""

from __future__ import annotations

import copy
import json
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, object]
ODD: tuple[object, ...] = (
    None, True, False, 0, -1, -0.0, 1e308, 10**30, -(2**63) - 1, 2**64, 0.1, "", " ", "0", "NaN", "null", "\x00",
    "\ud800", "a" * 5000, "항공", "0000-00-00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "24:00", [],
    {}, [[]], [None], {"": None}, {"rows": []}, [1, "a", None], "\u202e", "'; drop table x; --", "../../etc/passwd",
    "${HOME}",
)  # fmt: skip
TOKENS = (
    "NaN", "-Infinity", "1e999", "-1e999", "01", "0x10", "1_000", ".5", "+1", "undefined", "'x'", "tru", '"\\u12"',
    '"\\x41"',
)  # fmt: skip
METHODS = (
    "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE", "FOO", "post", "P\x00ST",
    "G" * 200,
)  # fmt: skip
MEDIA = (
    "", "text/plain", "text/csv", "application/xml", "application/json; charset=latin-1",
    "application/json;charset=utf-16", "APPLICATION/JSON", "application/json, text/csv", ";",
    "multipart/form-data; boundary=x", "application/octet-stream", "application/x-www-form-urlencoded",
    "application/json; charset=\"utf-8\"", "json", "application/json\x00",
)  # fmt: skip
HEADERS = (
    "Expect: 100-continue", "Expect: 200-ok", "Upgrade: h2c\r\nConnection: Upgrade",
    "Upgrade: websocket\r\nConnection: upgrade", "Connection: close", "Content-Encoding: gzip",
    "Transfer-Encoding: gzip", "Transfer-Encoding: identity", "Transfer-Encoding: chunked, chunked",
    "Content-Length: 5", "Content-Length: -1", "Content-Length: 1e3", "Content-Length: 99999999999999999999999",
    "Authorization: Bearer", "Authorization: Bearer \xff\xfe", "Authorization: Basic eDp5",
    "traceparent: 00-00-00-00", "traceparent: " + "0" * 3000, "Inference-Header-Content-Length: 5",
    "Inference-Header-Content-Length: -1", "Inference-Header-Content-Length: x", "Host: a\r\nHost: b", "Accept: \x01",
    "X-Forwarded-For: 1.2.3.4, x", "X" * 3000 + ": y", "a: " + "b" * 30000, ": nothing", "no colon", " folded: x",
    "\x00: y", "Range: bytes=0-5", "If-None-Match: *", "Accept: application/openmetrics-text",
    "Accept-Encoding: \xff", "Cookie: " + "a=b;" * 500,
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """The bytes of one request, and whether more would be waited for if the client did not end."""

    data: bytes
    ends: bool = False


class Malformed:
    """Requests for a model. `row` is one that it answers; the same seed draws the same requests."""

    def __init__(self, model: str, row: Row, seed: int) -> None:
        self._random, self._model, self._row = random.Random(seed), model, dict(row)
        names = list(row)
        tensors = [{"name": n, "shape": [1], "datatype": _datatype(row[n]), "data": [row[n]]} for n in names]
        split = {"columns": names, "data": [[row[n] for n in names]]}
        self._valid: tuple[tuple[str, object], ...] = (
            (f"/v1/models/{model}/predict", {"rows": [dict(row)] * 2}),
            (f"/v1/models/{model}/explain", {"rows": [dict(row)]}),
            (f"/v1/models/{model}/explain", {"id": "0190163d-8694-739b-aea5-966c26f8ad91"}),
            (
                "/v1/outcomes",
                {"outcomes": [{"model": model, "key": dict(row), "moment": "2013-07-01T08:00:00", "outcome": 1}]},
            ),
            ("/v1/outcomes", {"outcomes": [{"id": "x", "outcome": True, "known": "2013-07-01T08:00:00Z"}]}),
            (
                f"/v2/models/{model}/infer",
                {"id": "1", "inputs": tensors, "parameters": {}, "outputs": [{"name": "score"}]},
            ),
            (f"/v2/models/{model}/versions/1/infer", {"inputs": tensors}),
            ("/invocations", {"dataframe_split": split}),
            ("/invocations", {"dataframe_records": [dict(row)]}),
            ("/invocations", {"instances": [dict(row)], "params": {}}),
            ("/invocations", {"inputs": {n: [row[n]] for n in names}}),
        )
        self._paths = sorted({path for path, _ in self._valid} | {
            "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/models", f"/v1/models/{model}", "/v2",
            "/v2/health/live",
            f"/v2/models/{model}", f"/v2/models/{model}/ready", "/ping", "/version", "/", "/v1", "/v2/models",
            "/favicon.ico",
        })  # fmt: skip

    def one(self) -> Sent:
        """The next request."""
        kinds: Sequence[Callable[[], Sent]] = (self._body, self._body, self._body, self._body, self._headers,
        self._framing,
                                               self._route, self._noise)  # fmt: skip
        return self._random.choice(kinds)()

    def _body(self) -> Sent:
        path, valid = self._random.choice(self._valid)
        document = json.loads(json.dumps(valid))
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 3))):
            document = self._bent(document)
        body = json.dumps(document, ensure_ascii=self._random.random() < 0.5).encode("utf-8", "surrogatepass")
        if self._random.random() < 0.4:
            body = self._broken(body)
        return Sent(_request("POST", path, body))

    def _bent(self, document: object) -> object:
        """The document with another value, name or shape somewhere."""
        places = list(_places(document))
        holder, key = self._random.choice(places) if places else (None, None)
        odd = copy.deepcopy(self._random.choice(ODD))
        if self._random.random() < 0.05:
            odd = _deep(self._random.choice((20, 200, 2000)), self._random.random() < 0.5)
        if holder is None:
            return odd
        what = self._random.randrange(5)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            holder[self._random.choice(("", "rows", "colour", "id", "\x00", "a" * 300, key.upper(), key + " "))] = (
                holder.pop(key)
            )
        elif what == 2 and isinstance(holder, list):
            holder.extend([odd] * self._random.choice((1, 100)))
        else:
            holder[key] = odd
        return document

    def _broken(self, body: bytes) -> bytes:
        """The bytes of a document, broken."""
        dice, place = self._random, self._random.randrange(len(body) + 1)
        token = dice.choice(TOKENS).encode()
        ways: Sequence[Callable[[], bytes]] = (
            lambda: body[:place],
            lambda: body[:place] + bytes([dice.randrange(256)]) + body[place + 1 :],
            lambda: body[:place] + dice.randbytes(dice.randrange(1, 9)) + body[place:],
            lambda: body[:place] + token + body[place:],
            lambda: body.replace(b"1", token).replace(b"null", token),
            lambda: b"\xef\xbb\xbf" + body,
            lambda: body.decode("utf-8", "replace").encode("utf-16"),
            lambda: body + body,
            lambda: body[:-1] + b"," + body[1:],
            lambda: b"[" * dice.choice((30, 100_000)) + body,
            lambda: b'{"rows":' * 2000 + b"1" + b"}" * 2000,
            lambda: b"",
            lambda: b" " * 5000,
            lambda: b"a,b\n1,2\n",
            lambda: body.replace(b'"', b"'"),
            lambda: dice.randbytes(200),
            lambda: body[:-2] + b', "x": "' + b"y" * 100_000 + b'"' + body[-2:],
        )
        return dice.choice(ways)()

    def _headers(self) -> Sent:
        path, valid = self._random.choice(self._valid)
        body = json.dumps(valid).encode()
        more = self._random.sample(HEADERS, self._random.choice((1, 1, 2)))
        if self._random.random() < 0.05:
            more += [f"x-{n}: y" for n in range(500)]
        media = self._random.choice(MEDIA) if self._random.random() < 0.5 else "application/json"
        return Sent(_request("POST", path, body, media=media, more=more), ends=True)

    def _framing(self) -> Sent:
        """Chunks, lengths and ends that do not fit."""
        path, valid = self._random.choice(self._valid)
        body = json.dumps(valid).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()
        half, size = len(body) // 2, b"%x" % len(body)
        chunked = head + b"transfer-encoding: chunked\r\n\r\n"
        ways = (
            chunked + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
            chunked + size + b";a=b\r\n" + body + b"\r\n0\r\ntrailer: x\r\n\r\n",
            chunked + b"%x\r\n" % half + body[:half] + b"\r\n",
            chunked + b"zz\r\n" + body,
            chunked + b"-5\r\n" + body,
            chunked + b"ffffffffffffffffff\r\n" + body,
            chunked + b"1\n" + body,
            chunked + b"0\r\n\r\n",
            chunked + b"0\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
            chunked + b"".join(b"1;%s\r\n%c\r\n" % (b"e" * 50, byte) for byte in body) + b"0\r\n\r\n",
            head + b"content-length: %d\r\n\r\n" % (len(body) + 7) + body,
            head + b"content-length: %d\r\n\r\n" % half + body,
            head + b"content-length: %d\r\ncontent-length: %d\r\n\r\n" % (half, len(body)) + body,
            head + b"content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n" % half + body,
            head + b"\r\n" + body,
            head[: self._random.randrange(len(head))],
            (head + b"content-length: %d\r\n\r\n" % len(body) + body)[: -self._random.randrange(1, len(body))],
            _request("POST", path, body) * 3,
            b"\r\n\r\n" + _request("POST", path, body),
            head.replace(b"\r\n", b"\n") + b"content-length: %d\n\n" % len(body) + body,
            head.replace(b"1.1", self._random.choice((b"1.0", b"0.9", b"2.0", b"9.9", b"1.11"))) + b"\r\n" + body,
        )
        return Sent(self._random.choice(ways), ends=True)

    def _route(self) -> Sent:
        dice = self._random
        path = dice.choice(self._paths)
        ways = (
            path, path + "/", path.upper(), "/" + path, path + "?" + "a=b&" * 200, path + "?%zz", path.replace("/",
            "%2f"),
            path + "%00", path + "/%ff%fe", path + "/..", "/" + "a" * 5000, path.replace(self._model, "none"),
            path[:-1],
            path.replace(self._model, "%F0%9F%9B%A9"), path.replace(self._model, "a%0d%0ab"), "*", "http://x" + path,
            "//x" + path,
            path.replace("1", "99999999999999999999"), path.replace("1", "-1"), path + "#x", path + " x", "",
            path + "\xff",
        )  # fmt: skip
        method = dice.choice(METHODS) if dice.random() < 0.7 else "POST"
        target = dice.choice(ways)
        return Sent(
            f"{method} {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}".encode("latin-1"),
            ends=True,
        )

    def _noise(self) -> Sent:
        dice = self._random
        ways = (
            dice.randbytes(dice.randrange(1, 400)),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(200),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /healthz\r\n",
            b"\r\n" * dice.randrange(1, 50),
            b"\x00" * dice.randrange(1, 500),
            b"*1\r\n$4\r\nPING\r\n",
            b"SSH-2.0-x\r\n",
            b"GET / HTTP/1.1" + b"\r\n" * 3 + dice.randbytes(50),
            b"POST / HTTP/1.1\r\n" + dice.randbytes(100) + b"\r\n\r\n",
        )
        return Sent(dice.choice(ways), ends=True)


class Client:
    """A connection that is opened again whenever the server closes it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._connection: socket.socket | None = None

    def status(self, sent: Sent) -> int | None:
        """The status of the (first) answer; None where the server closed the connection without one."""
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=30)
        try:
            self._connection.sendall(sent.data)
            if sent.ends:
                self._connection.shutdown(socket.SHUT_WR)
            status, closed = self._read(self._connection, to_the_end=sent.ends)
        except ConnectionError:
            status, closed = None, True
        if closed:
            self.close()
        return status

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _read(connection: socket.socket, *, to_the_end: bool) -> tuple[int | None, bool]:
        got = b""
        while part := connection.recv(1 << 16):
            got += part
            head, there, rest = got.partition(b"\r\n\r\n")
            if there and not to_the_end and not head.startswith(b"HTTP/1.1 100"):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                if len(rest) >= length:
                    return int(head.split()[1]), b"connection: close" in head.lower()
        statuses = [int(line.split()[1]) for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        answered = [status for status in statuses if status != 100]
        return max(answered) if answered else None, True


def _request(
    method: str, path: str, body: bytes, *, media: str = "application/json", more: Sequence[str] = ()
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: localhost",
        f"content-type: {media}",
        f"content-length: {len(body)}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


def _datatype(value: object) -> str:
    return {bool: "BOOL", int: "INT64", float: "FP64"}.get(type(value), "BYTES")


def _deep(levels: int, lists: bool) -> object:
    found: object = 1
    for _ in range(min(levels, 500)):  # json.dumps goes no deeper
        found = [found] if lists else {"rows": found}
    return found


def _places(document: object) -> list[tuple[object, object]]:
    """Every (holder, key) in a document."""
    found: list[tuple[object, object]] = []
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inside:
        found.append((document, key))
        found += _places(value)
    return found
