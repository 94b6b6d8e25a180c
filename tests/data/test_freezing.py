from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rondo.data import freezing
from rondo.data.freezing import POSITION, freeze
from rondo.errors import BuildError, TieError
from rondo.features.assembly import assemble
from rondo.project.reading import read_project
from rondo.records.tables import Dataset, Input
from rondo.sql.engine import connect, describe, quote, relation_of_files, run
from rondo.store.opening import open_store

NOW = datetime(2024, 6, 1, tzinfo=UTC)
TRIPS = """/* ---
key: trip
time: asked_at
label: late
label_known: result_at
inputs: [distance]
derive:
  far: distance >= 10
--- */
select * from trips_raw"""
READINGS = "/* ---\nkey: station\ntime: measured_at\nknown: known_at\nkeep: 6h\n--- */\nselect * from readings_raw"
PLACES = "/* ---\nkey: station\n--- */\nselect * from places_raw"
SOURCES = """import rondo as rd
trips_raw = rd.Source(rd.files("t.csv"), time="asked_at", known="asked_at")
readings_raw = rd.Source(rd.files("r.csv"), time="measured_at", known="known_at")
places_raw = rd.Source(rd.files("p.csv"), key="station", known="always")
"""
MODEL = """import rondo as rd
m = rd.Model(
    examples="trips",
    task=rd.binary("late", positive=True),
    features=["readings.level", rd.feature("readings", on={"station": "dest"}, as_="there"), "places.capacity"],
    split=rd.by_time(validation="2h", test="2h"),
    slices=["line"],
)
"""
TRIP_ROWS = """(select 't' || n as trip, timestamptz '2024-01-01 00:00:00+00' + to_hours(n) as asked_at,
    ['A', 'B', null][1 + n % 3] as station, 'A' as dest, 'red' as line, n * 2.5 as distance, n % 2 = 0 as late,
    asked_at + to_minutes(case when n = 4 then 300 else 30 end) as result_at, 'secret' as outcome_text
    from range(12) as r(n))"""
READING_ROWS = """(select * from (values
    ('A', timestamptz '2024-01-01 00:00:00+00', timestamptz '2024-01-01 00:30:00+00', 1.0, 10),
    ('A', timestamptz '2024-01-01 02:00:00+00', timestamptz '2024-01-01 05:00:00+00', 2.0, null),
    ('B', timestamptz '2024-01-01 09:00:00+00', timestamptz '2024-01-01 01:00:00+00', 3.0, 30),
    (null, timestamptz '2024-01-01 00:00:00+00', timestamptz '2024-01-01 00:00:00+00', 4.0, 40)
    ) as r(station, measured_at, known_at, level, flow))"""
PLACE_ROWS = "(select * from (values ('A', 100), ('C', 300)) as r(station, capacity))"
RELATIONS = {"trips": TRIP_ROWS, "readings": READING_ROWS, "places": PLACE_ROWS}


class Work:
    """A project on disk whose tables are given as relations, frozen by the real thing."""

    def __init__(self, root: Path, *, tables: dict[str, str], model: str, prd: str | None = None) -> None:
        (root / "tables").mkdir(parents=True)
        (root / "models").mkdir()
        (root / "docs").mkdir()
        (root / "rondo.toml").write_text('[project]\nname = "trial"\ntimezone = "America/New_York"\n')
        (root / "sources.py").write_text(SOURCES)
        (root / "models" / "m.py").write_text(model)
        for name, sql in tables.items():
            (root / "tables" / f"{name}.sql").write_text(sql)
        if prd:
            (root / "docs" / "prd.md").write_text(f"---\nkind: prd\nmodel: m\nrequirements:\n  - {prd}\n---\n")
        self.project = read_project(root)
        self.store = open_store(root)

    def freeze(self, relations: dict[str, str], **options) -> Dataset:
        with connect(timezone="America/New_York") as con:
            columns = {name: describe(con, f"select * from {relation}") for name, relation in relations.items()}
        model = self.project.models["m"]
        signature = assemble(model, self.project, columns, dict.fromkeys(relations, "d"))
        given = {"as_of": None, "by": "test", "now": NOW, "definition": "d", "build": "b", "inputs": []} | options
        return freeze(model, signature, project=self.project, store=self.store, relations=relations, **given)

    def rows(self, dataset: Dataset, columns: str) -> list[tuple]:
        with connect(timezone="America/New_York") as con:
            relation = relation_of_files(self.store.lake.files(dataset.path, dataset.delta))
            return run(con, f"select {columns} from {relation} order by {quote(POSITION)}")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path, tables={"trips": TRIPS, "readings": READINGS, "places": PLACES}, model=MODEL)


def hour(n: float) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=n)


def test_the_columns_of_a_dataset(work):
    dataset = work.freeze(RELATIONS, inputs=[Input(name="trips", version=3, definition="d")])
    assert list(dataset.columns) == [
        "trip", "moment", "distance", "far", "readings.level", "there.level", "there.flow", "places.capacity",
        "label", "split", "_carried.station", "_carried.dest", "_carried.line", POSITION,
    ]  # fmt: skip
    assert dataset.columns["label"] == "BOOLEAN"
    assert dataset.columns["moment"] == "TIMESTAMP WITH TIME ZONE"
    assert (dataset.rows, dataset.version, dataset.inputs[0].version) == (12, 1, 3)
    assert work.store.ledger.latest(Dataset, name="m").record == dataset
    assert work.freeze(RELATIONS).version == 2


def test_every_example_reads_what_was_known(work):
    dataset = work.freeze(RELATIONS)
    rows = work.rows(dataset, '"readings.level", "there.flow", "places.capacity", far, moment')
    assert [row[:3] for row in rows[:8]] == [
        (None, None, 100),  # t0 at A: nothing known yet
        (3.0, 10, None),  # t1 at B: a forecast
        (None, 10, None),  # t2: the key is null
        (1.0, 10, 100),
        (3.0, 10, None),
        (None, None, None),  # t5 at null; of A the row of 02:00 is known, its flow is null
        (2.0, None, 100),
        (3.0, None, None),
    ]
    assert [row[3] for row in rows[:6]] == [False, False, False, False, True, True]
    assert [row[4] for row in rows] == [hour(n) for n in range(12)]
    assert work.rows(dataset, '"there.level"')[8:10] == [(2.0,), (None,)]  # 02:00 is six hours old, then older


def test_splits_leave_a_gap_and_are_recorded(work):
    dataset = work.freeze(RELATIONS)  # test from hour 9, validation from hour 7; t4's label is known at hour 9
    expected = ["train"] * 4 + [None, "train", "train", "validation", "validation", "test", "test", "test"]
    assert [split for (split,) in work.rows(dataset, "split")] == expected
    assert dataset.splits == {"train": 6, "validation": 2, "test": 3}
    assert dataset.moments["test"] == [hour(9), hour(11)]
    assert dataset.label_delay_s == 1800


def test_a_label_not_known_yet_reads_as_null(work):
    dataset = work.freeze(RELATIONS, as_of=hour(8.5))
    labels = [label for (label,) in work.rows(dataset, "label")]
    assert labels == [True, False, True, False, None, False, True, False, True, None, None, None]
    assert [split for (split,) in work.rows(dataset, "split")][8:] == ["test", None, None, None]
    assert dataset.as_of == hour(8.5)


def test_neither_the_order_of_rows_nor_stretches_change_a_dataset(work, monkeypatch):
    first = work.freeze(RELATIONS)
    monkeypatch.setattr(freezing, "STRETCH", 5)
    turned = RELATIONS | {
        name: f"(select * from {RELATIONS[name]} order by random())" for name in ("trips", "readings")
    }
    second = work.freeze(turned)
    assert work.rows(first, "*") == work.rows(second, "*")
    assert [p for (p,) in work.rows(second, quote(POSITION))] == list(range(12))


def test_a_tie_names_table_key_and_time(work):
    doubled = f"(select * from {READING_ROWS} union all select * from {READING_ROWS} where level = 2)"
    with pytest.raises(TieError) as caught:
        work.freeze(RELATIONS | {"readings": doubled})
    assert caught.value.message == (
        "readings has rows that examples must choose between, for they share "
        "station A, measured_at 2023-12-31T21:00:00-05:00 and known_at 2024-01-01T00:00:00-05:00 (2 examples)."
    )
    assert caught.value.file == "tables/readings.sql"
    assert work.store.ledger.latest(Dataset) is None


def test_a_tie_that_nobody_meets_is_no_error(work):
    later = "timestamptz '2025-01-01 00:00:00+00'"
    doubled = f"(select * from {READING_ROWS} union all select 'A', {later}, {later}, unnest([1, 2]), 1)"
    assert work.freeze(RELATIONS | {"readings": doubled}).rows == 12


def test_a_doubled_key_of_a_registry_is_a_tie(work):
    with pytest.raises(TieError, match=r"places has rows .* share station A \(4 examples\)"):
        work.freeze(RELATIONS | {"places": f"(select * from {PLACE_ROWS} union all select 'A', 5)"})


def test_a_steady_table_needs_no_cut(work):
    plain = RELATIONS | {
        "readings": f"(select * replace (measured_at + interval 1 hour as known_at) from {READING_ROWS})"
    }
    told = work.freeze(plain, steady={"readings": True})
    assert work.rows(told, "*") == work.rows(work.freeze(plain), "*")


def test_what_is_taken_on_trust_is_said(work):
    assert work.freeze(RELATIONS).assumptions == [
        "places_raw has no history: its rows are taken as known at any moment.",
        "places has no time: every example reads it as it has landed.",
    ]


def test_more_that_is_taken_on_trust(tmp_path):
    readings = READINGS.replace("known: known_at\n", "")
    model = MODEL.replace('rd.by_time(validation="2h", test="2h")', "rd.random()")
    work = Work(tmp_path, tables={"trips": TRIPS, "readings": readings, "places": PLACES}, model=model)
    unmoored = f"(select * replace (case when trip <> 't3' then result_at end as result_at) from {TRIP_ROWS})"
    dataset = work.freeze(RELATIONS | {"trips": unmoored})
    assert dataset.assumptions[1:] == [
        "readings declares no known: a row is taken as known at its measured_at.",
        "places has no time: every example reads it as it has landed.",
        "The split is rd.random though examples have a time: training saw later moments than the test's.",
        "1 labels without a time or a known time are taken as unknown.",
    ]
    assert sum(dataset.splits.values()) == 11


def test_columns_that_requirements_slice_by_are_carried(tmp_path):
    model = MODEL.replace('slices=["line"]', "slices=[]")
    tables = {"trips": TRIPS, "readings": READINGS, "places": PLACES}
    work = Work(tmp_path, tables=tables, model=model, prd="roc_auc >= 0.5 for each line")
    assert "_carried.line" in work.freeze(RELATIONS).columns


PLAIN = "/* ---\nlabel: y\ninputs: [x]\n--- */\nselect * from trips_raw"
PLAIN_MODEL = """import rondo as rd
m = rd.Model(examples="plain", task=rd.multiclass("y"), split=rd.random(validation=0.05, test=0.85, seed=3))
"""
PLAIN_ROWS = "(select n % 97 as x, ['a', 'b', 'c'][1 + n % 3] as y, n as carried from range(2000) as r(n))"


def test_rows_without_key_and_time(tmp_path):
    work = Work(tmp_path, tables={"plain": PLAIN}, model=PLAIN_MODEL)
    dataset = work.freeze({"plain": PLAIN_ROWS})
    assert list(dataset.columns) == ["x", "label", "split", POSITION]
    assert dataset.splits == {"train": 200, "validation": 100, "test": 1700}
    assert (dataset.moments, dataset.label_delay_s, dataset.assumptions) == ({}, None, [])
    again = work.freeze({"plain": f"(select * from {PLAIN_ROWS} order by random())"})
    assert work.rows(again, "*") == work.rows(dataset, "*")


def test_one_row_trains(tmp_path):
    work = Work(
        tmp_path,
        tables={"plain": PLAIN},
        model=PLAIN_MODEL.replace(", split=rd.random(validation=0.05, test=0.85, seed=3)", ""),
    )
    assert work.freeze({"plain": f"(select * from {PLAIN_ROWS} limit 1)"}).splits["train"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("where false", "trips has no rows"),
        ("where late is null", "trips has no rows"),
        ("where asked_at > timestamptz '2024-01-01 10:30:00+00'", "leaves no example to train m on: 1 are labelled, 1"),
    ],
)
def test_nothing_to_learn_from_is_an_error(work, change, said):
    with pytest.raises(BuildError, match=said):
        work.freeze(RELATIONS | {"trips": f"(select * from {TRIP_ROWS} {change})"})


def test_no_label_known_is_an_error(work):
    with pytest.raises(BuildError, match="None of the 12 examples of trips has a label known by 2024-01-01T00:10:00"):
        work.freeze(RELATIONS, as_of=hour(1 / 6))


def test_a_relation_cannot_read_columns_of_the_join_around_it(work):
    """Inlined in the join, `_time` of the second look-up would be taken for the first one's."""
    ranked = f"select *, known_at as _time from {READING_ROWS} qualify rank() over (order by _time) > 0"
    shadowed = f"(select * exclude (_time) from ({ranked}))"
    assert work.rows(work.freeze(RELATIONS | {"readings": shadowed}), "*") == work.rows(work.freeze(RELATIONS), "*")
