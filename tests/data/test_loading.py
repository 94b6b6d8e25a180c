from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rondo as rd
from rondo.data import loading
from rondo.data.built import Built
from rondo.data.landing import Landed, Landing
from rondo.data.loading import changes, load_source, seen_files
from rondo.errors import DeclarationError, LoadError
from rondo.project.reading import Project, read_project
from rondo.project.sources import Source
from rondo.records.tables import CheckResult, Profile, TableVersion
from rondo.sql.relations import Catalog
from rondo.store.opening import Store, open_store

START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class Place:
    """A project with one source, `raw`, and a clock that moves a day a load."""

    root: Path
    project: Project
    store: Store
    source: Source
    now: datetime = START

    def load(self, build: str = "b") -> Built:
        built = load_source(
            self.source, project=self.project, store=self.store, definition="d" * 64, build=build, by="t", now=self.now
        )
        self.now += timedelta(days=1)
        return built

    def sql(self, query: str) -> list[dict[str, Any]]:
        return Catalog(self.project, self.store.ledger, self.store.lake).query(query).rows.to_pylist()

    @property
    def types(self) -> dict[str, str]:
        newest = self.store.ledger.latest(TableVersion, name="raw")
        assert newest is not None
        return newest.record.columns

    def write(self, name: str, text: str, encoding: str = "utf-8") -> Path:
        path = self.root / "data" / name
        path.write_bytes(text.encode(encoding))
        return path


Make = Callable[..., Place]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(pattern: str = "data/*", timezone: str = "America/New_York", **arguments: Any) -> Place:
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "rondo.toml").write_text(f'[project]\nname = "t"\ntimezone = "{timezone}"\n')
        (tmp_path / "sources.py").write_text("")
        reader = {k: v for k, v in arguments.items() if k in ("null", "encoding", "types", "header", "columns", "skip")}
        source = rd.Source(rd.files(pattern, **reader), **{k: v for k, v in arguments.items() if k not in reader})
        object.__setattr__(source, "name", "raw")
        project = read_project(tmp_path)
        named = Project(
            **{**{f: getattr(project, f) for f in project.__dataclass_fields__}, "sources": {"raw": source}}
        )
        return Place(tmp_path, named, open_store(tmp_path), source)

    return made


# --- types ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", ""], "BIGINT"),
        (["0", "10"], "BIGINT"),
        ([" 39", " 50"], "BIGINT"),
        (["007", "12"], "VARCHAR"),
        (["-007", "12"], "VARCHAR"),
        (["1.5", "2"], "DOUBLE"),
        (["1e3", ".5"], "DOUBLE"),
        (["-0.25", "+3"], "DOUBLE"),
        (["00.5", "1"], "VARCHAR"),
        (["12345678901234567890", "1"], "VARCHAR"),
        (["1.5", "12345678901234567"], "VARCHAR"),
        (["1_000", "2"], "VARCHAR"),
        (["0x10", "2"], "VARCHAR"),
        (["nan", "2.5"], "VARCHAR"),
        (["inf", "2.5"], "VARCHAR"),
        (["1,5", "2,5"], "VARCHAR"),
        (["NA", "2"], "VARCHAR"),
        (["29.85", "  "], "VARCHAR"),
        (["true", "FALSE"], "BOOLEAN"),
        (["yes", "no"], "VARCHAR"),
        (["Y", "N"], "VARCHAR"),
        (["t", "f"], "VARCHAR"),
        (["2013-01-31", ""], "DATE"),
        (["2013-02-30", "2013-01-01"], "VARCHAR"),
        (["31/01/2013", "01/02/2013"], "VARCHAR"),
        (["2013/01/31"], "VARCHAR"),
        (["2013-1-31"], "VARCHAR"),
        (["2013-01-01 05:00", "2013-01-01"], "TIMESTAMP WITH TIME ZONE"),
        (["2013-01-01T05:00:00Z"], "TIMESTAMP WITH TIME ZONE"),
        (["2013-01-01T05:00:00.5+09:00"], "TIMESTAMP WITH TIME ZONE"),
        (["05:00:00"], "VARCHAR"),
        (["", ""], "VARCHAR"),
    ],
)
def test_a_guess_changes_no_meaning(make: Make, values: list[str], kind: str) -> None:
    place = make()
    place.write("a.csv", "id,v\n" + "".join(f'{n},"{value}"\n' for n, value in enumerate(values)))
    place.load()
    assert place.types == {"id": "BIGINT", "v": kind}
    if kind == "VARCHAR":
        assert [row["v"] for row in place.sql("select v from raw order by id")] == [v or None for v in values]


def test_a_time_with_a_zone_stays_that_moment_and_one_without_is_the_projects(make: Make) -> None:
    place = make()
    place.write("a.csv", "v\n2013-01-01T06:00:00Z\n2013-01-01 01:00:00\n2013-01-01T15:00:00+09:00\n")
    place.load()
    assert place.sql("select distinct epoch(v) as e from raw") == [{"e": 1357020000.0}]


def test_a_later_row_that_breaks_the_guess_changes_the_guess(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rondo.data.settling.SAMPLE_ROWS", 10)
    monkeypatch.setattr("rondo.data.settling.HEAD_ROWS", 5)
    place = make()
    rows = [f"{n},{n},{n}" for n in range(1, 100)]
    place.write("a.csv", "zip,mixed,n\n" + "\n".join([*rows, "007,1.5,1", "3,2,2"]) + "\n")
    assert place.load().rows == 101
    assert place.types == {"zip": "VARCHAR", "mixed": "DOUBLE", "n": "BIGINT"}
    assert place.sql("select zip from raw where mixed = 1.5") == [{"zip": "007"}]


def test_pinned_types_hold_for_later_files(make: Make) -> None:
    place = make()
    place.write("a.csv", "id,v\n1,10\n")
    place.load()
    place.write("b.csv", 'id,note,v\n1,"two\nlines",10\n2,x,many\n')
    with pytest.raises(LoadError, match=r"data/b.csv, line 4, column 'v': 'many' is not BIGINT") as caught:
        place.load()
    assert (caught.value.file, caught.value.line) == ("data/b.csv", 4)
    place.write("b.csv", "id,v\n2,007\n")
    with pytest.raises(LoadError, match="'007' is not BIGINT"):
        place.load()
    assert place.sql("select * from raw") == [{"id": 1, "v": 10}]


def test_declared_types_take_what_a_guess_would_not(make: Make) -> None:
    place = make(types={"zip": "varchar", "n": "int", "when": "timestamptz", "x": "double", "price": "decimal(8, 2)"})
    place.write("a.csv", "zip,n,when,x,price\n123,007,2013-01-01,nan,1.10\n")
    place.load()
    assert place.types == {
        "zip": "VARCHAR", "n": "INTEGER", "when": "TIMESTAMP WITH TIME ZONE", "x": "DOUBLE", "price": "DECIMAL(8,2)",
    }  # fmt: skip
    place.write("b.csv", "zip,n,when,x,price\n1,1.7,2013-01-01,1,1\n")
    with pytest.raises(LoadError, match=r"column 'n': '1.7' is not INTEGER, as declared in types"):
        place.load()


@pytest.mark.parametrize(
    ("types", "words"),
    [({"nope": "BIGINT"}, "'nope', which is no column; there are: a"), ({"a": "biggish"}, "no SQL type")],
)
def test_types_that_fit_nothing(make: Make, types: dict[str, str], words: str) -> None:
    place = make(types=types)
    place.write("a.csv", "a\n1\n")
    with pytest.raises(DeclarationError, match=words):
        place.load()


def test_null_markers_are_those_declared(make: Make) -> None:
    place = make(null=["NA", "?"])
    place.write("a.csv", "a,b\nNA,x\n1,?\n,n/a\n")
    place.load()
    assert place.sql("select * from raw") == [{"a": None, "b": "x"}, {"a": 1, "b": None}, {"a": None, "b": "n/a"}]


def test_columns_that_come_later_are_null_before_and_missing_ones_null(make: Make) -> None:
    place = make()
    place.write("a.csv", "id,old\n1,x\n")
    place.load()
    place.write("b.csv", "NEW,ID\n2.5,2\n")
    built = place.load()
    assert "new columns, null in earlier rows: NEW" in built.reason
    assert place.sql("select * from raw order by id") == [
        {"id": 1, "old": "x", "NEW": None},
        {"id": 2, "old": None, "NEW": 2.5},
    ]


@pytest.mark.parametrize("key", [(), "id"])
def test_a_column_gets_its_type_with_its_first_value(make: Make, key: str) -> None:
    place = make(key=key)
    place.write("a.csv", "id,v,w\n1,,\n2,,x\n")
    place.load()
    assert place.types == {"id": "BIGINT", "v": "VARCHAR", "w": "VARCHAR"}
    place.write("b.csv", "id,v,w\n3,1.5,7\n")
    place.load()
    assert place.types == {"id": "BIGINT", "v": "DOUBLE", "w": "VARCHAR"}
    assert [row["v"] for row in place.sql("select v from raw order by id")] == [None, None, 1.5]
    place.write("c.csv", "id,v\n4,many\n")
    with pytest.raises(LoadError, match="'many' is not DOUBLE"):
        place.load()


def test_a_very_wide_file(make: Make) -> None:
    place = make()
    names = [f"c{n}" for n in range(150)]
    place.write("a.csv", ",".join(names) + "\n" + ",".join(["1"] * 150) + "\n" + ",".join(["2.5"] * 150) + "\n")
    place.load()
    assert set(place.types.values()) == {"DOUBLE"}
    place.write("b.csv", ",".join(names) + "\n" + ",".join(["1"] * 149) + ",x\n")
    with pytest.raises(LoadError, match=r"data/b.csv, line 2, column 'c149': 'x'"):
        place.load()
    place.write("b.csv", ",".join(names) + "\n1,2\n")
    with pytest.raises(LoadError, match=r"data/b.csv, line 2: the row has 2 fields, the header 150"):
        place.load()


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr", "utf-16", "utf-8-sig", "latin-1"])
def test_encodings(make: Make, encoding: str) -> None:
    text = "name,n\nCafé,1\n" if encoding == "latin-1" else "이름,n\n서울,1\n"
    place = make(encoding=encoding)
    path = place.write("a.csv", text, encoding)
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(text.encode(encoding)))
    assert place.load().rows == 2
    name, value = text.splitlines()[0].split(",")[0], text.splitlines()[1].split(",")[0]
    assert place.sql("select * from raw") == [{name: value, "n": 1}] * 2


def test_a_byte_order_mark_is_no_letter_of_the_header(make: Make) -> None:
    place = make()
    place.write("a.csv", "a,b\n1,2\n", "utf-8-sig")
    place.load()
    assert list(place.types) == ["a", "b"]


def test_a_wrong_encoding_names_the_byte_and_what_it_may_be(make: Make) -> None:
    place = make()
    place.write("a.csv", "a,b\nx,1\n서울,2\n", "cp949")
    with pytest.raises(LoadError, match=r"data/a.csv is not utf-8: byte 8 cannot be read. It may be cp949") as caught:
        place.load()
    assert 'encoding="cp949"' in caught.value.next_step
    place.write("a.csv", "강도,강간\n1,2\n", "cp949")  # two names that read alike as UTF-8
    with pytest.raises(LoadError, match=r"data/a.csv is not utf-8: byte 0 cannot be read. It may be cp949"):
        place.load()
    other = make(encoding="cp949")
    other.write("a.csv", "a\n" + "서울\n" * 300_000 + "\ud55c\U0001f600", "utf-8")
    with pytest.raises(LoadError, match=r"data/a.csv is not cp949: byte .* It may be utf-8"):
        other.load()


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a,b\n1,2\n3\n", "the row has 1 fields, the header 2", 3),
        ("a,b\n1,2\n3,4,5\n", "the row has 3 fields, the header 2", 3),
        ('a,b\n1,"2\n3,4\n', "a quote is opened and never closed", 2),
        ("a,A\n1,2\n", "two columns named 'A'", 1),
        ("a,_rondo_row\n1,2\n", "names that begin with _rondo_ are taken", 1),
        ("", "is empty", None),
    ],
)
def test_a_file_that_is_no_table(make: Make, text: str, words: str, line: int | None) -> None:
    place = make()
    place.write("a.csv", text)
    with pytest.raises(LoadError, match=words) as caught:
        place.load()
    assert (caught.value.file, caught.value.line) == ("data/a.csv", line)
    assert place.store.ledger.latest(TableVersion) is None


def test_shapes_of_csv(make: Make) -> None:
    place = make("data/one.csv")
    place.write("one.csv", '"",x;y\n1,"a;b"\r\n2,"he said ""no"""\r\n')
    place.load()
    assert place.sql("select * from raw") == [{"column0": 1, "x;y": "a;b"}, {"column0": 2, "x;y": 'he said "no"'}]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t"), ("a.txt", "|")])
def test_the_separator_is_found(make: Make, name: str, mark: str) -> None:
    place = make()
    place.write(name, f"a{mark}b, c\n1{mark}x, y\n2{mark}z\n")
    place.load()
    assert place.sql("select * from raw") == [{"a": 1, "b, c": "x, y"}, {"a": 2, "b, c": "z"}]


def test_without_a_header(make: Make) -> None:
    place = make(header=False, columns=["id", "name"])
    place.write("a.csv", "1,x\n2,y\n")
    place.load()
    assert place.sql("select * from raw") == [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]
    bare = make(header=False)
    (bare.root / ".rondo" / "ledger.db").unlink()
    bare.store = open_store(bare.root)
    bare.load()
    assert list(bare.types) == ["column0", "column1"]


def test_a_wrong_number_of_names(make: Make) -> None:
    place = make(header=False, columns=["id"])
    place.write("a.csv", "1,x\n")
    with pytest.raises(LoadError, match="has 2 columns, and 1 are named"):
        place.load()


def test_lines_before_the_header_are_skipped_and_counted(make: Make) -> None:
    place = make(skip=2, types={"a": "bigint"})
    place.write("a.csv", "made by hand\n\na,b\n1,x\noops,y\n")
    with pytest.raises(LoadError, match="line 5, column 'a': 'oops'"):
        place.load()


@pytest.mark.parametrize(("text", "rows"), [("a,b\n", 0), ("a,b\n1,x\n", 1), ("a,b\n1,x", 1)])
def test_no_row_and_one_row(make: Make, text: str, rows: int) -> None:
    place = make()
    place.write("a.csv", text)
    assert place.load().rows == rows
    assert len(place.sql("select * from raw")) == rows
    profile = place.store.ledger.latest(Profile)
    assert profile is not None
    assert [column.nulls for column in profile.record.columns] == [0, 0]


def test_json_lines(make: Make) -> None:
    place = make(null="NA")
    place.write(
        "a.jsonl",
        '{"n": 1, "s": "007", "t": "2013-01-01T06:00:00Z", "b": true, "o": {"x": [1]}, "m": "NA"}\n'
        '{"n": 2.5, "s": "8", "t": "2013-01-01T06:00:00Z", "late": "only here"}\n',
    )
    place.load()
    kinds = {
        "n": "DOUBLE",
        "s": "VARCHAR",
        "t": "TIMESTAMP WITH TIME ZONE",
        "b": "BOOLEAN",
        "m": "VARCHAR",
        "late": "VARCHAR",
    }
    assert {name: kind for name, kind in place.types.items() if name != "o"} == kinds
    assert place.sql("select n, s, m, late, o.x[1] as x from raw") == [
        {"n": 1.0, "s": "007", "m": None, "late": None, "x": 1},
        {"n": 2.5, "s": "8", "m": None, "late": "only here", "x": None},
    ]
    place.write("b.jsonl", '{"n": 1}\n{"n": "x"}\n')
    with pytest.raises(LoadError, match=r"data/b.jsonl, line 2, column 'n': 'x' is not DOUBLE"):
        place.load()


def test_parquet_keeps_its_types_and_fits_pinned_ones(make: Make) -> None:
    place = make()
    naive = pa.array([datetime(2013, 1, 1, 1)], pa.timestamp("us"))
    pq.write_table(
        pa.table({"i": pa.array([1], pa.int16()), "s": ["007"], "t": naive, "u": pa.array([7], pa.uint8())}),
        place.root / "data/a.parquet",
    )
    place.load()
    assert place.types == {"i": "SMALLINT", "s": "VARCHAR", "t": "TIMESTAMP WITH TIME ZONE", "u": "SMALLINT"}
    assert place.sql("select epoch(t) as e from raw") == [{"e": 1357020000.0}]
    pq.write_table(pa.table({"i": pa.array([2.0], pa.float64())}), place.root / "data/b.parquet")
    place.load()
    pq.write_table(pa.table({"i": pa.array([2, 70_000], pa.int32())}), place.root / "data/c.parquet")
    with pytest.raises(LoadError, match=r"data/c.parquet, line 2, column 'i': '70000' is not SMALLINT"):
        place.load()


def test_a_zip_archive_is_its_members(make: Make) -> None:
    place = make()
    path = place.root / "data" / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("in/b.csv", "a\n2\n")
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("__MACOSX/._a.csv", "junk")
        archive.writestr("README.md", "junk")
    place.load()
    newest = place.store.ledger.latest(TableVersion)
    assert newest is not None
    assert [(file.path, file.rows) for file in newest.record.files] == [("data/a.zip", 2)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "a\n1\n3\n")
    place.load()
    assert place.sql("select a from raw order by a") == [{"a": 1}, {"a": 3}]


def test_names_with_letters_that_mean_something_elsewhere(make: Make) -> None:
    place = make()
    for name in ("a[1].csv", "it's.csv", "한글 %20*.csv"):
        place.write(name, "a\n1\n")
    place.load()
    place.write("it's.csv", "a\n5\n")
    place.load()
    assert sorted(row["a"] for row in place.sql("select a from raw")) == [1, 1, 5]


def test_an_unknown_ending(make: Make) -> None:
    place = make()
    place.write("a.xyz", "a\n1\n")
    with pytest.raises(LoadError, match=r"the ending .xyz does not say what the file is"):
        place.load()


# --- changes --------------------------------------------------------------------------------------------------------


def test_changes(make: Make) -> None:
    place = make()
    with pytest.raises(LoadError, match="no file matches 'data/\\*'"):
        changes(place.source, place.root, {})
    first, second = place.write("a.csv", "a\n1\n"), place.write("b.csv", "a\n2\n")
    place.load()
    seen = seen_files(place.store.ledger, "raw", "d" * 64)
    os.utime(first, (1, 1))
    second.write_text("a\n3\n")
    os.utime(second, (1, 1))
    place.write("c.csv", "a\n4\n")
    found = changes(place.source, place.root, seen)
    assert (found.new, found.changed, found.unchanged) == (("data/c.csv",), ("data/b.csv",), ("data/a.csv",))
    first.unlink()
    assert changes(place.source, place.root, seen).missing == ("data/a.csv",)


def test_without_a_key_rows_append_and_a_changed_file_replaces_its_own(make: Make) -> None:
    place = make()
    place.write("a.csv", "a\n1\n1\n")
    place.write("b.csv", "a\n2\n")
    place.load()
    place.write("b.csv", "a\n20\n21\n")
    place.write("c.csv", "a\n3\n")
    built = place.load()
    assert sorted(row["a"] for row in place.sql("select a from raw")) == [1, 1, 3, 20, 21]
    assert built.version is not None
    assert [file.path for file in built.version.files] == ["data/b.csv", "data/c.csv"]
    assert built.rows == 5
    (place.root / "data" / "a.csv").unlink()
    place.write("d.csv", "a\n4\n")
    assert "gone, and their rows kept: data/a.csv" in place.load().reason
    assert len(place.sql("select a from raw")) == 6


def test_with_a_key_a_later_row_is_a_revision(make: Make) -> None:
    place = make(key="id")
    place.write("a.csv", "id,v\n1,x\n2,y\n3,z\n")
    first = place.load()
    place.write("a.csv", "id,v\n1,x\n2,Y\n4,new\n")
    second = place.load()
    assert first.version is not None and second.version is not None
    assert (first.version.revised, second.version.revised, second.rows) == (False, True, 4)
    assert place.sql("select * from raw order by id") == [
        {"id": 1, "v": "x"}, {"id": 2, "v": "Y"}, {"id": 3, "v": "z"}, {"id": 4, "v": "new"},
    ]  # fmt: skip
    assert place.store.lake.rows(second.version.path, second.version.delta) == 5  # 3, and the two that differ
    assert place.sql('select v from "raw@v1" where id = 2') == [{"v": "y"}]


def test_a_revision_and_back_again_in_one_landing(make: Make) -> None:
    place = make(key="id")
    place.write("a.csv", "id,v\n1,x\n")
    place.load()
    place.write("b.csv", "id,v\n1,y\n")
    place.write("c.csv", "id,v\n1,x\n")
    built = place.load()
    assert place.sql("select v from raw") == [{"v": "x"}]
    assert built.version is not None
    assert place.store.lake.rows(built.version.path, built.version.delta) == 3


def test_known_until_and_expressions_that_fail(make: Make) -> None:
    place = make(key="id", time="seen", known="time + interval 15 minute")
    place.write("a.csv", "id,seen\n1,2013-01-01 00:00\n2,2013-01-01 05:00\n")
    built = place.load()
    assert built.version is not None
    assert built.version.known_until == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    for wrong in ({"known": "nope + 1"}, {"key": "nope"}):
        with pytest.raises(DeclarationError, match=r"nope.*olumns are: id, seen|nope.*there are: id, seen"):
            make(**{"key": "id", **wrong}).load("other")


def test_a_clock_that_stands_still_does_not_confuse_revisions(make: Make) -> None:
    place = make(key="id")
    for number in range(3):
        place.now = START
        place.write(f"{number}.csv", f"id,v\n1,{number}\n")
        place.load()
    assert place.sql("select v from raw") == [{"v": 2}]


def test_two_at_once_land_one_version(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make(key="id")
    place.write("a.csv", "id,v\n1,a\n")
    real, others = loading.land, iter([True])

    def overtaken(landing: Landing) -> Landed:
        landed = real(landing)
        if next(others, False):
            place.load()
        return landed

    monkeypatch.setattr(loading, "land", overtaken)
    built = place.load()
    assert built.reason == "nothing new"
    assert place.store.ledger.count(TableVersion, "raw") == 1
    place.write("b.csv", "id,v\n2,b\n")
    others = iter([True])
    place.load()
    assert place.sql("select * from raw order by id") == [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]
    assert place.store.ledger.count(TableVersion, "raw") == 2


# --- checks ---------------------------------------------------------------------------------------------------------


def test_a_blocked_landing_keeps_the_last_good_version_and_its_files_stay_new(make: Make) -> None:
    place = make(key="id", checks=["v > 0"])
    place.write("a.csv", "id,v\n1,1\n")
    place.load()
    place.write("b.csv", "id,v\n2,-1\n")
    blocked = place.load()
    assert (blocked.state, blocked.version) == ("blocked", None)
    assert blocked.reason == "blocked by v > 0 (1 of 2 rows)"
    assert place.sql("select id from raw") == [{"id": 1}]
    place.write("b.csv", "id,v\n2,5\n")
    assert place.load().rows == 2
    assert place.sql("select * from raw order by id") == [{"id": 1, "v": 1}, {"id": 2, "v": 5}]


def test_a_first_landing_that_is_blocked(make: Make) -> None:
    place = make(checks=["v > 0"])
    place.write("a.csv", "id,v\n1,-1\n")
    assert place.load().state == "blocked"
    assert place.store.ledger.latest(TableVersion) is None
    place.write("a.csv", "id,v\n1,1\n")
    place.load()
    assert place.sql("select * from raw") == [{"id": 1, "v": 1}]


@pytest.mark.parametrize("key", [(), "id"])
def test_quarantine(make: Make, key: str) -> None:
    place = make(key=key, checks=["v > 0", rd.unique("id")], on_fail="quarantine")
    place.write("a.csv", "id,v\n1,1\n2,-1\n3,3\n3,4\n")
    built = place.load()
    assert built.rows == 1 and built.version is not None and built.version.quarantined == 3
    aside = "select id, v, check_name from quarantine.raw order by id, v"
    expected = [(2, -1, "v > 0"), (3, 3, "unique: [id]"), (3, 4, "unique: [id]")]
    assert [tuple(row.values()) for row in place.sql(aside)] == expected
    place.write("b.csv", "id,v\n5,-5\n6,6\n")
    place.load()
    assert [tuple(row.values()) for row in place.sql(aside)] == [*expected, (5, -5, "v > 0")]
    assert place.sql("select id from raw order by id") == [{"id": 1}, {"id": 6}]
    place.write("b.csv", "id,v\n5,5\n6,6\n")
    place.load()
    assert [tuple(row.values()) for row in place.sql(aside)] == expected
    assert place.sql("select id from raw order by id") == [{"id": 1}, {"id": 5}, {"id": 6}]


def test_a_row_that_landed_is_set_aside_when_its_double_comes(make: Make) -> None:
    place = make(checks=[rd.unique("id")], on_fail="quarantine")
    place.write("a.csv", "id\n1\n2\n")
    place.load()
    place.write("b.csv", "id\n1\n3\n")
    place.load()
    assert place.sql("select id from raw order by id") == [{"id": 2}, {"id": 3}]
    assert place.sql("select id from quarantine.raw") == [{"id": 1}, {"id": 1}]


def test_unique_on_the_key_of_a_source_means_within_a_file(make: Make) -> None:
    place = make(key="id", checks=[rd.unique()])
    place.write("a.csv", "id,v\n1,a\n")
    place.write("b.csv", "id,v\n1,b\n")
    assert place.load().state == "built"
    place.write("c.csv", "id,v\n2,a\n2,a\n")
    assert place.load().reason == "blocked by unique (2 of 2 rows)"


def test_rows_without_a_key_are_reported(make: Make) -> None:
    place = make(key="id")
    place.write("a.csv", "id,v\n1,a\n,b\n,c\n")
    assert place.load().reason.startswith("blocked by not_null: [id]")


def test_checks_that_changed_are_run_again_without_new_files(make: Make) -> None:
    place = make()
    place.write("a.csv", "id\n1\n")
    place.load()
    strict = make(checks=["id > 5"])
    assert strict.load("other").state == "blocked"
    lax = make(checks=["id > 0"])
    built = lax.load("third")
    assert built.version is not None and (built.version.version, built.version.files) == (2, [])
    assert lax.sql("select * from raw") == [{"id": 1}]


def test_no_row_to_check_warns(make: Make) -> None:
    place = make(checks=["id > 5"])
    place.write("a.csv", "id\n")
    place.load()
    entry = place.store.ledger.latest(CheckResult)
    assert entry is not None
    assert (entry.record.state, entry.record.checks[0].state, entry.record.checks[0].rows) == ("warned", "failed", 0)
