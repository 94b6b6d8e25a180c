"""What a request asks for, and the frame its answer stands in: language, moment, who asks, what was just done."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hmac import compare_digest
from typing import TYPE_CHECKING
from urllib.parse import quote

from rondo.console.following import Following
from rondo.console.looking import Project, frame_of
from rondo.console.sessions import Session, Sessions
from rondo.errors import RondoError, WrongUse
from rondo.language.catalogues import CODES, Code
from rondo.loop.workplace import Workplace
from rondo.pages.actions import Done
from rondo.pages.frame import Frame
from rondo.project.moments import parse_moment

if TYPE_CHECKING:
    from starlette.requests import Request

LANGUAGE = "rondo_language"
DONE = "rondo_done"
OWN = ("lang", "format", "chart", "table")
"""Parameters that say how a page is shown, not what."""


@dataclass(frozen=True)
class Console:
    """What every route works with."""

    project: Project
    sessions: Sessions
    following: Following


def framed(console: Console, request: Request, session: Session) -> tuple[Workplace, Frame]:
    """The project as of the moment asked for, and the frame of the page."""
    now = console.project.work()
    written = request.query_params.get("as_of")
    as_of: datetime | None = parse_moment(written, now.project.settings.timezone) if written else None
    work = console.project.work(as_of) if as_of else now
    return work, _frame(console, request, session, work, as_of)


def _frame(console: Console, request: Request, session: Session, work: Workplace, as_of: datetime | None) -> Frame:
    saved = request.query_params.get("format") in ("html", "pdf")
    acts = session.may_act and as_of is None and not saved
    return replace(
        frame_of(work, saved=saved),
        code=language(request, work.project.settings.language),
        address=request.url.path,
        query={name: value for name, value in request.query_params.items() if name not in OWN},
        as_of=as_of,
        who=session.who,
        signed_in=session.key is not None,
        token=session.token if acts else None,
        open_alerts=console.project.open_alerts(work),
        done=None if saved else done_of(console.sessions, request),
    )


def failed_frame(console: Console, request: Request) -> Frame:
    """The frame of a page that says what went wrong: the project's, where it can be read and the reader may see it."""
    try:
        session = console.sessions.session(request, console.project.ledger)
        if session is None:
            return bare_frame(console, request)
        try:
            _, frame = framed(console, request, session)
        except WrongUse:  # it was the moment asked for that is wrong
            frame = _frame(console, request, session, console.project.work(), None)
    except RondoError:
        return bare_frame(console, request)
    return replace(frame, saved=False, done=None)


def bare_frame(console: Console, request: Request) -> Frame:
    """The frame of a page that tells nothing of the project: it cannot be read, or may not be."""
    settings = console.project.settings
    return Frame(
        project=settings.name if settings else console.project.root.name,
        now=datetime.now(UTC),
        timezone=settings.timezone if settings else "UTC",
        state=console.project.state,
        code=language(request, settings.language if settings else "en"),
        address=request.url.path,
        query={name: value for name, value in request.query_params.items() if name not in OWN},
    )


def language(request: Request, default: Code) -> Code:
    """The reader's: as asked for, as chosen before, as the browser prefers, else the project's."""
    for wanted in (request.query_params.get("lang"), request.cookies.get(LANGUAGE)):
        if wanted in CODES:
            return wanted
    preferred = [part.partition(";q=") for part in request.headers.get("accept-language", "").split(",")]
    ranked = sorted(preferred, key=lambda part: -_weight(part[2]))
    for name, _, _ in ranked:
        code = name.strip().partition("-")[0].lower()
        if code in CODES:
            return code
    return default


def _weight(written: str) -> float:
    try:
        return float(written or 1)
    except ValueError:
        return 0.0


def own_path(wanted: str | None) -> str:
    """`wanted` where it is an address of this console, else the home page: nobody is sent to another site."""
    wanted = wanted or "/"
    foreign = not wanted.startswith("/") or wanted[1:2] in ("/", "\\")
    if foreign or any(ord(sign) < 32 for sign in wanted):  # control characters, which browsers leave out
        return "/"
    return quote(wanted, safe="/@:,~.-?&=%+#;!*'()")


def done_cookie(sessions: Sessions, done: Done) -> str:
    """What was just done, for the next page to say; signed, since a page tells it as the console's own words."""
    body = urlsafe_b64encode(json.dumps([done.verb, done.about, done.to]).encode()).decode()
    return f"{body}.{sessions.signed('done', body)}"


def done_of(sessions: Sessions, request: Request) -> Done | None:
    """What the reader has just done, if anything."""
    body, _, signature = request.cookies.get(DONE, "").rpartition(".")
    if not body or not compare_digest(signature.encode(), sessions.signed("done", body).encode()):
        return None
    verb, about, to = json.loads(urlsafe_b64decode(body))
    return Done(verb, about, to)
