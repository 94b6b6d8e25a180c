"""A body read in one pass is what its rows read one field at a time are."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import RowError
from rondo.features.body import BodyReader
from rondo.features.request import Asked, RequestReader
from rondo.features.signature import Column, Lookup, Signature

NOW = datetime(2013, 7, 1, 12, tzinfo=UTC)
STAMP = "TIMESTAMP WITH TIME ZONE"


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=kind) for name, kind in types.items())


def look_up(prefix: str, on: str) -> Lookup:
    return Lookup(
        table=prefix, prefix=prefix, definition="d", on=((on, on),), key_types=("VARCHAR",),
        columns=columns(wind="DOUBLE"), time="hour", known="known",
    )  # fmt: skip


SIGNATURE = Signature(
    model="late",
    examples="departures",
    task="binary",
    timezone="America/New_York",
    key=(),
    time="asked",
    inputs=columns(origin="VARCHAR", distance="DOUBLE", planned=STAMP, direct="BOOLEAN", day="DATE"),
    carried=columns(dest="VARCHAR", gate="VARCHAR"),
    derived=(),
    lookups=(look_up("here", "origin"), look_up("there", "dest")),
    fed=columns(origin="VARCHAR", distance="DOUBLE"),
    label=Column(name="late", type="BOOLEAN"),
    label_known="known",
)
WIDE = msgspec.structs.replace(
    SIGNATURE,
    key=columns(flight="INTEGER", part="DOUBLE", huge="HUGEINT"),
    inputs=(
        *SIGNATURE.inputs,
        *columns(small="TINYINT", count="UBIGINT", share="DECIMAL(4,2)", **{"my col": "BIGINT"}),
    ),
)
TIMELESS = msgspec.structs.replace(WIDE, time=None)
TIMED = msgspec.structs.replace(WIDE, inputs=(*WIDE.inputs, *columns(asked="TIMESTAMP WITH TIME ZONE")))
SIGNATURES = (WIDE, TIMELESS, TIMED)
READERS = {id(signature): RequestReader(signature) for signature in SIGNATURES}
NUMBERS = st.integers(-300, 300) | st.sampled_from([2**31, 2**63, 2**64, -(2**63) - 1, 10**30]) | st.floats(width=32)
MOMENTS = st.sampled_from(["2013-07-01T18:00:00", "2013-07-01", "2013-07-01T18:00:00+09:00", "soon", "0001-01-01"])
VALUES = st.none() | NUMBERS | st.booleans() | st.text(max_size=3) | MOMENTS | st.lists(st.integers(), max_size=1)
NAMES = st.sampled_from(
    ["origin", "distance", "planned", "direct", "day", "dest", "flight", "part", "huge", "small", "count", "share",
     "my col", "asked", "gate", "late", "x"]
)  # fmt: skip
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=6), max_size=3)


def plainly(asked: Asked) -> object:
    """Everything of it; a number that was echoed as 5 and one as 5.0 are one."""
    return asked.moment, dict(asked.values), asked.keys, asked.echo


@given(st.sampled_from(SIGNATURES), ROWS)
def test_read_at_once_or_field_by_field(signature: object, rows: list[dict[str, object]]) -> None:
    reader = READERS[id(signature)]
    body = msgspec.json.encode({"rows": rows})
    at_once = BodyReader(reader).read(body, NOW)
    if at_once is None:
        return
    slowly = [reader.read(row, NOW) for row in msgspec.json.decode(body)["rows"]]
    assert [plainly(each) for each in at_once] == [plainly(each) for each in slowly]


@given(ROWS)
def test_what_field_by_field_refuses_is_never_read_at_once(rows: list[dict[str, object]]) -> None:
    reader = READERS[id(WIDE)]
    body = msgspec.json.encode({"rows": rows})
    try:
        [reader.read(row, NOW) for row in msgspec.json.decode(body)["rows"]]
        refused = not rows
    except RowError:
        refused = True
    if refused:
        assert BodyReader(reader).read(body, NOW) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"rows": []}', b'{"rows": {}}', b'{"rows": [1]}', b'{"rows": [{}], "more": 1}', b"null",
     b'{"rows": [{"distance": 1e999}]}', b'{"rows": [{"origin": "\xff"}]}', b"[" * 100_000],
)  # fmt: skip
def test_other_bodies_are_left_to_others(body: bytes) -> None:
    assert BodyReader(READERS[id(WIDE)]).read(body, NOW) is None


def test_the_usual_body_is_read_at_once() -> None:
    body = b'{"rows": [{"origin": "JFK", "distance": 10, "dest": "SFO", "flight": 7, "asked": "2013-07-01T16:00:00"}]}'
    (asked,) = BodyReader(READERS[id(WIDE)]).read(body, NOW) or [None]
    assert asked is not None and asked.keys == (("JFK",), ("SFO",)) and asked.values["distance"] == 10.0
    assert asked.echo == {"flight": 7, "asked": "2013-07-01T16:00:00"}
