from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rondo.data.publishing import drop_unpinned, publish
from rondo.errors import StoreError, TieError
from rondo.features.signature import Column, Lookup
from rondo.features.values import LakeValues, OnlineValues
from rondo.project.reading import read_project
from rondo.records.tables import Publication
from rondo.sql.engine import connect
from rondo.store.opening import open_store

START = datetime(2024, 3, 10, tzinfo=UTC)
STAMP = pa.timestamp("us", "UTC")
NOON = START + timedelta(minutes=90)
LOOKUP = Lookup(
    table="readings",
    prefix="readings",
    definition="d",
    on=(("k", "k"), ("n", "n")),
    key_types=("VARCHAR", "BIGINT"),
    columns=(Column(name="v", type="DOUBLE"), Column(name="word", type="VARCHAR")),
    time="time",
    known="known",
)
REGISTRY = Lookup(
    table="places",
    prefix="places",
    definition="d",
    on=(("k", "k"),),
    key_types=("VARCHAR",),
    columns=(Column(name="price", type="DECIMAL(9,2)"), Column(name="opened", type="DATE")),
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "rondo.toml").write_text('[project]\nname = "trial"\ntimezone = "America/New_York"\n')
    return read_project(root), open_store(root)


def at(minute: int | None) -> datetime | None:
    return None if minute is None else START + timedelta(minutes=minute)


def relation_of(folder: Path, rows: list[dict]) -> str:
    import pyarrow.parquet as pq

    kinds = {"k": pa.string(), "n": pa.int64(), "time": STAMP, "known": STAMP, "v": pa.float64(), "word": pa.string()}
    pq.write_table(
        pa.table({n: pa.array([row[n] for row in rows], kind) for n, kind in kinds.items()}), folder / "r.parquet"
    )
    return f"read_parquet('{folder / 'r.parquet'}')"


def published(work, lookup: Lookup, relation: str, *, now: datetime = NOON) -> Publication:
    project, store = work
    return publish(lookup, store=store, project=project, relation=relation, table_version=1, now=now, by="test")


minutes = st.integers(0, 12).map(lambda n: at(15 * n))
row = st.fixed_dictionaries(
    {
        "k": st.sampled_from(["a", "b", None]),
        "n": st.sampled_from([1, 2, None]),
        "time": st.one_of(minutes, minutes, st.none()),
        "known": st.one_of(minutes, minutes, st.none()),
        "v": st.one_of(st.floats(-5, 5), st.none()),
        "word": st.sampled_from(["x", "y", None]),
    }
)
untied = st.lists(row, max_size=14, unique_by=lambda r: (r["k"], r["n"], r["time"], r["known"]))


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],  # each try publishes: shrinking would take minutes
)
@given(untied, minutes, st.sampled_from([None, 900, 3600]))
def test_online_answers_as_the_join_at_any_moment(work, tmp_path, rows, now, keep_s):
    lookup = msgspec.structs.replace(LOOKUP, keep_s=keep_s)
    relation = relation_of(tmp_path, rows)
    published(work, lookup, relation, now=now)
    asked = [(("a", 1), at(m)) for m in range(0, 200, 5)] + [(("b", 2), at(m)) for m in range(0, 200, 15)]
    asked += [(("c", 1), now), (None, now)]
    keys, moments = zip(*asked, strict=True)
    with connect(timezone="UTC") as con:
        lake = LakeValues(con, {lookup.space: relation})
        online = OnlineValues(work[1].online, lake).look_up(lookup, keys, moments)
        joined = lake.look_up(lookup, keys, moments)
    nothing = (None, None)  # too old reads as null, whether as no row or as a row of nulls
    assert [values or nothing for values in online] == [values or nothing for values in joined]
    later = [(key, moment) for key, moment in asked if moment >= now]
    OnlineValues(work[1].online).look_up(lookup, *zip(*later, strict=True))  # needs no lake behind it


def test_only_what_answers_from_now_on_is_published(work, tmp_path):
    rows = [{"k": "a", "n": 1, "time": at(m), "known": at(m), "v": float(m), "word": None} for m in range(0, 180, 10)]
    publication = published(work, LOOKUP, relation_of(tmp_path, rows))
    assert publication.keys == 1
    values = OnlineValues(work[1].online)
    assert values.look_up(LOOKUP, [("a", 1)] * 2, [NOON, at(125)]) == [(90.0, None), (120.0, None)]
    with pytest.raises(StoreError, match="do not reach back"):
        values.look_up(LOOKUP, [("a", 1)], [at(85)])


def test_every_column_is_published_for_any_model(work, tmp_path):
    rows = [{"k": "a", "n": 1, "time": at(0), "known": at(5), "v": 1.5, "word": "x"}]
    publication = published(work, LOOKUP, relation_of(tmp_path, rows))
    meta = work[1].online.meta(publication.space)
    assert meta["columns"] == ["time", "known", "v", "word"]
    assert (meta["key"], meta["time"], meta["known"], meta["table_version"]) == (["k", "n"], "time", "known", 1)
    other = msgspec.structs.replace(
        LOOKUP, columns=(Column(name="word", type="VARCHAR"), Column(name="time", type="T"))
    )
    assert OnlineValues(work[1].online).look_up(other, [("a", 1)], [NOON]) == [("x", at(0))]
    assert work[1].ledger.latest(Publication, name="readings").record == publication


def test_a_registry_is_published_by_key(work):
    rows = (
        "(select * from (values ('a', 1.25::decimal(9,2), date '2024-01-02'), (null, 2, null)) as t(k, price, opened))"
    )
    assert published(work, REGISTRY, rows).keys == 1
    values = OnlineValues(work[1].online).look_up(REGISTRY, [("a",), ("b",), None], [None] * 3)
    assert values == [(1.25, "2024-01-02"), None, None]


def test_an_empty_table_answers_nothing(work, tmp_path):
    assert published(work, LOOKUP, relation_of(tmp_path, [])).keys == 0
    assert OnlineValues(work[1].online).look_up(LOOKUP, [("a", 1)], [NOON]) == [None]


@pytest.mark.parametrize(("known", "refused"), [(95, True), (80, True), (30, False)])
def test_a_tie_that_a_request_would_meet_is_refused(work, tmp_path, known, refused):
    before = {"k": "a", "n": 1, "time": at(0), "known": at(0), "v": 0.0, "word": None}
    tied = [before | {"time": at(20), "known": at(known), "v": v} for v in (1.0, 2.0)]
    newer = before | {"time": at(40), "known": at(40 if known == 30 else 200)}
    relation = relation_of(tmp_path, [before, *tied, newer])
    if not refused:
        published(work, LOOKUP, relation)
        return
    with pytest.raises(TieError, match=r"readings has rows that requests must choose between, .* k a, n 1, time 2024"):
        published(work, LOOKUP, relation)


def test_a_doubled_key_of_a_registry_is_refused_and_the_old_values_stay(work):
    rows = "(select * from (values ('a', 1::decimal(9,2), date '2024-01-02')) as t(k, price, opened))"
    published(work, REGISTRY, rows)
    with pytest.raises(TieError, match=r"places has rows that requests must choose between, for they share k a\."):
        published(work, REGISTRY, f"(select * from {rows} union all select * replace (9 as price) from {rows})")
    assert OnlineValues(work[1].online).look_up(REGISTRY, [("a",)], [None]) == [(1.0, "2024-01-02")]


def test_spaces_that_nothing_pins_are_dropped(work, tmp_path):
    old = msgspec.structs.replace(LOOKUP, definition="older")
    for lookup in (old, LOOKUP):
        published(work, lookup, relation_of(tmp_path, []))
    dropped = drop_unpinned(work[1], {LOOKUP.space})
    assert old.space in dropped
    assert work[1].online.spaces() == [LOOKUP.space]
    assert drop_unpinned(work[1], {LOOKUP.space}) == []
