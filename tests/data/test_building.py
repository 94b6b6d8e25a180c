from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rondo.data.building import build_table
from rondo.data.built import Built
from rondo.errors import BuildError, DeclarationError
from rondo.project.reading import read_project
from rondo.project.tables import read_table
from rondo.records.tables import CheckResult, Input, Profile, TableVersion
from rondo.sql.relations import Catalog
from rondo.store.opening import Store, open_store

NOW = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class Place:
    """A project whose tables read relations given as text."""

    root: Path
    store: Store
    relations: dict[str, str] = field(default_factory=dict)

    def build(self, name: str, text: str, definition: str = "d" * 64, **arguments: Any) -> Built:
        path = self.root / "tables" / f"{name}.sql"
        path.write_text(textwrap.dedent(text).lstrip())
        return build_table(
            read_table(path, self.root), project=read_project(self.root), store=self.store, relations=self.relations,
            inputs=[Input(name="raw", version=1, definition="r")], definition=definition, build="b", by="t", now=NOW,
            **arguments,
        )  # fmt: skip

    def sql(self, query: str) -> list[dict[str, Any]]:
        return Catalog(read_project(self.root), self.store.ledger, self.store.lake).query(query).rows.to_pylist()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "t"\ntimezone = "America/New_York"\n')
    (tmp_path / "tables").mkdir()
    return Place(tmp_path, open_store(tmp_path))


def test_a_table_is_its_query_in_stored_types_and_key_order(place: Place) -> None:
    place.relations = {"raw": "(select unnest([3, 1, 2]) as id)"}
    built = place.build(
        "t",
        """
        /* ---
        key: id
        --- */
        select id, sum(id) as total, timestamp '2013-01-01 01:00' as at_, id::utinyint as small
        from raw group by id -- the last line
        """,
    )
    assert built.version is not None
    assert built.version.columns == {
        "id": "INTEGER", "total": "DECIMAL(38,0)", "at_": "TIMESTAMP WITH TIME ZONE", "small": "SMALLINT",
    }  # fmt: skip
    rows = place.sql("select id, epoch(at_) as e from t")
    assert rows == [{"id": n, "e": 1357020000.0} for n in (1, 2, 3)]
    profile = place.store.ledger.latest(Profile, name="t")
    assert profile is not None and [c.distinct for c in profile.record.columns] == [3, 3, 1, 3]
    assert (built.version.inputs[0].name, built.version.version, built.rows) == ("raw", 1, 3)


def test_the_same_inputs_give_the_same_bytes(place: Place) -> None:
    place.relations = {"raw": "(select range % 700 as k, random() as never, sin(range) as x from range(200000))"}
    sql = "select k, sum(x) as s, avg(x * 1e9) as m from raw group by k"
    first, second = place.build("t", sql, "1" * 64), place.build("t", sql, "2" * 64)
    tables = []
    for built in (first, second):
        assert built.version is not None
        [file] = place.store.lake.files(built.version.path, built.version.delta)
        tables.append(Path(file).read_bytes())
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("sql", "line", "words"),
    [
        ("select 1 as a,\n  nope\nfrom raw", 6, "nope"),
        ("select 1 as a\nfrom elsewhere", None, "elsewhere"),
        ("select 1 as a\nfrom raw where where", 6, "syntax error"),
        ("select 1 as a, 2 as A from raw", None, "Two columns are named"),
        ("select time '10:00' as a from raw", 5, "type TIME"),
        ("select 1 as b from raw", 1, "key names 'a', which the query does not give; it gives: b"),
        ("select 1 as a, 2 as _rondo_row from raw", 1, "a name that is taken"),
    ],
)
def test_a_query_that_does_not_hold_names_its_line(place: Place, sql: str, line: int | None, words: str) -> None:
    place.relations = {"raw": "(select 1 as id)"}
    with pytest.raises(DeclarationError, match=words) as caught:
        place.build("t", f"/* ---\nsummary: x\nkey: a\n--- */\n{sql}")
    assert caught.value.file == "tables/t.sql"
    assert line is None or caught.value.line == line
    assert place.store.ledger.latest(TableVersion) is None


def test_a_query_that_fails_on_its_rows(place: Place) -> None:
    place.relations = {"raw": "(select unnest(['1', 'x']) as a)"}
    with pytest.raises(BuildError, match="Could not convert string 'x' to INT32") as caught:
        place.build("t", "select a::int as a from raw")
    assert caught.value.file == "tables/t.sql"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("time: v", "time names 'v', which is INTEGER, not a date or a timestamp"),
        ("time: at_\nknown: v", "known names 'v', which is INTEGER"),
        ("time: at_\nknown: gone", "known names 'gone', which the query does not give"),
        ("time: at_\nlabel: v\nlabel_known: at_\ninputs: [z]", "inputs names 'z'"),
        ("label: z", "label names 'z'"),
    ],
)
def test_headers_that_do_not_fit_the_query(place: Place, header: str, words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        place.build("t", f"/* ---\nkey: id\n{header}\n--- */\nselect 1 as id, 2 as v, timestamp '2013-01-01' as at_")


@pytest.mark.parametrize(
    ("rows", "steady"),
    [
        ("('a', 1, 2), ('a', 2, 3), ('b', 1, 2)", True),
        ("('a', 1, 2), ('a', 2, 4)", False),
        ("('a', 1, 2), ('a', 1, 2)", False),
        ("('a', 1, 2), (null, null, null)", True),
        ("('a', 1, 2), ('a', 2, null)", True),
    ],
)
def test_steady_is_a_constant_lag_without_doubles(place: Place, rows: str, steady: bool) -> None:
    built = place.build(
        "t",
        f"/* ---\nkey: k\ntime: t\nknown: n\n--- */\nselect k, make_timestamp(t * 1000000) as t, "
        f"make_timestamp(n * 1000000) as n from (values {rows}) as v(k, t, n)",
    )
    assert built.version is not None
    assert built.version.steady is steady
    assert built.version.known_until is not None


CHECKED = """
/* ---
checks:
  - v > 0
  - unique: [id]
  - row_count: {min: 1}
on_fail: %s
--- */
select * from raw
"""
GOOD, BAD = (
    "(select 1 as id, 5 as v)",
    "(from (values (1, 5), (2, -1), (3, 1), (3, 2), (null, 4), (null, 4)) as t(id, v))",
)


def test_block_keeps_the_last_good_version(place: Place) -> None:
    place.relations = {"raw": GOOD}
    place.build("t", CHECKED % "block")
    place.relations = {"raw": BAD}
    blocked = place.build("t", CHECKED % "block")
    assert (blocked.state, blocked.version) == ("blocked", None)
    assert blocked.reason == "blocked by v > 0 (1 of 6 rows), unique: [id] (2 of 6 rows)"
    assert place.sql("select * from t") == [{"id": 1, "v": 5}]
    result = place.store.ledger.latest(CheckResult, name="t")
    assert result is not None and (result.record.version, result.record.state) == (1, "blocked")
    assert [(c.state, c.rows, c.failed) for c in result.record.checks] == [
        ("failed", 6, 1), ("failed", 6, 2), ("passed", 6, 0),
    ]  # fmt: skip


def test_quarantine_sets_rows_aside_and_gives_them_back(place: Place) -> None:
    place.relations = {"raw": BAD}
    built = place.build("t", CHECKED % "quarantine")
    assert built.version is not None and (built.rows, built.version.quarantined) == (3, 3)
    assert place.sql("select * from quarantine.t order by id, v") == [
        {"id": 2, "v": -1, "check_name": "v > 0"},
        {"id": 3, "v": 1, "check_name": "unique: [id]"},
        {"id": 3, "v": 2, "check_name": "unique: [id]"},
    ]
    assert sorted(row["v"] for row in place.sql("select v from t")) == [4, 4, 5]
    place.relations = {"raw": GOOD}
    place.build("t", CHECKED % "quarantine")
    assert place.sql("select * from quarantine.t") == []


def test_a_check_of_the_whole_table_blocks_under_quarantine(place: Place) -> None:
    place.relations = {"raw": "(select 1 as id, 1 as v where false)"}
    assert place.build("t", CHECKED % "quarantine").reason.startswith("blocked by v > 0 (no rows to examine)")


def test_warn_tells_and_builds(place: Place) -> None:
    place.relations = {"raw": BAD}
    built = place.build("t", CHECKED % "warn")
    assert (built.state, built.rows) == ("built", 6)
    assert built.checks is not None and built.checks.state == "warned"


KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from rondo.data.loading import load_source
from rondo.project.reading import read_project
from rondo.store.opening import open_store

root = Path(sys.argv[1])
project, store = read_project(root), open_store(root)
print("ready", flush=True)
load_source(project.sources["raw"], project=project, store=store, definition="d" * 64, build="b", by="t",
            now=datetime(2024, 1, int(sys.argv[2]), tzinfo=UTC))
"""


@pytest.mark.parametrize("options", [', key="id"', ', checks=["v < 19990"], on_fail="quarantine"'])
def test_a_load_killed_at_any_moment_is_completed_by_the_next(tmp_path: Path, options: str) -> None:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "t"\n')
    (tmp_path / "sources.py").write_text(f'import rondo as rd\nraw = rd.Source(rd.files("data/*.csv"){options})\n')
    (tmp_path / "data").mkdir()
    (tmp_path / "kill.py").write_text(KILLED)
    aimed = random.Random(7)
    expected: set[tuple[int, int]] = set()
    for step in range(2):
        rows = [(step * 20_000 + n, n) for n in range(20_000)]
        text = "id,v\n" + "".join(f"{n},{v}\n" for n, v in rows)
        (tmp_path / "data" / f"{step}.csv").write_text(text)
        expected |= set(rows)
        for _ in range(2):
            command = [sys.executable, str(tmp_path / "kill.py"), str(tmp_path), str(step + 1)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                assert process.stdout is not None and process.stdout.readline() == b"ready\n"
                time.sleep(aimed.uniform(0.05, 0.5))
                process.send_signal(signal.SIGKILL)
    done = subprocess.run([*command[:3], "9"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    project, store = read_project(tmp_path), open_store(tmp_path)
    catalog = Catalog(project, store.ledger, store.lake)
    found = catalog.query("select id, v from raw", limit=None).rows
    pairs = list(zip(found["id"].to_pylist(), found["v"].to_pylist(), strict=True))
    bad = {(n, v) for n, v in expected if v >= 19_990} if "quarantine" in options else set()
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected - bad
    if bad:
        aside = catalog.query("select id, v from quarantine.raw", limit=None).rows
        assert sorted(aside["id"].to_pylist()) == sorted(n for n, _ in bad)
    alive = [left.name for left in (store.folder / "scratch").glob("*") if left.name.startswith(f"{os.getpid()}-")]
    assert alive == []
