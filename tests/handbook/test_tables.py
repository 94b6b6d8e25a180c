"""Sources and tables, at a glance and one by one, over a small project that has run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from rondo.errors import NotFound
from rondo.handbook.landed import Because
from rondo.handbook.profiled import Change
from rondo.handbook.table import table_details
from rondo.handbook.tables import Reader, tables_facts
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.monitoring import Measurement
from rondo.records.tables import CheckResult, Profile
from rondo.store.until import LedgerUntil

START = datetime(2024, 1, 1, tzinfo=UTC)
VISITS = (
    "import rondo as rd\n\n"
    "visits_raw = rd.Source(\n"
    "    rd.files('data/visits*.csv', null='NA'), key='visit', time='asked_at', known='result_at', owner='ann',\n"
    "    checks=['distance >= 0'], on_fail='quarantine', fresh='4h', personal={'visitor': 'pseudonym'},\n"
    ")\n"
    "shops_raw = rd.Source(rd.files('data/shops.csv'), key='shop', known='always')\n"
)
TABLE = (
    "/* ---\nsummary: Visits & how they end.\nkey: visit\ntime: asked_at\nlabel: late\nlabel_known: result_at\n"
    "inputs: [distance, shop]\nowner: data_scientist\nchecks: [unique, distance < 1000]\non_fail: warn\n--- */\n"
)
VISITS_SQL = (
    TABLE + "select visit, visitor, asked_at, shop, distance, late, result_at from visits_raw where shop <> 'Z'\n"
)
SHOPS_SQL = "/* ---\nkey: shop\n--- */\nselect shop, upper(town) as town, floors from shops_raw\n"
IDLE_SQL = "select shop, count(*) as visits, avg(distance / nullif(floors, 0)) as rate from visits join shops using (shop) group by all\n"
TWICE_SQL = "select shop, distance / NULLIF(floors, 0) as rate from visits join shops using (shop)\n"


def rows(first: int, last: int) -> str:
    lines = ["visit,visitor,asked_at,shop,distance,late,result_at"]
    for number in range(first, last):
        asked = START.replace(tzinfo=None) + timedelta(hours=3 * number)
        distance = -1 if number == 7 else number % 17
        lines.append(
            f"v{number},p{number},{asked},{'AB'[number % 2]},{distance},{str(number % 17 > 8).lower()},{asked + timedelta(hours=1)}"
        )
    return "\n".join(lines) + "\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    root = tmp_path_factory.mktemp("tables") / "shop"
    write(
        root,
        {
            "rondo.toml": '[project]\nname = "shop"\nclock = "data"\n\n[people.ann]\nname = "Ann Lee"\ncontact = "ann@example.com"\n',
            "sources.py": VISITS,
            "tables/visits.sql": VISITS_SQL,
            "tables/shops.sql": SHOPS_SQL,
            "tables/idle.sql": IDLE_SQL,
            "tables/twice.sql": TWICE_SQL,
            "models/late.py": "import rondo as rd\n\nlate = rd.Model(\n    examples='visits', task=rd.binary('late', positive=True),\n"
            "    features=['shops'], train=rd.linear(), split=rd.by_time(validation='5d', test='10d'),\n)\n",
            "testsets/far.sql": "select * from visits where distance > 10\n",
            "reports/weekly.md": "# Weekly\n\n```sql name=visits\nselect count(*) as n from visits\n```\n",
            "data/visits.csv": rows(0, 250),
            "data/shops.csv": "shop,town,floors\nA,Ulm,2\nB,Bonn,3\n",
        },
    )
    run(open_workplace(root))
    write(root, {"data/visits_2.csv": rows(250, 300)})
    run(open_workplace(root))
    return open_workplace(root, readonly=True)


def test_every_source_and_table_is_told_with_owner_readers_and_state(work: Workplace) -> None:
    facts = tables_facts(work)
    lines = {line.name: line for line in facts.tables}
    assert [line.name for line in facts.tables][:2] == ["visits_raw", "shops_raw"]
    raw, visits = lines["visits_raw"], lines["visits"]
    assert (raw.stage, raw.address, raw.number, raw.rows) == ("source", "data/visits*.csv", 2, 299)
    assert (raw.owner.name, raw.owner.declared) == ("Ann Lee", "ann")
    assert (visits.stage, visits.state, visits.checks, visits.summary) == (
        "examples",
        "passed",
        2,
        "Visits & how they end.",
    )
    assert set(visits.readers) == {
        Reader("table", "idle", "query"),
        Reader("table", "twice", "query"),
        Reader("model", "late", "examples"),
        Reader("testset", "far", "rows"),
        Reader("report", "weekly", "report"),
    }
    assert lines["shops"].owner.declared is None
    assert visits.bytes and visits.bytes > 1_000
    assert raw.freshness is not None and raw.freshness.limit_s == 4 * 3600
    assert raw.freshness.newest == START + timedelta(hours=3 * 299 + 1)
    assert lines["shops_raw"].freshness is not None and lines["shops_raw"].freshness.basis == "landed"
    assert [model.name for model in facts.models] == ["late"] and facts.models[0].reads == ("visits", "shops")
    assert set(facts.unused) == {"idle", "twice"}
    assert [each.among for each in facts.repeated] == [("idle", "twice")]
    msgspec.json.encode(facts)


def test_a_column_is_followed_to_the_upstream_system_and_who_owns_it(work: Workplace) -> None:
    details = table_details(work, "idle", column="rate")
    [rate] = [column for column in details.columns if column.name == "rate"]
    assert {(each.source, each.column, each.address, each.owner) for each in rate.origins} == {
        ("visits_raw", "distance", "data/visits*.csv", "ann"),
        ("shops_raw", "floors", "data/shops.csv", None),
    }
    assert set(rate.direct) == {("visits", "distance"), ("shops", "floors")}
    boxes = {box.name: box for box in details.graph.boxes}
    assert boxes["visits_raw"].marked == ("distance",) and boxes["shops_raw"].marked == ("floors",)
    assert boxes["visits_raw"].level < boxes["visits"].level < boxes["idle"].level
    marked = {(wire.start, wire.end) for wire in details.graph.wires if wire.marked}
    assert (("visits", "distance"), ("idle", "rate")) in marked
    assert not any(end == ("idle", "shop") for _, end in marked)
    assert (("visits", "shop"), "group") in details.decided_by or (("shops", "shop"), "join") in details.decided_by


def test_what_a_column_goes_to(work: Workplace) -> None:
    details = table_details(work, "visits")
    used = {column.name: set(column.used) for column in details.columns}
    assert details.graph.chosen == "late" and details.examples_of == ("late",)
    assert ("late", "distance") in used["distance"] and ("late", "late") in used["late"]
    assert ("idle", "shop") in used["shop"]
    assert ("late", None) in used["asked_at"]  # the model is asked as of it
    roles = {column.name: column.roles for column in details.columns}
    assert roles["visit"] == ("key",) and roles["distance"] == ("input",) and roles["late"] == ("label",)
    assert (details.rebuild.tables, details.rebuild.models) == (("idle", "twice"), ("late",))


def test_versions_say_why_they_were_made_and_who_uses_them(work: Workplace) -> None:
    details = table_details(work, "visits")
    newest, first = details.versions
    assert (newest.number, newest.more, first.number, first.more) == (2, 50, 1, None)
    assert newest.because == (Because("input", "visits_raw", 1, 2),) and first.because == (Because("first"),)
    assert first.used_by == ("late@1",)
    [pin] = details.pins
    assert (pin.version, pin.role, pin.present) == ("late@1", "production", True)
    raw = table_details(work, "visits_raw")
    assert raw.versions[0].because == (Because("files", "data/visits_2.csv", None, 1),)
    assert {(each.path, each.rows, each.landed) for each in raw.arrivals} == {
        ("data/visits.csv", 250, 1),
        ("data/visits_2.csv", 50, 2),
    }
    changes = {column.name: column.changes for column in details.columns}
    assert [change.kind for change in changes["asked_at"]] == ["until"]
    assert changes["shop"] == ()
    assert details.compared == "visits@v1"


def test_an_earlier_version_is_shown_as_it_was(work: Workplace) -> None:
    old = table_details(work, "visits", version=1)
    assert old.shown is not None and (old.shown.number, old.shown.rows) == (1, 249)
    assert old.compared is None and old.checks.lines[0].rows == 249
    assert old.fitness is not None and table_details(work, "visits").fitness == old.fitness
    for wrong in ({"version": 9}, {"column": "nothing"}):
        with pytest.raises(NotFound):
            table_details(work, "visits", **wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        table_details(work, "nothing")


def test_personal_values_are_never_told_wherever_they_go(work: Workplace) -> None:
    for name in ("visits_raw", "visits"):
        details = table_details(work, name)
        [visitor] = [column for column in details.columns if column.name == "visitor"]
        assert visitor.personal == "pseudonym"
        assert (visitor.min, visitor.max, visitor.top, visitor.distinct) == (None, None, (), visitor.distinct)
        assert details.sample is not None and details.sample.masked == ("visitor",)
        place = details.sample.columns.index("visitor")
        assert details.sample.rows and all(row[place] is None for row in details.sample.rows)
        assert b'"p12"' not in msgspec.json.encode(details)


def test_checks_and_what_they_set_aside(work: Workplace) -> None:
    details = table_details(work, "visits_raw")
    [check] = details.checks.lines
    assert (check.text, check.on_fail, check.state) == ("distance >= 0", "quarantine", "passed")
    assert check.history == ("warned", "passed")  # the second landing brought no such row
    then = table_details(work, "visits_raw", version=1).checks
    assert (then.lines[0].state, then.lines[0].failed, then.state) == ("failed", 1, "quarantined")
    assert details.quarantine is not None and details.quarantine.by_check == (("distance >= 0", 1),)
    assert details.quarantine.rows[0][details.quarantine.columns.index("visitor")] is None
    assert table_details(work, "visits").quarantine is None


def test_the_share_of_the_label_by_week(work: Workplace) -> None:
    details = table_details(work, "visits")
    assert details.label_is == "late" and len(details.label) == 6
    assert sum(week.rows for week in details.label) == 299
    late = sum(number % 17 > 8 for number in range(300) if number != 7)
    assert sum(week.rows * week.value for week in details.label) == pytest.approx(late)
    assert table_details(work, "shops").label == ()


def test_a_look_at_the_past_knows_nothing_later(work: Workplace) -> None:
    [first] = work.store.ledger.entries(Profile, name="visits", version=1)
    then = replace(work.store, clock=lambda: first.at)
    then.__dict__["ledger"] = LedgerUntil(work.store.ledger, first.at)
    past = Workplace(work.project, then, work.by)
    details = table_details(past, "visits")
    assert [line.number for line in details.versions] == [1]
    assert details.about.freshness is not None and details.about.freshness.newest <= first.at


def copied(work: Workplace, tmp_path: Path) -> Path:
    root = tmp_path / "copy"
    shutil.copytree(work.project.root, root)
    return root


def test_a_changed_definition_shows_what_made_the_version(work: Workplace, tmp_path: Path) -> None:
    root = copied(work, tmp_path)
    write(root, {"tables/shops.sql": SHOPS_SQL.replace("floors from", "floors * 2 as floors from")})
    changed = open_workplace(root, readonly=True)
    details = table_details(changed, "shops")
    assert details.about.changed and details.code.past and "floors * 2" not in details.code.text
    assert [pin.present for pin in details.pins] == [False]
    run(open_workplace(root))
    details = table_details(open_workplace(root, readonly=True), "shops")
    assert not details.about.changed and "floors * 2" in details.code.text
    assert details.versions[0].because[0] == Because("definition")
    floors = next(column for column in details.columns if column.name == "floors")
    assert floors.changes == (Change("median", 2.5, 5.0),)


def test_late_blocked_and_unbuilt_are_told_apart(work: Workplace, tmp_path: Path) -> None:
    root = copied(work, tmp_path)
    write(root, {"tables/new.sql": "select 1 as one from visits\n"})
    broken = open_workplace(root)
    blocked = CheckResult(name="shops", version=1, build="b", state="blocked", checks=[])
    broken.store.ledger.append(blocked, by="tester")
    ages = [
        Measurement(
            name="late", metric="staleness_h", feature="visits_raw", start=START + timedelta(hours=hour),
            end=START + timedelta(hours=hour + 1), rows=1, matured=0, value=value, low=value, high=value, limit=4.0,
            state="out" if value >= 4 else "within", unit="h", n=1, higher_is_better=False, side="above", basis="declared",
        )
        for hour, value in enumerate([1.0, 4.0, 5.0, 0.5, 6.0])
    ]  # fmt: skip
    broken.store.ledger.append(*ages, by="tester")
    late = open_workplace(root, readonly=True, clock=lambda: START + timedelta(days=90))
    states = {line.name: line.state for line in tables_facts(late).tables}
    assert (states["shops"], states["new"], states["visits_raw"]) == ("blocked", "unbuilt", "late")
    unbuilt = table_details(late, "new")
    assert unbuilt.shown is None and unbuilt.columns == () and unbuilt.sample is None
    raw = table_details(late, "visits_raw")
    assert raw.about.freshness is not None and raw.about.freshness.late
    assert [(gap.hours, gap.until is None) for gap in raw.gaps] == [(6.0, True), (5.0, False)]
    assert len(raw.ages) == 5


def test_nothing_built_is_no_error(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "rondo.toml": '[project]\nname = "new"\n',
            "sources.py": "import rondo as rd\n\nraw = rd.Source(rd.files('data/*.csv'))\n",
            "tables/t.sql": "select * from raw\n",
        },
    )
    work = open_workplace(tmp_path, readonly=True)
    assert [line.state for line in tables_facts(work).tables] == ["unbuilt", "unbuilt"]
    assert table_details(work, "t").graph.boxes[0].columns == ()
