"""`rondo run` with nothing to do, and `rondo --help`, against a Python that starts and ends."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from workload import built, flights, race, scratch


def main() -> None:
    """Build a flights project, or take the one named, and run it again and again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, help="a project that is up to date (default: one is made)")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with scratch() as folder:
        project = given.project
        if project is None:
            project = flights(folder)
            built(project)

        def call(*words: str) -> None:
            subprocess.run([sys.executable, *words], cwd=project, check=True, stdout=subprocess.DEVNULL)

        race(
            "noop_run",
            {
                "rondo run": lambda: call("-m", "rondo.cli", "run"),
                "rondo --help": lambda: call("-m", "rondo.cli", "--help"),
                "python": lambda: call("-c", "pass"),
            },
            rows=None,
            rounds=given.rounds,
        )


if __name__ == "__main__":
    main()
