"""How load, build, check, join and train grow with the rows: seconds and peak memory, each in a process of its own."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from workload import YEAR_ROWS, built, flights, line, scratch

from rondo.data.freezing import freeze
from rondo.develop.training import train_version
from rondo.features.assembly import assemble
from rondo.features.signature import Signature
from rondo.graph.definitions import model_definition, tables_of
from rondo.loop.checking import check
from rondo.loop.planning import newest
from rondo.loop.tables import relation_for
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.tables import Dataset, TableVersion

STAGES = ("load", "build", "check", "join", "train")


def main() -> None:
    """Each scale in a project of its own, each stage in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, nargs="+", default=[1, 9, 30])
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--project", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        _stage(given.stage, given.project)
        return
    first: dict[str, float] = {}
    for years in given.years:
        with scratch() as folder:
            project = flights(folder, years)
            for stage in STAGES:
                told = subprocess.run(
                    [sys.executable, __file__, "--stage", stage, "--project", str(project)],
                    check=True, capture_output=True, text=True,
                )  # fmt: skip
                seconds, megabytes = map(float, told.stdout.split())
                per_row = seconds / years
                first.setdefault(stage, per_row)
                line(
                    benchmark="growth", contender=stage, rows=years * YEAR_ROWS, seconds=seconds, peak_mb=megabytes,
                    against=f"{given.years[0]} year", ratio=per_row / first[stage],
                )  # fmt: skip


def _stage(stage: str, project: Path) -> None:
    """One stage on what the ones before left; seconds and the peak of this process's memory on standard output."""
    work = open_workplace(project)
    began = time.perf_counter()
    if stage == "load":
        built(project, *work.project.sources)
    elif stage == "build":
        built(project, *work.project.tables)
    elif stage == "check":
        check(work, list(work.project.tables))
    elif stage == "join":
        _join(work)
    else:
        _train(work)
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(seconds, peak_mb)


def _tables(work: Workplace) -> dict[str, TableVersion]:
    found = {name: newest(work.store.ledger, name) for name in tables_of(work.project.models["late"])}
    return {name: table for name, table in found.items() if table}


def _signature(work: Workplace, tables: dict[str, TableVersion]) -> Signature:
    columns = {name: table.columns for name, table in tables.items()}
    definitions = {name: table.definition for name, table in tables.items()}
    return assemble(work.project.models["late"], work.project, columns, definitions)


def _join(work: Workplace) -> None:
    tables = _tables(work)
    model = work.project.models["late"]
    freeze(
        model, _signature(work, tables), project=work.project, store=work.store,
        relations={name: relation_for(work, table, None) for name, table in tables.items()}, inputs=[],
        definition=model_definition(model, work.project, work.nodes), build="benchmark", as_of=None, by="benchmark",
        now=work.now(), steady={name: table.steady for name, table in tables.items()},
    )  # fmt: skip


def _train(work: Workplace) -> None:
    tables = _tables(work)
    entry = work.store.ledger.latest(Dataset, name="late")
    assert entry is not None
    train_version(
        work.project.models["late"], entry.record, project=work.project, store=work.store,
        signature=_signature(work, tables), definition=entry.record.definition, build="benchmark", why="new",
        definitions={name: table.definition for name, table in tables.items()}, now=work.now(), by="benchmark",
    )  # fmt: skip


if __name__ == "__main__":
    main()
