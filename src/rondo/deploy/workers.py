"""Several processes that answer on one socket: begun before anything is opened, replaced when one dies, ended together.

A worker ends by itself when the process that began it is gone, so that nothing keeps the port.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

from rondo.deploy.board import Board, Seat
from rondo.deploy.request_log import RequestLog, raised_at
from rondo.errors import Broken, RondoError

STOPS = (signal.SIGTERM, signal.SIGINT)
REPLACED_S = 0.2
Work = Callable[[Seat, Callable[[], None]], None]
"""What a worker does at its seat until it is told to stop; it says once that it answers."""


class Workers:
    """The processes at work, by id, each with its seat."""

    def __init__(self, work: Work, count: int, log: RequestLog) -> None:
        self._work, self._log = work, log
        self._board = Board(count)
        self._reading, self._writing = os.pipe()
        self._seats: dict[int, int] = {}
        self._stopping = False

    def supervise(self, listening: socket.socket, ready: Callable[[], None]) -> None:
        """Begins them all, says when all answer, and begins another where one dies, until SIGTERM or SIGINT.

        Raises Broken when one dies before it has answered for the first time.
        """

        def stop(number: int, frame: FrameType | None) -> None:
            self._stopping = True
            listening.close()  # else clients would be let in by this process, which answers nobody
            self._signal(signal.SIGTERM)

        before = {number: signal.signal(number, stop) for number in STOPS}
        try:
            for seat in range(self._board.workers):
                self._begin(seat)
            self._await_first(ready)
            while self._seats:
                process, status = os.wait()
                seat = self._seats.pop(process, -1)
                if seat < 0 or self._stopping:
                    continue
                how = os.waitstatus_to_exitcode(status)
                self._log.event("worker_ended", "error" if how else "info", worker=seat, process=process, code=how)
                time.sleep(REPLACED_S)
                self._begin(seat)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._reading)
            os.close(self._writing)

    def _begin(self, seat: int) -> None:
        """Forks a worker, unless all are to end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # no stop may come between a fork and its entry
        try:
            if self._stopping:
                return
            process = os.fork()
            if process:
                self._seats[process] = seat
                return
            self._become(seat)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def _become(self, seat: int) -> None:
        """The child's life; it never returns."""
        code = 1
        try:
            os.close(self._reading)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all: this process is told otherwise
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            self._work(self._board.seat(seat), lambda: _said(self._writing))
            code = 0
        except RondoError as error:
            self._log.event("worker_failed", "error", worker=seat, message=f"{error.message} {error.next_step}")
        except Exception as error:
            self._log.event("worker_failed", "error", worker=seat, message=f"{error}", raised=raised_at(error))
        finally:
            os._exit(code)

    def _await_first(self, ready: Callable[[], None]) -> None:
        """Waits until every worker answers; raises Broken when one dies before."""
        waiting = self._board.workers
        while waiting and not self._stopping:
            readable, _, _ = select.select([self._reading], [], [], REPLACED_S)
            if readable:
                waiting -= len(os.read(self._reading, waiting))
                continue
            process, status = os.waitpid(-1, os.WNOHANG)
            if process and not self._stopping:
                self._seats.pop(process, None)
                self._signal(signal.SIGTERM)
                code = os.waitstatus_to_exitcode(status)
                raise Broken(f"A worker of the server ended at once (code {code}).", next_step="See the log above.")
        if not self._stopping:
            ready()

    def _signal(self, number: signal.Signals) -> None:
        for process in list(self._seats):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def _said(writing: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(writing, b"r")
