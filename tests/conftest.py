"""Small projects that the tests of several packages make for themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from rondo.deploy.answering import Answerer
from rondo.deploy.lookups import live_values
from rondo.deploy.predictions import record
from rondo.loop.monitoring import monitor
from rondo.loop.running import run
from rondo.loop.versions import packed_version
from rondo.loop.workplace import open_workplace

settings.register_profile("rondo", deadline=None)  # a first call loads libraries, and the machine may be busy
settings.load_profile("rondo")

Write = Callable[[Mapping[str, str]], Path]

RONDO_TOML = '[project]\nname = "shop"\ntimezone = "Europe/Berlin"\nclock = "data"\n'
SOURCES = """
import rondo as rd

visits_raw = rd.Source(rd.files("data/visits*.csv"), key="visit", time="asked_at", known="result_at")
loads_raw = rd.Source(rd.files("data/loads*.csv"), time="measured_at", known="measured_at + interval 30 minute")
shops_raw = rd.Source(rd.files("data/shops.csv"), key="shop", known="always")
"""
LOADS = """/* ---
summary: How busy a shop was in the hour before.
key: shop
time: measured_at
known: known_at
keep: 6h
checks:
  - not_null: [shop, measured_at]
--- */
select shop, measured_at, measured_at + interval 30 minute as known_at, load from loads_raw
"""
SHOPS = "/* ---\nkey: shop\nchecks: [unique]\n--- */\nselect shop, size from shops_raw\n"
VISITS = """/* ---
key: visit
time: asked_at
label: late
label_known: result_at
inputs: [distance, asked_at]
derive:
  hour: hour(asked_at)
--- */
select visit, asked_at, shop, distance, late, result_at from visits_raw
"""
MODEL = """
import rondo as rd

late = rd.Model(
    examples="visits",
    task=rd.binary("late", positive=True),
    features=["loads", "shops.size"],
    split=rd.by_time(validation="4d", test="8d"),
    train=rd.lightgbm(num_iterations=20, min_data_in_leaf=5),
    slices=["shop"],
    retrain="monthly",
    promote="due",
)
"""
PRD = """---
kind: prd
model: late
undecided: block
requirements:
  - roc_auc >= 0.55
  - latency_p99_ms <= 2000
---
# Why
"""


def visits(first: str, days: int, *, seed: int = 0, start: int = 0, per_day: int = 30) -> str:
    """Visits as CSV: late when the shop is busy and far away, known an hour after."""
    rng = np.random.default_rng(seed)
    lines = ["visit,asked_at,shop,distance,late,result_at"]
    begin = datetime.fromisoformat(first)
    for number in range(days * per_day):
        asked = begin + timedelta(days=number // per_day, minutes=int(rng.integers(0, 1440)))
        shop = "ABC"[rng.integers(0, 3)]
        distance = float(np.round(rng.uniform(0, 20), 1))
        busy = _load(shop, asked)
        late = rng.uniform() < 1 / (1 + np.exp(-(0.25 * (distance - 10) + 2 * (busy - 0.5))))
        known = asked + timedelta(hours=1)
        lines.append(f"v{start + number},{asked},{shop},{distance},{str(bool(late)).lower()},{known}")
    return "\n".join(lines) + "\n"


def loads(first: str, days: int) -> str:
    """Hourly loads of three shops as CSV."""
    begin = datetime.fromisoformat(first)
    lines = ["shop,measured_at,load"]
    for hour in range(days * 24):
        at = begin + timedelta(hours=hour)
        lines += [f"{shop},{at},{_load(shop, at):.3f}" for shop in "ABC"]
    return "\n".join(lines) + "\n"


def _load(shop: str, at: datetime) -> float:
    phase = {"A": 0, "B": 2, "C": 4}[shop]
    return round(0.5 + 0.5 * np.sin((at.hour + phase) / 24 * 2 * np.pi), 3)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files of a project below a fresh folder and answers the folder."""

    def into(files: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    return into


def _shop() -> dict[str, str]:
    return {
        "rondo.toml": RONDO_TOML,
        "sources.py": SOURCES,
        "tables/loads.sql": LOADS,
        "tables/shops.sql": SHOPS,
        "tables/visits.sql": VISITS,
        "models/late.py": MODEL,
        "docs/prd.md": PRD,
        "data/visits_1.csv": visits("2024-01-03 00:00:00", 50),
        "data/loads_1.csv": loads("2024-01-01 00:00:00", 60),
        "data/shops.csv": "shop,size\nA,10\nB,250\nC,40\n",
    }


@pytest.fixture
def shop_files() -> dict[str, str]:
    """A timed binary project: examples, a timed feature table, a registry, a PRD; January and February."""
    return _shop()


@pytest.fixture(scope="session")
def long_shop_files() -> Mapping[str, str]:
    """The same with two weeks of March, and a test set of these."""
    return _shop() | {
        "data/visits_2.csv": visits("2024-02-22 00:00:00", 14, seed=1, start=10_000),
        "data/loads_2.csv": loads("2024-03-01 00:00:00", 14),
        "testsets/march.sql": "select * from visits where asked_at >= timestamp '2024-03-01'",
    }


@pytest.fixture
def shop(write: Write, shop_files: dict[str, str]) -> Path:
    """The shop project, not yet run."""
    return write(shop_files)


@pytest.fixture
def more_visits() -> str:
    """Two more weeks of visits, as another file."""
    return visits("2024-02-22 00:00:00", 14, seed=1, start=10_000)


@pytest.fixture
def more_loads() -> str:
    """Loads that go on for two more weeks, as another file."""
    return loads("2024-03-01 00:00:00", 14)


@pytest.fixture(scope="session")
def live_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop at work: a version in production, two weeks of answers to what it was asked, measured once.

    Several tests read it: none may change it.
    """
    root = tmp_path_factory.mktemp("live") / "project"
    for name, text in _shop().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    run(open_workplace(root))
    work = open_workplace(root)
    query = (
        "select visit, asked_at, shop, distance from visits where asked_at >= timestamp '2024-02-05' order by asked_at"
    )
    rows = work.catalog.query(query).rows.to_pylist()
    answerer = Answerer(packed_version(work, "late", 1), live_values(work.store, "Europe/Berlin"), 1)
    answers = answerer.answer(rows[:-10], now=work.now(), role="production")
    record(work.store.log, "late", answers, caller="test", latency_ms=1.0)
    monitor(work, work.project.model("late"))
    newest = answerer.answer(rows[-10:], now=work.now(), role="production")
    record(work.store.log, "late", newest, caller="test", latency_ms=1.0)
    return root
