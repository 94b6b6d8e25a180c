"""The databases that a ledger can be in: SQLite files, and whatever SQLAlchemy has a driver for."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from rondo.errors import StoreError

BUSY_S = 30


def parsed(url: str) -> sa.URL:
    """The URL, as SQLAlchemy reads it. Raises StoreError."""
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator:
        return sa.URL.create("sqlite", database=path)  # whatever characters the folders have
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreError(
            "The ledger's URL cannot be read.",
            next_step="Write `ledger` under [stores] as sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE.",
        ) from error


def engine(url: sa.URL, readonly: bool) -> sa.Engine:
    """What connects to it. Raises StoreError where its driver is not installed."""
    as_written: dict[str, Any] = {"json_serializer": lambda body: body, "json_deserializer": lambda body: body}
    if url.get_backend_name() != "sqlite":
        try:
            return sa.create_engine(url, **as_written)
        except (ImportError, sa.exc.NoSuchModuleError) as error:
            raise StoreError(
                f"The ledger's database {url.get_backend_name()} needs a driver: {error}.",
                next_step="Install it, for example `pip install psycopg[binary]` for postgresql+psycopg://…",
            ) from error
    path = url.database
    if path in (None, "", ":memory:"):
        # One connection for all: an in-memory database lives as long as its connection.
        return sa.create_engine(
            "sqlite://", creator=lambda: _connection(":memory:"), poolclass=sa.pool.StaticPool, **as_written
        )
    if not readonly:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    address = f"file:{quote(str(Path(path).absolute()))}?mode={'ro' if readonly else 'rwc'}"
    return sa.create_engine(
        "sqlite://", creator=lambda: _connection(address), poolclass=sa.pool.QueuePool, **as_written
    )


def _connection(address: str) -> sqlite3.Connection:
    # isolation_level None: transactions begin where `begin_alone` says so, and reads need none.
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("pragma synchronous = normal")
    except sqlite3.Error:  # no database at all
        connection.close()
        raise
    return connection
