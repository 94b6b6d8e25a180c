from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.console.looking import Project
from rondo.handbook.measured import Measured, measured
from rondo.loop.workplace import open_workplace
from rondo.monitor.measurements import Remembered
from rondo.records.monitoring import Measurement
from rondo.store.ledger import open_ledger

START = datetime(2024, 1, 1, tzinfo=UTC)


def measurement(metric: str, day: int, length: timedelta, value: float, feature: str | None = None) -> Measurement:
    start = START + timedelta(days=day)
    return Measurement(
        name="late", metric=metric, feature=feature, start=start, end=start + length, rows=1, matured=1, value=value,
        low=None, high=None, limit=None, state="no limit",
    )  # fmt: skip


HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
records = st.builds(
    measurement,
    st.sampled_from(["roc_auc", "rows"]),
    st.integers(0, 3),
    st.sampled_from([HOUR, DAY, WEEK]),
    st.floats(0, 1),
    st.sampled_from([None, "x"]),
)


@settings(max_examples=20)
@given(batches=st.lists(st.lists(records, max_size=6), max_size=5))
def test_looking_again_knows_what_reading_all_would(batches: list[list[Measurement]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(f"sqlite:///{folder}/ledger.db", clock=lambda: START)
        seen = Measured(ledger, "late")
        for batch in batches:
            ledger.append(*batch, by="test")
            seen.refresh()
            newest = list(Remembered(ledger, "late").newest().values())
            for metric in ("roc_auc", "rows"):
                ordered = sorted((m for m in newest if m.metric == metric), key=lambda m: (m.start, m.end))
                assert sorted(map(repr, seen.of(metric))) == sorted(map(repr, ordered))
                whole = [m for m in ordered if m.feature is None]
                assert seen.weeks(metric) == [m for m in whole if m.end - m.start == WEEK]
                assert seen.days(metric) == [m for m in whole if m.end - m.start == DAY]
                assert seen.hours(metric) == [m for m in whole if m.end - m.start == HOUR]


def test_a_look_at_the_past_does_not_know_what_was_measured_later(live_shop: Path) -> None:
    work = open_workplace(live_shop, readonly=True)
    now = measured(work, "late")
    assert measured(work, "late") is now and now.weeks("roc_auc")
    first = work.store.ledger.entries(Measurement, name="late", limit=1)[0]
    past = Project(live_shop, "live").work(first.at - timedelta(seconds=1))
    assert measured(past, "late").metrics() == {}
    assert measured(work, "late").weeks("roc_auc") == now.weeks("roc_auc")
