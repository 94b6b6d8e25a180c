"""Sketches in the lake: one row for each column of a day's rows, in one table for each model.

What days hold is compared, merged to weeks and measured from here: raw rows are read once. A day is written whole and
its newest writing counts, so that doing it again, or dying before, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from rondo.stats.sketches import NumberSketch, Sketch, decoded, encoded
from rondo.store.lake import Lake

if TYPE_CHECKING:
    import pyarrow as pa

FILES_JOINED = 16
WRITTEN_AT_ONCE = 256
UNREAD_S = 3600
"""Files that were joined are deleted so long after: a query that began before may still read them."""


def days_path(model: str) -> str:
    """Where the days of a model's answered rows are."""
    return f"sketches/{model}"


def dataset_path(model: str) -> str:
    """Where the days of the training rows of its datasets are, by the dataset's version."""
    return f"sketches/dataset.{model}"


def scores_path(model: str) -> str:
    """Where the answers of its versions to their own test rows are."""
    return f"sketches/scores.{model}"


Part = Literal["day", "run", "whole"]


@dataclass(frozen=True)
class Sketched:
    """The columns of the rows of one version, sketched: of a day, of a run of days from `day` on, or whole (no day).

    `features` are the columns that a model is fed, `outputs` what it answered.
    """

    day: date | None
    version: int
    rows: int
    features: dict[str, Sketch]
    outputs: dict[str, Sketch]
    part: Part = "day"


@dataclass(frozen=True)
class Mark:
    """Which rows of a day were sketched: how many, and one number made of all their ids.

    `number` is that of the writing, `most` are the rows that any writing of the day was made of.
    """

    rows: int
    ids: int
    number: int = 0
    most: int = 0

    def is_of(self, other: Mark) -> bool:
        """Whether both tell of the same rows."""
        return (self.rows, self.ids) == (other.rows, other.ids)


NOTHING = Mark(0, 0)


def marks_of(lake: Lake, path: str) -> dict[date, Mark]:
    """The newest writing of each day."""
    import pyarrow as pa

    names = ["day", "day_rows", "day_ids", "number"]
    batches = [batch for batch in _batches(lake, path, names) if batch.num_rows]
    if not batches:
        return {}
    writings = pa.Table.from_batches(batches).group_by(names).aggregate([])
    found: dict[date, Mark] = {}
    for day, rows, ids, number in zip(*(writings.column(name).to_pylist() for name in names), strict=True):
        if day is not None:
            known = found.get(day, NOTHING)
            newest = known if known.number > number else Mark(rows, ids, number)
            found[day] = replace(newest, most=max(known.most, rows))
    return found


def read(
    lake: Lake,
    path: str,
    *,
    days: Mapping[date, Mark] | None = None,
    version: int | None = None,
    part: Part | None = None,
) -> list[Sketched]:
    """Sketches by day and version, oldest first: of these days in this writing, of one version, of one kind. Empty
    where there is no table.
    """
    import pyarrow.dataset as ds

    wanted: Any = None
    for each in (
        ds.field("day").isin(list(days)) if days is not None else None,
        ds.field("version") == version if version is not None else None,
        ds.field("part") == part if part is not None else None,
    ):
        wanted = each if wanted is None else wanted if each is None else wanted & each
    found: dict[tuple[date, int, Part], Sketched] = {}
    names = ["day", "version", "part", "output", "feature", "rows", "sketch", "number"]
    for batch in _batches(lake, path, names, wanted):
        columns = [column.to_pylist() for column in batch.columns]
        for day, number, kind, output, feature, rows, sketch, writing in zip(*columns, strict=True):
            if days is None or days[day].number == writing:
                place = day or date.min, number, kind
                group = found.setdefault(place, Sketched(day, number, rows, {}, {}, kind))
                (group.outputs if output else group.features)[feature] = decoded(sketch)
    return [found[place] for place in sorted(found)]


def append(lake: Lake, path: str, sketched: Iterable[Sketched], marks: Mapping[date | None, Mark]) -> None:
    """Writes sketches, all or none; joins files when they have become many."""
    import pyarrow as pa

    waiting = iter(sketched)
    batches = (_batch(part, marks) for part in iter(lambda: list(islice(waiting, WRITTEN_AT_ONCE)), []))
    lake.write(path, pa.RecordBatchReader.from_batches(_schema(), batches), mode="append")
    if len(lake.files(path)) > FILES_JOINED:
        _join(lake, path)


def erase(lake: Lake, path: str, marks: Mapping[date, Mark]) -> int:
    """Erases from every version of the table what was made of other rows than those that `marks` tell of.

    Gives how many days' sketches the newest version lost. Killed at any moment, doing it again completes it.
    """

    def gone(rows: pa.Table) -> list[bool]:
        columns = [rows.column(name).to_pylist() for name in ("day", "day_rows", "day_ids")]
        told = zip(*columns, strict=True)
        return [not Mark(n, ids).is_of(marks.get(day, NOTHING)) for day, n, ids in told]

    lost = [day for day, mark in marks_of(lake, path).items() if not mark.is_of(marks.get(day, NOTHING))]
    lake.erase(path, ["day", "day_rows", "day_ids"], gone)
    return len(lost)


def _join(lake: Lake, path: str) -> None:
    """Joins the files, and leaves out earlier writings of days once these are the greater part."""
    import pyarrow as pa

    newest = {day: mark.number for day, mark in marks_of(lake, path).items()}

    def kept(batch: pa.RecordBatch) -> pa.RecordBatch:
        told = zip(batch.column("day").to_pylist(), batch.column("number").to_pylist(), strict=True)
        return batch.filter(pa.array([day is None or newest[day] == number for day, number in told], pa.bool_()))

    if 2 * sum(kept(batch).num_rows for batch in _batches(lake, path, ["day", "number"])) < lake.rows(path):
        rows = [kept(batch) for batch in _batches(lake, path, _schema().names)]
        lake.write(path, pa.Table.from_batches(rows, _schema()), mode="overwrite")
    lake.tidy(path, unread_s=UNREAD_S)


def _batch(sketched: Sequence[Sketched], marks: Mapping[date | None, Mark]) -> pa.RecordBatch:
    import pyarrow as pa

    rows = [_row(each, marks.get(each.day, NOTHING), *column) for each in sketched for column in _columns(each)]
    return pa.record_batch([list(column) for column in zip(*rows, strict=True)], _schema())


def _columns(sketched: Sketched) -> Iterator[tuple[bool, str, Sketch]]:
    yield from ((False, name, each) for name, each in sketched.features.items())
    yield from ((True, name, each) for name, each in sketched.outputs.items())


def _row(sketched: Sketched, mark: Mark, output: bool, name: str, sketch: Sketch) -> tuple[object, ...]:
    """What `_schema` says."""
    spread = (sketch.low, sketch.mean, sketch.high) if isinstance(sketch, NumberSketch) else (None, None, None)
    about = (sketched.day, sketched.version, sketched.part, output, name, sketched.rows, sketch.nulls)
    return *about, *spread, encoded(sketch), mark.rows, mark.ids, mark.number


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("day", pa.date32()),
            ("version", pa.int64()),
            ("part", pa.string()),
            ("output", pa.bool_()),
            ("feature", pa.string()),
            ("rows", pa.int64()),
            ("nulls", pa.int64()),
            ("low", pa.float64()),
            ("mean", pa.float64()),
            ("high", pa.float64()),
            ("sketch", pa.binary()),
            ("day_rows", pa.int64()),
            ("day_ids", pa.int64()),
            ("number", pa.int64()),
        ]
    )


def _batches(lake: Lake, path: str, columns: Sequence[str], wanted: Any = None) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset as ds

    if lake.version(path) is None:
        return
    rows = ds.dataset(lake.files(path), schema=_schema(), format="parquet")
    yield from rows.to_batches(columns=list(columns), filter=wanted)
