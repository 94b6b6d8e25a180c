"""Predictions kept: appended to the log before they are answered, moved into the lake exactly once.

A landing is announced in the ledger before the lake is written (`rows` 0, `delta` the lake's version until then), and
confirmed after (`rows` above 0). Whoever finds an announcement without confirmation does the same landing again, under
the same token, which the lake applies once: so a process may die anywhere in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.deploy.answering import Answer
from rondo.deploy.logged import OWN, Logged, answer_payload, decode, id_of, table_of
from rondo.deploy.resolving import newest_signature
from rondo.errors import NotFound
from rondo.features.signature import Signature
from rondo.records.deployment import PredictionsLanded
from rondo.sql.engine import connect, literal, relation_of_files
from rondo.store.ledger import LedgerReader
from rondo.store.locks import held
from rondo.store.log import PredictionLog, Written
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

LANDED_AT_ONCE = 50_000
FILES_JOINED = 100
UNREAD_S = 3600
"""Files that were joined are deleted so long after: a query that began before may still read them."""

Question = tuple[dict[str, Any], datetime]
"""The key and the moment that a prediction was asked about."""


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
    log.append(stream_of(model), [answer_payload(answer, caller, latency_ms) for answer in answers])


def write(
    log: PredictionLog,
    model: str,
    answers: Sequence[Answer],
    caller: str | None,
    latency_ms: float | None,
    trace: str | None = None,
) -> Written | None:
    """`record`, but for the disk: a coroutine then awaits `log.safe` of what this gives."""
    return log.write(stream_of(model), [answer_payload(answer, caller, latency_ms, trace) for answer in answers])


def compact(store: Store, signature: Signature, *, by: str, now: datetime) -> PredictionsLanded | None:
    """Moves what is logged of a model into the lake, and gives the last landing; None where nothing was waiting.

    `signature` (the newest version's) says the types; columns are added when it changes.
    """
    model, newest = signature.model, None
    with alone(store, model):
        finish_landing(store, signature, by=by, now=now)
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
            newest = finish_landing(store, signature, by=by, now=now)
        _drop(store, model)
        if newest is not None and len(store.lake.files(path_of(model))) > FILES_JOINED:
            store.lake.tidy(path_of(model), unread_s=UNREAD_S)
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
    logged = [decode(payload) for _, _, payload in store.log.read(stream_of(model), _landed(store, model))]
    if not logged:
        return None
    return table_of(model, logged, newest_signature(store, model), _stored(store, model))


def given(store: Store, model: str) -> int:
    """How many predictions were given: those that landed, by the ledger, and those that are logged since."""
    landed = sum(entry.record.rows for entry in store.ledger.entries(PredictionsLanded, name=model))
    return landed + sum(1 for _ in store.log.read(stream_of(model), _landed(store, model)))


def _landed(store: Store, model: str) -> Mapping[str, int]:
    """How far the log's segments are in the lake, confirmed or not."""
    confirmed, announced = landings(store.ledger, model)
    if announced is not None and _version(store, model) > announced[1].delta:
        return announced[1].segments
    return confirmed.segments if confirmed else {}


def find(store: Store, model: str, identity: str) -> Logged | None:
    """A prediction by its id, from the log or the lake; None where no answer bears it."""
    confirmed, _ = landings(store.ledger, model)
    since = confirmed.segments if confirmed else {}
    for _, _, payload in store.log.read(stream_of(model), since, holding=identity.encode()):
        if id_of(payload) == identity:
            return decode(payload)
    return _one_in_lake(store, model, identity)


def identify(store: Store, model: str, ids: Collection[str]) -> dict[str, Question]:
    """The key and the moment that each of these predictions was asked about; ids that no answer bears are left out."""
    signature, wanted = newest_signature(store, model), set(ids)
    if signature is None or not wanted:
        return {}
    confirmed, _ = landings(store.ledger, model)
    logged = [
        decode(payload)
        for _, _, payload in store.log.read(stream_of(model), confirmed.segments if confirmed else {})
        if id_of(payload) in wanted
    ]
    logged += _in_lake(store, model, wanted - {each.id for each in logged})
    keys = [column.name for column in signature.key]
    return {each.id: ({name: each.request.get(name) for name in keys}, each.moment) for each in logged}


def answered_last(store: Store, model: str, rows: int) -> list[Logged]:
    """The last so many answers that production gave and that are in the lake, oldest first."""
    if store.lake.version(path_of(model)) is None:
        return []
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    files, schema = store.lake.files(path_of(model)), store.lake.schema(path_of(model))
    answers = ds.dataset(files, schema=schema, format="parquet").filter(ds.field("role") == "production")
    times = answers.to_table(columns=["at"]).column("at")  # eight bytes a row: ids only of those that may count
    if len(times) > rows:
        since = times.take(pc.select_k_unstable(times, rows, [("at", "descending")])[-1:])[0]
        answers = answers.filter(ds.field("at") >= since)
    newest = answers.to_table(columns=["at", "moment", "id"]).sort_by(
        [("at", "descending"), ("moment", "descending"), ("id", "descending")]
    )
    ids = newest.column("id")[:rows].to_pylist()[::-1]
    found = {each.id: each for each in _in_lake(store, model, ids)}
    return [found[each] for each in ids]


def _in_lake(store: Store, model: str, ids: Collection[str]) -> list[Logged]:
    if not ids or store.lake.version(path_of(model)) is None:
        return []
    import pyarrow.dataset as ds

    column, schema = ds.field("id"), store.lake.schema(path_of(model))
    # Ids sort by time, as the files do: the bounds leave most of them unread.
    wanted = (column >= min(ids)) & (column <= max(ids)) & column.isin(sorted(ids))
    found = ds.dataset(store.lake.files(path_of(model)), schema=schema, format="parquet").to_table(filter=wanted)
    return [logged_of_row(row) for row in found.to_pylist()]


def _one_in_lake(store: Store, model: str, identity: str) -> Logged | None:
    """A prediction in the lake by its id.

    By DuckDB, which reads the ids of a file and of every other column no more than the page of that row: pyarrow would
    decode all columns of a quarter of a million rows for it.
    """
    try:
        written = store.lake.files(path_of(model))
    except NotFound:  # nothing has landed yet; to ask first would list every commit twice
        return None
    files = [file for file in written if _may_hold(_ids_of(file), identity)]
    if not files:
        return None
    con = connect(timezone="UTC", threads=1)
    try:
        query = f"select * from {relation_of_files(files)} where id = {literal(identity)} limit 1"
        found = con.sql(query).to_arrow_table().to_pylist()
    finally:
        con.close()
    return logged_of_row(found[0]) if found else None


def _may_hold(ids: tuple[str, str] | None, identity: str) -> bool:
    return ids is None or ids[0] <= identity <= ids[1]


@lru_cache(maxsize=4096)
def _ids_of(file: str) -> tuple[str, str] | None:
    """The least and the greatest id of a file of the lake, where it says. A file only ever loses rows."""
    from pyarrow import parquet

    about = parquet.read_metadata(file)
    place = about.schema.names.index("id")
    told = [about.row_group(group).column(place).statistics for group in range(about.num_row_groups)]
    if not all(each is not None and each.has_min_max for each in told):
        return None
    return min((each.min for each in told), default=""), max((each.max for each in told), default="")


def logged_of_row(row: Mapping[str, Any]) -> Logged:
    """A row of the lake as it was logged."""
    values = {name.removeprefix("key.").removeprefix("input."): row[name] for name in row if name not in OWN}
    own: dict[str, Any] = {name: row.get(name) for name in OWN}
    own["version"] = int(str(row["version"]).rpartition("@")[2])
    own["scores"] = dict(row["scores"]) if row.get("scores") else None
    return Logged(request=values, features=values, **own)


def alone(store: Store, model: str) -> AbstractContextManager[None]:
    """While this is held nobody else moves a model's predictions or takes any away."""
    return held(store.folder / "predictions" / f".{model}.lock")


def _version(store: Store, model: str) -> int:
    version = store.lake.version(path_of(model))
    return -1 if version is None else version


def _stored(store: Store, model: str) -> pa.Schema | None:
    return None if store.lake.version(path_of(model)) is None else store.lake.schema(path_of(model))


def finish_landing(store: Store, signature: Signature, *, by: str, now: datetime) -> PredictionsLanded | None:
    """Does the landing that was announced and not confirmed, if there is one."""
    model = signature.model
    confirmed, announced = landings(store.ledger, model)
    if announced is None:
        return None
    seq, landing = announced
    since = confirmed.segments if confirmed else {}
    logged = [decode(payload) for payload in _between(store.log, model, since, landing.segments)]
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
    """Removes segments that are finished and in the lake, or hold nothing that can be read."""
    confirmed, _ = landings(store.ledger, model)
    landed = confirmed.segments if confirmed else {}
    for segment in store.log.segments(stream_of(model)):
        store.log.drop(stream_of(model), segment, landed.get(segment, 0))
