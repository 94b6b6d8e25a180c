from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from rondo.errors import NotFound, RondoError, WrongUse
from rondo.project.reading import read_project
from rondo.records.development import Version
from rondo.records.monitoring import Measurement
from rondo.records.running import Run, Step
from rondo.records.tables import Dataset, Definition, TableVersion
from rondo.sql.relations import Catalog
from rondo.store.opening import Store, open_store

Write = Callable[[Mapping[str, str]], Path]
STAMP = pa.timestamp("us", "UTC")
START = datetime(2024, 3, 1, tzinfo=UTC)
SOURCES = """
import rondo as rd

events = rd.Source(rd.files("e"), key="id", time="happened", known="time + interval 15 minute")
clocked = rd.Source(rd.files("c"), key="id", time="happened", known="time + interval 1 hour")
registry = rd.Source(rd.files("r"), key="id", known="always")
landed = rd.Source(rd.files("l"))
"""
FILES = {
    "rondo.toml": '[project]\nname = "p"\ntimezone = "America/New_York"\n',
    "sources.py": SOURCES,
    "tables/timed.sql": "/* ---\nkey: id\ntime: happened\nknown: known_at\n--- */\nselect id, happened, known_at, v from events\n",
    "tables/totals.sql": "with events as (select * from events where v > 0) select id, sum(v) as v from events group by id\n",
    "tables/doubled.sql": "-- twice\nselect id, 2 * v as v from totals -- of the totals\n",
    "tables/late.sql": """/* ---
key: id
time: happened
label: late
label_known: known_at
inputs: [v]
--- */
select id, happened, v, late, known_at from events
""",
    "models/m.py": 'import rondo as rd\n\nm = rd.Model(examples="late", task=rd.binary("late"))\n',
}
TYPES = {"BIGINT": pa.int64(), "VARCHAR": pa.string(), "TIMESTAMP WITH TIME ZONE": STAMP, "BOOLEAN": pa.bool_()}
EVENTS = {"id": "BIGINT", "happened": "TIMESTAMP WITH TIME ZONE", "v": "BIGINT"}


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


class Place:
    """A project with rows put into its lake by hand."""

    def __init__(self, root: Path) -> None:
        self.now = START
        self.store: Store = open_store(root, clock=lambda: self.now)
        self.project = read_project(root)

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.project, self.store.ledger, self.store.lake)

    def land(
        self,
        name: str,
        columns: Mapping[str, str],
        rows: Sequence[Sequence[object]],
        *,
        definition: str = "d" * 64,
        **more,
    ) -> TableVersion:
        """A version of a source (rows end in file, row, landed) or of a table."""
        source = name in self.project.sources
        stored = dict(columns)
        if source:
            stored |= {"_rondo_file": "VARCHAR", "_rondo_row": "BIGINT", "_rondo_landed": "TIMESTAMP WITH TIME ZONE"}
        arrays = {
            column: pa.array([row[place] for row in rows], TYPES[kind])
            for place, (column, kind) in enumerate(stored.items())
        }
        path = f"tables/{name}/{definition[:12]}"
        written = self.store.lake.write(path, pa.table(arrays), mode="overwrite")
        version = TableVersion(
            name=name,
            version=self.store.ledger.next_version(TableVersion, name),
            stage="source" if source else "table",
            definition=definition,
            build="b",
            path=path,
            delta=written.version,
            rows=len(rows),
            columns=dict(columns),
            **more,
        )
        self.store.ledger.append(version, by="mia")
        return version

    def rows(self, query: str, as_of: datetime | None = None, limit: int | None = None) -> list[tuple]:
        answer = self.catalog.query(query, as_of=as_of, limit=limit)
        return [tuple(row.values()) for row in answer.rows.to_pylist()]


@pytest.fixture
def place(write: Write) -> Place:
    return Place(write(FILES))


def landing(minutes: float, row: int = 0) -> tuple[str, int, datetime]:
    return ("e.csv", row, at(minutes))


def test_a_source_shows_one_row_a_key_and_no_column_of_ours(place: Place) -> None:
    rows = [(1, at(0), 10, *landing(0)), (1, at(30), 11, *landing(60)), (2, at(5), 20, *landing(0, 1))]
    place.land("events", EVENTS, rows, revised=True)
    assert place.rows("select * from events order by id") == [(1, at(30), 11), (2, at(5), 20)]


def test_of_two_revisions_known_at_once_the_later_landed_is_current(place: Place) -> None:
    rows = [(1, at(0), 11, *landing(60)), (1, at(0), 10, *landing(0)), (1, at(0), 12, *landing(60, 1))]
    place.land("events", EVENTS, rows, revised=True)
    assert place.rows("select v from events") == [(12,)]


def test_as_of_a_moment_shows_what_was_known_by_then(place: Place) -> None:
    rows = [(1, at(0), 10, *landing(0)), (1, at(30), 11, *landing(0)), (2, at(60), 20, *landing(0))]
    place.land("events", EVENTS, rows, revised=True)
    known = "select id, v from events order by id"
    assert place.rows(known, as_of=at(14.9)) == []
    assert place.rows(known, as_of=at(15)) == [(1, 10)]
    assert place.rows(known, as_of=at(45)) == [(1, 11)]
    assert place.rows(known, as_of=at(75)) == [(1, 11), (2, 20)]


def test_in_known_time_is_the_declared_time_unless_a_column_is_called_so(place: Place) -> None:
    columns = {"id": "BIGINT", "happened": "TIMESTAMP WITH TIME ZONE", "time": "TIMESTAMP WITH TIME ZONE"}
    place.land("clocked", columns, [(1, at(0), at(600), *landing(0))])
    assert place.rows("select * from clocked", as_of=at(120)) == []
    assert place.rows("select * from clocked", as_of=at(660)) == [(1, at(0), at(600))]


def test_a_registry_is_known_at_any_moment(place: Place) -> None:
    rows = [(1, "old", *landing(0)), (1, "new", *landing(60)), (2, "b", *landing(60))]
    place.land("registry", {"id": "BIGINT", "name": "VARCHAR"}, rows, revised=True)
    assert place.rows("select * from registry order by id", as_of=at(-1e6)) == [(1, "new"), (2, "b")]


def test_what_declares_no_known_is_known_when_it_landed(place: Place) -> None:
    place.land("landed", {"v": "BIGINT"}, [(1, *landing(0))])
    place.now = at(60)
    place.land("landed", {"v": "BIGINT"}, [(1, *landing(0)), (2, *landing(60))])
    place.now = at(120)
    place.land("landed", {"w": "BIGINT"}, [(9, *landing(120))], definition="e" * 64, pinned=True)
    assert place.rows("select * from landed", as_of=at(-1)) == []
    assert place.rows("select * from landed", as_of=at(30)) == [(1,)]
    assert place.rows("select * from landed order by v", as_of=at(200)) == [(1,), (2,)]
    assert place.rows("select * from landed order by v") == [(1,), (2,)]


TIMED = {**EVENTS, "known_at": "TIMESTAMP WITH TIME ZONE"}


def test_a_table_is_cut_by_its_known_column(place: Place) -> None:
    place.land("timed", TIMED, [(1, at(0), 5, at(10)), (2, at(0), 6, at(20)), (3, at(0), 7, None)])
    assert place.rows("select id from timed order by id", as_of=at(10)) == [(1,)]
    assert place.rows("select id from timed order by id") == [(1,), (2,), (3,)]


def test_examples_are_known_with_their_label(place: Place) -> None:
    columns = {**TIMED, "late": "BOOLEAN"}
    place.land("late", columns, [(1, at(0), 5, at(10), True), (2, at(0), 6, at(200), False), (3, at(0), 7, None, None)])
    assert place.rows("select id from late", as_of=at(100)) == [(1,)]


def test_a_table_without_known_is_made_again_from_what_was_known(place: Place) -> None:
    rows = [
        (1, at(0), 10, *landing(0)),
        (1, at(30), 11, *landing(0)),
        (2, at(60), 20, *landing(0)),
        (3, at(0), -1, *landing(0)),
    ]
    place.land("events", EVENTS, rows, revised=True)
    place.land("totals", {"id": "BIGINT", "v": "BIGINT"}, [(1, 11), (2, 20)])
    assert place.rows("select * from totals order by id", as_of=at(15)) == [(1, 10)]
    assert place.rows("select * from doubled order by id", as_of=at(45)) == [(1, 22)]
    assert place.rows('select * from "totals@2024-03-01" order by id') == [(1, 11), (2, 20)]


def test_versions_and_moments_stand_behind_a_name(place: Place) -> None:
    place.land("timed", TIMED, [(1, at(0), 5, at(10))])
    place.land("timed", TIMED, [(1, at(0), 5, at(10)), (2, at(0), 6, at(24 * 60 + 600))])
    assert place.rows("select id from timed@v1") == [(1,)]
    assert place.rows("select id from timed@v2 order by id") == [(1,), (2,)]
    assert place.rows("select id from timed@2024-03-01 order by id") == [(1,)]
    assert place.rows("select id from timed@2024-03-02 order by id") == [(1,), (2,)]
    assert place.rows("select a.id from timed@v1 a join timed@v2 b using (id)") == [(1,)]
    assert place.rows('select id from "timed@2024-03-02T09:59:59.5Z" order by id') == [(1,)]
    assert place.rows('select id from "timed@2024-03-02T05:00:00" order by id') == [(1,), (2,)]  # New York


def test_a_version_of_a_source_reads_by_what_was_declared_then(place: Place) -> None:
    was = {"name": "registry", "reader": {"pattern": "r"}, "key": ["old_id"], "known": "always"}
    record = Definition(name="registry", stage="source", definition="a" * 64, own="o", reads={}, declaration=was)
    place.store.ledger.append(record, by="mia")
    old = [(1, "x", *landing(0)), (1, "y", *landing(60))]
    place.land("registry", {"old_id": "BIGINT", "name": "VARCHAR"}, old, definition="a" * 64, revised=True)
    place.land("registry", {"id": "BIGINT", "name": "VARCHAR"}, [(5, "z", *landing(90))])
    assert place.rows("select * from registry@v1") == [(1, "y")]
    assert place.rows("select * from registry") == [(5, "z")]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from nothing", "no table 'nothing'; there are: .*events"),
        ("select * from timed", "timed has no rows in the lake"),
        ("select * from timed@v3", "timed@v3 has no rows"),
        ("select * from timed@7", "is a version of a model"),
        ("select * from timed@soon", "'timed@soon'"),
        ("select * from timed@2024-13-01", "is not a moment"),
        ("select * from dataset.x", "no model 'x'; there are: m"),
        ("select * from dataset.m", "No dataset of m"),
        ("select * from dataset.\"m@3\"", "no version m@3"),
        ("select * from predictions.m", "no predictions of m yet"),
        ("select * from outcomes.m", "no outcomes of m yet"),
        ("select * from predictions.x", "no model 'x'"),
        ("select * from quarantine.x", "no table 'x'"),
        ("select * from ledger.dreams", "no kind of record 'dreams'; there are: .*runs"),
        ("select * from nowhere.x", "no schema 'nowhere'; there are: dataset, ledger"),
        ("select * from measurements.x", "no model 'x'"),
        ("select from", "syntax error|not SQL"),
        ("select nope from (select 1 as a)", "nope"),
        ("select error('boom')", "boom"),
        ("drop table timed", "query"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_said_in_words(place: Place, query: str, said: str) -> None:
    with pytest.raises(RondoError, match=said):
        place.rows(query)


def test_an_unknown_definition_of_a_name_is_no_version(place: Place) -> None:
    place.land("timed", TIMED, [])
    assert place.catalog.version_of("timed", definition="d" * 64).version == 1
    with pytest.raises(NotFound):
        place.catalog.version_of("timed", definition="e" * 64)
    with pytest.raises(NotFound, match="as of"):
        place.catalog.version_of("timed", until=at(-1))


def test_what_is_pinned_is_not_the_projects_newest(place: Place) -> None:
    place.land("timed", TIMED, [(1, at(0), 5, at(10))])
    place.land("timed", TIMED, [], definition="e" * 64, pinned=True)
    assert place.rows("select id from timed") == [(1,)]


def frozen(place: Place, number: int, v: int) -> Dataset:
    written = place.store.lake.write(
        "datasets/m",
        pa.table({"id": [1], "v": [v], "label": [True], "split": ["train"], "_carried.origin": ["JFK"]}),
        mode="overwrite",
    )
    columns = {"id": "BIGINT", "v": "BIGINT", "label": "BOOLEAN", "split": "VARCHAR", "_carried.origin": "VARCHAR"}
    dataset = Dataset(
        name="m", version=number, definition="d", build="b", path="datasets/m", delta=written.version, rows=1,
        columns=columns, splits={"train": 1}, inputs=[], assumptions=[],
    )  # fmt: skip
    version = Version(
        name="m", version=number + 6, definition="d", build="b", dataset=number, trainer="linear", parameters={}, seed=0,
        files={}, pinned={}, why="new",
    )  # fmt: skip
    place.store.ledger.append(dataset, version, by="mia")
    return dataset


def test_a_dataset_is_the_newest_or_that_of_a_version(place: Place) -> None:
    frozen(place, 1, 10)
    place.now = at(60)
    frozen(place, 2, 20)
    assert place.catalog.query("select * from dataset.m").rows.column_names == ["id", "v", "label", "split"]
    assert place.rows("select v from dataset.m") == [(20,)]
    assert place.rows('select v from dataset."m@7"') == [(10,)]
    assert place.rows("select v from dataset.m@7") == [(10,)]
    assert place.rows("select v from dataset.m", as_of=at(30)) == [(10,)]


def test_records_are_rows_with_whole_versions(place: Place) -> None:
    place.land("timed", TIMED, [])
    place.land("late", {**TIMED, "late": "BOOLEAN"}, [])
    frozen(place, 1, 10)
    assert place.rows('select name, version, "by" from ledger.tables order by seq') == [
        ("timed", "timed@v1", "mia"),
        ("late", "late@v1", "mia"),
    ]
    assert place.rows('select version, parameters, "at" from ledger.versions') == [("m@7", "{}", START)]
    place.now = at(60)
    run = Run(name="r1", state="done", steps=[Step(name="timed", stage="build", state="built")], seconds=1.5)
    place.store.ledger.append(run, by="mia")
    [(name, steps, seconds, as_of)] = place.rows("select name, steps->0->>'name', seconds, as_of from ledger.runs")
    assert (name, steps, seconds, as_of) == ("r1", "timed", 1.5, None)
    assert place.rows("select * from ledger.runs", as_of=at(30)) == []
    assert place.rows("select count(*) from ledger.gates") == [(0,)]


def test_every_kind_of_record_is_a_table(place: Place) -> None:
    for kind in ("tables", "definitions", "checks", "profiles", "datasets", "versions", "evaluations", "measurements"):
        answer = place.catalog.query(f"select * from ledger.{kind}")
        assert {"seq", "at", "written", "by", "name"} <= set(answer.columns)


def test_measurements_are_those_of_one_model(place: Place) -> None:
    for name in ("m", "other"):
        found = Measurement(
            name=name, metric="rows", feature=None, start=at(0), end=at(60), rows=3, matured=0, value=3.0, low=None,
            high=None, limit=None, state="within",
        )  # fmt: skip
        place.store.ledger.append(found, by="mia")
    assert place.rows("select name, metric, start, value from measurements.m") == [("m", "rows", at(0), 3.0)]


def test_predictions_join_what_is_logged_to_what_is_in_the_lake(place: Place) -> None:
    stored = pa.table({"id": ["a"], "at": pa.array([at(0)], STAMP), "score": [0.5]})
    live = pa.table({"id": ["b"], "at": pa.array([at(60)], STAMP), "value": [1.5]})
    place.store.lake.write("predictions/m", stored, mode="append")
    catalog = Catalog(place.project, place.store.ledger, place.store.lake, lambda model: live)
    query = "select id, score, value from predictions.m order by id"
    assert catalog.query(query).rows.to_pylist() == [
        {"id": "a", "score": 0.5, "value": None},
        {"id": "b", "score": None, "value": 1.5},
    ]
    assert catalog.query("select id from predictions.m", as_of=at(30)).rows.to_pylist() == [{"id": "a"}]


def test_the_quarantine_has_the_columns_of_its_table_even_when_empty(place: Place) -> None:
    place.land("timed", TIMED, [])
    answer = place.catalog.query("select * from quarantine.timed")
    assert list(answer.columns) == [*TIMED, "check_name"] and answer.rows.num_rows == 0


def test_an_answer_is_cut_at_its_limit_and_says_so(place: Place) -> None:
    answer = place.catalog.query("select * from range(10) t(n)", limit=3)
    assert (answer.rows.num_rows, answer.truncated, answer.columns) == (3, True, {"n": "BIGINT"})
    assert not place.catalog.query("select * from range(3) t(n)", limit=3).truncated
    assert place.catalog.query("select * from range(20000) t(n)", limit=None).rows.num_rows == 20_000


def test_sql_runs_in_the_projects_timezone(place: Place) -> None:
    place.land("timed", TIMED, [(1, at(0), 5, at(10))])
    assert place.rows("select hour(happened) from timed") == [(19,)]


def test_a_version_of_a_model_is_no_table(place: Place) -> None:
    with pytest.raises(WrongUse, match="is a version of a model") as refused:
        place.catalog.relation_of("m@7")
    assert 'dataset."m@7"' in refused.value.next_step
