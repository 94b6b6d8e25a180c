"""All checks of a table, through Rondo and as one bare DuckDB query over the same files."""

from __future__ import annotations

import argparse

from workload import YEAR_ROWS, built, flights, race, scratch

from rondo.data.checking import Examined, run_checks
from rondo.data.session import session
from rondo.project.checks import parse_check
from rondo.records.tables import TableVersion
from rondo.sql.relations import rows_of

CHECKS = (
    "unique",
    {"not_null": ["carrier", "flight", "origin", "dest", "sched_dep", "known_at", "late"]},
    "origin in ('EWR', 'JFK', 'LGA')",
    "distance > 0",
    "known_at > sched_dep",
    "length(dest) = 3",
    {"row_count": {"min": 1}},
)
KEY = ("carrier", "flight", "origin", "sched_dep")


def main() -> None:
    """Check the table `flights`, several years of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with scratch() as folder:
        work = built(flights(folder, given.years), "flights")
        entry = work.store.ledger.latest(TableVersion, name="flights")
        assert entry is not None
        rows = f"(select * from {rows_of(entry.record, work.store.lake)})"
        checks = [parse_check(check) for check in CHECKS]
        nulls = " or ".join(f"{column} is null" for column in CHECKS[1]["not_null"])  # type: ignore[index]
        bare = f"""
            select count(*), count_if({nulls}), count_if(not (origin in ('EWR', 'JFK', 'LGA'))),
                   count_if(not (distance > 0)), count_if(not (known_at > sched_dep)), count_if(not (length(dest) = 3)),
                   (select coalesce(sum(n), 0) from
                      (select count(*) as n from {rows} group by {", ".join(KEY)} having count(*) > 1))
            from {rows}"""
        with session(work.project, work.store) as opened:
            found = run_checks(opened.con, Examined(rows, KEY), checks)
            assert all(check.state == "passed" and check.rows == given.years * YEAR_ROWS for check in found)
            race(
                "checks",
                {
                    "rondo": lambda: run_checks(opened.con, Examined(rows, KEY), checks),
                    "bare DuckDB": lambda: opened.con.execute(bare).fetchall(),
                },
                rows=given.years * YEAR_ROWS,
                rounds=given.rounds,
            )


if __name__ == "__main__":
    main()
