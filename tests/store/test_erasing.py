from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from rondo.errors import StoreError
from rondo.store import erasing
from rondo.store.lake import DeltaLake

PERSON = "person-0042"


def people(lake: DeltaLake, commits: int, since: int = 0) -> None:
    for commit in range(since, commits):
        who = [f"person-{number:04}" for number in range(40, 45)]
        lake.write("x", pa.table({"who": who, "n": [commit] * 5}), mode="append", token=("t", commit))


def is_person(rows: pa.Table) -> list[bool]:
    return [who == PERSON for who in rows.column("who").to_pylist()]


def files_with(folder: Path, text: str) -> list[str]:
    found = subprocess.run(["grep", "-rla", text, str(folder)], capture_output=True, check=False)
    return found.stdout.decode().splitlines()


def test_no_file_has_the_value_any_more_checkpoints_and_the_log_of_commits_included(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    people(lake, 105)
    edge = [f"person-{number:04}" for number in (42, 50)]
    lake.write("x", pa.table({"who": edge, "n": [0, 1]}), mode="append")  # the least of its file: the log tells it
    log = tmp_path / "x" / "_delta_log"
    assert list(log.glob("*.checkpoint*")) and any("_delta_log" in file for file in files_with(tmp_path, PERSON))
    assert lake.erase("x", ["who"], is_person) == 106
    assert files_with(tmp_path, PERSON) == []
    assert (lake.rows("x"), lake.rows("x", 50)) == (421, 51 * 4)
    assert DeltaTable(tmp_path / "x").to_pyarrow_table().num_rows == 421, "another reader takes it"
    people(lake, 106, since=104)
    assert lake.rows("x") == 421 + 5, "only the commit that was not there before"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(14))
def test_killed_at_any_step_the_rows_can_be_read_and_doing_it_again_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    lake, steps = DeltaLake(tmp_path), iter(range(1000))
    people(lake, 3)
    replace = erasing._replace

    def die(partial: Path, file: Path) -> None:
        if next(steps) == at:
            raise Killed
        replace(partial, file)
        if next(steps) == at:
            raise Killed

    monkeypatch.setattr(erasing, "_replace", die)
    if at < 12:  # three files and three commits, before and after each
        with pytest.raises(Killed):
            lake.erase("x", ["who"], is_person)
        rows = DeltaTable(tmp_path / "x").to_pyarrow_dataset().to_table().num_rows
        assert rows == 15 - min(3, (at + 1) // 2), "any reader of Delta reads what is there"
        assert lake.compact("x") and DeltaTable(tmp_path / "x").to_pyarrow_table().num_rows == rows
    monkeypatch.undo()
    lake.erase("x", ["who"], is_person)
    assert files_with(tmp_path, PERSON) == [] and lake.rows("x") == 12
    assert DeltaTable(tmp_path / "x").to_pyarrow_table().num_rows == 12
    assert not list(tmp_path.rglob(".*.partial"))


def test_statistics_of_files_that_are_gone_tell_no_values(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    people(lake, 3)
    lake.tidy("x", unread_s=0)
    assert files_with(tmp_path / "x" / "_delta_log", "person-0040")
    lake.erase("x", ["who"], is_person)
    assert files_with(tmp_path / "x" / "_delta_log", "person-0040") == []
    assert DeltaTable(tmp_path / "x").to_pyarrow_table().num_rows == 12


def test_a_log_that_another_program_cleaned_is_refused(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    people(lake, 101)
    log = tmp_path / "x" / "_delta_log"
    for number in range(100):
        (log / f"{number:020}.json").unlink()
    with pytest.raises(StoreError, match="begins at version 100"):
        lake.erase("x", ["who"], is_person)


def test_files_without_such_rows_stay_as_they_are(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    people(lake, 1)
    lake.write("x", pa.table({"who": ["else"], "n": [1]}), mode="append")
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in (tmp_path / "x").rglob("*.parquet")}
    lake.erase("x", ["who"], is_person)
    after = {path: (path.stat().st_ino, path.read_bytes()) for path in (tmp_path / "x").rglob("*.parquet")}
    assert before.keys() == after.keys() and sum(before[path] == after[path] for path in before) == 1
    kept = [json.loads(line) for line in (tmp_path / "x/_delta_log" / f"{1:020}.json").read_text().splitlines()]
    assert "minValues" in next(action["add"]["stats"] for action in kept if "add" in action)


def test_row_groups_without_rows_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rondo.store.lake.ROW_GROUP_ROWS", 4)
    lake = DeltaLake(tmp_path)
    lake.write("x", pa.table({"n": list(range(20))}), mode="append")
    assert lake.erase("x", ["n"], lambda rows: [4 <= n < 10 for n in rows.column("n").to_pylist()]) == 6
    read = DeltaTable(tmp_path / "x").to_pyarrow_table().column("n").to_pylist()
    assert sorted(read) == [0, 1, 2, 3, *range(10, 20)]


def test_what_is_left_has_the_length_that_it_had(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    people(lake, 1)
    [before] = [path.stat().st_size for path in (tmp_path / "x").rglob("*.parquet")]
    lake.erase("x", ["who"], is_person)
    [after] = [path.stat().st_size for path in (tmp_path / "x").rglob("*.parquet")]
    assert after == before and lake.rows("x") == 4
    lake.erase("x", ["who"], lambda rows: [True] * rows.num_rows)
    [after] = [path.stat().st_size for path in (tmp_path / "x").rglob("*.parquet")]
    assert after == before and DeltaTable(tmp_path / "x").to_pyarrow_table().num_rows == 0
