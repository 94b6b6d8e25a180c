"""SIGKILL at random moments of `rondo serve` under load, and of what moves its log into the lake: what is lost?

Every acknowledged prediction must be in `predictions.MODEL` once, before and after the log was moved, and every segment
of the log be readable. Exits 1 where one is missing, doubled or unreadable.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from workload import built, line, scratch

from rondo.deploy.logged import decode
from rondo.deploy.predictions import stream_of
from rondo.loop.workplace import open_workplace

MODEL, CLIENTS = "churn", 4
FILES = {
    "rondo.toml": '[project]\nname = "kills"\n\n[serving]\ndurability = "{durability}"\n',
    "sources.py": 'import rondo as rd\n\ncustomers_raw = rd.Source(rd.files("data/customers.csv"), key="customer")\n',
    "tables/customers.sql": "/* ---\nkey: customer\nlabel: left\ninputs: [plan, months, usage]\n--- */\n"
    'select customer, plan, months, "usage", "left" from customers_raw\n',
    "models/churn.py": "import rondo as rd\n\n"
    'churn = rd.Model(examples="customers", task=rd.binary("left"), train=rd.lightgbm(num_iterations=20))\n',
}
Row = dict[str, object]


@dataclass
class Tally:
    """What was killed, what was acknowledged, and what became of it."""

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    missing: int = 0
    doubled: int = 0
    unreadable: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing was lost."""
        return not (self.missing or self.doubled or self.unreadable)


def main() -> None:
    """Many kills, and a line that says what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="so many of serving processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--durability", choices=("process", "disk"), default="process")
    given = parser.parse_args()
    with scratch() as folder:
        project = churn(folder / "kills", given.durability)
        began = time.monotonic()
        tally = campaign(project, MODEL, row, kills=given.kills, seed=given.seed)
        line(
            benchmark="kills", durability=given.durability, kills=sum(tally.kills.values()), of=dict(tally.kills),
            acknowledged=len(tally.acknowledged), missing=tally.missing, doubled=tally.doubled,
            unreadable=tally.unreadable, seconds=time.monotonic() - began,
        )  # fmt: skip
    sys.exit(0 if tally.clean else 1)


def churn(project: Path, durability: str) -> Path:
    """A project with a version in production."""
    dice = random.Random(0)
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text.replace("{durability}", durability), encoding="utf-8")
    lines = ["customer,plan,months,usage,left"]
    for number in range(2000):
        months = dice.randrange(48)
        left = dice.random() < 0.5 - months / 100
        lines.append(f"c{number},{dice.choice('ab')},{months},{dice.random():.3f},{str(left).lower()}")
    (project / "data").mkdir()
    (project / "data/customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    built(project)
    return project


def row(number: int) -> Row:
    """A row of a request."""
    return {"customer": f"c{number}", "plan": "ab"[number % 2], "months": number % 48, "usage": 0.5}


def campaign(project: Path, model: str, row: Callable[[int], Row], *, kills: int, seed: int, looks: int = 20) -> Tally:
    """Kills and begins again, by turns with one and two workers; every `looks` kills all is moved and looked at."""
    dice, tally, killed = random.Random(seed), Tally(), 0
    while killed < kills:
        workers = 1 + (killed // 2) % 2
        with _moving(project, model, dice, tally):
            killed += _killed_under_load(project, model, row, workers, dice, tally)
        tally.unreadable += _unreadable(project, model)
        if killed % looks < workers or killed >= kills:
            _compare(project, model, tally)
            _run(project, "monitor", model)
            _compare(project, model, tally)
    return tally


def _killed_under_load(
    project: Path, model: str, row: Callable[[int], Row], workers: int, dice: random.Random, tally: Tally
) -> int:
    """One server, asked by several clients without pause, killed: a worker of it first, then all. Gives the kills."""
    server = subprocess.Popen(
        [*_RONDO, "serve", "--port", "0", "--workers", str(workers), "--project", str(project)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert server.stdout is not None
    port = int(json.loads(server.stdout.readline())["url"].rpartition(":")[2])
    stopping, kills = threading.Event(), 0
    clients = [
        threading.Thread(target=_ask, args=(port, model, row, dice.randrange(1 << 30), stopping, tally.acknowledged))
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    if workers > 1:
        time.sleep(dice.uniform(0, 0.5))
        os.kill(dice.choice(_children(server.pid)), signal.SIGKILL)
        tally.kills["worker"] += 1
        kills += 1
    time.sleep(dice.uniform(0, 0.5))
    os.killpg(server.pid, signal.SIGKILL)
    tally.kills["server"] += 1
    stopping.set()
    server.communicate()
    for client in clients:
        client.join()
    return kills + 1


def _ask(
    port: int, model: str, row: Callable[[int], Row], seed: int, stopping: threading.Event, acknowledged: list[str]
) -> None:
    """Asks for one to five rows at a time; an id counts from when its answer is here, whole."""
    dice, connection = random.Random(seed), http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while not stopping.is_set():
        rows = [row(dice.randrange(10_000)) for _ in range(dice.choice((1, 1, 1, 5)))]
        try:
            connection.request(
                "POST", f"/v1/models/{model}/predict", json.dumps({"rows": rows}), {"content-type": "application/json"}
            )
            answer = json.loads(connection.getresponse().read())
            acknowledged += [each["id"] for each in answer["predictions"]]
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()  # it was killed; a worker that lives, or the next, takes the connection
            time.sleep(0.01)
    connection.close()


@contextmanager
def _moving(project: Path, model: str, dice: random.Random, tally: Tally) -> Iterator[None]:
    """By turns, and beside what runs inside: `rondo monitor`, which moves the log into the lake, killed."""
    if dice.random() < 0.5:
        yield
        return
    moving = subprocess.Popen(
        [*_RONDO, "monitor", model, "--project", str(project)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    killing = threading.Timer(dice.uniform(0.4, 2.5), _kill, (moving, "compaction", tally))
    killing.start()
    try:
        yield
    finally:
        moving.wait()
        killing.cancel()
        killing.join()


_RONDO = (sys.executable, "-m", "rondo.cli")


def _kill(process: subprocess.Popen[bytes], what: str, tally: Tally) -> None:
    if process.poll() is None:
        process.kill()
        tally.kills[what] += 1


def _children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _run(project: Path, *command: str) -> None:
    done = subprocess.run([*_RONDO, *command, "--project", str(project)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)


def _unreadable(project: Path, model: str) -> int:
    """How many payloads of the log cannot be read."""
    unreadable = 0
    for *_, payload in open_workplace(project).store.log.read(stream_of(model)):
        try:
            decode(payload)
        except ValueError:
            unreadable += 1
    return unreadable


def _compare(project: Path, model: str, tally: Tally) -> None:
    """Holds what was acknowledged against `predictions.MODEL`, as anybody reads it."""
    found = open_workplace(project).catalog.query(f"select id from predictions.{model}", limit=None).rows
    times = Counter(found.column("id").to_pylist())
    tally.missing += sum(times[each] == 0 for each in _once(tally.acknowledged))
    tally.doubled += sum(count > 1 for count in times.values())


def _once(ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(ids))


if __name__ == "__main__":
    main()
