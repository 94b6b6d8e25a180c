from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from rondo.data import reference
from rondo.data.reference import erase_references, freeze_reference, reference_of
from rondo.features.signature import Column, Signature
from rondo.records.tables import Dataset
from rondo.stats.sketches import NumberSketch, ValueSketch, encoded
from rondo.store.opening import Store, open_store

FED = (Column(name="size", type="DOUBLE"), Column(name="shop", type="VARCHAR"), Column(name="open", type="BOOLEAN"))
SIGNATURE = Signature(
    model="late", examples="visits", task="binary", timezone="America/New_York", key=(), time="asked_at", inputs=FED,
    carried=(), derived=(), lookups=(), fed=FED, label=Column(name="late", type="BOOLEAN"), label_known=None,
    classes=(False, True),
)  # fmt: skip
HOURS = [(9, 3), (9, 5), (9, 23), (10, 3), (10, 6), (11, 12)]  # of March 2024, UTC: midnight there is 5, then 4


def rows(sizes: list[float | None]) -> pa.Table:
    moments = [datetime(2024, 3, day, hour, tzinfo=UTC) for day, hour in HOURS]
    return pa.table(
        {
            "moment": pa.array(moments, pa.timestamp("us", "UTC")),
            "size": pa.array(sizes, pa.float64()),
            "shop": ["A", "B", "A", None, "A", "test only"],
            "open": [True, True, False, None, True, False],
            "label": [True, False, True, False, True, False],
            "split": ["train", "train", "train", "train", "train", "test"],
        }
    )


def frozen(store: Store, version: int = 1, sizes: list[float | None] | None = None) -> Dataset:
    table = rows(sizes or [1.0, 2.0, 3.0, None, 5.0, 999.0])
    written = store.lake.write("datasets/late", table, mode="overwrite")
    return Dataset(
        name="late", version=version, definition="d", build="b", path="datasets/late", delta=written.version, rows=6,
        columns={}, splits={}, inputs=[], assumptions=[],
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


def test_a_reference_is_of_the_training_rows_alone(store: Store) -> None:
    dataset = frozen(store)
    freeze_reference(store, dataset, SIGNATURE)
    [whole] = reference_of(store, dataset, SIGNATURE)
    size, shop, opened = (whole.features[column.name] for column in FED)
    assert (whole.day, whole.rows, whole.version) == (None, 5, 1)
    assert isinstance(size, NumberSketch) and (size.low, size.high, size.nulls, size.rows) == (1.0, 5.0, 1, 5)
    assert isinstance(shop, ValueSketch) and dict(shop.counts) == {"A": 3, "B": 1}
    assert isinstance(opened, ValueSketch) and dict(opened.counts) == {"true": 3, "false": 1}


def test_its_days_are_the_projects(store: Store) -> None:
    dataset = frozen(store)
    days = reference_of(store, dataset, SIGNATURE, "day")  # made at its first use
    assert [(each.day, each.rows) for each in days] == [
        (date(2024, 3, 8), 1), (date(2024, 3, 9), 3), (date(2024, 3, 10), 1),
    ]  # fmt: skip
    size = days[1].features["size"]
    assert isinstance(size, NumberSketch) and (size.points.tolist(), size.nulls) == ([2.0, 3.0], 1)


def test_only_the_last_days_are_kept_one_by_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "MOST_DAYS", 2)
    dataset = frozen(store)
    days = reference_of(store, dataset, SIGNATURE, "day")
    assert [each.day for each in days] == [date(2024, 3, 9), date(2024, 3, 10)]
    [whole] = reference_of(store, dataset, SIGNATURE)
    assert whole.rows == 5


def test_its_runs_hold_all_of_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "MOST_RUNS", 2)
    monkeypatch.setattr(reference, "MOST_DAYS", 1)
    runs = reference_of(store, frozen(store), SIGNATURE, "run")
    assert [(each.day, each.rows) for each in runs] == [(date(2024, 3, 8), 4), (date(2024, 3, 10), 1)]
    size = runs[0].features["size"]
    assert isinstance(size, NumberSketch) and (size.points.tolist(), size.nulls) == ([1.0, 2.0, 3.0], 1)


def test_each_dataset_has_its_own_and_the_same_bytes_each_time(store: Store) -> None:
    first = frozen(store)
    freeze_reference(store, first, SIGNATURE)
    second = frozen(store, 2, [7.0] * 6)
    freeze_reference(store, second, SIGNATURE)
    before = [encoded(each) for each in reference_of(store, first, SIGNATURE)[0].features.values()]
    [whole] = reference_of(store, second, SIGNATURE)
    assert whole.version == 2
    erase_references(store, "late")
    assert [encoded(each) for each in reference_of(store, first, SIGNATURE)[0].features.values()] == before


def test_without_a_time_there_is_one_block(store: Store) -> None:
    dataset, untimed = (
        frozen(store),
        Signature(**{f: getattr(SIGNATURE, f) for f in SIGNATURE.__struct_fields__} | {"time": None}),
    )
    assert reference_of(store, dataset, untimed, "day") == []
    assert reference_of(store, dataset, untimed, "day") == []
    [whole] = reference_of(store, dataset, untimed)
    assert (whole.day, whole.rows) == (None, 5)


def test_a_reference_erased_is_made_of_what_is_left(store: Store) -> None:
    dataset = frozen(store)
    freeze_reference(store, dataset, SIGNATURE)
    store.lake.erase("datasets/late", ["shop"], lambda part: [each == "B" for each in part.column("shop").to_pylist()])
    erase_references(store, "late")
    [whole] = reference_of(store, dataset, SIGNATURE)
    shop = whole.features["shop"]
    assert isinstance(shop, ValueSketch) and dict(shop.counts) == {"A": 3}
