"""The ledger as it stood at an earlier moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rondo.store.ledger import Entry, LedgerReader, R, Record


class LedgerUntil:
    """A `LedgerReader` that knows nothing recorded after `moment`, on the project's clock."""

    def __init__(self, ledger: LedgerReader, moment: datetime) -> None:
        self._ledger, self._moment = ledger, moment

    @property
    def whole(self) -> LedgerReader:
        """The ledger without the bound: for SQL as of a moment, which goes by when rows became known, not built."""
        return self._ledger

    def _until(self, until: datetime | None) -> datetime:
        return self._moment if until is None else min(until, self._moment)

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
        return self._ledger.entries(
            kind,
            name=name,
            version=version,
            until=self._until(until),
            after=after,
            where=where,
            limit=limit,
            newest_first=newest_first,
        )

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
        return self._ledger.latest(kind, name=name, version=version, until=self._until(until), after=after, where=where)

    def count(
        self,
        kind: type[Record],
        name: str | None = None,
        *,
        until: datetime | None = None,
        where: Mapping[str, object] | None = None,
    ) -> int:
        """See `LedgerReader.count`."""
        return self._ledger.count(kind, name, until=self._until(until), where=where)

    def history(self, limit: int, until: datetime | None = None) -> list[Entry[Record]]:
        """See `LedgerReader.history`."""
        return self._ledger.history(limit, self._until(until))

    def rows(self, kind: str, until: datetime | None = None) -> list[dict[str, Any]]:
        """See `LedgerReader.rows`."""
        return self._ledger.rows(kind, self._until(until))
