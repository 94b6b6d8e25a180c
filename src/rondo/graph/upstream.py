"""What a table's column, or a model, depends on through all tables, down to the columns of sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial

from rondo.errors import NotFound
from rondo.project.models import Feature, Model
from rondo.project.reading import Project
from rondo.sql.lineage import Edge, lineage
from rondo.sql.parsing import tables_read
from rondo.sql.relations import Catalog

Reached = tuple[str, str | None, str]
"""A table or source, its column (None: it could not be told which), and how it is used."""
Built = Callable[[str], Mapping[str, str]]
"""The columns of a source or table as last built."""


def upstream(catalog: Catalog, name: str, column: str | None, kind: str = "value") -> dict[Reached, None]:
    """Everything that a table's column depends on, nearest first; a column reached by several ways once a way."""
    found: dict[Reached, None] = {}
    _trace(catalog, name, column, kind, found)
    return found


def upstream_of_model(catalog: Catalog, model: Model) -> dict[Reached, None]:
    """Everything that a model depends on: its inputs, label and look-ups, each followed by what that depends on."""
    found: dict[Reached, None] = {}
    for table, column, kind in _of_model(model, catalog.project, catalog):
        found[table, column, kind] = None
        _trace(catalog, table, column, kind, found)
    return found


def columns_of(catalog: Catalog, name: str) -> Mapping[str, str]:
    """The columns of a source's or table's newest version; none where there is no version."""
    try:
        return catalog.version_of(name).columns
    except NotFound:
        return {}


def looked_up(feature: Feature, catalog: Catalog, built: Built | None = None) -> tuple[str, ...]:
    """The columns that a look-up brings; `built` is asked instead of the ledger."""
    if feature.columns:
        return feature.columns
    table = catalog.project.tables[feature.table]
    apart = {*table.key, table.time, table.known}
    built = built or partial(columns_of, catalog)
    return tuple(column for column in built(table.name) if column not in apart)


def _of_model(model: Model, project: Project, catalog: Catalog) -> list[Reached]:
    examples = project.tables[model.examples]
    inputs = examples.inputs
    if inputs is None:
        inputs = tuple(c for c in columns_of(catalog, examples.name) if c != examples.label)
    wanted: list[Reached] = [(examples.name, column, "value") for column in dict.fromkeys((*inputs, model.task.label))]
    for feature in model.features:
        table = project.tables[feature.table]
        wanted += [(table.name, column, "value") for column in looked_up(feature, catalog)]
        wanted += [(table.name, column, "join") for column in table.key]
        wanted += [(table.name, column, "filter") for column in (table.time, table.known) if column]
    return wanted


def edges_of(catalog: Catalog, name: str, built: Built | None = None) -> tuple[Edge, ...]:
    """What each column of a table depends on among the columns of the tables it reads; nothing of a source.

    `built` is asked instead of the ledger.
    """
    table = catalog.project.tables.get(name)
    if table is None:
        return ()
    built = built or partial(columns_of, catalog)
    reads = [read for read in tables_read(table.sql) if read in catalog.project.names]
    schemas = tuple((read, tuple(built(read).items())) for read in reads)
    return tuple(edge for edge in _edges(table.sql, schemas) if edge.table in catalog.project.names)


@lru_cache(maxsize=1024)
def _edges(sql: str, schemas: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]) -> tuple[Edge, ...]:
    """`lineage`, remembered: whoever looks asks it of the same tables each time."""
    return tuple(lineage(sql, {read: dict(columns) for read, columns in schemas}))


def _trace(catalog: Catalog, name: str, column: str | None, kind: str, found: dict[Reached, None]) -> None:
    wanted = column.casefold() if column is not None else None
    for edge in edges_of(catalog, name):
        if wanted is not None and edge.output_column is not None and edge.output_column.casefold() != wanted:
            continue
        above = (edge.table, edge.column, edge.kind if kind == "value" else kind)
        if above not in found:
            found[above] = None
            _trace(catalog, *above, found)
