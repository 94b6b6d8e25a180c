"""What MLflow's scoring server speaks: `/invocations`, `/ping`, `/health`, `/version`.

`/invocations` is for the one model of a project, or names one: `/invocations?model=late`. MLflow's deployment clients
name it in the path: `/endpoints/late/invocations`, `/serving-endpoints/late/invocations`.

`predictions` are what MLflow's own flavours of such models give: probabilities of the positive class, values, and of
several classes a record of probabilities a row. Beside them stand `labels`, `ids` and `version`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec

from rondo.deploy.answering import Answer, Row
from rondo.deploy.http import JSON, Reply, Request, Route, media_of, parsed_with_nan, refuse_encoded
from rondo.deploy.predicting import Desk
from rondo.deploy.problems import Problem
from rondo.deploy.traffic import AtWork
from rondo.features.signature import Signature, kind_of
from rondo.records.versions import model_version

SPOKEN = "3.17.2"
"""The MLflow whose protocol this is."""
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CSV = b"text/csv"
_PLAIN = b"text/plain; charset=utf-8"
_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
_TRUTHS = {"true": True, "false": False}
_encode = msgspec.json.Encoder().encode


def refusal(problem: Problem, path: str) -> Reply:
    """A problem as MLflow tells it: `{"error_code": …, "message": …}`."""
    status = 400 if problem.status == 422 else problem.status
    document = {"error_code": _CODES.get(status, "BAD_REQUEST"), "message": problem.detail}
    return Reply(_encode(document), status, headers=problem.headers)


class MlflowProtocol:
    """The handlers of MLflow's scoring server. `troubles` says what keeps the server from being ready."""

    def __init__(self, desk: Desk, troubles: Callable[[], Sequence[str]]) -> None:
        self._desk, self._traffic, self._troubles = desk, desk.traffic, troubles

    def route(self, parts: Sequence[str]) -> Route | None:
        """The route of a path's parts."""
        match parts:
            case ["invocations"]:
                return self._invocations(None)
            case ["endpoints" | "serving-endpoints", name, "invocations"]:
                return self._invocations(name)
            case ["ping" | "health"]:
                return Route("mlflow_ping", {"GET": self._ping}, need=None, refuse=refusal)
            case ["version"]:
                return Route("mlflow_version", {"GET": self._version}, need=None, refuse=refusal)
        return None

    def _invocations(self, name: str | None) -> Route:
        answer = {"POST": partial(self._invoke, name)}
        known = self._traffic.known(name)
        return Route("mlflow_invocations", answer, need="predict", media=(JSON, CSV), refuse=refusal, model=known)

    async def _ping(self, request: Request) -> Reply:
        if troubles := self._troubles():
            raise Problem(503, " ".join(troubles), headers={"retry-after": "1"})
        return Reply(b"{}")

    async def _version(self, request: Request) -> Reply:
        return Reply(SPOKEN.encode(), content_type=_PLAIN)

    async def _invoke(self, name: str | None, request: Request) -> Reply:
        at_work = self._traffic.of(name or self._named(request))
        request.model = at_work.model
        refuse_encoded(request)
        if media_of(request.scope)[0] == CSV:
            rows = rows_of_csv(request.body, at_work.production.signature)
        else:
            rows = rows_of(parsed_with_nan(request.body))
        if not rows:
            raise Problem(422, "There are no rows.")
        answers, after = await self._desk.predict(at_work, request, lambda: rows)
        return Reply(_encode(predictions_document(at_work, answers)), after=after)

    def _named(self, request: Request) -> str:
        """The model of `?model=NAME`, or the only one; declared ones count, so that no promotion breaks a client."""
        asked = parse_qs(request.scope["query_string"].decode("latin-1")).get("model", [])
        there = sorted({*self._traffic.project.models, *self._traffic.at_work})
        if len(asked) > 1 or (not asked and len(there) != 1):
            raise Problem(422, f"Name the model: /invocations?model=NAME. There are: {', '.join(there) or 'none'}.")
        return asked[0] if asked else there[0]


def predictions_document(at_work: AtWork, answers: Sequence[Answer]) -> dict[str, object]:
    """What is answered."""
    task, name = at_work.production.signature.task, at_work.model
    output: Mapping[str, Callable[[Answer], object]] = {
        "binary": lambda answer: answer.score,
        "multiclass": lambda answer: answer.scores,
        "regression": lambda answer: answer.value,
    }
    document: dict[str, object] = {"predictions": [output[task](answer) for answer in answers]}
    if task != "regression":
        document["labels"] = [answer.label for answer in answers]
    document |= {"ids": [answer.id for answer in answers], "version": at_work.production.name}
    if any(answer.version != at_work.production.version for answer in answers):
        document["versions"] = [model_version(name, answer.version) for answer in answers]
    return document


def rows_of(document: object) -> list[Row]:
    """The rows of a JSON body in any of MLflow's formats. Raises Problem."""
    formats = ", ".join(FORMATS)
    if not isinstance(document, dict):
        raise Problem(422, f"The body must be an object with one of {formats}.")
    given = [name for name in FORMATS if name in document]
    if len(given) != 1:
        raise Problem(422, f"The body must have exactly one of {formats}; it has {', '.join(given) or 'none of them'}.")
    if unknown := [name for name in document if name not in (*FORMATS, "params")]:
        said = f"The body has the unknown field {unknown[0]!r} beside {given[0]}."
        raise Problem(422, said, errors=[(name, "is unknown") for name in unknown])
    if document.get("params"):
        raise Problem(422, "The model takes no params: what it is asked comes with the rows.")
    content = document[given[0]]
    if given[0] == "dataframe_split":
        return _of_split(content)
    if given[0] == "inputs" and isinstance(content, dict):
        return _of_columns(content)
    return _of_records(content, given[0])


def _of_split(content: object) -> list[Row]:
    """`{"columns": […], "data": [[…], …]}`, as `DataFrame.to_dict(orient="split")` gives it; the index is ignored."""
    if not isinstance(content, dict) or not {"columns", "data"} <= set(content) <= {"columns", "data", "index"}:
        raise Problem(422, "dataframe_split must be an object with columns and data.")
    columns, data = content["columns"], content["data"]
    if not isinstance(columns, list) or any(not isinstance(name, str) for name in columns):
        raise Problem(422, "dataframe_split.columns must be a list of names.")
    _refuse_doubled(columns, "dataframe_split.columns")
    if not isinstance(data, list):
        raise Problem(422, "dataframe_split.data must be a list of rows.")
    for number, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            raise Problem(422, f"dataframe_split.data[{number}] must be a list of {len(columns)} values, one a column.")
    return [dict(zip(columns, row, strict=True)) for row in data]


def _of_columns(content: Mapping[str, Any]) -> list[Row]:
    """`{"column": [value, …], …}`; one row where no column is a list."""
    if content and not any(isinstance(values, list) for values in content.values()):
        return [content]
    counts = {}
    for name, values in content.items():
        if not isinstance(values, list):
            raise Problem(422, f"inputs.{name} must be a list of values, as the other columns are.")
        counts[name] = len(values)
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise Problem(422, f"The columns of inputs differ in their number of rows: {told}.")
    return [dict(zip(content, values, strict=True)) for values in zip(*content.values(), strict=True)]


def _of_records(content: object, format_: str) -> list[Row]:
    if not isinstance(content, list):
        raise Problem(422, f"{format_} must be a list of objects, one a row.")
    for number, row in enumerate(content):
        if not isinstance(row, dict):
            raise Problem(422, f"{format_}[{number}] must be an object with the row's columns by name.")
    return content


def rows_of_csv(body: bytes, signature: Signature) -> list[Row]:
    """The rows of CSV with a header: an empty cell is null, the rest is read by the signature. Raises Problem."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Problem(400, f"The body is not CSV in UTF-8: {error}.") from error
    lines = [line for line in lines if line]
    if not lines:
        raise Problem(422, "The body has no header line.")
    columns = lines[0]
    _refuse_doubled(columns, "The header")
    kinds = {column.name: kind_of(column.type) for column in signature.request}
    if unknown := [name for name in columns if name not in kinds and name != signature.time]:
        without = " (written by pandas? Then with index=False)" if unknown[0] == "" else ""
        there = ", ".join([*kinds, *([signature.time] if signature.time else [])])
        said = f"The column {unknown[0]!r} is unknown{without}; a row may have: {there}."
        raise Problem(422, said, errors=[(name, "is unknown") for name in unknown])
    reads = [_READ.get(kinds.get(name, "moment"), str) for name in columns]
    rows: list[Row] = []
    for number, line in enumerate(lines[1:]):
        if len(line) != len(columns):
            raise Problem(422, f"Row {number} has {len(line)} cells, and the header {len(columns)}.")
        cells = zip(columns, reads, line, strict=True)
        rows.append({name: None if cell == "" else read(cell) for name, read, cell in cells})
    return rows


def _number(cell: str) -> object:
    """The number a cell says; the text itself where it says none, for the signature to refuse."""
    for read in (int, float):
        try:
            return cell if "_" in cell else read(cell)
        except ValueError:
            continue
    return cell


_READ: Mapping[str, Callable[[str], object]] = {
    "number": _number,
    "boolean": lambda cell: _TRUTHS.get(cell.strip().lower(), cell),
}


def _refuse_doubled(columns: Sequence[str], where: str) -> None:
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise Problem(422, f"{where} names {name!r} twice.")
        seen.add(name)
