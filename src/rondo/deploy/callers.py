"""Which caller uses which model: noted at a request, written to the ledger a little later, once a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from rondo.records.deployment import ModelCaller
from rondo.store.ledger import Ledger

Pair = tuple[str, str]


class Callers:
    """(caller, model) of the requests of a server process."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ledger, self._clock = ledger, clock
        self._seen: set[Pair] = set()
        self._written: set[Pair] = set()
        self._day: date | None = None

    def saw(self, caller: str | None, model: str) -> None:
        """A request of a caller (None: without a key) to a model that is there."""
        if caller is not None:
            self._seen.add((caller, model))

    def fresh(self) -> list[Pair]:
        """What was seen and is not yet written of today. In the thread that calls `saw`, then `write` in any."""
        today = self._clock().date()
        if today != self._day:
            self._day, self._written = today, set()
        seen, self._seen = self._seen, set()
        return sorted(seen - self._written)

    def write(self, fresh: Sequence[Pair]) -> None:
        """Writes the pairs that the ledger does not have of today. Raises StoreError; they are seen again later."""
        assert self._day is not None
        day = self._day
        try:
            for caller, model in fresh:
                where = {"caller": caller, "day": day}
                if self._ledger.latest(ModelCaller, name=model, where=where) is None:
                    self._ledger.append(ModelCaller(name=model, caller=caller, day=day), by=caller)
                self._written.add((caller, model))
        except BaseException:
            self._seen.update(fresh)
            raise
