"""A monitor that dies at any write, or is killed at any moment, loses nothing and doubles nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rondo.deploy.answering import Answerer
from rondo.deploy.lookups import live_values
from rondo.deploy.predictions import record
from rondo.loop.monitoring import monitor
from rondo.loop.running import run
from rondo.loop.versions import packed_version
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.alerting import newest_alerts
from rondo.monitor.incidents import newest_incidents
from rondo.monitor.measurements import Remembered
from rondo.records.monitoring import Alert, Delivery, Incident, Measurement

NOW = datetime(2024, 3, 4, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, long_shop_files: Mapping[str, str]) -> Path:
    """A shop whose visits were answered, whose loads have stopped, and that was never looked at."""
    root = tmp_path_factory.mktemp("served")
    files = {name: text for name, text in long_shop_files.items() if not name.startswith("data/loads_2")}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    table = root / "tables" / "loads.sql"
    table.write_text(table.read_text().replace("/* ---\n", "/* ---\nfresh: 1d\n", 1))
    work = opened(root)
    run(work)
    query = "select visit, asked_at, shop, distance from visits where asked_at >= timestamp '2024-02-05' order by visit"
    answerer = Answerer(packed_version(work, "late", 1), live_values(work.store, "Europe/Berlin"), 1)
    answers = answerer.answer(work.catalog.query(query).rows.to_pylist(), now=work.now(), role="production")
    record(work.store.log, "late", answers, caller="test", latency_ms=1.0)
    return root


def opened(root: Path) -> Workplace:
    return open_workplace(root, clock=lambda: NOW, by="monitor")


def copy(root: Path, to: Path) -> Path:
    return Path(shutil.copytree(root, to))


def seen(root: Path) -> dict[str, Any]:
    """What a state remembers of monitoring, without what may be told twice."""
    ledger = opened(root).store.ledger
    return {
        "measurements": {key: told(value) for key, value in Remembered(ledger, "late").newest().items()},
        "alerts": [told(each) for each in newest_alerts(ledger)],
        "incidents": [(each.event, each.state, each.alerts, each.summary) for each in newest_incidents(ledger)],
        "due": [entry.record.id for entry in ledger.entries(Delivery) if entry.record.state == "due"],
        "changes": Counter((e.record.id, e.record.number) for e in ledger.entries(Alert)),
        "lines": len(ledger.entries(Incident)),
        "records": Counter(msgspec.json.encode(told(e.record)) for e in ledger.entries(Measurement)),
    }


def told(record: Any) -> Any:
    """A record without the lake's version, which counts commits."""
    return msgspec.structs.replace(record, outcomes=None) if isinstance(record, Measurement) else record


@pytest.fixture(scope="module")
def whole(served: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a monitor that nobody disturbs leaves."""
    root = copy(served, tmp_path_factory.mktemp("whole") / "p")
    work = opened(root)
    monitor(work, work.project.model("late"))
    found = seen(root)
    assert found["measurements"] and found["due"] and found["lines"]
    assert "stale data" in {alert.name for alert in found["alerts"]}
    return found


class Died(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
def test_it_dies_at_every_write_once(
    served: Path, whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    root, deaths = copy(served, tmp_path / "p"), 0
    while True:
        work = opened(root)
        with monkeypatch.context() as patched:
            writes = deadly(patched, work, deaths + 1, after=after)
            try:
                monitor(work, work.project.model("late"))
            except Died:
                deaths += 1
                continue
        assert writes[0] <= deaths
        break
    assert deaths >= 3
    assert seen(root) == whole


def deadly(patched: pytest.MonkeyPatch, work: Workplace, number: int, *, after: bool) -> list[int]:
    """Makes the `number`-th write from now on the last one of its process. What was done before is found done, so each
    life comes a write further than the one before.
    """
    count = [0]

    def dying(target: Any, name: str) -> None:
        write = getattr(target, name)

        def wrapped(*arguments: Any, **more: Any) -> Any:
            count[0] += 1
            if count[0] == number and not after:
                raise Died
            answer = write(*arguments, **more)
            if count[0] == number and after:
                raise Died
            return answer

        patched.setattr(target, name, wrapped)

    dying(work.store.ledger, "append")
    dying(work.store.lake, "write")
    return count


def test_it_is_killed_at_moments_nobody_chose(served: Path, tmp_path: Path) -> None:
    """A real process and a real kill: afterwards one more look, by the wall's clock, finds each thing once."""
    root = copy(served, tmp_path / "p")
    command = [sys.executable, "-m", "rondo.cli", "monitor", "late", "--project", str(root), "--json"]
    for wait_s in (0.9, 1.3, 1.7):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait_s)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = seen(root)
    assert found["measurements"] and [alert.state for alert in found["alerts"]] == ["open"] * len(found["alerts"])
    assert len({(alert.model, alert.name) for alert in found["alerts"]}) == len(found["alerts"]) >= 1
    assert set(found["changes"].values()) == {1}
    assert len(found["due"]) == len(set(found["due"]))
    assert {features: times for features, times in found["records"].items() if times > 1} == {}
