"""The as-of join in SQL.

For an example with moment *m* and a feature table: among the table's rows of that key with `known` <= m, the greatest
`time`, among these the greatest `known`. An ASOF join finds the greatest `known` <= m, so the table is first cut to
its *steps*: the rows that are the answer from the moment they become known. A row is a step if no row of its key with
a greater time was known by then. Where `known` follows `time` at a constant lag every row is a step (`steady`) and
the cut is spared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rondo.features.signature import Lookup, Signature
from rondo.sql.engine import quote


def known_of(lookup: Lookup) -> str:
    """The column that says when a row became known; a table that declares none is taken as known at its time."""
    name = lookup.known or lookup.time
    assert name is not None
    return name


def steps(lookup: Lookup, table: str, *, columns: Sequence[str], steady: bool = False) -> str:
    """The rows of `table` that are an answer at some moment: key, `_time`, `_known` and `columns`."""
    key = ", ".join(f"t.{quote(column)}" for column, _ in lookup.on)
    time, known = quote(lookup.time or ""), quote(known_of(lookup))
    chosen = "".join(f", t.{quote(name)}" for name in columns)
    rows = (
        f"(select {key}, t.{time}::timestamptz as _time, t.{known}::timestamptz as _known{chosen} from {table} as t "
        f"where t.{time} is not null and t.{known} is not null)"
    )
    if steady:
        return rows
    # Every name is qualified: inside a join DuckDB would look a bare `_time` up in the table joined before.
    by = ", ".join(f"r.{quote(column)}" for column, _ in lookup.on)
    return f"(select r.* from {rows} as r qualify r._time = max(r._time) over (partition by {by} order by r._known))"


def looked_up(lookup: Lookup, alias: str, moment: str) -> list[str]:
    """Select items for the look-up's columns, null where the row is older than `keep`."""
    items = []
    for column, name in zip(lookup.columns, lookup.names, strict=True):
        value = f"{alias}.{quote(column.name)}"
        if lookup.time and lookup.keep_s is not None:
            value = f"case when {alias}._time >= {moment} - to_seconds({lookup.keep_s}) then {value} end"
        items.append(f"{value} as {quote(name)}")
    return items


def join(lookup: Lookup, table: str, alias: str, moment: str, *, spine: str = "s", steady: bool = False) -> str:
    """The join clause that finds the look-up's row for each row of the spine."""
    equal = " and ".join(f"{spine}.{quote(asked)} = {alias}.{quote(column)}" for column, asked in lookup.on)
    if not lookup.time:
        return f"left join {table} as {alias} on {equal}"
    rows = steps(lookup, table, columns=[c.name for c in lookup.columns], steady=steady)
    return f"asof left join {rows} as {alias} on {equal} and {moment} >= {alias}._known"


def as_of_query(
    signature: Signature,
    spine: str,
    tables: Mapping[str, str],
    *,
    carry: Sequence[str] = (),
    steady: Collection[str] = (),
) -> str:
    """One row for each row of `spine` (a relation of the examples): the columns named in `carry`, the derived
    features under their names, and every looked-up column as `prefix.column`.

    `tables` maps each looked-up table to a relation; `steady` names those without doubles whose known follows time.
    Ties must have been refused before (`tie_query`), or the choice among them is arbitrary.
    """
    moment = f"s.{quote(signature.time)}::timestamptz" if signature.time else "null"
    items = [f"s.{quote(name)}" for name in carry]
    items += [f"s.{quote(derived.name)}" for derived in signature.derived]
    joins = []
    for number, lookup in enumerate(signature.lookups):
        alias = f"l{number}"
        items += looked_up(lookup, alias, moment)
        joins.append(join(lookup, tables[lookup.table], alias, moment, steady=lookup.table in steady))
    source = spine
    if signature.derived:
        expressions = ", ".join(f"({d.expression}) as {quote(d.name)}" for d in signature.derived)
        source = f"(select *, {expressions} from {spine})"
    return f"select {', '.join(items)} from {source} as s {' '.join(joins)}"


def tie_query(lookup: Lookup, spine: str, table: str, moment_column: str | None) -> str:
    """Ties that an example must choose between: the key's columns, `_time`, `_known`, `doubles`, `examples`.

    Without time a tie is a key that stands in several rows (`_time` and `_known` are null then).
    """
    key = ", ".join(quote(column) for column, _ in lookup.on)
    equal = " and ".join(f"s.{quote(asked)} = t.{quote(column)}" for column, asked in lookup.on)
    of_key = ", ".join(f"t.{quote(column)}" for column, _ in lookup.on)
    if not lookup.time:
        return (
            f"with doubled as (select {key}, count(*) as doubles from {table} group by all having count(*) > 1) "
            f"select {of_key}, null::timestamptz as _time, null::timestamptz as _known, t.doubles, "
            f"count(*) as examples from {spine} as s join doubled as t on {equal} group by all order by all"
        )
    rows = steps(lookup, table, columns=[])
    moment = f"s.{quote(moment_column or '')}::timestamptz"
    return (
        f"with steps as materialized (select {key}, _time, _known, count(*) as doubles from {rows} group by all), "
        f"chosen as (select {of_key}, t._time, t._known, t.doubles from {spine} as s "
        f"asof join steps as t on {equal} and {moment} >= t._known) "
        f"select *, count(*) as examples from chosen where doubles > 1 group by all order by all"
    )
