"""The console's server: its routes, its files, its health."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from rondo.console import acting, signing, using
from rondo.console.addresses import ADDRESSES
from rondo.console.asking import Console
from rondo.console.failing import failure
from rondo.console.following import Following
from rondo.console.looking import Project, frame_of
from rondo.console.sessions import Session, Sessions, Turned
from rondo.console.showing import HEADERS, shower
from rondo.deploy.admission import loopback
from rondo.errors import NotFound, RondoError, WrongUse
from rondo.handbook.live import warm
from rondo.handbook.loop import loop_facts
from rondo.language.catalogues import CODES, translations
from rondo.pages import vega
from rondo.pages.loop import loop_page
from rondo.pages.rendering import STATIC, static

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    Handler = Callable[..., Response | Awaitable[Response]]

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
RUNTIME = "vega.js"
SMALLEST_PACKED = 1_000
ENDING_S = 2
"""How long an answer may take to leave once the server is told to end."""
LOG = logging.getLogger("rondo.console")
_MAKING = threading.Lock()


def console(project: Project, sessions: Sessions, following: Following | None = None) -> Starlette:
    """The ASGI application of one state of a project."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    whole = Console(project, sessions, following or Following(project))

    def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def missing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == HTTPStatus.NOT_FOUND:
            return failure(whole, request, _no_page(request.url.path))
        return failure(whole, request, Turned(error.status_code, str(error.detail), "Follow the links of the pages."))

    routes = [
        *(Route(address.path, _answered(whole, shower(address))) for address in ADDRESSES),
        Route("/as-of", _answered(whole, signing.moment)),
        Route("/events", _answered(whole, follow)),
        Route("/actions/{verb}", _answered(whole, acting.act), methods=["POST"]),
        Route("/sign-in", _answered(whole, signing.sign_in_form, open_to_all=True)),
        Route("/sign-in", _answered(whole, signing.sign_in, open_to_all=True), methods=["POST"]),
        Route("/sign-out", _answered(whole, signing.sign_out), methods=["POST"]),
        Route("/use/use.css", _answered(whole, using.style, open_to_all=True)),
        Route("/use/{model}", _answered(whole, using.show, open_to_all=True)),
        Route("/use/{model}", _answered(whole, using.ask, open_to_all=True), methods=["POST"]),
        Route("/static/{name}", file),
        Route("/healthz", health),
    ]
    packed = Middleware(GZipMiddleware, minimum_size=SMALLEST_PACKED, compresslevel=5)
    return Starlette(routes=routes, middleware=[packed], exception_handlers={HTTPException: missing})


def _no_page(path: str) -> NotFound:
    there = [address.path for address in ADDRESSES if "{" not in address.path]
    return NotFound(
        f"The console has no page {path}.",
        next_step="Go to the loop, or search for a name.",
        facts={"name": path, "available": there},
    )


def _answered(
    whole: Console, handler: Handler, *, open_to_all: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of a handler: who asks is known, and whatever goes wrong becomes a page."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import RedirectResponse

    async def handled(request: Request, *given: Session) -> Response:
        if iscoroutinefunction(handler):
            answer: Response = await handler(whole, request, *given)
            return answer
        return await run_in_threadpool(cast("Callable[..., Response]", handler), whole, request, *given)

    async def endpoint(request: Request) -> Response:
        try:
            session = await run_in_threadpool(_session, whole, request)
            if open_to_all:
                return await handled(request)
            if session is not None:
                return await handled(request, session)
            if request.method == "POST" or request.query_params.get("format") or request.url.path == "/events":
                raise Turned(401, "Nobody is signed in.", "Sign in with a key of this project, or send it as a header.")
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"/sign-in?back={quote(request.url.path + query)}", 303, headers=HEADERS)
        except Exception as error:
            return await run_in_threadpool(failure, whole, request, error)

    return endpoint


def _session(whole: Console, request: Request) -> Session | None:
    """Who asks: keys are those of the ledger, which can be read while the project's files cannot."""
    return whole.sessions.session(request, whole.project.ledger)


async def follow(console: Console, request: Request, session: Session) -> Response:
    """Server-sent events: `changed`, with the kinds that concern the page (`?kinds=alerts,gates&name=late`)."""
    from starlette.responses import StreamingResponse

    if console.following.full:
        raise Turned(503, "Too many pages follow what happens.", "Load the page again to see what is new.")
    kinds = frozenset(filter(None, request.query_params.get("kinds", "").replace(",", " ").split()))

    def admitted() -> bool:
        try:
            return _session(console, request) is not None
        except RondoError:
            return False

    told = console.following.events(kinds, request.query_params.get("name"), admitted)
    return StreamingResponse(told, media_type="text/event-stream", headers={**HEADERS, "x-accel-buffering": "no"})


def file(request: Request) -> Response:
    """A file that pages need; for a year under an address that names its content, else asked for again."""
    from starlette.responses import PlainTextResponse, Response

    name = str(request.path_params["name"])
    if name not in (*STATIC, RUNTIME):
        return PlainTextResponse("Not found\n", 404)
    plain, packed, tag = _packed(name)
    settled = request.query_params.get("v") == tag
    headers = {
        "cache-control": "public, max-age=31536000, immutable" if settled else "no-cache",
        "etag": f'"{tag}"',
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
    }
    if f'"{tag}"' in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    headers |= {"content-encoding": "gzip"} if takes_gzip else {}
    return Response(packed if takes_gzip else plain, headers=headers, media_type=TYPES[name.rsplit(".", 1)[-1]])


def _packed(name: str) -> tuple[bytes, bytes, str]:
    with _MAKING:  # the runtime takes a second to make: once is enough
        return _file(name)


@cache
def _file(name: str) -> tuple[bytes, bytes, str]:
    """A file, packed, and the name of its content."""
    plain = (vega.runtime() if name == RUNTIME else static(name)).encode()
    return plain, gzip.compress(plain, 9, mtime=0), sha256(plain).hexdigest()[:16]


def _warm(project: Project) -> None:
    """Loads what the first page in each language would wait for."""
    try:
        for code in CODES:
            translations(code)
        work = project.work()
        loop_page(loop_facts(work), frame_of(work))
        warm(work)
    except Exception as error:
        LOG.debug("Nothing could be loaded ahead: the first page says why", exc_info=error)
    for name in (*STATIC, RUNTIME):
        _packed(name)


def serve_console(
    project: Project,
    *,
    host: str,
    port: int,
    by: str,
    ready: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve until interrupted, or until `stop` is set. `ready` gets the URL once it answers; port 0 picks one.

    `by` is who acts while the project has no keys. Raises WrongUse when the port is taken, or others could reach the
    address and no living key would let anybody in. In a thread other than the main one, only `stop` ends it.
    """
    import uvicorn

    work = project.work()
    serving = work.project.settings.serving
    exposed = not loopback(host) or bool(serving.proxies)
    sessions = Sessions(by, exposed=exposed, place=f"{project.root} {project.state}")
    if exposed and not sessions.opened_by_a_key(work.store.ledger):
        raise WrongUse(
            f"{host} can be reached from outside this machine, and there is no key that opens the console.",
            next_step="Make one: rondo key make NAME --scope admin (or --scope look). Or show it on 127.0.0.1.",
        )
    with _listening(host, port) as listener:
        taken = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        following = Following(project)
        config = uvicorn.Config(
            console(project, sessions, following),
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=bool(serving.proxies),
            forwarded_allow_ips=",".join(str(each) for each in serving.proxies),
            timeout_graceful_shutdown=ENDING_S,
            **_encrypted(project.root, serving.certificate, serving.private_key),
        )
        server = uvicorn.Server(config)
        following.ended = lambda: server.should_exit
        if stop is not None:
            threading.Thread(target=_until, args=(stop, server), daemon=True).start()
        threading.Thread(target=_warm, args=(project,), daemon=True).start()
        listener.listen(128)  # from here on a request waits for the server instead of being refused
        ready(f"{'https' if serving.certificate else 'http'}://{shown}:{taken}")
        server.run(sockets=[listener])


def _encrypted(root: Path, certificate: str | None, private_key: str | None) -> dict[str, Any]:
    """TLS with the certificate of the prediction server, where the project has one."""
    if certificate is None:
        return {}
    key = {"ssl_keyfile": str(root / private_key)} if private_key else {}
    return {"ssl_certfile": str(root / certificate), **key}


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
