"""The columns of a version of a table: what each holds, and what of that changed since the version before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rondo.features.signature import kind_of
from rondo.handbook.columns import Columns, Origin, Place
from rondo.loop.workplace import Workplace
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.tables import ColumnProfile, Profile, Scalar, TableVersion, Top
from rondo.store.ledger import LedgerReader

Role = Literal["key", "time", "known", "input", "label", "label known"]
Sort = Literal["number", "boolean", "text", "moment", "other"]
ChangeKind = Literal["new", "type", "nulls", "median", "share", "until", "distinct"]
TOLD = 0.001
"""Shares that changed by less are the same to a reader."""


@dataclass(frozen=True)
class Change:
    """What is otherwise than in the version before; `nulls` and `share` (of true) are shares of the rows."""

    kind: ChangeKind
    before: Scalar = None
    after: Scalar = None


@dataclass(frozen=True)
class ColumnFacts:
    """One column. Of one that holds personal data no value is told; `personal` says what was declared of it.

    `direct` are the columns it is computed from, `origins` the columns of sources behind it, `used` what is computed
    from it or decided by it.
    """

    name: str
    type: str
    sort: Sort
    roles: tuple[Role, ...]
    nulls: int | None = None
    distinct: int | None = None
    min: Scalar = None
    max: Scalar = None
    mean: float | None = None
    median: Scalar = None
    quantiles: Mapping[str, Scalar] | None = None
    top: tuple[Top, ...] = ()
    bars: tuple[int, ...] = ()
    personal: str | None = None
    changes: tuple[Change, ...] = ()
    direct: tuple[Place, ...] = ()
    origins: tuple[Origin, ...] = ()
    used: tuple[Place, ...] = ()


def profile_of_version(ledger: LedgerReader, name: str, version: int | None) -> Profile | None:
    """What was recorded of a version when it was built."""
    entry = ledger.latest(Profile, name=name, version=version) if version is not None else None
    return entry.record if entry else None


def column_facts(
    work: Workplace, columns: Columns, declared: Source | Table, version: TableVersion, before: TableVersion | None
) -> tuple[ColumnFacts, ...]:
    """The columns of a version in their order, compared with the version `before`."""
    ledger, name = work.store.ledger, declared.name
    profile = profile_of_version(ledger, name, version.version)
    earlier = profile_of_version(ledger, name, before.version if before else None)
    held = {column.name: column for column in profile.columns} if profile else {}
    old = {column.name: column for column in earlier.columns} if earlier else None
    personal = columns.personal()
    roles = _roles(declared)
    found = []
    for column, kind in version.columns.items():
        seen, hidden = held.get(column), personal.get((name, column))
        changes = () if old is None else tuple(_changes(old.get(column), seen, kind, earlier, profile))
        facts = ColumnFacts(
            column, kind, kind_of(kind), roles.get(column, ()), personal=hidden,
            direct=tuple(wire.start for wire in columns.direct(name, column) if wire.kind == "value" and wire.end[1]),
            origins=columns.origins(name, column) if isinstance(declared, Table) else (),
            used=columns.users(name, column),
            changes=tuple(each for each in changes if hidden is None or each.kind in ("new", "type", "nulls")),
        )  # fmt: skip
        found.append(_seen(facts, seen) if seen else facts)
    return tuple(found)


def gone(version: TableVersion, before: TableVersion | None) -> tuple[str, ...]:
    """Columns that the version before had."""
    return tuple(name for name in (before.columns if before else ()) if name not in version.columns)


def _seen(facts: ColumnFacts, seen: ColumnProfile) -> ColumnFacts:
    """The facts with what the profile holds; without any value where they are personal."""
    shown = facts.personal is None
    quantiles = seen.quantiles if shown else None
    return ColumnFacts(
        facts.name, facts.type, facts.sort, facts.roles, seen.nulls, seen.distinct,
        seen.min if shown else None, seen.max if shown else None, seen.mean if shown else None,
        (quantiles or {}).get("0.5"), quantiles, tuple(seen.top or ()) if shown else (), tuple(seen.bars or ()),
        facts.personal, facts.changes, facts.direct, facts.origins, facts.used,
    )  # fmt: skip


def _roles(declared: Source | Table) -> dict[str, tuple[Role, ...]]:
    found: dict[str, tuple[Role, ...]] = {}

    def hold(names: Iterable[str | None], role: Role) -> None:
        for name in names:
            if name is not None:
                found[name] = (*found.get(name, ()), role)

    hold(declared.key, "key")
    hold([declared.time], "time")
    hold([declared.known], "known")
    if isinstance(declared, Table):
        hold(declared.inputs or (), "input")
        hold([declared.label], "label")
        hold([declared.label_known], "label known")
    return found


def _changes(
    old: ColumnProfile | None, new: ColumnProfile | None, kind: str, before: Profile | None, after: Profile | None
) -> Iterator[Change]:
    """What a reader would want to know of a column; growth alone is no change of it."""
    if old is None:
        yield Change("new")
        return
    if new is None or before is None or after is None:
        return
    if old.type != new.type:
        yield Change("type", old.type, new.type)
        return
    nulls = old.nulls / max(1, before.rows), new.nulls / max(1, after.rows)
    if abs(nulls[0] - nulls[1]) >= TOLD:
        yield Change("nulls", *nulls)
    sort = kind_of(kind)
    if sort == "number":
        medians = (old.quantiles or {}).get("0.5"), (new.quantiles or {}).get("0.5")
        if medians[0] != medians[1]:
            yield Change("median", *medians)
    elif sort == "boolean" and old.mean is not None and new.mean is not None and abs(old.mean - new.mean) >= TOLD:
        yield Change("share", old.mean, new.mean)
    elif sort == "moment" and old.max != new.max:
        yield Change("until", old.max, new.max)
    elif sort == "text" and old.distinct != new.distinct:
        yield Change("distinct", old.distinct, new.distinct)
