"""Predictions taken away: those of forgotten keys, and those older than the project keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.deploy.logged import column_of, decode
from rondo.deploy.predictions import Question, alone, finish_landing, path_of, stream_of
from rondo.features.signature import Signature
from rondo.records.deployment import Rehearsal
from rondo.store.opening import Store
from rondo.store.pseudonyms import Forgotten

if TYPE_CHECKING:
    import pyarrow as pa

LEFT_OUT = "left out since keys were forgotten"
SLACK = 0.1
"""Rows are kept up to so much longer (a day at most), so that a file is not written again for every single one."""


def questions_of(store: Store, signature: Signature, forgotten: Forgotten) -> dict[str, Question]:
    """The predictions of forgotten keys that are in the log or the lake, by id: their key and moment."""
    found: dict[str, Question] = {}
    keys = [column.name for column in signature.key]
    for _, _, payload in store.log.read(stream_of(signature.model)):
        logged = decode(payload)
        if forgotten.holds(_asked(logged.request, forgotten)):
            found[logged.id] = {name: logged.request.get(name) for name in keys}, logged.moment
    for rows in _landed(store, signature.model, ["id", "moment"], [*forgotten.columns, *keys]):
        values = {name: _values(rows, name) for name in (*forgotten.columns, *keys)}
        for place, mark in enumerate(_marks(rows, forgotten)):
            if mark:
                key = {name: values[name][place] for name in keys}
                found[rows.column("id")[place].as_py()] = key, rows.column("moment")[place].as_py()
    return found


def erase_predictions(store: Store, signature: Signature, forgotten: Forgotten, *, by: str, now: datetime) -> None:
    """Erases the predictions of forgotten keys: from the log, that of running servers included, and from the lake
    with all its versions. Killed at any moment, it is completed by doing it again.
    """
    model = signature.model

    def gone(payload: bytes) -> bool:
        return forgotten.holds(_asked(decode(payload).request, forgotten))

    with alone(store, model):
        finish_landing(store, signature, by=by, now=now)  # it counts on what is in the log
        store.log.erase(stream_of(model), gone)
        names = _candidates(store, model, forgotten.columns)
        if names:
            store.lake.erase(path_of(model), names, lambda rows: _marks(rows, forgotten))


def redact_rehearsals(store: Store, model: str) -> int:
    """Takes out of a model's rehearsals which rows differed: they are told by their keys, in words."""

    def without(rehearsal: Rehearsal) -> Rehearsal:
        return msgspec.structs.replace(rehearsal, differences=[LEFT_OUT] if rehearsal.differences else [])

    return store.ledger.redact(Rehearsal, without, name=model)


def expire(store: Store, signature: Signature, *, keep_s: int, by: str, now: datetime) -> int:
    """Erases predictions given longer ago than `keep_s`, once the oldest is a tenth (a day at most) above it."""
    before, model = now - timedelta(seconds=keep_s), signature.model
    with alone(store, model):
        finish_landing(store, signature, by=by, now=now)
        if store.lake.version(path_of(model)) is None:
            return 0
        oldest = store.lake.least(path_of(model), "at")
        if oldest is None or oldest >= before - min(timedelta(days=1), SLACK * timedelta(seconds=keep_s)):
            return 0
        store.log.erase(stream_of(model), lambda payload: decode(payload).at < before)
        return store.lake.erase(path_of(model), ["at"], lambda rows: _earlier(rows, before))


def _asked(request: Mapping[str, Any], forgotten: Forgotten) -> tuple[object, ...]:
    return tuple([request.get(name) for name in forgotten.columns])


def _landed(store: Store, model: str, own: Sequence[str], fields: Iterable[str]) -> Iterable[pa.Table]:
    """The predictions of the lake, part after part: columns of every prediction, and those that hold fields."""
    if store.lake.version(path_of(model)) is None:
        return
    import pyarrow as pa
    import pyarrow.dataset as ds

    columns = [*own, *_candidates(store, model, fields)]
    rows = ds.dataset(store.lake.files(path_of(model)), schema=store.lake.schema(path_of(model)), format="parquet")
    for batch in rows.to_batches(columns=columns):
        yield pa.Table.from_batches([batch])


def _candidates(store: Store, model: str, fields: Iterable[str]) -> list[str]:
    """The lake's columns that hold these fields of requests: a type that changed has a column of its own."""
    if store.lake.version(path_of(model)) is None:
        return []
    there = store.lake.schema(path_of(model)).names
    return list(dict.fromkeys(chain.from_iterable(_names(there, field) for field in fields)))


def _names(there: Sequence[str], field: str) -> list[str]:
    bare = {column_of(field, "key"), column_of(field, "input")}
    return [name for name in there if name in bare or (name.endswith(")") and name.rpartition(" (")[0] in bare)]


def _values(rows: pa.Table, field: str) -> list[object]:
    """A field of every row, from whichever of its columns has it."""
    found: list[object] = [None] * rows.num_rows
    for name in _names(rows.column_names, field):
        given = rows.column(name).to_pylist()
        found = [new if old is None else old for old, new in zip(found, given, strict=True)]
    return found


def _marks(rows: pa.Table, forgotten: Forgotten) -> list[bool]:
    columns = [_values(rows, name) for name in forgotten.columns]
    return [forgotten.holds(values) for values in zip(*columns, strict=True)]


def _earlier(rows: pa.Table, before: datetime) -> list[bool]:
    import pyarrow as pa
    from pyarrow import compute

    marks = compute.less(rows.column("at"), pa.scalar(before, rows.column("at").type))
    return [mark is True for mark in marks.to_pylist()]
