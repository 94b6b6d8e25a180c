from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import deltalake
import pytest

from rondo.errors import BuildError
from rondo.sql.engine import connect, describe, relation_of_files, run, to_batches
from rondo.sql.storable import storable_projection, storable_type

ZONE = "America/New_York"
WIDEST = 10**38 - 1


def stored(folder: Path, select: str) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    """What comes back of a query after a journey through a Delta table: types and rows, which Delta may reorder."""
    con = connect(timezone=ZONE, threads=1)
    projection = ", ".join(storable_projection(describe(con, select), ZONE))
    deltalake.write_deltalake(folder, to_batches(con, f"select {projection} from ({select})"))
    relation = f"from {relation_of_files(deltalake.DeltaTable(folder).file_uris())}"
    return describe(con, relation), run(con, relation)


@pytest.mark.parametrize(
    ("value", "type_", "back"),
    [
        ("true", "BOOLEAN", True),
        ("(-128)::tinyint", "TINYINT", -128),
        ("7::smallint", "SMALLINT", 7),
        ("7", "INTEGER", 7),
        ("9223372036854775807", "BIGINT", 2**63 - 1),
        ("255::utinyint", "SMALLINT", 255),
        ("65535::usmallint", "INTEGER", 65535),
        ("4294967295::uinteger", "BIGINT", 2**32 - 1),
        ("18446744073709551615::ubigint", "DECIMAL(20,0)", Decimal(2**64 - 1)),
        (f"{WIDEST}::hugeint", "DECIMAL(38,0)", Decimal(WIDEST)),
        ("7::uhugeint", "DECIMAL(38,0)", Decimal(7)),
        ("1.5::float", "FLOAT", 1.5),
        ("0.1::double", "DOUBLE", 0.1),
        ("1.50::decimal(9,2)", "DECIMAL(9,2)", Decimal("1.50")),
        ("'한국'", "VARCHAR", "한국"),
        ("'ab'::blob", "BLOB", b"ab"),
        ("date '2013-07-01'", "DATE", date(2013, 7, 1)),
        (
            "timestamptz '2013-07-01 10:00:00.123456+00'",
            "TIMESTAMP WITH TIME ZONE",
            datetime(2013, 7, 1, 10, 0, 0, 123456, UTC),
        ),
        (
            "timestamp '2013-07-01 10:00:00.123456'",
            "TIMESTAMP WITH TIME ZONE",
            datetime(2013, 7, 1, 14, 0, 0, 123456, UTC),
        ),
        ("timestamp_s '2013-01-01 10:00:00'", "TIMESTAMP WITH TIME ZONE", datetime(2013, 1, 1, 15, tzinfo=UTC)),
        (
            "timestamp_ms '2013-01-01 10:00:00.5'",
            "TIMESTAMP WITH TIME ZONE",
            datetime(2013, 1, 1, 15, 0, 0, 500_000, UTC),
        ),
        (
            "timestamp_ns '2013-01-01 10:00:00.123456'",
            "TIMESTAMP WITH TIME ZONE",
            datetime(2013, 1, 1, 15, 0, 0, 123456, UTC),
        ),
        ("'00000000-0000-0000-0000-000000000001'::uuid", "VARCHAR", "00000000-0000-0000-0000-000000000001"),
        ("'{\"a\": 1}'::json", "VARCHAR", '{"a": 1}'),
        ("'a, (b'::enum('a, (b', 'c')", "VARCHAR", "a, (b"),
        ("null", "INTEGER", None),
        ("[1, 255]::utinyint[]", "SMALLINT[]", [1, 255]),
        ("[1, 2]::int[2]", "INTEGER[]", [1, 2]),
        (
            "{'a': [timestamp '2013-07-01 10:00:00'], 'b, \"c': {'e': 'x)'::enum('x)')}}",
            'STRUCT(a TIMESTAMP WITH TIME ZONE[], "b, ""c" STRUCT(e VARCHAR))',
            {"a": [datetime(2013, 7, 1, 14, tzinfo=UTC)], 'b, "c': {"e": "x)"}},
        ),
    ],
)
def test_every_type_comes_back(tmp_path: Path, value: str, type_: str, back: object) -> None:
    types, rows = stored(tmp_path / "t", f'select {value} as "a b", null::int as n union all select null, 1')
    assert types == {"a b": type_, "n": "INTEGER"}
    assert sorted(rows, key=lambda row: row[1] is not None) == [(back, None), (None, 1)]


def test_a_stored_table_is_storable_as_it_is(tmp_path: Path) -> None:
    types, _ = stored(tmp_path / "t", "select 1::utinyint a, [timestamp '2013-01-01'] b, {'x': uuid()} c, 1::hugeint d")
    assert {name: storable_type(kind) for name, kind in types.items()} == types


@pytest.mark.parametrize(
    ("value", "step"),
    [
        ("time '10:00'", "x::varchar"),
        ("interval 1 day", "epoch"),
        ("'101'::bit", "x::varchar"),
        ("map {'a': 1}", "map_entries"),
        ("union_value(a := 1)", "x::varchar"),
        ("[interval 1 day]", "x::varchar"),
        ("{'a': {'b': time '10:00'}}", "x::varchar"),
    ],
)
def test_what_a_table_cannot_hold_is_refused_with_the_cast_to_write(value: str, step: str) -> None:
    columns = describe(connect(timezone=ZONE), f"select {value} as x")
    with pytest.raises(BuildError, match="Column 'x' is of type") as caught:
        storable_projection(columns, ZONE)
    assert step in caught.value.next_step


@pytest.mark.parametrize("value", ["date 'infinity'", "timestamp '-infinity'", "timestamptz 'infinity'"])
def test_an_infinite_date_fails_in_words(tmp_path: Path, value: str) -> None:
    with pytest.raises(BuildError, match="Column x holds an infinite date or time"):
        stored(tmp_path / "t", f"select {value} as x union all select null")


def test_too_wide_a_number_fails_in_words(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="DECIMAL"):
        stored(tmp_path / "t", f"select (-{10**38})::hugeint as x")
