"""Bringing sources and tables up to date, pinned definitions included."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from rondo.data.building import build_table
from rondo.data.built import Built
from rondo.data.loading import load_source
from rondo.errors import BuildError
from rondo.graph.definitions import Node, build_fingerprint
from rondo.loop.planning import newest, source_standing, table_standing
from rondo.loop.workplace import Workplace
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.progress import Progress, silent
from rondo.records.running import Step
from rondo.records.tables import CheckResult, Definition, Input, TableVersion
from rondo.records.versions import table_version
from rondo.sql.relations import rows_of, source_relation

Versions = Mapping[str, TableVersion]


@dataclass(frozen=True)
class Brought:
    """A step and the version that is there after it (None: there has never been one)."""

    step: Step
    version: TableVersion | None


def bring(
    work: Workplace,
    node: Node,
    versions: Versions,
    *,
    as_of: datetime | None = None,
    pinned: bool = False,
    progress: Progress = silent,
) -> Brought:
    """Load a source or build a table if it is not up to date. `versions` holds what it reads, as it stands now."""
    missing = [name for name in node.reads if name not in versions]
    stage = "pinned" if pinned else "load" if node.is_source else "build"
    last = newest(work.store.ledger, node.name, node.definition if pinned else None)
    if missing:
        reason = f"{', '.join(missing)} has no rows"
        return Brought(Step(name=node.name, stage=stage, state="skipped", reason=reason), last)
    why = _why(work, node, versions, as_of, last, pinned)
    if why is None:
        assert last is not None
        kept = table_version(node.name, last.version)
        return Brought(
            Step(name=node.name, stage=stage, state="fresh", version=kept, rows=last.rows, seconds=0.0), last
        )
    progress(None, f"{stage} {node.name}")
    _remember(work, node)
    built = _make(work, node, versions, as_of, pinned, progress)
    version = built.version or last
    whole = table_version(node.name, version.version) if version else None
    if built.state == "blocked":
        step = Step(
            name=node.name, stage=stage, state="blocked", reason=built.reason, version=whole,
            rows=version.rows if version else None, seconds=built.seconds,
        )  # fmt: skip
        return Brought(step, version)
    told = f"{why}; {built.reason}" if built.reason else why
    step = Step(
        name=node.name, stage=stage, state="built", reason=told, version=whole, rows=built.rows, seconds=built.seconds
    )
    return Brought(step, version)


def _why(
    work: Workplace, node: Node, versions: Versions, as_of: datetime | None, last: TableVersion | None, pinned: bool
) -> str | None:
    """Why the node must be brought up to date; None when it is."""
    if node.is_source:
        return source_standing(work, node)[0].reason
    numbers = {name: versions[name].version for name in node.reads}
    if pinned:
        build = build_fingerprint(node, numbers, as_of)
        return None if last and last.build == build else "a version at work pins it, and there is new data"
    return table_standing(work, node, numbers, as_of, {}).reason


def _make(
    work: Workplace, node: Node, versions: Versions, as_of: datetime | None, pinned: bool, progress: Progress
) -> Built:
    declaration = node.declaration
    if isinstance(declaration, Source):
        return load_source(
            declaration, project=work.project, store=work.store, definition=node.definition,
            build=build_fingerprint(node, {}, None), by=work.by, now=work.now(), pinned=pinned, progress=progress,
        )  # fmt: skip
    inputs = [
        Input(name=name, version=versions[name].version, definition=versions[name].definition) for name in node.reads
    ]
    return build_table(
        declaration, project=work.project, store=work.store,
        relations={name: relation_for(work, versions[name], as_of) for name in node.reads}, inputs=inputs,
        definition=node.definition, build=build_fingerprint(node, {i.name: i.version for i in inputs}, as_of),
        as_of=as_of, by=work.by, now=work.now(), pinned=pinned, progress=progress,
    )  # fmt: skip


def relation_for(work: Workplace, version: TableVersion, as_of: datetime | None) -> str:
    """The rows of a version as of a moment. A table was built as of it already; a source is cut by its known times."""
    if version.stage == "table":
        return f"(select * from {rows_of(version, work.store.lake)})"
    source = declared(work, version.name, version.definition)
    assert isinstance(source, Source)
    if as_of is not None and source.known is None:
        where = {"definition": version.definition}
        landed = work.store.ledger.latest(TableVersion, name=version.name, until=as_of, where=where)
        if landed is None:
            return f"(select * from {source_relation(source, version, work.store.lake)} where false)"
        version = landed.record
    return source_relation(source, version, work.store.lake, as_of=as_of)


def declared(work: Workplace, name: str, definition: str) -> Source | Table:
    """The declaration a fingerprint stands for: the project's present one, or the one the ledger remembers."""
    present = work.nodes.get(name)
    if present is not None and present.definition == definition:
        return present.declaration
    return pinned_node(work, name, definition).declaration


def pinned_node(work: Workplace, name: str, definition: str) -> Node:
    """A definition that the ledger remembers, as a node."""
    entry = work.store.ledger.latest(Definition, name=name, where={"definition": definition})
    if entry is None:
        raise BuildError(
            f"The definition {definition[:12]} of {name} is not in the ledger.",
            next_step="Promote a version trained on the present definition.",
        )
    record = entry.record
    kind: type[Source] | type[Table] = Source if record.stage == "source" else Table
    return Node(name, msgspec.convert(record.declaration, kind), record.own, record.definition, record.reads)


def _remember(work: Workplace, node: Node) -> None:
    """Record what a fingerprint stands for, once."""
    if work.store.ledger.latest(Definition, name=node.name, where={"definition": node.definition}) is None:
        record = Definition(
            name=node.name,
            stage="source" if node.is_source else "table",
            definition=node.definition,
            own=node.own,
            reads=dict(node.reads),
            declaration=msgspec.to_builtins(node.declaration),
        )
        work.store.ledger.append(record, by=work.by)


def blocked_by_checks(work: Workplace, name: str) -> bool:
    """Whether the last build of a table was held back."""
    entry = work.store.ledger.latest(CheckResult, name=name)
    return entry is not None and entry.record.state == "blocked"


def bring_pinned(
    work: Workplace, wanted: Collection[tuple[str, str]], *, as_of: datetime | None = None, progress: Progress = silent
) -> list[Step]:
    """Bring up to date every definition that a version at work pins and the project has left behind.

    `wanted` holds (table, definition).
    """
    steps: list[Step] = []
    found: dict[tuple[str, str], TableVersion] = {}

    def need(name: str, definition: str) -> TableVersion | None:
        if (name, definition) in found:
            return found[name, definition]
        present = work.nodes.get(name)
        if present is not None and present.definition == definition:
            version = newest(work.store.ledger, name, definition)
        else:
            node = pinned_node(work, name, definition)
            upstream = {read: need(read, of) for read, of in node.reads.items()}
            given = {read: version for read, version in upstream.items() if version is not None}
            brought = bring(work, node, given, as_of=as_of, pinned=True, progress=progress)
            steps.append(brought.step)
            version = brought.version
        if version is not None:
            found[name, definition] = version
        return version

    for name, definition in sorted(wanted):
        need(name, definition)
    return steps
