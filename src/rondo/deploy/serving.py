"""The prediction server's application: bare ASGI, one answer a request, a problem document for whatever is wrong."""

from __future__ import annotations

import asyncio
import shutil
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

import msgspec

from rondo.deploy import outcomes as inbox
from rondo.deploy.answering import Answer, Answerer, Row
from rondo.deploy.counting import Counts
from rondo.deploy.describing import example_row, model_document, openapi, signature_document
from rondo.deploy.predictions import Logged, find, record
from rondo.deploy.problems import Problem, problem_of
from rondo.deploy.traffic import AtWork, Traffic
from rondo.errors import LogFull, NotFound, RondoError
from rondo.records.development import Explanation
from rondo.records.versions import model_version
from rondo.store.opening import Store

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
LARGEST_BODY = 10 << 20
DRAINED = 4 * LARGEST_BODY
IN_LOOP_ROWS = 50
ROOM_BYTES = 16 << 20
POLL_S = 0.5
_JSON, _PROBLEM, _TEXT = b"application/json", b"application/problem+json", b"text/plain; version=0.0.4; charset=utf-8"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Reply:
    """What goes back. `after` is done once it has gone."""

    body: bytes
    status: int = 200
    content_type: bytes = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[], Awaitable[None]] | None = None


Handler = Callable[[bytes], Awaitable[Reply]]


@dataclass(frozen=True)
class _Route:
    """A path as metrics count it, and its handlers by method."""

    name: str
    handlers: Mapping[str, Handler]


class Application:
    """The ASGI application. It holds no request's state; `traffic` says who answers."""

    def __init__(self, traffic: Traffic, store: Store) -> None:
        self.traffic, self._store = traffic, store
        self.counts = Counts()
        self._full: str | None = None
        self._examples: dict[str, Row] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        began = perf_counter()
        route = self._route(scope["path"])
        try:
            reply = await self._reply(route, scope, receive)
        except Problem as problem:
            reply = _of_problem(problem, scope)
        except _Gone:
            return
        except Exception:
            print(traceback.format_exc(), file=sys.stderr, flush=True)
            reply = _of_problem(Problem(500, "Something broke here; the server's log says what."), scope)
        self.counts.request(route.name if route else "other", reply.status, perf_counter() - began)
        await _send(reply, send, head=scope["method"] == "HEAD")
        if reply.after is not None:
            await reply.after()

    async def watch(self) -> None:
        """Picks up what is promoted, until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                for line in await asyncio.to_thread(self.traffic.refresh):
                    print(line, file=sys.stderr, flush=True)
                if self._full and shutil.disk_usage(self._store.folder).free > ROOM_BYTES:
                    self._full = None
            except RondoError as error:
                print(f"{error.message} {error.next_step}", file=sys.stderr, flush=True)

    async def _reply(self, route: _Route | None, scope: Scope, receive: Receive) -> Reply:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        body = await _body(scope, receive)
        if route is None:
            raise Problem(404, f"There is nothing at {scope['path']}; /openapi.json lists what there is.")
        handler = route.handlers.get(method)
        if handler is None:
            allowed = [*route.handlers, *(["HEAD"] if "GET" in route.handlers else [])]
            raise Problem(
                405, f"{scope['path']} takes {' or '.join(route.handlers)}.", headers={"allow": ", ".join(allowed)}
            )
        if method == "POST":
            _refuse_other_types(scope)
        try:
            return await handler(body)
        except LogFull as error:
            self._full = error.message
            raise problem_of(error) from error
        except RondoError as error:
            raise problem_of(error) from error

    def _route(self, path: str) -> _Route | None:
        parts = path.split("/")[1:]
        match parts:
            case ["healthz"]:
                return _Route("healthz", {"GET": self._health})
            case ["readyz"]:
                return _Route("readyz", {"GET": self._ready})
            case ["metrics"]:
                return _Route("metrics", {"GET": self._metrics})
            case ["openapi.json"]:
                return _Route("openapi", {"GET": self._openapi})
            case ["v1", "models"]:
                return _Route("models", {"GET": self._models})
            case ["v1", "models", name]:
                return _Route("model", {"GET": partial(self._model, name)})
            case ["v1", "models", name, "predict"]:
                return _Route("predict", {"POST": partial(self._predict, name)})
            case ["v1", "models", name, "explain"]:
                return _Route("explain", {"POST": partial(self._explain, name)})
            case ["v1", "outcomes"]:
                return _Route("outcomes", {"POST": self._outcomes})
        return None

    async def _predict(self, name: str, body: bytes) -> Reply:
        began = perf_counter()
        at_work = self.traffic.of(name)
        rows = _rows(_fields(body, ("rows",)))
        now = self._store.clock()
        if _heavy(at_work, rows):
            answers = await asyncio.to_thread(at_work.answer, rows, now=now)
        else:
            answers = at_work.answer(rows, now=now)
        reply = _encode({"version": at_work.production.name, "predictions": self._documents(at_work, answers)})
        await self._record(name, answers, (perf_counter() - began) * 1_000)
        shadow = "shadow" in at_work.answerers
        return Reply(reply, after=partial(self._shadow, at_work, rows, answers) if shadow else None)

    def _documents(self, at_work: AtWork, answers: Sequence[Answer]) -> list[dict[str, object]]:
        top = at_work.production.version
        return [
            answer.document()
            | ({} if answer.version == top else {"version": model_version(at_work.model, answer.version)})
            for answer in answers
        ]

    async def _record(self, model: str, answers: Sequence[Answer], latency_ms: float) -> None:
        """Appends to the log; when this returns the answers are safe."""
        append = partial(record, self._store.log, model, answers, caller=None, latency_ms=latency_ms)
        if self._store.durability == "disk":
            await asyncio.to_thread(append)
        else:
            append()
        for answer in answers:
            version = model_version(model, answer.version)
            self.counts.predictions(model, version, answer.role or "none", 1, answer.missing)

    async def _shadow(self, at_work: AtWork, rows: Sequence[Row], answers: Sequence[Answer]) -> None:
        """Scores and logs what the shadow would have said. Its troubles are its own."""
        began = perf_counter()
        try:
            shadowed = await asyncio.to_thread(at_work.shadowed, rows, now=answers[0].at)
            await self._record(at_work.model, shadowed, (perf_counter() - began) * 1_000)
        except RondoError as error:
            print(f"shadow of {at_work.model}: {error.message}", file=sys.stderr, flush=True)

    async def _explain(self, name: str, body: bytes) -> Reply:
        asked = _fields(body, ("rows", "id"))
        if len(asked) != 1:
            raise Problem(422, "Send either rows or the id of a prediction.")
        if "id" in asked:
            return await self._explain_given(name, asked["id"])
        at_work = self.traffic.of(name)
        rows = _rows(asked)
        now = self._store.clock()

        def explained() -> list[Explanation]:
            production = at_work.production
            return production.explain(production.answer(rows, now=now, role="production"))

        found = [_explanation(each) for each in await asyncio.to_thread(explained)]
        document = found[0] if len(found) == 1 else {"version": at_work.production.name, "explanations": found}
        return Reply(_encode(document))

    async def _explain_given(self, name: str, identity: object) -> Reply:
        """Explains a logged prediction with its version, and the features as they were."""
        if not isinstance(identity, str) or not identity:
            raise Problem(422, "The id is text, and not empty.", errors=[("id", "must be text, and not empty")])
        if name not in self.traffic.project.models and name not in self.traffic.at_work:
            raise NotFound.among("model", name, sorted(self.traffic.project.models))

        def explained() -> Explanation | None:
            logged = find(self._store, name, identity)
            if logged is None:
                return None
            answerer = self.traffic.answerer(name, logged.version)
            return answerer.explain([answer_again(answerer, logged)])[0]

        found = await asyncio.to_thread(explained)
        if found is None:
            raise Problem(404, f"{name} gave no prediction {identity!r}.")
        return Reply(_encode(_explanation(found)))

    async def _outcomes(self, body: bytes) -> Reply:
        given = _fields(body, ("outcomes",)).get("outcomes")
        if not isinstance(given, list):
            reason = "is missing" if given is None else "must be a list"
            raise Problem(422, f"outcomes {reason}.", errors=[("outcomes", reason)])
        settings = self.traffic.project.settings
        found = inbox.parse(given, keys=self._keys(), timezone=settings.timezone, now=self._store.clock())
        append = partial(inbox.append, self._store.log, found)
        accepted = await asyncio.to_thread(append) if self._store.durability == "disk" else append()
        self.counts.outcomes(accepted)
        return Reply(_encode({"accepted": accepted}))

    def _keys(self) -> dict[str, tuple[str, ...]]:
        """The key and time columns of every model, from what is at work or else as declared."""
        project = self.traffic.project
        keys = {}
        for name, model in project.models.items():
            examples = project.tables[model.examples]
            keys[name] = (*examples.key, *((examples.time,) if examples.time else ()))
        for name, at_work in self.traffic.at_work.items():
            signature = at_work.production.signature
            keys[name] = (*(c.name for c in signature.key), *((signature.time,) if signature.time else ()))
        return keys

    async def _models(self, body: bytes) -> Reply:
        names = sorted({*self.traffic.project.models, *self.traffic.at_work})
        found = [model_document(self.traffic.project, name, self.traffic.at_work.get(name)) for name in names]
        return Reply(_encode({"models": found}))

    async def _model(self, name: str, body: bytes) -> Reply:
        project, at_work = self.traffic.project, self.traffic.at_work.get(name)
        if at_work is None and name not in project.models:
            raise NotFound.among("model", name, sorted(project.models))
        document = model_document(project, name, at_work)
        if at_work is not None:
            production = at_work.production
            if production.name not in self._examples:
                self._examples[production.name] = await asyncio.to_thread(example_row, self._store, production)
            document |= signature_document(production.signature)
            document["example"] = {"rows": [self._examples[production.name]]}
        return Reply(_encode(document))

    async def _health(self, body: bytes) -> Reply:
        return Reply(_encode({"healthy": True}))

    async def _ready(self, body: bytes) -> Reply:
        wrong = [self._full] if self._full else []
        wrong += [f"{name}: {trouble}" for name, trouble in sorted(self.traffic.troubles.items())]
        if wrong:
            raise Problem(503, " ".join(wrong), headers={"retry-after": "1"})
        versions = {name: at_work.production.name for name, at_work in sorted(self.traffic.at_work.items())}
        return Reply(_encode({"ready": True, "models": versions}))

    async def _metrics(self, body: bytes) -> Reply:
        return Reply(self.counts.text().encode(), content_type=_TEXT)

    async def _openapi(self, body: bytes) -> Reply:
        return Reply(_encode(openapi(self.traffic.project, self.traffic.at_work)))


class _Gone(Exception):
    """The client left before it had sent its request."""


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The request's body. One that is too large is read on for a while, so that the client hears why."""
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= DRAINED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        size += len(part)
        if size <= LARGEST_BODY:
            parts.append(part)
        more = message.get("more_body", False)
    if size > LARGEST_BODY:
        raise Problem(
            413,
            f"A body has at most {LARGEST_BODY >> 20} MiB; send the rows in parts.",
            headers={"connection": "close"},
        )
    return b"".join(parts)


def _refuse_other_types(scope: Scope) -> None:
    given = next((value for name, value in scope["headers"] if name == b"content-type"), b"application/json")
    media, _, parameters = given.decode("latin-1").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip(' "')
    if media.strip() != "application/json" or charset not in ("", "utf-8", "utf8"):
        raise Problem(415, f"The body is {given.decode('latin-1')!r}; send application/json in UTF-8.")


def _fields(body: bytes, names: Sequence[str]) -> dict[str, Any]:
    """The body as an object with no other fields than these."""
    try:
        document = _decode(body)
    except (ValueError, RecursionError) as error:
        reason = "is nested too deep" if isinstance(error, RecursionError) else f"is not JSON: {error}"
        raise Problem(400, f"The body {reason}.", errors=[(None, reason)]) from error
    if not isinstance(document, dict):
        raise Problem(422, "The body must be an object.", errors=[(None, "must be an object")])
    allowed = " or ".join(names)
    if unknown := [(name, f"is unknown; the body has {allowed}") for name in document if name not in names]:
        raise Problem(422, f"The body has an unknown field {unknown[0][0]!r}.", errors=unknown)
    return document


def _rows(asked: Mapping[str, Any]) -> list[Row]:
    rows = asked.get("rows")
    if not isinstance(rows, list) or not rows:
        reason = "is missing" if "rows" not in asked else "is empty" if rows == [] else "must be a list of objects"
        raise Problem(422, f"rows {reason}.", errors=[("rows", reason)])
    wrong = [(f"rows[{n}]", "must be an object") for n, row in enumerate(rows) if not isinstance(row, dict)]
    if wrong:
        raise Problem(422, "A row must be an object.", errors=wrong)
    return rows


def _heavy(at_work: AtWork, rows: Sequence[Row]) -> bool:
    """Whether answering may hold up others: many rows, or a moment of the past, which the lake may have to answer."""
    time = at_work.production.signature.time
    return len(rows) > IN_LOOP_ROWS or (time is not None and any(time in row for row in rows))


def _explanation(explanation: Explanation) -> dict[str, object]:
    return {
        "version": model_version(explanation.name, explanation.version),
        "base": explanation.base,
        "prediction": explanation.prediction,
        "contributions": explanation.contributions,
        "residual": explanation.residual,
    }


def answer_again(answerer: Answerer, logged: Logged) -> Answer:
    """A logged prediction as the answer it was."""
    values = {**logged.features, **logged.request}
    return Answer(
        id=logged.id,
        version=logged.version,
        role=logged.role,
        moment=logged.moment,
        at=logged.at,
        key=None,
        inputs=logged.request,
        features=logged.features,
        fed=[values.get(column.name) for column in answerer.signature.fed],
        score=logged.score,
        value=logged.value,
        scores=logged.scores,
        label=logged.label,
        missing=logged.missing,
        stale=logged.stale,
    )


def _of_problem(problem: Problem, scope: Scope) -> Reply:
    return Reply(problem.body(scope["path"]), problem.status, _PROBLEM, problem.headers)


async def _send(reply: Reply, send: Send, *, head: bool) -> None:
    headers = [(b"content-type", reply.content_type), (b"content-length", str(len(reply.body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
