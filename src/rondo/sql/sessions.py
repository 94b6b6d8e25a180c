"""Several queries over the project's names as of one moment."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from rondo.errors import BuildError, NotFound, RondoError
from rondo.sql.engine import connect
from rondo.sql.parsing import quote_versions, tables_read
from rondo.sql.relations import Answer, Catalog, answered
from rondo.sql.tokens import tokens_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def session(catalog: Catalog, as_of: datetime | None = None) -> Iterator[Session]:
    """Queries that see the same rows: what a name stands for is settled once, when it is first read."""
    con = connect(timezone=catalog.timezone)
    try:
        yield Session(catalog, con, as_of)
    finally:
        con.close()


@dataclass(frozen=True)
class Session:
    """Queries over the names of a catalog, all as of one moment."""

    catalog: Catalog
    con: DuckDBPyConnection
    as_of: datetime | None
    _settled: set[str] = field(default_factory=set)

    def settle(self, names: Iterable[str]) -> None:
        """Make names readable; from here on they stand for the rows that there are now."""
        for name in names:
            if name not in self._settled:
                self.catalog.publish(self.con, name, self.as_of)
                self._settled.add(name)

    def query(
        self,
        sql: str,
        *,
        parameters: Mapping[str, object] | None = None,
        limit: int | None = 10_000,
        limit_s: float | None = None,
    ) -> Answer:
        """Run a query. Values for its `$names` are bound, never written into it; after `limit_s` it is stopped.

        Raises BuildError where it was stopped, NotFound for a `$name` without a value, other RondoErrors where
        the query is wrong or fails.
        """
        quoted, given = quote_versions(sql), parameters or {}
        wanted = parameters_of(sql)
        for name in sorted(wanted - set(given)):
            raise NotFound.among("parameter", name, sorted(given))
        self.settle(tables_read(quoted))
        stopped = threading.Event()
        with _stopping(self.con, limit_s, stopped):
            try:
                return answered(self.con, quoted, limit, {name: given[name] for name in wanted})
            except RondoError as error:
                if stopped.is_set():
                    raise BuildError(
                        f"The query was stopped: it did not end within {limit_s:g} s.",
                        next_step="Read fewer rows, or put the heavy part into a table, which is built once.",
                    ) from error
                raise


@contextmanager
def _stopping(con: DuckDBPyConnection, limit_s: float | None, stopped: threading.Event) -> Iterator[None]:
    """Interrupt whatever runs in the session when the time is over."""

    def stop() -> None:
        stopped.set()
        con.interrupt()

    timer = threading.Timer(limit_s, stop) if limit_s is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


def parameters_of(sql: str) -> frozenset[str]:
    """The names of the values that a query asks for: `$week`."""
    tokens = list(tokens_of(sql))
    return frozenset(
        word.text for sign, word in pairwise(tokens) if (sign.text, word.kind, sign.end) == ("$", "word", word.start)
    )
