from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.features.signature import Column, Signature
from rondo.monitor import sketched
from rondo.monitor.sketched import Days, answered_of, answers_sketched, erase_sketches, keep, sketch_days
from rondo.sql.engine import connect
from rondo.stats.sketches import NumberSketch, ValueSketch, decoded, encoded
from rondo.store import sketches
from rondo.store.opening import Store, open_store
from rondo.store.sketches import Sketched, days_path, marks_of

NEW_YORK = "America/New_York"
FIRST = datetime(2024, 3, 9, 5, tzinfo=UTC)  # midnight there, the day before the clocks go forward
TYPES = {
    "id": pa.string(), "version": pa.string(), "role": pa.string(), "moment": pa.timestamp("us", "UTC"),
    "at": pa.timestamp("us", "UTC"), "shop": pa.string(), "size": pa.float64(), "open": pa.bool_(),
    "score": pa.float64(), "label": pa.bool_(), "missing": pa.int64(),
}  # fmt: skip


def signature(**changes: Any) -> Signature:
    fed = (Column(name="shop", type="VARCHAR"), Column(name="size", type="DOUBLE"), Column(name="open", type="BOOLEAN"))
    given = {
        "model": "late", "examples": "visits", "task": "binary", "timezone": NEW_YORK,
        "key": (Column(name="visit", type="VARCHAR"),), "time": "asked_at", "inputs": fed, "carried": (), "derived": (),
        "lookups": (), "fed": fed, "label": Column(name="late", type="BOOLEAN"), "label_known": None,
        "classes": (False, True),
    }  # fmt: skip
    return Signature(**(given | changes))


def column_of(name: str, prefix: str) -> str:
    return f"{prefix}.{name}" if name in TYPES and name not in ("shop", "size", "open") else name


def row(n: int, hours: float = 0.0, **changes: Any) -> dict[str, Any]:
    moment = FIRST + timedelta(hours=hours)
    given = {
        "id": f"{n:04}", "version": "late@1", "role": "production", "moment": moment, "at": moment, "visit": f"v{n}",
        "shop": "AB"[n % 2], "size": float(n), "open": True, "score": 0.25, "label": False, "missing": 0,
    }  # fmt: skip
    return given | changes


class Place:
    """A lake with answered rows, sketched by the real thing."""

    def __init__(self, root: Path, *signatures: Signature, timezone: str = NEW_YORK) -> None:
        self.store, self.timezone = open_store(root), timezone
        self.signatures = signatures or (signature(),)

    def answer(self, rows: Sequence[dict[str, Any]], **types: pa.DataType) -> None:
        names = dict.fromkeys(name for each in rows for name in each)
        columns = {
            n: pa.array([r.get(n) for r in rows], ({"visit": pa.string()} | TYPES | types).get(n)) for n in names
        }
        self.store.lake.write("predictions/late", pa.table(columns), mode="append")

    def days(self, store: Store | None = None) -> Days:
        store = store or self.store
        with connect(timezone="UTC") as con:
            answered = answered_of(
                store, self.signatures[-1], lambda n: self.signatures[n - 1], column_of, "predictions/late"
            )
            assert answered is not None
            return sketch_days(con, store, answered, self.timezone)

    def measure(self) -> list[date]:
        """Sketches what has changed and keeps it; the days that are to be measured."""
        days = self.days()
        keep(days)
        return days.grown

    def forget(self) -> int:
        with connect(timezone="UTC") as con:
            answered = answered_of(
                self.store, self.signatures[-1], lambda n: self.signatures[n - 1], column_of, "predictions/late"
            )
            return erase_sketches(con, self.store, answered, "late", self.timezone)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def told(found: Sequence[Sketched]) -> list[object]:
    """Sketches as they compare."""
    return [
        (each.day, each.version, each.rows, *({n: encoded(s) for n, s in part.items()} for part in (each.features, each.outputs)))
        for each in found
    ]  # fmt: skip


def all_of(days: Days) -> list[object]:
    return told(days.of(days.now))


def test_a_day_is_the_projects_day(place: Place) -> None:
    place.answer([row(0), row(1, 23.99), row(2, 24), row(3, 46.99), row(4, 47)])  # the second day has 23 hours
    days = place.days()
    assert days.grown == [date(2024, 3, 9), date(2024, 3, 10), date(2024, 3, 11)]
    assert [each.rows for each in days.of(days.now)] == [2, 2, 1]


def test_what_is_sketched_of_a_day(place: Place) -> None:
    place.answer([row(0, size=None, missing=1), row(1, label=True), row(2, score=0.75)])
    [day] = place.days().of([date(2024, 3, 9)])
    assert list(day.features) == ["shop", "size", "open"]
    assert (day.rows, day.version) == (3, 1)
    shop, size, opened = day.features.values()
    assert isinstance(shop, ValueSketch) and dict(shop.counts) == {"A": 2, "B": 1}
    assert isinstance(size, NumberSketch) and (size.rows, size.nulls, size.low, size.high) == (3, 1, 1.0, 2.0)
    assert isinstance(opened, ValueSketch) and dict(opened.counts) == {"true": 3}
    score, label, missing = (day.outputs[name] for name in ("score", "label", "missing"))
    assert isinstance(score, NumberSketch) and score.points.tolist() == [0.25, 0.75]
    assert isinstance(label, ValueSketch) and dict(label.counts) == {"false": 2, "true": 1}
    assert isinstance(missing, ValueSketch) and dict(missing.counts) == {"false": 2, "true": 1}


def test_the_last_answer_to_a_question_counts_and_only_productions(place: Place) -> None:
    place.answer([
        row(0, size=1.0), row(1, visit="v0", size=2.0, at=FIRST + timedelta(minutes=1)),
        row(2, visit=None, size=3.0), row(3, visit=None, size=4.0), row(4, role="shadow"), row(5, role=None),
    ])  # fmt: skip
    [day] = place.days().of([date(2024, 3, 9)])
    size = day.features["size"]
    assert isinstance(size, NumberSketch) and size.points.tolist() == [2.0, 3.0, 4.0]


def test_rows_from_before_the_key_are_each_their_own_question(place: Place) -> None:
    without = [{name: value for name, value in row(n).items() if name != "visit"} for n in range(2)]
    place.answer(without)
    [day] = place.days().of([date(2024, 3, 9)])
    assert day.rows == 2


def test_versions_of_a_day_stand_apart_each_with_what_it_is_fed(tmp_path: Path) -> None:
    shop, depth = Column(name="shop", type="VARCHAR"), Column(name="depth", type="DOUBLE")
    place = Place(tmp_path, signature(), signature(fed=(shop, depth)))
    place.answer([row(0), row(1, 2)])
    place.answer([row(2, 3, version="late@2", depth=7.5)])
    first, second = place.days().of([date(2024, 3, 9)])
    assert [(each.version, each.rows, list(each.features)) for each in (first, second)] == [
        (1, 2, ["shop", "size", "open"]), (2, 1, ["shop", "depth"]),
    ]  # fmt: skip


def test_values_that_did_not_fit_the_type_of_their_column_are_found(place: Place) -> None:
    place.answer([row(0, size=1.5)])
    place.answer([row(1, size=None) | {"size (string)": "2.5"}, row(2, size=None) | {"size (string)": "wide"}])
    [day] = place.days().of([date(2024, 3, 9)])
    size = day.features["size"]
    assert isinstance(size, NumberSketch) and (size.points.tolist(), size.nulls) == ([1.5, 2.5], 1)


def test_a_feature_that_no_row_ever_had_is_null(tmp_path: Path) -> None:
    place = Place(tmp_path, signature(fed=(Column(name="depth", type="DOUBLE"),)))
    place.answer([row(0), row(1)])
    [day] = place.days().of([date(2024, 3, 9)])
    assert (day.features["depth"].nulls, day.features["depth"].rows) == (2, 2)


@pytest.mark.parametrize(
    ("task", "classes", "given", "outputs"),
    [
        ("regression", (), {"value": 3.5, "score": None, "label": None}, ["missing", "value"]),
        (
            "multiclass", ("a", "b"), {"scores": {"a": 0.7, "b": 0.3}, "score": None, "label": True},
            ["missing", "label", "score of a", "score of b"],
        ),
    ],
)  # fmt: skip
def test_what_other_tasks_answer(
    tmp_path: Path, task: str, classes: tuple[str, ...], given: dict[str, Any], outputs: list[str]
) -> None:
    place = Place(tmp_path, signature(task=task, classes=classes))
    place.answer([row(0) | given], scores=pa.map_(pa.string(), pa.float64()))
    [day] = place.days().of([date(2024, 3, 9)])
    assert list(day.outputs) == outputs
    last = day.outputs[outputs[-1]]
    assert isinstance(last, NumberSketch) and last.points.tolist() == [3.5 if task == "regression" else 0.3]


def test_without_time_a_row_happens_when_it_is_answered(tmp_path: Path) -> None:
    place = Place(tmp_path, signature(time=None))
    later = FIRST + timedelta(days=1)
    place.answer([row(0, at=FIRST), row(1, visit="v0", moment=FIRST, at=later)])
    assert [each.rows for each in place.days().of(place.days().now)] == [1, 1]


def test_a_mistyped_moment_is_in_no_window(place: Place) -> None:
    far = [row(n, moment=datetime(year, 12, 31, 23, 59, tzinfo=UTC)) for n, year in enumerate([1, 1899, 9999], 1)]
    place.answer([row(0), *far])
    assert place.measure() == [date(2024, 3, 9)]
    assert place.measure() == []


def test_only_days_that_rows_came_to_are_read_again(place: Place) -> None:
    place.answer([row(0), row(1, 30), row(2, 60)])
    assert len(place.measure()) == 3
    assert place.measure() == []
    place.answer([row(3, 31)])
    assert place.measure() == [date(2024, 3, 10)]
    assert [each.rows for each in place.days().of(place.days().now)] == [1, 2, 1]


ROWS = [row(n, hours) for n, hours in enumerate([0, 1, 23, 24, 25, 48, 49, 50, 71, 71.5])]


@settings(max_examples=5, deadline=None)
@given(st.permutations(ROWS), st.sets(st.integers(1, len(ROWS) - 1)))
def test_late_rows_give_what_all_rows_at_once_would(order: list[dict[str, Any]], cuts: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        late, once = Place(Path(folder) / "late"), Place(Path(folder) / "once")
        for start, end in itertools.pairwise([0, *sorted(cuts), len(order)]):
            late.answer(order[start:end])
            late.measure()
        once.answer(ROWS)
        once.measure()
        assert not late.days().fresh
        assert all_of(late.days()) == all_of(once.days())


def test_many_days_are_read_in_parts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.answer(ROWS)
    whole = all_of(place.days())
    monkeypatch.setattr(sketched, "CELLS", 8)  # a day, and a few columns, at a time
    assert all_of(place.days()) == whole


class Killed(BaseException):
    pass


class Dying:
    """A lake whose n-th write is its owner's last: it dies just before, or just after."""

    def __init__(self, lake: Any, at: int, *, after: bool) -> None:
        self._lake, self._left, self._after = lake, at, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._lake, name)
        if name not in ("write", "erase", "tidy"):
            return real

        def writes(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left < 0 and not self._after:
                raise Killed
            found = real(*args, **options)
            if self._left < 0:
                raise Killed
            return found

        return writes


def _changes(place: Place) -> Iterator[None]:
    """A history with late rows, and rows that go."""
    place.answer(ROWS[:6])
    yield
    place.answer(ROWS[6:])
    yield
    place.store.lake.erase(
        "predictions/late", ["visit"], lambda rows: [v in ("v1", "v7") for v in rows["visit"].to_pylist()]
    )
    place.answer([row(20, 2)])
    yield


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    monkeypatch.setattr(sketches, "FILES_JOINED", 1)
    unharmed = Place(tmp_path / "unharmed")
    for _ in _changes(unharmed):
        unharmed.measure()
    kills = 0
    for at in range(3):
        place = Place(tmp_path / str(at))
        lake = place.store.lake
        for _ in _changes(place):
            place.store.__dict__["lake"] = Dying(lake, at, after=after)
            try:
                place.measure()
            except Killed:
                kills += 1
            place.store.__dict__["lake"] = lake
            place.measure()
        assert not place.days().fresh
        assert all_of(place.days()) == all_of(unharmed.days())
        now = place.days().now
        assert all(mark.most <= now[day].rows for day, mark in marks_of(lake, days_path("late")).items())
    assert kills >= 5


def everywhere(place: Place) -> set[str]:
    """Every value by name in any file of the table of sketches, files of old versions included."""
    folder = Path(place.store.lake_url) / "sketches" / "late"
    found: set[str] = set()
    for file in folder.rglob("*.parquet"):
        for each in pq.read_table(file, partitioning=None).column("sketch").to_pylist():
            sketch = decoded(each)
            found |= set(sketch.counts) if isinstance(sketch, ValueSketch) else set()
    return found


def test_what_was_forgotten_is_in_no_sketch_of_any_version(place: Place) -> None:
    place.answer([row(0, shop="secret"), row(1), row(2, 30)])
    place.measure()
    place.answer([row(3, 5)])
    place.measure()  # the first day stands in two writings
    assert "secret" in everywhere(place)
    place.store.lake.erase("predictions/late", ["visit"], lambda rows: [v == "v0" for v in rows["visit"].to_pylist()])
    assert place.forget() == 1
    assert place.forget() == 0
    assert "secret" not in everywhere(place)
    folder = Path(place.store.lake_url) / "sketches" / "late"
    assert not [file for file in folder.rglob("*") if file.is_file() and b"secret" in file.read_bytes()]
    assert place.measure() == [date(2024, 3, 9)]
    assert [each.rows for each in place.days().of(place.days().now)] == [2, 1]


def test_rows_that_only_go_leave_no_trace_and_are_not_measured_again(place: Place) -> None:
    place.answer([row(0, shop="secret"), row(1), row(2, 30, shop="other")])
    place.measure()
    place.store.lake.erase(
        "predictions/late", ["visit"], lambda rows: [v in ("v0", "v2") for v in rows["visit"].to_pylist()]
    )
    assert place.measure() == []
    assert everywhere(place) & {"secret", "other"} == set()
    assert [(each.day, each.rows) for each in place.days().of(place.days().now)] == [(date(2024, 3, 9), 1)]


def test_files_are_joined_when_they_have_become_many(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "FILES_JOINED", 3)
    for n in range(6):
        place.answer([row(n, n)])
        place.measure()
    assert len(place.store.lake.files(days_path("late"))) <= 3
    assert place.store.lake.rows(days_path("late")) <= 3 * 6  # of six writings of the day
    [day] = place.days().of([date(2024, 3, 9)])
    assert day.rows == 6


def test_answers_to_test_rows_are_asked_once(tmp_path: Path) -> None:
    store, asked = open_store(tmp_path), []

    def answers() -> tuple[np.ndarray, np.ndarray]:
        asked.append(1)
        return np.array([0.1, 0.2, 0.9]), np.array([19000, 19001, 19001])

    found = answers_sketched(store, signature(), 1, answers)
    assert [(each.day, each.rows) for each in found] == [(date(2022, 1, 8), 1), (date(2022, 1, 9), 2)]
    assert told(answers_sketched(store, signature(), 1, answers)) == told(found)
    assert len(asked) == 1
