"""What goes wrong with a request, as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from rondo.errors import NotFound, Refused, RondoError, RowError, StoreError, WrongUse

FieldErrors = Sequence[tuple[str | None, str]]


class Problem(Exception):
    """A request that cannot be answered: a status of 400 to 599, what is wrong, and with which fields."""

    def __init__(
        self, status: int, detail: str, *, errors: FieldErrors = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.errors = list(errors) or ([(None, detail)] if status in (400, 422) else [])
        self.headers = dict(headers or {})

    def body(self, instance: str) -> bytes:
        """The problem document; `instance` is the path that was asked for."""
        document: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
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
        return Problem(503, said, headers={"retry-after": "1"})
    return Problem(500, said)
