"""The ledger's tables, what keeps them append-only, the views that show them, and bringing an old database forward.

A new database is made at once from the definitions below; one that is behind is brought forward by Alembic, which
is imported only then. Views and the uniqueness of versioned kinds follow the program's record kinds, not the schema's
version: `objects` names each with the SQL that made it, and what differs is made anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from rondo.errors import StoreError

HEAD = 1
MIGRATIONS = Path(__file__).parent / "migrations"
OWN = ("seq", "at", "written", "by")
"""The ledger's own columns beside a record's fields. A record's field of such a name is shown as `record_NAME`."""

METADATA = sa.MetaData()
RECORDS = sa.Table(
    "records",
    METADATA,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("written", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False, quote=True),
    sa.Column("body", sa.JSON, nullable=False),
    # seq orders, at is filtered on: with both in the index an as-of look-up reads no row it does not return.
    sa.Index("records_by_kind", "kind", "seq", "at"),
    sa.Index("records_by_name", "kind", "name", "seq", "at"),
    sa.Index("records_by_version", "kind", "name", "version", "seq", "at"),
)
OBJECTS = sa.Table(
    "objects",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("definition", sa.Text, nullable=False),
)
STAMP = sa.Table("alembic_version", METADATA, sa.Column("version_num", sa.String(32), primary_key=True))

APPEND_ONLY: Mapping[str, tuple[str, ...]] = {
    "sqlite": tuple(
        f"create trigger records_no_{verb} before {verb} on records "
        "begin select raise(abort, 'the ledger is append-only'); end"
        for verb in ("update", "delete")
    ),
    "postgresql": (
        "create function records_append_only() returns trigger language plpgsql as "
        "$$ begin raise exception 'the ledger is append-only'; end $$",
        "create trigger records_no_change before update or delete or truncate on records "
        "for each statement execute function records_append_only()",
    ),
}


_LOCKED: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "sqlite": (("drop trigger records_no_update",), APPEND_ONLY["sqlite"][:1]),
    "postgresql": (
        ("alter table records disable trigger records_no_change",),
        ("alter table records enable trigger records_no_change",),
    ),
}
"""What lets a transaction change records, and what ends that."""


@contextmanager
def unlocked(connection: sa.Connection) -> Iterator[None]:
    """Records may be changed inside, by this transaction alone."""
    before, after = _LOCKED[connection.dialect.name]
    for statement in before:
        connection.exec_driver_sql(statement)
    yield
    for statement in after:
        connection.exec_driver_sql(statement)


def stored_version(connection: sa.Connection) -> int | None:
    """The schema version of a database, None where there is none yet. Raises StoreError when it is newer than ours."""
    if not sa.inspect(connection).has_table(STAMP.name):
        return None
    stamped = connection.execute(sa.select(STAMP.c.version_num)).scalar()
    version = None if stamped is None else int(stamped)
    if version is not None and version > HEAD:
        raise StoreError(
            f"The ledger has schema version {version}; this Rondo knows versions up to {HEAD}.",
            next_step="Update Rondo, or open a copy of the ledger made by this release.",
            facts={"stored": version, "known": HEAD},
        )
    return version


def prepare(engine: sa.Engine, kinds: Mapping[str, type], versioned: Iterable[str]) -> None:
    """Makes or brings forward the tables, then the views of `kinds`. Cheap when there is nothing to do."""
    wanted = definitions(engine.dialect.name, kinds, versioned)
    with engine.connect() as connection:
        version = stored_version(connection)
        if version == HEAD and not _outdated(connection, wanted):
            return
    if engine.dialect.name == "sqlite":
        _write_ahead(engine)
    with engine.begin() as connection:
        begin_alone(connection)
        version = stored_version(connection)  # another process may have been first
        if version is None:
            create(connection)
        elif version < HEAD:
            upgrade(connection)
        outdated = _outdated(connection, wanted)
        for name, definition in outdated.items():
            _define(connection, name, definition)


def create(connection: sa.Connection) -> None:
    """The newest schema in an empty database, stamped as Alembic stamps it."""
    METADATA.create_all(connection)
    for statement in APPEND_ONLY[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    connection.execute(sa.insert(STAMP).values(version_num=f"{HEAD:04d}"))


def upgrade(connection: sa.Connection) -> None:
    """Every migration after the stamped one, on this connection and in its transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def begin_alone(connection: sa.Connection) -> None:
    """Makes this transaction the only writer until it ends, so that sequence numbers follow the order of commits."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("begin immediate")
    else:
        connection.exec_driver_sql("select pg_advisory_xact_lock(7206301)")


def definitions(dialect: str, kinds: Mapping[str, type], versioned: Iterable[str]) -> dict[str, str]:
    """The SQL of every object that follows the record kinds, by its name."""
    once = ", ".join(f"'{kind}'" for kind in sorted(versioned))
    unique = "create unique index records_once on records (kind, name, version) where "
    found = {"records_once": unique + (f"kind in ({once})" if once else "false")}
    for name, kind in kinds.items():
        found[name] = _view(dialect, name, kind)
        for field in getattr(kind, "INDEXED", ()):
            found[f"{name}_by_{field}"] = (
                f'create index "{name}_by_{field}" on records (kind, {stored_field(dialect, field)}, seq, at) '
                f"where kind = '{name}'"
            )
    return found


def stored_field(dialect: str, field: str) -> str:
    """SQL for a top-level field of the body: its own type in SQLite, its text in PostgreSQL."""
    return f"json_extract(body, '$.\"{field}\"')" if dialect == "sqlite" else f"(body ->> '{field}')"


def shown_fields(kind: type) -> dict[str, str]:
    """A kind's fields as they are stored, each with the name of its column in views and rows."""
    stored: tuple[str, ...] = kind.__struct_encode_fields__  # type: ignore[attr-defined]
    return {field: f"record_{field}" if field in OWN else field for field in stored}


def _view(dialect: str, name: str, kind: type) -> str:
    columns = [*(f'"{own}"' for own in OWN)]
    for field, shown in shown_fields(kind).items():
        value = field if field in ("name", "version") else stored_field(dialect, field)
        columns.append(f'{value} as "{shown}"')
    return f"create view \"{name}\" as select {', '.join(columns)} from records where kind = '{name}'"


def _outdated(connection: sa.Connection, wanted: Mapping[str, str]) -> dict[str, str]:
    if not sa.inspect(connection).has_table(OBJECTS.name):
        return dict(wanted)
    known = {row.name: row.definition for row in connection.execute(sa.select(OBJECTS))}
    return {name: definition for name, definition in wanted.items() if known.get(name) != definition}


def _define(connection: sa.Connection, name: str, definition: str) -> None:
    sort = "view" if definition.startswith("create view") else "index"
    connection.exec_driver_sql(f'drop {sort} if exists "{name}"')
    connection.exec_driver_sql(definition.replace("%", "%%") if connection.dialect.name != "sqlite" else definition)
    connection.execute(sa.delete(OBJECTS).where(OBJECTS.c.name == name))
    connection.execute(sa.insert(OBJECTS).values(name=name, definition=definition))


def _write_ahead(engine: sa.Engine) -> None:
    """WAL, kept in the file. SQLite does not wait for its lock here when two processes begin a file together."""
    for attempt in range(100):
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("pragma journal_mode = wal")
            return
        except sa.exc.OperationalError as error:
            if "locked" not in str(error.orig) or attempt == 99:
                raise
            time.sleep(0.02)
