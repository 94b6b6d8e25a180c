"""Stale, unloaded and blocked data of a real project: of what the model reads, from the exact moment on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.graph.definitions import nodes_of
from rondo.monitor.freshness import (
    fresh_lengths,
    last_landed,
    measure_blocked,
    measure_freshness,
    newest_known,
    stale_at,
    stale_moments,
    upstream_of,
)
from rondo.project.reading import read_project
from rondo.records.running import Run, Step
from rondo.records.tables import Checked, CheckResult, TableVersion
from rondo.sql.relations import Catalog
from rondo.store.opening import open_store

HOUR = timedelta(hours=1)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
FILES = {
    "rondo.toml": '[project]\nname = "shop"\ntimezone = "Asia/Seoul"\n',
    "sources.py": """import rondo as rd

orders_raw = rd.Source(rd.files("orders.csv"), key="id", time="placed", known="placed", fresh="36h")
weather_raw = rd.Source(rd.files("weather.csv"), key="town", time="hour", known="hour", fresh="4h", every="1h")
unread_raw = rd.Source(rd.files("unread.csv"), key="id", time="placed", known="placed", fresh="1h", every="1h")
""",
    "tables/orders.sql": """/* ---
key: id
time: placed
label: late
label_known: known
inputs: [town]
--- */
select id, placed, town, late, known from orders_raw
""",
    "tables/rain.sql": """/* ---
key: town
time: hour
known: known_at
fresh: 6h
--- */
select town, hour, known_at, rain from weather_raw
""",
    "models/late.py": """import rondo as rd

late = rd.Model(examples="orders", task=rd.binary("late", positive=True), features=["rain"])
""",
}


@pytest.fixture
def shop(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    project, store = read_project(tmp_path), open_store(tmp_path)
    return project, project.models["late"], nodes_of(project), store


def landed(store, name, at, *, known_until=None, rows=None, stage="source", **more):
    """A version of a source or table, with rows in the lake where they are given."""
    delta = store.lake.write(f"tables/{name}", rows, mode="overwrite").version if rows is not None else 0
    version = TableVersion(
        name=name, version=store.ledger.next_version(TableVersion, name), stage=stage, definition="d", build="b",
        path=f"tables/{name}", delta=delta, rows=1, columns={}, known_until=known_until, **more,
    )  # fmt: skip
    store.ledger.append(version, by="kim", at=at)


def only(found, metric, feature):
    (one,) = [each for each in found if (each.metric, each.feature) == (metric, feature)]
    return one


def test_what_the_model_does_not_read_is_not_measured(shop):
    _, model, nodes, _ = shop
    assert upstream_of(model, nodes) == ("orders_raw", "weather_raw", "orders", "rain")
    assert fresh_lengths(model, nodes) == {"orders_raw": 36 * HOUR, "weather_raw": 4 * HOUR, "rain": 6 * HOUR}
    found = measure_freshness(model, nodes, {}, now=NOON)
    assert {each.feature for each in found} == {"orders_raw", "weather_raw", "rain"}
    assert {(each.state, each.value, each.n) for each in found} == {("unexamined", None, 0)}


@settings(max_examples=200)
@given(st.integers(0, 48 * 60), st.integers(0, 59))
def test_it_is_stale_from_the_exact_moment_on(shop_of, minutes, second):
    model, nodes = shop_of
    newest = NOON + timedelta(minutes=17)
    now = newest + timedelta(minutes=minutes, seconds=second)
    found = only(measure_freshness(model, nodes, {"weather_raw": newest}, now=now), "staleness_h", "weather_raw")
    stale = stale_at(newest, 4 * HOUR)
    assert found.state == ("out" if now >= stale else "within")
    assert (found.limit, found.side, found.basis, found.unit) == (4.0, "above", "declared", "h")
    assert found.start <= now < found.end == found.start + HOUR
    assert (found.value >= found.limit) == (found.state == "out")
    exact = (now - newest) / HOUR
    assert exact - 1 < found.value <= exact or (found.value == 0.0 and exact < 1)
    # Looked at again within the hour, it is the same, but for the moment at which it becomes stale.
    again = only(
        measure_freshness(model, nodes, {"weather_raw": newest}, now=found.start), "staleness_h", "weather_raw"
    )
    assert again == found or found.start < stale <= now or found.start < newest


@pytest.fixture(scope="module")
def shop_of(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    project = read_project(root)
    return project.models["late"], nodes_of(project)


@given(st.lists(st.integers(0, 100), max_size=30), st.integers(1, 20))
def test_the_moments_of_becoming_stale(hours, fresh):
    known = np.array([hour * 3_600_000_000 for hour in hours], dtype=np.int64)
    found = list(stale_moments(known, fresh * HOUR))
    epoch = datetime.fromtimestamp(0, UTC)
    was = [any(hour <= t < hour + fresh for hour in hours) for t in range(130)]
    expected = [epoch + t * HOUR for t in range(1, 130) if was[t - 1] and not was[t]]
    assert found == expected


def test_the_newest_known_row_as_of_now(shop):
    project, model, nodes, store = shop
    catalog = Catalog(project, store.ledger, store.lake)
    names = fresh_lengths(model, nodes)
    assert newest_known(catalog, names, NOON) == dict.fromkeys(names)
    landed(store, "orders_raw", NOON - HOUR, known_until=NOON - 3 * HOUR)
    hours = [NOON + n * HOUR for n in (-9, -2, 5)]  # the last is not known yet
    rows = pa.table(
        {
            "town": ["a", "b", "c"], "hour": pa.array(hours, pa.timestamp("us", tz="UTC")), "rain": [1.0, 2.0, 3.0],
            "_rondo_file": ["f"] * 3, "_rondo_row": [1, 2, 3],
            "_rondo_landed": pa.array([NOON] * 3, pa.timestamp("us", tz="UTC")),
        }
    )  # fmt: skip
    written = store.lake.write("sources/weather_raw", rows, mode="overwrite")
    columns = {"town": "VARCHAR", "hour": "TIMESTAMP WITH TIME ZONE", "rain": "DOUBLE"}
    store.ledger.append(
        TableVersion(
            name="weather_raw", version=1, stage="source", definition="d", build="b", path="sources/weather_raw",
            delta=written.version, rows=3, columns=columns, known_until=hours[-1],
        ),
        by="kim", at=NOON,
    )  # fmt: skip
    landed(store, "rain", NOON - 2 * HOUR, stage="table")  # nothing declared of its rows: when they landed
    landed(store, "rain", NOON, stage="table", pinned=True)
    expected = {"orders_raw": NOON - 3 * HOUR, "weather_raw": NOON - 2 * HOUR, "rain": NOON - 2 * HOUR}
    assert newest_known(catalog, names, NOON) == expected
    assert newest_known(catalog, ["weather_raw"], NOON - 10 * HOUR) == {"weather_raw": None}


def test_a_source_whose_loads_stay_out(shop):
    _, model, nodes, store = shop
    assert last_landed(store.ledger, model, nodes) == {"weather_raw": None}
    landed(store, "weather_raw", NOON, known_until=NOON)
    at = last_landed(store.ledger, model, nodes)
    for minutes, state in ((0, "within"), (119, "within"), (120, "out"), (500, "out")):
        found = measure_freshness(model, nodes, {}, now=NOON + timedelta(minutes=minutes), landed=at)
        late = only(found, "unloaded_h", "weather_raw")
        assert (late.state, late.limit) == (state, 2.0)


def ran(store, at, **states):
    stages = {"orders_raw": "load", "weather_raw": "load", "orders": "build", "rain": "build"}
    steps = [Step(name=name, stage=stages[name], state=state, rows=7) for name, state in states.items()]
    steps.append(Step(name="rain", stage="publish", state="failed"))  # another matter
    store.ledger.append(Run(name="r", state="done", steps=steps), by="kim", at=at)


def checked(store, at, name, state):
    result = [Checked(text="a > 0", state="failed" if state == "blocked" else "passed", rows=9, failed=1)]
    store.ledger.append(CheckResult(name=name, version=1, build="b", state=state, checks=result), by="kim", at=at)


def test_what_is_blocked_or_failed_and_comes_through_again(shop):
    _, model, nodes, store = shop

    def blocked():
        return {each.feature: each.state for each in measure_blocked(model, nodes, store.ledger)}

    assert blocked() == {}
    checked(store, NOON, "orders_raw", "blocked")  # the run that found it was killed
    assert blocked() == {"orders_raw": "out"}
    ran(store, NOON, orders_raw="failed", weather_raw="built", rain="skipped")
    assert blocked() == {"orders_raw": "out", "weather_raw": "within"}
    ran(store, NOON + HOUR, orders_raw="built", weather_raw="blocked", orders="built", rain="fresh")
    assert blocked() == {"orders_raw": "within", "weather_raw": "out", "orders": "within", "rain": "within"}
    checked(store, NOON + 2 * HOUR, "weather_raw", "passed")
    found = measure_blocked(model, nodes, store.ledger)
    assert {each.state for each in found} == {"within"}
    weather = only(found, "data_blocked", "weather_raw")
    assert (weather.start, weather.rows, weather.value, weather.limit) == (NOON + 2 * HOUR, 9, 0.0, 0.0)
