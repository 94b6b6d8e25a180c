"""The prediction server's application: bare ASGI, one answer a request, a problem document for whatever is wrong."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import Protocol

import msgspec

from rondo.deploy.admission import Admission
from rondo.deploy.board import Seat
from rondo.deploy.callers import Callers
from rondo.deploy.counting import Counts
from rondo.deploy.describing import openapi
from rondo.deploy.exposition import OPENMETRICS, TEXT, Samples, exposition, merged, wants_openmetrics
from rondo.deploy.http import (
    ADMITTED,
    Gone,
    Handler,
    Receive,
    Reply,
    Request,
    Route,
    Scope,
    Send,
    closing,
    header,
    read_body,
    refusal,
    refuse_other_media,
    send_reply,
)
from rondo.deploy.inference_protocol import InferenceProtocol
from rondo.deploy.mlflow_protocol import MlflowProtocol
from rondo.deploy.native import Native
from rondo.deploy.predicting import Desk
from rondo.deploy.problems import Problem, problem_of
from rondo.deploy.proxies import Proxies
from rondo.deploy.request_log import Level, RequestLog, raised_at, trace_of
from rondo.deploy.servicing import ServiceReport
from rondo.deploy.traffic import Traffic
from rondo.deploy.vitals import log_waiting, process, shares
from rondo.errors import LogFull, RondoError
from rondo.store.clocks import held_for
from rondo.store.opening import Store

ROOM_BYTES = 16 << 20
POLL_S = 0.5
ROUTES_KEPT = 1000
_encode = msgspec.json.Encoder().encode


class Api(Protocol):
    """A protocol that clients speak."""

    def route(self, parts: Sequence[str]) -> Route | None:
        """The route of a path's parts; None where the path is not of this protocol."""
        ...


class Application:
    """The ASGI application. It holds no request's state; `traffic` says who answers."""

    def __init__(
        self,
        traffic: Traffic,
        store: Store,
        *,
        admission: Admission | None = None,
        log: RequestLog | None = None,
        seat: Seat | None = None,
        period_s: float | None = None,
    ) -> None:
        """`period_s`: so often the service log is told how it goes; None: never."""
        self.traffic, self._store = traffic, store
        serving = traffic.project.settings.serving
        self.admission = admission or Admission(store.ledger, rate=serving.rate)
        self._largest, self._proxies = serving.largest_body, Proxies(serving.proxies)
        self.log, self._seat = log or RequestLog(), seat
        self.counts = Counts(seat.mine() if seat else None)
        self.draining = False
        self.connections: Callable[[], int] = int
        self._began = time.time()
        self._clock = held_for(POLL_S, store.clock)
        self._report: ServiceReport | None = None
        if period_s is not None:
            worker = seat.number if seat else 0
            self._report = ServiceReport(store, self.counts, worker=worker, clock=self._clock, period_s=period_s)
        self._callers = Callers(store.ledger)
        desk = Desk(traffic, store, self.counts, self._clock, self.log, self._callers)
        self._apis: tuple[Api, ...] = (
            Native(desk),
            InferenceProtocol(desk, self._wrong),
            MlflowProtocol(desk, self._wrong),
        )
        self._own: dict[str, Route] = {
            "/healthz": Route("healthz", {"GET": self._health}, need=None),
            "/readyz": Route("readyz", {"GET": self._ready}, need=None),
            "/metrics": Route("metrics", {"GET": self._metrics}),
            "/openapi.json": Route("openapi", {"GET": self._openapi}),
        }
        self._routes: dict[str, Route] = dict(self._own)
        self.prompt_paths = frozenset(f"/v1/models/{name}/predict".encode() for name in traffic.project.models)
        self._full: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        began = perf_counter()
        route = self._route(scope["path"])
        name, model = (route.name, route.model) if route else ("other", None)
        request = scope.get(ADMITTED)
        try:
            if request is None:
                request = self._admitted(route, scope, began)
            request.body = await read_body(receive, self._largest)
            reply = await self._handler(route, request)(request)
        except Gone:
            self.counts.error(name, "gone", model)
            return
        except Exception as error:
            reply = self._refused(route, name, request or Request(scope, b"", began), error)
        else:
            if self.log.every:
                self._tell(name, request, reply.status)
        if model is None and request is not None:
            model = request.model
        self.counts.request(name, reply.status, perf_counter() - began, model)
        if self.draining:
            reply = closing(reply)
        await send_reply(reply, send, head=scope["method"] == "HEAD")
        if reply.after is not None:
            await reply.after()

    def prompt(self, scope: Scope, body: bytes) -> Reply | None:
        """The answer to a whole request that can be given without waiting; None where `__call__` must give it."""
        began = perf_counter()
        route = self._route(scope["path"])
        if (
            route is None
            or route.prompt is None
            or not route.may_prompt()
            or self.draining
            or len(body) > self._largest
        ):
            return None
        request: Request | None = None
        try:
            request = self._admitted(route, scope, began)
            request.body = body
            refuse_other_media(scope, route.media)
            reply = route.prompt(request)
        except Exception as error:
            reply = self._refused(route, route.name, request or Request(scope, b"", began), error)
        else:
            if reply is None:
                scope[ADMITTED] = request
                return None
            if self.log.every:
                self._tell(route.name, request, reply.status)
        self.counts.request(route.name, reply.status, perf_counter() - began, route.model)
        return reply

    def _admitted(self, route: Route | None, scope: Scope, began: float) -> Request:
        """The request, its body yet to come, of a caller who may ask. Raises Problem for another."""
        traceparent = header(scope, b"traceparent")
        request = Request(scope, b"", began, None, trace_of(traceparent) if traceparent else None)
        if self.admission.guards:
            request.caller = self.admission.admit(route.need if route else "any", scope, began)
        return request

    async def watch(self) -> None:
        """Picks up what is promoted, and puts the counts on the board, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_traffic())
            tasks.create_task(self._watch_keys())
            tasks.create_task(self._watch_callers())
            tasks.create_task(self._watch_counts())
            tasks.create_task(self._watch_service())

    async def _watch_traffic(self) -> None:
        was: list[str] = []
        while True:
            await asyncio.sleep(POLL_S)
            try:
                for line in await asyncio.to_thread(self.traffic.refresh):
                    self.log.event("at_work", message=line)
                if self._full and shutil.disk_usage(self._store.folder).free > ROOM_BYTES:
                    self._full = None
            except Exception as error:  # whatever it was, it is tried again
                self._tell_trouble("watch", error)
            if (wrong := self._wrong()) != was and not self.draining:
                level: Level = "info" if self.draining or not wrong else "error"
                self.log.event("not_ready" if wrong else "ready", level, message=" ".join(wrong) or None)
                was = wrong

    async def _watch_keys(self) -> None:
        """In a thread of its own: a key that is revoked must not wait for a model that is being loaded."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as own:
            while True:
                await asyncio.sleep(POLL_S)
                try:
                    await loop.run_in_executor(own, self.admission.refresh)
                except Exception as error:  # whatever it was, it is tried again
                    self._tell_trouble("keys", error)

    async def _watch_callers(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            if fresh := self._callers.fresh():
                try:
                    await asyncio.to_thread(self._callers.write, fresh)
                except Exception as error:
                    self._tell_trouble("callers", error)

    def _tell_trouble(self, event: str, error: Exception) -> None:
        if isinstance(error, RondoError):
            self.log.event(event, "error", message=f"{error.message} {error.next_step}")
        else:
            self.log.event(event, "error", raised=raised_at(error))

    async def _watch_counts(self) -> None:
        while self._seat is not None:
            await asyncio.sleep(POLL_S)
            self.publish()

    async def _watch_service(self) -> None:
        while self._report is not None:
            await asyncio.sleep(self._report.wait_s())
            try:
                await asyncio.to_thread(self._report.write, self._report.due(self.traffic.at_work))
            except Exception as error:  # it is told at the next turn
                self._tell_trouble("service", error)

    def finish(self) -> None:
        """The last words, once no request is under way: the counts on the board and in the service log."""
        self.publish()
        if self._report is not None:
            try:
                self._report.write(self._report.due(self.traffic.at_work, last=True))
            except RondoError as error:
                self._tell_trouble("service", error)

    def publish(self) -> Samples:
        """What this process counted, put on the board for the other workers."""
        number = self._seat.number if self._seat else 0
        mine = {**self.counts.samples(), **process(number, self._began, self.connections())}
        if self._seat is not None:
            self._seat.write(mine)
        return mine

    def cut(self, reason: str) -> None:
        """A request was ended before it came to be one: its client was too slow, or did not speak HTTP."""
        self.counts.error("other", reason)
        if self.log.every:
            self.log.event("cut", "warning", reason=reason)

    def _tell(self, route: str, request: Request, status: int, **more: object) -> None:
        scope, origin = request.scope, self._proxies.origin(request.scope)
        self.log.request(
            status=status,
            route=route,
            method=scope["method"],
            version=request.version,
            latency_ms=round((perf_counter() - request.began) * 1_000, 3),
            caller=request.caller,
            client=origin.client,
            scheme=origin.scheme,
            trace=request.trace,
            **more,
        )

    @staticmethod
    def _handler(route: Route | None, request: Request) -> Handler:
        """What answers a request that may be asked. Raises Problem for another."""
        method, path = request.scope["method"], request.scope["path"]
        if route is None:
            raise Problem(404, f"There is nothing at {path}; /openapi.json lists what there is.")
        handler = route.handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = [*route.handlers, *(["HEAD"] if "GET" in route.handlers else [])]
            said = f"{path} takes {' or '.join(route.handlers)}."
            raise Problem(405, said, headers={"allow": ", ".join(allowed)})
        if method == "POST":
            refuse_other_media(request.scope, route.media)
        return handler

    def _refused(self, route: Route | None, name: str, request: Request, error: Exception) -> Reply:
        """What a request that went wrong is answered; it is counted and told."""
        raised = None
        if isinstance(error, Problem):
            problem = error
        elif isinstance(error, RondoError):
            problem = problem_of(error)
            if isinstance(error, LogFull):
                self._full = error.message
        else:
            problem, raised = Problem(500, "Something broke here; the server's log says what."), raised_at(error)
        self.counts.error(name, problem.code, request.model or (route.model if route else None))
        message = problem.detail if problem.status >= 500 and raised is None else None
        reply = (route.refuse if route else refusal)(problem, request.scope["path"])
        self._tell(name, request, reply.status, reason=problem.code, message=message, raised=raised)
        return reply

    def _route(self, path: str) -> Route | None:
        """The route of a path; those that were asked for are kept."""
        if (kept := self._routes.get(path)) is not None:
            return kept
        parts = path.split("/")[1:]
        for api in self._apis:
            if (route := api.route(parts)) is not None:
                if len(self._routes) >= ROUTES_KEPT:
                    self._routes = dict(self._own)
                self._routes[path] = route
                return route
        return None

    async def _health(self, request: Request) -> Reply:
        return Reply(_encode({"healthy": True}))

    def _wrong(self) -> list[str]:
        """What keeps the server from being ready."""
        own = ["The server is shutting down."] if self.draining else []
        own += [self._full] if self._full else []
        return own + [f"{name}: {trouble}" for name, trouble in sorted(self.traffic.troubles.items())]

    async def _ready(self, request: Request) -> Reply:
        if wrong := self._wrong():
            raise Problem(503, " ".join(wrong), headers={"retry-after": "1"})
        versions = {name: at_work.production.name for name, at_work in sorted(self.traffic.at_work.items())}
        return Reply(_encode({"ready": True, "models": versions}))

    async def _metrics(self, request: Request) -> Reply:
        """Of all workers, whichever is asked: its own as they are, those of the others at most `POLL_S` old."""
        mine = self.publish()  # first, so that no other worker tells less of this one afterwards
        others = self._seat.others() if self._seat else []
        at_work = self.traffic.at_work
        waiting: Samples = {}
        with suppress(RondoError, OSError):  # the rest is wanted all the more
            waiting = await asyncio.to_thread(log_waiting, self._store, sorted(at_work), self._clock())
        ready: Samples = {"rondo_ready": {(): float(not self._wrong())}}
        openmetrics = wants_openmetrics(request.header(b"accept"))
        text = exposition(merged([mine, *others, shares(at_work), waiting, ready]), openmetrics=openmetrics)
        return Reply(text.encode(), content_type=OPENMETRICS if openmetrics else TEXT)

    async def _openapi(self, request: Request) -> Reply:
        return Reply(_encode(openapi(self.traffic.project, self.traffic.at_work)))
