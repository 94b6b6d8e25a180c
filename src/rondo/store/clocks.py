"""The clock that data shows: history read as if it were live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic

from rondo.records.tables import TableVersion
from rondo.store.ledger import LedgerReader

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


class DataClock:
    """Now is the greatest known time among the rows of `sources` (those that declare one), by the ledger.

    Before any row it is long ago, so that the ledger's times only ever rise. Without such a source it is the wall's.
    """

    def __init__(self, ledger: LedgerReader, sources: Sequence[str], wall: Callable[[], datetime]) -> None:
        self._ledger, self._sources, self._wall = ledger, tuple(sources), wall

    def __call__(self) -> datetime:
        """The moment."""
        if not self._sources:
            return self._wall()
        newest = (self._ledger.latest(TableVersion, name=name) for name in self._sources)
        known = [entry.record.known_until for entry in newest if entry and entry.record.known_until]
        return max(known, default=BEFORE_ALL)


def held_for(seconds: float, clock: Callable[[], datetime]) -> Callable[[], datetime]:
    """A clock that is asked anew so often at most, where asking it means asking the ledger; else the clock itself."""
    if not isinstance(clock, DataClock):
        return clock
    read, until = clock(), monotonic() + seconds

    def now() -> datetime:
        nonlocal read, until
        if monotonic() >= until:
            read, until = clock(), monotonic() + seconds
        return read

    return now


def landed_at(clock: Callable[[], datetime], now: datetime, known_until: datetime | None) -> datetime:
    """When rows land that are known until `known_until`: on a data clock they move the clock on."""
    if isinstance(clock, DataClock) and known_until is not None:
        return max(now, known_until)
    return now
