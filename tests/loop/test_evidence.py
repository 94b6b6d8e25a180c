from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from rondo.deploy.answering import Answerer
from rondo.deploy.predictions import record
from rondo.features.values import LakeValues
from rondo.loop.collecting import collect
from rondo.loop.evidence import gather
from rondo.loop.running import run
from rondo.loop.versions import packed_version, pinned_relations
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.alerting import Finding
from rondo.monitor.diagnosing import diagnose
from rondo.monitor.evidence import REQUEST, Evidence
from rondo.sql.engine import connect

FAULT = "2024-02-12"
Write = Callable[[Mapping[str, str]], Path]


def parted(text: str) -> tuple[str, str]:
    """A CSV's rows before the fault and since, both under its header; the second column is the time."""
    header, *rows = text.splitlines()
    late = [row.split(",")[1] >= FAULT for row in rows]
    before = [row for row, each in zip(rows, late, strict=True) if not each]
    since = [row for row, each in zip(rows, late, strict=True) if each]
    return "\n".join([header, *before]) + "\n", "\n".join([header, *since]) + "\n"


def answered(root: Path, later: Mapping[str, str]) -> Workplace:
    """The shop trained on what was there before the fault, and everything answered once the later files came."""
    run(open_workplace(root))
    for name, text in later.items():
        (root / name).write_text(text, encoding="utf-8")
    run(open_workplace(root))
    work = open_workplace(root)
    packed = packed_version(work, "late", 1)
    relations = pinned_relations(work, packed.signature)
    con = connect(timezone="Europe/Berlin")
    values = LakeValues(con, {lookup.space: relations[lookup.table] for lookup in packed.signature.lookups})
    asked = "select visit, asked_at, shop, distance from visits where asked_at >= timestamp '2024-01-10' order by visit"
    answers = Answerer(packed, values, 1).answer(
        work.catalog.query(asked).rows.to_pylist(), now=work.now(), role="production"
    )
    con.close()
    record(work.store.log, "late", answers, caller="test", latency_ms=1.0)
    collect(work, work.project.model("late"))
    return work


def evidence_of(work: Workplace) -> Evidence:
    model = work.project.model("late")
    found = gather(work, model)
    assert found is not None
    return found


@pytest.fixture
def halves(shop_files: dict[str, str], write: Write) -> tuple[Path, dict[str, str]]:
    """The shop as it was before the fault, and the files that come with it."""
    later = {}
    for name in ("visits", "loads"):
        before, since = parted(shop_files[f"data/{name}_1.csv"])
        shop_files[f"data/{name}_1.csv"], later[f"data/{name}_2.csv"] = before, since
    return write(shop_files), later


def test_all_that_a_healthy_model_reads_is_there_and_nothing_is_claimed(halves: tuple[Path, dict[str, str]]) -> None:
    root, later = halves
    work = answered(root, later)
    evidence = evidence_of(work)
    assert [(fed.name, fed.role) for fed in evidence.fed] == [
        ("distance", "input"), ("hour", "derived"), ("loads.load", "looked up"), ("shops.size", "looked up"),
        ("label", "label"),
    ]  # fmt: skip
    fed = {each.name: each for each in evidence.fed}
    assert fed["loads.load"].values == (("loads", "load"), ("loads_raw", "load"))
    assert (REQUEST, "distance") in fed["distance"].values and ("visits_raw", "distance") in fed["distance"].values
    assert ("visits_raw", "late") in fed["label"].values
    assert sum(sketch.rows for sketch in fed["loads.load"].daily.values()) == 1290
    assert {name: state.kind for name, state in evidence.tables.items()} == {
        "visits_raw": "source", "loads_raw": "source", "shops_raw": "source", "visits": "table", "loads": "table",
        "shops": "table",
    }  # fmt: skip
    assert evidence.judged is not None and len(evidence.judged.score) == 1290
    for rule in ("drift", "quality", "missing values"):
        [found] = diagnose([Finding("late", rule, "late", "…")], evidence)
        assert found.causes == (), found.causes


def test_a_column_that_was_renamed_upstream_is_named_with_its_new_name(halves: tuple[Path, dict[str, str]]) -> None:
    root, later = halves
    later["data/visits_2.csv"] = later["data/visits_2.csv"].replace("distance", "km", 1)
    [found] = diagnose([Finding("late", "quality", "late", "…")], evidence_of(answered(root, later)))
    assert found.diagnosis == "data"
    assert found.causes[0].what.startswith("column distance of visits_raw is gone")
    assert found.causes[0].what.endswith("new column km holds what it held")


def test_a_source_that_stops_is_named_before_the_table_that_reads_it(halves: tuple[Path, dict[str, str]]) -> None:
    root, later = halves
    del later["data/loads_2.csv"]
    work = answered(root, later)
    assert work.now().date().isoformat() > FAULT
    [found] = diagnose([Finding("late", "missing values", "feature loads.load", "…")], evidence_of(work))
    assert found.diagnosis == "data"
    assert found.causes[0].what.startswith("loads_raw (source) has brought nothing since 11 February 23:30")


def test_a_table_held_back_by_its_checks_is_named_with_the_check(halves: tuple[Path, dict[str, str]]) -> None:
    root, later = halves
    table = root / "tables" / "loads.sql"
    table.write_text(table.read_text().replace("checks:\n", "checks:\n  - load <= 1\n"), encoding="utf-8")
    header, *rows = later["data/loads_2.csv"].splitlines()
    later["data/loads_2.csv"] = "\n".join([header, *(row + "9" if row.endswith("1") else f"{row}" for row in rows)])
    later["data/loads_2.csv"] += "\nA,2024-02-20 00:00:00,7.5\n"
    evidence = evidence_of(answered(root, later))
    [found] = diagnose([Finding("late", "data blocked", "table loads", "…")], evidence)
    assert found.diagnosis == "data"
    assert found.causes[0].what.startswith("loads (table) is held back:") and "load <= 1" in found.causes[0].what
    assert evidence.tables["loads"].refused_at is not None
    assert evidence.now - evidence.tables["loads"].refused_at < timedelta(days=1)


def test_where_nothing_is_in_production_there_is_no_evidence(shop: Path) -> None:
    work = open_workplace(shop)
    assert gather(work, work.project.model("late")) is None
