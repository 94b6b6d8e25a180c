"""Rows of files on their way into a source's table in the lake: typed, in order, as a stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from rondo.data.column_types import TEXT, Guess, candidates_query, common, fits, plausible, stored
from rondo.data.reading_files import Part, line_of, open_parts, unreadable
from rondo.data.session import Session
from rondo.errors import DeclarationError, LoadError, RondoError, VersionTaken
from rondo.project.sources import Source
from rondo.records.progress import Progress
from rondo.records.tables import TableVersion
from rondo.sql.engine import describe, literal, quote, run, to_batches
from rondo.sql.relations import HIDDEN, timed_source
from rondo.store.lake import LakeVersion
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

FILE, ROW, LANDED = HIDDEN
FITS = "_rondo_fits"
HEAD_ROWS = 100
SAMPLE_PARTS = 20
CHUNK_COLUMNS = 25
WIDE = 100
"""With more columns than that, values are held against their types in passes before the one that reads them."""
SAMPLE_ROWS = 10_000
"""Rows of each file that a type is guessed from; a later row that does not fit has the whole files looked through."""


@dataclass(frozen=True)
class Landing:
    """Files that are to land upon `base`, the last version of the same definition, whose rows `stored` reads.

    The relation is made beforehand: the lake must not be asked anything while it takes in a stream.
    """

    source: Source
    store: Store
    work: Session
    base: TableVersion | None
    stored: str | None
    draft: TableVersion
    files: Mapping[str, Path]
    changed: tuple[str, ...]
    now: datetime
    progress: Progress

    @cached_property
    def declared(self) -> dict[str, str]:
        """The types that a person named. Raises DeclarationError for what is none."""
        found = {}
        for name, kind in self.source.reader.types:
            try:
                [found[name]] = describe(self.work.con, f"select null::{kind} as pinned").values()
            except RondoError as error:
                raise DeclarationError(
                    f"{self.source.name}: types says that {name!r} is {kind!r}, which is no SQL type.",
                    next_step="Use one such as BIGINT, DOUBLE, VARCHAR, DATE, TIMESTAMPTZ or DECIMAL(12, 2).",
                    file=self.source.file,
                    line=self.source.line,
                ) from error
        return {name: stored(kind) for name, kind in found.items()}


@dataclass(frozen=True)
class Landed:
    """What landed: the version as it would be recorded, the moment, what came from which file."""

    version: TableVersion
    moment: datetime
    rows_of_file: Mapping[str, int] = field(default_factory=dict)
    new_columns: tuple[str, ...] = ()
    null_keys: int = 0


class _Misfit(Exception):
    """Row number `row` of a part has a value that its column's type does not hold."""

    def __init__(self, part: Part, row: int) -> None:
        super().__init__(part.name, row)
        self.part, self.row = part, row


def land(landing: Landing) -> Landed:
    """Write the files' rows to the lake. Nothing refers to them until the version is recorded."""
    reader, work = landing.source.reader, landing.work
    parts = [
        part for name, path in landing.files.items() for part in open_parts(reader, path, name, work.con, work.folder)
    ]
    before = landing.base.columns if landing.base else {}
    columns = _settle(landing, parts, thorough=False)
    moment = _moment(landing)
    if not parts and landing.base is not None:
        return surveyed(landing, columns, landing.base.delta, Landed(landing.draft, moment))
    counts: dict[str, int] = {}
    try:
        delta = _write(landing, parts, columns, moment, counts)
    except _Misfit as misfit:
        if _is_pinned(landing, misfit, columns):
            raise _does_not_fit(landing, misfit, columns) from None
        columns = _settle(landing, parts, thorough=True)
        counts.clear()
        try:
            delta = _write(landing, parts, columns, moment, counts)
        except _Misfit as again:
            raise _does_not_fit(landing, again, columns) from None
    new = tuple(name for name in columns if name not in before) if before else ()
    return surveyed(landing, columns, delta, Landed(landing.draft, moment, counts, new))


def surveyed(landing: Landing, columns: Mapping[str, str], delta: int, landed: Landed) -> Landed:
    """`landed` with the version that stands at `delta`: its rows, whether keys are revised, the greatest known time."""
    source, lake = landing.source, landing.store.lake
    version = msgspec.structs.replace(landed.version, columns=dict(columns), delta=delta)
    _refuse_absent(landing, columns)
    key = ", ".join(map(quote, source.key))
    nulls = " or ".join(f"{quote(name)} is null" for name in source.key) or "false"
    facts = "max(_rondo_time), max(_rondo_known)"
    keys = f"count(distinct hash({key}))" if key else "count(*)"
    query = f"select count(*), {keys}, count_if({nulls}), {facts} from {timed_source(source, version, lake)}"
    try:
        [[rows, distinct, null_keys, _, known]] = run(landing.work.con, query)
    except RondoError as error:
        raise DeclarationError(
            f"{source.name}: time or known cannot be computed: {error.message} The columns are: {', '.join(columns)}.",
            next_step="Mend time= and known=: SQL expressions over a row's columns.",
            file=source.file,
            line=source.line,
        ) from error
    current, stored_rows = int(str(distinct)), int(str(rows))
    declared = isinstance(known, datetime) and source.known not in (None, "always")
    version = msgspec.structs.replace(
        version, rows=current, revised=current < stored_rows, known_until=known if declared else None
    )
    return Landed(version, landed.moment, landed.rows_of_file, landed.new_columns, int(str(null_keys)))


def stored_columns(columns: Iterable[str]) -> str:
    """The columns as the lake has them, hidden ones last."""
    return ", ".join(map(quote, (*columns, *HIDDEN)))


def at_moment(moment: datetime) -> str:
    """The lake's predicate for the rows of one landing: no two land at the same moment."""
    return f"{LANDED} = '{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z'"


# --- types ----------------------------------------------------------------------------------------------------------


def _settle(landing: Landing, parts: Sequence[Part], *, thorough: bool) -> dict[str, str]:
    """The type of every column: pinned by a person or by what landed before, else the narrowest that fits the rows."""
    columns = dict(landing.base.columns) if landing.base else {}
    spelled = {name.casefold(): name for name in columns}
    for part in parts:
        for name in part.columns:
            spelled.setdefault(name.casefold(), name)
    pinned = {name.casefold(): kind for name, kind in landing.declared.items()}
    if landing.base is None and (unknown := [name for name in landing.declared if name.casefold() not in spelled]):
        raise DeclarationError(
            f"{landing.source.name}: types names {unknown[0]!r}, which is no column; "
            f"there are: {', '.join(spelled.values())}.",
            next_step="Mend types={…}.",
            file=landing.source.file,
            line=landing.source.line,
        )
    free = {folded for folded, name in spelled.items() if name not in columns and folded not in pinned}
    guess = _guessed(landing, parts if thorough else _some(parts), free, thorough=thorough)
    kinds: dict[str, list[str]] = {}
    for part in parts:
        for name, kind in part.kinds.items():
            kinds.setdefault(name.casefold(), []).append(kind)
    for folded, name in spelled.items():
        if name in columns:
            continue
        if folded in pinned:
            columns[name] = pinned[folded]
        else:
            guessed = [guess.type_of(folded)] if guess.has_seen(folded) else []
            columns[name] = common([*kinds.get(folded, []), *guessed])
    return columns


def _guessed(landing: Landing, parts: Sequence[Part], free: set[str], *, thorough: bool) -> Guess:
    """What the texts of `free` columns may be: the first rows rule most types out, then more rows, or all, are asked."""
    con, guess = landing.work.con, Guess()
    for part in parts:
        wanted = [name for name in part.texts if name.casefold() in free]
        if not wanted:
            continue
        try:
            head = run(con, f"select {', '.join(map(quote, wanted))} from {part.relation} limit {HEAD_ROWS}")
            first = list(zip(*head, strict=True)) or [()] * len(wanted)
            left = {n: plausible(values, part.texts[n]) for n, values in zip(wanted, first, strict=True)}
            rows = part.relation if thorough else f"(from {part.relation} limit {SAMPLE_ROWS})"
            for some in _by(CHUNK_COLUMNS, left):
                columns = {name: left[name] for name in some}
                [answer] = run(con, candidates_query(rows, columns))
                guess.narrow({name.casefold(): kinds for name, kinds in columns.items()}, answer)
        except RondoError as error:
            raise unreadable(error, landing.source.reader, part) from error
    return guess


def _some(parts: Sequence[Part]) -> list[Part]:
    """Parts enough to guess from: a few spread over all, and every one that brings a column not seen before."""
    step = max(1, len(parts) // SAMPLE_PARTS)
    seen: set[str] = set()
    chosen = []
    for number, part in enumerate(parts):
        names = {name.casefold() for name in part.columns}
        if number % step == 0 or not names <= seen:
            chosen.append(part)
        seen |= names
    return chosen


def _by(size: int, names: Iterable[str]) -> Iterator[list[str]]:
    """Names in lists of at most `size`: DuckDB plans one long query much slower than several short ones."""
    left = iter(names)
    while some := list(islice(left, size)):
        yield some


def _refuse_absent(landing: Landing, columns: Mapping[str, str]) -> None:
    there = {name.casefold() for name in columns}
    if missing := [name for name in landing.source.key if name.casefold() not in there]:
        raise DeclarationError(
            f"{landing.source.name}: the key names {missing[0]!r}, which is no column; "
            f"there are: {', '.join(columns)}.",
            next_step="Mend key=.",
            file=landing.source.file,
            line=landing.source.line,
        )


def _is_pinned(landing: Landing, misfit: _Misfit, columns: Mapping[str, str]) -> bool:
    """Whether the type that a value does not fit was settled before this landing."""
    name, _ = _culprit(landing, misfit, columns)
    return name in landing.declared or (landing.base is not None and name in landing.base.columns)


def _does_not_fit(landing: Landing, misfit: _Misfit, columns: Mapping[str, str]) -> LoadError:
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


def _culprit(landing: Landing, misfit: _Misfit, columns: Mapping[str, str]) -> tuple[str, object]:
    """The first column of a row whose value does not fit, and the value as text."""
    part = misfit.part
    tests = _tests(part, columns, landing.declared)
    flags = ", ".join(f"{test}, {quote(_own(part, name))}::varchar" for name, test in tests.items())
    [answer] = run(landing.work.con, f"select {flags} from (from {part.relation} limit 1 offset {misfit.row})")
    for place, name in enumerate(tests):
        if answer[2 * place] is False:
            return name, answer[2 * place + 1]
    raise LoadError(f"{part.name} changed while it was read.", next_step="Run again.", file=part.name)


# --- rows -----------------------------------------------------------------------------------------------------------


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
    for some in _by(CHUNK_COLUMNS, tests):
        wrong = " or ".join(f"not {tests[name]}" for name in some)
        numbered = f"(select *, row_number() over () - 1 as {ROW} from {part.relation})"
        [[row]] = run(landing.work.con, f"select min({ROW}) filter ({wrong}) from {numbered}")
        if row is not None:
            raise _Misfit(part, int(str(row)))


def _arriving(
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
                raise _Misfit(part, in_part + fitting.index(False).as_py())
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
            con.sql("drop table if exists _part")
            con.sql(f"create temp table _part as {typed}")
        except Exception as error:
            raise unreadable(_as_ours(error), source.reader, part) from error
        [[rows, misfit]] = run(con, f"select count(*), min(rowid) filter (not {FITS}) from _part")
        if misfit is not None:
            raise _Misfit(part, int(str(misfit)))
        con.sql(f"insert into _arriving select {names}, {literal(part.name)}, {done} + rowid from _part")
        done += int(str(rows))
        _count(counts, landing, part, int(str(rows)))
        landing.progress(None, f"{source.name}: {done:,} rows")
    there = {name.casefold() for name in landing.base.columns}
    old = ", ".join(f"{quote(n)}" if n.casefold() in there else f"null::{k} as {quote(n)}" for n, k in columns.items())
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


def _as_ours(error: Exception) -> RondoError:
    ours = LoadError(str(error))
    ours.__cause__ = error
    return ours


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


# --- the lake -------------------------------------------------------------------------------------------------------


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
    arriving = _arriving(landing, parts, columns, moment, counts)
    rows = stream(landing, columns, arriving)
    written: LakeVersion
    if base is not None and head != base.delta:
        kept = kept_rows(landing, columns, f"where {FILE} not in {_names(gone)}" if gone else "")
        written = lake.write(path, stream(landing, columns, kept, arriving), mode="overwrite")
        return written.version
    if gone:
        names = sorted({*gone, *(part.name for part in parts)})
        written = lake.write(path, rows, mode="overwrite", replace=f"{FILE} in {_names(names)}")
    else:
        written = lake.write(path, rows, mode="overwrite" if base is None else "append")
    if head is not None and written.version != head + 1:
        raise VersionTaken(f"Another process wrote to {path} meanwhile.", next_step="Run again.")
    return written.version


def kept_rows(landing: Landing, columns: Mapping[str, str], where: str) -> Iterator[pa.RecordBatch]:
    """The stored rows of the last version, in order."""
    assert landing.base is not None
    there = {name.casefold() for name in landing.base.columns}
    names = [quote(n) if n.casefold() in there else f"null::{k} as {quote(n)}" for n, k in columns.items()]
    query = f"select {', '.join([*names, *HIDDEN])} from {landing.stored} {where} order by {LANDED}, {ROW}"
    yield from to_batches(landing.work.con, query)


def stream(landing: Landing, columns: Mapping[str, str], *batches: Iterable[pa.RecordBatch]) -> pa.RecordBatchReader:
    """Batches one after the other as one stream in the lake's columns."""
    import pyarrow as pa

    hidden = {FILE: "VARCHAR", ROW: "BIGINT", LANDED: "TIMESTAMP WITH TIME ZONE"}
    empty = ", ".join(f"null::{kind} as {quote(name)}" for name, kind in {**columns, **hidden}.items())
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
