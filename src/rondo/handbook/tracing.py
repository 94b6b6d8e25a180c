"""Where a table, a column, a model or a prediction comes from, back to the files its rows came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rondo.errors import NotFound
from rondo.graph.definitions import nodes_of
from rondo.project.models import Model
from rondo.project.reading import Project
from rondo.sql.lineage import lineage
from rondo.sql.relations import Catalog

KINDS = ("value", "filter", "join", "group")
Wanted = tuple[str, str | None, str]


def lineage_document(catalog: Catalog, name: str) -> dict[str, Any]:
    """Everything upstream of `flights`, `flights.late` or `late`: each column with how it is used.

    A column reached by several ways is listed once a way. Raises NotFound.
    """
    project = catalog.project
    found: dict[Wanted, None] = {}
    model = project.models.get(name)
    if model is not None:
        for table, column, kind in _of_model(model, project, catalog):
            found[table, column, kind] = None
            _trace(catalog, table, column, kind, found)
    else:
        table, _, column = name.partition(".")
        if table not in project.names:
            raise NotFound.among("table or model", table, [*sorted(project.names), *project.models])
        columns = _columns(catalog, table)
        if column and columns and column not in columns:
            raise NotFound.among(f"column of {table}", column, list(columns))
        _trace(catalog, table, column or None, "value", found)
    upstream = [
        {"name": table, "column": column, "kind": kind, "source": _address(project, table)}
        for table, column, kind in found
    ]
    return {"name": name, "upstream": upstream}


def _of_model(model: Model, project: Project, catalog: Catalog) -> list[Wanted]:
    examples = project.tables[model.examples]
    inputs = examples.inputs
    if inputs is None:
        inputs = tuple(c for c in _columns(catalog, examples.name) if c != examples.label)
    wanted: list[Wanted] = [(examples.name, column, "value") for column in dict.fromkeys((*inputs, model.task.label))]
    for feature in model.features:
        table = project.tables[feature.table]
        apart = {*table.key, table.time, table.known}
        columns = feature.columns or tuple(c for c in _columns(catalog, table.name) if c not in apart)
        wanted += [(table.name, column, "value") for column in columns]
        wanted += [(table.name, column, "join") for column in table.key]
        wanted += [(table.name, column, "filter") for column in (table.time, table.known) if column]
    return wanted


def _columns(catalog: Catalog, name: str) -> Mapping[str, str]:
    try:
        return catalog.version_of(name).columns
    except NotFound:
        return {}


def _trace(catalog: Catalog, name: str, column: str | None, kind: str, found: dict[Wanted, None]) -> None:
    table = catalog.project.tables.get(name)
    if table is None:
        return
    reads = nodes_of_reads(catalog, name)
    schemas = {read: _columns(catalog, read) for read in reads}
    for edge in lineage(table.sql, schemas, column):
        upstream = (edge.table, edge.column, edge.kind if kind == "value" else kind)
        if edge.table in catalog.project.names and upstream not in found:
            found[upstream] = None
            _trace(catalog, *upstream, found)


def nodes_of_reads(catalog: Catalog, name: str) -> Mapping[str, str]:
    """What a table reads."""
    return nodes_of(catalog.project)[name].reads


def _address(project: Project, name: str) -> str | None:
    source = project.sources.get(name)
    return source.reader.address if source else None
