"""Where the time of a request goes: py-spy's samples of a server under load, summed by function and by part."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from contenders.servers import ENVIRONMENTS, Running, cpu_ticks, family
from contenders.wrk import Load, drive

SAMPLES_S = 500
SECONDS = 10
FRAME_SHARE = 0.9
"""What more of the samples stand in is the way to the loop, not the request."""


@dataclass(frozen=True)
class Profile:
    """Microseconds of processor a request: in all, in each function itself, in each with all that it called."""

    load: Load
    own_us: tuple[tuple[str, float], ...]
    whole_us: tuple[tuple[str, float], ...]


def profile(server: Running, *, connections: int) -> Profile:
    """Samples of the process that answers, while wrk asks as fast as it gets answers."""
    busiest = _busiest(server, connections)
    folded = server.prepared.folder / "samples.txt"
    spy = subprocess.Popen(
        [
            ENVIRONMENTS / "py-spy/bin/py-spy", "record", "--pid", str(busiest), "--duration", str(SECONDS), "--rate",
            str(SAMPLES_S), "--format", "raw", "--nonblocking", "--output", folded,
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    load = drive(server, connections=connections, seconds=SECONDS + 1)
    _, said = spy.communicate(timeout=60)
    if spy.returncode or not folded.exists():
        raise SystemExit(f"py-spy could not look: {said.decode()}")
    own, whole = _summed(folded.read_text().splitlines())
    each_us = load.cpu_us / max(1, own.total())
    return Profile(load, _scaled(own, each_us), _scaled(whole, each_us))


def _busiest(server: Running, connections: int) -> int:
    """The process of the server's that a short load keeps busiest."""
    before = {each: cpu_ticks(each) for each in family(server.process.pid)}
    drive(server, connections=connections, seconds=2)
    return max(before, key=lambda each: cpu_ticks(each) - before[each])


def _summed(stacks: Sequence[str]) -> tuple[Counter[str], Counter[str]]:
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        names = [_short(frame) for frame in frames.split(";")]
        own[names[-1]] += int(count)
        for name in set(names):
            whole[name] += int(count)
    return own, Counter({name: count for name, count in whole.items() if count < FRAME_SHARE * own.total()})


def _short(frame: str) -> str:
    """`read (rondo/features/request.py:65)` without the line."""
    name, _, place = frame.partition(" (")
    return f"{name} ({place.rpartition(':')[0]})" if place else name


def _scaled(counted: Counter[str], each_us: float) -> tuple[tuple[str, float], ...]:
    return tuple((name, count * each_us) for name, count in counted.most_common())
