"""The as-of join against the words of the rule, in plain Python.

For an example with moment m: among the table's rows of that key with known <= m, the greatest time, among these the
greatest known; rows that still tie are an error; a value whose time is older than `keep` reads as null.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.features.as_of import as_of_query, steps, tie_query
from rondo.features.signature import Column, Derived, Lookup, Signature
from rondo.features.values import LakeValues
from rondo.sql.engine import connect, run

START = datetime(2013, 11, 3, tzinfo=UTC)  # New York puts its clocks back at 06:00 UTC
STAMP = pa.timestamp("us", "UTC")


@pytest.fixture(scope="module")
def con():
    session = connect(timezone="America/New_York", threads=2)
    yield session
    session.close()


def at(minute: int | None) -> datetime | None:
    return None if minute is None else START + timedelta(minutes=minute)


def register(con, name: str, rows: list[dict], **types: pa.DataType) -> str:
    con.register("arrow_rows", pa.table({n: pa.array([row[n] for row in rows], kind) for n, kind in types.items()}))
    con.sql(f"create or replace table {name} as from arrow_rows")
    return name


def register_readings(con, rows: list[dict], name: str = "readings") -> str:
    kinds = {"k": pa.string(), "n": pa.int64(), "time": STAMP, "known": STAMP, "v": pa.float64(), "w": pa.int64()}
    return register(con, name, rows, **kinds)


def register_asked(con, rows: list[dict]) -> str:
    kinds = {"id": pa.int64(), "k": pa.string(), "other": pa.string(), "n": pa.int64(), "moment": STAMP}
    return register(con, "asked", [{"id": i, **row} for i, row in enumerate(rows)], **kinds)


def look_up(prefix: str = "readings", *, asked: str = "k", keep_s: int | None = None, timed: bool = True) -> Lookup:
    return Lookup(
        table="readings" if timed else "registry",
        prefix=prefix,
        definition="d",
        on=(("k", asked), ("n", "n")) if timed else (("k", asked),),
        key_types=("VARCHAR", "BIGINT") if timed else ("VARCHAR",),
        columns=(Column(name="v", type="DOUBLE"), Column(name="w", type="BIGINT")),
        time="time" if timed else None,
        known="known" if timed else None,
        keep_s=keep_s,
    )


def signature(*lookups: Lookup, derived: tuple[Derived, ...] = ()) -> Signature:
    return Signature(
        model="m",
        examples="asked",
        task="regression",
        timezone="America/New_York",
        key=(Column(name="id", type="BIGINT"),),
        time="moment",
        inputs=(),
        carried=(),
        derived=derived,
        lookups=lookups,
        fed=(),
        label=Column(name="y", type="DOUBLE"),
        label_known=None,
    )


class Tie(Exception):
    pass


def by_the_rule(rows: list[dict], key: tuple, moment: datetime, keep_s: int | None) -> tuple:
    if None in key:
        return (None, None)
    seen = [row for row in rows if (row["k"], row["n"]) == key and None not in (row["time"], row["known"])]
    seen = [row for row in seen if row["known"] <= moment]
    if not seen:
        return (None, None)
    time = max(row["time"] for row in seen)
    seen = [row for row in seen if row["time"] == time]
    known = max(row["known"] for row in seen)
    seen = [row for row in seen if row["known"] == known]
    if len(seen) > 1:
        raise Tie((*key, time, known, len(seen)))
    if keep_s is not None and moment - time > timedelta(seconds=keep_s):
        return (None, None)
    return (seen[0]["v"], seen[0]["w"])


def found(con, sign: Signature, rows: list[dict], asked: list[dict], **tables: str) -> list[tuple]:
    query = as_of_query(
        sign, register_asked(con, asked), {"readings": register_readings(con, rows), **tables}, carry=["id"]
    )
    return [row[1:] for row in sorted(run(con, query))]


minutes = st.integers(0, 12).map(lambda n: at(15 * n))
keys = st.sampled_from(["a", "b", None])
numbers = st.sampled_from([1, 1, 2, None])
reading = st.fixed_dictionaries(
    {
        "k": keys,
        "n": numbers,
        "time": st.one_of(minutes, minutes, minutes, st.none()),
        "known": st.one_of(minutes, minutes, minutes, st.none()),
        "v": st.one_of(st.floats(-5, 5), st.none()),
        "w": st.one_of(st.integers(-5, 5), st.none()),
    }
)
asking = st.fixed_dictionaries({"k": keys, "other": keys, "n": numbers, "moment": minutes})
untied = st.lists(reading, max_size=14, unique_by=lambda row: (row["k"], row["n"], row["time"], row["known"]))
keeps = st.sampled_from([None, 0, 900, 3600])


@settings(max_examples=70, deadline=None)
@given(untied, st.lists(asking, min_size=1, max_size=8), keeps)
def test_the_join_follows_the_rule(con, rows, asked, keep_s):
    twice = signature(look_up(keep_s=keep_s), look_up("there", asked="other", keep_s=keep_s))
    expected = [
        by_the_rule(rows, (row["k"], row["n"]), row["moment"], keep_s)
        + by_the_rule(rows, (row["other"], row["n"]), row["moment"], keep_s)
        for row in asked
    ]
    assert found(con, twice, rows, asked) == expected


@settings(max_examples=70, deadline=None)
@given(st.lists(reading, max_size=14), st.lists(asking, min_size=1, max_size=8))
def test_ties_are_found_where_an_example_meets_them(con, rows, asked):
    expected: Counter[tuple] = Counter()
    for row in asked:
        try:
            by_the_rule(rows, (row["k"], row["n"]), row["moment"], None)
        except Tie as tie:
            expected[tie.args[0]] += 1
    ties = run(con, tie_query(look_up(), register_asked(con, asked), register_readings(con, rows), "moment"))
    assert Counter({tuple(tie[:-1]): tie[-1] for tie in ties}) == expected


@settings(max_examples=30, deadline=None)
@given(untied, st.lists(asking, min_size=1, max_size=8), st.integers(0, 8), keeps)
def test_at_a_constant_lag_the_cut_is_spared(con, rows, asked, lag, keep_s):
    rows = [row | {"known": row["time"] and row["time"] + timedelta(minutes=15 * lag)} for row in rows]
    rows = list({(row["k"], row["n"], row["time"]): row for row in rows}.values())
    sign = signature(look_up(keep_s=keep_s))
    tables = {"readings": register_readings(con, rows)}
    plain = as_of_query(sign, register_asked(con, asked), tables, carry=["id"], steady={"readings"})
    expected = [by_the_rule(rows, (row["k"], row["n"]), row["moment"], keep_s) for row in asked]
    assert [row[1:] for row in sorted(run(con, plain))] == expected


@settings(max_examples=30, deadline=None)
@given(untied, st.lists(asking, min_size=1, max_size=8), keeps)
def test_values_of_a_batch_are_those_of_the_join(con, rows, asked, keep_s):
    lookup = look_up(keep_s=keep_s)
    values = LakeValues(con, {lookup.space: register_readings(con, rows)})
    asked_keys = [None if None in (row["k"], row["n"]) else (row["k"], row["n"]) for row in asked]
    got = values.look_up(lookup, asked_keys, [row["moment"] for row in asked])
    expected = [by_the_rule(rows, (row["k"], row["n"]), row["moment"], keep_s) for row in asked]
    assert [(None, None) if value is None else value for value in got] == expected


def one(con, rows: list[tuple], moment: int, *, keep_s: int | None = None) -> tuple:
    """What an example of key (a, 1) reads, of rows (time, known, v) in minutes."""
    table = [{"k": "a", "n": 1, "time": at(t), "known": at(k), "v": v, "w": 0} for t, k, v in rows]
    asked = [{"k": "a", "other": None, "n": 1, "moment": at(moment)}]
    return found(con, signature(look_up(keep_s=keep_s)), table, asked)[0]


HAND = [(0, 15, 1.0), (60, 360, 2.0), (120, 150, 3.0), (180, 360, 4.0), (120, 420, 5.0), (180, 480, 6.0)]


@pytest.mark.parametrize(
    ("moment", "value"),
    [
        (14, None),  # nothing known yet
        (15, 1.0),  # known exactly at the moment
        (149, 1.0),
        (150, 3.0),  # a later time, known earlier than the row before it
        (360, 4.0),  # equal known: the greater time
        (420, 4.0),  # a late revision of an older hour changes nothing
        (480, 6.0),  # the same time: the greatest known
    ],
)
def test_cases_laid_out_by_hand(con, moment, value):
    assert one(con, HAND, moment)[0] == value


def test_a_forecast_is_read_before_it_happens(con):
    assert one(con, [(600, 30, 1.0), (40, 40, 2.0)], 45) == (1.0, 0)
    assert one(con, [(600, 30, 1.0)], 45, keep_s=60) == (1.0, 0)


def test_a_null_in_the_chosen_row_stays_null(con):
    assert one(con, [(0, 0, 1.0), (10, 10, None)], 20) == (None, 0)


@pytest.mark.parametrize(("moment", "value"), [(70, 1.0), (71, None)])
def test_keep_is_inclusive(con, moment, value):
    assert one(con, [(10, 20, 1.0)], moment, keep_s=3600)[0] == value


def test_an_hour_is_an_hour_when_the_clocks_go_back(con):
    """05:30 and 06:30 UTC are both half past one on New York's clocks on that day."""
    rows = [(330, 330, 1.0), (390, 390, 2.0)]
    assert [one(con, rows, minute)[0] for minute in (389, 390)] == [1.0, 2.0]
    assert [one(con, rows[:1], minute, keep_s=3600)[0] for minute in (390, 391)] == [1.0, None]


def test_a_table_without_known_is_known_at_its_time(con):
    lookup = msgspec.structs.replace(look_up(), known=None)
    rows = [{"k": "a", "n": 1, "time": at(10), "known": at(500), "v": 1.0, "w": 0}]
    asked = [{"k": "a", "other": None, "n": 1, "moment": at(minute)} for minute in (9, 10)]
    assert found(con, signature(lookup), rows, asked) == [(None, None), (1.0, 0)]


def test_a_table_without_time_joins_on_its_key(con):
    registry = [{"k": k, "v": v, "w": 1} for k, v in [("a", 1.0), (None, 2.0)]]
    register(con, "registry", registry, k=pa.string(), v=pa.float64(), w=pa.int64())
    asked = [{"k": k, "other": None, "n": 1, "moment": at(0)} for k in ("a", "b", None)]
    got = found(con, signature(look_up("place", timed=False)), [], asked, registry="registry")
    assert got == [(1.0, 1), (None, None), (None, None)]


def test_a_doubled_key_without_time_is_a_tie_only_for_those_who_ask(con):
    registry = [{"k": k, "v": 0.0, "w": 1} for k in ("a", "a", "b", "c", "c", "c", None, None)]
    register(con, "registry", registry, k=pa.string(), v=pa.float64(), w=pa.int64())
    asked = [{"k": k, "other": None, "n": 1, "moment": at(0)} for k in ("a", "a", "b", None)]
    ties = run(con, tie_query(look_up(timed=False), register_asked(con, asked), "registry", "moment"))
    assert ties == [("a", None, None, 2, 2)]


def test_derived_columns_are_computed_in_the_projects_timezone(con):
    asked = [{"k": None, "other": None, "n": 1, "moment": at(minute)} for minute in (3 * 60, 5 * 60, 7 * 60)]
    hour = Derived(name="hour", expression="hour(moment)", type="BIGINT")
    assert found(con, signature(derived=(hour,)), [], asked) == [(23,), (1,), (2,)]


def test_steps_keep_the_columns_asked_for(con):
    rows = [{"k": "a", "n": 1, "time": at(t), "known": at(k), "v": v, "w": 0} for t, k, v in HAND]
    query = f"select v from {steps(look_up(), register_readings(con, rows), columns=['v'])} order by _known"
    assert [value for (value,) in run(con, query)] == [1.0, 3.0, 4.0, 6.0]
