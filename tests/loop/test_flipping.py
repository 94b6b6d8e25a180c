from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from rondo.deploy.answering import Answerer
from rondo.deploy.lookups import live_values
from rondo.deploy.predictions import record
from rondo.errors import NotFound
from rondo.loop.flipping import flip, lines_on
from rondo.loop.judging import hold
from rondo.loop.running import run
from rondo.loop.versions import packed_version
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.deployment import Flips
from rondo.records.development import Gate, Version

LINE = "flip_rate <= 0.5 against production"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, long_shop_files: Mapping[str, str]) -> Path:
    """The shop with a PRD on flips, late@1 in production, 300 answers of eleven days."""
    root = tmp_path_factory.mktemp("asked") / "shop"
    for name, text in long_shop_files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.replace("latency_p99_ms <= 2000\n", f"latency_p99_ms <= 2000\n  - {LINE}\n"))
    run(open_workplace(root))
    work = open_workplace(root)
    query = "select visit, asked_at, shop, distance from visits where asked_at >= timestamp '2024-02-22' order by visit"
    answerer = Answerer(packed_version(work, "late", 1), live_values(work.store, "Europe/Berlin"), 1)
    rows = work.catalog.query(query).rows.to_pylist()[:300]
    record(work.store.log, "late", answerer.answer(rows, now=work.now(), role="production"), caller="t", latency_ms=1.0)
    return root


@pytest.fixture
def served(asked: Path, tmp_path: Path) -> Workplace:
    """A copy of it."""
    shutil.copytree(asked, tmp_path / "shop")
    return open_workplace(tmp_path / "shop")


def other(work: Workplace, old: str, new: str) -> Workplace:
    """The model declared otherwise, trained anew."""
    path = work.project.root / "models/late.py"
    path.write_text(path.read_text().replace(old, new))
    run(open_workplace(work.project.root))
    return open_workplace(work.project.root)


def gate_line(work: Workplace, version: int):
    gate = work.store.ledger.latest(Gate, name="late", version=version).record
    return next(line for line in gate.requirements if line.text == LINE)


def test_a_candidate_is_held_against_what_production_answered(served: Workplace) -> None:
    assert gate_line(served, 1).state == "not_applicable"  # nothing was in production
    work = other(served, "num_iterations=20", "num_iterations=8")
    [found] = [entry.record for entry in work.store.ledger.entries(Flips, name="late", version=2)]
    line = gate_line(work, 2)
    assert (found.production, found.against, found.rows, found.looked_up) == (1, {"1": 300}, 300, [])
    assert (line.state, line.value, line.n) == ("passed", found.metrics["flip_rate"].value, 300)
    assert 0 < line.value < line.high <= 0.5 and {part.by for part in found.slices} == {"shop"}
    assert found.latency_p99_ms > 0 and found.requests == 500
    prd, version = work.project.prds["late"], work.store.ledger.latest(Version, name="late", version=2).record
    assert hold(work, work.project.model("late"), version, prd)[1] is False  # the same evidence
    again = flip(work, "late", 2, last=50, slices=["shop"])
    assert (again.rows, work.store.ledger.count(Flips, "late")) == (50, 2)
    assert hold(work, work.project.model("late"), version, prd)[1] is False  # fewer requests decide nothing
    assert [line.text for line in lines_on(work, again)] == [LINE]


def test_a_table_that_was_defined_otherwise_is_looked_up_again(served: Workplace) -> None:
    table = served.project.root / "tables/loads.sql"
    table.write_text(table.read_text().replace("load from", "1 - load as load from"))
    work = other(served, "num_iterations=20", "num_iterations=20")
    found = work.store.ledger.latest(Flips, name="late", version=2).record
    assert found.looked_up == ["loads"] and found.metrics["flip_rate"].value < 0.2
    assert flip(work, "late", 1, slices=[]).looked_up == []


def test_nothing_logged_is_said_and_does_not_apply(served: Workplace) -> None:
    shutil.rmtree(served.project.root / ".rondo/predictions")
    work = open_workplace(served.project.root)
    with pytest.raises(NotFound, match="has not answered a request of late that late@1"):
        flip(work, "late", 1, slices=[])
    assert work.store.ledger.count(Flips, "late") == 0
