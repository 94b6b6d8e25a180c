"""Predictions kept: appended to the log before they are answered, moved into the lake exactly once.

A landing is announced in the ledger before the lake is written (`rows` 0, `delta` the lake's version until then), and
confirmed after (`rows` above 0). Whoever finds an announcement without confirmation does the same landing again, under
the same token, which the lake applies once: so a process may die anywhere in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.deploy.answering import Answer
from rondo.deploy.resolving import newest_signature
from rondo.features.signature import Signature, kind_of
from rondo.records.deployment import PredictionsLanded, Role
from rondo.records.tables import Scalar
from rondo.records.versions import model_version
from rondo.store.ledger import LedgerReader
from rondo.store.locks import held
from rondo.store.log import PredictionLog
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

OWN = (
    "id", "version", "role", "moment", "at", "score", "value", "scores", "label", "latency_ms", "caller", "missing",
    "stale",
)  # fmt: skip
"""Columns of every prediction. A key or input of such a name is stored as `key.NAME` or `input.NAME`."""
LANDED_AT_ONCE = 50_000
INT64 = range(-(2**63), 2**63)
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


class Logged(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A prediction in the log. `request` holds the fields of the row as read, `features` what was found for it."""

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


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Logged)


def stream_of(model: str) -> str:
    """The log's stream of a model's predictions."""
    return f"predictions/{model}"


def path_of(model: str) -> str:
    """Where a model's predictions are in the lake."""
    return f"predictions/{model}"


def record(
    log: PredictionLog, model: str, answers: Sequence[Answer], *, caller: str | None, latency_ms: float | None
) -> None:
    """Appends the answers of one request; when it returns they are safe. Raises LogFull, StoreError."""
    logged = [logged_of(answer, caller=caller, latency_ms=latency_ms) for answer in answers]
    log.append(stream_of(model), [payload_of(each) for each in logged])


def logged_of(answer: Answer, *, caller: str | None, latency_ms: float | None) -> Logged:
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
    )


def payload_of(logged: Logged) -> bytes:
    """The bytes of a logged prediction. A whole number beyond 64 bits is kept as the nearest double."""
    try:
        return _encoder.encode(logged)
    except OverflowError:
        request, features = _narrow(logged.request), _narrow(logged.features)
        return _encoder.encode(msgspec.structs.replace(logged, request=request, features=features))


def _narrow(values: Mapping[str, object]) -> dict[str, Any]:
    return {
        name: float(value) if isinstance(value, int) and value not in INT64 else value for name, value in values.items()
    }


def compact(store: Store, signature: Signature, *, by: str, now: datetime) -> PredictionsLanded | None:
    """Moves what is logged of a model into the lake, and gives the last landing; None where nothing was waiting.

    `signature` (the newest version's) says the types; columns are added when it changes.
    """
    model, newest = signature.model, None
    with _alone(store, model):
        _finish(store, signature, by=by, now=now)
        while True:
            landed = landings(store.ledger, model)[0]
            there = set(store.log.segments(stream_of(model)))
            since = {segment: end for segment, end in (landed.segments if landed else {}).items() if segment in there}
            waiting = islice(store.log.read(stream_of(model), since), LANDED_AT_ONCE)
            segments = {segment: end for segment, end, _ in waiting}
            if not segments:
                break
            announced = PredictionsLanded(
                name=model, rows=0, delta=_version(store, model), segments={**since, **segments}
            )
            store.ledger.append(announced, by=by, at=now)
            newest = _finish(store, signature, by=by, now=now)
        _drop(store, model)
    return newest


def landings(ledger: LedgerReader, model: str) -> tuple[PredictionsLanded | None, tuple[int, PredictionsLanded] | None]:
    """The last confirmed landing, and the announcement after it that nobody confirmed yet, with its seq."""
    confirmed: PredictionsLanded | None = None
    newest = ledger.entries(PredictionsLanded, name=model, limit=2, newest_first=True)
    announced = (newest[0].seq, newest[0].record) if newest and newest[0].record.rows == 0 else None
    for entry in newest:
        if entry.record.rows > 0:
            confirmed = entry.record
            break
    return confirmed, announced


def uncompacted(store: Store, model: str) -> pa.Table | None:
    """What is logged and not in the lake yet, in the lake's columns; None where there is nothing."""
    confirmed, announced = landings(store.ledger, model)
    since = confirmed.segments if confirmed else {}
    if announced is not None and _version(store, model) > announced[1].delta:
        since = announced[1].segments  # in the lake, not confirmed
    logged = [_decoder.decode(payload) for _, _, payload in store.log.read(stream_of(model), since)]
    if not logged:
        return None
    return table_of(model, logged, newest_signature(store, model), _stored(store, model))


def find(store: Store, model: str, identity: str) -> Logged | None:
    """A prediction by its id, from the log or the lake; None where no answer bears it."""
    confirmed, _ = landings(store.ledger, model)
    for _, _, payload in store.log.read(stream_of(model), confirmed.segments if confirmed else {}):
        logged: Logged = _decoder.decode(payload)
        if logged.id == identity:
            return logged
    return _in_lake(store, model, identity)


def identify(store: Store, model: str, identity: str) -> tuple[dict[str, Any], datetime] | None:
    """The key and the moment that a prediction was asked about; None where no answer bears this id."""
    logged, signature = find(store, model, identity), newest_signature(store, model)
    if logged is None or signature is None:
        return None
    return {column.name: logged.request.get(column.name) for column in signature.key}, logged.moment


def _in_lake(store: Store, model: str, identity: str) -> Logged | None:
    if store.lake.version(path_of(model)) is None:
        return None
    import pyarrow.dataset as ds

    files = store.lake.files(path_of(model))
    schema = store.lake.schema(path_of(model))
    found = ds.dataset(files, schema=schema, format="parquet").to_table(filter=ds.field("id") == identity).to_pylist()
    if not found:
        return None
    row = found[0]
    values = {name.removeprefix("key.").removeprefix("input."): row[name] for name in row if name not in OWN}
    return Logged(
        request=values,
        features=values,
        scores=dict(row["scores"]) if row.get("scores") else None,
        version=int(str(row["version"]).rpartition("@")[2]),
        **{name: row.get(name) for name in OWN if name not in ("version", "scores")},
    )


def _alone(store: Store, model: str) -> AbstractContextManager[None]:
    return held(store.folder / "predictions" / f".{model}.lock")


def _version(store: Store, model: str) -> int:
    version = store.lake.version(path_of(model))
    return -1 if version is None else version


def _stored(store: Store, model: str) -> pa.Schema | None:
    return None if store.lake.version(path_of(model)) is None else store.lake.schema(path_of(model))


def _finish(store: Store, signature: Signature, *, by: str, now: datetime) -> PredictionsLanded | None:
    """Does the landing that was announced and not confirmed, if there is one."""
    model = signature.model
    confirmed, announced = landings(store.ledger, model)
    if announced is None:
        return None
    seq, landing = announced
    since = confirmed.segments if confirmed else {}
    logged = [_decoder.decode(payload) for payload in _between(store.log, model, since, landing.segments)]
    rows = table_of(model, logged, signature, _stored(store, model))
    written = store.lake.write(path_of(model), rows, mode="append", token=(stream_of(model), seq))
    done = msgspec.structs.replace(landing, rows=len(logged), delta=written.version)
    store.ledger.append(done, by=by, at=now)
    return done


def _between(log: PredictionLog, model: str, since: Mapping[str, int], until: Mapping[str, int]) -> Iterator[bytes]:
    for segment, end, payload in log.read(stream_of(model), since):
        if end <= until.get(segment, 0):
            yield payload


def _drop(store: Store, model: str) -> None:
    """Removes segments that are finished and in the lake."""
    confirmed, _ = landings(store.ledger, model)
    for segment, end in (confirmed.segments if confirmed else {}).items():
        store.log.drop(stream_of(model), segment, end)


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
