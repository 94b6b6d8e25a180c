"""Online values of everything that is at work, refreshed with new data under the definition each version pins."""

from __future__ import annotations

from collections.abc import Iterable

from rondo.data.publishing import drop_unpinned, publish
from rondo.deploy.resolving import newest_declared
from rondo.deploy.rollout import roles
from rondo.errors import BuildError
from rondo.features.signature import Lookup
from rondo.loop.planning import newest
from rondo.loop.versions import signature_of
from rondo.loop.workplace import Workplace
from rondo.records.development import Version
from rondo.records.progress import Progress, silent
from rondo.records.running import Step
from rondo.records.tables import Publication
from rondo.records.versions import table_version
from rondo.sql.relations import rows_of


def live_lookups(work: Workplace) -> list[Lookup]:
    """Every look-up of every version at work, one a space."""
    found: dict[str, Lookup] = {}
    for model in work.project.models:
        for entry in roles(work.store.ledger, model).values():
            signature = signature_of(work, model, entry.record.version)
            found |= {lookup.space: lookup for lookup in signature.lookups}
    return list(found.values())


def publish_lookups(
    work: Workplace,
    lookups: Iterable[Lookup],
    *,
    progress: Progress = silent,
) -> list[Step]:
    """Publish what is not published from the newest version of its definition."""
    steps = []
    for lookup in lookups:
        version = newest(work.store.ledger, lookup.table, lookup.definition)
        if version is None:
            raise BuildError(
                f"{lookup.table} has no rows of the definition that a version at work pins.",
                next_step="Run `rondo run`.",
            )
        if _is_published(work, lookup, version.version):
            continue
        progress(None, f"publish {lookup.table}")
        publication = publish(
            lookup,
            store=work.store,
            project=work.project,
            relation=f"(select * from {rows_of(version, work.store.lake)})",
            table_version=version.version,
            now=work.now(),
            by=work.by,
            progress=progress,
        )
        whole = table_version(lookup.table, version.version)
        reason = f"{publication.keys:,} keys online"
        steps.append(
            Step(name=lookup.table, stage="publish", state="built", reason=reason, version=whole, rows=publication.keys)
        )
    return steps


def _is_published(work: Workplace, lookup: Lookup, version: int) -> bool:
    """Whether this version of the table was published, and the online store still has it."""
    last = work.store.ledger.latest(Publication, name=lookup.table, where={"definition": lookup.definition})
    if last is None or last.record.table_version != version:
        return False
    meta = work.store.online.meta(lookup.space)
    return meta is not None and meta["table_version"] == version


def drop_what_nothing_pins(work: Workplace) -> list[str]:
    """Take out of the online store what neither a version at work, nor the one before it, nor the newest one reads."""
    kept = {lookup.space for lookup in live_lookups(work)}
    for model in work.project.models:
        production = roles(work.store.ledger, model).get("production")
        last = (work.store.ledger.latest(Version, name=model), newest_declared(work.store.ledger, model))
        numbers = {production.record.replaced if production else None}
        numbers |= {entry.record.version for entry in last if entry}
        for number in numbers - {None}:
            kept |= {lookup.space for lookup in signature_of(work, model, int(str(number))).lookups}
    return drop_unpinned(work.store, kept)
