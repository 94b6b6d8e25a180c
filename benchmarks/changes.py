"""Versions, canaries and shadows changed under load: no request may fail, and each answer is its version's own.

The changes go through the live ledger, by the functions behind `rondo promote` and `rondo rollback`. The server looks
for them every 20 ms here, in the place of 500; the next one is made when it has taken the last one up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from changing import Changes, Clients, offline_scores
from contenders.orders import prepare
from workload import line, scratch

from rondo.loop.running import run
from rondo.loop.workplace import open_workplace

MODEL = "returns"
RATES = ("0.03", "0.05", "0.08")
CONNECTIONS = 16
ANSWERS_BETWEEN = 64
SERVE = """
import json, sys
from pathlib import Path
from rondo.deploy import serving
from rondo.deploy.server import serve
from rondo.loop.workplace import open_workplace
serving.POLL_S = 0.02
root = Path(sys.argv[1])
work = open_workplace(root)
serve(work.project, lambda: open_workplace(root).store, ready=lambda url: print(json.dumps({"url": url}), flush=True))
"""


def main() -> None:
    """Train some versions, then change what is at work while clients ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with scratch() as folder:
        prepared = prepare(folder, Path(sys.executable).with_name("rondo"))
        _train_more(prepared.project)
        work = open_workplace(prepared.project)
        versions = range(1, len(RATES) + 2)
        rows = [question.asked for question in prepared.questions]
        expected = offline_scores(work.project, work.store, MODEL, versions, rows, work.store.clock())
        command = [sys.executable, "-c", SERVE, prepared.project]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                assert server.stdout is not None
                url = json.loads(server.stdout.readline())["url"]
                clients = Clients(url, MODEL, rows, expected, CONNECTIONS)
                changes = Changes(work.project, work.store, MODEL, versions, given.seed)
                _change(url, clients, changes, given.changes)
            finally:
                server.terminate()


def _train_more(project: Path) -> None:
    """One more version for each learning rate."""
    file = project / "models/returns.py"
    declared = file.read_text()
    for rate in RATES:
        file.write_text(declared.replace("learning_rate=0.02", f"learning_rate={rate}"))
        run(open_workplace(project))


def _await(url: str, wanted: dict[str, int]) -> None:
    """Returns when the server says that these versions are at work."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with urlopen(f"{url}/v1/models/{MODEL}") as answer:
            said = {each["role"]: int(each["version"].rpartition("@")[2]) for each in json.load(answer)["roles"]}
        if said == wanted:
            return
        time.sleep(0.002)
    raise TimeoutError(f"{wanted} was not taken up: {said}")


def _change(url: str, clients: Clients, changes: Changes, count: int) -> None:
    """Make the changes and tell what the clients saw."""
    clients.start()
    began = time.perf_counter()
    for _ in range(count):
        clients.wait_for(ANSWERS_BETWEEN)
        if clients.failed:
            break
        changes.make()
        _await(url, changes.at_work())
    clients.wait_for(ANSWERS_BETWEEN)
    clients.stop()
    line(
        benchmark="changes", changes=sum(changes.made.values()), made=dict(changes.made), refused=changes.refused,
        connections=CONNECTIONS, answers=clients.answered, by_version=dict(clients.by_version),
        failed=len(clients.failed), wrong=len(clients.wrong), seconds=time.perf_counter() - began,
    )  # fmt: skip
    for trouble in [*clients.failed[:5], *clients.wrong[:5]]:
        print(trouble, file=sys.stderr)
    if clients.failed or clients.wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
