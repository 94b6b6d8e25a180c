"""Measurements as the ledger keeps them: the newest record of each counts, and only what has changed is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from rondo.records.monitoring import Measurement
from rondo.store.ledger import Ledger, LedgerReader

Identity = tuple[datetime, datetime, str, str | None, str | None, object]
"""What tells one measurement of a model from another: its window, its name, its feature, its slice."""


def identity(measurement: Measurement) -> Identity:
    """Which measurement it is."""
    m = measurement
    return m.start, m.end, m.metric, m.feature, m.by, m.is_


def is_of_week(measurement: Measurement) -> bool:
    """Whether its window is longer than a day (which may have 25 hours)."""
    return measurement.end - measurement.start > timedelta(days=2)


class Remembered:
    """The measurements of a model. It reads the ledger once and then only what is new."""

    def __init__(self, ledger: LedgerReader, model: str) -> None:
        self._ledger, self._model, self._seen = ledger, model, 0
        self._newest: dict[Identity, Measurement] = {}

    def newest(self) -> dict[Identity, Measurement]:
        """The last record of each measurement."""
        for entry in self._ledger.entries(Measurement, name=self._model, after=self._seen):
            self._seen = entry.seq
            self._newest[identity(entry.record)] = entry.record
        return self._newest


def record(
    ledger: Ledger, measurements: Sequence[Measurement], remembered: Remembered, *, by: str
) -> list[Measurement]:
    """Record the measurements that are new or have changed (rows that came late); answers which."""
    newest = remembered.newest()
    fresh = [each for each in measurements if not _same(newest.get(identity(each)), each)]
    if fresh:
        ledger.append(*fresh, by=by)
    return fresh


def _same(last: Measurement | None, now: Measurement) -> bool:
    """Whether nothing has changed; outcomes that landed since for other windows are no change."""
    return last is not None and msgspec.structs.replace(last, outcomes=now.outcomes) == now
