"""A small project with everything deployment reads: tables and a dataset in the lake, online values, versions."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rondo.deploy.serving import Application
from rondo.features.as_of import as_of_query
from rondo.features.assembly import assemble
from rondo.features.signature import Signature
from rondo.features.values import LakeValues, OnlineValues, encode_key, encode_steps, publication_query
from rondo.models.encoding import encode_table, fit_encoder
from rondo.models.packed import Packed, pack, with_golden
from rondo.models.predictors import LightGBM
from rondo.project.reading import Project, read_project
from rondo.records.development import Gate, RequirementResult, Version
from rondo.records.tables import Dataset, TableVersion
from rondo.sql.engine import connect, describe, run
from rondo.sql.relations import rows_of
from rondo.store.opening import Store, open_store

NOW = datetime(2013, 7, 1, 12, tzinfo=UTC)
ORIGINS, CARRIERS = ("EWR", "JFK", "LGA"), ("AA", "UA", "항공")
FILES = {
    "rondo.toml": '[project]\nname = "flights"\ntimezone = "America/New_York"\n',
    "tables/departures.sql": """/* ---
key: [carrier, flight]
time: sched
label: late
label_known: landed
inputs: [carrier, sched, distance]
derive:
  hour: hour(sched)
--- */
select carrier, flight, sched, origin, tailnum, distance, late, landed from flights_raw
""",
    "tables/delays.sql": """/* ---
key: origin
time: hour
known: known_at
keep: 6h
--- */
select origin, hour, known_at, rate, n from delays_raw
""",
    "tables/planes.sql": "/* ---\nkey: tailnum\n--- */\nselect tailnum, seats from planes_raw\n",
    "models/late.py": """import rondo as rd

late = rd.Model(
    examples="departures",
    task=rd.binary("late", positive=True, threshold=0.5),
    features=["delays", "planes.seats"],
    split=rd.by_time(validation="7d", test="14d"),
    train=rd.lightgbm(),
    owner="data_scientist",
    summary="Which leave late.",
)
""",
}
COLUMNS = {
    "departures": {
        "carrier": "VARCHAR", "flight": "BIGINT", "sched": "TIMESTAMP WITH TIME ZONE", "origin": "VARCHAR",
        "tailnum": "VARCHAR", "distance": "DOUBLE", "late": "BOOLEAN", "landed": "TIMESTAMP WITH TIME ZONE",
    },
    "delays": {
        "origin": "VARCHAR", "hour": "TIMESTAMP WITH TIME ZONE", "known_at": "TIMESTAMP WITH TIME ZONE",
        "rate": "DOUBLE", "n": "BIGINT",
    },
    "planes": {"tailnum": "VARCHAR", "seats": "BIGINT"},
}  # fmt: skip
DEFINITIONS = {"departures": "d" * 64, "delays": "e" * 64, "planes": "f" * 64}


@dataclass
class Place:
    """The project, its store and its model `late`, with what tests need to change."""

    root: Path
    project: Project
    store: Store
    signature: Signature
    rows: pa.Table
    versions: list[int] = field(default_factory=list)

    def add_version(self, seed: int = 0, name: str = "late") -> int:
        """Trains, packs and records a version."""
        table = self.rows
        encoder = fit_encoder(table, self.signature.fed)
        packed = Packed(self.signature, encoder, trees(encode_table(encoder, table), table, seed), threshold=0.5)
        packed = with_golden(packed, table)
        files = {file: self.store.artifacts.put(data) for file, data in pack(packed).items()}
        number = self.store.ledger.next_version(Version, name)
        record = Version(
            name=name, version=number, definition="x", build=f"b{number}", dataset=1, trainer="lightgbm",
            parameters={}, seed=seed, files=files, pinned={"delays": "e" * 64, "planes": "f" * 64}, why="new",
        )  # fmt: skip
        self.store.ledger.append(record, by="kim", at=NOW)
        self.versions.append(number)
        return number

    def gate(self, version: int, state: str, *, lines: dict[str, str] | None = None) -> None:
        """Records a gate."""
        requirements = [
            RequirementResult(text=text, state=s, value=None, low=None, high=None, limit=None, n=1)
            for text, s in (lines or {"roc_auc >= 0.6": state}).items()
        ]
        self.store.ledger.append(Gate(name="late", version=version, state=state, requirements=requirements), by="kim")

    def require(self, *lines: str, undecided: str = "block") -> None:
        """Writes a PRD."""
        text = "".join(f"  - {line}\n" for line in lines)
        (self.root / "docs").mkdir(exist_ok=True)
        (self.root / "docs/prd.md").write_text(
            f"---\nkind: prd\nmodel: late\nundecided: {undecided}\nrequirements:\n{text}---\n"
        )
        self.project = read_project(self.root)

    def lake_values(self) -> LakeValues:
        """The as-of join over the tables as they are."""
        relations = {}
        for lookup in self.signature.lookups:
            landed = self.store.ledger.latest(TableVersion, name=lookup.table)
            relations[lookup.space] = rows_of(landed.record, self.store.lake)
        return LakeValues(connect(timezone="America/New_York"), relations)

    def online_values(self) -> OnlineValues:
        return OnlineValues(self.store.online, self.lake_values())

    def publish(self, now: datetime = NOW, rate: float | None = None) -> None:
        """Publishes both look-ups as of `now`; `rate` replaces every rate."""
        con = connect(timezone="America/New_York")
        for lookup in self.signature.lookups:
            landed = self.store.ledger.latest(TableVersion, name=lookup.table).record
            names = [column.name for column in lookup.columns]
            query = publication_query(lookup, rows_of(landed, self.store.lake), now, columns=names)
            steps: dict[bytes, list] = {}
            for key, known, time, _, *found in run(con, query):
                values = [rate, *found[1:]] if rate is not None and lookup.table == "delays" else found
                us = [0 if moment is None else round(moment.timestamp() * 1e6) for moment in (known, time)]
                steps.setdefault(encode_key((key,)), []).append((*us, values))
            items = [(key, encode_steps(each, whole=lookup.time is None)) for key, each in steps.items()]
            self.store.online.publish(lookup.space, items, meta={"columns": names})

    def request(self, number: int = 0, **more: object) -> dict[str, object]:
        """A row of a request."""
        return {
            "carrier": CARRIERS[number % 3],
            "flight": number,
            "origin": ORIGINS[number % 3],
            "tailnum": f"N{number % 5}",
            "distance": 100.0 + number,
            **more,
        }

    def code(self) -> str:
        """A program that serves this project."""
        return (
            "import sys, json; from pathlib import Path\n"
            "from rondo.project.reading import read_project; from rondo.store.opening import open_store\n"
            "from rondo.deploy.server import serve\n"
            f"root = Path({str(self.root)!r})\n"
            "def ready(url): print(json.dumps({'ready': True, 'url': url}), flush=True)\n"
            "serve(read_project(root), lambda: open_store(root), port=0, workers=int(sys.argv[1]), ready=ready)\n"
        )

    @contextmanager
    def server(self, workers: int = 1) -> Iterator[tuple[str, subprocess.Popen]]:
        """A server process: its URL, and the process."""
        process = subprocess.Popen(
            [sys.executable, "-c", self.code(), str(workers)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read().decode()
            yield msgspec.json.decode(line)["url"], process
        finally:
            process.kill()
            process.communicate()


def trees(matrix: np.ndarray, table: pa.Table, seed: int) -> LightGBM:
    import lightgbm

    labels = np.asarray(table.column("label").to_pylist(), dtype=float)
    parameters = {"objective": "binary", "num_leaves": 15, "verbosity": -1, "seed": seed, "num_threads": 1,
                  "deterministic": True, "bagging_fraction": 0.7, "bagging_freq": 1}  # fmt: skip
    booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, labels, free_raw_data=False), 40)
    return LightGBM(booster.model_to_string(), "sigmoid")


def feature_rows() -> dict[str, pa.Table]:
    """Delays by origin and hour (known 75 minutes on, now and then revised), and planes."""
    dice = random.Random(1)
    delays = []
    for origin in ORIGINS:
        for hours in range(24 * 40):
            hour = NOW - timedelta(hours=hours)
            delays.append((origin, hour, hour + timedelta(minutes=75), dice.random(), dice.randrange(40)))
    names = list(COLUMNS["delays"])
    planes = {"tailnum": [f"N{n}" for n in range(4)], "seats": [100 + 10 * n for n in range(4)]}
    return {
        "delays": pa.table({name: [row[i] for row in delays] for i, name in enumerate(names)}),
        "planes": pa.table(planes),
    }


def examples() -> pa.Table:
    dice = random.Random(2)
    rows = []
    for number in range(1500):
        sched = NOW - timedelta(minutes=37 * number)
        late = dice.random() < 0.2 + 0.4 * (number % 3 == 1)
        rows.append((CARRIERS[number % 3], number, sched, dice.choice(ORIGINS), f"N{dice.randrange(6)}",
                     dice.choice([None, 100.0 * dice.random()]), late, sched + timedelta(minutes=15)))  # fmt: skip
    return pa.table({name: [row[i] for row in rows] for i, name in enumerate(COLUMNS["departures"])})


def land(store: Store, name: str, rows: pa.Table) -> None:
    path = f"tables/{name}/{DEFINITIONS[name][:12]}"
    written = store.lake.write(path, rows, mode="overwrite")
    number = store.ledger.next_version(TableVersion, name)
    record = TableVersion(
        name=name, version=number, stage="table", definition=DEFINITIONS[name], build=f"b{number}", path=path,
        delta=written.version, rows=rows.num_rows, columns=COLUMNS[name],
    )  # fmt: skip
    store.ledger.append(record, by="kim", at=NOW)


def freeze(store: Store, signature: Signature, tables: dict[str, pa.Table]) -> pa.Table:
    con = connect(timezone="America/New_York")
    for name, rows in tables.items():
        con.register(f"{name}_rows", rows)
    carry = ["carrier", "flight", "sched", "distance", "origin", "tailnum", "late"]
    query = as_of_query(signature, "departures_rows", {n: f"{n}_rows" for n in ("delays", "planes")}, carry=carry)
    shown = (
        '* exclude (origin, tailnum, late), sched as moment, late as label, origin as "_carried.origin", '
        "tailnum as \"_carried.tailnum\", case when flight < 600 then 'test' else 'train' end as split"
    )
    rows = con.sql(f"select {shown} from ({query}) order by flight").to_arrow_table()
    written = store.lake.write("datasets/late", rows, mode="overwrite")
    types = describe(con, f"select {shown} from ({query})")
    record = Dataset(
        name="late", version=1, definition="x", build="y", path="datasets/late", delta=written.version,
        rows=rows.num_rows, columns=types, splits={"train": 900, "test": 600}, inputs=[], assumptions=[],
    )  # fmt: skip
    store.ledger.append(record, by="kim", at=NOW)
    return rows


def build(root: Path) -> Place:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    project, store = read_project(root), open_store(root)
    signature = assemble(project.models["late"], project, COLUMNS, DEFINITIONS)
    signature = msgspec.structs.replace(signature, classes=(False, True))
    tables = {"departures": examples(), **feature_rows()}
    for name in ("delays", "planes"):
        land(store, name, tables[name])
    place = Place(root, project, store, signature, freeze(store, signature, tables))
    place.publish()
    place.add_version()
    return place


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return build(tmp_path_factory.mktemp("built") / "flights")


@pytest.fixture
def place(built: Place, tmp_path: Path) -> Place:
    """A copy of the project, with version 1 of `late`."""
    root = tmp_path / "flights"
    shutil.copytree(built.root, root)
    return Place(root, read_project(root), open_store(root), built.signature, built.rows, [1])


@pytest.fixture
def now() -> datetime:
    return NOW


class Client:
    """Requests straight into an application, as httpx makes them; `judge` is given the path and answer of each."""

    def __init__(self, application: Application, judge: Callable[[str, httpx.Response], None]) -> None:
        self.application, self._judge = application, judge

    def __call__(self, method: str, path: str, **content: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.application)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **content)

        answer = asyncio.run(ask())
        self._judge(path, answer)
        return answer


@pytest.fixture(scope="session")
def client_of() -> type[Client]:
    """Makes a client of an application."""
    return Client
