"""The prediction server's process: a socket bound first, workers that answer on it, an end without a lost request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from rondo.deploy.admission import Admission, loopback
from rondo.deploy.board import Seat
from rondo.deploy.certificates import RENEWED_S, Certificate, certificate_of
from rondo.deploy.keys import listed
from rondo.deploy.patience import Patience
from rondo.deploy.request_log import RequestLog, forward
from rondo.deploy.servicing import PERIOD_S
from rondo.deploy.serving import Application
from rondo.deploy.traffic import Traffic
from rondo.deploy.wire import wire
from rondo.deploy.workers import STOPS, Workers
from rondo.errors import WrongUse
from rondo.project.reading import Project
from rondo.store.ledger import LedgerReader
from rondo.store.opening import LIVE, Store

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 2048
LINGER_S = 1.0
"""So long a connection that stands idle when the server is stopped may still bring a request that is on its way."""
GRACE_S = 20
"""So long requests that have begun may take to end then; most that stop processes wait 30 s before they kill."""
LETTING_GO_S = 0.02
ORPHANED_S = 0.5
FILES = 65_536


def serve(
    project: Project,
    open_store: Callable[[], Store],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    workers: int = 1,
    ready: Callable[[str], None],
) -> None:
    """Serves until SIGTERM or SIGINT. `ready` is called once with the URL, when requests are answered.

    `port` 0 picks a free one. Each of several `workers` is a process of its own, and opens the store for itself.
    Raises WrongUse for an address that is taken, one that others can reach while there is no key, and a certificate
    that cannot be used.
    """
    if workers < 1:
        raise WrongUse(f"{workers} workers cannot serve.", next_step="Use --workers 1 or more.")
    serving = project.settings.serving
    certificate = certificate_of(serving, project.root)
    exposed = not loopback(host) or bool(serving.proxies)
    if exposed:
        refuse_without_keys(open_store().ledger, host, datetime.now(UTC))
    entrance = Entrance(_bound(host, port), workers, exposed, certificate)
    log = RequestLog(every=serving.log == "all")
    log.event("start", url=entrance.url, workers=workers, process=os.getpid())
    if not (loopback(host) or certificate or serving.proxies):
        log.event(
            "unencrypted", "warning", message="Keys and rows can be read on their way: see [serving] certificate."
        )
    try:
        if workers == 1:
            work(project, open_store(), entrance, lambda: ready(entrance.url), log)
        else:

            def worker(seat: Seat, tell: Callable[[], None]) -> None:
                work(project, open_store(), entrance, tell, log, seat)

            Workers(worker, workers, log).supervise(entrance.listening, lambda: ready(entrance.url))
    finally:
        entrance.listening.close()
    log.event("stop", process=os.getpid())


@dataclass(frozen=True)
class Entrance:
    """Where requests come in. `exposed`: others than this machine may ask, so that keys are demanded."""

    listening: socket.socket
    workers: int
    exposed: bool
    certificate: Certificate | None = None

    @property
    def url(self) -> str:
        """Where the server is asked."""
        host, port = self.listening.getsockname()[:2]
        return f"{'https' if self.certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def work(
    project: Project,
    store: Store,
    entrance: Entrance,
    ready: Callable[[], None],
    log: RequestLog,
    seat: Seat | None = None,
) -> None:
    """Answers requests on a socket until told to stop; those that have begun are finished."""
    forward(log, "uvicorn.error", "asyncio")
    _allow_many_connections()
    traffic = Traffic(project, store)
    for line in traffic.refresh():
        log.event("at_work", message=line)
    rate, exposed = project.settings.serving.rate, entrance.exposed
    admission = Admission(store.ledger, exposed=exposed, local=not exposed, rate=rate, workers=entrance.workers)
    # A state that is not live is a replay's, whose clock the wall's minutes have nothing to do with.
    period_s = PERIOD_S if store.state == LIVE else None
    application = Application(traffic, store, admission=admission, log=log, seat=seat, period_s=period_s)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(application, entrance, ready, parent=os.getppid() if seat else None))
    application.finish()
    store.log.close()


async def _run(application: Application, entrance: Entrance, ready: Callable[[], None], parent: int | None) -> None:
    server = uvicorn_of(application)
    if entrance.certificate is not None:
        server.config.load()
        server.config.ssl = entrance.certificate.context
    connections = server.server_state.connections
    application.connections = connections.__len__
    serving = asyncio.create_task(server.serve(sockets=[entrance.listening]))
    watching = [
        asyncio.create_task(each) for each in (application.watch(), Patience(application.cut).watch(connections))
    ]
    if entrance.certificate is not None:
        watching.append(asyncio.create_task(_renew(entrance.certificate, application.log)))
    if parent is not None:
        watching.append(asyncio.create_task(_end_with(parent, server)))
    with _stopping(server, application):
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            ready()
        await serving
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)


async def _renew(certificate: Certificate, log: RequestLog) -> None:
    """Takes a renewed certificate without a new start."""
    while True:
        await asyncio.sleep(RENEWED_S)
        try:
            if certificate.renew():
                log.event("certificate", message="The certificate was renewed.")
        except WrongUse as error:
            log.event("certificate", "error", message=f"{error.message} The one before stays. {error.next_step}")


async def _end_with(parent: int, server: uvicorn.Server) -> None:
    """Stops a worker whose parent has died, so that it does not keep the port of a server that is gone."""
    while os.getppid() == parent:
        await asyncio.sleep(ORPHANED_S)
    server.should_exit = True


def uvicorn_of(application: Application) -> uvicorn.Server:
    """The server that answers for the application, without its own handling of signals."""
    import uvicorn

    class Server(uvicorn.Server):
        """Uvicorn without its own handling of signals, which ends the process by the signal it got."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            application.draining = True
            await _close(self, sockets or [])
            await _linger(self)
            await super().shutdown(sockets)

    return Server(
        uvicorn.Config(
            application,
            http=wire(application),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whom to believe is looked at when a line is logged, not at every request
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


async def _close(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
    """Stops listening, and lets in the clients that the system has let in already: to them it would be a reset."""
    last = [each.dup() for each in sockets]
    for listening in server.servers:
        listening.close()
    for each in sockets:
        each.close()
    await asyncio.sleep(LETTING_GO_S)  # the loop lets go of a socket in a later turn
    waiting = []
    for each in last:
        each.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting.append(each.accept()[0])
        each.close()
    loop, config = asyncio.get_running_loop(), server.config

    protocol: Callable[..., asyncio.Protocol] = config.http_protocol_class
    made = partial(protocol, config=config, server_state=server.server_state, app_state=server.lifespan.state)
    for each in waiting:
        await loop.connect_accepted_socket(made, each, ssl=config.ssl)


async def _linger(server: uvicorn.Server) -> None:
    """Serves the connections that there are, each for one more request, after which it is closed.

    To close one at once while its next request is on the way would fail that request.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + LINGER_S
    while server.server_state.connections and loop.time() < until and not server.force_exit:
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def _stopping(server: uvicorn.Server, application: Application) -> Iterator[None]:
    """Ends the server on SIGTERM or SIGINT, at once on the second one. Signals reach the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = application.draining = True

    loop = asyncio.get_running_loop()
    for number in STOPS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in STOPS:
            loop.remove_signal_handler(number)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the server's event loop: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def refuse_without_keys(ledger: LedgerReader, host: str, now: datetime) -> None:
    """Raise WrongUse while no living key guards a server that others can reach. `now` is the wall clock's."""
    if not any(key.state == "live" for key in listed(ledger, now)):
        where = "Through its proxies the server" if loopback(host) else host or "Every address"
        raise WrongUse(
            f"{where} can be reached from outside this machine, and no API key guards the server.",
            next_step="Run `rondo key make NAME --scope predict`, or serve on 127.0.0.1.",
        )


def _bound(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise WrongUse(
            f"Nothing can listen on {host}:{port}: {error}.", next_step="Use another --port; 0 picks a free one."
        ) from error
    return listening


def _allow_many_connections() -> None:
    """Raises the limit of open files to what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
