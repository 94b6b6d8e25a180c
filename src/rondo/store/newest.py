"""The newest record of each id: what stands, among all that was recorded of it.

A process that asks again reads only what is new: the ledger is append-only, so what was read stays as it was. (Not for
kinds that are redacted: what is to be forgotten would be remembered here.)
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from rondo.store.ledger import LedgerReader, Record, SqlLedger


class Identified(Record, Protocol):
    """A record of something that changes: its newest one counts."""

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Identified)
_Known = tuple[int, dict[str, Any]]
_KNOWN: WeakKeyDictionary[SqlLedger, dict[str, _Known]] = WeakKeyDictionary()


def newest_by_id(ledger: LedgerReader, kind: type[R]) -> dict[str, R]:
    """The newest record of each id of a kind, in the order in which they began."""
    if not isinstance(ledger, SqlLedger):  # as it stood at a moment: asked for once
        return {entry.record.id: entry.record for entry in ledger.entries(kind)}
    known = _KNOWN.setdefault(ledger, {})
    seen, newest = known.get(kind.KIND, (0, {}))
    fresh = ledger.entries(kind, after=seen)
    if fresh:
        newest = newest | {entry.record.id: entry.record for entry in fresh}
        known[kind.KIND] = fresh[-1].seq, newest
    return dict(newest)
