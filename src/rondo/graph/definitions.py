"""Definition fingerprints: what something is, whatever data it holds.

A fingerprint covers the declaration (SQL as parsed, not as written), the parameters that change rows, and the
definitions it reads from. A comment, an owner or a summary is no part of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import msgspec

from rondo.errors import DeclarationError
from rondo.project.models import Feature, Model, Trainer
from rondo.project.reading import Project
from rondo.project.source_code import code_fingerprint
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.sql.parsing import check_single_select, fingerprint, tables_read

Declaration = Source | Table


@dataclass(frozen=True)
class Node:
    """A source or a table in its present definition. `own` leaves out what it reads."""

    name: str
    declaration: Declaration
    own: str
    definition: str
    reads: Mapping[str, str]

    @property
    def is_source(self) -> bool:
        """Whether rows come from outside."""
        return isinstance(self.declaration, Source)


def digest(*parts: object) -> str:
    """SHA-256 over parts, in hex; parts are anything JSON can say."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def own_fingerprint(declaration: Declaration, timezone: str) -> str:
    """The fingerprint of a declaration by itself."""
    quarantine = [check.text for check in declaration.checks] if declaration.on_fail == "quarantine" else []
    if isinstance(declaration, Source):
        parts = (declaration.reader, declaration.key, declaration.time, declaration.known)
        return digest("source", parts, quarantine, timezone)
    header = (declaration.key, declaration.time, declaration.known, declaration.keep_s, declaration.label_known)
    return digest("table", fingerprint(declaration.sql), header, quarantine, timezone)


def nodes_of(project: Project) -> dict[str, Node]:
    """Every source and table in an order in which each comes after what it reads.

    Raises DeclarationError on a query that cannot be read, a name that nothing bears, and a circle.
    """
    for source in project.sources.values():
        _referred(source, source.line, project)
    reads = {name: _reads(table, project) for name, table in project.tables.items()}
    try:
        order = list(TopologicalSorter({**dict.fromkeys(project.sources, ()), **reads}).static_order())
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        table = project.tables[error.args[1][0]]
        raise DeclarationError(
            f"Tables read one another in a circle: {circle}.", next_step="Break the circle.", file=table.file
        ) from error
    nodes: dict[str, Node] = {}
    position = {name: place for place, name in enumerate([*project.sources, *project.tables])}
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = 1 + max((depth[read] for read in reads.get(name, ())), default=0)
    for name in sorted(order, key=lambda n: (depth[n], position[n])):
        declaration: Declaration = project.sources[name] if name in project.sources else project.tables[name]
        own = own_fingerprint(declaration, project.settings.timezone)
        upstream = {read: nodes[read].definition for read in reads.get(name, ())}
        nodes[name] = Node(name, declaration, own, digest(own, upstream), upstream)
    return nodes


def _reads(table: Table, project: Project) -> tuple[str, ...]:
    offset = table.sql_line - 1
    check_single_select(table.sql, file=table.file, line_offset=offset)
    found = tables_read(table.sql)
    for name in found:
        if name not in project.names:
            raise DeclarationError(
                f"{table.file} reads {name!r}, which is neither a source nor a table; there are: "
                f"{', '.join(sorted(project.names - {table.name}))}.",
                next_step="Mend the name, or declare it in sources.py or tables/.",
                file=table.file,
                line=_line_of(table, name),
            )
    return tuple(sorted({*found, *_referred(table, 1, project)}))


def _referred(declaration: Declaration, line: int | None, project: Project) -> set[str]:
    """The sources and tables that checks look into."""
    references = {other for check in declaration.checks for _, other, _ in check.references}
    for name in sorted(references - project.names):
        raise DeclarationError(
            f"A check of {declaration.name} looks into {name!r}, which is neither a source nor a table.",
            next_step="Mend the name.",
            file=declaration.file,
            line=line,
        )
    return references


def _line_of(table: Table, name: str) -> int:
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    return table.sql_line + next((n for n, text in enumerate(table.sql.splitlines()) if word.search(text)), 0)


def build_fingerprint(node: Node, versions: Mapping[str, int], as_of: object, *, more: object = None) -> str:
    """The definition with the versions of what it reads: the same build, nothing to do. Checks are part of it."""
    checks = [(check.text, node.declaration.on_fail) for check in node.declaration.checks]
    return digest("build", node.definition, versions, as_of, checks, more)


def model_definition(model: Model, project: Project, nodes: Mapping[str, Node]) -> str:
    """The fingerprint of a model: its declaration, the header of its examples, and what it reads."""
    examples = project.tables[model.examples]
    header = (examples.inputs, examples.derive, examples.label, examples.label_known, examples.time, examples.key)
    declared = (
        model.task,
        model.features,
        model.split,
        trainer_fingerprint(model, project),
        model.metric,
        model.slices,
    )
    return digest("model", declared, header, pinned_of(model, nodes), project.settings.timezone)


def pinned_of(model: Model, nodes: Mapping[str, Node]) -> dict[str, str]:
    """The definition of every table a model reads."""
    return {name: nodes[name].definition for name in tables_of(model)}


def tables_of(model: Model) -> tuple[str, ...]:
    """The tables a model reads: its examples, then those of its features."""

    def name(feature: Feature) -> str:
        return feature.table

    return tuple(dict.fromkeys([model.examples, *map(name, model.features)]))


def trainer_fingerprint(model: Model, project: Project) -> str:
    """The trainer: a built-in one by name and parameters, the project's own by the source of what it is set to."""
    if isinstance(model.train, Trainer):
        return digest(
            model.train.name, [[k, v] for k, v in model.train.parameters], model.train.minutes, model.train.seed
        )
    path = project.root / model.file
    return digest("own", code_fingerprint(path, model.name, project.root, argument="train"))
