"""The console's server: its pages at their addresses, their files, its health."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from rondo.console.addresses import ADDRESSES, Address, Asked
from rondo.console.looking import Project, frame_of
from rondo.deploy.admission import loopback
from rondo.errors import NotFound, RondoError, WrongUse
from rondo.language.catalogues import CODES, Code
from rondo.loop.workplace import Workplace
from rondo.pages import vega
from rondo.pages.frame import Frame
from rondo.pages.rendering import STATIC, static
from rondo.project.moments import parse_moment

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

TYPES = {"css": "text/css", "js": "text/javascript"}
# The page needs nothing from anywhere else, and no other page may frame it.
POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "cache-control": "no-store", "x-content-type-options": "nosniff"}


def console(project: Project) -> Starlette:
    """The ASGI application of one state of a project."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    def file(request: Request) -> Response:
        name = str(request.path_params["name"])
        if name not in (*STATIC, "vega.js"):
            return PlainTextResponse("Not found\n", 404)
        text = vega.runtime() if name == "vega.js" else static(name)
        kind = TYPES[name.rsplit(".", 1)[-1]]
        return PlainTextResponse(text, media_type=kind, headers={"cache-control": "max-age=300"})

    def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    pages = [Route(address.path, _page(project, address)) for address in ADDRESSES]
    return Starlette(routes=[*pages, Route("/static/{name}", file), Route("/healthz", health)])


def _page(project: Project, address: Address) -> Callable[[Request], Response]:
    from starlette.responses import HTMLResponse, PlainTextResponse, Response

    def page(request: Request) -> Response:
        try:
            work, frame = _framed(project, request)
            facts = address.facts(work, Asked(request.path_params, request.query_params, frame.words))
            if request.query_params.get("format") == "json":
                return Response(msgspec.json.encode(facts), media_type="application/json", headers=HEADERS)
            shown = HTMLResponse(address.page(facts, frame), headers=HEADERS)
        except RondoError as error:
            code = 404 if isinstance(error, NotFound) else 503
            return PlainTextResponse(f"{error.message}\n{error.next_step}\n", code)
        wanted = request.query_params.get("lang")
        if wanted in CODES:
            shown.set_cookie("rondo_language", wanted, max_age=31_536_000, samesite="lax")
        if frame.saved:
            name = request.url.path.strip("/").replace("/", "-") or "loop"
            shown.headers["content-disposition"] = f'attachment; filename="{name}.html"'
        return shown

    return page


def _framed(project: Project, request: Request) -> tuple[Workplace, Frame]:
    written = request.query_params.get("as_of")
    now = project.work()
    as_of: datetime | None = parse_moment(written, now.project.settings.timezone) if written else None
    work = project.work(as_of) if as_of else now
    frame = replace(
        frame_of(work, saved=request.query_params.get("format") == "html"),
        code=_code(request, work.project.settings.language),
        address=request.url.path,
        query={name: value for name, value in request.query_params.items() if name not in ("lang", "format")},
        as_of=as_of,
    )
    return work, frame


def _code(request: Request, default: Code) -> Code:
    for wanted in (request.query_params.get("lang"), request.cookies.get("rondo_language")):
        if wanted in CODES:
            return wanted
    return default


def serve_console(
    project: Project,
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted, or until `stop` is set. `ready` gets the URL once it answers; port 0 picks one.

    Raises WrongUse when the port is taken, or the address can be reached by others. In a thread other than the main
    one, only `stop` ends it.
    """
    import uvicorn

    if not loopback(host):
        raise WrongUse(
            f"{host} can be reached from outside this machine, and the console lets in whoever asks.",
            next_step="Show it on 127.0.0.1, and reach it from elsewhere through a tunnel: ssh -L.",
        )
    with _listening(host, port) as listener:
        taken = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        config = uvicorn.Config(console(project), log_level="warning", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        if stop is not None:
            threading.Thread(target=_until, args=(stop, server), daemon=True).start()
        listener.listen(128)  # from here on a request waits for the server instead of being refused
        ready(f"http://{shown}:{taken}")
        server.run(sockets=[listener])


def _until(stop: threading.Event, server: object) -> None:
    stop.wait()
    server.should_exit = True  # type: ignore[attr-defined]


def _listening(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise WrongUse(
            f"The console cannot listen on {host}:{port}: {error}.",
            next_step="Name another with --port; 0 picks a free one.",
        ) from error
    return listener
