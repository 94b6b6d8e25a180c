"""The Open Inference Protocol (version 2) over HTTP, `/v2`, with Triton's binary tensors.

One tensor a column of the request. An answer names its version; its tensors are `score`, `value` or `probabilities`
(beside `classes`, which names their columns), `label`, the `id` of each prediction, and the `version` that gave it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version as version_of
from typing import Any

import msgspec
from msgspec import UNSET

from rondo.deploy.answering import Answer, Answerer, Row
from rondo.deploy.http import JSON, Reply, Request, Route, parsed_with_nan, refuse_encoded
from rondo.deploy.predicting import Desk
from rondo.deploy.problems import Problem
from rondo.deploy.tensors import Input, Output, as_bytes, column_values, datatype_of
from rondo.deploy.traffic import AtWork
from rondo.errors import NotFound
from rondo.features.signature import Signature, class_name
from rondo.records.tables import Scalar

BINARY = b"application/octet-stream"
EXTENSIONS = ("binary_tensor_data",)
_JSON_LENGTH = "Inference-Header-Content-Length"
_ELSEWHERE = ("shared_memory_region", "classification")
_FIELD = re.compile(r"rows\[(\d+)\]\.(.+)", re.DOTALL)
_encode = msgspec.json.Encoder().encode


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """An output that a request names."""

    name: str
    parameters: dict[str, Any] | None = None


class Inference(msgspec.Struct, forbid_unknown_fields=True):
    """The JSON of a request. The path alone says which model and version are asked."""

    inputs: list[Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None
    model_name: str | None = None
    model_version: str | None = None


def refusal(problem: Problem, path: str) -> Reply:
    """A problem as the protocol tells it: `{"error": text}`, with elements named as `tensor[row]`."""
    said = problem.detail
    places = [(_FIELD.fullmatch(field or ""), reason) for field, reason in problem.errors[:5]]
    if any(place for place, _ in places):
        said = "; ".join(f"{place[2]}[{place[1]}]: {reason}" if place else reason for place, reason in places)
    status = 400 if problem.status == 422 else problem.status
    return Reply(_encode({"error": said}), status, headers=problem.headers)


class InferenceProtocol:
    """The handlers of `/v2`. `troubles` says what keeps the server from being ready."""

    def __init__(self, desk: Desk, troubles: Callable[[], Sequence[str]]) -> None:
        self._desk, self._traffic, self._troubles = desk, desk.traffic, troubles

    def route(self, parts: Sequence[str]) -> Route | None:
        """The route of a path's parts; every path below `/v2` is the protocol's."""
        match parts:
            case ["v2"] | ["v2", ""]:
                return self._get("v2_server", self._server)
            case ["v2", "health", "live"]:
                return Route("v2_live", {"GET": self._live}, need=None, refuse=refusal)
            case ["v2", "health", "ready"]:
                return Route("v2_ready", {"GET": self._ready}, need=None, refuse=refusal)
            case ["v2", "models", name, "versions", version, *rest]:
                return self._of_model(name, version, rest)
            case ["v2", "models", name, *rest]:
                return self._of_model(name, None, rest)
            case ["v2", *_]:
                return self._nowhere()
        return None

    def _of_model(self, name: str, version: str | None, rest: Sequence[str]) -> Route:
        match rest:
            case []:
                return self._get("v2_model", partial(self._model, name, version))
            case ["ready"]:
                return self._get("v2_model_ready", partial(self._model_ready, name, version))
            case ["infer"]:
                infer = {"POST": partial(self._infer, name, version)}
                known = self._traffic.known(name)
                return Route("v2_infer", infer, need="predict", media=(JSON, BINARY), refuse=refusal, model=known)
        return self._nowhere()

    @staticmethod
    def _get(name: str, handler: Callable[[Request], Any]) -> Route:
        return Route(name, {"GET": handler}, refuse=refusal)

    @staticmethod
    def _nowhere() -> Route:
        async def nothing(request: Request) -> Reply:
            raise Problem(404, f"There is nothing at {request.scope['path']}; /openapi.json lists what there is.")

        return Route("v2_other", {"GET": nothing, "POST": nothing}, media=(JSON, BINARY), refuse=refusal)

    async def _server(self, request: Request) -> Reply:
        return Reply(_encode({"name": "rondo", "version": version_of("rondo-ml"), "extensions": EXTENSIONS}))

    async def _live(self, request: Request) -> Reply:
        return Reply(_encode({"live": True, "ready": not self._troubles()}))

    async def _ready(self, request: Request) -> Reply:
        ready = not self._troubles()
        return Reply(_encode({"live": True, "ready": ready}), 200 if ready else 503)

    async def _model(self, name: str, version: str | None, request: Request) -> Reply:
        every = self._traffic.of(name)
        production = self._at_work(name, version).production
        document = {
            "name": name,
            "versions": [str(answerer.version) for answerer in every.answerers.values()],
            "platform": f"rondo_{production.packed.predictor.kind}",
            "inputs": inputs_document(production.signature),
            "outputs": outputs_document(production.signature),
        }
        return Reply(_encode(document))

    async def _model_ready(self, name: str, version: str | None, request: Request) -> Reply:
        self._at_work(name, version)
        return Reply(_encode({"name": name, "ready": True}))

    async def _infer(self, name: str, version: str | None, request: Request) -> Reply:
        at_work = self._at_work(name, version)
        asked, raws = read(request)
        wanted = self._wanted(asked, at_work.production.signature)
        rows = rows_of(asked, raws, at_work.production.signature)
        answers, after = await self._desk.predict(at_work, request, lambda: rows)
        found = {output.name: output for output in outputs(at_work.production, answers)}
        head: dict[str, object] = {"model_name": name, "model_version": str(at_work.production.version)}
        if asked.id is not None:
            head["id"] = asked.id
        return _reply(head, [(found[output], binary) for output, binary in wanted.items()], after)

    def _at_work(self, name: str, version: str | None) -> AtWork:
        """What answers. Raises NotFound for a version that is not at work, Refused while none is in production."""
        at_work = self._traffic.of(name)
        if version is None:
            return at_work
        if not (version.isascii() and version.isdecimal() and len(version) < 10):
            raise NotFound.among("version", version, [str(each.version) for each in at_work.answerers.values()])
        return at_work.of_version(int(version))

    @staticmethod
    def _wanted(asked: Inference, signature: Signature) -> dict[str, bool]:
        """The outputs that are to be sent, and which of them as bytes."""
        there = [str(output["name"]) for output in outputs_document(signature)]
        binary = _flag(asked.parameters, "binary_data_output", default=False)
        if not asked.outputs:
            return dict.fromkeys(there, binary)
        wanted: dict[str, bool] = {}
        for output in asked.outputs:
            if output.name not in there:
                raise Problem(422, f"There is no output {output.name!r}; there are: {', '.join(there)}.")
            if output.name in wanted:
                raise Problem(422, f"The output {output.name!r} is asked for twice.")
            _refuse_extensions(output.name, output.parameters)
            wanted[output.name] = _flag(output.parameters, "binary_data", default=binary)
        return wanted


def inputs_document(signature: Signature) -> list[dict[str, object]]:
    """The tensors a request may bring, one a field of a row; any may be left out, and is null then."""
    described: list[dict[str, object]] = [
        {"name": column.name, "datatype": datatype_of(column), "shape": [-1]} for column in signature.request
    ]
    if signature.time:
        described.append({"name": signature.time, "datatype": "BYTES", "shape": [-1]})
    return described


def outputs_document(signature: Signature) -> list[dict[str, object]]:
    """The tensors of an answer."""
    label: dict[str, object] = {"name": "label", "datatype": _label_datatype(signature.classes), "shape": [-1]}
    classes = len(signature.classes)
    scored: Mapping[str, list[dict[str, object]]] = {
        "regression": [{"name": "value", "datatype": "FP64", "shape": [-1]}],
        "binary": [{"name": "score", "datatype": "FP64", "shape": [-1]}, label],
        "multiclass": [
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, classes]},
            {"name": "classes", "datatype": "BYTES", "shape": [classes]},
            label,
        ],
    }
    identity: list[dict[str, object]] = [
        {"name": "id", "datatype": "BYTES", "shape": [-1]},
        {"name": "version", "datatype": "INT64", "shape": [-1]},
    ]
    return [*scored[signature.task], *identity]


def read(request: Request) -> tuple[Inference, list[memoryview | None]]:
    """A request, and the bytes of each of its inputs (None of one that is JSON). Raises Problem."""
    refuse_encoded(request)
    head, tail = _parted(request)
    try:
        asked = msgspec.convert(parsed_with_nan(head), Inference)
    except msgspec.ValidationError as error:
        raise Problem(422, f"The body is no inference request: {error}.") from error
    raws: list[memoryview | None] = []
    for tensor in asked.inputs:
        _refuse_extensions(tensor.name, tensor.parameters)
        size = (tensor.parameters or {}).get("binary_data_size")
        if (size is None) is (tensor.data is UNSET):
            raise Problem(422, f"The input {tensor.name!r} needs either data or binary_data_size, and not both.")
        if size is None:
            raws.append(None)
        elif type(size) is not int or not 0 <= size <= len(tail):
            raise Problem(422, f"The input {tensor.name!r} says binary_data_size {size!r}; {len(tail)} bytes are left.")
        else:
            raws.append(tail[:size])
            tail = tail[size:]
    if len(tail):
        raise Problem(400, f"{len(tail)} bytes at the end of the body belong to no input.")
    return asked, raws


def _parted(request: Request) -> tuple[bytes, memoryview]:
    """The JSON of a body, and the bytes behind it."""
    given = request.header(_JSON_LENGTH.lower().encode())
    if given is None:
        return request.body, memoryview(b"")
    length = int(given) if given.isdigit() and len(given) < 10 else -1
    if not 0 < length <= len(request.body):
        said = str(given[:20], "latin-1")
        raise Problem(400, f"{_JSON_LENGTH} is {said!r}, and the body has {len(request.body)} bytes.")
    return request.body[:length], memoryview(request.body)[length:]


def _refuse_extensions(name: str, parameters: Mapping[str, Any] | None) -> None:
    for each in _ELSEWHERE:
        if parameters and each in parameters:
            raise Problem(422, f"{name!r} has the parameter {each}: of the extensions {EXTENSIONS[0]} alone is spoken.")


def _flag(parameters: Mapping[str, Any] | None, name: str, *, default: bool) -> bool:
    value = (parameters or {}).get(name, default)
    if not isinstance(value, bool):
        raise Problem(422, f"The parameter {name} is {str(value)[:40]!r}; it may be true or false.")
    return value


def rows_of(asked: Inference, raws: Sequence[memoryview | None], signature: Signature) -> list[Row]:
    """The rows of a request. Raises Problem for inputs that make none."""
    known = [column.name for column in signature.request] + ([signature.time] if signature.time else [])
    columns: dict[str, list[object]] = {}
    for tensor, raw in zip(asked.inputs, raws, strict=True):
        if tensor.name not in known:
            said = f"There is no input {tensor.name!r}; there are: {', '.join(known)}."
            raise Problem(422, said, errors=[(tensor.name, "is unknown")])
        if tensor.name in columns:
            raise Problem(422, f"The input {tensor.name!r} is there twice.")
        columns[tensor.name] = column_values(tensor, raw)
    counts = {len(values) for values in columns.values()}
    if len(counts) > 1:
        told = ", ".join(f"{name} has {len(values)}" for name, values in columns.items())
        raise Problem(422, f"The inputs differ in their number of rows: {told}.")
    if counts in (set(), {0}):
        raise Problem(422, "The inputs have no rows.")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def outputs(production: Answerer, answers: Sequence[Answer]) -> list[Output]:
    """The tensors of answers, some of which a canary may have given, in the order of `outputs_document`."""
    count = (len(answers),)
    signature = production.signature
    found: list[Output] = []
    if signature.task == "regression":
        found.append(Output("value", "FP64", count, [answer.value for answer in answers]))
    elif signature.task == "binary":
        found.append(Output("score", "FP64", count, [answer.score for answer in answers]))
    else:
        found += _probabilities(signature, answers)
    if signature.task != "regression":
        labels = [answer.label for answer in answers]
        datatype = _label_datatype([*signature.classes, *labels])
        texts = datatype == "BYTES"
        found.append(Output("label", datatype, count, list(map(_as_text, labels)) if texts else labels))
    found.append(Output("id", "BYTES", count, [answer.id for answer in answers]))
    found.append(Output("version", "INT64", count, [answer.version for answer in answers]))
    return found


def _probabilities(signature: Signature, answers: Sequence[Answer]) -> list[Output]:
    """One column a class: production's, then those that only a canary knows."""
    scores = [answer.scores or {} for answer in answers]
    names = list(dict.fromkeys([*map(class_name, signature.classes), *(name for each in scores for name in each)]))
    flat = [each.get(name, 0.0) for each in scores for name in names]
    return [
        Output("probabilities", "FP64", (len(answers), len(names)), flat),
        Output("classes", "BYTES", (len(names),), names),
    ]


def _as_text(label: Scalar) -> str:
    return "" if label is None else class_name(label)


def _label_datatype(labels: Sequence[Scalar]) -> str:
    kinds = {type(label) for label in labels}
    for kind, datatype in ((bool, "BOOL"), (int, "INT64"), (float, "FP64")):
        if kinds == {kind}:
            return datatype
    return "FP64" if kinds == {int, float} else "BYTES"


def _reply(head: dict[str, object], found: Sequence[tuple[Output, bool]], after: Any) -> Reply:
    described: list[dict[str, object]] = []
    parts: list[bytes] = []
    for output, binary in found:
        told: dict[str, object] = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
        if binary:
            parts.append(as_bytes(output))
            told["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            told["data"] = output.data
        described.append(told)
    document = _encode({**head, "outputs": described})
    if not parts:
        return Reply(document, after=after)
    headers = {_JSON_LENGTH: str(len(document))}
    return Reply(b"".join([document, *parts]), content_type=BINARY, headers=headers, after=after)
