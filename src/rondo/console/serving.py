"""The console's server: the loop page, its stylesheet, its health."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from rondo.deploy.admission import loopback
from rondo.errors import RondoError, WrongUse
from rondo.pages.language import Code
from rondo.pages.loop import LoopFacts, loop_page
from rondo.pages.rendering import STATIC, static

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

TYPES = {"css": "text/css", "js": "text/javascript"}
# The page needs nothing from anywhere else, and no other page may frame it.
POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src data:; frame-ancestors 'none'"
)


def console(facts: Callable[[], LoopFacts], language: Code = "en") -> Starlette:
    """The ASGI application. `facts` is asked anew for each page; `language` is what a reader gets who asks for none."""
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, PlainTextResponse
    from starlette.routing import Route

    def loop(request: Request) -> Response:
        wanted = request.query_params.get("lang")
        code: Code = "ko" if wanted == "ko" else "en" if wanted == "en" else language
        saved = "saved" in request.query_params
        try:
            page = loop_page(facts(), code, saved=saved)
        except RondoError as error:
            return PlainTextResponse(f"{error.message}\n{error.next_step}\n", 503)
        headers = {"content-security-policy": POLICY, "cache-control": "no-store", "x-content-type-options": "nosniff"}
        if saved:
            headers["content-disposition"] = 'attachment; filename="loop.html"'
        return HTMLResponse(page, headers=headers)

    def file(request: Request) -> Response:
        name = str(request.path_params["name"])
        if name not in STATIC:
            return PlainTextResponse("Not found\n", 404)
        kind = TYPES[name.rsplit(".", 1)[-1]]
        return PlainTextResponse(static(name), media_type=kind, headers={"cache-control": "max-age=300"})

    def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(routes=[Route("/", loop), Route("/static/{name}", file), Route("/healthz", health)])


def serve_console(
    facts: Callable[[], LoopFacts],
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
    language: Code = "en",
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
        config = uvicorn.Config(console(facts, language), log_level="warning", access_log=False, lifespan="off")
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
