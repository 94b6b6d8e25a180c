from __future__ import annotations

import decimal
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from rondo.errors import NotFound, StoreError
from rondo.store import lake as lake_module
from rondo.store.lake import DeltaLake, Lake, LakeVersion

ROWS = pa.table({"origin": ["JFK", "EWR", None], "late": [1, 2, 3]})


def read(lake: Lake, path: str, version: int | None = None) -> list[tuple[object, ...]]:
    """What DuckDB, which knows no Delta, reads from the files."""
    files = lake.files(path, version)
    if not files:
        return []
    with duckdb.connect() as connection:
        return sorted(connection.read_parquet(files, union_by_name=True).fetchall(), key=str)


def elsewhere(call: Callable[[], object]) -> object:
    """Another thread's doing: a stream runs inside Rust's, which cannot be entered again."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(timeout=20)


class LakeContract:
    """What every lake keeps."""

    def make(self, folder: Path) -> Lake:
        raise NotImplementedError

    @pytest.fixture
    def lake(self, tmp_path: Path) -> Lake:
        return self.make(tmp_path)

    def test_a_table_that_is_not(self, lake: Lake) -> None:
        assert lake.version("tables/x") is None and lake.versions("tables/x") == []
        for ask in (lake.files, lake.schema, lake.rows, lake.compact):
            with pytest.raises(NotFound, match="tables/x"):
                ask("tables/x")
        lake.remove("tables/x")

    def test_appends(self, lake: Lake) -> None:
        assert lake.write("tables/flights", ROWS, mode="append") == LakeVersion(0, 3)
        assert lake.write("tables/flights", ROWS.slice(0, 1), mode="append") == LakeVersion(1, 1)
        assert (lake.version("tables/flights"), lake.versions("tables/flights")) == (1, [0, 1])
        assert (lake.rows("tables/flights"), lake.rows("tables/flights", 0)) == (4, 3)
        assert lake.schema("tables/flights").equals(ROWS.schema)
        assert read(lake, "tables/flights", 0) == [("EWR", 2), ("JFK", 1), (None, 3)]
        assert all(Path(file).is_absolute() and Path(file).exists() for file in lake.files("tables/flights"))

    def test_overwrites_and_keeps_what_was(self, lake: Lake) -> None:
        lake.write("x", ROWS, mode="append")
        lake.write("x", pa.table({"other": [True]}), mode="overwrite")
        assert read(lake, "x") == [(True,)] and lake.schema("x").names == ["other"]
        assert len(read(lake, "x", 0)) == 3 and lake.schema("x", 0).names == ["origin", "late"]
        with pytest.raises(NotFound, match=r"version 7.*0 to 1"):
            lake.files("x", 7)

    def test_the_size_is_that_of_the_files_of_a_version(self, lake: Lake) -> None:
        def size(version: int) -> int:
            return sum(Path(file).stat().st_size for file in lake.files("x", version))

        lake.write("x", ROWS, mode="append")
        lake.write("x", ROWS, mode="append")
        lake.write("x", ROWS.slice(0, 1), mode="overwrite")
        lake.write("x", ROWS, mode="append")
        lake.write("x", ROWS.slice(1, 1), mode="overwrite", replace="late = 2")
        lake.compact("x")
        assert [lake.size("x", version) for version in lake.versions("x")] == [size(v) for v in lake.versions("x")]
        assert lake.size("x") == size(lake.versions("x")[-1]) > 0
        with pytest.raises(NotFound):
            lake.size("y")
        with pytest.raises(NotFound):
            lake.size("x", 99)

    def test_replaces_the_rows_of_a_predicate(self, lake: Lake) -> None:
        lake.write("x", ROWS, mode="overwrite", replace="late = 2")
        assert lake.write("x", pa.table({"late": [2, 2], "new": ["a", None]}), mode="overwrite", replace="late = 2")
        assert read(lake, "x") == [("JFK", 1, None), (None, 2, "a"), (None, 2, None), (None, 3, None)]
        with pytest.raises(StoreError, match="replace"):
            lake.write("x", ROWS, mode="append", replace="late = 2")
        with pytest.raises(StoreError, match="'x'"):
            lake.write("x", ROWS, mode="overwrite", replace="nothing = 2")

    def test_a_token_is_applied_once(self, lake: Lake) -> None:
        for number, rows in ((5, 3), (5, 0), (4, 0), (6, 3)):
            assert lake.write("x", ROWS, mode="append", token=("late-1", number)).rows == rows
        assert lake.write("x", ROWS, mode="append", token=("late-2", 1)).rows == 3
        assert lake.rows("x") == 9
        lake.write("x", ROWS, mode="overwrite", token=("late-1", 6))
        assert lake.rows("x") == 9

    def test_rows_that_do_not_meet_the_predicate_are_refused(self, lake: Lake) -> None:
        lake.write("x", ROWS, mode="append")
        with pytest.raises(StoreError, match="validation"):
            lake.write("x", ROWS, mode="overwrite", replace="late = 2")
        assert lake.rows("x") == 3

    def test_new_columns_are_added(self, lake: Lake) -> None:
        lake.write("x", pa.table({"a": [1]}), mode="append")
        lake.write("x", pa.table({"a": [2], "b.c": ["new"]}), mode="append")
        lake.write("x", pa.table({"b.c": ["only"]}), mode="append")
        assert lake.schema("x").names == ["a", "b.c"]
        assert read(lake, "x") == [(1, None), (2, "new"), (None, "only")]

    def test_no_rows(self, lake: Lake) -> None:
        nothing = ROWS.schema.empty_table()
        assert lake.write("x", nothing, mode="append") == LakeVersion(0, 0)
        assert (lake.files("x"), lake.rows("x"), lake.schema("x")) == ([], 0, ROWS.schema)
        lake.write("x", pa.RecordBatchReader.from_batches(ROWS.schema, []), mode="append")
        lake.write("x", ROWS, mode="append")
        assert lake.rows("x") == 3
        lake.write("x", nothing, mode="overwrite")
        assert (lake.rows("x"), read(lake, "x")) == (0, [])

    def test_no_columns(self, lake: Lake) -> None:
        with pytest.raises(StoreError, match="at least one column"):
            lake.write("x", pa.table({}), mode="append")
        assert lake.version("x") is None

    def test_compacts(self, lake: Lake) -> None:
        for late in range(6):
            lake.write("x", pa.table({"late": [late]}), mode="append")
        assert len(lake.files("x")) == 6
        assert lake.compact("x") == lake.version("x") == 6
        assert len(lake.files("x")) == 1
        assert read(lake, "x") == [(late,) for late in range(6)] and lake.rows("x", 3) == 4

    def test_erases_from_every_version(self, lake: Lake) -> None:
        lake.write("x", pa.table({"who": ["ann", "bob"], "n": [1, 2]}), mode="append", token=("t", 1))
        lake.write("x", pa.table({"who": ["bob"], "n": [3]}), mode="append", token=("t", 2))
        lake.write("x", pa.table({"n": [4]}), mode="append")
        lake.write("x", pa.table({"who": ["bob", "eve"], "n": [5, 6]}), mode="overwrite")

        def bob(rows: pa.Table) -> list[bool]:
            assert rows.column_names == ["who", "missing"] and rows.column("missing").null_count == rows.num_rows
            return [who == "bob" for who in rows.column("who").to_pylist()]

        assert lake.erase("x", ["who", "missing"], bob) == 1
        assert [read(lake, "x", n) for n in range(4)] == [
            [("ann", 1)], [("ann", 1)], [("ann", 1), (None, 4)], [("eve", 6)],
        ]  # fmt: skip
        assert [lake.rows("x", n) for n in range(4)] == [1, 1, 2, 1] and lake.version("x") == 3
        assert lake.erase("x", ["who", "missing"], bob) == 0
        assert lake.write("x", ROWS, mode="append", token=("t", 2)).rows == 0, "what was applied is remembered"
        lake.write("x", pa.table({"who": ["bob"]}), mode="append")
        assert lake.compact("x") == lake.version("x") and lake.rows("x") == 2
        assert lake.erase("x", ["who", "missing"], bob) == 1 and read(lake, "x") == [("eve", 6)]
        assert lake.erase("nowhere", ["who"], bob) == 0

    def test_erases_all_rows(self, lake: Lake) -> None:
        lake.write("x", ROWS, mode="append")
        assert lake.erase("x", ["late"], lambda rows: [True] * rows.num_rows) == 3
        assert lake.rows("x") == 0 and read(lake, "x") == [] and lake.schema("x").equals(ROWS.schema)
        lake.write("x", ROWS, mode="append")
        assert lake.rows("x") == 3

    def test_the_least_value_of_a_column(self, lake: Lake) -> None:
        scores = pa.array([[("a", 0.5)]], pa.map_(pa.string(), pa.float64()))
        for day in (3, 1, 2):
            moment = pa.array([datetime(2024, 1, day, tzinfo=UTC)], pa.timestamp("us", "UTC"))
            lake.write("x", pa.table({"scores": scores, "at": moment}), mode="append")
        lake.write("x", pa.table({"scores": scores}), mode="append")
        assert lake.least("x", "at") == datetime(2024, 1, 1, tzinfo=UTC)
        assert lake.least("x", "nothing") is None

    def test_tidying_ends_old_versions_and_keeps_the_rows(self, lake: Lake) -> None:
        for late in range(6):
            lake.write("x", pa.table({"late": [late]}), mode="append", token=("t", late))
        lake.tidy("x", unread_s=3600)
        assert len(lake.files("x")) == 1 and read(lake, "x", 2) == [(0,), (1,), (2,)], "somebody may still read it"
        before = lake.files("x", 2)
        lake.tidy("x", unread_s=0)
        assert read(lake, "x") == [(late,) for late in range(6)]
        assert not any(Path(file).exists() for file in before)
        assert lake.write("x", ROWS, mode="append", token=("t", 5)).rows == 0

    def test_removes(self, lake: Lake) -> None:
        lake.write("tables/x", ROWS, mode="append")
        lake.write("tables/y", ROWS, mode="append")
        lake.remove("tables/x")
        assert lake.version("tables/x") is None and lake.rows("tables/y") == 3
        assert lake.write("tables/x", ROWS, mode="append") == LakeVersion(0, 3)

    def test_files_are_those_of_now_whoever_wrote(self, lake: Lake, tmp_path: Path) -> None:
        other = self.make(tmp_path)
        for table in (lake, other):
            table.write("tables/x", ROWS, mode="append")
            assert lake.files("tables/x") == other.files("tables/x")
        first = lake.files("tables/x", 0)
        assert len(lake.files("tables/x")) == 2 and len(first) == 1
        other.remove("tables/x")
        with pytest.raises(NotFound):
            lake.files("tables/x")
        other.write("tables/x", ROWS.slice(2), mode="append")
        assert lake.files("tables/x", 0) != first
        assert read(lake, "tables/x") == [(None, 3)]

    @pytest.mark.parametrize("path", ["dataset/late@7", "항공/지연_편", "états.v2", "a-b/c=d"])
    def test_names_of_any_script(self, lake: Lake, path: str) -> None:
        lake.write(path, ROWS, mode="append")
        lake.write(path, ROWS, mode="append")
        assert len(read(lake, path)) == lake.rows(path) == 6

    @pytest.mark.parametrize(
        "path", ["", "/x", "x/", "a//b", "../x", "a/..", ".locks", "_delta_log", "a b", "x%41", "x."]
    )
    def test_names_that_are_refused(self, lake: Lake, path: str) -> None:
        with pytest.raises(StoreError, match="cannot name"):
            lake.write(path, ROWS, mode="append")
        with pytest.raises(StoreError, match="cannot name"):
            lake.remove(path)

    @pytest.mark.parametrize(
        ("column", "stored"),
        [
            (pa.array([200, None], pa.uint8()), pa.int16()),
            (pa.array([65535], pa.uint16()), pa.int32()),
            (pa.array([2**32 - 1], pa.uint32()), pa.int64()),
            (pa.array([2**64 - 1], pa.uint64()), pa.decimal128(20, 0)),
            (pa.array(["a", "b", "a"]).dictionary_encode(), pa.string()),
            (pa.array(["a"], pa.large_string()), pa.string()),
            (pa.array(["a"], pa.string_view()), pa.string()),
            (pa.array([b"a"], pa.large_binary()), pa.binary()),
            (pa.array([1.5], pa.float16()), pa.float32()),
            (pa.array([datetime(2013, 1, 1)], pa.timestamp("ns")), pa.timestamp("us")),
            (pa.array([datetime(2013, 1, 1, tzinfo=UTC)], pa.timestamp("s", "Asia/Seoul")), pa.timestamp("us", "UTC")),
            (pa.array([date(1, 1, 1), date(9999, 12, 31)]), pa.date32()),
            (pa.array([datetime(1, 1, 1), datetime.max]), pa.timestamp("us")),
            (pa.array([decimal.Decimal("1.50")], pa.decimal128(38, 2)), pa.decimal128(38, 2)),
            (pa.array([[1, None], None], pa.large_list(pa.uint8())), pa.list_(pa.field("element", pa.int16()))),
            (pa.array([{"a": 1}]), pa.struct({"a": pa.int64()})),
            (pa.array([float("inf"), float("nan")]), pa.float64()),
            (pa.array([None, None], pa.float64()), pa.float64()),
        ],
        ids=str,
    )  # fmt: skip
    def test_values_come_back(self, lake: Lake, column: pa.Array, stored: pa.DataType) -> None:
        lake.write("x", pa.table({"v": column}), mode="append")
        assert lake.schema("x").field("v").type == stored
        found = pq.read_table(lake.files("x")[0])["v"]
        expected = column.cast(stored) if not pa.types.is_dictionary(column.type) else column.dictionary_decode()
        assert str(found.to_pylist()) == str(expected.to_pylist())

    @pytest.mark.parametrize(
        "column",
        [
            pa.array([1], pa.time64("us")),
            pa.array([1], pa.duration("us")),
            pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
            pa.nulls(2),
            pa.array([[None]]),
            pa.array([{}], pa.struct([])),
            pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
            pa.array([-(2**31)], pa.int32()).cast(pa.date32()),
            pa.array([2**63 - 1], pa.int64()).cast(pa.timestamp("us", "UTC")),
            pa.array([1_000_000_001], pa.int64()).cast(pa.timestamp("ns")),
        ],
        ids=str,
    )
    def test_values_that_are_refused_name_their_column(self, lake: Lake, column: pa.Array) -> None:
        lake.write("x", ROWS, mode="append")
        for mode in ("append", "overwrite"):
            with pytest.raises(StoreError, match="'bad'"):
                lake.write("x", pa.table({"good": [1] * len(column), "bad": column}), mode=mode)  # type: ignore[arg-type]
        assert (lake.version("x"), lake.rows("x")) == (0, 3)

    def test_a_type_is_kept(self, lake: Lake) -> None:
        """Delta itself would have stored 1.5 as 1 here."""
        lake.write("x", pa.table({"late": pa.array([1], pa.int64())}), mode="append")
        for wrong in ([1.5], ["1"], [True]):
            with pytest.raises(StoreError, match=r"'late' is .* here and int64"):
                lake.write("x", pa.table({"late": wrong}), mode="append")
        lake.write("x", pa.table({"late": pa.array([2], pa.int8())}), mode="append")
        assert read(lake, "x") == [(1,), (2,)]

    def test_names_that_differ_in_case_are_refused(self, lake: Lake) -> None:
        with pytest.raises(StoreError, match="'Late' and 'late'"):
            lake.write("x", pa.table({"Late": [1], "late": [2]}), mode="append")

    def test_an_error_in_the_stream_writes_nothing(self, lake: Lake) -> None:
        class Torn(Exception):
            pass

        def batches() -> Iterator[pa.RecordBatch]:
            yield from ROWS.to_batches()
            raise Torn("line 3")

        lake.write("x", ROWS, mode="append")
        for path in ("x", "y"):
            with pytest.raises(Torn, match="line 3"):
                lake.write(path, pa.RecordBatchReader.from_batches(ROWS.schema, batches()), mode="overwrite")
        assert (lake.version("x"), lake.rows("x"), lake.version("y")) == (0, 3, None)


class TestDeltaLake(LakeContract):
    def make(self, folder: Path) -> Lake:
        return DeltaLake(folder / "lake")

    def test_a_copy_works(self, tmp_path: Path) -> None:
        DeltaLake(tmp_path / "a" / "lake").write("tables/x", ROWS, mode="append")
        shutil.move(tmp_path / "a", tmp_path / "b")
        lake = DeltaLake(tmp_path / "b" / "lake")
        assert len(read(lake, "tables/x")) == 3
        for file in (tmp_path / "b").rglob("*.json"):
            assert str(tmp_path) not in file.read_text()

    def test_any_delta_reader_can_read_it(self, tmp_path: Path) -> None:
        lake = DeltaLake(tmp_path)
        lake.write("x", ROWS, mode="append")
        lake.write("x", ROWS, mode="overwrite", replace="late < 9")
        table = DeltaTable(str(tmp_path / "x"))
        assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
        assert pq.ParquetFile(lake.files("x")[0]).metadata.row_group(0).column(0).compression == "ZSTD"

    def test_reading_creates_nothing(self, tmp_path: Path) -> None:
        lake = DeltaLake(tmp_path / "lake")
        lake.version("x"), lake.versions("x"), lake.remove("x")
        assert list(tmp_path.iterdir()) == []

    def test_old_versions_outlive_a_checkpoint(self, tmp_path: Path) -> None:
        lake = DeltaLake(tmp_path)
        for late in range(120):
            lake.write("x", pa.table({"late": [late]}), mode="append" if late % 10 else "overwrite")
        assert list((tmp_path / "x" / "_delta_log").glob("*checkpoint*"))
        assert lake.versions("x") == list(range(120))
        assert read(lake, "x", 15) == [(10,), (11,), (12,), (13,), (14,), (15,)]

    def test_a_writer_outside_is_waited_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A foreign commit lands between our read and our commit: overwriting all conflicts with it."""
        lake = DeltaLake(tmp_path)
        lake.write("x", ROWS, mode="append")
        commit, tries = lake_module._commit, []

        def late(*arguments: object) -> LakeVersion:
            tries.append(1)
            if len(tries) < 3:
                write_deltalake(str(tmp_path / "x"), ROWS, mode="overwrite")
            return commit(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(lake_module, "_commit", late)
        written = lake.write("x", ROWS.slice(0, 2), mode="overwrite", replace="late < 9")
        assert (written, len(tries)) == (LakeVersion(3, 2), 3)
        assert lake.rows("x") == 2

    def test_gives_up_on_a_stream_that_cannot_be_read_twice(self, tmp_path: Path) -> None:
        lake = DeltaLake(tmp_path)
        lake.write("x", ROWS, mode="append")

        def batches() -> Iterator[pa.RecordBatch]:
            elsewhere(lambda: write_deltalake(str(tmp_path / "x"), ROWS, mode="overwrite"))
            yield from ROWS.to_batches()

        with pytest.raises(StoreError, match="Another program") as caught:
            lake.write("x", pa.RecordBatchReader.from_batches(ROWS.schema, batches()), mode="overwrite")
        assert isinstance(caught.value.__cause__, CommitFailedError)
        assert lake.rows("x") == 3


WRITING = """
import sys, time, pyarrow as pa
from rondo.store.lake import DeltaLake
lake, job, number = DeltaLake(sys.argv[1]), sys.argv[2], int(sys.argv[3])
versions = []
for i in range(15):
    rows = pa.table({"writer": [number] * (i + 1), "i": [i] * (i + 1)})
    if job == "append":
        versions.append(lake.write("x", rows, mode="append").version)
    elif job == "replace":
        versions.append(lake.write("x", rows, mode="overwrite", replace=f"writer = {number}").version)
    elif job == "once":
        rows = rows.to_reader() if number else rows
        versions.append(lake.write("x", rows, mode="append", token=("app", i)).rows)
print(*versions)
"""


class TestProcesses:
    def write(self, folder: Path, *jobs: str) -> list[list[int]]:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", WRITING, str(folder), job, str(number)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number, job in enumerate(jobs)
        ]
        answers = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0] * len(jobs), answers
        return [[int(word) for word in out.split()] for out, _ in answers]

    def test_create_and_append_at_once(self, tmp_path: Path) -> None:
        versions = self.write(tmp_path, *["append"] * 4)
        lake = DeltaLake(tmp_path)
        assert lake.rows("x") == 4 * sum(range(16))
        assert sorted(chain(*versions)) == list(range(60)), "each write knows its own version"
        for number, of_one in enumerate(versions):
            with duckdb.connect() as connection:
                found = connection.read_parquet(lake.files("x", of_one[3]), union_by_name=True)
                assert found.filter(f"writer = {number} and i = 3").count("*").fetchall() == [(4,)]

    def test_replace_and_append_at_once(self, tmp_path: Path) -> None:
        versions = self.write(tmp_path, "replace", "replace", "append", "append")
        assert sorted(chain(*versions)) == list(range(60))
        assert DeltaLake(tmp_path).rows("x") == 2 * 15 + 2 * sum(range(16))

    def test_a_token_is_applied_by_one(self, tmp_path: Path) -> None:
        rows = self.write(tmp_path, *["once"] * 3)
        assert DeltaLake(tmp_path).rows("x") == sum(sum(of_one) for of_one in rows)
        assert DeltaLake(tmp_path).rows("x") == sum(range(16))

    def test_killed_in_the_middle_the_old_version_stands(self, tmp_path: Path) -> None:
        script = """
import sys, time, pyarrow as pa
from rondo.store.lake import DeltaLake
schema = pa.schema({"a": pa.int64()})
def batches():
    for i in range(10**6):
        if i == 40: print("in the middle", flush=True)
        yield pa.record_batch({"a": pa.array(range(50_000))}, schema=schema)
        if i > 40: time.sleep(0.05)
DeltaLake(sys.argv[1]).write("x", pa.RecordBatchReader.from_batches(schema, batches()), mode="overwrite")
"""
        lake = DeltaLake(tmp_path)
        lake.write("x", ROWS, mode="append")
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            os.kill(process.pid, signal.SIGKILL)
        assert (lake.version("x"), len(read(lake, "x"))) == (0, 3)
        assert lake.write("x", ROWS.slice(0, 1), mode="overwrite") == LakeVersion(1, 1)

    def test_a_stream_is_never_held_whole(self, tmp_path: Path) -> None:
        script = """
import resource, sys, numpy as np, pyarrow as pa
from rondo.store.lake import DeltaLake
schema = pa.schema({f"c{i}": pa.float64() for i in range(7)})
random = np.random.default_rng(0)
def batches(n):
    for i in range(n):
        yield pa.record_batch([pa.array(random.random(100_000)) for _ in range(7)], schema=schema)
def write(n): DeltaLake(sys.argv[1]).write("x", pa.RecordBatchReader.from_batches(schema, batches(n)), mode="overwrite")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
write(1); print(peak()); write(int(sys.argv[2])); print(peak())
"""
        run = [sys.executable, "-c", script, str(tmp_path), os.environ.get("RONDO_TEST_BATCHES", "20")]
        before, after = map(float, subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())
        assert after - before < 450, f"{before} to {after} MB for 112 MB of rows and more"


def test_appends_do_not_wait_for_one_another(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    lake.write("x", ROWS, mode="append")

    def batches() -> Iterator[pa.RecordBatch]:
        # A deadlock if one append waited for another.
        assert elsewhere(lambda: DeltaLake(tmp_path).write("x", ROWS, mode="append")) == LakeVersion(1, 3)
        yield from ROWS.to_batches()

    assert lake.write("x", pa.RecordBatchReader.from_batches(ROWS.schema, batches()), mode="append").version == 2
