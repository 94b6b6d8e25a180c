"""Projects served by the real command, and an interpreter that has the real clients."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RONDO = Path(sys.executable).with_name("rondo")
FILES = {
    "rondo.toml": '[project]\nname = "shop"\n',
    "sources.py": 'import rondo as rd\n\nvisits_raw = rd.Source(rd.files("data/visits.csv"), key="visit")\n',
    "tables/visits.sql": """/* ---
key: visit
label: buys
inputs: [city, seats, member, price]
--- */
select visit, city, seats, member, price, buys, tier, spend from visits_raw
""",
    "models/buys.py": """import rondo as rd

buys = rd.Model(examples="visits", task=rd.binary("buys"), train=rd.lightgbm(num_iterations=20, min_data_in_leaf=5))
""",
}
MORE = {
    f"tables/{name}s.sql": FILES["tables/visits.sql"].replace("label: buys", f"label: {name}")
    for name in ("tier", "spend")
} | {
    f"models/{name}.py": f"""import rondo as rd

{name} = rd.Model(
    examples="{name}s", task=rd.{task}("{name}"), train=rd.lightgbm(num_iterations=20, min_data_in_leaf=5)
)
"""
    for name, task in (("tier", "multiclass"), ("spend", "regression"))
}


def visits() -> str:
    """Visits as CSV."""
    dice = random.Random(3)
    lines = ["visit,city,seats,member,price,buys,tier,spend"]
    for number in range(600):
        city, seats, member = dice.choice(["Seoul", "Köln", "부산"]), dice.randrange(1, 7), dice.random() < 0.4
        price = round(dice.uniform(5, 100), 2)
        buys = dice.random() < 0.2 + 0.4 * member + 0.05 * seats
        tier = "gold" if price > 70 else "silver" if member else "none"
        shown = "" if dice.random() < 0.1 else price
        lines.append(f"{number},{city},{seats},{member},{shown},{buys},{tier},{round(price * seats, 2)}")
    return "\n".join(lines) + "\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def rondo(root: Path, *words: str) -> None:
    done = subprocess.run([RONDO, *words], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


@contextmanager
def serve(root: Path) -> Iterator[str]:
    """`rondo serve` on a free port: its URL."""
    process = subprocess.Popen([RONDO, "serve", "--port", "0"], cwd=root, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def one(clients: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one model, in production."""
    root = tmp_path_factory.mktemp("one") / "shop"
    write(root, {**FILES, "data/visits.csv": visits()})
    rondo(root, "run")
    return root


@pytest.fixture(scope="session")
def url_of_one(one: Path) -> Iterator[str]:
    """Its server."""
    with serve(one) as url:
        yield url


@pytest.fixture(scope="session")
def url_of_three(one: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server of a project with a binary, a multiclass and a regression model."""
    root = tmp_path_factory.mktemp("three") / "shop"
    shutil.copytree(one, root)
    write(root, MORE)
    rondo(root, "run")
    with serve(root) as url:
        yield url


@pytest.fixture(scope="session")
def clients() -> Path:
    """The interpreter of the environment that `make test` installs the clients in."""
    found = ROOT / ".venv-clients" / "bin" / "python"
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{found} is missing: the clients must be tested here.")
        pytest.skip("the clients are not installed; `make test` installs them in .venv-clients")
    return found
