"""The prediction server's process: a socket bound first, workers that answer on it, an end without a lost request."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rondo.deploy.serving import Application
from rondo.deploy.traffic import Traffic
from rondo.errors import Broken, WrongUse
from rondo.project.reading import Project
from rondo.store.opening import Store

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 2048
GRACE_S = 10
STOPS = (signal.SIGTERM, signal.SIGINT)


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
    Raises WrongUse for an address that may not be served on or is taken.
    """
    refuse_open_addresses(host)
    if workers < 1:
        raise WrongUse(f"{workers} workers cannot serve.", next_step="Use --workers 1 or more.")
    listening = _bound(host, port)
    address = listening.getsockname()
    url = f"http://[{address[0]}]:{address[1]}" if ":" in address[0] else f"http://{address[0]}:{address[1]}"
    try:
        if workers == 1:
            work(project, open_store(), listening, lambda: ready(url))
        else:
            _supervise(project, open_store, listening, workers, lambda: ready(url))
    finally:
        listening.close()


def work(project: Project, store: Store, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Answers requests on a socket until told to stop; those that have begun are finished."""
    traffic = Traffic(project, store)
    for line in traffic.refresh():
        print(line, file=sys.stderr, flush=True)
    application = Application(traffic, store)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(application, listening, ready))
    store.log.close()


async def _run(application: Application, listening: socket.socket, ready: Callable[[], None]) -> None:
    server = _server(application)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    watching = asyncio.create_task(application.watch())
    with _stopping(server):
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            ready()
        await serving
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


def _server(application: Application) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        """Uvicorn without its own handling of signals, which ends the process by the signal it got."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


@contextlib.contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """Ends the server on SIGTERM or SIGINT, at once on the second one. Signals reach the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in STOPS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in STOPS:
            loop.remove_signal_handler(number)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _supervise(
    project: Project,
    open_store: Callable[[], Store],
    listening: socket.socket,
    workers: int,
    ready: Callable[[], None],
) -> None:
    """Forks the workers, before any store or library is opened, and begins another where one dies."""
    reading, writing = os.pipe()

    def tell() -> None:
        os.write(writing, b"r")

    def begin() -> int:
        process = os.fork()
        if process:
            return process
        code = 1
        try:
            os.close(reading)
            for number in STOPS:
                signal.signal(number, signal.SIG_DFL)
            work(project, open_store(), listening, tell)
            code = 0
        finally:
            os._exit(code)

    working = {begin() for _ in range(workers)}
    stopping = threading.Event()

    def stop(number: int, frame: object) -> None:
        stopping.set()
        for process in working:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)

    before = {number: signal.signal(number, stop) for number in STOPS}
    try:
        _await_workers(reading, workers, working, ready)
        while working:
            process, status = os.wait()
            working.discard(process)
            if not stopping.is_set():
                print(f"worker {process} ended ({status}): another begins", file=sys.stderr, flush=True)
                stopping.wait(0.2)
                working.add(begin())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _await_workers(reading: int, workers: int, working: set[int], ready: Callable[[], None]) -> None:
    """Waits until every worker answers; raises Broken when one dies before."""
    for _ in range(workers):
        while True:
            said = _read_within(reading, 0.2)
            if said:
                break
            process, status = os.waitpid(-1, os.WNOHANG)
            if process:
                working.discard(process)
                for other in working:
                    os.kill(other, signal.SIGTERM)
                raise Broken(f"A worker of the server ended at once (status {status}).", next_step="See the log above.")
    ready()


def _read_within(descriptor: int, seconds: float) -> bytes:
    import select

    readable, _, _ = select.select([descriptor], [], [], seconds)
    return os.read(descriptor, 1) if readable else b""


def refuse_open_addresses(host: str) -> None:
    """Raise WrongUse for an address that others can reach: there are no API keys yet."""
    try:
        inside = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise WrongUse(
            f"{host} can be reached from outside this machine, and no API key guards the server.",
            next_step="Serve on 127.0.0.1, with a proxy that checks who asks in front of it.",
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
