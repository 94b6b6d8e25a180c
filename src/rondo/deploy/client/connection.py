"""Asks a Rondo prediction server over HTTP. Nothing beside Python 3.10 or newer is needed, Rondo included.

One connection is kept open; it is not for several threads at once: make a client for each.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


class ClientError(Exception):
    """What can go wrong when the server is asked."""


class Unreachable(ClientError):
    """The server did not answer in time, or not at all. A prediction may have been made all the same."""


class Refused(ClientError):
    """The server answered that it does not do this. `fields` name what is wrong with the request, each with the reason.

    `status` is HTTP's; `retry_after_s` says when to come again, where the server was asked too often or is going down.
    """

    def __init__(
        self, status: int, message: str, fields: tuple[tuple[str, str], ...] = (), retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{status}: {message}" + "".join(f"\n  {field}: {reason}" for field, reason in fields))
        self.status, self.message, self.fields, self.retry_after_s = status, message, fields, retry_after_s


class Connection:
    """A connection to one server, opened at its first use and again when the server has closed it."""

    def __init__(
        self, url: str, *, key: str | None = None, timeout_s: float = 10.0, certificate: Path | None = None
    ) -> None:
        """`key` is sent as a bearer token. `certificate` is a file that the server is believed by, beside the usual."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server: write http://127.0.0.1:8700 or https://…")
        self._base = parts.path.rstrip("/")
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key}"
        self._http: HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            if certificate is not None:
                context.load_verify_locations(certificate)
            self._http = HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
        else:
            self._http = HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)

    def get(self, path: str) -> Any:
        """The JSON document at a path. Raises Refused, Unreachable."""
        return self._asked("GET", path, None)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """The answer to a JSON body. Raises Refused, Unreachable."""
        return self._asked("POST", path, json.dumps(body, allow_nan=False).encode())

    def close(self) -> None:
        """Ends the connection; the next request opens it again."""
        self._http.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _asked(self, method: str, path: str, body: bytes | None) -> Any:
        kept = self._http.sock is not None
        try:
            status, content, response = self._sent(method, path, body)
        except (ConnectionError, HTTPException) as error:
            self._http.close()
            if not kept:
                raise Unreachable(f"{self._http.host}: {error or type(error).__name__}") from error
            try:  # the server had closed a connection that lay idle
                status, content, response = self._sent(method, path, body)
            except (OSError, HTTPException) as again:
                self._http.close()
                raise Unreachable(f"{self._http.host}: {again or type(again).__name__}") from again
        except OSError as error:
            self._http.close()
            raise Unreachable(f"{self._http.host}: {error}") from error
        if status != 200:
            raise _refused(status, content, response)
        return json.loads(content)

    def _sent(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes, HTTPResponse]:
        self._http.request(method, self._base + path, body, self._headers)
        response = self._http.getresponse()
        return response.status, response.read(), response


def _refused(status: int, content: bytes, response: HTTPResponse) -> Refused:
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return Refused(status, content[:300].decode(errors="replace") or response.reason)
    fields = tuple((str(each.get("field")), str(each.get("reason"))) for each in problem.get("errors") or ())
    after = response.headers.get("retry-after", "")
    return Refused(
        status,
        str(problem.get("detail") or problem.get("title") or response.reason),
        fields,
        float(after) if after.isdecimal() else None,
    )
