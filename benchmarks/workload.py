"""What the benchmarks share: a flights project of any size, and contenders timed in turns.

The year is repeated, one year later each time, and its delays jittered, so that keys stay unique, as-of joins stay as
they are, and no two copies are equal. Weather is shifted along.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.project.starting import start

YEAR_ROWS = 336_776


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards; RONDO_BENCHMARKS names another place than the system's."""
    with TemporaryDirectory(prefix="rondo-bench-", dir=os.environ.get("RONDO_BENCHMARKS")) as folder:
        yield Path(folder)


def flights(folder: Path, copies: int = 1) -> Path:
    """A flights project with `copies` years of departures; its trainer does not search."""
    project = folder / "flights"
    start(project, "flights", "flights")
    if copies > 1:
        _repeat(project / "data", copies)
    return project


def _repeat(data: Path, copies: int) -> None:
    import duckdb

    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    flown, blown = (f"read_csv('{data / name}', nullstr = 'NA')" for name in ("flights.csv", "weather.csv"))
    for n in range(copies):
        delay = f"dep_delay + (hash(flight, day, {n}) % 5)::bigint - 2"
        rows = f"select * replace (year + {n} as year, {delay} as dep_delay) from {flown}"
        con.execute(f"copy ({rows}) to '{data / f'flights_{n:02}.csv'}' (header, nullstr 'NA')")
    later = (
        f"select * replace (year + {n} as year, time_hour + interval {n} year as time_hour) from {blown}"
        for n in range(copies)
    )
    con.execute(f"create table blown as {' union all '.join(later)}")
    con.execute(f"copy blown to '{data / 'weather.csv'}' (header, nullstr 'NA')")
    (data / "flights.csv").unlink()


def built(project: Path, *names: str) -> Workplace:
    """The project with these names brought up to date; all of it without any."""
    work = open_workplace(project)
    ran = run(work, names)
    if ran.run.state != "done":
        sys.exit("\n".join(f"{step.name}: {step.state}: {step.reason}" for step in ran.run.steps))
    return work


def race(benchmark: str, contenders: Mapping[str, Callable[[], object]], *, rows: int | None, rounds: int) -> None:
    """Time the contenders in turns and print a line each; the last is what the others are held against.

    The first round warms caches and is not counted. `seconds` is the median, `low` and `high` the extremes, `ratio`
    the median of the ratios within a round.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            began = time.perf_counter()
            contender()
            if turn:
                taken[name].append(time.perf_counter() - began)
    yardstick = list(contenders)[-1]
    for name, seconds in taken.items():
        ratios = [mine / other for mine, other in zip(seconds, taken[yardstick], strict=True)]
        line(
            benchmark=benchmark, contender=name, rows=rows, rounds=rounds, seconds=statistics.median(seconds),
            low=min(seconds), high=max(seconds), against=yardstick, ratio=statistics.median(ratios),
        )  # fmt: skip


def line(**values: object) -> None:
    """One JSON line on standard output."""
    told = {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in values.items()}
    print(json.dumps(told), flush=True)
