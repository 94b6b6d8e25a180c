"""What was measured of a model, remembered by the process: the ledger is read once and then only what is new.

Measurements come in crowds (a year of one model brings some 90,000), and a page must not read them all. What is kept is
a pure function of the ledger's entries, so that any process comes to the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rondo.loop.workplace import Workplace
from rondo.monitor.measurements import Identity, identity, is_of_week
from rondo.records.monitoring import Measurement
from rondo.store.ledger import LedgerReader
from rondo.store.until import LedgerUntil

KEPT = 8
"""Models, or moments of the past, whose measurements are kept at once."""
HOUR = timedelta(hours=1)
USUAL = timedelta(days=56)
"""What is usual is what was measured so long before."""


@dataclass(frozen=True)
class Share:
    """A share of so many answers, over whole days."""

    value: float
    n: int


class Measured:
    """The newest record of each measurement of a model. Thread-safe."""

    def __init__(self, ledger: LedgerReader, model: str) -> None:
        self.ledger, self._model, self._seen = ledger, model, 0
        self._newest: dict[str, dict[Identity, Measurement]] = {}
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Brings in what was recorded since."""
        with self._lock:
            for entry in self.ledger.entries(Measurement, name=self._model, after=self._seen):
                self._seen = entry.seq
                self._newest.setdefault(entry.record.metric, {})[identity(entry.record)] = entry.record

    def of(self, *metrics: str, since: datetime | None = None) -> list[Measurement]:
        """All of these metrics: of every window (that began at `since` or later), feature and slice, oldest first."""
        with self._lock:
            found = [each for metric in metrics for each in self._newest.get(metric, {}).values()]
        if since is not None:
            found = [each for each in found if each.start >= since]
        return sorted(found, key=lambda each: (each.start, each.end))

    def metrics(self) -> dict[str, Measurement]:
        """What has been measured at all: a measurement of each metric."""
        with self._lock:
            return {metric: next(iter(found.values())) for metric, found in self._newest.items()}

    def weeks(self, metric: str) -> list[Measurement]:
        """The weeks of a metric over all rows, oldest first."""
        return [each for each in self.of(metric) if is_whole(each) and is_of_week(each)]

    def days(self, metric: str) -> list[Measurement]:
        """The days of a metric over all rows, oldest first."""
        return [each for each in self.of(metric) if is_whole(each) and is_of_day(each)]

    def hours(self, metric: str) -> list[Measurement]:
        """The hours of a metric over all rows, oldest first."""
        return [each for each in self.of(metric) if is_whole(each) and each.end - each.start <= HOUR]


def flagged_since(found: Measured, began: datetime, until: datetime) -> tuple[Share, Share] | None:
    """The share flagged in the whole days since something began (of its first day where there is no other yet), and in
    those of the weeks before: what is known of a model while outcomes are not. None where either was not measured.
    """
    days = [day for day in found.days("flagged_share") if day.value is not None and day.n and day.start < until]
    since = [day for day in days if day.start >= began] or [day for day in days if day.end > began]
    before = [day for day in days if began - USUAL <= day.start and day.end <= began]
    return (_pooled(since), _pooled(before)) if since and before else None


def _pooled(days: Sequence[Measurement]) -> Share:
    answers = sum(day.n or 0 for day in days)
    return Share(sum((day.value or 0.0) * (day.n or 0) for day in days) / answers, answers)


def nulls_above(found: Measured, day: Measurement) -> tuple[int, int] | None:
    """Features whose nulls lay above those of training on a day, beyond chance (95 %), and all that were measured."""
    known = [each for each in found.of("null_shift", since=day.start) if (each.start, each.end) == (day.start, day.end)]
    known = [each for each in known if each.by is None and each.feature is not None and each.value is not None]
    above = [each for each in known if ((each.value if each.low is None else each.low) or 0.0) > 0.0]
    return (len(above), len(known)) if known else None


def is_whole(measurement: Measurement) -> bool:
    """Whether it is about all rows and no feature."""
    return measurement.by is None and measurement.feature is None


def is_of_day(measurement: Measurement) -> bool:
    """Whether its window is a day (which may have 23 hours)."""
    return measurement.end - measurement.start > HOUR and not is_of_week(measurement)


_lock = threading.Lock()
_kept: OrderedDict[tuple[str, str, datetime | None], Measured] = OrderedDict()


def measured(work: Workplace, model: str) -> Measured:
    """What was measured of a model, as of the workplace's moment. The first call reads all, later ones what is new."""
    ledger: LedgerReader = work.store.ledger
    past = isinstance(ledger, LedgerUntil)
    key = (work.store.ledger_url, model, work.now() if past else None)
    with _lock:
        found = _kept.get(key)
        if found is None or not (past or found.ledger is ledger):  # opened again: the ledger may be another one by now
            found = _kept[key] = Measured(ledger, model)
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    found.refresh()
    return found
