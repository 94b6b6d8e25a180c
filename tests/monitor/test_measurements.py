"""Measurements in a real ledger: what is recorded when they are taken again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.monitor.measurements import Remembered, identity, is_of_week, record
from rondo.records.monitoring import Measurement
from rondo.store.ledger import Ledger, open_ledger

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def measurement(value: float | None, *, days: int = 1, **more: object) -> Measurement:
    return msgspec.structs.replace(
        Measurement(
            name="late", metric="null_share", feature="temp", start=MONDAY, end=MONDAY + timedelta(days=days), rows=9,
            matured=0, value=value, low=value, high=value, limit=None, state="no limit",
        ),
        **more,
    )  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    yield open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: MONDAY)


def test_only_what_is_new_or_has_changed_is_recorded(ledger: Ledger) -> None:
    remembered = Remembered(ledger, "late")
    first, other = measurement(0.1), measurement(0.1, feature="wind")
    assert record(ledger, [first, other], remembered, by="mia") == [first, other]
    assert record(ledger, [first, other], remembered, by="mia") == []
    assert record(ledger, [], remembered, by="mia") == []
    late = measurement(0.2)
    assert record(ledger, [late, other], remembered, by="mia") == [late]
    assert remembered.newest()[identity(first)] == late and len(remembered.newest()) == 2
    assert Remembered(ledger, "late").newest() == remembered.newest()
    assert ledger.count(Measurement, "late") == 3


def test_outcomes_that_landed_for_other_windows_are_no_change(ledger: Ledger) -> None:
    remembered = Remembered(ledger, "late")
    record(ledger, [measurement(0.1, outcomes=1)], remembered, by="mia")
    assert record(ledger, [measurement(0.1, outcomes=2)], remembered, by="mia") == []
    assert len(record(ledger, [measurement(0.3, outcomes=2)], remembered, by="mia")) == 1


def test_days_weeks_slices_and_features_are_different_measurements() -> None:
    several = [
        measurement(0.1), measurement(0.1, days=7), measurement(0.1, by="origin", is_="JFK"),
        measurement(0.1, by="origin", is_="EWR"), measurement(0.1, feature=None), measurement(0.1, metric="other"),
    ]  # fmt: skip
    assert len({identity(each) for each in several}) == len(several)
    assert [is_of_week(each) for each in several] == [False, True, False, False, False, False]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.floats(0, 1)), max_size=12), st.integers(0, 12))
def test_a_monitor_that_died_between_records_ends_with_the_same(
    tmp_path_factory: pytest.TempPathFactory, taken: list[tuple[str, float | None]], died: int
) -> None:
    """Whatever was recorded before the death, taking all again leaves each newest value once."""
    ledger = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('l')}/ledger.db", clock=lambda: MONDAY)
    wanted = {feature: measurement(value, feature=feature) for feature, value in taken}
    record(ledger, list(wanted.values())[:died], Remembered(ledger, "late"), by="mia")
    record(ledger, list(wanted.values()), Remembered(ledger, "late"), by="mia")
    assert ledger.count(Measurement, "late") == len(wanted)
    assert set(Remembered(ledger, "late").newest().values()) == set(wanted.values())
