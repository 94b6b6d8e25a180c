"""A page for a request: its facts, and the form that was asked for (HTML, JSON, one file, PDF, a chart, a table)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from rondo.console.addresses import Address, Asked
from rondo.console.asking import DONE, LANGUAGE, Console, framed
from rondo.console.sessions import Session
from rondo.errors import NotFound
from rondo.handbook.report_facts import ReportFacts
from rondo.handbook.search import SearchFacts
from rondo.language.catalogues import CODES
from rondo.pages import tabular, vega
from rondo.pages.exporting import pdf_of
from rondo.pages.frame import Frame

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

FORMATS = ("html", "pdf", "json", "svg", "png", "csv", "xlsx")
A_YEAR_S = 31_536_000
# The page needs nothing from anywhere else, and no other page may frame it.
POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # a form's origin is checked, so it must be sent
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
Shower = Callable[[Console, "Request", Session], "Response"]
_PRINTING = threading.Semaphore(2)  # each is a browser


@dataclass(frozen=True)
class File:
    """What a page was written as: its content, the media type, the ending of its name, whether it is to be kept."""

    content: bytes | str
    kind: str
    ending: str
    kept: bool = True


def shower(address: Address) -> Shower:
    """What answers GET at an address."""

    def show(console: Console, request: Request, session: Session) -> Response:
        from starlette.responses import HTMLResponse, RedirectResponse, Response

        work, frame = framed(console, request, session)
        facts = address.facts(work, Asked(request.path_params, request.query_params, frame.words))
        wanted = request.query_params.get("format")
        if wanted is not None:
            file = written(wanted, facts, frame, address, request)
            headers = {
                **HEADERS,
                **({"content-disposition": _attached(frame, facts, file.ending)} if file.kept else {}),
            }
            return Response(file.content, media_type=file.kind, headers=headers)
        if isinstance(facts, SearchFacts) and facts.straight:
            return RedirectResponse(frame.href(facts.straight), 303, headers=HEADERS)
        shown = HTMLResponse(address.page(facts, frame), headers=HEADERS)
        chosen = request.query_params.get("lang")
        if chosen in CODES:
            shown.set_cookie(LANGUAGE, chosen, max_age=A_YEAR_S, samesite="lax", secure=request.url.scheme == "https")
        if frame.done is not None:
            shown.delete_cookie(DONE)
        return shown

    return show


def written(wanted: str, facts: object, frame: Frame, address: Address, request: Request) -> File:
    """The page in a form of its own. Raises NotFound for a form, a chart or a table that is not there."""
    match wanted:
        case "json":
            return File(msgspec.json.encode(facts), "application/json", "json", kept=False)
        case "html":
            return File(address.page(facts, frame), "text/html", "html")
        case "pdf":
            page = address.page(facts, frame)
            with _PRINTING:
                return File(pdf_of(page), "application/pdf", "pdf")
        case "svg" | "png":
            return _chart(wanted, address.page(facts, frame), frame, request)
        case "csv":
            sheet = tabular.sheet_named(address.sheets(facts), request.query_params.get("table"))
            return File(tabular.csv_of(sheet.columns, sheet.rows), "text/csv", "csv")
        case "xlsx":
            book = tabular.xlsx_of(address.sheets(facts), timezone=frame.timezone, title=frame.project)
            return File(book, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx")
        case _:
            raise NotFound.among("form of a page", wanted, FORMATS)


def _chart(wanted: str, page: str, frame: Frame, request: Request) -> File:
    """A chart of the page: which there are is known once it is drawn."""
    name = request.query_params.get("chart", next(iter(frame.charts), ""))
    if not page or name not in frame.charts:
        raise NotFound.among("chart of this page", name, list(frame.charts))
    spec = frame.charts[name]
    if wanted == "svg":
        return File(str(vega.svg(spec)), "image/svg+xml", "svg", kept=False)
    return File(vega.png(spec), "image/png", "png", kept=False)


def _attached(frame: Frame, facts: object, ending: str) -> str:
    """The name of the file, whatever its letters (RFC 6266)."""
    name = frame.address.strip("/").replace("/", "-") or "loop"
    if isinstance(facts, ReportFacts):
        name = f"reports-{facts.filed([each.name for each in facts.parameters])}"
    name = f"{frame.project}-{name}.{ending}"
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.@") else "_" for sign in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
