"""The rows behind one prediction: which row of each looked-up table was the answer at its moment, and why none was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rondo.deploy.logged import Logged
from rondo.errors import RondoError
from rondo.features.as_of import known_of
from rondo.features.signature import Lookup, Signature
from rondo.loop.workplace import Workplace
from rondo.records.tables import TableVersion
from rondo.records.versions import table_version
from rondo.sql.engine import connect, literal, quote, run
from rondo.sql.relations import rows_of

Query = Callable[[str], list[tuple[object, ...]]]


@dataclass(frozen=True)
class RowBehind:
    """A row that a look-up read, or would have: with when it happened and became known.

    `state` says whether it was read, or was older at the moment than the table's `keep_s` and read as null; or that no
    row of the key was known by then, or that the request brought no key. `version` is the table's newest that holds
    the pinned definition.
    """

    state: Literal["read", "too old", "none", "no key"]
    key: Mapping[str, str]
    version: str | None = None
    time: datetime | None = None
    known: datetime | None = None
    age_s: float | None = None
    keep_s: int | None = None


def rows_behind(work: Workplace, signature: Signature, logged: Logged) -> dict[str, RowBehind]:
    """The row behind each look-up of a prediction, by the look-up's prefix; a table that is gone is left out."""
    found = {}
    with closing(connect(timezone=work.project.settings.timezone, threads=1)) as con:

        def query(sql: str) -> list[tuple[object, ...]]:
            return run(con, sql)

        for lookup in signature.lookups:
            try:
                found[lookup.prefix] = _row(work, lookup, logged, query)
            except RondoError:
                continue
    return found


def _row(work: Workplace, lookup: Lookup, logged: Logged, query: Query) -> RowBehind:
    asked = {column: logged.request.get(name) for column, name in lookup.on}
    key = {column: str(value) for column, value in asked.items() if value is not None}
    landed = work.store.ledger.latest(TableVersion, name=lookup.table, where={"definition": lookup.definition})
    version = table_version(lookup.table, landed.record.version) if landed else None
    if len(key) < len(asked):
        return RowBehind("no key", key, version, keep_s=lookup.keep_s)
    if landed is None:
        return RowBehind("none", key, keep_s=lookup.keep_s)
    equal = " and ".join(f"{quote(column)} = {literal(value)}" for column, value in asked.items())
    relation = rows_of(landed.record, work.store.lake)
    if lookup.time is None:
        there = query(f"select 1 from {relation} where {equal} limit 1")
        return RowBehind("read" if there else "none", key, version)
    time, known = f"{quote(lookup.time)}::timestamptz", f"{quote(known_of(lookup))}::timestamptz"
    rows = query(
        f"select {time}, {known} from {relation} where {equal} and {known} <= {literal(logged.moment)} "
        f"order by 1 desc nulls last, 2 desc limit 1"
    )
    if not rows:
        return RowBehind("none", key, version, keep_s=lookup.keep_s)
    happened, became_known = rows[0]
    assert isinstance(happened, datetime) and isinstance(became_known, datetime)
    age_s = (logged.moment - happened).total_seconds()
    old = lookup.keep_s is not None and age_s > lookup.keep_s
    return RowBehind("too old" if old else "read", key, version, happened, became_known, age_s, lookup.keep_s)
