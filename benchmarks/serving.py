"""One model behind nine servers: Rondo with everything on, other model servers, and floors on the same HTTP server.

LightGBM, 300 trees of 31 leaves, 30 features of which five are categories. Rondo is asked with an order's id, 3 look-up
keys and 10 inputs: it checks the request, looks 20 features up in three tables, predicts, logs and counts. The others
are handed all 30 numbers as the trees read them. All must give LightGBM's own scores before any load begins.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from contenders.orders import Prepared, prepare
from contenders.profiling import profile
from contenders.servers import SCRIPTS, Contender, contenders, install, running
from contenders.soaking import Window, ends, soak
from contenders.wrk import Load, awake, drive
from workload import line, scratch

CONNECTIONS = (1, 16)
MOST = max(CONNECTIONS)
PROFILED = 30


@dataclass(frozen=True)
class Round:
    """One contender in one round; loads by connections."""

    started_s: float
    memory_mb: float
    loads: Mapping[int, Load]


@dataclass(frozen=True)
class Aim:
    """What is to be reached at the most connections: so many times the other's requests a second, or its p99."""

    mine: str
    other: str
    what: str
    limit: float


AIMS = (
    Aim("rondo", "mlflow", "requests_s", 50),
    Aim("rondo", "bentoml", "requests_s", 20),
    Aim("rondo-trainer", "bare-trainer", "requests_s", 0.7),
    Aim("rondo-trainer", "bare-trainer", "p99_ms", 2),
    Aim("rondo", "bare-fastest", "requests_s", 0.7),
    Aim("rondo", "bare-fastest", "p99_ms", 2),
)
Rounds = Mapping[str, Sequence[Round]]


def main() -> None:
    """Race, soak or profile."""
    given = _arguments()
    if not shutil.which("wrk"):
        sys.exit("wrk is not there: apt-get install wrk")
    chosen = [each for each in contenders() if each.name in given.only]
    for environment in [each.environment for each in chosen] + ["py-spy" if given.profile else None]:
        if environment:
            install(environment)
    with scratch() as folder, nullcontext() if given.halting else awake():
        prepared = prepare(folder, SCRIPTS / "rondo")
        if given.soak:
            _soak(chosen, prepared, given.soak, as_json=given.json)
        elif given.profile:
            _profile(chosen, prepared, as_json=given.json)
        else:
            found = _race(chosen, prepared, given.rounds, given.seconds)
            (_lines if given.json else _table)(found, {each.name: each.title for each in chosen})


def _arguments() -> argparse.Namespace:
    names = [each.name for each in contenders()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each load")
    parser.add_argument("--quick", action="store_true", help="one round, loads of two seconds")
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", action="store_true", help="one line of JSON a result")
    parser.add_argument("--halting", action="store_true", help="let idle cores halt, as they do by themselves")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="Rondo at half its load: memory and p99 in time")
    parser.add_argument("--profile", action="store_true", help="where the time of a request to Rondo goes")
    given = parser.parse_args()
    given.only = given.only or (["rondo"] if given.soak or given.profile else names)
    if given.quick:
        given.rounds, given.seconds = 1, 2
    return given


def _race(chosen: Sequence[Contender], prepared: Prepared, rounds: int, seconds: int) -> Rounds:
    """Every contender once a round, each time as a fresh process; the first time all its scores are checked."""
    found: dict[str, list[Round]] = {each.name: [] for each in chosen}
    for turn in range(rounds):
        for each in chosen:
            print(f"round {turn + 1} of {rounds}: {each.title}", file=sys.stderr, flush=True)
            began = datetime.now(UTC)
            with running(each, prepared) as server:
                server.check(prepared.questions if turn == 0 else prepared.questions[:1])
                warming = drive(server, connections=MOST, seconds=1)
                loads = {number: drive(server, connections=number, seconds=seconds) for number in CONNECTIONS}
                found[each.name].append(Round(server.started_s, server.memory_mb(), loads))
            answered = warming.requests + sum(load.requests for load in loads.values())
            if turn == 0 and each.logged and (logged := each.logged(prepared, began)) < answered:
                sys.exit(f"{each.name} answered {answered} requests and logged {logged}")
    return found


def _median(rounds: Sequence[Round], what: str, connections: int | None = None) -> float:
    return statistics.median(float(getattr(each.loads[connections] if connections else each, what)) for each in rounds)


def _ratio(found: Rounds, mine: str, other: str, what: str, connections: int = MOST) -> float | None:
    """The median of the ratios within a round; None where one of the two did not run."""
    if mine not in found or other not in found:
        return None
    pairs = zip(found[mine], found[other], strict=True)
    return statistics.median(
        getattr(a.loads[connections], what) / getattr(b.loads[connections], what) for a, b in pairs
    )


def _aims(found: Rounds) -> list[tuple[Aim, float, bool]]:
    """The aims that can be told, the ratio, and whether it is reached."""
    told = []
    for aim in AIMS:
        ratio = _ratio(found, aim.mine, aim.other, aim.what)
        if ratio is not None:
            told.append((aim, ratio, ratio >= aim.limit if aim.what == "requests_s" else ratio <= aim.limit))
    return told


def _lines(found: Rounds, titles: Mapping[str, str]) -> None:
    for name, rounds in found.items():
        for connections in CONNECTIONS:
            rates = [each.loads[connections].requests_s for each in rounds]
            loads = {what: _median(rounds, what, connections) for what in ("requests_s", "p50_ms", "p99_ms", "cpu_us")}
            line(
                benchmark="serving", contender=name, title=titles[name], connections=connections, rounds=len(rounds),
                **loads, low=min(rates), high=max(rates), memory_mb=_median(rounds, "memory_mb"),
                started_s=_median(rounds, "started_s"),
                rondo_times=_ratio(found, "rondo", name, "requests_s", connections),
            )  # fmt: skip
    for aim, ratio, reached in _aims(found):
        line(benchmark="serving", aim=asdict(aim), ratio=ratio, reached=reached)


def _table(found: Rounds, titles: Mapping[str, str]) -> None:
    print(
        "| server | 1 connection: requests/s | p50 ms | p99 ms | 16 connections: requests/s | p50 ms | p99 ms | "
        "CPU µs a request | memory MB | start s | Rondo's requests/s against it |\n" + "|---" * 11 + "|"
    )
    for name, rounds in found.items():
        cells = [titles[name]]
        for connections in CONNECTIONS:
            cells.append(f"{_median(rounds, 'requests_s', connections):,.0f}")
            cells += [f"{_median(rounds, what, connections):.2f}" for what in ("p50_ms", "p99_ms")]
        cells += [f"{_median(rounds, 'cpu_us', MOST):.0f}", f"{_median(rounds, 'memory_mb'):.0f}"]
        times = _ratio(found, "rondo", name, "requests_s")
        cells += [f"{_median(rounds, 'started_s'):.2f}", "" if times is None else f"{times:.2f}"]
        print("| " + " | ".join(cells) + " |")
    for aim, ratio, reached in _aims(found):
        what = "requests a second" if aim.what == "requests_s" else "p99"
        verdict = "reached" if reached else "NOT reached"
        print(f"{aim.mine} against {aim.other}, {what}: {ratio:.2f} times (aim: {aim.limit:g}), {verdict}")


def _soak(chosen: Sequence[Contender], prepared: Prepared, minutes: float, *, as_json: bool) -> None:
    for each in chosen:
        with running(each, prepared) as server:
            server.check(prepared.questions)
            windows: list[Window] = []
            for window in soak(server, minutes):
                windows.append(window)
                if as_json:
                    line(benchmark="soak", contender=each.name, **asdict(window))
                else:
                    print(
                        f"{window.at_s:6.0f} s {window.requests:10,} requests {window.requests_s:8,.0f}/s "
                        f"p99 {window.p99_ms:6.2f} ms {window.memory_mb:7.1f} MB", flush=True,
                    )  # fmt: skip
        (p99_first, p99_last), (memory_first, memory_last) = ends(windows, "p99_ms"), ends(windows, "memory_mb")
        if as_json:
            line(
                benchmark="soak", contender=each.name, minutes=minutes, p99_first_ms=p99_first, p99_last_ms=p99_last,
                memory_first_mb=memory_first, memory_last_mb=memory_last,
            )  # fmt: skip
        else:
            print(
                f"{each.title}: p99 {p99_first:.2f} then {p99_last:.2f} ms, "
                f"memory {memory_first:.1f} then {memory_last:.1f} MB"
            )


def _profile(chosen: Sequence[Contender], prepared: Prepared, *, as_json: bool) -> None:
    for each in chosen:
        with running(each, prepared) as server:
            seen = profile(server, connections=MOST)
        for kind, figures in (("itself", seen.own_us), ("with what it calls", seen.whole_us)):
            if not as_json:
                print(f"\n{each.title}, {seen.load.cpu_us:.0f} µs of processor a request; {kind}:")
            for name, micros in figures[:PROFILED]:
                if as_json:
                    line(benchmark="profile", contender=each.name, kind=kind, function=name, micros=micros)
                else:
                    print(f"{micros:8.1f}  {name}")


if __name__ == "__main__":
    main()
