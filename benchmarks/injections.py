"""Does the diagnosis name the true cause first? Faults injected into a small project's files, one at a time.

`python benchmarks/injections.py` makes a project with three sources (a year's hours of weather, parcels, a registry),
trains it on the first 60 days, lets 60 more days come with one fault from a day on, answers every parcel as of its
moment, lands the outcomes, and asks `diagnose` about a finding that names no column. A fault counts as found when the
first cause has its kind and its words. Nothing injected must give no cause.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from rondo.deploy.answering import Answerer
from rondo.deploy.predictions import record
from rondo.features.values import LakeValues
from rondo.loop.collecting import collect
from rondo.loop.evidence import gather
from rondo.loop.running import run
from rondo.loop.versions import packed_version, pinned_relations
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.alerting import Finding
from rondo.monitor.diagnosing import diagnose
from rondo.records.monitoring import Measurement
from rondo.sql.engine import connect

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
TRAINED, DAYS, FAULT = 60, 120, 106
"""Days that are trained on, all days, and the day from which on the fault is there."""
PER_DAY = 150
FILES = {
    "rondo.toml": """[project]
name = "parcels"
timezone = "UTC"
clock = "data"
[people.carrier_desk]
name = "Ada Flores"
contact = "ada@example.com"
""",
    "sources.py": """import rondo as rd

parcels_raw = rd.Source(rd.files("data/parcels*.csv"), key="parcel", time="asked_at", known="result_at",
                        owner="carrier_desk")
weather_raw = rd.Source(rd.files("data/weather*.csv"), key=["depot", "hour"], time="hour", known="hour", fresh="4h",
                        owner="weather_desk")
depots_raw = rd.Source(rd.files("data/depots*.csv"), key="depot", known="always", owner="depot_desk")
""",
    "tables/weather.sql": """/* ---
key: depot
time: hour
known: hour
keep: 6h
owner: data_engineer
--- */
select depot, hour, temp, wind, rain from weather_raw
""",
    "tables/depots.sql": "/* ---\nkey: depot\n--- */\nselect depot, docks from depots_raw\n",
    "tables/parcels.sql": """/* ---
key: parcel
time: asked_at
label: late
label_known: result_at
inputs: [distance, carrier, express, asked_at]
derive:
  hour: hour(asked_at)
--- */
select parcel, asked_at, depot, distance, carrier, express, late, result_at from parcels_raw
""",
    "models/late.py": """import rondo as rd

late = rd.Model(
    examples="parcels", task=rd.binary("late", positive=True), features=["weather", "depots.docks"],
    split=rd.by_time(validation="5d", test="10d"), train=rd.lightgbm(num_iterations=60, min_data_in_leaf=40),
    slices=["depot", "carrier"], retrain="never", owner="data_scientist",
)
""",
    "docs/runbook.md": """---
kind: runbook
rules:
  The weather stands still: [stale data weather_raw]
---
# Runbook

## The weather stands still

1. See `rondo plan`.
2. Call {owner}: {source} has brought nothing since {since}.
""",
}
Rows = list[dict[str, object]]


@dataclass
class World:
    """Sixty days and sixty more, as they would be without a fault; injections change what is written."""

    seed: int
    weather: Rows = field(default_factory=list)
    parcels: Rows = field(default_factory=list)
    depots: Rows = field(default_factory=list)

    def __post_init__(self) -> None:
        """Slow weather by hour and depot; parcels late by distance, carrier, wind and rain; more on weekdays."""
        rng = np.random.default_rng(self.seed)
        depots = {"north": 12, "south": 40, "east": 25}
        self.depots = [{"depot": name, "docks": docks} for name, docks in depots.items()]
        found = {}
        for depot in depots:
            temp, wind = 45.0, 10.0
            for hour in range(DAYS * 24):
                at = BEGIN + timedelta(hours=hour)
                temp += 0.02 * (45 + 0.05 * hour / 24 - temp) + rng.normal(0, 0.6)
                wind = max(0.0, wind + 0.05 * (10 - wind) + rng.normal(0, 1.0))
                rain = float(np.round(max(0.0, rng.normal(-0.3, 0.4)), 2))
                row = {"depot": depot, "hour": at, "wind": round(wind, 1), "rain": rain}
                row["temp"] = round(temp + 8 * np.sin((at.hour - 8) / 24 * 2 * np.pi), 1)
                self.weather.append(row)
                found[depot, hour] = row
        for day in range(DAYS):
            weekday = (BEGIN + timedelta(days=day)).weekday()
            for _ in range(int(PER_DAY * (0.6 if weekday >= 5 else 1.0) * rng.uniform(0.85, 1.15))):
                minute = int(np.clip(rng.normal(13 * 60, 200), 0, 1439))
                asked = BEGIN + timedelta(days=day, minutes=minute)
                depot = str(rng.choice(list(depots), p=[0.5, 0.3, 0.2]))
                carrier = str(rng.choice(["AX", "BO", "CU", "DL"], p=[0.4, 0.3, 0.2, 0.1]))
                distance, express = float(np.round(rng.gamma(3, 60), 1)), bool(rng.uniform() < 0.3)
                now = found[depot, day * 24 + asked.hour]
                margin = -2.4 + 0.006 * distance + 0.09 * (float(str(now["wind"])) - 10) + 1.2 * float(str(now["rain"]))
                margin += {"AX": 0.0, "BO": 0.7, "CU": -0.6, "DL": 1.1}[carrier] - 0.8 * express
                margin -= 0.02 * (float(str(now["temp"])) - 45)
                late = bool(rng.uniform() < 1 / (1 + np.exp(-margin)))
                self.parcels.append({
                    "parcel": f"p{len(self.parcels)}", "asked_at": asked, "depot": depot, "distance": distance,
                    "carrier": carrier, "express": express, "late": late, "result_at": asked + timedelta(hours=6),
                    "margin": margin,
                })  # fmt: skip


def since(rows: Rows, time_: str, day: int = FAULT) -> Rows:
    """The rows from the fault's day on."""
    return [row for row in rows if row[time_] >= BEGIN + timedelta(days=day)]  # type: ignore[operator]


Inject = Callable[[World, np.random.Generator], None]


def changed(table: str, column: str, how: Callable[[object], object]) -> Inject:
    """A column given otherwise."""

    def inject(world: World, rng: np.random.Generator) -> None:
        for row in since(getattr(world, table), "hour" if table == "weather" else "asked_at"):
            row[column] = how(row[column])

    return inject


def renamed(table: str, column: str, name: str) -> Inject:
    """A column that bears another name from the fault on."""

    def inject(world: World, rng: np.random.Generator) -> None:
        for row in since(getattr(world, table), "hour" if table == "weather" else "asked_at"):
            row[name] = row.pop(column)

    return inject


def nulls(table: str, column: str, share: float) -> Inject:
    """A share of a column's values lost."""

    def inject(world: World, rng: np.random.Generator) -> None:
        for row in since(getattr(world, table), "hour" if table == "weather" else "asked_at"):
            if rng.uniform() < share:
                row[column] = None

    return inject


def stops(world: World, rng: np.random.Generator) -> None:
    """The weather ends a few days before the end."""
    last = BEGIN + timedelta(days=FAULT, hours=18)
    world.weather = [row for row in world.weather if row["hour"] < last]  # type: ignore[operator]


def prior(share: float) -> Inject:
    """More late parcels, each as late parcels are: those that are not late come more seldom."""

    def inject(world: World, rng: np.random.Generator) -> None:
        border = BEGIN + timedelta(days=FAULT)
        world.parcels = [
            row for row in world.parcels
            if row["late"] or row["asked_at"] < border or rng.uniform() < share  # type: ignore[operator]
        ]  # fmt: skip

    return inject


def concept(where: Mapping[str, object], by: float) -> Inject:
    """The same parcels, another outcome: their margin moves by so much."""

    def inject(world: World, rng: np.random.Generator) -> None:
        for row in since(world.parcels, "asked_at"):
            if all(row[name] == value for name, value in where.items()):
                row["late"] = bool(rng.uniform() < 1 / (1 + np.exp(-(float(str(row["margin"])) + by))))

    return inject


@dataclass(frozen=True)
class Case:
    """A fault, the rule whose finding is diagnosed, the kind, and words that the first cause must have."""

    name: str
    inject: Inject | None
    rule: str
    kind: str | None
    words: tuple[str, ...]
    seed: int = 0
    service: str | None = None


AIRLINES = {"AX": "Axle Freight", "BO": "Bolt", "CU": "Cumulus", "DL": "Delta Lines"}
CASES = (
    Case(
        "temp renamed",
        renamed("weather", "temp", "temperature"),
        "drift",
        "data",
        ("column temp of weather_raw is gone", "temperature holds"),
        1,
    ),
    Case(
        "wind renamed",
        renamed("weather", "wind", "wind_speed"),
        "missing values",
        "data",
        ("column wind of weather_raw is gone", "wind_speed holds"),
        2,
    ),
    Case(
        "distance renamed",
        renamed("parcels", "distance", "dist"),
        "quality",
        "data",
        ("distance of parcels_raw is gone", "dist holds"),
        3,
    ),
    Case(
        "miles to kilometres",
        changed("parcels", "distance", lambda x: round(float(str(x)) * 1.609344, 1)),
        "drift",
        "data",
        ("parcels_raw.distance", "1.609"),
        4,
    ),
    Case(
        "miles to kilometres",
        changed("parcels", "distance", lambda x: round(float(str(x)) * 1.609344, 1)),
        "quality",
        "data",
        ("parcels_raw.distance", "1.609"),
        5,
    ),
    Case(
        "Fahrenheit to Celsius",
        changed("weather", "temp", lambda x: round((float(str(x)) - 32) * 5 / 9, 1)),
        "drift",
        "data",
        ("weather_raw.temp", "Celsius"),
        6,
    ),
    Case(
        "mph to m/s",
        changed("weather", "wind", lambda x: round(float(str(x)) * 0.44704, 1)),
        "quality",
        "data",
        ("weather_raw.wind", "metres a second"),
        7,
    ),
    Case("weather stops", stops, "stale data", "data", ("weather_raw", "has brought nothing"), 8),
    Case("weather stops", stops, "drift", "data", ("weather_raw", "has brought nothing"), 9),
    Case(
        "carriers remapped",
        changed("parcels", "carrier", lambda x: AIRLINES[str(x)]),
        "unseen values",
        "data",
        ("parcels_raw.carrier", "renamed", "AX → Axle Freight"),
        10,
    ),
    Case(
        "carriers in small letters",
        changed("parcels", "carrier", lambda x: str(x).lower()),
        "drift",
        "data",
        ("parcels_raw.carrier", "written otherwise"),
        11,
    ),
    Case(
        "one carrier remapped",
        changed("parcels", "carrier", lambda x: "BX" if x == "BO" else x),
        "unseen values",
        "data",
        ("parcels_raw.carrier", "BO → BX"),
        12,
    ),
    Case(
        "express turned round",
        changed("parcels", "express", lambda x: not x),
        "quality",
        "data",
        ("parcels_raw.express", "changed places"),
        13,
    ),
    Case(
        "40 % of wind null",
        nulls("weather", "wind", 0.4),
        "missing values",
        "data",
        ("weather_raw.wind", "missing"),
        14,
    ),
    Case("all of rain null", nulls("weather", "rain", 1.0), "quality", "data", ("rain of weather_raw is gone",), 15),
    Case(
        "25 % of distance null",
        nulls("parcels", "distance", 0.25),
        "drift",
        "data",
        ("parcels_raw.distance", "missing"),
        16,
    ),
    Case("temp stuck", changed("weather", "temp", lambda x: 50.0), "drift", "data", ("weather_raw.temp", "stuck"), 17),
    Case("slow disk", None, "latency", "service", ("disk is slow",), 18, "slow disk"),
    Case("slow disk", None, "prediction log", "service", ("disk is slow",), 19, "slow disk"),
    Case("prior shift", prior(0.35), "quality", "model", ("prior shift",), 20),
    Case("prior shift", prior(0.45), "calibration", "model", ("prior shift",), 21),
    Case("concept shift", concept({}, 1.6), "quality", "model", ("concept shift",), 22),
    Case(
        "concept shift, one depot",
        concept({"depot": "north"}, 2.0),
        "calibration",
        "model",
        ("concept shift", "depot=north"),
        23,
    ),
    Case("concept shift", concept({"express": True}, 2.5), "quality", "model", ("concept shift",), 24),
    *(
        Case("nothing", None, rule, None, (), 30 + n)
        for n, rule in enumerate(("drift", "quality", "missing values", "calibration"))
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases and prints what was named first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="cases whose name holds one of these: shift|nothing")
    parser.add_argument("--causes", action="store_true", help="print every cause")
    asked = parser.parse_args(arguments)
    right = claimed = injected = quiet = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if asked.only and not any(word in case.name for word in asked.only.split("|")):
                continue
            root, began = Path(folder) / "project", time.perf_counter()
            shutil.rmtree(root, ignore_errors=True)
            finding, seconds = examined(case, root)
            first = finding.causes[0].what if finding.causes else ""
            good = not finding.causes if case.kind is None else finding.diagnosis == case.kind
            good = good and all(word in first for word in case.words)
            injected, quiet = injected + (case.kind is not None), quiet + (case.kind is None)
            right, claimed = right + (good and case.kind is not None), claimed + (case.kind is None and not good)
            print(f"{'right' if good else 'WRONG':6}{case.name:28}{case.rule:16}{finding.diagnosis or '-':8}", end="")
            print(f"{seconds:5.2f}/{time.perf_counter() - began:.0f} s  {first}", flush=True)
            for cause in finding.causes if asked.causes else ():
                print(f"        {cause.share}  {cause.what}")
    print(f"first cause right in {right} of {injected}; claims where nothing was injected: {claimed} of {quiet}")
    return 0 if right >= 0.9 * injected and not claimed else 1


def examined(case: Case, root: Path) -> tuple[Finding, float]:
    """What the diagnosis makes of a finding that names nothing, after the case's fault; and its seconds."""
    world = World(case.seed)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    if case.inject is not None:
        case.inject(world, np.random.default_rng(case.seed))
    write(root, world, "1", 0, TRAINED)
    run(open_workplace(root))
    write(root, world, "2", TRAINED, FAULT)
    write(root, world, "3", FAULT, DAYS)
    work = open_workplace(root)
    run(work)
    work = open_workplace(root)
    answer(work)
    model = work.project.model("late")
    collect(work, model)
    began = time.perf_counter()
    evidence = gather(work, model, measurements=service(case.service))
    assert evidence is not None
    [finding] = diagnose([Finding("late", case.rule, "model", "something is wrong")], evidence)
    return finding, time.perf_counter() - began


def write(root: Path, world: World, part: str, first: int, last: int) -> None:
    """Files of the days from `first` to before `last`."""
    begin, end = BEGIN + timedelta(days=first), BEGIN + timedelta(days=last)
    (root / "data").mkdir(exist_ok=True)
    for name, rows, at in (("weather", world.weather, "hour"), ("parcels", world.parcels, "asked_at")):
        chosen = [row for row in rows if begin <= row[at] < end]  # type: ignore[operator]
        if chosen:
            (root / "data" / f"{name}_{part}.csv").write_text(csv(chosen), encoding="utf-8")
    (root / "data" / "depots.csv").write_text(csv(world.depots), encoding="utf-8")


def csv(rows: Rows) -> str:
    """Rows as CSV; what is None is empty."""
    names = [name for name in rows[0] if name != "margin"]
    cells = ([row[name] for name in names] for row in rows)
    lines = [",".join("" if cell is None else str(cell).replace("+00:00", "") for cell in each) for each in cells]
    return "\n".join([",".join(names), *lines]) + "\n"


def answer(work: Workplace) -> None:
    """Every parcel since training, answered with the features known at its moment."""
    packed = packed_version(work, "late", 1)
    con = connect(timezone="UTC")
    relations = pinned_relations(work, packed.signature)
    spaces = {lookup.space: relations[lookup.table] for lookup in packed.signature.lookups}
    answerer = Answerer(packed, LakeValues(con, spaces), 1)
    begin = (BEGIN + timedelta(days=TRAINED)).strftime("%Y-%m-%d")
    asked = work.catalog.query(
        f"select parcel, asked_at, depot, distance, carrier, express from parcels "
        f"where asked_at >= timestamp '{begin}' order by asked_at, parcel",
        limit=None,
    ).rows.to_pylist()
    answers = answerer.answer(asked, now=work.now(), role="production")
    record(work.store.log, "late", answers, caller="benchmark", latency_ms=None)
    con.close()


def service(fault: str | None) -> list[Measurement]:
    """Days of the service's measurements; the last with a slow disk, if that is the fault."""
    rng, found = np.random.default_rng(0), []
    for day in range(FAULT - 20, FAULT + 1):
        slow = fault == "slow disk" and day == FAULT
        values = {
            "requests": 10_000 * rng.uniform(0.9, 1.1),
            "error_share": 0.0,
            "latency_p50_ms": 1.0,
            "latency_p99_ms": (430.0 if slow else 6.0) * rng.uniform(0.9, 1.1),
            "log_write_p99_ms": (410.0 if slow else 2.0) * rng.uniform(0.9, 1.1),
            "log_lag_s": 20.0 * rng.uniform(0.5, 1.5),
        }
        start = BEGIN + timedelta(days=day)
        found += [
            Measurement(
                name="late", metric=metric, feature=None, start=start, end=start + timedelta(days=1), rows=10_000,
                matured=0, value=value, low=value, high=value, limit=None, state="no limit",
            )
            for metric, value in values.items()
        ]  # fmt: skip
    return found


if __name__ == "__main__":
    sys.exit(main())
