"""What the server says of its models: signature, example row, owner; and the OpenAPI document of all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rondo.deploy.answering import Answerer
from rondo.deploy.asking import Request, requests, sample
from rondo.deploy.describing_protocols import protocol_paths, protocol_schemas
from rondo.deploy.resolving import version_record
from rondo.deploy.traffic import AtWork
from rondo.errors import RondoError
from rondo.features.signature import Column, Signature, kind_of
from rondo.project.moments import as_document
from rondo.project.reading import Project
from rondo.records.tables import Dataset
from rondo.records.versions import model_version
from rondo.store.opening import Store

JSON_TYPES = {"number": "number", "boolean": "boolean", "text": "string", "moment": "string", "other": "string"}
_SCRAPED = ("text/plain", "application/openmetrics-text")
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key that `rondo key make` printed. Health wants none, nor does a project without keys.",
}
_REFUSED: Mapping[str, str] = {
    "401": "No key, or none that is known.",
    "403": "The key does not allow this.",
    "404": "There is no such thing.",
    "429": "Too many requests with this key; `retry-after` says when to come again.",
    "503": "Nothing is at work, a store does not answer, or the disk is full.",
}
_REFUSED_BODY: Mapping[str, str] = {
    "400": "The body cannot be read.",
    "408": "The request took too long to come.",
    "413": "The body is too large, or has too many rows.",
    "415": "The body is of another kind, or not in UTF-8.",
    "422": "A field is unknown, missing, or holds what it may not; `errors` says which, and why.",
}
_MOMENT = {"type": "string", "format": "date-time", "description": "ISO-8601; without a zone in the project's timezone"}
_WHOLE_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_FILLED: Mapping[str, object] = {"number": 0, "boolean": False, "text": "…", "moment": "2013-07-01T18:00:00Z"}


def model_document(project: Project, name: str, at_work: AtWork | None) -> dict[str, Any]:
    """A model in the list of models: name, what it says, who owns it, what is at work."""
    declared = project.models.get(name)
    return {
        "name": name,
        "summary": declared.summary if declared else None,
        "owner": declared.owner if declared else None,
        "version": at_work.production.name if at_work else None,
        "roles": [
            {
                "role": role,
                "version": model_version(name, entry.record.version),
                "share": entry.record.share,
                "since": as_document(entry.at),
            }
            for role, entry in (at_work.roles.items() if at_work else ())
        ],
    }


def signature_document(signature: Signature) -> dict[str, Any]:
    """What a row may bring and what the model is fed."""
    inputs = {column.name for column in signature.inputs}
    lookups = {asked for lookup in signature.lookups for _, asked in lookup.on}
    return {
        "task": signature.task,
        "label": signature.label.name,
        "classes": list(signature.classes),
        "time": signature.time,
        "timezone": signature.timezone,
        "fields": [
            {
                "name": column.name,
                "type": JSON_TYPES[kind_of(column.type)],
                "sql_type": column.type,
                "input": column.name in inputs,
                "looks_up": column.name in lookups,
                "key": column in signature.key,
            }
            for column in _fields(signature)
        ],
        "features": [{"name": column.name, "type": column.type} for column in signature.fed],
        "derived": [{"name": derived.name, "expression": derived.expression} for derived in signature.derived],
    }


def example_row(store: Store, answerer: Answerer) -> Request:
    """A row that the model answers: one of its test split without key and time, or one made up where that is gone."""
    signature = answerer.signature
    asked = {column.name for column in signature.inputs} | {on for each in signature.lookups for _, on in each.on}
    try:
        record = version_record(store.ledger, signature.model, answerer.version)
        dataset = store.ledger.latest(Dataset, name=signature.model, version=record.dataset)
        if dataset is not None and dataset.record.rows:
            drawn = sample(store.lake, dataset.record, rows=1, seed=0, timezone=signature.timezone)
            return {name: value for name, value in requests(drawn, signature)[0].items() if name in asked}
    except RondoError:
        pass
    return {c.name: _FILLED.get(kind_of(c.type)) for c in signature.request if c.name in asked}


def openapi(project: Project, at_work: Mapping[str, AtWork], url: str | None = None) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the server, the rows of each model at work included."""
    paths: dict[str, Any] = {}
    most = project.settings.serving.most_rows
    for name, working in sorted(at_work.items()):
        row = _row_schema(working.production.signature)
        rows = {"type": "array", "minItems": 1, "items": row, "description": f"at most {most}"}
        body, by_id = _object({"rows": rows}), _object({"id": {"type": "string", "minLength": 1}})
        paths[f"/v1/models/{name}/predict"] = {
            "post": _operation(f"predict_{name}", f"Predictions of {name}.", body, _predictions())
        }
        paths[f"/v1/models/{name}/explain"] = {
            "post": _operation(
                f"explain_{name}", f"What moved predictions of {name}.", {"oneOf": [body, by_id]}, {"type": "object"}
            )
        }
        paths[f"/v1/models/{name}"] = {"get": _operation(f"model_{name}", f"The signature of {name}.")}
    paths["/v1/models"] = {"get": _operation("models", "The models and what is at work.")}
    signatures = {name: working.production.signature for name, working in sorted(at_work.items())}
    outcomes = _outcomes(signatures, most)
    paths["/v1/outcomes"] = {"post": _operation("outcomes", "What really happened.", outcomes, {"type": "object"})}
    for path in ("/healthz", "/readyz", "/openapi.json"):
        paths[path] = {"get": _operation(path.strip("/").partition(".")[0], "How the server is.")}
    paths["/metrics"] = {"get": _operation("metrics", "What the server counts, for Prometheus.", media=_SCRAPED)}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": project.settings.name, "version": "1", "description": project.settings.summary or ""},
        "paths": {**paths, **protocol_paths(at_work)},
        "components": {"schemas": {"Problem": _problem(), **protocol_schemas()}, "securitySchemes": {"key": _KEY}},
        "security": [{"key": []}, {}],
    }
    return document if url is None else {**document, "servers": [{"url": url}]}


def _operation(
    name: str,
    summary: str,
    body: Mapping[str, Any] | None = None,
    answer: Mapping[str, Any] | None = None,
    media: Sequence[str] = ("application/json",),
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    statuses = _REFUSED if body is None else {**_REFUSED, **_REFUSED_BODY}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "Answered.", "content": {each: {"schema": answer or {}} for each in media}},
            **{status: {"description": said, "content": problem} for status, said in sorted(statuses.items())},
            "default": {"description": "What is wrong.", "content": problem},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _object(properties: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An object with all of these properties, at most these optional ones, and no other."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
        "additionalProperties": False,
    }


def _fields(signature: Signature) -> tuple[Column, ...]:
    """Every field a row may bring, the time last."""
    time = (Column(name=signature.time, type="TIMESTAMP WITH TIME ZONE"),) if signature.time else ()
    return (*signature.request, *time)


def _row_schema(signature: Signature) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {column.name: _field(column) for column in _fields(signature)},
    }


def _field(column: Column) -> dict[str, Any]:
    kind = kind_of(column.type)
    if kind == "moment":
        if column.type.upper() == "DATE":
            return {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}
        return {"anyOf": [_MOMENT, {"type": "null"}]}
    bits = _WHOLE_BITS.get(column.type.upper().removeprefix("U"))
    if kind == "number" and bits:
        unsigned = column.type.upper().startswith("U")
        low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return {"type": ["integer", "null"], "minimum": low, "maximum": high}
    return {"type": [JSON_TYPES[kind], "null"]}


def _predictions() -> dict[str, Any]:
    prediction = {
        "type": "object",
        "required": ["id", "key"],
        "properties": {
            "id": {"type": "string"},
            "version": {"type": "string", "description": "where another version than the top one answered"},
            "score": {"type": "number"},
            "value": {"type": "number"},
            "scores": {"type": "object", "additionalProperties": {"type": "number"}},
            "label": {"type": ["string", "number", "boolean", "null"]},
            "key": {"type": ["object", "null"]},
        },
    }
    return {
        "type": "object",
        "required": ["version", "predictions"],
        "properties": {"version": {"type": "string"}, "predictions": {"type": "array", "items": prediction}},
    }


def _outcomes(signatures: Mapping[str, Signature], most: int) -> dict[str, Any]:
    """Each outcome is of a prediction's id, or of a model's key and moment."""
    outcome = {"type": ["string", "number", "boolean", "null"]}
    known = {"anyOf": [_MOMENT, {"type": "null"}], "description": "left out: now"}
    ways = [_object({"id": {"type": "string", "minLength": 1}, "outcome": outcome}, {"known": known})]
    for name, signature in signatures.items():
        columns = [column.name for column in signature.key] + ([signature.time] if signature.time else [])
        scalar = {"type": ["string", "number", "boolean", "null"]}
        key = {**_object({}, dict.fromkeys(columns, scalar)), "minProperties": 1}
        of_model = {"model": {"const": name}, "key": key, "moment": _MOMENT, "outcome": outcome}
        ways.append(_object(of_model, {"known": known}))
    every = {"type": "array", "minItems": 1, "items": {"oneOf": ways}, "description": f"at most {most}"}
    return _object({"outcomes": every})


def _problem() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["field", "reason"],
                    "properties": {"field": {"type": ["string", "null"]}, "reason": {"type": "string"}},
                },
            },
        },
    }
