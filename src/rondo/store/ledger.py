"""The ledger: the memory of all that happened, one append-only table of records in a relational database.

On SQLite it is in WAL mode with `synchronous = NORMAL`: a commit survives the death of any process, and the loss of
the machine's power costs at most the newest commits, never the file. FULL would buy nothing: the lake's files are not
flushed either, and a ledger that remembers rows the lake lost is worse than one that lets them be built again.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import msgspec
import sqlalchemy as sa

from rondo.errors import NotFound, StoreError, VersionTaken
from rondo.records.kinds import KINDS, VERSIONED
from rondo.store import schema
from rondo.store.databases import engine, parsed
from rondo.store.schema import RECORDS


class Record(Protocol):
    """What the ledger asks of a record: a frozen msgspec struct that names its kind and what it is about.

    A class may list in `INDEXED: ClassVar[tuple[str, ...]]` fields that are looked up with `where` among very many.
    """

    KIND: ClassVar[str]

    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=Record)
"""How long a writer waits for another to finish."""


class Entry(msgspec.Struct, Generic[R], frozen=True):
    """A record in its place: the `seq`-th, at `at` on the project's clock, written at `written` on the wall's."""

    seq: int
    at: datetime
    written: datetime
    by: str
    record: R


class LedgerReader(Protocol):
    """The ledger for those that only look. Entries come in the order of writing (`seq`)."""

    def entries(
        self,
        kind: type[R],
        *,
        name: str | None = None,
        version: int | None = None,
        until: datetime | None = None,
        after: int = 0,
        where: Mapping[str, object] | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Entry[R]]:
        """Records of a kind: `at` <= `until`, `seq` > `after`, fields equal to `where` (None: null or absent)."""
        ...

    def latest(
        self,
        kind: type[R],
        *,
        name: str | None = None,
        version: int | None = None,
        until: datetime | None = None,
        after: int = 0,
        where: Mapping[str, object] | None = None,
    ) -> Entry[R] | None:
        """The newest entry that `entries` would give, None without one."""
        ...

    def count(
        self,
        kind: type[Record],
        name: str | None = None,
        *,
        until: datetime | None = None,
        where: Mapping[str, object] | None = None,
    ) -> int:
        """How many entries `entries` would give."""
        ...

    def history(self, limit: int, until: datetime | None = None) -> list[Entry[Record]]:
        """The newest `limit` entries of all kinds, newest first."""
        ...

    def rows(self, kind: str, until: datetime | None = None) -> list[dict[str, object]]:
        """A kind as flat rows: seq, at, written, by and the fields, lists and structs as JSON text."""
        ...


class Ledger(LedgerReader, Protocol):
    """The ledger for those that write."""

    def append(self, *records: Record, by: str, at: datetime | None = None) -> list[Entry[Any]]:
        """Writes all `records` or none, at `at` (the ledger's clock). Raises VersionTaken, StoreError."""
        ...

    def next_version(self, kind: type[Record], name: str) -> int:
        """The number after the greatest recorded; another process may take it first."""
        ...

    def redact(self, kind: type[R], without: Callable[[R], R], *, name: str | None = None) -> int:
        """Takes out of records what is to be forgotten: each becomes what `without` makes of it, in its place and at
        its time. Gives how many changed. Nothing else changes what was recorded.
        """
        ...


def open_ledger(
    url: str,
    *,
    clock: Callable[[], datetime],
    readonly: bool = False,
    kinds: Mapping[str, type] = KINDS,
    versioned: frozenset[str] = VERSIONED,
    wall: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Ledger:
    """The ledger at an SQLAlchemy URL, made if it is not there.

    With `readonly` nothing is created or changed: a ledger that is not there reads as empty until it is.
    Raises StoreError when the database was written by a newer Rondo or cannot be opened.
    """
    return SqlLedger(parsed(url), clock, wall, kinds, versioned, readonly)


class SqlLedger:
    """A `Ledger` in SQLite or PostgreSQL."""

    def __init__(
        self,
        url: sa.URL,
        clock: Callable[[], datetime],
        wall: Callable[[], datetime],
        kinds: Mapping[str, type],
        versioned: frozenset[str],
        readonly: bool,
    ) -> None:
        self._url, self._clock, self._wall = url, clock, wall
        self._kinds, self._versioned, self._readonly = kinds, versioned, readonly
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            name: msgspec.json.Decoder(kind) for name, kind in kinds.items()
        }
        self._seen = False
        with self._translated():
            self._engine = engine(url, readonly)
            weakref.finalize(self, self._engine.dispose)
            if not readonly:
                schema.prepare(self._engine, kinds, versioned)

    def append(self, *records: Record, by: str, at: datetime | None = None) -> list[Entry[Any]]:
        """See `Ledger.append`."""
        if self._readonly:
            raise StoreError("The ledger was opened for reading only.", next_step="Open the project for writing.")
        at, written = _utc(at or self._clock()), _utc(self._wall())
        rows = [self._row(record, by, at, written) for record in records]
        if not rows:
            return []
        with self._translated():
            try:
                with self._engine.begin() as connection:
                    schema.begin_alone(connection)
                    first = (connection.scalar(sa.select(sa.func.max(RECORDS.c.seq))) or 0) + 1
                    for seq, row in enumerate(rows, first):
                        row["seq"] = seq
                    connection.execute(sa.insert(RECORDS), rows)
            except sa.exc.IntegrityError as error:
                raise self._taken(rows) from error
        return [Entry(first + i, at, written, by, record) for i, record in enumerate(records)]

    def redact(self, kind: type[R], without: Callable[[R], R], *, name: str | None = None) -> int:
        """See `Ledger.redact`. SQLite overwrites the pages; PostgreSQL does when it vacuums."""
        found = [(entry.seq, entry.record, without(entry.record)) for entry in self.entries(kind, name=name)]
        bodies = {seq: msgspec.json.encode(after).decode() for seq, before, after in found if after != before}
        if not bodies:
            return 0
        sqlite = self._url.get_backend_name() == "sqlite"
        with self._translated():
            with self._engine.begin() as connection:
                if sqlite:
                    connection.exec_driver_sql("pragma secure_delete = on")
                schema.begin_alone(connection)
                with schema.unlocked(connection):
                    for seq, body in bodies.items():
                        connection.execute(sa.update(RECORDS).where(RECORDS.c.seq == seq).values(body=body))
            if sqlite:
                with self._engine.connect() as connection:
                    connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
        return len(bodies)

    def next_version(self, kind: type[Record], name: str) -> int:
        """See `Ledger.next_version`."""
        greatest = sa.select(sa.func.max(RECORDS.c.version)).where(_of(kind.KIND), RECORDS.c.name == name)
        return 1 + (self._number(greatest) or 0)

    def entries(
        self,
        kind: type[R],
        *,
        name: str | None = None,
        version: int | None = None,
        until: datetime | None = None,
        after: int = 0,
        where: Mapping[str, object] | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Entry[R]]:
        """See `LedgerReader.entries`."""
        column = RECORDS.c
        query = sa.select(RECORDS).where(_of(kind.KIND))
        if name is not None:
            query = query.where(column.name == name)
        if version is not None:
            query = query.where(column.version == version)
        if until is not None:
            query = query.where(column.at <= _stamp(until))
        if after:
            query = query.where(column.seq > after)
        for field, value in (where or {}).items():
            query = query.where(self._equals(kind, field, value))
        query = query.order_by(column.seq.desc() if newest_first else column.seq).limit(limit)
        return cast("list[Entry[R]]", [self._entry(row) for row in self._fetch(query)])

    def latest(
        self,
        kind: type[R],
        *,
        name: str | None = None,
        version: int | None = None,
        until: datetime | None = None,
        after: int = 0,
        where: Mapping[str, object] | None = None,
    ) -> Entry[R] | None:
        """See `LedgerReader.latest`."""
        newest = self.entries(
            kind, name=name, version=version, until=until, after=after, where=where, limit=1, newest_first=True
        )
        return newest[0] if newest else None

    def count(
        self,
        kind: type[Record],
        name: str | None = None,
        *,
        until: datetime | None = None,
        where: Mapping[str, object] | None = None,
    ) -> int:
        """See `LedgerReader.count`."""
        query = sa.select(sa.func.count()).select_from(RECORDS).where(_of(kind.KIND))
        if name is not None:
            query = query.where(RECORDS.c.name == name)
        if until is not None:
            query = query.where(RECORDS.c.at <= _stamp(until))
        for field, value in (where or {}).items():
            query = query.where(self._equals(kind, field, value))
        return self._number(query) or 0

    def history(self, limit: int, until: datetime | None = None) -> list[Entry[Record]]:
        """See `LedgerReader.history`. Kinds that this program does not know are left out."""
        # Not the bare column: an index on kind would make SQLite sort everything before it takes the newest.
        query = sa.select(RECORDS).where((RECORDS.c.kind + "").in_(sorted(self._kinds)))
        if until is not None:
            query = query.where(RECORDS.c.at <= _stamp(until))
        return [self._entry(row) for row in self._fetch(query.order_by(RECORDS.c.seq.desc()).limit(limit))]

    def rows(self, kind: str, until: datetime | None = None) -> list[dict[str, object]]:
        """See `LedgerReader.rows`. Raises NotFound for a kind that is not."""
        if kind not in self._kinds:
            raise NotFound.among("record kind", kind, list(self._kinds))
        shown = schema.shown_fields(self._kinds[kind])
        found = []
        entries: list[Entry[Any]] = self.entries(self._kinds[kind], until=until)
        for entry in entries:
            body = msgspec.to_builtins(entry.record, builtin_types=(datetime,))
            own = {"seq": entry.seq, "at": entry.at, "written": entry.written, "by": entry.by}
            found.append(own | {column: _flat(body.get(field)) for field, column in shown.items()})
        return found

    def _number(self, query: sa.Select[Any]) -> int | None:
        found = self._fetch(query)
        return cast("int | None", found[0][0]) if found else None

    def _fetch(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """All rows of one statement; none while a ledger opened for reading is not there."""
        if self._readonly and not self._exists():
            return []
        with self._translated(), self._engine.connect() as connection:
            return connection.execute(query).all()

    def _exists(self) -> bool:
        """Whether there is a ledger to read by now, of this schema."""
        if not self._seen:
            if self._url.get_backend_name() == "sqlite" and not Path(self._url.database or "").exists():
                return False
            with self._translated(), self._engine.connect() as connection:
                version = schema.stored_version(connection)
            if version is not None and version < schema.HEAD:
                raise StoreError(
                    f"The ledger has schema version {version}, this Rondo needs {schema.HEAD}.",
                    next_step="Run `rondo run` once: it brings the ledger forward.",
                )
            self._seen = version is not None
        return self._seen

    def _equals(self, kind: type[Record], field: str, value: object) -> sa.ColumnElement[bool]:
        """The condition that a field of the body equals `value`."""
        fields = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))  # type: ignore[attr-defined]
        if field not in fields:
            raise NotFound.among(f"field of {kind.KIND}", field, list(fields))
        dialect, plain = self._engine.dialect.name, msgspec.to_builtins(value)
        stored: sa.ColumnElement[Any] = sa.literal_column(schema.stored_field(dialect, fields[field]))
        if plain is None:
            return stored.is_(None)
        if not isinstance(plain, str | int | float):
            raise StoreError(f"A field of {kind.KIND} compares with text, a number or a truth value, not {value!r}.")
        if dialect != "sqlite" and not isinstance(plain, str):
            plain = msgspec.json.encode(plain).decode()
        return stored == sa.bindparam(None, plain)

    def _row(self, record: Record, by: str, at: datetime, written: datetime) -> dict[str, object]:
        kind = record.KIND
        if self._kinds.get(kind) is not type(record):
            raise StoreError(f"{type(record).__name__} is not among the ledger's record kinds.")
        version = getattr(record, "version", None)
        if kind in self._versioned and not isinstance(version, int):
            raise StoreError(f"A record of {kind} about {record.name!r} needs a version number, not {version!r}.")
        body = msgspec.json.encode(record)
        try:  # NaN and infinity become null in JSON: what could not be read again is refused here
            self._decoders[kind].decode(body)
        except msgspec.ValidationError as error:
            raise StoreError(f"A record of {kind} about {record.name!r} cannot be written as JSON: {error}.") from error
        return {
            "kind": kind,
            "name": record.name,
            "version": version if isinstance(version, int) else None,
            "at": _stamp(at),
            "written": _stamp(written),
            "by": by,
            "body": body.decode(),
        }

    def _entry(self, row: sa.Row[Any]) -> Entry[Any]:
        try:
            record = self._decoders[row.kind].decode(row.body)
        except msgspec.DecodeError as error:
            raise StoreError(f"Record {row.seq} of the ledger ({row.kind}) cannot be read: {error}.") from error
        return Entry(row.seq, datetime.fromisoformat(row.at), datetime.fromisoformat(row.written), row.by, record)

    def _taken(self, rows: Sequence[Mapping[str, object]]) -> VersionTaken:
        marked = [row for row in rows if row["kind"] in self._versioned]
        names = ", ".join(f"{row['name']}@{row['version']} ({row['kind']})" for row in marked)
        return VersionTaken(
            f"The ledger already has {names}: another process recorded it first."
            if len(marked) == 1
            else f"The ledger already has one of {names}, or it came twice.",
            next_step="Try again with the next version.",
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns the database's own errors into ours; the password of a URL is never shown."""
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error, OSError) as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            place = self._url.set(query={}).render_as_string(hide_password=True)
            raise StoreError(
                f"The ledger at {place} does not answer: {cause}.",
                next_step="See whether another process holds it, the disk is full or the file is damaged.",
            ) from error


def _of(kind: str) -> sa.ColumnElement[bool]:
    # The kind is written into the statement: SQLite uses a partial index only when it sees the value.
    return RECORDS.c.kind == sa.literal_column(f"'{kind}'")


def _flat(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise StoreError(f"The ledger's clock gave {moment.isoformat()}, a time without a zone.")
    return moment.astimezone(UTC)


def _stamp(moment: datetime) -> str:
    """UTC text of fixed width: it sorts as time does, and any SQL tool can read it."""
    return _utc(moment).isoformat(timespec="microseconds").replace("+00:00", "Z")
