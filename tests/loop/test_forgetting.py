from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rondo.deploy import outcomes as inbox
from rondo.errors import NotFound, WrongUse
from rondo.loop import forgetting
from rondo.loop.answering import answer_rows
from rondo.loop.collecting import collect
from rondo.loop.forgetting import forget
from rondo.loop.reproducing import erased_since, reproduce
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.erasing import Erasure
from rondo.store.log import PredictionLog

PERSON = "person-seventeen"
ROWS = 40


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "shop"


@pytest.fixture
def root(shop: Path, kept: Path) -> Path:
    """The shop with version 1 at work; visit v17 is that of one person, and another's is v120."""
    if kept.is_dir():
        shutil.rmtree(shop)
        shutil.copytree(kept, shop)
        return shop
    data = shop / "data/visits_1.csv"
    data.write_text(data.read_text(encoding="utf-8").replace("\nv17,", f"\n{PERSON},"), encoding="utf-8")
    run(open_workplace(shop))
    shutil.copytree(shop, kept)
    return shop


@pytest.fixture
def work(root: Path) -> Iterator[Workplace]:
    """Predictions and outcomes of 40 visits, half of them landed, all of them in segments that are being written."""
    work = open_workplace(root, by="kim")
    serve(work, 0)
    collect(work, work.project.models["late"])
    serve(work, ROWS // 4)
    yield work
    work.store.log.close()


def serve(work: Workplace, since: int) -> None:
    asked = f"select * from visits where visit in ('{PERSON}') or visit like 'v1__' order by visit limit {ROWS}"
    rows = work.catalog.query(asked).rows.to_pylist()
    fields = ("visit", "asked_at", "shop", "distance")
    given = [
        {name: str(row[name]) if isinstance(row[name], datetime) else row[name] for name in fields} for row in rows
    ]
    found = answer_rows(work, "late", given)["predictions"]
    by_id = [{"id": each["id"], "outcome": row["late"]} for each, row in zip(found[::2], rows[::2], strict=True)]
    by_key = [
        {"model": "late", "key": {"visit": row["visit"]}, "moment": row["asked_at"].isoformat(), "outcome": row["late"]}
        for row in rows[since:]
    ]
    parsed = inbox.parse([*by_id, *by_key], keys={"late": ("visit",)}, timezone="UTC", now=work.now())
    inbox.append(work.store.log, parsed)


def count(work: Workplace, name: str, where: str = "true") -> int:
    rows = work.catalog.query(f"select count(*) as n from {name} where {where}").rows
    return int(rows.column("n")[0].as_py())


def holds(root: Path, *parts: str) -> list[str]:
    """The files below parts of the state in which the person's key can be read."""
    where = [str(root / ".rondo" / part) for part in parts]
    return subprocess.run(["grep", "-rla", PERSON, *where], capture_output=True, check=False).stdout.decode().split()


ERASED = ("predictions", "lake/predictions", "lake/outcomes", "ledger.db", "ledger.db-wal", "locks", "forget.secret")


def test_what_is_forgotten_can_be_read_nowhere_and_does_not_come_back(work: Workplace) -> None:
    root, others = work.project.root, f"visit <> '{PERSON}'"
    before = count(work, "predictions.late", others), count(work, "outcomes.late", others)
    assert {Path(file).suffix for file in holds(root, *ERASED)} >= {".log", ".parquet"}
    tried = forget(work, "late", [PERSON], dry_run=True).document()
    assert tried["state"] == "dry_run" and tried["erased"] == {"predictions": 2, "reported": 3, "outcomes": 2}
    assert count(work, "predictions.late", f"visit = '{PERSON}'") == 2, "a dry run erases nothing"
    assert work.store.ledger.count(Erasure) == 0

    done = forget(work, "late", [PERSON], because="asked to").document()
    assert (done["state"], done["erased"], done["columns"]) == ("done", tried["erased"], ["visit"])
    left = {(each["what"], each["name"]): each["rows"] for each in done["remains"]}
    assert left == {("source", "visits_raw"): 1, ("table", "visits"): 1, ("dataset", "late"): 1}
    assert holds(root, *ERASED) == []
    for _ in range(2):
        collect(work, work.project.models["late"])
        assert holds(root, *ERASED) == [], "what the table of labels has of it does not land again"
    after = count(work, "predictions.late"), count(work, "outcomes.late", f"visit = '{PERSON}'")
    assert after == (before[0], 0) and count(work, "outcomes.late", others) >= before[1]
    assert set(forget(work, "late", [PERSON]).rows.values()) == {0}


def test_the_record_says_who_when_why_and_how_many_but_not_whom(work: Workplace) -> None:
    forget(work, "late", [PERSON, '{"visit": "v120"}'], because="asked to")
    begun, done = work.store.ledger.entries(Erasure)
    assert (begun.record.state, done.record.state, done.by, done.record.because) == ("begun", "done", "kim", "asked to")
    assert begun.record.erasure == done.record.erasure and done.record.rows["predictions"] == 4
    assert len(done.record.digests) == 2 and done.record.columns == ["visit"] and begun.at <= done.at
    assert "v120" not in json.dumps(done.record.digests)


def test_reproduce_tells_erased_rows_from_lost_ones(work: Workplace) -> None:
    forget(work, "late", ["v120"])
    assert reproduce(work, "late", 1) == [], "datasets are left alone unless they are named"
    assert [each["rows"]["predictions"] for each in erased_since(work, "late", 1)] == [2]
    done = forget(work, "late", [PERSON, "v121"], datasets=True).document()
    assert done["erased"]["dataset"] == 2 and ("dataset", "late") not in {
        (e["what"], e["name"]) for e in done["remains"]
    }
    assert holds(work.project.root, "lake/datasets") == []
    differences = reproduce(work, "late", 1)
    day = f"{work.now():%Y-%m-%d}"
    assert differences[0] == f"2 rows of the dataset were erased on {day}: the other 1498 come out the same"
    assert all("came out of the rows that are left" in each for each in differences[1:]) and len(differences) > 1
    work.store.lake.erase(
        "datasets/late", ["visit"], lambda rows: [v == "v122" for v in rows.column("visit").to_pylist()]
    )
    assert reproduce(work, "late", 1)[:2] == [
        f"2 rows of the dataset were erased on {day}: the rest differs, too",
        "the dataset differs: 0 rows were kept that do not come out, 1 come out anew",
    ]


def test_a_dataset_frozen_later_lost_nothing(work: Workplace, more_visits: str, more_loads: str) -> None:
    forget(work, "late", [PERSON], datasets=True)
    root = work.project.root
    (root / "data/visits_2.csv").write_text(more_visits, encoding="utf-8")
    (root / "data/loads_2.csv").write_text(more_loads, encoding="utf-8")
    run(work)
    assert reproduce(work, "late", 2) == [] and erased_since(work, "late", 2) == []
    assert reproduce(work, "late", 1)[0].startswith("1 row of the dataset was erased on ")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", ["questions_of", "erase_outcomes", "erase_predictions", "erase_datasets"])
def test_one_that_was_interrupted_is_completed_by_the_next(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    step, calls = getattr(forgetting, at), []

    def die(*arguments: Any, **named: Any) -> Any:
        calls.append(at)
        if at == "questions_of" and len(calls) == 1:
            return step(*arguments, **named)  # that one counts
        if at != "erase_datasets":
            step(*arguments, **named)
        raise Killed

    monkeypatch.setattr(forgetting, at, die)
    with pytest.raises(Killed):
        forget(work, "late", [PERSON], datasets=True)
    monkeypatch.undo()
    assert [entry.record.state for entry in work.store.ledger.entries(Erasure)] == ["begun"]
    collect(work, work.project.models["late"])
    done = forget(work, "late", ["nobody"])
    assert done.completed == 1 and set(done.rows.values()) == {0}
    assert holds(work.project.root, *ERASED, "lake/datasets") == []
    completed = work.store.ledger.entries(Erasure)[1].record
    assert completed.state == "done" and completed.rows["predictions"] == 2 and completed.rows["dataset"] == 1


def test_killed_at_any_moment_running_it_again_completes_it(work: Workplace) -> None:
    root, others = work.project.root, f"visit <> '{PERSON}'"
    before = count(work, "predictions.late", others)
    command = [sys.executable, "-m", "rondo.cli", "forget", "late", PERSON, "--datasets", "--json"]
    killed = 0
    for wait_s in (0.5, 0.7, 0.9, 1.1):
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
    last = subprocess.run(command, cwd=root, capture_output=True, check=False)
    assert killed and last.returncode == 0, last.stderr
    assert holds(root, *ERASED, "lake/datasets") == []
    again = open_workplace(root)
    collect(again, again.project.models["late"])
    assert count(again, "predictions.late") == before and holds(root, *ERASED) == []


def test_a_server_goes_on_writing(work: Workplace) -> None:
    server = PredictionLog(work.store.folder / "predictions")
    payload = b"\x91\xa2no"
    server.append("predictions/other", [payload])
    forget(work, "late", [PERSON])
    server.append("predictions/other", [payload])
    assert [each for *_, each in server.read("predictions/other")] == [payload] * 2
    server.close()


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        (['{"visitor": 1}'], "no field of a request of late called 'visitor'"), (['["v17"]'], "is no key of late"),
        (['{"visit": null}'], "visit is None"), (['{"visit": ["v17"]}'], r"visit is \['v17'\]"), (["null"], "is no key"),
        (["v17", '{"shop": "A"}'], "other columns: visit and shop"),
    ],
)  # fmt: skip
def test_a_key_that_is_none_is_refused(work: Workplace, keys: list[str], wrong: str) -> None:
    with pytest.raises(WrongUse, match=wrong):
        forget(work, "late", keys)
    assert work.store.ledger.count(Erasure) == 0


def test_a_model_that_never_was_trained_has_nothing_to_forget(shop: Path) -> None:
    with pytest.raises(NotFound, match="no version yet"):
        forget(open_workplace(shop), "late", ["v17"])


def test_other_states_are_named(work: Workplace) -> None:
    (work.project.root / ".rondo/states/year").mkdir(parents=True)
    remains = forget(work, "late", ["nobody"]).document()["remains"]
    assert remains == [{"what": "state", "name": "year", "rows": None}]
