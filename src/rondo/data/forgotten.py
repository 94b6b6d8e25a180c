"""What was forgotten: rows that sources and tables still hold of it are told, and stay out of outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rondo.errors import StoreError
from rondo.records.erasing import Erasure
from rondo.sql.engine import literal, quote, run
from rondo.store.opening import Store
from rondo.store.pseudonyms import FILE, Forgotten, Pseudonyms, open_pseudonyms

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from rondo.store.ledger import Entry


def erasures_of(store: Store, model: str, *, after: int = 0) -> list[Entry[Erasure]]:
    """Every erasure of a model, once, as it was recorded last; those recorded after `after` (a seq) alone."""
    newest = {entry.record.erasure: entry for entry in store.ledger.entries(Erasure, name=model, after=after)}
    return list(newest.values())


def pseudonyms_of(store: Store, erasures: Sequence[Erasure]) -> Pseudonyms | None:
    """The secret that erasures were recorded under; None where there are none.

    Raises StoreError where it is not here: what was forgotten must not come back because nobody knows it any more.
    """
    if not erasures:
        return None
    found = open_pseudonyms(store.folder, create=False)
    if found is None or any(each.under != found.under for each in erasures):
        raise StoreError(
            f"Keys of {erasures[0].name} were forgotten, and {FILE}, which tells them again, is not here or another.",
            next_step=f"Bring {FILE} back into {store.folder.name}/ from a backup or the machine that forgot them.",
        )
    return found


def forgotten_keys(
    erasures: Sequence[Erasure], types: Mapping[str, str], pseudonyms: Pseudonyms, timezone: str
) -> list[tuple[Forgotten, dict[str, datetime]]]:
    """What erasures forgot, by the columns of its keys: each pseudonym with the last moment it was forgotten up to.

    Those by columns that are not among `types` (their SQL types) are left out.
    """
    found: dict[tuple[str, ...], dict[str, datetime]] = {}
    for each in erasures:
        until = found.setdefault(tuple(each.columns), {})
        until |= {digest: max(each.until, until.get(digest, each.until)) for digest in each.digests}
    return [
        (Forgotten({name: types[name] for name in columns}, frozenset(until), pseudonyms, timezone), until)
        for columns, until in found.items()
        if set(columns) <= types.keys()
    ]


def left_out(
    con: DuckDBPyConnection,
    relation: str,
    forgotten: Sequence[tuple[Forgotten, Mapping[str, datetime]]],
    *,
    time: str | None,
    names: Mapping[str, str] | None = None,
) -> str:
    """A relation without the rows of forgotten keys; where it has a `time`, those asked later stay.

    `names` are its own for the columns of the keys, where it has others.
    """
    for number, (keys, until) in enumerate(forgotten):
        table, columns = f"_rondo_forgotten_{number}", [quote((names or {}).get(name, name)) for name in keys.columns]
        distinct = f"select distinct {', '.join(columns)}, null::timestamptz as _rondo_until from {relation}"
        run(con, f"create or replace temp table {table} as {distinct}")
        for place, *values in run(con, f"select rowid, {', '.join(columns)} from {table}"):
            moment = until.get(keys.pseudonym(values) or "")
            if moment is not None:
                run(con, f"update {table} set _rondo_until = {literal(moment)} where rowid = {place}")
        same = " and ".join([f"f.{name} = r.{name}" for name in columns])
        by_then = f" and r.{quote(time)}::timestamptz <= f._rondo_until" if time else ""
        gone = f"select 1 from {table} as f where f._rondo_until is not null and {same}{by_then}"
        relation = f"(select * from {relation} as r where not exists ({gone}))"
    return relation
