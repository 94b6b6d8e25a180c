"""What traffic says of a version: the weeks measured of it, the months of a replay, what a replay compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rondo.errors import DeclarationError
from rondo.handbook.measured import measured
from rondo.loop.workplace import Workplace
from rondo.monitor.measurements import is_of_week
from rondo.project.requirements import parse_requirement
from rondo.records.development import Comparison
from rondo.records.monitoring import Measurement
from rondo.records.running import Replayed, ReplayedMonth
from rondo.records.versions import parse_model_version
from rondo.store.ledger import LedgerReader


class Realised:
    """The weeks measured of a version's traffic; the same line reads alike on every page that shows it."""

    def __init__(self, work: Workplace, name: str, number: int) -> None:
        self._of, self._number = measured(work, name).of, number

    def newest(self, metric: str, by: str | None = None, minimum_rows: int = 0) -> Measurement | None:
        """The newest week of a metric; of slices the one that lies worst within it, of those with so many rows."""
        weeks = [
            each
            for each in self._of(metric)
            if is_of_week(each) and each.model_version == self._number and each.value is not None
            and each.by == by and each.feature is None
        ]  # fmt: skip
        if not weeks:
            return None
        last = [each for each in weeks if each.end == weeks[-1].end and (each.n is None or each.n >= minimum_rows)]
        better = weeks[-1].higher_is_better is not False
        return (min if better else max)(last, key=lambda each: each.value or 0.0, default=None)

    def line(self, text: str) -> Measurement | None:
        """What traffic says of a requirement on the test split; None for one that weighs two versions."""
        try:
            parsed = parse_requirement(text)
        except DeclarationError:
            return None
        if parsed.kind != "metric" or parsed.metric is None or parsed.testset is not None:
            return None
        return self.newest(parsed.metric, parsed.by, parsed.minimum_rows or 0 if parsed.by else 0)


def live_months(ledger: LedgerReader, name: str) -> tuple[ReplayedMonth, ...]:
    """What the answers of each month of the newest replay came to, oldest first; empty where none was replayed."""
    replay = ledger.latest(Replayed)
    found = [each for each in (replay.record.months if replay else []) if each.version and _is_of(each.version, name)]
    return tuple(sorted(found, key=lambda each: each.month))


def live_comparisons(ledger: LedgerReader, name: str) -> Sequence[tuple[Comparison, datetime]]:
    """What the newest replay compared of a model, and when: versions on the answers of a month."""
    replay = ledger.latest(Replayed)
    return [(each, replay.at) for each in replay.record.comparisons if each.name == name] if replay else []


def _is_of(version: str, name: str) -> bool:
    return parse_model_version(version)[0] == name
