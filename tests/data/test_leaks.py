from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rondo.data.leaks import DRAWS, LeakCheck, check_leaks
from rondo.project.reading import read_project
from rondo.sql.engine import literal
from rondo.store.opening import open_store

START = datetime(2013, 3, 9, tzinfo=UTC)  # New York puts its clocks forward on the tenth
FLIGHTS = f"""(select * from (select ['JFK', 'EWR'][1 + n % 2] as origin, n as flight,
    {literal(START)} + to_minutes(n * 7) as sched, n % 3 = 0 as late, (n % 11) * 0.1::double as delay
    from range(400) as r(n)))"""
FLIGHTS_KNOWN = "sched + interval 15 minute"
HOURLY = """/* ---
key: origin
time: hour
known: known_at
--- */
with hourly as (
  select origin, date_trunc('hour', sched) as hour, count(*) as n, sum(late::int) as late, avg(delay) as delay
  from flights group by all
)
select origin, hour, hour + interval LAG minute as known_at, sum(late) over w / sum(n) over w as late_rate, delay
from hourly window w as (partition by origin order by hour range between interval 2 hour preceding and current row)
"""
EXAMPLES = """/* ---
key: flight
time: asked
label: late
label_known: known
inputs: [origin]
--- */
select flight, sched - interval 2 hour as asked, origin, late, sched + interval LAG minute as known from flights
"""
MODEL = """import rondo as rd
m = rd.Model(examples="departures", task=rd.binary("late"), features=["hourly.late_rate"])
"""
Cut = Callable[[datetime | None], Mapping[str, str]]


def cut(relation: str = FLIGHTS, known: str = FLIGHTS_KNOWN) -> Cut:
    def relations(moment: datetime | None) -> dict[str, str]:
        where = f" where {known} <= {literal(moment)}" if moment else ""
        return {"flights_raw": f"(select * from {relation}{where})"}

    return relations


def check(
    root: Path, tables: dict[str, str], relations: Cut | None = None, model: str = "", **options
) -> dict[str, LeakCheck]:
    (root / "tables").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "rondo.toml").write_text('[project]\nname = "trial"\ntimezone = "America/New_York"\n')
    (root / "sources.py").write_text('import rondo as rd\nflights_raw = rd.Source(rd.files("f.csv"), known="always")\n')
    (root / "models" / "m.py").write_text(model)
    for name, sql in ({"flights": "select * from flights_raw"} | tables).items():
        (root / "tables" / f"{name}.sql").write_text(sql)
    checks = check_leaks(read_project(root), open_store(root), relations or cut(), **options)
    return {found.table: found for found in checks}


def test_tables_that_keep_to_their_known_times_pass(tmp_path):
    tables = {"hourly": HOURLY.replace("LAG", "75"), "departures": EXAMPLES.replace("LAG", "15")}
    found = check(tmp_path, tables, model=MODEL)
    assert list(found) == ["departures", "hourly"]
    assert all(each.passed and each.moments == DRAWS and each.rows > 100 for each in found.values())


@pytest.mark.parametrize("seed", range(4))
def test_a_known_time_ten_minutes_too_early_is_caught(tmp_path, seed):
    found = check(tmp_path, {"hourly": HOURLY.replace("LAG", "65")}, seed=seed)["hourly"]
    assert not found.passed
    leak = found.leaks[0]
    assert set(leak.columns) <= {"late_rate", "delay"}
    assert leak.then is not None and leak.now is not None
    assert list(leak.key) == ["origin", "hour"]
    assert any(leak.what.startswith(f"the row origin {origin}, hour 2013-03-") for origin in ("JFK", "EWR"))
    assert "from what was known then" in leak.what


def test_a_label_known_too_early_is_caught(tmp_path):
    found = check(
        tmp_path, {"departures": EXAMPLES.replace("LAG", "10")}, model=MODEL.replace('"hourly.late_rate"', "")
    )
    leak = found["departures"].leaks[0]
    assert (leak.then, leak.columns) == (None, ())
    assert "but what was known then does not give it" in leak.what


def test_an_input_that_changes_after_its_time_is_caught(tmp_path):
    """The origin is corrected ten hours later: a request brought the wrong one."""
    asked = EXAMPLES.replace("sched - interval 2 hour", "sched").replace("interval LAG minute", "interval 20 hour")

    def relations(moment: datetime | None) -> dict[str, str]:
        corrected = f"sched + interval 10 hour <= {literal(moment)}" if moment else "true"
        origin = f"case when {corrected} or flight % 2 = 0 then origin else 'XXX' end as origin"
        where = f" where sched <= {literal(moment)}" if moment else ""
        return {"flights_raw": f"(select * replace ({origin}) from {FLIGHTS}{where})"}

    found = check(tmp_path, {"departures": asked}, relations, MODEL.replace('"hourly.late_rate"', ""))["departures"]
    assert {leak.columns for leak in found.leaks} == {("origin",)}
    assert found.leaks[0].then["origin"] == "XXX"


def test_a_row_that_is_not_there_any_more_is_caught(tmp_path):
    """A revision that takes the place of what was known."""
    table = "/* ---\nkey: flight\ntime: sched\nknown: known_at\n--- */\nselect flight, sched, known_at from flights_raw"

    def relations(moment: datetime | None) -> dict[str, str]:
        first, revised = "sched + interval 1 hour", "sched + interval 100 hour"
        if moment is None:
            return {"flights_raw": f"(select *, {revised} as known_at from {FLIGHTS})"}
        known = f"case when {revised} <= {literal(moment)} then {revised} else {first} end"
        return {"flights_raw": f"(select *, {known} as known_at from {FLIGHTS} where {first} <= {literal(moment)})"}

    found = check(tmp_path, {"status": table, "flights": "select 1 as one"}, relations)["status"]
    assert any(leak.now is None and "that is not there now" in leak.what for leak in found.leaks)


@pytest.mark.parametrize(("noise", "passed"), [(1e-13, True), (1e-6, False)])
def test_the_order_of_a_sum_is_no_leak(tmp_path, noise, passed):
    def relations(moment: datetime | None) -> Mapping[str, str]:
        noisy = f"(select * replace (delay * (1 + {noise}::double) as delay) from {FLIGHTS})"
        return cut(noisy if moment else FLIGHTS)(moment)

    found = check(tmp_path, {"hourly": HOURLY.replace("LAG", "75")}, relations, draws=3)["hourly"]
    assert found.passed == passed
    assert passed or found.leaks[0].columns == ("delay",)


UNKNOWN = "/* ---\nkey: origin\ntime: sched\n--- */\nselect * from flights_raw where late"


def test_without_known_a_table_counts_as_known_at_its_time_where_it_is_looked_up(tmp_path):
    tables = {"departures": EXAMPLES.replace("LAG", "15"), "hourly": UNKNOWN}
    found = check(tmp_path / "looked_up", tables, model=MODEL.replace("late_rate", "delay"), draws=3)
    assert found["hourly"].leaks[0].then is None
    assert "hourly" not in check(tmp_path / "read", tables, model=MODEL.replace('"hourly.late_rate"', ""))


def test_what_examined_nothing_has_not_passed(tmp_path):
    found = check(tmp_path, {"hourly": HOURLY.replace("LAG", "75")}, cut(f"(select * from {FLIGHTS} where false)"))
    assert (found["hourly"].rows, found["hourly"].leaks, found["hourly"].passed) == (0, (), False)


def test_names_and_seeds_choose(tmp_path):
    tables = {"hourly": HOURLY.replace("LAG", "65"), "other": HOURLY.replace("LAG", "75")}
    first = check(tmp_path / "a", tables, names=["hourly"], seed=1, draws=2)
    again = check(tmp_path / "b", tables, names=["hourly"], seed=1, draws=2)
    other = check(tmp_path / "c", tables, names=["hourly"], seed=2, draws=2)
    assert list(first) == ["hourly"]
    assert first["hourly"] == again["hourly"] != other["hourly"]


def test_moments_lie_where_a_row_has_just_become_known(tmp_path):
    asked: list[datetime] = []

    def relations(moment: datetime | None) -> Mapping[str, str]:
        asked.extend([moment] if moment else [])
        return cut()(moment)

    check(tmp_path, {"hourly": HOURLY.replace("LAG", "75")}, relations, draws=8)
    on_the_dot = [moment for moment in asked if (moment - START) % timedelta(hours=1) == timedelta(minutes=15)]
    assert len(asked) == 8
    assert len(on_the_dot) == 6
