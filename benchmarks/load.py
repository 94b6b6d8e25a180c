"""CSV files into a versioned, checked, profiled table of the lake, against a bare DuckDB `COPY` into Parquet."""

from __future__ import annotations

import argparse
import itertools

from workload import YEAR_ROWS, flights, race, scratch

from rondo.loop.running import run
from rondo.loop.workplace import open_workplace


def main() -> None:
    """Load several years of flights, each time into a state of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    import duckdb

    with scratch() as folder:
        project = flights(folder, given.years)
        number = itertools.count()

        def load() -> None:
            ran = run(open_workplace(project, state=f"load{next(number)}"), ["flights_raw"])
            assert ran.run.steps[0].rows == given.years * YEAR_ROWS, ran.run.steps

        def copy() -> None:
            rows = f"read_csv('{project}/data/flights*.csv', nullstr = 'NA')"
            duckdb.connect().execute(f"copy (select * from {rows}) to '{folder / 'flights.parquet'}' (format parquet)")

        race(
            "load", {"rondo": load, "bare DuckDB COPY": copy}, rows=given.years * YEAR_ROWS, rounds=given.rounds
        )  # fmt: skip


if __name__ == "__main__":
    main()
