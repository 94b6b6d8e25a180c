"""What goes wrong with a request, as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from rondo.errors import LogFull, NotFound, Refused, RondoError, RowError, StoreError, WrongUse

FieldErrors = Sequence[tuple[str | None, str]]
CODES: Mapping[int, str] = {
    400: "not_json",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method",
    408: "timeout",
    413: "too_large",
    415: "media",
    422: "wrong_value",
    429: "rate",
    431: "too_large",
    500: "broken",
    503: "unavailable",
}


class Problem(Exception):
    """A request that cannot be answered: a status of 400 to 599, what is wrong, and with which fields."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: FieldErrors = (),
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.title = HTTPStatus(status).phrase
        self._code = code
        self.errors = list(errors) or ([(None, detail)] if status in (400, 422) else [])
        self.headers = dict(headers or {})

    @property
    def code(self) -> str:
        """The kind of reason in one word, for counting: never a word of the client's."""
        if self._code is None and self.status == 422:
            reasons = [reason for _, reason in self.errors]
            if any(reason.startswith("is unknown") for reason in reasons):
                return "unknown_field"
            if any(reason.startswith("is missing") for reason in reasons):
                return "missing_field"
        return self._code or CODES.get(self.status, "other")

    def body(self, instance: str) -> bytes:
        """The problem document; `instance` is the path that was asked for."""
        document: dict[str, object] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            document["errors"] = [{"field": field, "reason": reason} for field, reason in self.errors]
        return msgspec.json.encode(document)


def problem_of(error: RondoError) -> Problem:
    """The problem that an error of ours is to a client."""
    said = f"{error.message} {error.next_step}"
    if isinstance(error, RowError):
        return Problem(422, error.message, errors=error.errors)
    if isinstance(error, NotFound):
        return Problem(404, said)
    if isinstance(error, WrongUse):
        return Problem(400, said)
    if isinstance(error, Refused | StoreError):  # nothing at work, or a store that does not answer now
        code = "full" if isinstance(error, LogFull) else "store" if isinstance(error, StoreError) else "not_at_work"
        return Problem(503, said, headers={"retry-after": "1"}, code=code)
    return Problem(500, said)
