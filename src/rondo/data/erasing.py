"""Outcomes taken away: those of forgotten keys, which what sources still hold must not bring back, and old reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.data.labels import API, STREAM, Reported, column_of, decode, outcomes_alone, path_of
from rondo.project.models import Model
from rondo.project.reading import Project
from rondo.records.tables import CARRIED, ColumnProfile, Dataset, OutcomesLanded, Profile, Scalar
from rondo.store.opening import Store
from rondo.store.pseudonyms import Forgotten, text_of, typed_value

if TYPE_CHECKING:
    import pyarrow as pa

Questions = Mapping[str, tuple[Mapping[str, object], datetime]]
"""Predictions by id: the key and the moment that each was asked about."""


@dataclass(frozen=True)
class OutcomesHeld:
    """What says which outcomes go: those of a forgotten key, and those of a forgotten question or prediction."""

    model: str
    key: tuple[str, ...]
    types: Mapping[str, str]
    time: str | None
    forgotten: Forgotten
    ids: frozenset[str]
    asked: frozenset[tuple[str | None, ...]]

    def of_report(self, reported: Reported) -> bool:
        """Whether a payload of the inbox goes."""
        if reported.id is not None:
            return reported.id in self.ids
        return reported.model == self.model and self.of_question(reported.key or {}, reported.moment)

    def of_question(self, key: Mapping[str, object], moment: datetime | None) -> bool:
        """Whether the outcome of a question goes."""
        columns = self.forgotten.columns
        if columns.keys() <= key.keys() and self.forgotten.holds(tuple([key[name] for name in columns])):
            return True
        return self.identity(key, moment) in self.asked

    def identity(self, key: Mapping[str, object], moment: datetime | None) -> tuple[str | None, ...]:
        """What a question is known by."""
        at = moment if self.time else None
        given = [key.get(name, at if name == self.time else None) for name in self.key]
        zone = self.forgotten.timezone
        typed = [typed_value(value, self.types[name], zone) for value, name in zip(given, self.key, strict=True)]
        return (*map(text_of, typed), text_of(at))

    def of_rows(self, rows: pa.Table) -> list[bool]:
        """Which rows of `outcomes/MODEL` go."""
        columns = [rows.column(column_of(name)).to_pylist() for name in self.key]
        ids, moments = rows.column("prediction").to_pylist(), rows.column("moment").to_pylist()
        keys = zip(*columns, strict=True) if columns else [()] * rows.num_rows
        return [
            identity in self.ids or self.of_question(dict(zip(self.key, key, strict=True)), moment)
            for identity, moment, key in zip(ids, moments, keys, strict=True)
        ]


def outcomes_held(
    model: Model, project: Project, types: Mapping[str, str], forgotten: Forgotten, questions: Questions
) -> OutcomesHeld:
    """The outcomes of forgotten keys; `questions` are the predictions of them, while these are still there."""
    examples = project.tables[model.examples]
    held = OutcomesHeld(
        model.name, tuple(examples.key), types, examples.time, forgotten, frozenset(questions), frozenset()
    )
    whole = [held.identity(key, moment) for key, moment in questions.values() if held.key]
    asked = frozenset(each for each in whole if None not in each[: len(held.key)])
    return OutcomesHeld(model.name, held.key, types, examples.time, forgotten, held.ids, asked)


def count_outcomes(store: Store, held: OutcomesHeld) -> dict[str, int]:
    """How many payloads of the inbox and rows of the lake would go."""
    found = {"reported": 0, "outcomes": 0}
    for _, _, payload in store.log.read(STREAM):
        found["reported"] += held.of_report(decode(payload))
    path = path_of(held.model)
    if store.lake.version(path) is not None:
        import pyarrow.dataset as ds

        rows = ds.dataset(store.lake.files(path), schema=store.lake.schema(path), format="parquet")
        found["outcomes"] = sum(sum(held.of_rows(_table(batch))) for batch in rows.to_batches(columns=_columns(held)))
    return found


def erase_outcomes(store: Store, held: OutcomesHeld) -> dict[str, int]:
    """Erases them from the inbox and the lake, with all its versions; gives how many. Doing it again completes it."""
    with outcomes_alone(store, held.model):
        reported = store.log.erase(STREAM, lambda payload: held.of_report(decode(payload)))
        return {
            "reported": reported,
            "outcomes": store.lake.erase(path_of(held.model), _columns(held), held.of_rows),
        }


def erase_datasets(store: Store, model: str, forgotten: Forgotten) -> int:
    """Erases forgotten keys from every frozen dataset of a model; gives how many rows the newest one had."""
    erased = 0
    for path, names in _datasets(store, model, forgotten).items():
        erased += store.lake.erase(path, names, lambda rows: dataset_marks(rows, forgotten))
    return erased


def count_datasets(store: Store, model: str, forgotten: Forgotten) -> int:
    """How many rows of the newest dataset of a model are of forgotten keys."""
    import pyarrow.dataset as ds

    found = 0
    for path, names in _datasets(store, model, forgotten).items():
        rows = ds.dataset(store.lake.files(path), schema=store.lake.schema(path), format="parquet")
        there = [name for name in names if name in rows.schema.names]
        found += sum(sum(dataset_marks(_table(batch), forgotten)) for batch in rows.to_batches(columns=there))
    return found


def dataset_marks(rows: pa.Table, forgotten: Forgotten) -> list[bool]:
    """Which rows of a dataset are of forgotten keys; none where it lacks a column of theirs."""
    columns = []
    for name in forgotten.columns:
        values: list[object] = [None] * rows.num_rows
        for column in (name, CARRIED + name):
            if column in rows.column_names:
                given = rows.column(column).to_pylist()
                values = [new if old is None else old for old, new in zip(values, given, strict=True)]
        columns.append(values)
    return [forgotten.holds(values) for values in zip(*columns, strict=True)]


def redact_profiles(store: Store, forgotten: Forgotten) -> int:
    """Takes a key of one column out of what profiles quote (least, greatest, frequent values); gives how many did."""
    if len(forgotten.columns) != 1:
        return 0  # a value of one column is not the key
    [name] = forgotten.columns

    def kept(value: Scalar) -> Scalar:
        return None if forgotten.holds((value,)) else value

    def without(column: ColumnProfile) -> ColumnProfile:
        if column.name != name:
            return column
        return msgspec.structs.replace(
            column,
            min=kept(column.min),
            max=kept(column.max),
            quantiles=column.quantiles and {share: kept(value) for share, value in column.quantiles.items()},
            top=column.top and [each for each in column.top if not forgotten.holds((each.value,))],
        )

    return store.ledger.redact(
        Profile, lambda profile: msgspec.structs.replace(profile, columns=list(map(without, profile.columns)))
    )


def expire_inbox(project: Project, store: Store, *, keep_s: int, now: datetime) -> int:
    """Drops segments of the inbox that every model has taken in, and whose last report is older than `keep_s`."""
    before = now - timedelta(seconds=keep_s)
    read: list[Mapping[str, int]] = []
    for name in project.models:
        last = store.ledger.latest(OutcomesLanded, name=name, where={"source": API})
        read.append(last.record.segments if last else {})
    young = {segment for segment, _, payload in store.log.read(STREAM) if decode(payload).received >= before}
    dropped = 0
    for segment in store.log.segments(STREAM):
        landed = min((each.get(segment, 0) for each in read), default=0)
        if landed and segment not in young:
            dropped += store.log.drop(STREAM, segment, landed)
    return dropped


def _datasets(store: Store, model: str, forgotten: Forgotten) -> dict[str, list[str]]:
    """Where a model's datasets are in the lake, with the names that columns of the keys may have there."""
    paths = {entry.record.path for entry in store.ledger.entries(Dataset, name=model)}
    names = [each for name in forgotten.columns for each in (name, CARRIED + name)]
    return {path: names for path in sorted(paths) if store.lake.version(path) is not None}


def _columns(held: OutcomesHeld) -> Sequence[str]:
    return [*map(column_of, held.key), "moment", "prediction"]


def _table(batch: Any) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches([batch])
