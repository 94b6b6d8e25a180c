"""Request rows made again from a dataset: what clients would have sent for its examples."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from rondo.errors import BuildError
from rondo.features.signature import Signature
from rondo.records.tables import CARRIED, POSITION, Dataset
from rondo.sql.engine import connect, literal, quote, relation_of_files, run, to_batches
from rondo.store.lake import Lake

if TYPE_CHECKING:
    import pyarrow as pa

Request = dict[str, object]


def sample(lake: Lake, dataset: Dataset, *, rows: int, seed: int, timezone: str) -> pa.Table:
    """Up to `rows` rows of a dataset's test split, drawn by `seed`; of all its rows where the split is empty."""
    relation = relation_of_files(lake.files(dataset.path, dataset.delta), dataset.columns)
    con = connect(timezone=timezone)
    try:
        part = "split = 'test'" if dataset.splits.get("test") else "true"
        count = int(str(run(con, f"select count(*) from {relation} where {part}")[0][0]))
        drawn = np.sort(np.random.default_rng(seed).permutation(count)[:rows]).tolist()
        order = f"order by {quote(POSITION)}" if POSITION in dataset.columns else ""
        numbered = f"(select *, row_number() over ({order}) - 1 as _n from {relation} where {part})"
        query = f"select * exclude (_n) from {numbered} where list_contains({literal(drawn)}::bigint[], _n) order by _n"
        return to_batches(con, query).read_all()
    finally:
        con.close()


def requests(table: pa.Table, signature: Signature) -> list[Request]:
    """The request of each row of a dataset, as JSON has it. Raises BuildError where the dataset lacks a look-up key."""
    columns: Mapping[str, str] = {column.name: _column(column.name, table, signature) for column in signature.request}
    if signature.time:
        columns = {**columns, signature.time: "moment"}
    lists = {name: [as_json(value) for value in table.column(column).to_pylist()] for name, column in columns.items()}
    return [{name: values[number] for name, values in lists.items()} for number in range(table.num_rows)]


def _column(name: str, table: pa.Table, signature: Signature) -> str:
    for column in (name, CARRIED + name):
        if column in table.column_names:
            return column
    raise BuildError(
        f"The dataset of {signature.model} does not carry {quote(name)}, which its look-ups need.",
        next_step="Run `rondo run`: it freezes the dataset again.",
    )


def as_json(value: object) -> object:
    """A value as a client writes it: moments with their zone, decimals as numbers, null for what JSON cannot say."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
