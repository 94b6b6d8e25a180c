"""The as-of join of all examples with their features: the whole of Rondo's freezing, its query alone, and a bare
DuckDB `ASOF JOIN` written by hand. All read the same files and write (or take in) every row."""

from __future__ import annotations

import argparse

from workload import YEAR_ROWS, built, flights, race, scratch

from rondo.data.freezing import freeze
from rondo.data.session import session
from rondo.features.as_of import as_of_query
from rondo.features.assembly import assemble
from rondo.graph.definitions import tables_of
from rondo.loop.planning import newest
from rondo.loop.tables import relation_for

WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")


def main() -> None:
    """Join several years of departures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with scratch() as folder:
        project = flights(folder, given.years)
        names = [*tables_of(built(project, "flights").project.models["late"])]
        work = built(project, *names)
        model = work.project.models["late"]
        tables = {name: newest(work.store.ledger, name) for name in names}
        relations = {name: relation_for(work, table, None) for name, table in tables.items() if table}
        signature = assemble(
            model,
            work.project,
            {name: table.columns for name, table in tables.items() if table},
            {name: table.definition for name, table in tables.items() if table},
        )
        steady = {name: table.steady for name, table in tables.items() if table}
        carry = ["carrier", "flight", "origin", "sched_dep", "dest", "tailnum", "asked_at", "late"]
        query = as_of_query(
            signature, relations["departures"], relations, carry=carry, steady={name for name in steady if steady[name]}
        )

        def whole() -> None:
            freeze(
                model, signature, project=work.project, store=work.store, relations=relations, inputs=[],
                definition="benchmark", build="benchmark", as_of=None, by="benchmark", now=work.now(), steady=steady,
            )  # fmt: skip

        with session(work.project, work.store) as opened:

            def write(select: str) -> None:
                opened.con.execute(f"copy ({select}) to '{opened.folder / 'joined.parquet'}' (format parquet)")

            bare = by_hand(relations)
            counted = (
                'select count(*), sum(hash("weather.temp", "planes.seats", "origin_delays_3h.late_rate")) from ({})'
            )
            mine, theirs = (opened.con.execute(counted.format(text)).fetchall() for text in (query, bare))
            assert mine == theirs, (mine, theirs)
            race(
                "asof",
                {
                    "rondo, dataset frozen": whole,
                    "rondo, the join": lambda: write(query),
                    "bare DuckDB ASOF JOIN": lambda: write(bare),
                },
                rows=given.years * YEAR_ROWS,
                rounds=given.rounds,
            )


def by_hand(relations: dict[str, str]) -> str:
    """The same join as one would write it for this model alone."""
    weather = ", ".join(
        f'case when w.observed_at >= asked_at - interval 6 hour then w.{name} end as "weather.{name}"'
        for name in WEATHER
    )
    return f"""
        select d.carrier, d.flight, d.origin, d.sched_dep, d.dest, d.tailnum, d.asked_at, d.late,
               hour(sched_dep) as hour, minute(sched_dep) as minute, dayofweek(sched_dep) as dow,
               case when o.hour >= asked_at - interval 6 hour then o.late_rate end as "origin_delays_3h.late_rate",
               case when o.hour >= asked_at - interval 6 hour then o.departures end as "origin_delays_3h.departures",
               case when c.hour >= asked_at - interval 168 hour then c.late_rate end as "carrier_delays_7d.late_rate",
               {weather}, p.seats as "planes.seats"
        from {relations["departures"]} as d
        asof left join {relations["origin_delays_3h"]} as o on d.origin = o.origin and d.asked_at >= o.known_at
        asof left join {relations["carrier_delays_7d"]} as c on d.carrier = c.carrier and d.asked_at >= c.known_at
        asof left join {relations["weather"]} as w on d.origin = w.origin and d.asked_at >= w.observed_at
        left join {relations["planes"]} as p on d.tailnum = p.tailnum"""


if __name__ == "__main__":
    main()
