from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import deltalake
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import BuildError, DeclarationError, WrongUse
from rondo.sql.engine import connect, describe, literal, quote, relation_of_files, run, streamed, to_batches

CON = connect(timezone="America/New_York", threads=1)

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))])),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_a_literal_comes_back_as_the_value(values: list[object]) -> None:
    [row] = run(CON, "select " + ", ".join(map(literal, values)))
    assert row == tuple(values)
    for value, back in zip(values, row, strict=True):
        assert type(value) is type(back)
        if isinstance(value, float) and isinstance(back, float):
            assert math.copysign(1, value) == math.copysign(1, back)


def test_literals_of_other_kinds() -> None:
    [[nan]] = run(CON, f"select {literal(math.nan)}")
    assert isinstance(nan, float)
    assert math.isnan(nan)
    assert run(CON, f"select {literal(['a', 'b'])}") == [(["a", "b"],)]
    with pytest.raises(TypeError):
        literal(datetime(2013, 1, 1))
    with pytest.raises(TypeError):
        literal(object())


@given(st.text(min_size=1).filter(lambda name: "\0" not in name and name.isprintable()))
@settings(max_examples=50, deadline=None)
def test_any_name_is_quoted(name: str) -> None:
    assert list(describe(CON, f"select 1 as {quote(name)}")) == [name]


def test_the_session_runs_in_its_zone() -> None:
    assert run(CON, "select timestamp '2013-07-01 10:00'::timestamptz") == [(datetime(2013, 7, 1, 14, tzinfo=UTC),)]
    with pytest.raises(DeclarationError, match="Mars/Olympus"):
        connect(timezone="Mars/Olympus")


def test_nothing_is_downloaded_by_itself() -> None:
    settings_of = dict(run(CON, "select name, value from duckdb_settings() where name like 'auto%extensions'"))
    assert settings_of == {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


def test_limits_and_temporary_folder(tmp_path: Path) -> None:
    con = connect(timezone="UTC", threads=1, memory_limit_mb=48, temporary_folder=tmp_path / "spill")
    [[sorted_rows]] = run(con, "select count(*) from (select hash(range) h from range(4_000_000) order by h)")
    assert sorted_rows == 4_000_000


def test_whole_numbers_come_as_int() -> None:
    [row] = run(CON, "select sum(1), 170141183460469231731687303715884105727::hugeint, 18446744073709551615::ubigint")
    assert row == (1, 2**127 - 1, 2**64 - 1)
    assert {type(value) for value in row} == {int}


def test_division_by_zero_is_null_in_every_version() -> None:
    assert run(CON, "select 1 // 0, 1 % 0, 1 / 0") == [(None, None, math.inf)]


def test_times_at_the_ends_of_the_calendar() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
    assert run(CON, f"select {literal(first)}, {literal(last)}") == [(first, last)]
    for beyond in ("timestamptz '20000-01-01'", "timestamptz 'infinity'", "date '20000-01-01'"):
        with pytest.raises(BuildError, match="years 1 to 9999"):
            run(CON, f"select {beyond}")


def test_statements_without_rows() -> None:
    con = connect(timezone="UTC")
    run(con, "create table t as select 1 as x")
    run(con, "insert into t values (2)")
    assert run(con, "from t where false") == []
    assert run(con, "from t order by x") == [(1,), (2,)]


def test_files_are_read_by_name_whatever_their_path(tmp_path: Path) -> None:
    folder = tmp_path / "a=1" / "it's [2]"
    folder.mkdir(parents=True)
    files = [str(folder / "one*.parquet"), str(folder / "two?.parquet")]
    for number, file in enumerate(files):
        run(CON, f"copy (select {number} as {'ab'[number]}) to {literal(file)} (format parquet)")
    assert run(CON, f"from {relation_of_files(files)} order by all") == [(0, None), (None, 1)]


def test_no_files_give_an_empty_typed_relation() -> None:
    relation = relation_of_files([], {"a b": "INTEGER", "t": "TIMESTAMP WITH TIME ZONE"})
    assert describe(CON, f"from {relation}") == {"a b": "INTEGER", "t": "TIMESTAMP WITH TIME ZONE"}
    assert run(CON, f"from {relation} r where r.t is null") == []
    with pytest.raises(ValueError, match="neither"):
        relation_of_files([])


def test_describe() -> None:
    assert describe(CON, "from range(3) t(i) select i, i / 2 as half -- done") == {"i": "BIGINT", "half": "DOUBLE"}
    with pytest.raises(DeclarationError, match="Two columns are named 'A'"):
        describe(CON, "select 1 as a, 2 as A", file="t.sql")


@pytest.mark.parametrize(
    ("sql", "kind", "message", "line"),
    [
        ("select 1,\n nope\nfrom range(3)", DeclarationError, 'column "nope" not found', None),
        ("from nowhere", DeclarationError, "nowhere does not exist", None),
        ("select 1\nfrm x y", DeclarationError, "syntax error", 12),
        ("select range + 9223372036854775807 from range(1, 3)", BuildError, "Overflow", None),
        ("from read_parquet('/nowhere.parquet')", BuildError, "nowhere.parquet", None),
    ],
)
def test_errors_are_one_line_that_names_the_file(sql: str, kind: type, message: str, line: int | None) -> None:
    for ask in (run, to_batches):
        with pytest.raises(kind, match=message) as caught:
            ask(CON, sql, file="tables/t.sql", line_offset=10)
        assert caught.value.file == "tables/t.sql"
        assert "\n" not in caught.value.message
        assert line is None or caught.value.line == line


def test_without_a_file_a_wrong_query_is_wrong_use() -> None:
    with pytest.raises(WrongUse, match="nowhere"):
        run(CON, "from nowhere")


def test_batches_stream_and_fail_in_words(tmp_path: Path) -> None:
    reader = to_batches(CON, "select range as i from range(300_000)")
    assert [reader.schema.names, sum(batch.num_rows for batch in reader)] == [["i"], 300_000]
    failing = "select if(range > 250_000, error('too far'), range) as i from range(300_000)"
    with pytest.raises(BuildError, match=r"^too far\.$"):
        to_batches(CON, failing).read_all()
    with (
        pytest.raises(BuildError, match=r"^too far\.$") as caught,
        streamed(CON, failing, file="t.sql") as reader,
    ):
        deltalake.write_deltalake(tmp_path / "t", reader)
    assert caught.value.file == "t.sql"
    assert run(CON, "select 1") == [(1,)]


def test_rows_keep_the_order_of_their_files(tmp_path: Path) -> None:
    con = connect(timezone="UTC", threads=4)
    run(con, f"copy (select range as i from range(400_000)) to '{tmp_path}/a.parquet' (row_group_size 20_000)")
    reader = to_batches(con, f"select i from {relation_of_files([f'{tmp_path}/a.parquet'])} where i % 3 = 0")
    assert reader.read_all()["i"].to_pylist() == list(range(0, 400_000, 3))
