"""Rows as they reached a model, a bounded number of them: of a window, and of what the model was trained on.

Rows are chosen by a hash of their id, so that the same rows are taken each time and no kind of row is preferred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rondo.features.signature import Signature
from rondo.models.encoding import Encoder, encode_table
from rondo.monitor.cohorts import FED, Cohort, cohort_of
from rondo.monitor.windows import days_of
from rondo.records.tables import POSITION
from rondo.sql.engine import quote
from rondo.stats.results import Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 2_000
TRAIN = "train"


@dataclass(frozen=True)
class Sample:
    """Rows of one version in a window: what was answered, and `matrix` (n, columns) as the model was fed it."""

    cohort: Cohort
    matrix: Floats
    days: Ints


@dataclass(frozen=True)
class Reference:
    """Rows that a version was trained on: `matrix` (m, columns), `days` (m,), None where rows have no time."""

    matrix: Floats
    days: Ints | None


def sample_of(rows: pa.Table, signature: Signature, encoder: Encoder) -> Sample:
    """The rows of a `cohort_query` that asked for what was `fed`."""
    import pyarrow as pa

    cohort = cohort_of(rows, signature)
    fed = pa.table({name: rows.column(FED + name) for name in encoder.names})
    return Sample(cohort, encode_table(encoder, fed), days_of(cohort.event_us, signature.timezone))


def reference_query(signature: Signature, dataset: str, *, rows: int = ROWS) -> str:
    """Some training rows of a dataset (a relation): what is fed, and `event_us` (null without a time)."""
    event = "epoch_us(d.moment)" if signature.time else "null::bigint"
    columns = "".join(f", d.{quote(column.name)}" for column in signature.fed)
    position = f"d.{quote(POSITION)}"
    return (
        f"select {event} as event_us{columns} from {dataset} as d where d.split = '{TRAIN}' "
        f"order by md5({position}::varchar), {position} limit {rows}"
    )


def reference_of(rows: pa.Table, signature: Signature, encoder: Encoder) -> Reference:
    """The rows of `reference_query`."""
    matrix = encode_table(encoder, rows)
    if not signature.time:
        return Reference(matrix, None)
    return Reference(matrix, days_of(np.asarray(rows.column("event_us").to_numpy()), signature.timezone))
