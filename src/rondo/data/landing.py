"""One landing: files that are to become rows of a source's table, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import msgspec

from rondo.data.column_types import stored
from rondo.data.session import Session
from rondo.errors import DeclarationError, RondoError
from rondo.project.sources import Source
from rondo.records.progress import Progress
from rondo.records.tables import TableVersion
from rondo.sql.engine import describe, quote, run
from rondo.sql.relations import HIDDEN, rows_of, timed_source
from rondo.store.opening import Store

FILE, ROW, LANDED = HIDDEN
HIDDEN_TYPES = {FILE: "VARCHAR", ROW: "BIGINT", LANDED: "TIMESTAMP WITH TIME ZONE"}


@dataclass(frozen=True)
class Landing:
    """Files that are to land upon `base`, the last version of the same definition, whose rows `stored` reads.

    The relation is made beforehand: the lake must not be asked anything while it takes in a stream.
    """

    source: Source
    store: Store
    work: Session
    base: TableVersion | None
    stored: str | None
    draft: TableVersion
    files: Mapping[str, Path]
    changed: tuple[str, ...]
    now: datetime
    progress: Progress

    @cached_property
    def declared(self) -> dict[str, str]:
        """The types that a person named. Raises DeclarationError for what is none."""
        found = {}
        for name, kind in self.source.reader.types:
            try:
                [found[name]] = describe(self.work.con, f"select null::{kind} as pinned").values()
            except RondoError as error:
                raise DeclarationError(
                    f"{self.source.name}: types says that {name!r} is {kind!r}, which is no SQL type.",
                    next_step="Use one such as BIGINT, DOUBLE, VARCHAR, DATE, TIMESTAMPTZ or DECIMAL(12, 2).",
                    file=self.source.file,
                    line=self.source.line,
                ) from error
        return {name: stored(kind) for name, kind in found.items()}


@dataclass(frozen=True)
class Landed:
    """What landed: the version as it would be recorded, the moment, what came from which file."""

    version: TableVersion
    moment: datetime
    rows_of_file: Mapping[str, int] = field(default_factory=dict)
    new_columns: tuple[str, ...] = ()
    null_keys: int = 0


def surveyed(landing: Landing, columns: Mapping[str, str], delta: int, landed: Landed) -> Landed:
    """`landed` with the version that stands at `delta`: its rows, whether keys are revised, the greatest known time."""
    source, lake = landing.source, landing.store.lake
    version = msgspec.structs.replace(landed.version, columns=dict(columns), delta=delta)
    _refuse_absent(landing, columns)
    key = ", ".join(map(quote, source.key))
    nulls = " or ".join(f"{quote(name)} is null" for name in source.key) or "false"
    keys = f"count(distinct hash({key}))" if key else "count(*)"
    counts = f"select count(*), {keys}, count(*) filter (where {nulls}) from {rows_of(version, lake)}"
    [[rows, distinct, null_keys]] = run(landing.work.con, counts)
    known = _greatest_known(landing, version) if rows else None
    current = int(str(distinct))
    version = msgspec.structs.replace(version, rows=current, revised=current < int(str(rows)), known_until=known)
    return Landed(version, landed.moment, landed.rows_of_file, landed.new_columns, int(str(null_keys)))


def _greatest_known(landing: Landing, version: TableVersion) -> datetime | None:
    """The greatest known time by the declared expression; DeclarationError where it cannot be computed."""
    source = landing.source
    timed = timed_source(source, version, landing.store.lake)
    try:
        [[_, known]] = run(landing.work.con, f"select max(_rondo_time), max(_rondo_known) from {timed}")
    except RondoError as error:
        there = ", ".join(version.columns)
        raise DeclarationError(
            f"{source.name}: time or known cannot be computed: {error.message} The columns are: {there}.",
            next_step="Mend time= and known=: SQL expressions over a row's columns.",
            file=source.file,
            line=source.line,
        ) from error
    return known if isinstance(known, datetime) and source.known not in (None, "always") else None


def stored_columns(columns: Iterable[str]) -> str:
    """The columns as the lake has them, hidden ones last."""
    return ", ".join(map(quote, (*columns, *HIDDEN)))


def earlier_columns(landing: Landing, columns: Mapping[str, str]) -> str:
    """What to select from the rows stored before to have them in `columns`; a column retyped had no value in them."""
    assert landing.base is not None
    before = {name.casefold(): kind for name, kind in landing.base.columns.items()}
    return ", ".join(
        quote(name) if before.get(name.casefold()) == kind else f"null::{kind} as {quote(name)}"
        for name, kind in columns.items()
    )


def at_moment(moment: datetime) -> str:
    """The lake's predicate for the rows of one landing: no two land at the same moment."""
    return f"{LANDED} = '{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z'"


def _refuse_absent(landing: Landing, columns: Mapping[str, str]) -> None:
    there = {name.casefold() for name in columns}
    if missing := [name for name in landing.source.key if name.casefold() not in there]:
        raise DeclarationError(
            f"{landing.source.name}: the key names {missing[0]!r}, which is no column; "
            f"there are: {', '.join(columns)}.",
            next_step="Mend key=.",
            file=landing.source.file,
            line=landing.source.line,
        )
