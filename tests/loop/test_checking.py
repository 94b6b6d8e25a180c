from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rondo.errors import NotFound
from rondo.loop.checking import check, junit_report
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace

Write = Callable[[Mapping[str, str]], Path]
SOURCES = """
import rondo as rd

orders_raw = rd.Source(rd.files("data/orders*.csv"), key="id", time="made", known="made", checks=["unique"])
"""
ORDERS = """/* ---
key: id
time: made
known: made
checks:
  - amount > 0
  - not_null: [id]
  - row_count: {min: 2}
--- */
select id, made, amount from orders_raw
"""
FILES = {
    "rondo.toml": '[project]\nname = "p"\n',
    "sources.py": SOURCES,
    "tables/orders.sql": ORDERS,
    "data/orders_1.csv": "id,made,amount\n1,2024-01-01 10:00:00,5\n2,2024-01-01 11:00:00,7\n",
}


def brought(write: Write, files: Mapping[str, str]) -> Workplace:
    work = open_workplace(write({**FILES, **files}), by="mia")
    run(work)
    return work


def lines(document: Mapping, name: str) -> list[tuple]:
    [table] = [table for table in document["tables"] if table["name"] == name]
    return [(check["text"], check["state"], check["rows"], check["failed"]) for check in table["checks"]]


def test_the_checks_of_the_newest_versions(write: Write) -> None:
    document = check(brought(write, {}))
    assert document["state"] == "passed" and document["leaks"] is None
    assert [(table["name"], table["version"]) for table in document["tables"]] == [
        ("orders_raw", "orders_raw@v1"),
        ("orders", "orders@v1"),
    ]
    assert lines(document, "orders") == [
        ("amount > 0", "passed", 2, 0),
        ("not_null: [id]", "passed", 2, 0),
        ("row_count: {min: 2}", "passed", 2, 0),
    ]


def test_names_choose_and_a_model_stands_for_its_tables(shop: Path) -> None:
    work = open_workplace(shop, by="mia")
    run(work, ["shops", "loads", "visits"])
    assert [table["name"] for table in check(work, ["shops"])["tables"]] == ["shops"]
    assert {table["name"] for table in check(work, ["late"])["tables"]} == {"visits", "loads", "shops"}
    with pytest.raises(NotFound, match="shop_s"):
        check(work, ["shop_s"])


def test_an_edited_check_is_tried_without_a_run(write: Write) -> None:
    work = brought(write, {})
    root = write({"tables/orders.sql": ORDERS.replace("amount > 0", "amount > 5")})
    document = check(open_workplace(root))
    assert document["state"] == "failed" and lines(document, "orders")[0] == ("amount > 5", "failed", 2, 1)
    write(
        {"tables/orders.sql": ORDERS.replace("amount > 0", "amount > 5").replace("key: id", "key: id\non_fail: warn")}
    )
    document = check(open_workplace(root))
    assert document["state"] == "passed" and lines(document, "orders")[0][1] == "failed"
    assert work.store.ledger.history(1)[0].record.KIND == "runs"  # nothing was recorded


def test_what_was_held_back_fails_with_what_was_found_then(write: Write) -> None:
    work = brought(write, {})
    write({"data/orders_2.csv": "id,made,amount\n3,2024-01-01 12:00:00,-1\n"})
    assert run(work).run.state == "blocked"
    document = check(work)
    assert document["state"] == "failed" and lines(document, "orders")[0] == ("amount > 0", "failed", 3, 1)
    [orders] = [table for table in document["tables"] if table["name"] == "orders"]
    assert (orders["version"], orders["state"]) == ("orders@v1", "blocked")


def test_what_never_landed_has_not_passed(write: Write) -> None:
    work = open_workplace(write(FILES))
    document = check(work)
    assert document["state"] == "failed"
    assert lines(document, "orders") == [("is in the lake", "failed", 0, 0)]
    with pytest.raises(NotFound, match="orders_raw has no rows"):
        check(work, leaks=True)


HOURLY = """/* ---
key: shop
time: hour
known: known_at
--- */
select shop, date_trunc('hour', measured_at) as hour, hour + interval 90 minute as known_at, sum(load) as load
from loads_raw group by all
"""


def test_a_table_whose_known_is_too_early_looks_into_its_future(write: Write, shop: Path) -> None:
    write({"tables/hourly.sql": HOURLY})
    run(open_workplace(shop), ["hourly", "loads", "visits", "shops"])
    sound = check(open_workplace(shop), leaks=True, seed=1)
    assert sound["state"] == "passed" and sound["leaks"] == []
    assert {each["name"] for each in sound["rebuilt"]} == {"hourly", "loads", "visits"}
    assert sound["moments"] >= 3 and sound["leak_rows"] > 0
    write({"tables/hourly.sql": HOURLY.replace("90 minute", "20 minute")})
    leaking = check(open_workplace(shop), ["hourly"], leaks=True, seed=1)
    assert leaking["state"] == "failed" and {leak["table"] for leak in leaking["leaks"]} == {"hourly"}
    assert all("what was known then" in leak["what"] and leak["rows"] >= 1 for leak in leaking["leaks"])


DOCUMENT = {
    "state": "failed",
    "tables": [
        {
            "name": "orders",
            "version": "orders@v1",
            "state": "blocked",
            "checks": [
                {"text": "amount > 0 and note <> '\x01'", "state": "passed", "rows": 3, "failed": 0},
                {"text": "unique", "state": "failed", "rows": 3, "failed": 2},
            ],
        },
        {
            "name": "visits",
            "version": "visits@v2",
            "state": "warned",
            "checks": [{"text": "a > 0", "state": "failed", "rows": 0, "failed": 0}],
        },
    ],
    "leaks": [{"table": "orders", "what": "the row 1 is known too early", "moment": None, "columns": [], "rows": 1}],
    "rebuilt": [{"name": "orders", "moments": 8, "rows": 20}, {"name": "visits", "moments": 8, "rows": 20}],
    "moments": 16,
    "leak_rows": 40,
}


def test_the_report_has_a_suite_a_table_and_one_of_leaks() -> None:
    suites = ET.fromstring(junit_report(DOCUMENT))
    counts = [[suite.get(name) for name in ("name", "tests", "failures", "skipped")] for suite in suites]
    assert counts == [["orders", "2", "1", "0"], ["visits", "1", "0", "1"], ["leaks", "2", "1", "0"]]
    told = {
        (case.get("classname"), case.get("name")): [each.get("message") for each in case]
        for case in suites.iter("testcase")
    }
    assert told == {
        ("orders", "amount > 0 and note <> '\N{REPLACEMENT CHARACTER}'"): [],
        ("orders", "unique"): ["2 of 3 rows"],
        ("visits", "a > 0"): ["no rows to examine"],
        ("leaks", "orders"): ["the row 1 is known too early"],
        ("leaks", "visits"): [],
    }


def test_without_leaks_the_report_has_no_suite_of_them() -> None:
    suites = ET.fromstring(junit_report({**DOCUMENT, "leaks": None, "rebuilt": []}))
    assert [suite.get("name") for suite in suites] == ["orders", "visits"]
