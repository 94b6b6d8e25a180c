"""A dataset's rows as a trainer takes them: fed columns encoded, labels as numbers, days as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from rondo.errors import BuildError, DeclarationError, WrongUse
from rondo.features.signature import Signature, kind_of
from rondo.models.encoding import Encoder, encode_table, fit_encoder
from rondo.project.models import Task
from rondo.records.tables import POSITION, Dataset, Scalar
from rondo.stats.days import days_of as local_days
from rondo.stats.results import Floats, Ints
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
SHOWN = 10
"""At most so many label values are named in a message."""


@dataclass(frozen=True)
class Rows:
    """Rows to learn from or be judged on: matrix (n, columns), y (n,), and each row's day, where there is time."""

    matrix: Floats
    y: Floats
    days: Ints | None

    def __len__(self) -> int:
        return len(self.y)


def labelled(
    dataset: Dataset, store: Store, part: Part | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of a part (None: of all parts) whose label is known, in the order they were frozen.

    `columns` are left out of the read where not named. Raises BuildError where the lake's rows lack one.
    """
    schema = store.lake.schema(dataset.path, dataset.delta)
    names = list(schema.names if columns is None else columns)
    if missing := [name for name in names if name not in schema.names]:
        raise BuildError(
            f"The dataset of {dataset.name} has no column {missing[0]!r}.", next_step="Run `rondo run`: it is stale."
        )
    return _labelled(store.lake.files(dataset.path, dataset.delta), schema, part, names)


def encoded(
    dataset: Dataset, store: Store, part: Part, signature: Signature, encoder: Encoder | None = None, *, sample: int = 0
) -> tuple[Rows, Encoder, pa.Table]:
    """A part made ready with the encoder it is fed by (without one, fitted to it), and `sample` rows spread over it.

    Read and encoded a column at a time: beside the matrix one column is in memory, however long the part is.
    """
    import pyarrow as pa

    schema, files = store.lake.schema(dataset.path, dataset.delta), store.lake.files(dataset.path, dataset.delta)
    rows = _labelled(files, schema, part, ["label", *(["moment"] if signature.time else [])])
    matrix = np.full((rows.num_rows, len(signature.fed)), np.nan)
    spread = np.unique(np.linspace(0, rows.num_rows - 1, min(sample, rows.num_rows)).astype(np.int64))
    codings, taken = [], {}
    for place, column in enumerate(signature.fed):
        read = _labelled(files, schema, part, [column.name])
        coding = encoder.columns[place] if encoder else fit_encoder(read, [column]).columns[0]
        matrix[:, place] = encode_table(Encoder((coding,)), read)[:, 0]
        codings.append(coding)
        taken[column.name] = read.column(column.name).take(pa.array(spread))
    days = days_of(rows.column("moment"), signature.timezone) if signature.time else None
    ready = Rows(matrix, target(rows.column("label"), signature), days)
    return ready, Encoder(tuple(codings)), pa.table(taken)


def _labelled(files: Sequence[str], schema: pa.Schema, part: Part | None, names: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = []
    place = [POSITION] if POSITION in schema.names and POSITION not in names else []
    for batch in _batches(files, [*names, *place, "split", "label"]):
        split = batch.column("split")
        wanted = pc.is_valid(split) if part is None else pc.equal(split, part)
        kept.append(batch.filter(pc.and_kleene(wanted, pc.is_valid(batch.column("label")))).select([*names, *place]))
    wanted_schema = pa.schema([schema.field(name) for name in [*names, *place]])
    rows = pa.Table.from_batches(
        [pa.record_batch(b.columns, names=wanted_schema.names).cast(wanted_schema) for b in kept], wanted_schema
    )
    by_name = dict(zip(rows.column_names, rows.columns, strict=True))
    del kept, rows
    _put_in_place(by_name)
    return pa.table({name: by_name[name] for name in names}, pa.schema([schema.field(name) for name in names]))


def _put_in_place(columns: dict[str, pa.ChunkedArray]) -> None:
    """Put the rows in their place, a column at a time: never two of the whole table in memory."""
    import pyarrow as pa

    if POSITION not in columns:
        return
    places = columns[POSITION].to_numpy()
    if (places[1:] > places[:-1]).all():
        return
    order = pa.array(np.argsort(places, kind="stable"))
    for name in columns:
        columns[name] = columns[name].take(order)


def _batches(files: Sequence[str], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows in the order they were written. (A scan by pyarrow.dataset gives row groups as they come.)

    Delta numbers the files of one commit in the order of their rows, and adds a random id behind.
    """
    import pyarrow.parquet as pq

    for file in sorted(files):
        with pq.ParquetFile(file) as opened:
            yield from opened.iter_batches(columns=list(dict.fromkeys(columns)))


def with_classes(signature: Signature, task: Task, labels: pa.ChunkedArray) -> Signature:
    """The signature with the classes that these labels show.

    Raises DeclarationError where they do not fit the task or `positive` is not among them, BuildError where a class
    is missing to learn from.
    """
    kind = kind_of(signature.label.type)
    if task.kind == "regression":
        if kind != "number":
            raise DeclarationError(
                f"The label {task.label!r} is {signature.label.type}, and regression predicts a number.",
                next_step="Use rd.binary or rd.multiclass, or make the label a number.",
            )
        return msgspec.structs.replace(signature, classes=())
    if kind not in ("number", "boolean", "text"):
        raise DeclarationError(
            f"The label {task.label!r} is {signature.label.type}: neither text, number nor truth value.",
            next_step="Cast it in the examples' SQL.",
        )
    seen = sorted((_scalar(value) for value in labels.unique().to_pylist() if value is not None), key=_order)
    classes = _binary(task, seen) if task.kind == "binary" else seen
    if len(classes) < 2:
        what = f"is {classes[0]!r} in all rows" if classes else "is known of no row"
        raise BuildError(
            f"There is nothing to learn: the label {task.label!r} {what}.", next_step="Bring examples of both kinds."
        )
    return msgspec.structs.replace(signature, classes=tuple(classes))


def target(labels: pa.ChunkedArray, signature: Signature) -> Floats:
    """Labels as numbers (n,): values, or places among the classes. Raises WrongUse for a value that is no class."""
    if signature.task == "regression":
        y = np.array([float(value) for value in labels.to_pylist()], dtype=np.float64)
        if not np.isfinite(y).all():
            raise BuildError(
                f"The label {signature.label.name!r} is not finite in {np.count_nonzero(~np.isfinite(y))} rows.",
                next_step="Make these null or leave the rows out.",
            )
        return y
    place = {_typed(value): number for number, value in enumerate(signature.classes)}
    encoded = labels.combine_chunks().dictionary_encode()
    values = [_scalar(value) for value in encoded.dictionary.to_pylist()]
    if strange := [value for value in values if _typed(value) not in place]:
        raise WrongUse(
            f"The label {signature.label.name!r} holds {_named(strange)}; the model knows {_named(signature.classes)}.",
            next_step="Leave these rows out, or train the model on such labels.",
        )
    numbers = np.array([place[_typed(value)] for value in values], dtype=np.float64)
    return numbers[np.asarray(encoded.indices)] if len(labels) else np.empty(0)


def rows_of(table: pa.Table, signature: Signature, encoder: Encoder) -> Rows:
    """A table of labelled rows (fed columns, `label`, and `moment` if timed) made ready."""
    timed = "moment" in table.column_names
    days = days_of(table.column("moment"), signature.timezone) if timed else None
    return Rows(encode_table(encoder, table), target(table.column("label"), signature), days)


def days_of(moments: pa.ChunkedArray, timezone: str) -> Ints:
    """The day of each moment (n,) in a timezone, counted from 1970."""
    import pyarrow as pa

    us = np.asarray(moments.cast(pa.timestamp("us", moments.type.tz)).cast(pa.int64()).to_numpy(), dtype=np.int64)
    return local_days(us, timezone)


def _binary(task: Task, seen: Sequence[Scalar]) -> Sequence[Scalar]:
    if len(seen) > 2:
        raise DeclarationError(
            f"The label {task.label!r} has {len(seen)} values ({_named(seen)}), and rd.binary means two.",
            next_step="Use rd.multiclass, or make two of them in the examples' SQL.",
        )
    if task.positive is None or not seen:
        return seen
    positive = [value for value in seen if _typed(value) == _typed(task.positive)]
    if not positive:
        raise DeclarationError(
            f"positive is {task.positive!r}, which the label {task.label!r} never is; its values: {_named(seen)}.",
            next_step=f"Write rd.binary({task.label!r}, positive={seen[-1]!r}), or mend the label.",
        )
    return [value for value in seen if value is not positive[0]] + positive


def _scalar(value: object) -> Scalar:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, str | int | float) else str(value)


def _typed(value: object) -> tuple[str, object]:
    """A value that equals another only where its kind does: 1 is 1.0, but neither True nor '1'."""
    kind = "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text"
    return kind, value


def _order(value: Scalar) -> tuple[bool, Scalar]:
    return value != value, value


def _named(values: Sequence[Scalar]) -> str:
    return ", ".join(repr(value) for value in values[:SHOWN]) + (", …" if len(values) > SHOWN else "")
