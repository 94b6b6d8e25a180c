"""A prediction as it is kept: bytes in the log, columns in the lake."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.deploy.answering import Answer
from rondo.features.signature import Signature, kind_of
from rondo.records.deployment import Role
from rondo.records.tables import Scalar
from rondo.records.versions import model_version

if TYPE_CHECKING:
    import pyarrow as pa

OWN = (
    "id", "version", "role", "moment", "at", "score", "value", "scores", "label", "latency_ms", "caller", "missing",
    "stale", "beside", "trace",
)  # fmt: skip
"""Columns of every prediction. A key or input of such a name is stored as `key.NAME` or `input.NAME`."""
INT64 = range(-(2**63), 2**63)
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


class Logged(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A prediction in the log. `request` holds the fields of the row as read, `features` what was found for it.

    `beside` is the id of the answer that this one was scored beside; None for an answer that was given. `trace` is the
    request's trace id (W3C Trace Context). Fields are only added, at the end and with a default: segments written
    before are read for ever.
    """

    id: str
    version: int
    role: Role | None
    moment: datetime
    at: datetime
    request: dict[str, Any]
    features: dict[str, Any]
    score: float | None
    value: float | None
    scores: dict[str, float] | None
    label: Scalar
    missing: int
    stale: int
    latency_ms: float | None
    caller: str | None
    beside: str | None = None
    trace: str | None = None


class _Identity(msgspec.Struct, array_like=True):
    id: str


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Logged).decode
_identity = msgspec.msgpack.Decoder(_Identity).decode


def logged_of(answer: Answer, *, caller: str | None, latency_ms: float | None, trace: str | None = None) -> Logged:
    """An answer as the log keeps it."""
    return Logged(
        id=answer.id,
        version=answer.version,
        role=answer.role,
        moment=answer.moment,
        at=answer.at,
        request=dict(answer.inputs),
        features=dict(answer.features),
        score=answer.score,
        value=answer.value,
        scores=None if answer.scores is None else dict(answer.scores),
        label=answer.label,
        missing=answer.missing,
        stale=answer.stale,
        latency_ms=latency_ms,
        caller=caller,
        beside=answer.beside,
        trace=trace,
    )


def answer_of(logged: Logged, signature: Signature) -> Answer:
    """A logged prediction as the answer it was; `signature` is that of its version."""
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
        fed=[values.get(column.name) for column in signature.fed],
        score=logged.score,
        value=logged.value,
        scores=logged.scores,
        label=logged.label,
        missing=logged.missing,
        stale=logged.stale,
        beside=logged.beside,
    )


def payload_of(logged: Logged) -> bytes:
    """The bytes of a logged prediction. A whole number beyond 64 bits is kept as the nearest double."""
    try:
        return _encode(logged)
    except OverflowError:
        request, features = _narrow(logged.request), _narrow(logged.features)
        return _encode(msgspec.structs.replace(logged, request=request, features=features))


def answer_payload(answer: Answer, caller: str | None, latency_ms: float | None, trace: str | None = None) -> bytes:
    """`payload_of(logged_of(answer))`, without the steps between: it is on the path of a request."""
    try:
        return _encode(
            (answer.id, answer.version, answer.role, answer.moment, answer.at, answer.inputs, answer.features,
             answer.score, answer.value, answer.scores, answer.label, answer.missing, answer.stale, latency_ms, caller,
             answer.beside, trace)
        )  # fmt: skip
    except OverflowError:
        return payload_of(logged_of(answer, caller=caller, latency_ms=latency_ms, trace=trace))


def id_of(payload: bytes) -> str:
    """The id of a logged prediction, without reading the rest."""
    return _identity(payload).id


def _narrow(values: Mapping[str, object]) -> dict[str, Any]:
    return {
        name: float(value) if isinstance(value, int) and value not in INT64 else value for name, value in values.items()
    }


def table_of(model: str, logged: Sequence[Logged], signature: Signature | None, stored: pa.Schema | None) -> pa.Table:
    """Predictions as the lake's columns: those of `OWN` that the task has, the request's fields, the features."""
    import pyarrow as pa

    own: dict[str, tuple[Iterable[object], pa.DataType]] = {
        "id": ((each.id for each in logged), pa.string()),
        "version": ((model_version(model, each.version) for each in logged), pa.string()),
        "role": ((each.role for each in logged), pa.string()),
        "moment": ((each.moment for each in logged), _moment_type()),
        "at": ((each.at for each in logged), _moment_type()),
    }
    outputs = _outputs(logged, signature)
    rest: dict[str, tuple[Iterable[object], pa.DataType]] = {
        "missing": ((each.missing for each in logged), pa.int64()),
        "stale": ((each.stale for each in logged), pa.int64()),
        "latency_ms": ((each.latency_ms for each in logged), pa.float64()),
        "caller": ((each.caller for each in logged), pa.string()),
        "beside": ((each.beside for each in logged), pa.string()),
        "trace": ((each.trace for each in logged), pa.string()),
    }
    types = _types(signature)
    columns = {name: pa.array(list(values), kind) for name, (values, kind) in own.items()}
    keys = {column.name for column in signature.key} if signature else set()
    for name in _names(logged, "request", [c.name for c in signature.request] if signature else []):
        prefix = "key" if name in keys else "input"
        _add(columns, column_of(name, prefix), [each.request.get(name) for each in logged], types.get(name), stored)
    for name in _names(logged, "features", [c.name for c in signature.fed] if signature else []):
        if name not in columns and f"input.{name}" not in columns and f"key.{name}" not in columns:
            _add(columns, column_of(name, "input"), [e.features.get(name) for e in logged], types.get(name), stored)
    for name, (values, kind) in outputs.items():
        _add(columns, name, list(values), kind, stored)
    columns |= {name: pa.array(list(values), kind) for name, (values, kind) in rest.items()}
    return pa.table(columns)


def column_of(name: str, prefix: str = "input") -> str:
    """Under which name a field of the request stands among the predictions."""
    return f"{prefix}.{name}" if name.casefold() in OWN else name


def _outputs(
    logged: Sequence[Logged], signature: Signature | None
) -> dict[str, tuple[Iterable[object], pa.DataType | None]]:
    import pyarrow as pa

    label = _type(signature.label.type) if signature else None
    found: dict[str, tuple[Iterable[object], pa.DataType | None]] = {}
    if any(each.score is not None for each in logged):
        found["score"] = ((each.score for each in logged), pa.float64())
    if any(each.value is not None for each in logged):
        found["value"] = ((each.value for each in logged), pa.float64())
    if any(each.scores is not None for each in logged):
        found["scores"] = ((each.scores for each in logged), pa.map_(pa.string(), pa.float64()))
    if any(each.label is not None for each in logged):
        found["label"] = ((each.label for each in logged), label)
    return found


def _names(logged: Sequence[Logged], part: str, known: Sequence[str]) -> list[str]:
    """Every name of a part, those of the signature first; rows of other versions may bring more."""
    names = dict.fromkeys(known if part == "request" else ())
    shapes = {tuple(getattr(each, part)) for each in logged}
    for shape in sorted(shapes):
        names |= dict.fromkeys(shape)
    return list(names)


def _types(signature: Signature | None) -> dict[str, pa.DataType]:
    if signature is None:
        return {}
    return {column.name: _type(column.type) for column in (*signature.fed, *signature.request)}


def _type(sql_type: str) -> pa.DataType:
    """What the lake stores for a SQL type."""
    import pyarrow as pa

    kind = kind_of(sql_type)
    if kind == "number":
        return pa.int64() if sql_type.upper() in _INTEGERS else pa.float64()
    if kind == "boolean":
        return pa.bool_()
    if kind == "moment":
        return pa.date32() if sql_type.upper() == "DATE" else _moment_type()
    return pa.string()


def _moment_type() -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("us", tz="UTC")


def _add(
    columns: dict[str, pa.Array], name: str, values: list[object], kind: pa.DataType | None, stored: pa.Schema | None
) -> None:
    """Adds a column in the type the lake has for it; where the values do not fit that, under the type's name too."""
    import pyarrow as pa

    before = stored.field(name).type if stored is not None and name in stored.names else None
    array = _fitted(values, before) if before is not None else None
    if array is None and kind is not None:
        array = _fitted(values, kind)
    if array is None:
        array = _fitted(values, None) or pa.array([None if v is None else str(v) for v in values], pa.string())
    columns[name if before in (None, array.type) else f"{name} ({array.type})"] = array


def _fitted(values: list[object], kind: pa.DataType | None) -> pa.Array | None:
    """The values in a type (None: the one they show), or None where they do not fit it."""
    import pyarrow as pa

    if kind is None and all(value is None for value in values):
        return None
    refused = (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError, OverflowError)
    try:
        return pa.array(values, kind)
    except refused:
        pass
    try:
        return None if kind is None else pa.array(list(map(_reads_as(kind), values)), kind)
    except refused:
        return None


def _reads_as(kind: pa.DataType) -> Callable[[Any], object]:
    """How a value of the log becomes one of a column: dates come as text, whole numbers may be written as floats."""
    import pyarrow as pa

    if pa.types.is_date(kind):
        return lambda value: date.fromisoformat(value) if isinstance(value, str) else value
    if pa.types.is_timestamp(kind):
        return lambda value: datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else value
    if pa.types.is_integer(kind):
        return lambda value: (
            int(value) if isinstance(value, float) and math.isfinite(value) and value.is_integer() else value
        )
    return lambda value: value
