"""The path of a request, whatever protocol brought it: read, answer, record; then what stands beside the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import NamedTuple

from rondo.deploy.answering import Answer, Row, Spent
from rondo.deploy.callers import Callers
from rondo.deploy.counting import Counts
from rondo.deploy.http import Request, refuse_many
from rondo.deploy.predictions import write
from rondo.deploy.request_log import RequestLog
from rondo.deploy.traffic import Asking, AtWork, Traffic
from rondo.errors import RondoError
from rondo.features.values import Behind
from rondo.records.development import Explanation
from rondo.store.log import Written
from rondo.store.opening import Store

IN_LOOP_ROWS = 50
After = Callable[[], Awaitable[None]]


class _Done(NamedTuple):
    asking: Asking
    answers: list[Answer]
    written: Written | None
    spent: Spent


class Desk:
    """What every protocol needs of the server: the versions at work, the log, the counts, the clock."""

    def __init__(
        self,
        traffic: Traffic,
        store: Store,
        counts: Counts,
        clock: Callable[[], datetime],
        log: RequestLog,
        callers: Callers,
    ) -> None:
        self.traffic, self.store, self.counts, self.clock, self.callers = traffic, store, counts, clock, callers
        self.most_rows = traffic.project.settings.serving.most_rows
        self._told = log
        self._log, self._flushed = store.log, store.durability == "disk"
        self._in_loop = store.online.local

    async def predict(
        self, at_work: AtWork, request: Request, rows: Callable[[], Sequence[Row]], *, native: bool = False
    ) -> tuple[list[Answer], After | None]:
        """Answers that are in the log, and what is to be done once they have gone.

        `rows` gives the rows in the request; of a `native` body, `{"rows": […]}`, they are read without it where that
        can be. Few rows are answered here, in microseconds; many, and those that wait for another machine or for the
        lake, in a thread. Raises RowError naming fields as `rows[0].origin`, LogFull, StoreError.
        """
        try:
            done = self._done(at_work, request, rows, native, self._in_loop)
        except Behind:
            done = await asyncio.to_thread(self._done, at_work, request, rows, native, False)
        if self._flushed:
            flushing = perf_counter()
            await self._log.safe(done.written)
            done.spent.record_s += perf_counter() - flushing
        self._count(at_work, done, request)
        if at_work.alone:
            return done.answers, None
        return done.answers, partial(self._beside, at_work, done, request)

    def may_prompt(self, name: str) -> bool:
        """Whether nothing that stands makes requests to a model wait: the disk, another machine, a canary or shadow."""
        at_work = self.traffic.at_work.get(name)
        return self._in_loop and not self._flushed and (at_work is None or at_work.alone)

    def at_once(self, at_work: AtWork, request: Request, rows: Callable[[], Sequence[Row]]) -> list[Answer] | None:
        """`predict` of a native body that `may_prompt`; None, and nothing done, where it would wait after all."""
        try:
            done = self._done(at_work, request, rows, True, True)
        except Behind:
            return None
        self._count(at_work, done, request)
        return done.answers

    def _count(self, at_work: AtWork, done: _Done, request: Request) -> None:
        self.counts.predicted(at_work, done.answers, done.spent, request.caller)
        self.callers.saw(request.caller, at_work.model)
        request.version = at_work.production.name

    def _done(
        self, at_work: AtWork, request: Request, rows: Callable[[], Sequence[Row]], native: bool, in_loop: bool
    ) -> _Done:
        """Reads, answers, records. Raises Behind where that would hold up the loop it is called `in_loop`."""
        spent, now = Spent(), self.clock()
        asking = at_work.reading(request.body, now) if native else None
        if asking is None:
            given = rows()
            refuse_many(len(given), self.most_rows)
            asking = at_work.asking(given, now)
        else:
            refuse_many(len(asking.asked), self.most_rows)
        if in_loop and len(asking.asked) > IN_LOOP_ROWS:
            raise Behind
        answering = perf_counter()
        spent.parse_s = answering - request.began
        answers = at_work.answer(asking, now=now, wait=not in_loop, spent=spent)
        recording = perf_counter()
        written = self._recorded(at_work.model, answers, request, recording)
        spent.record_s = perf_counter() - recording
        return _Done(asking, answers, written, spent)

    def _recorded(self, model: str, answers: Sequence[Answer], request: Request, at: float) -> Written | None:
        """Writes the answers to the log, where the death of any process leaves them."""
        return write(self._log, model, answers, request.caller, (at - request.began) * 1_000, request.trace)

    async def _beside(self, at_work: AtWork, done: _Done, request: Request) -> None:
        """Scores and logs what stands beside the answers. Its troubles are its own."""
        try:
            found = await asyncio.to_thread(at_work.beside, done.asking, done.answers, now=done.answers[0].at)
            if found:
                await self._log.safe(self._recorded(at_work.model, found, request, perf_counter()))
                self.counts.predicted(at_work, found, None, request.caller)
        except RondoError as error:
            self._told.event("beside", "error", model=at_work.model, message=error.message, trace=request.trace)

    async def explain(self, at_work: AtWork, request: Request, rows: Sequence[Row]) -> list[Explanation]:
        """What moves production's answers to these rows; nothing is logged. Raises RowError."""
        refuse_many(len(rows), self.most_rows)
        self.callers.saw(request.caller, at_work.model)
        production, now = at_work.production, self.clock()

        def explained() -> list[Explanation]:
            return production.explain(production.answer(rows, now=now, role="production"))

        return await asyncio.to_thread(explained)
