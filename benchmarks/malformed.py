"""Malformed requests at a server: none may break it, end it, or stay in its memory.

Two fifths of the requests warm it up; from there on its memory must not grow by more than `GROWN_MB`, which bodies of
600 KB leave in the allocator's free lists. Were 1 KB of each of 60,000 requests kept, it would be 60.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from contenders.orders import prepare
from malforming import Client, Malformed, Sent
from workload import line, scratch

RONDO = Path(sys.executable).with_name("rondo")
GROWN_MB = 15.0


def main() -> None:
    """Send them all, then ask something right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with scratch() as folder:
        prepared = prepare(folder, RONDO)
        command = [RONDO, "serve", "--port", "0", "--project", prepared.project]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                assert server.stdout is not None
                host, _, port = json.loads(server.stdout.readline())["url"].removeprefix("http://").partition(":")
                malformed = Malformed("returns", prepared.questions[0].asked, given.seed)
                _send(malformed, (host, int(port)), server, given.requests)
            finally:
                server.terminate()


def _send(malformed: Malformed, address: tuple[str, int], server: subprocess.Popen[str], count: int) -> None:
    """Send `count` requests and tell what came back."""
    client, statuses, warm_mb = Client(address), Counter[int | None](), 0.0
    began = time.perf_counter()
    for number in range(count):
        sent = malformed.one()
        status = client.status(sent)
        statuses[status] += 1
        if status is not None and status >= 500:
            print(f"{status} for {sent.data[:2000]!r}", file=sys.stderr, flush=True)
        if number == count * 2 // 5:
            warm_mb = _resident_mb(server.pid)
    client.close()
    grown_mb = _resident_mb(server.pid) - warm_mb
    alive = Client(address).status(Sent(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", ends=True)) == 200
    broken = sum(times for status, times in statuses.items() if status is not None and status >= 500)
    line(
        benchmark="malformed", requests=count, seconds=time.perf_counter() - began, broken=broken, alive=alive,
        warm_mb=warm_mb, grown_mb=grown_mb, statuses={str(s): n for s, n in sorted(statuses.items(), key=str)},
    )  # fmt: skip
    if broken or not alive or grown_mb > GROWN_MB:
        sys.exit(1)


def _resident_mb(process: int) -> float:
    """Memory of its own: pages of files that it reads are the system's to take back."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
