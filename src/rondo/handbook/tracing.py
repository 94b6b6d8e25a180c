"""Where a table, a column, a model or a prediction comes from, back to the files its rows came in."""

from __future__ import annotations

from typing import Any

from rondo.errors import NotFound
from rondo.graph.upstream import columns_of, upstream, upstream_of_model
from rondo.project.reading import Project
from rondo.sql.relations import Catalog

KINDS = ("value", "filter", "join", "group")


def lineage_document(catalog: Catalog, name: str) -> dict[str, Any]:
    """Everything upstream of `flights`, `flights.late` or `late`: each column with how it is used.

    A column reached by several ways is listed once a way. Raises NotFound.
    """
    project = catalog.project
    model = project.models.get(name)
    if model is not None:
        found = upstream_of_model(catalog, model)
    else:
        table, _, column = name.partition(".")
        if table not in project.names:
            raise NotFound.among("table or model", table, [*sorted(project.names), *project.models])
        columns = columns_of(catalog, table)
        if column and columns and column not in columns:
            raise NotFound.among(f"column of {table}", column, list(columns))
        found = upstream(catalog, table, column or None)
    above = [
        {"name": table, "column": column, "kind": kind, "source": _address(project, table)}
        for table, column, kind in found
    ]
    return {"name": name, "upstream": above}


def _address(project: Project, name: str) -> str | None:
    source = project.sources.get(name)
    return source.reader.address if source else None
