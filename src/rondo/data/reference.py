"""What live traffic is compared with: the columns that a model was trained on, sketched by day.

It is written when a dataset is frozen, over the rows of its training split. One of an older dataset, or that was erased
from, is made when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from rondo.features.signature import Signature
from rondo.records.tables import Dataset
from rondo.sql.engine import connect, literal, relation_of_files
from rondo.stats.days import EPOCH, days_of
from rondo.stats.sketches import sketch_column
from rondo.store.opening import Store
from rondo.store.sketches import Part, Sketched, append, dataset_path, read, scores_path

if TYPE_CHECKING:
    import pyarrow as pa

MOST_DAYS = 400
"""The last days of the training split that are sketched one by one, as history."""
MOST_RUNS = 30
"""All of it is also sketched in so many runs of days at most: days that follow one another err together."""


def freeze_reference(store: Store, dataset: Dataset, signature: Signature) -> None:
    """Sketch the training rows of a dataset, column by column: all together, in runs of days, and by day."""
    files = sorted(store.lake.files(dataset.path, dataset.delta))
    training = _training(files, signature)

    def columns() -> Iterator[Sketched]:
        for fed in signature.fed:
            column = _column(files, fed.name).filter(training.wanted).combine_chunks()
            whole = {fed.name: sketch_column(column)}
            yield Sketched(None, dataset.version, len(column), whole, {}, "whole")
            column = column.take(training.order)
            for part, day, start, end in training.parts:
                sketch = sketch_column(column.slice(start, end - start))
                date = EPOCH + timedelta(days=day)
                yield Sketched(date, dataset.version, end - start, {fed.name: sketch}, {}, part)

    append(store.lake, dataset_path(dataset.name), columns(), {})


def reference_of(store: Store, dataset: Dataset, signature: Signature, part: Part = "whole") -> list[Sketched]:
    """The reference of a dataset, made if need be: all rows together, in runs of days, or its last days, oldest first.

    Without a time there are neither runs nor days.
    """
    if part != "whole" and not signature.time:
        return []
    path = dataset_path(dataset.name)
    found = read(store.lake, path, version=dataset.version, part=part)
    if not found and signature.fed:
        freeze_reference(store, dataset, signature)
        found = read(store.lake, path, version=dataset.version, part=part)
    return found


def labels_by_day(
    store: Store, dataset: Dataset, signature: Signature, *, until: date
) -> dict[date, tuple[int, float]]:
    """The labelled rows of each local day before one, in all splits, and their mean: of the label as a number, or of
    whether it is the positive class. Empty for several classes and without time.
    """
    if signature.task == "multiclass" or not signature.time:
        return {}
    label = (
        '"label"::double' if signature.task == "regression" else f'("label" = {literal(signature.classes[-1])})::int'
    )
    rows = relation_of_files(store.lake.files(dataset.path, dataset.delta))
    query = (
        f"select moment::date as day, count(*) as n, avg({label}) as mean from {rows} "
        f'where "label" is not null and moment::date < {literal(until.isoformat())}::date group by day order by day'
    )
    with closing(connect(timezone=signature.timezone)) as con:
        return {day: (int(n), float(mean)) for day, n, mean in con.sql(query).fetchall()}


def erase_references(store: Store, model: str) -> None:
    """Removes what all datasets of a model are the reference of: it is made again of what is left in these."""
    store.lake.remove(dataset_path(model))
    store.lake.remove(scores_path(model))


@dataclass(frozen=True)
class _Training:
    """Which rows of a dataset's files are of the training split; these by day, and where each part is among them."""

    wanted: pa.Array
    order: pa.Array
    parts: Sequence[tuple[Part, int, int, int]]


def _training(files: Sequence[str], signature: Signature) -> _Training:
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pc.fill_null(pc.equal(_column(files, "split"), "train"), False).combine_chunks()
    if not signature.time:
        return _Training(wanted, pa.array([], pa.int64()), [])
    moments = _column(files, "moment").filter(wanted)
    day = days_of(moments.cast(pa.timestamp("us", moments.type.tz)).cast(pa.int64()).to_numpy(), signature.timezone)
    order = np.argsort(day, kind="stable")
    found, starts = np.unique(day[order], return_index=True)
    ends = np.append(starts[1:], len(day))
    runs = [run for run in np.array_split(np.arange(len(found)), MOST_RUNS) if len(run)]
    parts: list[tuple[Part, int, int, int]] = []
    parts += [("run", int(found[run[0]]), int(starts[run[0]]), int(ends[run[-1]])) for run in runs]
    days = zip(found.tolist(), starts.tolist(), ends.tolist(), strict=True)
    parts += [("day", number, start, end) for number, start, end in list(days)[-MOST_DAYS:]]
    return _Training(wanted, pa.array(order), parts)


def _column(files: Sequence[str], name: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [pq.read_table(file, columns=[name], partitioning=None).column(name) for file in files]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], type=parts[0].type)
