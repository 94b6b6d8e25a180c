"""What could not be answered, as a page: what was wrong, what is near, the next step. Never a traceback."""

from __future__ import annotations

import logging
from difflib import get_close_matches
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from rondo.console.asking import Console, bare_frame, failed_frame
from rondo.console.sessions import Turned
from rondo.console.showing import HEADERS
from rondo.errors import DeclarationError, NotFound, Refused, RondoError, StoreError, WrongUse
from rondo.pages.problem import problem_page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LOG = logging.getLogger("rondo.console")
NEAR = 5
STATUS: tuple[tuple[type[RondoError], int], ...] = (
    (NotFound, 404),
    (DeclarationError, 503),
    (WrongUse, 400),
    (Refused, 409),
    (StoreError, 503),
)


def failure(console: Console, request: Request, error: Exception) -> Response:
    """The error as a page, or as its document where JSON was asked for. A defect is told on standard error."""
    from starlette.responses import HTMLResponse, PlainTextResponse, Response

    if not isinstance(error, RondoError):
        LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        error = RondoError(
            f"This is a defect in Rondo ({type(error).__name__}).",
            next_step="The console's standard error says more; nothing was changed by it.",
        )
    status = _status(error)
    headers = {**HEADERS, **({"retry-after": "60"} if status == HTTPStatus.TOO_MANY_REQUESTS else {})}
    if request.query_params.get("format") == "json":
        return Response(msgspec.json.encode(error.document()), status, headers, "application/json")
    try:
        frame = bare_frame(console, request) if isinstance(error, Turned) else failed_frame(console, request)
        page = problem_page(frame, error, status, near=near(error))
    except Exception as defect:  # in the frame of all pages: the words alone are better than nothing
        LOG.error("The page of an error failed", exc_info=defect)
        return PlainTextResponse(f"{error.message}\n{error.next_step}\n", status, headers)
    return HTMLResponse(page, status, headers)


def near(error: RondoError) -> list[str]:
    """The names that are most like the one that was asked for."""
    name, there = error.facts.get("name"), error.facts.get("available")
    if not isinstance(name, str) or not isinstance(there, list):
        return []
    return get_close_matches(name, [str(each) for each in there], NEAR, 0.5)


def _status(error: RondoError) -> int:
    if isinstance(error, Turned):
        return error.status
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)
