"""Rondo's own API, `/v1`: models, predictions, explanations, outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from rondo.deploy import outcomes as inbox
from rondo.deploy.answering import Answer, Row
from rondo.deploy.describing import example_row, model_document, signature_document
from rondo.deploy.http import Reply, Request, Route, fields, refuse_many
from rondo.deploy.logged import answer_of
from rondo.deploy.predicting import After, Desk
from rondo.deploy.predictions import find
from rondo.deploy.problems import Problem
from rondo.deploy.traffic import AtWork
from rondo.errors import NotFound
from rondo.records.development import Explanation
from rondo.records.versions import model_version

_encode = msgspec.json.Encoder().encode


class Native:
    """The handlers of `/v1`."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._traffic, self._store = desk, desk.traffic, desk.store
        self._examples: dict[str, Row] = {}

    def route(self, parts: Sequence[str]) -> Route | None:
        """The route of a path's parts."""
        match parts:
            case ["v1", "models"]:
                return Route("models", {"GET": self._models})
            case ["v1", "models", name]:
                return Route("model", {"GET": partial(self._model, name)})
            case ["v1", "models", name, "predict"]:
                return Route(
                    "predict",
                    {"POST": partial(self._predict, name)},
                    need="predict",
                    prompt=partial(self._predict_at_once, name),
                    may_prompt=partial(self._desk.may_prompt, name),
                    model=self._traffic.known(name),
                )
            case ["v1", "models", name, "explain"]:
                return Route("explain", {"POST": partial(self._explain, name)}, need="explain")
            case ["v1", "outcomes"]:
                return Route("outcomes", {"POST": self._outcomes}, need="outcome")
        return None

    async def _predict(self, name: str, request: Request) -> Reply:
        at_work = self._traffic.of(name)
        answers, after = await self._desk.predict(at_work, request, partial(_rows_of, request), native=True)
        return _predictions(at_work, answers, after)

    def _predict_at_once(self, name: str, request: Request) -> Reply | None:
        at_work = self._traffic.of(name)
        answers = self._desk.at_once(at_work, request, partial(_rows_of, request))
        return None if answers is None else _predictions(at_work, answers)

    async def _explain(self, name: str, request: Request) -> Reply:
        asked = fields(request.body, ("rows", "id"))
        if len(asked) != 1:
            raise Problem(422, "Send either rows or the id of a prediction.")
        if "id" in asked:
            return await self._explain_given(name, asked["id"], request.caller)
        at_work = self._traffic.of(name)
        found = [_explanation(each) for each in await self._desk.explain(at_work, request, _rows(asked))]
        self._desk.counts.explained(name, len(found))
        document = found[0] if len(found) == 1 else {"version": at_work.production.name, "explanations": found}
        return Reply(_encode(document))

    async def _explain_given(self, name: str, identity: object, caller: str | None) -> Reply:
        """Explains a logged prediction with its version, and the features as they were."""
        if not isinstance(identity, str) or not identity:
            raise Problem(422, "The id is text, and not empty.", errors=[("id", "must be text, and not empty")])
        if name not in self._traffic.project.models and name not in self._traffic.at_work:
            raise NotFound.among("model", name, sorted(self._traffic.project.models))

        def explained() -> Explanation | None:
            logged = find(self._store, name, identity)
            if logged is None:
                return None
            answerer = self._traffic.answerer(name, logged.version)
            return answerer.explain([answer_of(logged, answerer.signature)])[0]

        found = await asyncio.to_thread(explained)
        if found is None:
            raise Problem(404, f"{name} gave no prediction {identity!r}.")
        self._desk.counts.explained(name, 1)
        self._desk.callers.saw(caller, name)
        return Reply(_encode(_explanation(found)))

    async def _outcomes(self, request: Request) -> Reply:
        given = fields(request.body, ("outcomes",)).get("outcomes")
        if not isinstance(given, list):
            reason = "is missing" if given is None else "must be a list"
            raise Problem(422, f"outcomes {reason}.", errors=[("outcomes", reason)])
        refuse_many(len(given), self._desk.most_rows, "outcomes")
        settings = self._traffic.project.settings
        found = inbox.parse(given, keys=self._keys(), timezone=settings.timezone, now=self._desk.clock())
        await self._store.log.safe(inbox.write(self._store.log, found))
        self._desk.counts.outcomes(len(found))
        return Reply(_encode({"accepted": len(found)}))

    def _keys(self) -> dict[str, tuple[str, ...]]:
        """The key and time columns of every model, from what is at work or else as declared."""
        project = self._traffic.project
        keys = {}
        for name, model in project.models.items():
            examples = project.tables[model.examples]
            keys[name] = (*examples.key, *((examples.time,) if examples.time else ()))
        for name, at_work in self._traffic.at_work.items():
            signature = at_work.production.signature
            keys[name] = (*(c.name for c in signature.key), *((signature.time,) if signature.time else ()))
        return keys

    async def _models(self, request: Request) -> Reply:
        names = sorted({*self._traffic.project.models, *self._traffic.at_work})
        found = [model_document(self._traffic.project, name, self._traffic.at_work.get(name)) for name in names]
        return Reply(_encode({"models": found}))

    async def _model(self, name: str, request: Request) -> Reply:
        project, at_work = self._traffic.project, self._traffic.at_work.get(name)
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


def _predictions(at_work: AtWork, answers: Sequence[Answer], after: After | None = None) -> Reply:
    document = {"version": at_work.production.name, "predictions": documents(at_work, answers)}
    return Reply(_encode(document), after=after)


def _rows_of(request: Request) -> list[Row]:
    return _rows(fields(request.body, ("rows",)))


def documents(at_work: AtWork, answers: Sequence[Answer]) -> list[dict[str, object]]:
    """The predictions as the API shows them; one that a canary gave names its version."""
    top = at_work.production.version
    return [
        answer.document()
        if answer.version == top
        else {**answer.document(), "version": model_version(at_work.model, answer.version)}
        for answer in answers
    ]


def _rows(asked: Mapping[str, Any]) -> list[Row]:
    rows = asked.get("rows")
    if not isinstance(rows, list) or not rows:
        reason = "is missing" if "rows" not in asked else "is empty" if rows == [] else "must be a list of objects"
        raise Problem(422, f"rows {reason}.", errors=[("rows", reason)])
    wrong = [(f"rows[{n}]", "must be an object") for n, row in enumerate(rows) if not isinstance(row, dict)]
    if wrong:
        raise Problem(422, "A row must be an object.", errors=wrong)
    return rows


def _explanation(explanation: Explanation) -> dict[str, object]:
    return {
        "version": model_version(explanation.name, explanation.version),
        "base": explanation.base,
        "prediction": explanation.prediction,
        "contributions": explanation.contributions,
        "residual": explanation.residual,
    }
