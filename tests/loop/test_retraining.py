from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

import rondo as rd
from rondo.errors import DeclarationError
from rondo.loop.planning import plan
from rondo.loop.retraining import Verdict, period_begins, policy_verdict
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.project.models import Model
from rondo.records.deployment import Deployment
from rondo.records.development import Version
from rondo.records.monitoring import Alert
from rondo.records.running import RetrainDecision
from rondo.store.ledger import Entry, Ledger, open_ledger

TRAINED = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: TRAINED)


def model(policy: str, **more: object) -> Model:
    made = Model(examples="visits", task=rd.binary("late"), retrain=policy, **more)  # type: ignore[arg-type]
    object.__setattr__(made, "name", "late")
    return made


def trained(ledger: Ledger, number: int = 1) -> Entry[Version]:
    version = Version(
        name="late", version=number, definition="d", build="b", dataset=number, trainer="linear", parameters={}, seed=0,
        files={}, pinned={}, why="due", as_of=TRAINED,
    )  # fmt: skip
    [entry] = ledger.append(version, by="me")
    return entry


def alert(rule: str, since: datetime, **more: object) -> Alert:
    told = {"event": "opened", "state": "open", "number": 1, "changed": since, "severity": "warning", **more}
    return Alert(name=rule, id=f"{rule}-id", model="late", since=since, summary="!", **told)  # type: ignore[arg-type]


def verdict(ledger: Ledger, days: float, *, policy: str = "on alert", **more: object) -> Verdict:
    newest = ledger.latest(Version, name="late")
    assert newest is not None
    return policy_verdict(ledger, model(policy, **more), newest, now=TRAINED + timedelta(days=days), timezone="UTC")


@pytest.mark.parametrize(
    ("policy", "days", "due"),
    [
        ("never", 400, False), ("monthly", 30, False), ("monthly", 31, True), ("weekly", 2, False),
        ("weekly", 3, True), ("daily", 0.9, False), ("daily", 1, True), ("on alert", 400, False),
    ],
)  # fmt: skip
def test_new_data_makes_a_model_due_once_a_period(ledger: Ledger, policy: str, days: float, due: bool) -> None:
    trained(ledger)
    assert verdict(ledger, days, policy=policy).due is due


@pytest.mark.parametrize(
    ("rule", "diagnosis", "due"),
    [
        ("drift", None, True), ("quality", None, True), ("calibration", "model", True), ("stale data", None, False),
        ("drift", "data", False), ("quality", "service", False), ("anything", "model", True),
    ],
)  # fmt: skip
def test_only_alerts_about_the_model_train(ledger: Ledger, rule: str, diagnosis: str | None, due: bool) -> None:
    trained(ledger)
    ledger.append(alert(rule, TRAINED + timedelta(days=8), diagnosis=diagnosis), by="me")
    found = verdict(ledger, 9)
    assert (found.due, found.alerts) == (due, (f"{rule}-id",) if due else ())


def test_after_a_training_comes_the_cool_down(ledger: Ledger) -> None:
    trained(ledger)
    ledger.append(alert("drift", TRAINED + timedelta(days=1)), by="me")
    assert not verdict(ledger, 6.9).due
    assert "until 2024-03-08T00:00+00:00" in verdict(ledger, 6.9).reason
    assert verdict(ledger, 7).due
    assert verdict(ledger, 1.5, cool_down="1d").due


def test_what_is_resolved_trains_no_more(ledger: Ledger) -> None:
    trained(ledger)
    ledger.append(alert("drift", TRAINED + timedelta(days=1)), by="me")
    ledger.append(alert("drift", TRAINED + timedelta(days=1), number=2, event="resolved", state="resolved"), by="me")
    assert not verdict(ledger, 30).due


def test_an_answered_alert_trains_again_only_if_the_answer_was_not_put_to_work(ledger: Ledger) -> None:
    trained(ledger)
    before = alert("drift", TRAINED - timedelta(days=2))
    ledger.append(before, by="me")
    assert verdict(ledger, 8).due  # the version of the last training is not at work
    ledger.append(Deployment(name="late", version=1, role="production", share=1.0), by="me")
    assert not verdict(ledger, 8).due
    worse = msgspec.structs.replace(before, number=2, event="worsened", changed=TRAINED + timedelta(days=3))
    ledger.append(worse, by="me")
    assert verdict(ledger, 8).due
    ledger.append(msgspec.structs.replace(worse, number=3, event="acknowledged", state="acknowledged"), by="me")
    assert verdict(ledger, 8).due


@pytest.mark.parametrize(
    ("policies", "since", "moment", "begins"),
    [
        ((), "2024-02-29T22:59Z", "2024-02-29T23:00Z", True), ((), "2024-02-29T23:00Z", "2024-03-30T22:00Z", False),
        (("daily",), "2024-03-29T23:00Z", "2024-03-30T22:59Z", False),
        (("daily",), "2024-03-29T23:00Z", "2024-03-30T23:00Z", True),
        (("weekly", "never"), "2024-03-09T23:00Z", "2024-03-10T23:00Z", True),
        (("on alert",), "2024-03-09T23:00Z", "2024-03-10T23:00Z", False),
    ],
)  # fmt: skip
def test_periods_begin_at_local_midnights(policies: tuple[str, ...], since: str, moment: str, begins: bool) -> None:
    first, then = datetime.fromisoformat(since), datetime.fromisoformat(moment)
    assert period_begins(policies, first, then, "Europe/Berlin") is begins


def test_a_cool_down_is_a_length() -> None:
    assert (model("on alert").cool_down_s, model("on alert", cool_down="36h").cool_down_s) == (604_800, 129_600)
    with pytest.raises(DeclarationError):
        model("on alert", cool_down="soon")


@pytest.fixture
def alerting_shop(tmp_path: Path, long_shop_files: Mapping[str, str]) -> Path:
    """A shop whose model is trained on alert, after an hour at least."""
    files = dict(long_shop_files)
    files["models/late.py"] = files["models/late.py"].replace('"monthly"', '"on alert", cool_down="1h"')
    files["sources.py"] = files["sources.py"].replace("visits*", "visits_1").replace("loads*", "loads_1")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_live_run_trains_for_an_alert_and_says_which(alerting_shop: Path) -> None:
    def work() -> Workplace:
        return open_workplace(alerting_shop, clock=lambda: now)

    now = TRAINED
    assert run(work()).run.state == "done"
    with (alerting_shop / "data/visits_1.csv").open("a", encoding="utf-8") as file:
        file.write("v90000,2024-02-22 08:00:00,A,3.0,true,2024-02-22 09:00:00\n")
    now += timedelta(days=1)
    assert run(work()).run.state == "done"
    assert work().store.ledger.count(Version, "late") == 1
    work().store.ledger.append(alert("drift", now), by="me")
    train = next(step for step in plan(work()) if step.stage == "train")
    assert (train.why, train.reason) == ("due", "new data in visits; policy on alert: drift (drift-id)")
    run(work())
    decisions = [entry.record for entry in work().store.ledger.entries(RetrainDecision, name="late")]
    assert [(each.retrain, each.alerts) for each in decisions] == [(False, []), (True, ["drift-id"])]
    assert work().store.ledger.count(Version, "late") == 2
