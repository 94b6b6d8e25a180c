from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rondo.errors import DeclarationError
from rondo.graph.definitions import (
    Node,
    build_fingerprint,
    model_definition,
    nodes_of,
    pinned_of,
    tables_of,
    trainer_fingerprint,
)
from rondo.project.reading import read_project

Write = Callable[[Mapping[str, str]], Path]
SOURCES = """import rondo as rd

raw = rd.Source(rd.files("data/*.csv"), key="id", time="made", known="made", owner="mia", checks=["id > 0"])
planes_raw = rd.Source(rd.files("planes.csv"), known="always")
"""
ALL = ("raw", "planes_raw", "clean", "planes", "amounts", "examples")
CLEAN = "select id, made, made + interval 1 hour as known_at, amount, late, origin from raw where amount > 0\n"
FILES = {
    "rondo.toml": '[project]\nname = "p"\n',
    "sources.py": SOURCES,
    "tables/clean.sql": CLEAN,
    "tables/amounts.sql": "/* ---\nkey: origin\ntime: made\nknown: known_at\n--- */\nselect origin, made, known_at, amount from clean\n",
    "tables/examples.sql": """/* ---
key: id
time: made
label: late
label_known: known_at
inputs: [origin]
derive:
  size: length(origin)
--- */
select id, made, known_at, late, origin from clean
""",
    "tables/planes.sql": "/* ---\nkey: tailnum\n--- */\nselect * from planes_raw\n",
    "models/m.py": """import rondo as rd

m = rd.Model(
    examples="examples",
    task=rd.binary("late"),
    features=["amounts", "planes.seats"],
    train=rd.lightgbm(num_leaves=31),
    owner="mia",
)
""",
}


def nodes(write: Write, changes: Mapping[str, str] | None = None) -> dict[str, Node]:
    return nodes_of(read_project(write({**FILES, **(changes or {})})))


def model(write: Write, changes: Mapping[str, str] | None = None) -> str:
    project = read_project(write({**FILES, **(changes or {})}))
    return model_definition(project.model("m"), project, nodes_of(project))


def edited(file: str, before: str, after: str) -> dict[str, str]:
    assert before in FILES[file]
    return {file: FILES[file].replace(before, after)}


def test_each_comes_after_what_it_reads(write: Write) -> None:
    found = nodes(write)
    places = list(found)
    assert places == list(ALL)
    assert all(places.index(read) < places.index(node.name) for node in found.values() for read in node.reads)
    assert found["raw"].is_source and not found["clean"].is_source
    assert found["clean"].reads == {"raw": found["raw"].definition}


@pytest.mark.parametrize(
    "changes",
    [
        edited("tables/clean.sql", "select id", "-- why\nselect   id"),
        edited("tables/clean.sql", "select", "SELECT"),
        edited("tables/clean.sql", "amount > 0\n", "amount /* money */ > 0;\n"),
        edited("sources.py", 'owner="mia"', 'owner="kim"'),
        edited("sources.py", 'checks=["id > 0"]', "checks=[]"),
        edited("tables/amounts.sql", "key: origin", "summary: Amounts.\nkey: origin\nfresh: 1h"),
        edited("tables/amounts.sql", "key: origin", "checks: [amount > 0]\nkey: origin"),
    ],
)
def test_what_changes_no_row_changes_no_definition(write: Write, changes: dict[str, str]) -> None:
    before = {name: node.definition for name, node in nodes(write).items()}
    assert {name: node.definition for name, node in nodes(write, changes).items()} == before


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        (edited("tables/clean.sql", "amount > 0", "amount > 1"), {"clean", "amounts", "examples"}),
        (edited("tables/clean.sql", "interval 1 hour", "interval 2 hour"), {"clean", "amounts", "examples"}),
        (edited("tables/amounts.sql", "key: origin", "key: [origin, made]"), {"amounts"}),
        (edited("tables/amounts.sql", "key: origin", "key: origin\nkeep: 6h"), {"amounts"}),
        (
            edited("tables/amounts.sql", "key: origin", "checks: [amount > 0]\non_fail: quarantine\nkey: origin"),
            {"amounts"},
        ),
        (edited("sources.py", 'key="id"', 'key=["id", "made"]'), {"raw", "clean", "amounts", "examples"}),
        (
            edited("sources.py", 'known="made"', 'known="made + interval 1 day"'),
            {"raw", "clean", "amounts", "examples"},
        ),
        (edited("sources.py", '"planes.csv"', '"planes.csv", null="NA"'), {"planes_raw", "planes"}),
        ({"rondo.toml": '[project]\nname = "p"\ntimezone = "Asia/Seoul"\n'}, set(ALL)),
    ],
)
def test_what_changes_rows_changes_the_definition_and_all_that_read_it(
    write: Write, changes: dict[str, str], changed: set[str]
) -> None:
    before, after = nodes(write), nodes(write, changes)
    assert {name for name in before if before[name].definition != after[name].definition} == changed


def test_a_definition_of_its_own_is_told_from_what_it_reads(write: Write) -> None:
    before, after = nodes(write), nodes(write, edited("tables/clean.sql", "amount > 0", "amount > 1"))
    assert before["amounts"].own == after["amounts"].own and before["clean"].own != after["clean"].own


def test_a_check_that_looks_into_a_table_is_built_after_it(write: Write) -> None:
    found = nodes(
        write, edited("tables/planes.sql", "key: tailnum", "key: tailnum\nchecks: [in_table: {id: amounts.id}]")
    )
    assert list(found).index("amounts") < list(found).index("planes")
    assert set(found["planes"].reads) == {"planes_raw", "amounts"}


@pytest.mark.parametrize(
    ("changes", "file", "line", "said"),
    [
        ({"tables/clean.sql": "select 1\nfrom ra_w"}, "tables/clean.sql", 2, "reads 'ra_w', which is neither"),
        ({"tables/clean.sql": "-- not ra\nselect raw.id\nfrom raw, ra"}, "tables/clean.sql", 1, "reads 'ra'"),
        ({"tables/clean.sql": "select *\nfrom examples"}, "tables/clean.sql", None, "in a circle"),
        ({"tables/clean.sql": "select * from clean"}, "tables/clean.sql", None, "clean → clean"),
        ({"tables/clean.sql": "\n\nselect\n  from from raw"}, "tables/clean.sql", 4, "not SQL"),
        ({"tables/clean.sql": "select 1; select 2"}, "tables/clean.sql", 1, "one query|one select|statements"),
        ({"tables/clean.sql": "drop table raw"}, "tables/clean.sql", 1, "A query is wanted"),
        (
            edited("tables/planes.sql", "key: tailnum", "key: tailnum\nchecks: [in_table: {id: nowhere.id}]"),
            "tables/planes.sql",
            1,
            "looks into 'nowhere'",
        ),
        (
            {"sources.py": SOURCES.replace('["id > 0"]', '[rd.in_table(id="nowhere.id")]')},
            "sources.py",
            3,
            "looks into 'nowhere'",
        ),
    ],
)
def test_what_cannot_be_built_names_file_and_line(
    write: Write, changes: dict[str, str], file: str, line: int | None, said: str
) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        nodes(write, changes)
    assert (refused.value.file, refused.value.line) == (file, line)


def test_many_tables_that_read_one_another_are_ordered_at_once(write: Write) -> None:
    tables = {
        f"tables/t{n:02}.sql": f"select * from t{n - 1:02} union all select * from t{n - 2:02}\n" for n in range(2, 60)
    }
    base = {"tables/t00.sql": "select 1 as a\n", "tables/t01.sql": "select 2 as a\n"}
    assert list(nodes(write, {**base, **tables}))[-1] == "t59"


def test_a_build_adds_versions_the_moment_and_the_checks(write: Write) -> None:
    node = nodes(write)["clean"]
    first = build_fingerprint(node, {"raw": 1}, None)
    assert first == build_fingerprint(node, {"raw": 1}, None)
    checked = nodes(write, edited("tables/clean.sql", "select id", "/* ---\nchecks: [id > 0]\n--- */\nselect id"))[
        "clean"
    ]
    others = [
        build_fingerprint(node, {"raw": 2}, None),
        build_fingerprint(node, {"raw": 1}, "2013-05-01"),
        build_fingerprint(node, {"raw": 1}, None, more="x"),
        build_fingerprint(checked, {"raw": 1}, None),
    ]
    assert checked.definition == node.definition and len({first, *others}) == 5


def test_a_model_pins_the_tables_it_reads(write: Write) -> None:
    project = read_project(write(FILES))
    found = nodes_of(project)
    assert tables_of(project.model("m")) == ("examples", "amounts", "planes")
    assert pinned_of(project.model("m"), found) == {
        name: found[name].definition for name in ("examples", "amounts", "planes")
    }


@pytest.mark.parametrize(
    "changes",
    [
        edited("models/m.py", 'owner="mia"', 'owner="kim", retrain="monthly", promote="due"'),
        edited("models/m.py", "num_leaves=31)", "num_leaves=31)  # the default\n"),
        edited("tables/clean.sql", "select id", "-- why\nselect id"),
    ],
)
def test_what_changes_no_version_changes_no_models_definition(write: Write, changes: dict[str, str]) -> None:
    assert model(write) == model(write, changes)


@pytest.mark.parametrize(
    "changes",
    [
        edited("models/m.py", "num_leaves=31", "num_leaves=15"),
        edited("models/m.py", 'rd.binary("late")', 'rd.binary("late", threshold=0.3)'),
        edited("models/m.py", '"planes.seats"', '"planes.year"'),
        edited("models/m.py", 'owner="mia"', 'slices=["origin"]'),
        edited("models/m.py", 'owner="mia"', 'metric="log_loss"'),
        edited("models/m.py", 'owner="mia"', "split=rd.random(seed=3)"),
        edited("tables/examples.sql", "length(origin)", "length(origin) + 1"),
        edited("tables/examples.sql", "inputs: [origin]", "inputs: [origin, made]"),
        edited("tables/clean.sql", "amount > 0", "amount > 1"),
        edited("sources.py", '"planes.csv"', '"planes.csv", null="NA"'),
    ],
)
def test_what_changes_a_version_changes_the_models_definition(write: Write, changes: dict[str, str]) -> None:
    assert model(write) != model(write, changes)


OWN = """
import rondo as rd
from trainers import Mine

m = rd.Model(examples="examples", task=rd.binary("late"), train=Mine(depth=3, loss=lambda y: y), owner="mia")
"""
TRAINERS = """
class Mine:
    def __init__(self, depth, loss):
        self.depth, self.loss = depth, loss

    def fit(self, matrix, y, columns, seed): return self

    def save(self, fitted): return {}

    def load(self, files): return self


def unrelated(): return 1
"""


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("owner", "summary", True),
        ("return 1", "return 2", True),
        ("return {}", "return {'a': b''}", False),
        ("depth=3", "depth=4", False),
        ("lambda y: y)", "lambda y: y + 1)", False),
    ],
)
def test_a_trainer_of_ones_own_is_its_source(write: Write, before: str, after: str, same: bool) -> None:
    def fingerprint(own: str, trainers: str) -> str:
        project = read_project(write({**FILES, "models/m.py": own, "models/trainers.py": trainers}))
        return trainer_fingerprint(project.model("m"), project)

    first = fingerprint(OWN, TRAINERS)
    assert first == fingerprint(OWN, TRAINERS)
    assert before in OWN + TRAINERS
    assert (first == fingerprint(OWN.replace(before, after), TRAINERS.replace(before, after))) is same
