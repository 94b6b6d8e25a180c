from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from rondo.data.erasing import count_outcomes, erase_outcomes, expire_inbox, outcomes_held
from rondo.data.labels import STREAM, Reported, collect_inbox, land_outcomes, path_of
from rondo.errors import StoreError
from rondo.project.reading import read_project
from rondo.records.erasing import Erasure
from rondo.records.tables import Input, TableVersion
from rondo.sql.engine import connect, relation_of_files, run
from rondo.store.opening import open_store
from rondo.store.pseudonyms import FILE, Forgotten, open_pseudonyms

NOW = datetime(2024, 1, 2, tzinfo=UTC)
HEADER = "key: [trip, line]\ntime: asked_at\nlabel: late\nlabel_known: result_at\ninputs: [line]"
COLUMNS = {
    "trip": "VARCHAR", "line": "BIGINT", "rider": "BIGINT", "asked_at": "TIMESTAMP WITH TIME ZONE", "late": "BOOLEAN",
    "result_at": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip


def hour(n: float) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=n)


class Work:
    def __init__(self, root: Path, header: str = HEADER, models: str = "m") -> None:
        (root / "tables").mkdir(parents=True)
        (root / "models").mkdir()
        (root / "rondo.toml").write_text('[project]\nname = "trial"\n')
        (root / "tables" / "trips.sql").write_text(f"/* ---\n{header}\n--- */\nselect 1 as one")
        for name in models:
            code = f'import rondo as rd\n{name} = rd.Model(examples="trips", task=rd.binary("late"))\n'
            (root / "models" / f"{name}.py").write_text(code)
        self.project, self.store = read_project(root), open_store(root)
        self.model = self.project.models["m"]
        built = {"stage": "table", "definition": "d", "build": "b", "path": "p", "delta": 0, "rows": 0}
        self.store.ledger.append(TableVersion(name="trips", version=1, columns=COLUMNS, **built), by="test")

    def land(self, *rows: tuple, version: int = 1, now: datetime = NOW) -> None:
        """Labels as (trip, line, rider, hour asked, late, hour known)."""
        values = ", ".join(f"('{t}', {n}, {r}, '{hour(a)}', {y}, '{hour(k)}')" for t, n, r, a, y, k in rows)
        cast = ", ".join(f"{name}::{kind} as {name}" for name, kind in COLUMNS.items())
        land_outcomes(
            self.model, project=self.project, store=self.store, now=now, by="test",
            relation=f"(select {cast} from (values {values}) as r({', '.join(COLUMNS)}))",
            table_version=Input(name="trips", version=version, definition="d"),
        )  # fmt: skip

    def report(self, *payloads: dict, received: float = 31) -> None:
        common = {"known": hour(30), "received": hour(received), "outcome": True}
        self.store.log.append(STREAM, [msgspec.msgpack.encode(Reported(**(common | payload))) for payload in payloads])

    def collect(self, predictions: dict[str, tuple] | None = None, model: str = "m") -> None:
        there = {each: ("m", *about) for each, about in (predictions or {}).items()}
        collect_inbox(
            self.project.models[model], project=self.project, store=self.store, now=NOW, by="test",
            identify=lambda ids: {each: there[each] for each in ids if each in there},
        )  # fmt: skip

    def forgotten(self, **key: object) -> Forgotten:
        pseudonyms = open_pseudonyms(self.store.folder, create=True)
        assert pseudonyms is not None
        blank = Forgotten({name: COLUMNS[name] for name in key}, frozenset(), pseudonyms, "UTC")
        return Forgotten(blank.columns, frozenset({str(blank.pseudonym(list(key.values())))}), pseudonyms, "UTC")

    def remember(self, keys: Forgotten, until: datetime) -> None:
        erasure = Erasure(
            name="m", erasure=min(keys.digests), state="begun", columns=list(keys.columns), digests=list(keys.digests),
            under=keys.pseudonyms.under, until=until, rows={},
        )  # fmt: skip
        self.store.ledger.append(erasure, by="test")

    def erase(self, keys: Forgotten, questions: dict[str, tuple] | None = None) -> dict[str, int]:
        held = outcomes_held(self.model, self.project, COLUMNS, keys, questions or {})
        counted = count_outcomes(self.store, held)
        assert erase_outcomes(self.store, held) == counted
        assert set(erase_outcomes(self.store, held).values()) == {0}
        return counted

    def all(self, columns: str = "trip, line") -> list[tuple]:
        files = self.store.lake.files(path_of("m"))
        with connect(timezone="UTC") as con:
            return run(con, f"select {columns} from {relation_of_files(files)} order by all")

    def inbox(self) -> int:
        return sum(1 for _ in self.store.log.read(STREAM))


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def about(trip: str | None, line: int, n: float) -> tuple[dict[str, object], datetime]:
    return {"trip": trip, "line": line}, hour(n)


def test_outcomes_of_a_key_go_from_the_inbox_and_the_lake(work):
    work.land(("a", 1, 7, 0, True, 1), ("b", 1, 8, 0, True, 1))
    work.report(
        {"id": "p1"}, {"id": "p2"}, {"model": "m", "key": {"trip": "a", "line": 1}, "moment": hour(0)},
        {"model": "m", "key": {"trip": "a", "line": "1"}, "moment": hour(5)},
        {"model": "other", "key": {"trip": "a", "line": 1}, "moment": hour(0)},
    )  # fmt: skip
    work.collect({"p1": about("a", 1, 3), "p2": about("b", 1, 3)})
    assert work.erase(work.forgotten(trip="a"), {"p1": about("a", 1, 3)}) == {"reported": 3, "outcomes": 4}
    assert work.all() == [("b", 1), ("b", 1)] and work.inbox() == 2


def test_outcomes_of_a_prediction_go_with_it_where_its_key_says_nothing_of_them(work):
    work.report({"id": "p1"}, {"id": "p2"}, {"model": "m", "key": {"trip": "c", "line": 2}, "moment": hour(4)})
    questions = {"p1": about(None, 1, 3), "p2": about("b", 1, 3), "p3": about("c", 2, 4)}
    work.collect(questions)
    assert len(work.all()) == 3
    assert work.erase(work.forgotten(rider=7), {"p1": about(None, 1, 3), "p3": about("c", 2, 4)}) == {
        "reported": 2, "outcomes": 2,
    }  # fmt: skip
    assert work.all() == [("b", 1)]


def test_what_a_table_still_holds_does_not_come_back(work):
    rows = [("a", 1, 7, 0, True, 1), ("b", 1, 8, 0, True, 1)]
    work.land(*rows)
    for keys in (work.forgotten(trip="a", line=1), work.forgotten(rider=7)):
        work.remember(keys, hour(10))
    work.erase(work.forgotten(trip="a"))
    later = ("a", 1, 7, 12, False, 13)
    work.land(*rows, later, version=2)
    assert work.all("trip, moment") == [("a", hour(12)), ("b", hour(0))], "asked after it was forgotten: a new one"
    work.report(
        {"model": "m", "key": {"trip": "a", "line": 1}, "moment": hour(9)},
        {"model": "m", "key": {"trip": "a", "line": 1}, "moment": hour(11)},
        {"model": "m", "key": {"trip": "b", "line": 1}, "moment": hour(9)},
    )  # fmt: skip
    work.collect()
    assert work.all("trip, moment, source") == [
        ("a", hour(11), "api"), ("a", hour(12), "table:trips@v2"), ("b", hour(0), "table:trips@v1"),
        ("b", hour(9), "api"),
    ]  # fmt: skip


@pytest.mark.parametrize("secret", [None, "ab" * 32])
def test_without_the_secret_nothing_lands_rather_than_what_was_forgotten(work, secret):
    work.remember(work.forgotten(trip="a"), hour(10))
    file = work.store.folder / FILE
    file.unlink()
    if secret:
        file.write_text(secret)
    with pytest.raises(StoreError, match=FILE):
        work.land(("a", 1, 7, 0, True, 1))
    with pytest.raises(StoreError, match=FILE):
        work.collect()


def test_a_moment_in_a_key_is_known_however_it_is_written(tmp_path):
    work = Work(tmp_path, HEADER.replace("[trip, line]", "[trip, asked_at]"))
    work.report(
        {"model": "m", "key": {"trip": "a", "asked_at": "2024-01-01T01:00:00+01:00"}, "moment": hour(0)},
        {"model": "m", "key": {"trip": "a"}, "moment": hour(0)}, {"model": "m", "key": {"trip": "a"}, "moment": hour(1)},
    )  # fmt: skip
    work.collect()
    keys = work.forgotten(trip="a", asked_at="2024-01-01T00:00:00Z")
    assert work.erase(keys, {"p": ({"trip": "a", "asked_at": hour(0)}, hour(0))}) == {"reported": 2, "outcomes": 1}
    assert work.all("trip, moment") == [("a", hour(1))]


def test_old_reports_are_dropped_when_every_model_has_them(tmp_path):
    work = Work(tmp_path, models="mn")
    work.report({"id": "p1"})
    work.store.log.close()
    work.report({"id": "p2"}, received=40)
    work.store.log.close()
    work.collect({"p1": about("a", 1, 0), "p2": about("b", 1, 0)})

    def expired(keep_h, now):
        return expire_inbox(work.project, work.store, keep_s=keep_h * 3600, now=hour(now))

    assert expired(1, 100) == 0, "n has not looked yet"
    work.collect(model="n")
    assert expired(72, 100) == 0
    assert expired(65, 100) == 1 and work.inbox() == 1
    assert expired(1, 100) == 1 and work.inbox() == 0
    work.report({"id": "p3"})
    work.collect({"p3": about("c", 1, 0)})
    assert work.all() == [("a", 1), ("b", 1), ("c", 1)]
    assert expired(1, 100) == 0, "it is being written"
