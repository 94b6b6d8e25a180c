from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from rondo.data import labels
from rondo.data.labels import STREAM, Reported, collect_inbox, current_outcomes, land_outcomes, path_of
from rondo.project.reading import read_project
from rondo.records.tables import Input, OutcomesLanded, TableVersion
from rondo.sql.engine import connect, relation_of_files, run
from rondo.store.opening import open_store

NOW = datetime(2024, 1, 2, tzinfo=UTC)
TIMED = "key: [trip, line]\ntime: asked_at\nlabel: late\nlabel_known: result_at\ninputs: [line]"
COLUMNS = {
    "trip": "VARCHAR",
    "line": "BIGINT",
    "asked_at": "TIMESTAMP WITH TIME ZONE",
    "late": "BOOLEAN",
    "result_at": "TIMESTAMP WITH TIME ZONE",
}


def hour(n: float) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=n)


def rows_of(*rows: tuple) -> str:
    """Examples as (trip, line, hour asked, late, hour the label became known)."""
    names = ", ".join(COLUMNS)
    values = ", ".join(
        "({}, {}, {}, {}, {})".format(
            *("null" if v is None else f"'{v}'" if isinstance(v, str | datetime) else str(v).lower() for v in row)
        )
        for row in ((trip, line, hour(a), y, None if k is None else hour(k)) for trip, line, a, y, k in rows)
    )
    cast = ", ".join(f"{name}::{kind} as {name}" for name, kind in COLUMNS.items())
    return f"(select {cast} from (values {values}) as r({names}))"


class Work:
    def __init__(self, root: Path, header: str = TIMED, columns: dict[str, str] = COLUMNS) -> None:
        (root / "tables").mkdir(parents=True)
        (root / "models").mkdir()
        (root / "rondo.toml").write_text('[project]\nname = "trial"\ntimezone = "America/New_York"\n')
        (root / "tables" / "trips.sql").write_text(f"/* ---\n{header}\n--- */\nselect 1 as one")
        (root / "models" / "m.py").write_text(
            'import rondo as rd\nm = rd.Model(examples="trips", task=rd.binary("late"))\n'
        )
        self.project, self.store = read_project(root), open_store(root)
        self.model = self.project.models["m"]
        built = {"stage": "table", "definition": "d", "build": "b", "path": "p", "delta": 0, "rows": 0}
        self.store.ledger.append(TableVersion(name="trips", version=1, columns=columns, **built), by="test")

    def land(self, relation: str, version: int = 1, now: datetime = NOW) -> OutcomesLanded | None:
        table = Input(name="trips", version=version, definition="d")
        return land_outcomes(
            self.model,
            project=self.project,
            store=self.store,
            relation=relation,
            table_version=table,
            now=now,
            by="test",
        )

    def report(self, *payloads: dict) -> None:
        common = {"known": hour(30), "received": hour(31)}
        self.store.log.append(STREAM, [msgspec.msgpack.encode(Reported(**(common | payload))) for payload in payloads])

    def collect(self, identify=lambda ids: {}, now: datetime = NOW):
        return collect_inbox(self.model, project=self.project, store=self.store, identify=identify, now=now, by="test")

    @property
    def relation(self) -> str:
        return relation_of_files(self.store.lake.files(path_of("m")))

    def all(self, columns: str = "*", *, current: bool = False, as_of: datetime | None = None) -> list[tuple]:
        relation = current_outcomes(self.relation, self.model, self.project, as_of=as_of) if current else self.relation
        with connect(timezone="UTC") as con:
            return run(con, f"select {columns} from {relation} order by all")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def test_labels_known_by_now_land_once(work):
    relation = rows_of(("a", 1, 0, True, 1), ("b", 1, 0, None, 1), ("c", 1, 0, False, 50), ("d", 1, 0, True, None))
    landed = work.land(relation)
    assert (landed.rows, landed.source, landed.inputs[0].version) == (1, "table:trips@v1", 1)
    assert landed.first == landed.last is not None and landed.first.tzinfo is not None
    assert work.all() == [("a", 1, hour(0), None, True, hour(1), "table:trips@v1")]
    assert work.land(relation) is None
    later = work.land(relation, now=hour(60))
    assert later.rows == 1
    assert work.all("trip, outcome") == [("a", True), ("c", False)]


def test_a_rebuilt_table_adds_revisions_and_rewrites_nothing(work):
    work.land(rows_of(("a", 1, 0, True, 1), ("b", 1, 0, True, 1)))
    rebuilt = work.land(rows_of(("a", 1, 0, False, 2), ("b", 1, 0, True, 1), ("c", 1, 5, True, 6)), version=2)
    assert rebuilt.rows == 2
    assert work.all("trip, outcome, known, source") == [
        ("a", False, hour(2), "table:trips@v2"),
        ("a", True, hour(1), "table:trips@v1"),
        ("b", True, hour(1), "table:trips@v1"),
        ("c", True, hour(6), "table:trips@v2"),
    ]
    assert work.all("trip, outcome", current=True) == [("a", False), ("b", True), ("c", True)]
    assert work.all("trip, outcome", current=True, as_of=hour(1)) == [("a", True), ("b", True)]


def test_of_two_known_at_once_the_newer_table_holds(work):
    for version, late in ((9, True), (10, False)):
        work.land(rows_of(("a", 1, 0, late, 1)), version=version)
    assert work.all("outcome, source", current=True) == [(False, "table:trips@v10")]


def test_rows_that_nothing_identifies_stay_out(work):
    assert work.land(rows_of(("a", None, 0, True, 1), (None, 1, 0, True, 1), ("b", 2, 0, True, 1))).rows == 1


def test_a_version_that_brings_nothing_new_is_remembered(work):
    relation = rows_of(("a", 1, 0, True, 1))
    work.land(relation)
    again = work.land(relation, version=2)
    assert (again.rows, again.delta) == (0, 0)
    assert work.land(relation, version=2) is None


def test_examples_without_key_have_nothing_to_land(tmp_path):
    header = "time: asked_at\nlabel: late\nlabel_known: result_at\ninputs: [line]"
    assert Work(tmp_path, header).land(rows_of(("a", 1, 0, True, 1))) is None


def test_without_time_an_outcome_lands_when_it_changes(tmp_path):
    work = Work(tmp_path, "key: trip\nlabel: late")
    work.land(rows_of(("a", 1, 0, True, 1), ("b", 1, 0, True, 1)))
    assert work.land(rows_of(("a", 1, 0, False, 1), ("b", 1, 0, True, 1)), version=2, now=hour(48)).rows == 1
    assert work.all("trip, moment, outcome, known") == [
        ("a", None, False, hour(48)),
        ("a", None, True, NOW),
        ("b", None, True, NOW),
    ]
    assert work.all("trip, outcome", current=True) == [("a", False), ("b", True)]


def by_key(trip: str, outcome: object, **more: object) -> dict:
    return {"model": "m", "key": {"trip": trip, "line": 1}, "moment": hour(0), "outcome": outcome} | more


def test_outcomes_reported_by_key(work):
    work.report(by_key("a", True), by_key("b", 0, known=hour(40)), by_key("x", True, model="other"))
    collected = work.collect()
    assert (collected.landed.rows, collected.unknown, collected.unfit) == (2, (), ())
    assert work.all() == [
        ("a", 1, hour(0), None, True, hour(30), "api"),
        ("b", 1, hour(0), None, False, hour(40), "api"),
    ]
    assert work.collect().landed is None


def test_the_latest_known_wins_whoever_said_it(work):
    work.land(rows_of(("a", 1, 0, True, 1), ("b", 1, 0, True, 23)))
    work.report(by_key("a", False, known=hour(2)), by_key("b", False, known=hour(2)), by_key("a", None, known=hour(3)))
    work.collect()
    assert work.all("trip, outcome, source", current=True) == [("a", None, "api"), ("b", True, "table:trips@v1")]


def predictions(work: Work, *rows: tuple) -> None:
    names = ("id", "moment", "trip", "line")
    kinds = (pa.string(), pa.timestamp("us", "UTC"), pa.string(), pa.int64())
    columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    work.store.lake.write("predictions/m", pa.table(columns, names=names), mode="append")


def test_outcomes_reported_by_id(work):
    predictions(work, ("p1", hour(0), "a", 1), ("p2", hour(3), "b", None))
    logged = {"p3": ("m", {"trip": "c", "line": 2}, hour(4)), "p4": ("other", {}, hour(4))}
    work.report(*({"id": f"p{n}", "outcome": True} for n in range(1, 6)))
    collected = work.collect(lambda ids: {each: logged[each] for each in ids if each in logged})
    assert collected.unknown == ("p5",)
    assert work.all("trip, line, moment, prediction") == [
        ("a", 1, hour(0), None),
        ("c", 2, hour(4), None),
        (None, None, hour(3), "p2"),  # its request brought no whole key
    ]
    assert len(list(work.store.log.read(STREAM))) == 5


def test_without_a_key_an_outcome_belongs_to_its_prediction(tmp_path):
    work = Work(tmp_path, "label: late\ninputs: [line]")
    work.report(
        {"id": "p1", "outcome": True}, {"id": "p2", "outcome": "no"}, {"id": "p1", "outcome": False, "known": hour(32)}
    )
    work.collect(lambda ids: dict.fromkeys(ids, ("m", {}, hour(9))))
    assert work.all("prediction, moment, outcome", current=True) == [("p1", None, False), ("p2", None, False)]


def test_what_does_not_fit_is_given_back(work):
    bad = [
        by_key("a", "maybe"),
        by_key("a", True, key={"trip": "a", "line": "one"}),
        by_key("a", True, key={"trip": "a"}),
    ]
    work.report(*bad, by_key("b", True), by_key("c", True, moment=None))
    collected = work.collect()
    assert [each.outcome for each in collected.unfit] == ["maybe", True, True, True]
    assert work.all("trip") == [("b",)]


def test_the_same_report_twice_is_one_outcome(work):
    work.report(by_key("a", True), by_key("a", True))
    work.collect()
    work.report(by_key("a", True))
    assert work.collect().landed.rows == 0
    assert len(work.all()) == 1


def test_a_landing_killed_before_its_record_is_done_once(work, monkeypatch):
    work.report(by_key("a", True), by_key("b", True))
    with monkeypatch.context() as patched:
        patched.setattr(type(work.store.ledger), "append", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            work.collect()
    assert len(work.all()) == 2
    work.report(by_key("c", True))
    assert work.collect().landed.rows == 1
    assert [trip for (trip,) in work.all("trip")] == ["a", "b", "c"]


def test_a_long_inbox_is_read_in_pieces(work, monkeypatch):
    monkeypatch.setattr(labels, "LANDED_AT_ONCE", 2)
    work.report(*(by_key(f"t{n}", True) for n in range(5)))
    work.collect()
    assert len(work.all()) == 5
    assert [entry.record.rows for entry in work.store.ledger.entries(OutcomesLanded)] == [2, 2, 1]


def test_a_key_column_of_an_outcomes_own_name_is_told_apart(tmp_path):
    header = TIMED.replace("[trip, line]", "[source, line]")
    columns = {"source" if name == "trip" else name: kind for name, kind in COLUMNS.items()}
    work = Work(tmp_path, header, columns)
    work.land(f"(select * rename (trip as source) from {rows_of(('a', 1, 0, True, 1))})")
    assert work.all('"key.source", source', current=True) == [("a", "table:trips@v1")]
