from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rondo.deploy.rollout import roles
from rondo.loop.answering import answerer_of
from rondo.loop.planning import plan
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.development import Evaluation, Gate, Version
from rondo.records.running import RetrainDecision, Run
from rondo.records.tables import Dataset, TableVersion


def opened(root: Path) -> Workplace:
    return open_workplace(root, by="tester")


def states(work: Workplace) -> dict[tuple[str, str], str]:
    return {(step.name, step.stage): step.state for step in run(work).run.steps}


def live_scores(root: Path) -> list[float]:
    work = opened(root)
    rows = [{"shop": s, "distance": d} for s in ("A", "B", "C", None) for d in (0.5, 7.25, 19.0, None)]
    answers = answerer_of(work, "late@production").answer(rows, now=work.now())
    return [answer.score for answer in answers]


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_first_run_goes_all_the_way_to_production(shop: Path) -> None:
    work = opened(shop)
    ran = run(work)
    assert (ran.run.state, ran.exit_code) == ("done", 0)
    assert {step.stage for step in ran.run.steps} >= {
        "load",
        "build",
        "freeze",
        "train",
        "evaluate",
        "rehearse",
        "gate",
    }
    assert roles(work.store.ledger, "late")["production"].record.version == 1
    [gate] = work.store.ledger.entries(Gate, name="late")
    assert gate.record.state == "passed"
    [evaluation] = work.store.ledger.entries(Evaluation, name="late")
    assert {part.is_ for part in evaluation.record.slices} == {"A", "B", "C"}


def test_a_second_run_builds_nothing_and_writes_nothing(shop: Path) -> None:
    run(opened(shop))
    work = opened(shop)
    before = work.store.ledger.history(10_000)
    assert set(states(work).values()) == {"fresh"}
    assert work.store.ledger.history(10_000) == before
    assert all(step.action == "keep" for step in plan(opened(shop)))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("tables/loads.sql", "select shop", "-- a remark\nSELECT   shop"),
        ("tables/loads.sql", "summary: How busy", "summary: Quite how busy"),
        ("sources.py", "import rondo as rd", "# sources\nimport rondo as rd"),
        ("models/late.py", "import rondo as rd", "# a model\nimport rondo as rd"),
    ],
)
def test_what_changes_no_meaning_rebuilds_nothing(shop: Path, name: str, old: str, new: str) -> None:
    run(opened(shop))
    edit(shop, name, old, new)
    assert {step.action for step in plan(opened(shop))} == {"keep"}
    assert set(states(opened(shop)).values()) == {"fresh"}


def test_an_edited_feature_makes_the_model_stale_and_leaves_live_scores_to_the_bit(
    shop: Path, more_visits: str, more_loads: str
) -> None:
    run(opened(shop))
    before = live_scores(shop)
    edit(shop, "tables/loads.sql", ", load from", ", load * 3 + 1 as load from")
    steps = {(step.name, step.stage): step for step in plan(opened(shop))}
    assert steps["loads", "build"].why == "stale"
    assert steps["late", "train"].why == "stale"
    assert "loads" in (steps["late", "train"].reason or "")
    ran = run(opened(shop))
    assert ran.run.state == "done"
    work = opened(shop)
    newest = work.store.ledger.latest(Version, name="late")
    assert newest is not None
    assert (newest.record.version, newest.record.why) == (2, "stale")
    assert roles(work.store.ledger, "late")["production"].record.version == 1  # stale ones are promoted by people
    assert live_scores(shop) == before


def test_a_pinned_definition_goes_on_being_refreshed_with_new_data(shop: Path, more_loads: str) -> None:
    run(opened(shop))
    before = live_scores(shop)
    edit(shop, "tables/loads.sql", ", load from", ", -load as load from")
    (shop / "data/loads_2.csv").write_text(more_loads, encoding="utf-8")
    ran = run(opened(shop))
    assert ("loads", "pinned") in {(step.name, step.stage) for step in ran.run.steps}
    work = opened(shop)
    pinned = work.store.ledger.latest(TableVersion, name="loads", where={"pinned": True})
    current = work.store.ledger.latest(TableVersion, name="loads", where={"pinned": False})
    assert pinned is not None
    assert current is not None
    assert pinned.record.rows == current.record.rows > 60 * 72
    assert work.catalog.version_of("loads").definition == current.record.definition
    after = live_scores(shop)
    assert len(after) == len(before)
    query = 'select min(load) as least from "loads"'
    assert work.catalog.query(query).rows.column("least")[0].as_py() < 0  # the bare name is the new definition


def test_new_data_makes_a_model_due_and_its_policy_decides(shop: Path, more_visits: str, more_loads: str) -> None:
    run(opened(shop))
    (shop / "data/visits_2.csv").write_text(more_visits, encoding="utf-8")
    (shop / "data/loads_2.csv").write_text(more_loads, encoding="utf-8")
    steps = {(step.name, step.stage): step for step in plan(opened(shop))}
    assert steps["visits_raw", "load"].why == "due"
    run(opened(shop))  # the data now ends in March: another month than the last training's
    work = opened(shop)
    newest = work.store.ledger.latest(Version, name="late")
    assert newest is not None
    assert (newest.record.version, newest.record.why) == (2, "due")
    [decision] = work.store.ledger.entries(RetrainDecision, name="late")
    assert decision.record.retrain
    gate = work.store.ledger.latest(Gate, name="late", version=2)
    assert gate is not None
    production = roles(work.store.ledger, "late")["production"].record.version
    assert production == (2 if gate.record.state == "passed" else 1)


def test_a_policy_that_waits_says_so_once(shop: Path, more_loads: str) -> None:
    edit(shop, "models/late.py", '"monthly"', '"never"')
    run(opened(shop))
    (shop / "data/loads_2.csv").write_text(more_loads, encoding="utf-8")
    for _ in range(2):
        assert states(opened(shop))["late", "train"] == "fresh"
    work = opened(shop)
    [decision] = work.store.ledger.entries(RetrainDecision, name="late")
    assert not decision.record.retrain
    assert work.store.ledger.count(Version, "late") == 1


def test_as_of_builds_what_was_known_then(shop: Path) -> None:
    work = opened(shop)
    ran = run(work, as_of=datetime(2024, 2, 5, tzinfo=UTC))
    assert ran.run.state == "done"
    dataset = work.store.ledger.latest(Dataset, name="late")
    assert dataset is not None
    moments = [moment for pair in dataset.record.moments.values() for moment in pair]
    assert max(moments).isoformat() < "2024-02-05"
    later = {(step.name, step.stage): step.why for step in plan(opened(shop))}
    assert later["late", "train"] is None or later["late", "train"] == "due"


def test_names_bring_what_they_need_and_nothing_else(shop: Path) -> None:
    ran = run(opened(shop), ["loads"])
    assert [step.name for step in ran.run.steps] == ["loads_raw", "loads"]


def test_a_blocked_table_keeps_its_last_good_version_and_the_model_waits(shop: Path) -> None:
    run(opened(shop))
    edit(shop, "tables/loads.sql", "checks:", "checks:\n  - load > 2")
    ran = run(opened(shop))
    assert (ran.run.state, ran.exit_code) == ("blocked", 1)
    assert opened(shop).catalog.version_of("loads").version == 1
    edit(shop, "tables/loads.sql", ", load from", ", load * 2 as load from")
    ran = run(opened(shop))
    train = next(step for step in ran.run.steps if step.stage == "train")
    assert (train.state, "loads" in (train.reason or "")) == ("skipped", True)


def test_a_failed_source_is_told_and_the_rest_goes_on(shop: Path) -> None:
    run(opened(shop))
    (shop / "data/shops.csv").unlink()
    (shop / "data/loads_2.csv").write_text("shop,measured_at,load\nA,not a time,1\n", encoding="utf-8")
    ran = run(opened(shop))
    assert (ran.run.state, ran.exit_code) == ("failed", 3)
    failed = {step.name: step.reason for step in ran.run.steps if step.state == "failed"}
    assert list(failed) == ["loads_raw"]
    assert "loads_2.csv" in (failed["loads_raw"] or "")
    assert opened(shop).store.ledger.latest(Run, where={"state": "failed"}) is not None


def test_what_nothing_pins_leaves_the_online_store(shop: Path) -> None:
    run(opened(shop))
    assert len(opened(shop).store.online.spaces()) == 2
    edit(shop, "tables/loads.sql", ", load from", ", load * 3 as load from")
    run(opened(shop))  # version 1 is at work, version 2 the newest: both definitions stay
    assert len(opened(shop).store.online.spaces()) == 3
    edit(shop, "tables/loads.sql", "load * 3", "load * 5")
    run(opened(shop))
    spaces = opened(shop).store.online.spaces()
    assert len(spaces) == 3
    pinned = opened(shop).store.ledger.latest(Version, name="late", version=1)
    assert pinned is not None
    assert f"loads:{pinned.record.pinned['loads']}" in spaces
