"""The pages that are about looking itself: signing in and out, and another moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rondo.console.acting import form_of
from rondo.console.asking import Console, bare_frame, framed, own_path
from rondo.console.sessions import LASTS_S, Session, Turned, refuse_other_sites
from rondo.console.showing import HEADERS
from rondo.errors import WrongUse
from rondo.pages.signing import moment_page, sign_in_page
from rondo.project.moments import parse_moment

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def sign_in_form(console: Console, request: Request) -> Response:
    """The form that asks for a key."""
    from starlette.responses import HTMLResponse

    back = own_path(request.query_params.get("back"))
    frame = bare_frame(console, request)
    return HTMLResponse(sign_in_page(frame, back=back, refused=False), headers=HEADERS)


async def sign_in(console: Console, request: Request) -> Response:
    """A session for whoever shows a key that opens the console; the same words for every other."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import HTMLResponse, RedirectResponse

    refuse_other_sites(request)
    form = await form_of(request)
    client = request.client.host if request.client else ""
    ledger = console.project.ledger
    cookie = await run_in_threadpool(console.sessions.sign_in, form.get("key") or "", client, ledger)
    back = own_path(form.get("back"))
    if cookie is None:
        page = sign_in_page(bare_frame(console, request), back=back, refused=True)
        return HTMLResponse(page, 401, headers=HEADERS)
    answer = RedirectResponse(back, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(console.sessions.cookie, cookie, max_age=LASTS_S, httponly=True, samesite="strict", secure=secure)
    return answer


async def sign_out(console: Console, request: Request, session: Session) -> Response:
    """The end of the session in this browser."""
    from starlette.responses import RedirectResponse

    refuse_other_sites(request)
    await form_of(request)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(console.sessions.cookie)
    return answer


def moment(console: Console, request: Request, session: Session) -> Response:
    """The form that asks for another moment; with one, the way back to the page as of it."""
    from starlette.responses import HTMLResponse, RedirectResponse

    back = own_path(request.query_params.get("back"))
    work, frame = framed(console, request, session)
    day, clock = request.query_params.get("day"), request.query_params.get("time")
    if day is None:
        return HTMLResponse(moment_page(replace(frame, as_of=None), back=back, now=as_of(back, None)), headers=HEADERS)
    written = f"{day}T{clock}" if clock else day
    try:
        parse_moment(written, work.project.settings.timezone)
    except WrongUse as error:
        raise Turned(400, error.message, error.next_step) from error
    return RedirectResponse(as_of(back, written), 303)


def as_of(back: str, written: str | None) -> str:
    """An address of the console as of another moment; as of now without one."""
    parts = urlsplit(back)
    asked = {name: value for name, value in parse_qsl(parts.query) if name != "as_of"}
    if written:
        asked["as_of"] = written
    return urlunsplit(("", "", parts.path, urlencode(asked), parts.fragment))
