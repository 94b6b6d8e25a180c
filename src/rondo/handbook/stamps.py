"""What a name of SQL stands for now, told in a few bytes: the same stamp, the same rows."""

from __future__ import annotations

from typing import Any

from rondo.deploy.predictions import stream_of
from rondo.errors import NotFound
from rondo.loop.workplace import Workplace
from rondo.records.kinds import KINDS
from rondo.records.versions import table_version
from rondo.sql.relations import LOGS, Catalog
from rondo.store.ledger import Entry


def stamp(work: Workplace, catalog: Catalog, name: str) -> str | None:
    """Which version of it a name reads, as `flights@v12+3`: what stands before the plus is for people.

    None where nothing is there yet.
    """
    group, dot, rest = name.partition(".") if "@" not in name.partition(".")[0] else (name, "", "")
    try:
        if not dot:
            table = name.partition("@")[0]
            version = catalog.version_of(table)  # its files change under it when a key is forgotten
            return f"{table_version(table, version.version)}+{work.store.lake.version(version.path)}"
        if group in LOGS:
            return _log(work, group, rest)
        if group == "dataset":
            dataset = catalog.dataset(rest)
            return f"dataset.{rest} v{dataset.version}+{work.store.lake.version(dataset.path)}"
        if group == "quarantine":
            return f"{name} {work.store.lake.version(name.replace('.', '/'))} {stamp(work, catalog, rest)}"
        return _records(catalog, "measurements" if group == "measurements" else rest, rest)
    except NotFound:
        return None


def _log(work: Workplace, group: str, model: str) -> str | None:
    """A log by the version that landed and the bytes that have not."""
    landed = work.store.lake.version(f"{group}/{model}")
    waiting = sum(work.store.log.sizes(stream_of(model)).values()) if group == "predictions" else 0
    if landed is None and not waiting:
        return None
    return f"{group}.{model} v{landed if landed is not None else 'log'}" + (f"+{waiting}" if waiting else "")


def _records(catalog: Catalog, kind: str, name: str) -> str | None:
    if kind not in KINDS:
        return None
    newest: Entry[Any] | None = catalog.ledger.latest(KINDS[kind], name=name if kind == "measurements" else None)
    return f"{kind} {newest.seq if newest else 0}"
