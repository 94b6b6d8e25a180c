"""One source or table: what it holds, how it stands, where it comes from and where it goes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from rondo.data.personal import Suspicion, suspected
from rondo.errors import NotFound
from rondo.graph.definitions import tables_of
from rondo.handbook.checked import Checks, Quarantine, checks_of, quarantine_of
from rondo.handbook.columns import ColumnGraph, Columns, Place
from rondo.handbook.landed import (
    Arrival,
    Pin,
    VersionLine,
    arrivals,
    before,
    entries_of,
    entry_of,
    pins,
    version_lines,
)
from rondo.handbook.profiled import ColumnFacts, column_facts, gone, profile_of_version
from rondo.handbook.sampled import LabelWeek, Sample, label_weeks, sample_of, written_for
from rondo.handbook.tables import TableLine, table_lines
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.development import Fitness, Version
from rondo.records.monitoring import Measurement
from rondo.records.tables import Dataset, TableVersion
from rondo.records.versions import table_version
from rondo.sql.engine import connect
from rondo.sql.lineage import Kind

STALENESS = "staleness_h"
AGES = 1_000
"""So many of the newest ages measured are drawn: a year, where it is looked every nine hours."""
GAPS = 5
DATASETS = 30


@dataclass(frozen=True)
class Contract:
    """What is declared: of a source as SQL over a row, of a table the names of its columns. Lengths in seconds.

    `reader` are a source's options as written; `personal` maps columns to what was done about them.
    """

    key: tuple[str, ...]
    time: str | None
    known: str | None
    on_fail: str
    keep_s: int | None = None
    fresh_s: int | None = None
    every_s: int | None = None
    label: str | None = None
    label_known: str | None = None
    label_delay_s: int | None = None
    inputs: tuple[str, ...] | None = None
    derive: tuple[tuple[str, str], ...] = ()
    personal: tuple[tuple[str, str], ...] = ()
    reader: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Code:
    """The definition as written. `past` says that it is not today's, but that of the version shown."""

    file: str
    line: int
    text: str
    language: Literal["sql", "python"]
    past: bool = False


@dataclass(frozen=True)
class Rebuild:
    """What a change of the definition would make again, and how long that took last time."""

    tables: tuple[str, ...]
    models: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Age:
    """How old the newest row was when it was looked at, in hours."""

    at: datetime
    hours: float
    late: bool


@dataclass(frozen=True)
class Gap:
    """A stretch of time in which nothing new came for longer than it may; `until` is None while it lasts."""

    start: datetime
    until: datetime | None
    hours: float


@dataclass(frozen=True)
class TableDetails:
    """Everything about one source or table, as of one of its versions (the newest unless another was asked for).

    `about` tells how it stands now. `label` is the share of the label by week, `label_is` what it is a share of (None:
    it is the mean of a number); `fitness` is of the dataset that was frozen from this version, or of the newest where
    none was frozen from the newest version. `decided_by` are the columns that decide which rows there are,
    `suspicions` columns that nobody declared personal; `models` and `people` (names by id) are all of the project.
    """

    about: TableLine
    now: datetime
    timezone: str
    contract: Contract
    code: Code
    rebuild: Rebuild
    graph: ColumnGraph
    decided_by: tuple[tuple[Place, Kind], ...]
    checks: Checks
    models: tuple[str, ...]
    people: Mapping[str, str]
    shown: VersionLine | None = None
    versions: tuple[VersionLine, ...] = ()
    compared: str | None = None
    columns: tuple[ColumnFacts, ...] = ()
    gone: tuple[str, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()
    quarantine: Quarantine | None = None
    ages: tuple[Age, ...] = ()
    gaps: tuple[Gap, ...] = ()
    pins: tuple[Pin, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    examples_of: tuple[str, ...] = ()
    fitness: Fitness | None = None
    label: tuple[LabelWeek, ...] = ()
    label_is: str | None = None
    sample: Sample | None = None


def table_details(work: Workplace, name: str, *, version: int | None = None, column: str | None = None) -> TableDetails:
    """One source or table. Raises NotFound for a name, a version or a column that is not there."""
    if name not in work.project.names:
        raise NotFound.among("table", name, sorted(work.project.names))
    declared = work.nodes[name].declaration
    entry = entry_of(work, name, version)
    columns = Columns(work)
    names = columns.names(name)
    if column is not None and column not in names:
        raise NotFound.among(f"column of {name}", column, list(names))
    record = entry.record if entry else None
    ages = _ages(work, name) if declared.fresh_s is not None else ()
    details = TableDetails(
        about=next(table_lines(work, [name])),
        now=work.now(),
        timezone=work.project.settings.timezone,
        contract=_contract(declared),
        code=_code(work, declared, record),
        rebuild=_rebuild(work, name),
        graph=columns.graph(name, column or _telling(declared, names)),
        decided_by=_decided_by(columns, name),
        checks=checks_of(work, declared, record, newest=version is None),
        models=tuple(work.project.models),
        people={person.id: person.called for person in work.project.settings.people},
        ages=ages,
        gaps=_gaps(ages),
        pins=pins(work, name),
    )
    return _with_version(details, work, declared, columns, record) if record else details


def _decided_by(columns: Columns, name: str) -> tuple[tuple[Place, Kind], ...]:
    """Columns that filter, join or group, each in each way once."""
    found = ((wire.start, wire.kind) for wire in columns.direct(name, None) if wire.kind != "value")
    return tuple(dict.fromkeys(found))


def _with_version(
    details: TableDetails, work: Workplace, declared: Source | Table, columns: Columns, version: TableVersion
) -> TableDetails:
    """The details with what a version holds."""
    name, entries = version.name, entries_of(work, version.name)
    earlier = before(work, version)
    if all(entry.record.version != version.version for entry in entries):
        whole = [each for number in (version, earlier) if number for each in [entry_of(work, name, number.version)]]
        shown = version_lines(work, name, [each for each in whole if each])[0]
        lines = version_lines(work, name, entries)
    else:
        lines = version_lines(work, name, entries)
        shown = next((line for line in lines if line.number == version.version), lines[0])
    hidden = {column: what for (table, column), what in columns.personal().items() if table == name and column}
    model = _model_of(work, name)
    con = connect(timezone=details.timezone)
    try:
        sample = sample_of(con, work, declared, version, hidden)
        quarantine = quarantine_of(con, work, version, hidden)
    finally:
        con.close()
    return replace(
        details,
        shown=shown,
        versions=lines,
        compared=table_version(name, earlier.version) if earlier else None,
        columns=column_facts(work, columns, declared, version, earlier),
        gone=gone(version, earlier),
        suspicions=_suspicions(work, version, hidden),
        quarantine=quarantine,
        arrivals=arrivals(entries) if isinstance(declared, Source) else (),
        examples_of=tuple(each.name for each in work.project.models.values() if each.examples == name),
        fitness=_fitness(work, model, version) if model else None,
        label=label_weeks(work, declared, model.task, version) if model and isinstance(declared, Table) else (),
        label_is=model.task.label if model and model.task.kind == "binary" else None,
        sample=sample,
    )


def _suspicions(work: Workplace, version: TableVersion, declared: Mapping[str, str]) -> tuple[Suspicion, ...]:
    """Columns that look as if they held personal data, and of which nothing is declared."""
    profile = profile_of_version(work.store.ledger, version.name, version.version)
    found = suspected(profile.columns) if profile else []
    return tuple(each for each in found if each.column not in declared)


def _contract(declared: Source | Table) -> Contract:
    if isinstance(declared, Source):
        reader = declared.reader
        options = {
            "format": reader.format, "null": ", ".join(reader.null), "encoding": reader.encoding,
            "delimiter": reader.delimiter, "header": None if reader.header else "false",
            "columns": ", ".join(reader.columns), "types": ", ".join(f"{name}: {kind}" for name, kind in reader.types),
            "skip": str(reader.skip) if reader.skip else None,
        }  # fmt: skip
        written = tuple((name, value) for name, value in options.items() if value)
        return Contract(
            declared.key, declared.time, declared.known, declared.on_fail, fresh_s=declared.fresh_s,
            every_s=declared.every_s, personal=declared.personal, reader=written,
        )  # fmt: skip
    return Contract(
        declared.key, declared.time, declared.known, declared.on_fail, declared.keep_s, declared.fresh_s, None,
        declared.label, declared.label_known, declared.label_delay_s, declared.inputs, declared.derive,
        declared.personal,
    )  # fmt: skip


def _code(work: Workplace, declared: Source | Table, version: TableVersion | None) -> Code:
    """The declaration in its file; of a version that another made, what the ledger remembers."""
    then = written_for(work, version) if version else None
    if isinstance(declared, Table):
        if then is not None:
            return Code(
                declared.file, int(then.declaration.get("sql_line", 1)), str(then.declaration["sql"]), "sql", True
            )
        return Code(declared.file, 1, _text(work, declared.file), "sql")
    text, line = _text(work, declared.file), declared.line or 1
    return Code(declared.file, line, _statement(text, line), "python", then is not None)


def _text(work: Workplace, file: str) -> str:
    try:
        return (work.project.root / file).read_text(encoding="utf-8-sig")
    except OSError:
        return ""


def _statement(text: str, line: int) -> str:
    """The statement of a Python file that begins on a line."""
    lines = text.splitlines()
    for statement in ast.parse(text).body:
        if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
            return "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
    return ""


def _rebuild(work: Workplace, name: str) -> Rebuild:
    touched = [name]
    for other, node in work.nodes.items():
        if set(touched) & node.reads.keys():
            touched.append(other)
    models = [model.name for model in work.project.models.values() if set(touched) & set(tables_of(model))]
    ledger = work.store.ledger
    built = [ledger.latest(TableVersion, name=each) for each in touched]
    frozen = [ledger.latest(Dataset, name=each) for each in models]
    trained = [ledger.latest(Version, name=each) for each in models]
    seconds = sum(entry.record.seconds for entry in (*built, *frozen, *trained) if entry is not None)
    return Rebuild(tuple(touched[1:]), tuple(models), seconds)


def _telling(declared: Source | Table, names: Iterable[str]) -> str | None:
    """The column whose way is marked unless another was asked for: the label, or the first that tells something."""
    if isinstance(declared, Source):
        return None
    apart = {*declared.key, declared.time, declared.known}
    return declared.label or next((name for name in names if name not in apart), None)


def _ages(work: Workplace, name: str) -> tuple[Age, ...]:
    for model in work.project.models:
        measured = work.store.ledger.entries(
            Measurement, name=model, where={"metric": STALENESS, "feature": name}, limit=AGES, newest_first=True
        )
        found = {entry.record.end: entry.record for entry in reversed(measured)}
        if found:
            return tuple(
                Age(each.end, each.value, each.state == "out")
                for each in sorted(found.values(), key=lambda each: each.end)
                if each.value is not None
            )
    return ()


def _gaps(ages: Iterable[Age]) -> tuple[Gap, ...]:
    """The stretches in which it was late, the newest first."""
    found: list[Gap] = []
    open_: list[Age] = []
    for age in ages:
        if age.late:
            open_.append(age)
        elif open_:
            found.append(Gap(open_[0].at, age.at, max(each.hours for each in open_)))
            open_ = []
    if open_:
        found.append(Gap(open_[0].at, None, max(each.hours for each in open_)))
    return tuple(found[::-1][:GAPS])


def _model_of(work: Workplace, name: str) -> Model | None:
    return next((model for model in work.project.models.values() if model.examples == name), None)


def _fitness(work: Workplace, model: Model, version: TableVersion) -> Fitness | None:
    """Of the newest dataset that was frozen from this version of the examples."""
    frozen = work.store.ledger.entries(Dataset, name=model.name, limit=DATASETS, newest_first=True)
    for entry in frozen:
        if any(read.name == version.name and read.version == version.version for read in entry.record.inputs):
            found = work.store.ledger.latest(Fitness, name=model.name, where={"dataset": entry.record.version})
            return found.record if found else None
    newest = work.store.ledger.latest(TableVersion, name=version.name, where={"pinned": False})
    if newest is None or newest.record.version != version.version:
        return None
    found = work.store.ledger.latest(Fitness, name=model.name)
    return found.record if found else None
