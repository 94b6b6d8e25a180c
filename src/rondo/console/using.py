"""`/use/MODEL`: a model's page for people who never open the console, to be held in a frame of another page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from rondo.console.acting import form_of
from rondo.console.asking import LANGUAGE, Console, bare_frame, framed
from rondo.console.sessions import Session, Turned, refuse_other_sites
from rondo.console.showing import A_YEAR_S, HEADERS, POLICY
from rondo.deploy.admission import Bucket
from rondo.errors import NotFound
from rondo.handbook.using import UseFacts, use, use_facts
from rondo.language.catalogues import CODES
from rondo.pages.frame import Frame
from rondo.pages.rendering import static
from rondo.pages.use import use_page
from rondo.project.rates import Rate
from rondo.project.using import STYLE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ASKS = Rate(60, "m")
"""So often may one client ask."""
CLIENTS_KEPT = 1_000


@dataclass
class Turnstile:
    """Who asked how often, the last clients only."""

    buckets: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pass_one(self, client: str) -> None:
        """Raises Turned for a client that asks too often."""
        with self.lock:
            bucket = self.buckets.pop(client, None) or Bucket(ASKS, 1)
            self.buckets[client] = bucket
            while len(self.buckets) > CLIENTS_KEPT:
                self.buckets.popitem(last=False)
            wait_s = bucket.take(time.monotonic())
        if wait_s:
            raise Turned(429, "That is too many questions at once.", f"Ask again in {wait_s:.0f} s.")


TURNSTILE = Turnstile()


def show(console: Console, request: Request) -> Response:
    """The empty form; or with `?id=`, the answer that was given under it."""
    from starlette.responses import HTMLResponse

    frame = _admitted(console, request)
    work = console.project.work()
    model = _model(console, request)
    facts = use_facts(work, model, frame.code, prediction=request.query_params.get("id"))
    page = HTMLResponse(use_page(facts, frame), headers=_headers(console))
    chosen = request.query_params.get("lang")
    if chosen in CODES:
        page.set_cookie(LANGUAGE, chosen, max_age=A_YEAR_S, samesite="lax", secure=request.url.scheme == "https")
    return page


async def ask(console: Console, request: Request) -> Response:
    """Answers what was filled in, logs it, and goes to the answer's own address; else the form with what is wrong."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import HTMLResponse, RedirectResponse

    refuse_other_sites(request)
    frame = await run_in_threadpool(_admitted, console, request)
    TURNSTILE.pass_one(request.client.host if request.client else "")
    model = _model(console, request)
    form = await form_of(request)

    def asked() -> str | UseFacts:
        return use(console.project.live(), model, frame.code, form.fields)

    found = await run_in_threadpool(asked)
    if isinstance(found, str):
        return RedirectResponse(f"/use/{quote(model)}?id={quote(found)}", 303, headers=_headers(console))
    return HTMLResponse(use_page(found, frame), 422, headers=_headers(console))


def style(console: Console, request: Request) -> Response:
    """The stylesheet: the built-in one, and the project's after it."""
    from starlette.responses import Response

    own = console.project.root / STYLE
    text = static("use.css") + (own.read_text(encoding="utf-8-sig", errors="replace") if own.is_file() else "")
    headers = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}
    return Response(text, media_type="text/css; charset=utf-8", headers=headers)


def _model(console: Console, request: Request) -> str:
    model = str(request.path_params["model"])
    models = console.project.work().project.models
    if model not in models:
        raise NotFound.among("model", model, list(models))
    return model


def _admitted(console: Console, request: Request) -> Frame:
    """The reader's frame; whoever has no session is let in to the models that are open. Raises Turned for the rest."""
    settings = console.project.work().project.settings
    if request.path_params["model"] in settings.use.open:
        return bare_frame(console, request)
    session: Session | None = console.sessions.session(request, console.project.ledger)
    if session is None:
        raise Turned(
            401,
            f"{request.path_params['model']} is not open to everybody.",
            'Sign in first; or name it in rondo.toml: [use] open = ["…"].',
        )
    return framed(console, request, session)[1]


def _headers(console: Console) -> dict[str, str]:
    """Only this machine's own pages and those that rondo.toml names may hold the page in a frame."""
    origins = " ".join(("'self'", *console.project.work().project.settings.use.embed))
    policy = POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {origins}")
    apart = ("cross-origin-resource-policy", "cross-origin-opener-policy")
    return {name: value for name, value in HEADERS.items() if name not in apart} | {"content-security-policy": policy}
