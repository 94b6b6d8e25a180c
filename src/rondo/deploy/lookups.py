"""Where a version at work looks its features up: the online store, with the lake behind it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rondo.errors import StoreError
from rondo.features.signature import Lookup
from rondo.features.values import Key, LakeValues, OnlineValues, Values
from rondo.records.tables import TableVersion
from rondo.sql.engine import connect
from rondo.sql.relations import rows_of
from rondo.store.opening import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def live_values(store: Store, timezone: str) -> Values:
    """Online values; a moment before what is published, and a table that is not published, is asked of the lake."""
    return OnlineValues(store.online, NewestLakeValues(store, timezone))


class NewestLakeValues:
    """Look-ups in the newest landing of each pinned definition. DuckDB is opened at the first one. Thread-safe."""

    def __init__(self, store: Store, timezone: str) -> None:
        self._store, self._timezone = store, timezone
        self._lock = threading.Lock()
        self._con: DuckDBPyConnection | None = None

    def look_up(
        self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]
    ) -> list[tuple[object, ...] | None]:
        """See Values.look_up. Raises StoreError where nothing of the pinned definition has landed."""
        if all(key is None for key in keys):
            return [None] * len(keys)
        landed = self._store.ledger.latest(TableVersion, name=lookup.table, where={"definition": lookup.definition})
        if landed is None:
            raise StoreError(
                f"{lookup.table} has no rows of the definition that the model was trained with.",
                next_step="Run `rondo run`: it builds every definition that is at work.",
            )
        with self._lock:
            if self._con is None:
                self._con = connect(timezone=self._timezone)
            relation = rows_of(landed.record, self._store.lake)
            return LakeValues(self._con, {lookup.space: relation}).look_up(lookup, keys, moments)
