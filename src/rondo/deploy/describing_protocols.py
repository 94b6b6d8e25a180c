"""The OpenAPI paths of the protocols that are not our own: the Open Inference Protocol, MLflow's scoring server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rondo.deploy.inference_protocol import inputs_document, outputs_document
from rondo.deploy.mlflow_protocol import FORMATS
from rondo.deploy.tensors import DATATYPES
from rondo.deploy.traffic import AtWork

Json = dict[str, Any]
_STRING: Mapping[str, Any] = {"type": "string"}
_OBJECT: Mapping[str, Any] = {"type": "object"}
_BINARY: Mapping[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_VERSION: Mapping[str, Any] = {
    "name": "version", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
}  # fmt: skip
_JSON_LENGTH: Mapping[str, Any] = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "bytes of the JSON, where tensors stand behind it as bytes",
    "schema": {"type": "integer", "minimum": 1},
}
_MODEL: Mapping[str, Any] = {
    "name": "model", "in": "query", "description": "wanted where there are several", "schema": _STRING,
}  # fmt: skip


def protocol_schemas() -> Json:
    """How each of these protocols tells an error."""
    return {
        "InferenceError": _closed({"error": _STRING}),
        "MlflowError": _closed({"error_code": _STRING, "message": _STRING}),
    }


def protocol_paths(at_work: Mapping[str, AtWork]) -> Json:
    """Every path of these protocols, those of each model at work included."""
    ready = _inference("v2_ready", "Whether it answers.")
    ready["responses"]["503"] = ready["responses"]["200"] | {"description": "Not now."}
    paths: Json = {
        "/v2": {"get": _inference("v2_server", "What the server is.")},
        "/v2/health/live": {"get": _inference("v2_live", "Whether it runs.")},
        "/v2/health/ready": {"get": ready},
        "/ping": {"get": _mlflow("mlflow_ping", "Whether it answers, as MLflow asks.")},
        "/health": {"get": _mlflow("mlflow_health", "Whether it answers, as MLflow asks.")},
        "/version": {"get": _mlflow("mlflow_version", "The MLflow whose protocol is spoken.", told="text/plain")},
        "/invocations": {"post": _invocations("mlflow_invocations", "the only model, or the one named", named=False)},
    }
    for name, working in sorted(at_work.items()):
        paths[f"/endpoints/{name}/invocations"] = {"post": _invocations(f"mlflow_{name}", name, named=True)}
        for path, suffix, parameters in (
            (f"/v2/models/{name}", "", []),
            (f"/v2/models/{name}/versions/{{version}}", "_version", [_VERSION]),
        ):
            told = {"parameters": parameters} if parameters else {}
            paths[path] = {**told, "get": _inference(f"v2_{name}{suffix}", f"The tensors of {name}.")}
            paths[f"{path}/ready"] = {**told, "get": _inference(f"v2_{name}{suffix}_ready", f"Whether {name} answers.")}
            paths[f"{path}/infer"] = {**told, "post": _infer(f"v2_{name}{suffix}_infer", working)}
    return paths


def _infer(name: str, working: AtWork) -> Json:
    signature = working.production.signature
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"enum": [told["name"] for told in inputs_document(signature)]},
            "shape": {
                "type": "array",
                "description": "[n] or [n, 1]",
                "minItems": 1,
                "maxItems": 2,
                "items": {"type": "integer", "minimum": 1},
            },
            "datatype": {"enum": list(DATATYPES)},
            "data": {"type": "array", "description": "flat or nested; left out where binary_data_size says"},
            "parameters": _OBJECT,
        },
        "additionalProperties": False,
    }
    output = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"enum": [told["name"] for told in outputs_document(signature)]},
            "parameters": _OBJECT,
        },
        "additionalProperties": False,
    }
    body = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": _STRING,
            "parameters": _OBJECT,
            "inputs": {"type": "array", "minItems": 1, "items": tensor},
            "outputs": {"type": "array", "items": output},
        },
        "additionalProperties": False,
    }
    answer = {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "model_name": _STRING,
            "model_version": _STRING,
            "id": _STRING,
            "outputs": {"type": "array", "items": {"type": "object", "required": ["name", "shape", "datatype"]}},
        },
    }
    asked = {"application/json": {"schema": body}, **_BINARY}
    content = {"application/json": {"schema": answer}, **_BINARY}
    return {
        **_operation(name, f"Predictions of {working.model}, a tensor a column.", "InferenceError", asked, content),
        "parameters": [_JSON_LENGTH],
    }


def _invocations(name: str, model: str, *, named: bool) -> Json:
    formats = [{"type": "object", "required": [each]} for each in FORMATS]
    answer = {
        "type": "object",
        "required": ["predictions", "ids", "version"],
        "properties": {
            "predictions": {"type": "array"},
            "labels": {"type": "array"},
            "ids": {"type": "array", "items": _STRING},
            "version": _STRING,
        },
    }
    asked = {"application/json": {"schema": {"oneOf": formats}}, "text/csv": {"schema": _STRING}}
    content = {"application/json": {"schema": answer}}
    operation = _operation(name, f"Predictions of {model}, as MLflow tells them.", "MlflowError", asked, content)
    return operation if named else {**operation, "parameters": [_MODEL]}


def _inference(name: str, summary: str) -> Json:
    return _operation(name, summary, "InferenceError", None, {"application/json": {"schema": _OBJECT}})


def _mlflow(name: str, summary: str, told: str = "application/json") -> Json:
    return _operation(name, summary, "MlflowError", None, {told: {"schema": _STRING if told == "text/plain" else {}}})


def _operation(
    name: str, summary: str, error: str, asked: Mapping[str, Any] | None, content: Mapping[str, Any]
) -> Json:
    refused = {"application/json": {"schema": {"$ref": f"#/components/schemas/{error}"}}}
    operation: Json = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "Answered.", "content": content},
            "default": {"description": "What is wrong.", "content": refused},
        },
    }
    return operation if asked is None else {**operation, "requestBody": {"required": True, "content": asked}}


def _closed(properties: Mapping[str, Any]) -> Json:
    return {
        "type": "object", "required": list(properties), "properties": properties, "additionalProperties": False,
    }  # fmt: skip
