"""A dataset: examples joined with their features as known at each example's moment, with labels and splits.

The examples are laid out once, in a settled order (moment, key, then every other column), and all that follows reads
them there: ties, splits, the as-of join, the order of the dataset's rows. What does not fit in memory spills to disk.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from rondo.data.reference import freeze_reference
from rondo.data.session import session
from rondo.data.splitting import SPLITS, Spine, split_expression
from rondo.errors import BuildError, TieError, VersionTaken
from rondo.features.as_of import as_of_query, known_of, steps, tie_query
from rondo.features.signature import Lookup, Signature
from rondo.project.models import Model
from rondo.project.reading import Project
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.progress import Progress, silent
from rondo.records.tables import CARRIED, POSITION, Dataset, Input
from rondo.sql.engine import describe, literal, quote, relation_of_files, run, to_batches
from rondo.sql.parsing import tables_read
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

STRETCH = 2_000_000
"""Examples joined at a time: more would not fit in memory and spill, fewer would sort the tables more often."""
_POSITION, _MOMENT, _KNOWN, _LABEL = "_rondo_position", "_rondo_moment", "_rondo_known", "_rondo_label"
_SCRATCH = "_rondo"
_SPINE = f"(select rowid as {_POSITION}, * from {_SCRATCH}.spine)"
_ATTEMPTS = 8


def freeze(
    model: Model,
    signature: Signature,
    *,
    project: Project,
    store: Store,
    relations: Mapping[str, str],
    inputs: Sequence[Input],
    definition: str,
    build: str,
    as_of: datetime | None,
    by: str,
    now: datetime,
    steady: Mapping[str, bool] | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Write the dataset of `model` to the lake and record it, then what live traffic will be compared with.

    `relations` maps the examples and each table looked up to what stands after `from`, as known by `as_of` (None:
    `now`); `steady` says of which tables `known` follows `time` at a constant lag, without doubles. Labels not known
    by then read as null. Raises TieError where an example must choose between rows, BuildError where there is nothing
    to learn from.
    """
    started = time.perf_counter()
    until, path = as_of or now, f"datasets/{model.name}"
    layout = _Layout.of(model, signature, project)
    with session(project, store) as opened:
        con = opened.con
        run(con, f"attach {literal(str(opened.folder / 'freezing.duckdb'))} as {_SCRATCH}")
        tables = _tables(con, signature, relations, steady or {}, progress)
        progress(None, f"laying out {signature.examples}")
        _lay_out(con, layout, relations[signature.examples], until)
        _refuse_ties(con, signature, tables, steady or {}, progress)
        split = split_expression(con, model.split, layout.spine)
        parts = _parts(con, split, layout)
        _refuse_nothing_to_learn(model, parts, con, until)
        rows = sum(part.rows for part in parts.values())
        stream = _joined(con, layout, split, tables, rows, progress)
        written = store.lake.write(path, stream, mode="overwrite")
        dataset = Dataset(
            name=model.name,
            version=0,
            definition=definition,
            build=build,
            path=path,
            delta=written.version,
            rows=written.rows,
            columns=describe(con, f"select * from {relation_of_files(store.lake.files(path, written.version))}"),
            splits={name: parts[name].rows if name in parts else 0 for name in SPLITS},
            inputs=list(inputs),
            assumptions=assumptions(model, signature, project) + _unmoored(con, layout),
            as_of=as_of,
            label_delay_s=parts["train"].longest_delay_s,
            moments={n: [part.first, part.last] for n, part in parts.items() if n and part.first and part.last},
            seconds=time.perf_counter() - started,
        )
    dataset = _recorded(store, dataset, by=by, now=now)
    freeze_reference(store, dataset, signature)
    return dataset


@dataclass(frozen=True)
class _Layout:
    """Which columns of the examples a dataset needs, and under which names it shows them."""

    signature: Signature
    carried: tuple[str, ...]
    group: str | None

    @classmethod
    def of(cls, model: Model, signature: Signature, project: Project) -> _Layout:
        """Beside key, inputs and label: the columns it is looked up by, sliced by, split by."""
        prd = project.prds.get(model.name)
        asked = [name for lookup in signature.lookups for _, name in lookup.on]
        sliced = [*model.slices, *(line.by for line in (prd.requirements if prd else ()) if line.by)]
        shown = {c.name for c in (*signature.key, *signature.inputs)}
        there = {c.name for c in signature.carried} | {n for n in (signature.time, signature.label.name) if n}
        carried = tuple(name for name in dict.fromkeys([*asked, *sliced]) if name in there - shown)
        return cls(signature, carried, model.split.column)

    @property
    def shown(self) -> list[str]:
        """Columns of the examples that the dataset has under their own names."""
        return list(dict.fromkeys(c.name for c in (*self.signature.key, *self.signature.inputs)))

    @property
    def needed(self) -> list[str]:
        """All columns of the examples that are laid out, each once."""
        names = [*self.shown, *self.carried, self.signature.time, self.signature.label.name, self.group]
        return list(dict.fromkeys(name for name in names if name))

    @property
    def carry(self) -> list[str]:
        """What the as-of join passes on."""
        timed = [_MOMENT, _KNOWN] if self.signature.time else []
        group = [self.group] if self.group else []
        return list(dict.fromkeys([_POSITION, _LABEL, *timed, *self.shown, *self.carried, *group]))

    @property
    def spine(self) -> Spine:
        """The examples laid out, for splitting."""
        timed = (_MOMENT, _KNOWN) if self.signature.time else (None, None)
        return Spine(_SPINE, _POSITION, _LABEL, tuple(c.name for c in self.signature.key), *timed)

    def columns(self, split: str) -> str:
        """The dataset's columns over the joined rows."""
        signature = self.signature
        key = [c.name for c in signature.key]
        named = [d.name for d in signature.derived] + [name for lookup in signature.lookups for name in lookup.names]
        items = [quote(name) for name in key]
        items += [f"{_MOMENT} as moment"] if signature.time else []
        items += [quote(name) for name in (*(n for n in self.shown if n not in key), *named)]
        items += [f"{_LABEL} as label", f"{split} as split"]
        items += [f"{quote(name)} as {quote(CARRIED + name)}" for name in self.carried]
        items += [f"{_POSITION} as {quote(POSITION)}"]
        return ", ".join(items)


@dataclass(frozen=True)
class _Part:
    rows: int
    first: datetime | None
    last: datetime | None
    longest_delay_s: float | None


def _tables(
    con: DuckDBPyConnection,
    signature: Signature,
    relations: Mapping[str, str],
    steady: Mapping[str, bool],
    progress: Progress,
) -> dict[str, str]:
    """Each table looked up behind a name, cut to its steps once where not every row is one.

    Inside a join, the query of a relation could read the columns of what it is joined to; behind a name it cannot.
    """
    tables: dict[str, str] = {}
    for lookup in signature.lookups:
        if lookup.table in tables:
            continue
        tables[lookup.table] = name = f"{_SCRATCH}.table_{len(tables)}"
        if not lookup.time or steady.get(lookup.table):
            tables[lookup.table] = name = f"_rondo_table_{len(tables)}"
            run(con, f"create temp view {name} as select * from {relations[lookup.table]}")
            continue
        progress(None, f"reading {lookup.table}")
        key = [column for column, _ in lookup.on]
        wanted = [lookup.time, known_of(lookup)]
        wanted += [c.name for other in signature.lookups if other.table == lookup.table for c in other.columns]
        columns = [column for column in dict.fromkeys(wanted) if column not in key]
        rows = steps(lookup, relations[lookup.table], columns=columns)
        run(con, f"create table {name} as select {', '.join(quote(c) for c in [*key, *columns])} from {rows}")
    return tables


def _lay_out(con: DuckDBPyConnection, layout: _Layout, examples: str, until: datetime) -> None:
    """The examples in their settled order, in a table whose `rowid` is their position."""
    signature = layout.signature
    label = quote(signature.label.name)
    items = [quote(name) for name in layout.needed]
    order = [quote(c.name) for c in signature.key] + items
    if signature.time and signature.label_known:
        known = f"{quote(signature.label_known)}::timestamptz"
        items += [f"{quote(signature.time)}::timestamptz as {_MOMENT}", f"{known} as {_KNOWN}"]
        items += [f"case when {known} <= {literal(until)} and {_MOMENT} is not null then {label} end as {_LABEL}"]
        order = [_MOMENT, *order]
    else:
        items += [f"{label} as {_LABEL}"]
    query = f"select {', '.join(items)} from {examples} order by {', '.join(dict.fromkeys(order))}"
    run(con, f"create table {_SCRATCH}.spine as {query}")


def _joined(
    con: DuckDBPyConnection,
    layout: _Layout,
    split: str,
    tables: Mapping[str, str],
    rows: int,
    progress: Progress,
) -> pa.RecordBatchReader:
    """The dataset's rows in order, joined a stretch of examples at a time: sorts stay small, whatever the number."""
    import pyarrow as pa

    progress(0.0, f"joining {rows:,} examples")

    def stretch(first: int, end: int) -> pa.RecordBatchReader:
        spine = f"(select * from {_SPINE} where {_POSITION} >= {first} and {_POSITION} < {end})"
        joined = as_of_query(layout.signature, spine, tables, carry=layout.carry, steady=tables.keys())
        return to_batches(con, f"select {layout.columns(split)} from ({joined}) order by {_POSITION}")

    def batches() -> Iterator[pa.RecordBatch]:
        done = 0
        for first in range(0, rows, STRETCH):
            for batch in stretch(first, first + STRETCH):
                yield batch
                done += batch.num_rows
                progress(done / rows, f"joining {rows:,} examples")

    return pa.RecordBatchReader.from_batches(stretch(0, 0).read_all().schema, batches())


def _refuse_ties(
    con: DuckDBPyConnection,
    signature: Signature,
    tables: Mapping[str, str],
    steady: Mapping[str, bool],
    progress: Progress,
) -> None:
    for lookup in signature.lookups:
        table = tables[lookup.table]
        if steady.get(lookup.table) or not _has_doubles(con, lookup, table):
            continue
        progress(None, f"looking for ties in {lookup.table}")
        if ties := run(con, tie_query(lookup, _SPINE, table, signature.time)):
            raise tie_error(lookup, ties, signature.timezone)


def _has_doubles(con: DuckDBPyConnection, lookup: Lookup, table: str) -> bool:
    """Whether any rows could tie: far cheaper than to ask which example meets them."""
    key = ", ".join(quote(column) for column, _ in lookup.on)
    rows, by = (steps(lookup, table, columns=[], steady=True), f"{key}, _time, _known") if lookup.time else (table, key)
    return bool(run(con, f"select 1 from {rows} group by {by} having count(*) > 1 limit 1"))


def tie_error(lookup: Lookup, ties: Sequence[Sequence[object]], timezone: str) -> TieError:
    """The error that names the tied rows, moments in `timezone`.

    `ties` are rows of `tie_query`; without examples it is requests that would have to choose.
    """
    said = []
    for *key, when, known, _, examples in ties[:3]:
        named = [f"{column} {value}" for (column, _), value in zip(lookup.on, key, strict=True)]
        named += [f"{lookup.time} {_shown(when, timezone)}"] if lookup.time else []
        named += [f"{lookup.known} {_shown(known, timezone)}"] if lookup.known else []
        shared = " and ".join([part for part in (", ".join(named[:-1]), named[-1]) if part])
        said.append(f"{shared} ({examples} examples)" if examples else shared)
    more = f", and {len(ties) - 3} more" if len(ties) > 3 else ""
    who = "examples" if ties[0][-1] else "requests"
    return TieError(
        f"{lookup.table} has rows that {who} must choose between, for they share {'; '.join(said)}{more}.",
        next_step=f"Keep one row of each in tables/{lookup.table}.sql, or tell them apart by known.",
        file=f"tables/{lookup.table}.sql",
        line=1,
        facts={"table": lookup.table, "ties": len(ties)},
    )


def _shown(moment: object, timezone: str) -> str:
    return moment.astimezone(ZoneInfo(timezone)).isoformat() if isinstance(moment, datetime) else str(moment)


def _parts(con: DuckDBPyConnection, split: str, layout: _Layout) -> dict[str | None, _Part]:
    """Rows, first and last moment and the longest delay of a label, by split (None: in no split)."""
    found = "null, null, null"
    if layout.signature.time:
        delay_us = f"epoch_us({_KNOWN}) - epoch_us({_MOMENT})"
        found = f"min({_MOMENT}), max({_MOMENT}), max({delay_us}) / 1000000.0::double"
    query = f"select {split} as split, count(*), {found} from {_SPINE} group by 1"
    return {name: _Part(*rest) for name, *rest in run(con, query)}  # type: ignore[misc, arg-type]  # as selected


def _refuse_nothing_to_learn(
    model: Model, parts: Mapping[str | None, _Part], con: DuckDBPyConnection, until: datetime
) -> None:
    rows = sum(part.rows for part in parts.values())
    labelled = rows - (parts[None].rows if None in parts else 0)
    if "train" in parts:
        return
    if not rows:
        raise BuildError(
            f"{model.examples} has no rows, so there is nothing to train {model.name} on.",
            next_step=f"Look at what tables/{model.examples}.sql selects, and whether its sources have rows by then.",
        )
    [(known,)] = run(con, f"select count({_LABEL}) from {_SCRATCH}.spine")
    if not known:
        raise BuildError(
            f"None of the {rows} examples of {model.examples} has a label known by {until.isoformat()}.",
            next_step=f"Look at {model.task.label} and label_known in tables/{model.examples}.sql.",
        )
    raise BuildError(
        f"The split leaves no example to train {model.name} on: {known} are labelled, {labelled} of them fall into "
        "validation and test, the others became known too late.",
        next_step=f"Make validation and test smaller in {model.file or 'the model'}.",
    )


def assumptions(model: Model, signature: Signature, project: Project) -> list[str]:
    """What this dataset takes on trust, in sentences."""
    said = []
    for name in sorted(_lineage([signature.examples, *(lookup.table for lookup in signature.lookups)], project)):
        declared: Source | Table = project.sources.get(name) or project.tables[name]
        if isinstance(declared, Source) and declared.known == "always":
            said.append(f"{name} has no history: its rows are taken as known at any moment.")
    for lookup in {lookup.table: lookup for lookup in signature.lookups}.values():
        if lookup.time and not lookup.known:
            said.append(f"{lookup.table} declares no known: a row is taken as known at its {lookup.time}.")
        elif not lookup.time and signature.time:
            said.append(f"{lookup.table} has no time: every example reads it as it has landed.")
    if signature.time and model.split.kind != "time":
        word = "rd.random" if model.split.kind == "random" else "rd.by_group"
        said.append(f"The split is {word} though examples have a time: training saw later moments than the test's.")
    return said


def _lineage(names: Sequence[str], project: Project) -> set[str]:
    """These tables and all sources and tables they are made from."""
    found: set[str] = set()
    waiting = [name for name in names if name in project.names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        if name in project.tables:
            read = (read.partition("@")[0] for read in tables_read(project.tables[name].sql))
            waiting += [name for name in read if name in project.names]
    return found


def _unmoored(con: DuckDBPyConnection, layout: _Layout) -> list[str]:
    """Labels that count as unknown for want of a time."""
    if not layout.signature.time:
        return []
    label = quote(layout.signature.label.name)
    [(rows,)] = run(con, f"select count({label}) from {_SCRATCH}.spine where {_KNOWN} is null or {_MOMENT} is null")
    return [f"{rows} labels without a time or a known time are taken as unknown."] if rows else []


def _recorded(store: Store, dataset: Dataset, *, by: str, now: datetime) -> Dataset:
    """The record under the next free version."""
    for attempt in range(1, _ATTEMPTS + 1):
        numbered = msgspec.structs.replace(dataset, version=store.ledger.next_version(Dataset, dataset.name))
        try:
            store.ledger.append(numbered, by=by, at=now)
        except VersionTaken:
            if attempt == _ATTEMPTS:
                raise
        else:
            return numbered
    raise AssertionError("unreachable")
