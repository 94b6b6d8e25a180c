from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import RowError
from rondo.features.request import RequestReader
from rondo.features.signature import Column, Derived, Lookup, Signature

NOW = datetime(2013, 7, 1, 12, tzinfo=UTC)
STAMP = "TIMESTAMP WITH TIME ZONE"


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, type=kind) for name, kind in types.items())


def look_up(prefix: str, **on: str) -> Lookup:
    return Lookup(
        table=prefix, prefix=prefix, definition="d", on=tuple(on.items()), key_types=("VARCHAR",) * len(on),
        columns=columns(wind="DOUBLE"), time="hour", known="known",
    )  # fmt: skip


SIGNATURE = Signature(
    model="late",
    examples="departures",
    task="binary",
    timezone="America/New_York",
    key=columns(flight="INTEGER"),
    time="asked",
    inputs=columns(origin="VARCHAR", distance="DOUBLE", planned=STAMP, direct="BOOLEAN", day="DATE"),
    carried=columns(dest="VARCHAR", gate="VARCHAR"),
    derived=(Derived(name="hour", expression="hour(planned)", type="BIGINT"),),
    lookups=(look_up("here", origin="origin"), look_up("there", origin="dest")),
    fed=columns(**{"origin": "VARCHAR", "there.wind": "DOUBLE", "hour": "BIGINT", "here.wind": "DOUBLE"}),
    label=Column(name="late", type="BOOLEAN"),
    label_known="known",
)
READER = RequestReader(SIGNATURE)
ROW = {
    "origin": "JFK",
    "distance": 10,
    "planned": "2013-07-01T18:00:00",
    "direct": True,
    "day": "2013-07-01",
    "dest": "SFO",
}


def test_a_row_is_read_by_the_types_of_the_signature() -> None:
    asked = READER.read({**ROW, "flight": 7, "asked": "2013-07-01T16:00:00"}, NOW)
    assert asked.moment == datetime(2013, 7, 1, 20, tzinfo=UTC)  # New York
    assert asked.values["planned"] == datetime(2013, 7, 1, 22, tzinfo=UTC)
    assert asked.values["day"] == date(2013, 7, 1) and asked.values["distance"] == 10.0
    assert asked.keys == (("JFK",), ("SFO",))
    assert asked.echo == {"flight": 7, "asked": "2013-07-01T16:00:00"}


def test_what_is_left_out_is_null_and_counted_and_time_is_now() -> None:
    asked = READER.read({"origin": None, "dest": "SFO"}, NOW)
    assert (asked.moment, asked.echo) == (NOW, None)
    assert asked.keys == (None, ("SFO",))
    assert READER.fed(asked, [None, (3.5,)]) == (None, 3.5, None, None)


def test_the_model_is_fed_in_the_order_of_the_signature() -> None:
    asked = READER.read(ROW, NOW)
    assert READER.fed(asked, [(1.5,), None]) == ("JFK", None, 18, 1.5)


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({"origin": 3}, "rows[2].origin", "must be text, not 3"),
        ({"distance": "far"}, "rows[2].distance", "must be a number, not 'far'"),
        ({"distance": True}, "rows[2].distance", "must be a number"),
        ({"distance": float("nan")}, "rows[2].distance", "must be finite"),
        ({"distance": 10**400}, "rows[2].distance", "too large"),
        ({"flight": 1.5}, "rows[2].flight", "must be a whole number"),
        ({"flight": 2**31}, "rows[2].flight", "must be between"),
        ({"flight": float("inf")}, "rows[2].flight", "must be finite"),
        ({"direct": "yes"}, "rows[2].direct", "must be true or false"),
        ({"direct": 1}, "rows[2].direct", "must be true or false"),
        ({"day": "1 July"}, "rows[2].day", "must be a date"),
        ({"day": 3}, "rows[2].day", "must be a date"),
        ({"planned": "soon"}, "rows[2].planned", "must be a time"),
        ({"planned": "0001-01-01T00:00:00+14:00"}, "rows[2].planned", "must be a time"),
        ({"asked": "soon"}, "rows[2].asked", "must be a time"),
        ({"asked": 12}, "rows[2].asked", "must be a time"),
        ({"weight": 3}, "rows[2].weight", "is unknown; a row may have: origin, distance"),
        ({"gate": "B7"}, "rows[2].gate", "is not an input"),
        ({"late": True}, "rows[2].late", "is not an input"),
        ({"origin": ["JFK"]}, "rows[2].origin", "must be text"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(row: dict[str, object], field: str, said: str) -> None:
    with pytest.raises(RowError) as refused:
        READER.read({**ROW, **row}, NOW, at="rows[2]")
    [(path, reason)] = refused.value.errors
    assert path == field and said in reason


def test_every_field_at_fault_is_named() -> None:
    with pytest.raises(RowError) as refused:
        READER.read({"origin": 3, "distance": "far", "wind": 1}, NOW)
    assert [path for path, _ in refused.value.errors] == ["origin", "distance", "wind"]


def test_whole_numbers_may_come_as_floats_and_decimals() -> None:
    assert [READER.read({"flight": given}, NOW).values["flight"] for given in (7.0, Decimal(7), 7)] == [7, 7, 7]


def test_a_time_that_is_an_input_is_the_moment() -> None:
    timed = msgspec.structs.replace(SIGNATURE, inputs=columns(asked=STAMP), derived=(), lookups=(), fed=())
    reader = RequestReader(timed)
    assert reader.read({}, NOW).values["asked"] == NOW
    assert reader.read({"asked": "2013-07-01T10:00:00Z"}, NOW).values["asked"] == datetime(2013, 7, 1, 10, tzinfo=UTC)
    dated = RequestReader(msgspec.structs.replace(timed, inputs=columns(asked="DATE")))
    assert dated.read({"asked": "2013-07-02T01:00:00Z"}, NOW).values["asked"] == date(2013, 7, 1)  # in New York


def test_without_time_a_row_has_no_moment() -> None:
    reader = RequestReader(msgspec.structs.replace(SIGNATURE, time=None))
    assert reader.read(ROW, NOW).moment is None
    with pytest.raises(RowError, match="asked: is unknown"):
        reader.read({"asked": "2013-07-01"}, NOW)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.dates(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
NAMES = st.sampled_from(["origin", "distance", "planned", "direct", "day", "dest", "flight", "asked", "gate", "x"])


@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_any_row_is_read_or_refused(row: dict[str, object]) -> None:
    try:
        asked = READER.read(row, NOW)
        fed = READER.fed(asked, [None, None])
    except RowError as error:
        assert error.errors
    else:
        assert len(fed) == len(SIGNATURE.fed) and asked.moment is not None and asked.moment.tzinfo is not None
