"""Feature values published online: of each key the rows that answer from now on.

A space belongs to a table at one definition, not to a model, so it holds every column that a model may look up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from rondo.data.freezing import tie_error
from rondo.data.session import session
from rondo.features.as_of import steps
from rondo.features.signature import Lookup, kind_of
from rondo.features.values import encode_key, encode_steps, plain, publication_query
from rondo.project.reading import Project
from rondo.records.progress import Progress, silent
from rondo.records.tables import Publication
from rondo.sql.engine import describe, literal, quote, run, to_batches
from rondo.store.online import Online
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_STEPS = "_rondo.steps"


def publish(
    lookup: Lookup,
    *,
    store: Store,
    project: Project,
    relation: str,
    table_version: int,
    now: datetime,
    by: str,
    progress: Progress = silent,
) -> Publication:
    """Replace the online values of the look-up's table and definition, and record it.

    `relation` is what stands after `from` to read that table. A reader sees the old values or the new, never half.
    Raises TieError where a key would have to choose between rows from now on.
    """
    keys = put_online(
        lookup, store.online, store=store, project=project, relation=relation, table_version=table_version, now=now,
        progress=progress,
    )  # fmt: skip
    publication = Publication(
        name=lookup.table,
        definition=lookup.definition,
        table_version=table_version,
        space=lookup.space,
        keys=keys,
    )
    store.ledger.append(publication, by=by, at=now)
    return publication


def put_online(
    lookup: Lookup,
    online: Online,
    *,
    store: Store,
    project: Project,
    relation: str,
    table_version: int,
    now: datetime,
    progress: Progress = silent,
) -> int:
    """`publish` into any online store, without a record: how many keys there are. Raises TieError."""
    with session(project, store) as opened:
        con = opened.con
        progress(None, f"reading {lookup.table}")
        columns = _published(describe(con, f"select * from {relation}"), lookup)
        named = " and ".join(f"{quote(column)} is not null" for column, _ in lookup.on)
        table = f"(select * from {relation} where {named})"
        _refuse_ties(con, lookup, table, now, project.settings.timezone)
        query = publication_query(lookup, table, now, columns=columns)
        run(con, f"attach {literal(str(opened.folder / 'publishing.duckdb'))} as _rondo")
        run(con, f"create table {_STEPS} as {query}")
        [(rows,)] = run(con, f"select count(*) from {_STEPS}")
        stream = to_batches(con, f"select * from {_STEPS}")
        meta = {
            "columns": columns,
            "key": [column for column, _ in lookup.on],
            "time": lookup.time,
            "known": lookup.known,
            "table_version": table_version,
            "as_of": now.isoformat(),
        }
        items = _items(stream, len(lookup.on), int(str(rows)), progress, f"publishing {lookup.table}")
        return online.publish(lookup.space, items, meta=meta)


def drop_unpinned(store: Store, live: Collection[str]) -> list[str]:
    """Remove the spaces that are not among `live`, the spaces that deployments pin; say which."""
    dropped = [space for space in store.online.spaces() if space not in live]
    for space in dropped:
        store.online.drop(space)
    return dropped


def _published(columns: dict[str, str], lookup: Lookup) -> list[str]:
    """Every column but the key's that a model could look up."""
    key = {column for column, _ in lookup.on}
    return [name for name, kind in columns.items() if name not in key and kind_of(kind) != "other"]


def _refuse_ties(con: DuckDBPyConnection, lookup: Lookup, table: str, now: datetime, timezone: str) -> None:
    """No key may have to choose between rows that answer now or take over later."""
    key = ", ".join(quote(column) for column, _ in lookup.on)
    if lookup.time:
        counted = (
            f"select {key}, _time, _known, count(*) as doubles from {steps(lookup, table, columns=[])} group by all"
        )
        then = f"lead(_known) over (partition by {key} order by _known)"
        tied = f"from ({counted}) qualify doubles > 1 and coalesce({then} > {literal(now)}, true)"
    else:
        tied = f"from (select {key}, null, null, count(*) as doubles from {table} group by {key}) where doubles > 1"
    if ties := run(con, f"select *, 0 {tied} order by all"):
        raise tie_error(lookup, ties, timezone)


def _items(
    stream: pa.RecordBatchReader, width: int, rows: int, progress: Progress, what: str
) -> Iterator[tuple[bytes, bytes]]:
    """Key and steps of each key; rows come by key, then by known. The first `width` columns are the key."""
    for key, found in groupby(_rows(stream, width, rows, progress, what), key=itemgetter(0)):
        item = list(found)
        yield key, encode_steps([(known, time, values) for _, known, time, _, values in item], whole=bool(item[0][3]))


def _rows(
    stream: pa.RecordBatchReader, width: int, rows: int, progress: Progress, what: str
) -> Iterator[tuple[bytes, int, int, object, Sequence[object]]]:
    """Each row as key, known and time in microseconds, whether nothing came before, values."""
    import pyarrow as pa

    done = 0
    for batch in stream:
        known, time = (batch.column(width + place).cast(pa.int64()).fill_null(0).to_pylist() for place in (0, 1))
        keys = map(encode_key, zip(*map(_python, batch.columns[:width]), strict=True))
        values = zip(*map(_python, batch.columns[width + 3 :]), strict=True)
        yield from zip(keys, known, time, batch.column(width + 2).to_pylist(), values, strict=True)
        done += batch.num_rows
        progress(done / rows if rows else None, what)


def _python(column: pa.Array) -> list[object]:
    """A column as online items hold its values."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        column = column.cast(pa.timestamp("us"))  # in UTC, and five times faster to read
    values: list[object] = column.to_pylist()
    return [plain(value) for value in values] if pa.types.is_temporal(kind) or pa.types.is_decimal(kind) else values
