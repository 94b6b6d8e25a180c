"""What every contender answers: will an order be sent back? By 10 inputs, and 20 looked-up features of three tables.

Five of the 30 features are categories. One table has time. The same order is written as Rondo asks for it (keys and
inputs) and as the others do (all 30 features as the numbers the trees read), and has one right score.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "channel": ("app", "phone", "shop", "web"),
    "payment": ("card", "cash", "invoice", "transfer"),
    "customers.segment": ("family", "office", "single", "student"),
    "customers.region": ("east", "north", "south", "west", "islands", "abroad"),
    "shops.kind": ("books", "clothes", "food", "garden", "music", "shoes", "sport", "tools"),
}
INPUTS = (
    "channel", "payment", "amount", "pieces", "weight_kg", "distance_km", "discount", "basket_minutes", "coupon",
    "delivery_days",
)  # fmt: skip
TABLES: Mapping[str, tuple[str, int, tuple[str, ...]]] = {  # name: key, keys, columns
    "customers": ("customer", 2_000, ("segment", "region", "age", "tenure_days", "orders_30d", "spent_30d")),
    "shops": ("shop", 100, ("kind", "rating", "orders_7d", "returns_30d", "delay_hours", "price_index", "staff")),
    "sales": ("product", 500, ("views", "sold", "returned", "price", "stock", "markdown", "reviews")),
}
ORDERS, DAYS, ASKED = 12_000, 40, 500
BEGAN = datetime(2025, 1, 1)
TREES, LEAVES = 300, 31

_TOML = '[project]\nname = "orders"\nsummary = "Which orders will be sent back."\n'
_SOURCES = """import rondo as rd

orders_raw = rd.Source(rd.files("data/orders.csv"), key="order_id", time="ordered_at", known="told_at")
customers_raw = rd.Source(rd.files("data/customers.csv"), key="customer", known="always")
shops_raw = rd.Source(rd.files("data/shops.csv"), key="shop", known="always")
sales_raw = rd.Source(rd.files("data/sales.csv"), key=["product", "day"], time="day", known="time + interval 2 hour")
"""
_ORDERS = f"""/* ---
key: order_id
time: ordered_at
label: sent_back
label_known: told_at
inputs: [{", ".join(INPUTS)}]
--- */
select * from orders_raw
"""
_REGISTRY = "/* ---\nkey: {key}\nchecks: [unique]\n--- */\nselect * from {name}_raw\n"
_SALES = """/* ---
key: product
time: day
known: known_at
keep: 36500d
--- */
select *, day + interval 2 hour as known_at from sales_raw
"""
_MODEL = f"""import rondo as rd

returns = rd.Model(
    examples="orders",
    task=rd.binary("sent_back", positive=True),
    features=["customers", "shops", "sales"],
    split=rd.random(validation=0.05, test=0.1),
    train=rd.lightgbm(num_iterations={TREES}, num_leaves={LEAVES}, learning_rate=0.02, min_data_in_leaf=20),
)
"""


@dataclass(frozen=True)
class Question:
    """One order as each side asks it, and the score it must get."""

    asked: Mapping[str, object]
    numbers: Sequence[float | None]
    score: float


@dataclass(frozen=True)
class Prepared:
    """The project trained and at work, and what the others get of it: the trees as LightGBM's text, the questions."""

    folder: Path
    project: Path
    trees: Path
    questions: tuple[Question, ...]


def prepare(folder: Path, rondo: Path) -> Prepared:
    """The project in `folder/project`, made and run by the command `rondo` unless it is there already."""
    project, trees, kept = folder / "project", folder / "trees.txt", folder / "questions.json"
    if not kept.exists():
        data = _data(np.random.default_rng(7))
        _write(project, data)
        subprocess.run([rondo, "run", "--project", project], check=True, stdout=subprocess.DEVNULL)
        _hand_over(project, trees, kept, data, rondo)
    return Prepared(folder, project, trees, msgspec.json.decode(kept.read_bytes(), type=tuple[Question, ...]))


def _data(rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """Columns of every table; `orders` is ordered by time and the label hangs on a few columns of each table."""
    data: dict[str, dict[str, np.ndarray]] = {}
    for name, (key, count, columns) in TABLES.items():
        rows = count * (DAYS if name == "sales" else 1)
        data[name] = {key: np.tile(np.arange(count), rows // count)}
        if name == "sales":
            data[name]["day"] = np.repeat(np.arange(DAYS), count)
        data[name] |= {column: _column(rng, f"{name}.{column}", rows) for column in columns}
    orders = {"order_id": np.arange(ORDERS), "minute": np.sort(rng.integers(1440, DAYS * 1440, ORDERS))}
    orders |= {key: rng.integers(0, count, ORDERS) for key, count, _ in TABLES.values()}
    orders |= {name: _column(rng, name, ORDERS) for name in INPUTS}
    of_customer, of_shop = (
        np.nan_to_num(data["customers"]["spent_30d"][orders["customer"]].astype(float)),
        np.nan_to_num(data["shops"]["returns_30d"][orders["shop"]].astype(float)),
    )
    margin = 0.04 * (of_customer - 25) + 0.05 * (of_shop - 25) + 0.8 * (orders["channel"] == "web") - 1.0
    orders["sent_back"] = rng.uniform(size=ORDERS) < 1 / (1 + np.exp(-margin))
    return {"orders": orders, **data}


def _column(rng: np.random.Generator, name: str, rows: int) -> np.ndarray:
    """Categories, or numbers of two decimals; one in twenty is missing."""
    if name in CATEGORIES:
        column = np.array(CATEGORIES[name], dtype=object)[rng.integers(0, len(CATEGORIES[name]), rows)]
    else:
        column = np.round(rng.gamma(2.0, 12.5, rows), 2).astype(object)
    column[rng.uniform(size=rows) < 0.05] = None
    return column


def _write(project: Path, data: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    files = {
        "rondo.toml": _TOML,
        "sources.py": _SOURCES,
        "tables/orders.sql": _ORDERS,
        "tables/customers.sql": _REGISTRY.format(key="customer", name="customers"),
        "tables/shops.sql": _REGISTRY.format(key="shop", name="shops"),
        "tables/sales.sql": _SALES,
        "models/returns.py": _MODEL,
    }
    for name, columns in data.items():
        shown = dict(columns)
        if name == "orders":
            ordered = [BEGAN + timedelta(minutes=int(minute)) for minute in shown.pop("minute")]
            shown |= {"ordered_at": np.array(ordered), "told_at": np.array([at + timedelta(days=1) for at in ordered])}
        if name == "sales":
            shown["day"] = np.array([BEGAN + timedelta(days=int(day)) for day in shown["day"]])
        rows = zip(*shown.values(), strict=True)
        lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
        files[f"data/{name}.csv"] = "\n".join([",".join(shown), *lines]) + "\n"
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _hand_over(
    project: Path, trees: Path, kept: Path, data: Mapping[str, Mapping[str, np.ndarray]], rondo: Path
) -> None:
    """Trees and questions for the others, their features put together here, not by Rondo; scores by LightGBM itself."""
    import lightgbm

    from rondo.loop.workplace import open_workplace
    from rondo.records.development import Version

    work = open_workplace(project)
    version = work.store.ledger.latest(Version, name="returns").record
    files = {name: work.store.artifacts.get(digest) for name, digest in version.files.items()}
    encoder, sheet = (json.loads(files[name]) for name in ("encoder.json", "packed.json"))
    assert sheet["calibration"] is None, "the others would have to calibrate too"
    trees.write_bytes(files["model.txt"])
    booster = lightgbm.Booster(model_file=str(trees))
    assert booster.num_trees() == TREES, booster.num_trees()
    orders, last = data["orders"], {name: _last(columns, name) for name, columns in data.items() if name != "orders"}
    asked = np.random.default_rng(11).choice(ORDERS, ASKED, replace=False)
    fields = ("order_id", *(key for key, _, _ in TABLES.values()), *INPUTS)
    rows, matrix = [], np.full((ASKED, len(encoder["columns"])), np.nan)
    for place, number in enumerate(asked):
        rows.append({name: _plain(orders[name][number]) for name in fields})
        for column, coding in enumerate(encoder["columns"]):
            table, _, feature = coding["name"].rpartition(".")
            source, at = (last[table], orders[TABLES[table][0]][number]) if table else (orders, number)
            value = source[feature][at]
            if value is not None:
                vocabulary = coding.get("vocabulary")
                matrix[place, column] = vocabulary.index(value) if vocabulary else value
    scores = booster.predict(matrix, num_threads=1)
    questions = [
        Question(row, [None if np.isnan(value) else value for value in numbers.tolist()], float(score))
        for row, numbers, score in zip(rows, matrix, scores, strict=True)
    ]
    kept.write_bytes(msgspec.json.encode(questions))


def _last(columns: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The rows as known today: of a table with time, its last day."""
    count = TABLES[name][1]
    return {column: values[-count:] for column, values in columns.items()}


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
