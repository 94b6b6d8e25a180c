"""Rows of files as the lake stores them: typed, held against their types, in order, as a stream."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from rondo.data.column_types import TEXT, fits
from rondo.data.landing import FILE, LANDED, ROW, Landing, earlier_columns
from rondo.data.reading_files import Part, line_of, unreadable
from rondo.data.session import Session
from rondo.data.settling import by_few
from rondo.errors import LoadError, RondoError
from rondo.project.sources import Files
from rondo.sql.engine import literal, quote, run, to_batches
from rondo.sql.relations import HIDDEN

if TYPE_CHECKING:
    import pyarrow as pa

FITS = "_rondo_fits"
WIDE = 100
"""A part with more columns is laid out in DuckDB first, and its values held against their types some at a time."""


class Misfit(Exception):
    """Row number `row` of a part has a value that its column's type does not hold."""

    def __init__(self, part: Part, row: int) -> None:
        super().__init__(part.name, row)
        self.part, self.row = part, row


def laid_out(part: Part, reader: Files, work: Session) -> Part:
    """A wide part as a table of DuckDB's, which binds it much faster each time it is read. Raises LoadError."""
    if len(part.columns) <= WIDE:
        return part
    [[number]] = run(work.con, "select count(*) from duckdb_tables()")
    try:
        run(work.con, f"create temp table _part{number} as select * from {part.relation}")
    except RondoError as error:
        raise unreadable(error, reader, part) from error
    return dataclasses.replace(part, relation=f"_part{number}")


def is_pinned(landing: Landing, misfit: Misfit, columns: Mapping[str, str]) -> bool:
    """Whether the type that a value does not fit was settled before this landing."""
    name, _ = _culprit(landing, misfit, columns)
    before = landing.base.columns if landing.base else {}
    return name in landing.declared or before.get(name) == columns[name]


def does_not_fit(landing: Landing, misfit: Misfit, columns: Mapping[str, str]) -> LoadError:
    part, (name, value) = misfit.part, _culprit(landing, misfit, columns)
    line = line_of(landing.source.reader, part, misfit.row)
    kind, declared = columns[name], name in landing.declared
    since = "as declared in types" if declared else "as the rows that landed before"
    return LoadError(
        f"{part.name}, line {line}, column {name!r}: {value!r} is not {kind}, {since}.",
        next_step=f'Mend the value, name it in null=…, or declare types={{"{name}": "VARCHAR"}}.',
        file=part.name,
        line=line,
        facts={"column": name, "value": value, "type": kind},
    )


def _culprit(landing: Landing, misfit: Misfit, columns: Mapping[str, str]) -> tuple[str, object]:
    """The first column of a row whose value does not fit, and the value as text."""
    part = misfit.part
    tests = _tests(part, columns, landing.declared)
    flags = ", ".join(f"{test}, {quote(_own(part, name))}::varchar" for name, test in tests.items())
    [answer] = run(landing.work.con, f"select {flags} from (from {part.relation} limit 1 offset {misfit.row})")
    for place, name in enumerate(tests):
        if answer[2 * place] is False:
            return name, answer[2 * place + 1]
    raise LoadError(f"{part.name} changed while it was read.", next_step="Run again.", file=part.name)


def _own(part: Part, name: str) -> str:
    """How the part itself spells a column."""
    return next(own for own in part.columns if own.casefold() == name.casefold())


def _tests(part: Part, columns: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, str]:
    """For each column of the part whose values may not fit its type: SQL that is false where one does not."""
    tests = {}
    there = {own.casefold(): own for own in part.columns}
    for name, kind in columns.items():
        own = there.get(name.casefold())
        if own is None or kind in (TEXT, part.kinds.get(own)):
            continue
        value, cast = quote(own), f"try_cast({quote(own)} as {kind})"
        if own in part.texts:
            fit = fits(own, kind, pinned=name in declared)
        elif _numeric(kind) and _numeric(part.kinds[own]):
            fit = f"coalesce({cast}::double = {value}::double, false)"
        else:
            fit = f"{cast} is not null"
        tests[name] = f"({value} is null or {fit})"
    return tests


def _numeric(kind: str) -> bool:
    return bool(re.match(r"(TINY|SMALL|BIG)?INT|INTEGER|DOUBLE|FLOAT|DECIMAL", kind))


def _typed(part: Part, columns: Mapping[str, str], declared: Mapping[str, str]) -> str:
    """A query: the part's rows in the table's columns, and whether every value of the row fits."""
    there = {own.casefold(): own for own in part.columns}
    selected = [
        f"try_cast({quote(there[name.casefold()])} as {kind}) as {quote(name)}"
        if name.casefold() in there
        else f"null::{kind} as {quote(name)}"
        for name, kind in columns.items()
    ]
    test = " and ".join(_tests(part, columns, declared).values()) if len(columns) <= WIDE else ""
    return f"select {', '.join(selected)}, {test or 'true'} as {FITS} from {part.relation}"


def _refuse_misfits(landing: Landing, part: Part, columns: Mapping[str, str]) -> None:
    """For a wide part: raise on the first row with a value that does not fit."""
    tests = _tests(part, columns, landing.declared) if len(columns) > WIDE else {}
    for some in by_few(tests):
        wrong = " or ".join(f"not {tests[name]}" for name in some)
        numbered = f"(select *, row_number() over () - 1 as {ROW} from {part.relation})"
        [[row]] = run(landing.work.con, f"select min({ROW}) filter ({wrong}) from {numbered}")
        if row is not None:
            raise Misfit(part, int(str(row)))


def arriving(
    landing: Landing, parts: Sequence[Part], columns: Mapping[str, str], moment: datetime, counts: dict[str, int]
) -> Iterator[pa.RecordBatch]:
    """The files' rows as the lake stores them, in the order of the files and of the rows in them."""
    if landing.source.key and landing.base is not None:
        yield from _revisions(landing, parts, columns, moment, counts)
        return
    done = 0
    for number, part in enumerate(parts):
        _refuse_misfits(landing, part, columns)
        in_part = 0
        for batch in _read(landing, part, _typed(part, columns, landing.declared)):
            fitting = batch.column(batch.num_columns - 1)
            if not fitting.to_numpy(zero_copy_only=False).all():
                raise Misfit(part, in_part + fitting.index(False).as_py())
            in_part += batch.num_rows
            yield _stamped(batch.select(range(batch.num_columns - 1)), part.name, done + 1, moment)
            done += batch.num_rows
            landing.progress(number / len(parts), f"{landing.source.name}: {done:,} rows")
        _count(counts, landing, part, in_part)


def _revisions(
    landing: Landing, parts: Sequence[Part], columns: Mapping[str, str], moment: datetime, counts: dict[str, int]
) -> Iterator[pa.RecordBatch]:
    """The rows that differ from the revision before them. Copies within one file stay, for `unique` to see.

    Rows are laid out beside the present revisions of their keys, in order; a row's content is compared by its hash.
    """
    assert landing.base is not None
    con, source = landing.work.con, landing.source
    names, key = ", ".join(map(quote, columns)), ", ".join(map(quote, source.key))
    shape = ", ".join(f"{quote(name)} {kind}" for name, kind in columns.items())
    con.sql(f"create or replace temp table _arriving ({shape}, {FILE} varchar, {ROW} bigint)")
    done = 0
    for part in parts:
        _refuse_misfits(landing, part, columns)
        typed = _typed(part, columns, landing.declared)
        try:
            run(con, f"create or replace temp table _part as {typed}")
        except RondoError as error:
            raise unreadable(error, source.reader, part) from error
        [[rows, misfit]] = run(con, f"select count(*), min(rowid) filter (not {FITS}) from _part")
        if misfit is not None:
            raise Misfit(part, int(str(misfit)))
        con.sql(f"insert into _arriving select {names}, {literal(part.name)}, {done} + rowid from _part")
        done += int(str(rows))
        _count(counts, landing, part, int(str(rows)))
        landing.progress(None, f"{source.name}: {done:,} rows")
    old = earlier_columns(landing, columns)
    current = f"(select {old} from {_current(landing)} where ({key}) in (select ({key}) from _arriving))"
    query = f"""
        with lined as (
            select {names}, null as {FILE}, -1 as {ROW} from {current}
            union all select {names}, {FILE}, {ROW} from _arriving
        ), compared as (
            select *, hash({names}) is not distinct from lag(hash({names})) over same_key
                and {FILE} is distinct from lag({FILE}) over same_key as _same
            from lined window same_key as (partition by {key} order by {ROW})
        )
        select {names}, {FILE} from compared where {ROW} >= 0 and not _same order by {ROW}"""
    written = 0
    for batch in to_batches(con, query):
        yield _stamped(
            batch.select(range(batch.num_columns - 1)), batch.column(batch.num_columns - 1), written + 1, moment
        )
        written += batch.num_rows
    con.sql("drop table _arriving")
    con.sql("drop table if exists _part")


def _current(landing: Landing) -> str:
    """The newest revision of each key that landed."""
    assert landing.base is not None
    key = ", ".join(map(quote, landing.source.key))
    if not landing.base.revised:
        return f"(select * from {landing.stored})"
    latest = f"row_number() over (partition by {key} order by {LANDED} desc, {ROW} desc) = 1"
    return f"(select * from {landing.stored} qualify {latest})"


def _read(landing: Landing, part: Part, query: str) -> Iterator[pa.RecordBatch]:
    try:
        yield from to_batches(landing.work.con, query)
    except RondoError as error:
        raise unreadable(error, landing.source.reader, part) from error


def _count(counts: dict[str, int], landing: Landing, part: Part, rows: int) -> None:
    """Rows by file: the members of an archive count for the archive."""
    name = part.name if part.name in landing.files else next(n for n in landing.files if part.name.startswith(f"{n}/"))
    counts[name] = counts.get(name, 0) + rows


def _stamped(batch: pa.RecordBatch, file: str | pa.Array, first: int, moment: datetime) -> pa.RecordBatch:
    """The batch with its hidden columns."""
    import pyarrow as pa

    rows = batch.num_rows
    hidden = (
        pa.repeat(pa.scalar(file, pa.string()), rows) if isinstance(file, str) else file,
        pa.array(np.arange(first, first + rows, dtype=np.int64)),
        pa.repeat(pa.scalar(moment, pa.timestamp("us", tz="UTC")), rows),
    )
    for name, values in zip(HIDDEN, hidden, strict=True):
        batch = batch.append_column(name, values)
    return batch
