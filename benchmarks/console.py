"""Every page of the console on a ledger of 100,000 records and 1,000 versions: milliseconds over HTTP, page and JSON.

The records are those of a real run of `flights`, repeated under new versions, and measurements of as many weeks as it
takes. Exits 1 where a page's median takes more than 100 ms. The process is warm: what Python imports is imported, and
each page has been drawn once; nothing is cached by the browser, each request is a connection of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from workload import flights, line, scratch

from rondo.console.addresses import ADDRESSES
from rondo.deploy.recent import newest_answers
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.alerting import newest_alerts
from rondo.monitor.incidents import newest_incidents
from rondo.records.deployment import Deployment, Rehearsal
from rondo.records.development import Candidate, Evaluation, Explanation, Fitness, Gate, Version
from rondo.records.monitoring import Alert, Delivery, Incident, Measurement
from rondo.records.running import Run
from rondo.records.tables import CheckResult, Dataset, Profile, TableVersion
from rondo.records.team import Decision
from rondo.store.ledger import Record

LIMIT_MS = 100.0
MODEL = "late"
AT_ONCE = 1000
R = TypeVar("R", bound=Record)
METRICS = (
    "population_stability_index", "null_shift", "jensen_shannon", "null_share", "wasserstein", "out_of_range_share",
    "skew_share", "unseen_share", "roc_auc", "positive_share", "calibration_residual", "staleness_h",
)  # fmt: skip
QUERIES = {"/compare": f"a={MODEL}@1000&b={MODEL}@1", "/search": f"q={MODEL}"}


def main() -> None:
    """Make or copy a project, fill its ledger, ask every address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--like", type=Path, help="copy this project instead of making one")
    parser.add_argument("--state", default="live")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="10,000 records, 100 versions, 3 rounds")
    given = parser.parse_args()
    versions, records, rounds = (100, 10_000, 3) if given.quick else (1_000, 100_000, given.rounds)
    with scratch() as folder:
        project = copied(given.like, folder) if given.like else made(folder)
        work = open_workplace(project, state=given.state)
        grow(work, versions, records)
        slow = dict.fromkeys(path for path, ms in measured(work, given.state, rounds) if ms > LIMIT_MS)
    if slow:
        sys.exit(f"Over {LIMIT_MS:.0f} ms: {', '.join(slow)}")


def copied(project: Path, folder: Path) -> Path:
    """A copy of a project, so that its ledger stays as it is."""
    return Path(shutil.copytree(project, folder / project.name, symlinks=True))


def made(folder: Path) -> Path:
    """A project that has run, answered and measured."""
    project = flights(folder)
    command = [sys.executable, "-m", "rondo.cli", "up", "--once", "--json", "--send", "200", "--port", "0"]
    subprocess.run([*command, "--project", str(project)], check=True, stdout=subprocess.DEVNULL)
    return project


def grow(work: Workplace, versions: int, records: int) -> None:
    """Repeat what there is until there are so many versions of the model and so many records."""
    ledger, at = work.store.ledger, work.now()
    fresh: list[Record] = []
    first = ledger.next_version(Version, MODEL)
    tables = [newest(work, TableVersion, name) for name in work.project.names]
    for number in range(first, versions + 1):
        fresh += cycle_of(work, number, tables, at)
    there, weeks = counted(work), 0
    while len(fresh) + there < records:
        weeks += 1
        fresh += week(at - timedelta(days=7 * weeks), weeks)
    for start in range(0, len(fresh), AT_ONCE):
        ledger.append(*fresh[start : start + AT_ONCE], by="benchmark", at=at)


def counted(work: Workplace) -> int:
    """How many records the ledger has."""
    newest = work.store.ledger.history(1)
    return newest[0].seq if newest else 0


def newest(work: Workplace, kind: type[R], name: str | None) -> R | None:
    """The newest record of a kind about a name (None: any)."""
    entry = work.store.ledger.latest(kind, name=name)
    return entry.record if entry else None


def cycle_of(work: Workplace, number: int, tables: list[TableVersion | None], at: datetime) -> Iterator[Record]:
    """What one more turn of the loop leaves: tables, their checks and profiles, a version and its judgements."""
    replaced: Any = msgspec.structs.replace  # of records of every kind
    for table in filter(None, tables):
        later = replaced(table, version=table.version + number)
        yield later
        for kind in (CheckResult, Profile):
            found = newest(work, kind, table.name)
            if found is not None:
                yield replaced(found, version=later.version)
    dataset, version = newest(work, Dataset, MODEL), newest(work, Version, MODEL)
    if dataset is None or version is None:
        sys.exit("The project has no version of its model to begin with.")
    yield replaced(dataset, version=dataset.version + number)
    yield replaced(version, version=number, dataset=dataset.version + number)
    for judgement in (Evaluation, Gate, Rehearsal, Explanation):
        judged = newest(work, judgement, MODEL)
        if judged is not None:
            yield replaced(judged, version=number)
    for trial in (Fitness, Candidate):
        tried = newest(work, trial, MODEL)
        if tried is not None:
            yield from [replaced(tried, dataset=dataset.version + number)] * (3 if trial is Candidate else 1)
    ran = newest(work, Run, None)
    yield from [ran] if ran else []
    yield Deployment(name=MODEL, version=number, role="production", share=1.0, replaced=number - 1, because="due")
    yield Decision(name=MODEL, what=f"{MODEL}@{number} put to work as production", who="benchmark", why="due")
    yield from trouble(number, at)


def trouble(number: int, at: datetime) -> Iterator[Record]:
    """An alert from its beginning to its end, what was sent of it, and every tenth time an incident."""
    alert = Alert(
        name="late roc_auc", id=f"{number:012x}", model=MODEL, number=1, event="opened", state="open", since=at,
        changed=at, severity="critical" if number % 10 == 0 else "warning", summary="roc_auc 0.61 is under 0.62",
        about=["roc_auc"],
    )  # fmt: skip
    events = [alert]
    for event, state in (("acknowledged", "acknowledged"), ("resolved", "resolved")):
        events.append(msgspec.structs.replace(events[-1], number=len(events) + 1, event=event, state=state))
    yield from events
    for each in events:
        yield Delivery(name="console", id=f"{each.id}-{each.number}-console", alert=each.id, number=each.number,
                       state="delivered", due=at)  # fmt: skip
    if number % 10 == 0:
        opened = Incident(
            name=MODEL, id=f"{number:08x}", event="opened", state="open", alerts=[alert.id], summary=alert.summary
        )
        yield opened
        yield msgspec.structs.replace(opened, event="closed", state="closed", who="benchmark", learned="It was rain.")


def week(end: datetime, seed: int) -> Iterator[Record]:
    """The measurements of a week: every metric of every feature by day and by week."""
    features = [None, *(f"weather.{name}" for name in ("temp", "dewp", "humid", "wind_dir", "visib", "precip"))]
    for metric in METRICS:
        for feature in features:
            for days in (1, 1, 1, 7):
                value = ((seed + len(metric)) % 97) / 97
                yield Measurement(
                    name=MODEL, metric=metric, feature=feature, start=end - timedelta(days=days), end=end, rows=900,
                    matured=900, value=value, low=value - 0.05, high=value + 0.05, limit=0.62, state="within",
                    model_version=1, n=900, higher_is_better=metric == "roc_auc", basis="declared",
                )  # fmt: skip


def filled(work: Workplace, path: str) -> str | None:
    """An address with names of this project in it; None where there is nothing to name."""
    ledger = work.store.ledger
    alerts, incidents, given = newest_alerts(ledger), newest_incidents(ledger), newest_answers(work.store, MODEL, 1)
    named = {
        "/tables": "departures", "/models": MODEL, "/live": MODEL, "/use": MODEL, "/reports": "weekly", "/docs": "prd",
        "/incidents": incidents[-1].id if incidents else None, "/alerts": alerts[-1].id if alerts else None,
        "/predictions": given[0].id if given else None,
    }  # fmt: skip
    if "{" in path:
        first = MODEL if path.startswith("/cards/model") else named.get("/" + path.split("/")[1])
        if first is None:
            return None
        path = re.sub(r"\{version[^}]*\}", str(ledger.next_version(Version, MODEL) - 1), path)
        path = re.sub(r"\{[^}]*\}", str(first), path)
    return f"{path}?{QUERIES[path]}" if path in QUERIES else path


def measured(work: Workplace, state: str, rounds: int) -> Iterator[tuple[str, float]]:
    """Each address with the median of its slower form, a line printed for each."""
    print(f"{counted(work):,} records, {work.store.ledger.count(Version, MODEL):,} versions", file=sys.stderr)
    named = {address.path: filled(work, address.path) for address in ADDRESSES}
    with served(work.project.root, state) as (host, port, process):
        drawn = {path: timed(host, port, path, 1)[0][0] for path in named.values() if path is not None}
        for address, path in named.items():
            if path is None:
                line(benchmark="console", contender=address, skipped="nothing to name")
                continue
            for form in ("html", "json"):
                asked = path if form == "html" else f"{path}{'&' if '?' in path else '?'}format=json"
                before = processor_ms(process)
                taken, status = timed(host, port, asked, rounds)
                used = (processor_ms(process) - before) / rounds
                line(
                    benchmark="console", contender=path, form=form, status=status, first_ms=drawn[path],
                    ms=statistics.median(taken), p95_ms=sorted(taken)[int(0.95 * (rounds - 1))], processor_ms=used,
                )  # fmt: skip
                yield path, statistics.median(taken)


def processor_ms(process: int) -> float:
    """The processor time that a process has had, its children's left out: what it costs on a machine without others."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(host: str, port: int, path: str, rounds: int) -> tuple[list[float], int]:
    """Milliseconds from a new connection to the last byte, and the last status."""
    taken: list[float] = []
    status = 0
    for _ in range(rounds):
        began = time.perf_counter()
        connection = HTTPConnection(host, port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        status = answer.status
        taken.append(1e3 * (time.perf_counter() - began))
    return taken, status


@contextmanager
def served(project: Path, state: str) -> Iterator[tuple[str, int, int]]:
    """A console of the project in a process of its own."""
    command = [sys.executable, "-m", "rondo.cli", "console", "--port", "0", "--state", state]
    process = subprocess.Popen([*command, "--project", str(project)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url: Any = json.loads(process.stdout.readline())["url"]
        host, _, port = str(url).removeprefix("http://").rpartition(":")
        yield host, int(port), process.pid
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main()
