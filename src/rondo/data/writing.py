"""A landing's rows into the lake: appended, in place of what changed files brought, or with the table written anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rondo.data.arriving import Misfit, arriving, does_not_fit, is_pinned, laid_out
from rondo.data.landing import FILE, HIDDEN_TYPES, LANDED, ROW, Landed, Landing, earlier_columns, surveyed
from rondo.data.reading_files import Part, open_parts
from rondo.data.settling import settle
from rondo.errors import VersionTaken
from rondo.sql.engine import literal, quote, run, to_batches
from rondo.sql.relations import HIDDEN
from rondo.store.lake import LakeVersion

if TYPE_CHECKING:
    import pyarrow as pa


def land(landing: Landing) -> Landed:
    """Write the files' rows to the lake. Nothing refers to them until the version is recorded."""
    reader, work = landing.source.reader, landing.work
    parts = [
        laid_out(part, reader, work)
        for name, path in landing.files.items()
        for part in open_parts(reader, path, name, work.con, work.folder)
    ]
    before = landing.base.columns if landing.base else {}
    columns = settle(landing, parts, thorough=False)
    moment = _moment(landing)
    if not parts and landing.base is not None:
        return surveyed(landing, columns, landing.base.delta, Landed(landing.draft, moment))
    counts: dict[str, int] = {}
    try:
        delta = _write(landing, parts, columns, moment, counts)
    except Misfit as misfit:
        if is_pinned(landing, misfit, columns):
            raise does_not_fit(landing, misfit, columns) from None
        columns = settle(landing, parts, thorough=True)
        counts.clear()
        try:
            delta = _write(landing, parts, columns, moment, counts)
        except Misfit as again:
            raise does_not_fit(landing, again, columns) from None
    new = tuple(name for name in columns if name not in before) if before else ()
    return surveyed(landing, columns, delta, Landed(landing.draft, moment, counts, new))


def _moment(landing: Landing) -> datetime:
    """The moment of this landing: now, and after the one before it, whatever the project's clock says."""
    if landing.base is None:
        return landing.now
    [[last]] = run(landing.work.con, f"select max({LANDED}) from {landing.stored}")
    return max(landing.now, last + timedelta(microseconds=1)) if isinstance(last, datetime) else landing.now


def _write(
    landing: Landing, parts: Sequence[Part], columns: Mapping[str, str], moment: datetime, counts: dict[str, int]
) -> int:
    """Append, replace what changed files brought, or write the table anew where its head is not what was recorded.

    The head differs after a landing that was killed or blocked: its rows are in the lake, and nothing refers to them.
    """
    lake, path, base = landing.store.lake, landing.draft.path, landing.base
    head = lake.version(path)
    gone = _replaced(landing) if base is not None and landing.changed and not landing.source.key else []
    coming = arriving(landing, parts, columns, moment, counts)
    rows = stream(landing, columns, coming)
    written: LakeVersion
    if base is not None and (head != base.delta or _retyped(base.columns, columns)):
        kept = kept_rows(landing, columns, f"where {FILE} not in {_names(gone)}" if gone else "")
        written = lake.write(path, stream(landing, columns, kept, coming), mode="overwrite")
        return written.version
    if gone:
        names = sorted({*gone, *(part.name for part in parts)})
        written = lake.write(path, rows, mode="overwrite", replace=f"{FILE} in {_names(names)}")
    else:
        written = lake.write(path, rows, mode="overwrite" if base is None else "append")
    if head is not None and written.version != head + 1:
        raise VersionTaken(f"Another process wrote to {path} meanwhile.", next_step="Run again.")
    return written.version


def _retyped(before: Mapping[str, str], columns: Mapping[str, str]) -> bool:
    return any(columns.get(name) != kind for name, kind in before.items())


def kept_rows(landing: Landing, columns: Mapping[str, str], where: str) -> Iterator[pa.RecordBatch]:
    """The stored rows of the last version, in order."""
    assert landing.base is not None
    names = ", ".join((earlier_columns(landing, columns), *HIDDEN))
    query = f"select {names} from {landing.stored} {where} order by {LANDED}, {ROW}"
    yield from to_batches(landing.work.con, query)


def stream(landing: Landing, columns: Mapping[str, str], *batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    """Batches one after the other as one stream in the lake's columns."""
    import pyarrow as pa

    empty = ", ".join(f"null::{kind} as {quote(name)}" for name, kind in {**columns, **HIDDEN_TYPES}.items())
    reader = to_batches(landing.work.con, f"select {empty} where false")
    schema = reader.schema
    for _ in reader:
        pass

    def rows() -> Iterator[pa.RecordBatch]:
        for source in batches:
            for batch in source:
                yield batch.cast(schema) if batch.schema != schema else batch

    return pa.RecordBatchReader.from_batches(schema, rows())


def _replaced(landing: Landing) -> list[str]:
    """The names under which the changed files' rows stand: their own, or those of an archive's members."""
    mine = " or ".join(f"{FILE} = {literal(n)} or starts_with({FILE}, {literal(n + '/')})" for n in landing.changed)
    there = f"select distinct {FILE} from {landing.stored} where {mine} order by 1"
    return [str(name) for (name,) in run(landing.work.con, there)]


def _names(names: Sequence[str]) -> str:
    return "(" + ", ".join(map(literal, names)) + ")"
