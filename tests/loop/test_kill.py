"""`rondo run` killed at many moments is completed by the next one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from rondo.loop.running import run
from rondo.loop.workplace import open_workplace
from rondo.records.development import Version
from rondo.records.tables import Dataset

KILLS = 8


def test_a_run_killed_at_many_moments_is_completed_by_the_next(shop: Path) -> None:
    rng = random.Random(7)
    killed = 0
    for attempt in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "rondo.cli", "run", "--json"], cwd=shop, stdout=subprocess.PIPE
        )
        try:
            process.wait(0.5 + rng.uniform(0, 0.5) * (attempt + 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
    assert killed > 0
    ran = run(open_workplace(shop))
    assert ran.run.state == "done"
    work = open_workplace(shop)
    assert {step.state for step in run(work).run.steps} == {"fresh"}
    dataset = work.store.ledger.latest(Dataset, name="late")
    assert dataset is not None
    asked = "select count(*) as n, count(distinct visit) as visits from dataset.late"
    [row] = work.catalog.query(asked).rows.to_pylist()
    assert row["n"] == row["visits"] == dataset.record.rows == 1500
    for name, rows in (("visits", 1500), ("loads", 4320), ("loads_raw", 4320), ("visits_raw", 1500)):
        assert work.catalog.query(f"select count(*) as n from {name}").rows.column("n")[0].as_py() == rows
    assert work.store.ledger.count(Version, "late") >= 1


def test_two_runs_at_once_end_alike(shop: Path) -> None:
    command = [sys.executable, "-m", "rondo.cli", "run", "--json"]
    both = [subprocess.Popen(command, cwd=shop, stdout=subprocess.PIPE) for _ in range(2)]
    time.sleep(0.1)
    assert [process.wait(180) for process in both] == [0, 0]
    for process in both:
        process.communicate()
    work = open_workplace(shop)
    assert work.store.ledger.count(Version, "late") == 1
    assert work.catalog.version_of("visits").version == 1
