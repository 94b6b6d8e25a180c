"""The profile of a table: what it holds, its checks, and of examples whether they are fit for learning."""

from __future__ import annotations

from typing import Any

from rondo.data.profiling import profile
from rondo.develop.fitness import fitness_of
from rondo.features.assembly import assemble
from rondo.graph.definitions import tables_of
from rondo.records.development import Fitness
from rondo.records.documents import profile_document
from rondo.records.progress import Progress, silent
from rondo.records.tables import CheckResult, Dataset, Profile, TableVersion
from rondo.sql.engine import connect
from rondo.sql.relations import Catalog
from rondo.store.opening import Store


def profile_of(catalog: Catalog, store: Store, name: str, *, by: str, progress: Progress = silent) -> dict[str, Any]:
    """The `profile` document of a source or table as last built."""
    version = catalog.version_of(name)
    entry = store.ledger.latest(Profile, name=name, version=version.version)
    found = entry.record if entry else _profiled(catalog, version)
    checks = store.ledger.latest(CheckResult, name=name)
    fitness = _fitness(catalog, store, name, by, progress)
    return profile_document(found, checks.record if checks else None, fitness)


def _profiled(catalog: Catalog, version: TableVersion) -> Profile:
    con = connect(timezone=catalog.timezone)
    try:
        columns = profile(con, catalog.relation(version.name, number=version.version), version.columns)
    finally:
        con.close()
    return Profile(name=version.name, version=version.version, rows=version.rows, columns=columns)


def _fitness(catalog: Catalog, store: Store, name: str, by: str, progress: Progress) -> Fitness | None:
    """Of examples that a model is trained on: the fitness of its newest dataset, found now if it was not before."""
    for model in catalog.project.models.values():
        dataset = store.ledger.latest(Dataset, name=model.name)
        if model.examples != name or dataset is None:
            continue
        known = store.ledger.latest(Fitness, name=model.name, where={"dataset": dataset.record.version})
        if known is not None:
            return known.record
        versions = {table: catalog.version_of(table) for table in tables_of(model)}
        signature = assemble(
            model,
            catalog.project,
            {table: version.columns for table, version in versions.items()},
            {table: version.definition for table, version in versions.items()},
        )
        return fitness_of(
            dataset.record,
            store=store,
            signature=signature,
            task=model.task,
            now=store.clock(),
            by=by,
            progress=progress,
        )
    return None
