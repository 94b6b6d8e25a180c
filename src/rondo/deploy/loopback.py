"""A prediction server of this process, on a free port of the loopback: what asks it goes over real HTTP."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from rondo.deploy.admission import Admission
from rondo.deploy.server import loop_factory, uvicorn_of
from rondo.deploy.serving import Application
from rondo.deploy.traffic import Traffic
from rondo.errors import Broken
from rondo.store.opening import Store

HOST = "127.0.0.1"
STARTS_WITHIN_S = 30.0
TIMEOUT_S = 60.0


class Loopback:
    """Asks the server over one connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection(HOST, port, timeout=TIMEOUT_S)

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of what is answered. Raises Broken where nothing is."""
        try:
            self._connection.request("POST", path, body, {"content-type": "application/json"})
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException) as error:
            raise Broken(f"The server on the loopback did not answer: {error}.", next_step="Try again.") from error

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


@contextmanager
def served(traffic: Traffic, store: Store) -> Iterator[Loopback]:
    """Serves `traffic` in a thread while this is held. Promotions are picked up when its `refresh` is called.

    Raises Broken where the server does not start.
    """
    application = Application(traffic, store, admission=Admission(store.ledger, local=True))
    server = uvicorn_of(application)
    listening = socket.create_server((HOST, 0))

    def serve() -> None:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(server.serve(sockets=[listening]))

    thread = threading.Thread(target=serve, name="loopback", daemon=True)
    thread.start()
    until = time.monotonic() + STARTS_WITHIN_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise Broken("The server on the loopback did not start.", next_step="See the messages above.")
        time.sleep(0.005)
    asking = Loopback(listening.getsockname()[1])
    try:
        yield asking
    finally:
        asking.close()
        server.should_exit = True
        thread.join(TIMEOUT_S)
        listening.close()
