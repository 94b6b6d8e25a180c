from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from rondo.errors import NotFound
from rondo.handbook.incidents import PAGE, alert_facts, incident_facts, incidents_facts
from rondo.handbook.measured import Share
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.incidents import note, take, tick, ticks, timeline
from rondo.records.monitoring import Alert, Cause, Incident, Measurement

START = datetime(2024, 2, 1, tzinfo=UTC)
STEPS = ["`rondo run loads` loads it.", "Ask mia."]


def alert(identity: str, day: int = 0, **changes: object) -> Alert:
    since = START + timedelta(days=day)
    told = {
        "name": "stale data", "id": identity, "model": "late", "number": 1, "event": "opened", "state": "open",
        "since": since, "changed": since, "severity": "critical", "summary": "loads stopped.", "about": ["loads_raw"],
        "diagnosis": "data", "steps": STEPS, "causes": [Cause(what="loads_raw brings nothing", share=0.5)],
    }  # fmt: skip
    return Alert(**{**told, **changes})  # type: ignore[arg-type]


def stale(hour: int, value: float) -> Measurement:
    start = START - timedelta(hours=6) + timedelta(hours=hour)
    return Measurement(
        name="late", metric="staleness_h", feature="loads_raw", start=start, end=start + timedelta(hours=1), rows=1,
        matured=0, value=value, low=value, high=value, limit=2.0, state="out" if value > 2 else "within", unit="h",
        higher_is_better=False, side="above", basis="declared", n=1,
    )  # fmt: skip


def quality(start: datetime, days: int, metric: str, value: float) -> Measurement:
    return Measurement(
        name="late", metric=metric, feature=None, start=start, end=start + timedelta(days=days), rows=100, matured=100, value=value,
        low=None, high=None, limit=None, state="no limit", n=100,
    )  # fmt: skip


@pytest.fixture
def work(shop: Path) -> Workplace:
    work = open_workplace(shop, by="ada")
    opened = Incident(
        name="late", id="03236978", event="opened", state="open", alerts=["aa11"], summary="loads stopped.", owner="mia"
    )
    work.store.ledger.append(*[stale(hour, float(hour)) for hour in range(8)], by="monitor", at=START)
    work.store.ledger.append(alert("aa11"), opened, by="monitor", at=START)
    return work


def test_what_stands_open_comes_first_and_what_is_over_by_the_page(work: Workplace) -> None:
    over = [
        alert(f"b{n:03}", -n, name="drift", state="resolved", event="resolved", severity="warning")
        for n in range(PAGE + 5)
    ]
    work.store.ledger.append(alert("cc22", 1, severity="warning"), *over, by="monitor", at=START)
    first, second = incidents_facts(work, None), incidents_facts(work, 2)
    assert [each.alert.id for each in first.alerts] == ["aa11", "cc22"]  # the critical one, though younger ones came
    assert [each.incident for each in first.alerts] == ["03236978", None]
    assert (first.resolved, first.pages, len(first.over), len(second.over)) == (PAGE + 5, 2, PAGE, 5)
    ids = [each.alert.id for each in (*first.over, *second.over)]
    assert ids == [each.id for each in over]  # newest first
    assert incidents_facts(work, 99).page == 2 and incidents_facts(work, 0).page == 1


def test_an_incident_tells_what_was_measured_and_what_was_done(work: Workplace) -> None:
    ledger = work.store.ledger
    ledger.append(take(timeline(ledger, "03236978")[-1].record, "ada"), by="ada", at=START + timedelta(hours=1))
    said = note(timeline(ledger, "03236978")[-1].record, "ada", "the feed is silent")
    ledger.append(said, by="ada", at=START + timedelta(hours=3))
    ledger.append(tick(alert("aa11"), STEPS[0], True, "ada"), by="ada", at=START + timedelta(hours=2))
    facts = incident_facts(work, "03236978")
    assert facts.incident is not None and facts.incident.state == "taken" and facts.taken == START + timedelta(hours=1)
    [series] = facts.series
    assert (series.about, series.metric) == ("loads_raw", "staleness_h")
    assert [m.value for m in series.measured] == [float(n) for n in range(8)]
    assert [(step.number, step.done, step.who) for step in facts.steps] == [(1, True, "ada"), (2, False, None)]
    events = [(line.kind, line.event) for line in facts.timeline]
    assert events[:2] == [("alert", "opened"), ("incident", "opened")] and ("incident", "noted") in events
    assert [line.at for line in facts.timeline] == sorted(line.at for line in facts.timeline)
    says = {each.of: each.says for each in facts.asked}
    assert says == {"service": "unknown", "data": "broken", "model": "unknown"}


def test_a_tick_can_be_taken_back_and_only_steps_are_ticked(work: Workplace) -> None:
    ledger, mine = work.store.ledger, alert("aa11")
    ledger.append(tick(mine, STEPS[1], True, "ada"), tick(mine, STEPS[1], False, "bo"), by="ada")
    assert {step: entry.record.done for step, entry in ticks(ledger, "aa11").items()} == {STEPS[1]: False}
    assert [step.done for step in alert_facts(work, "aa11").steps] == [False, False]
    with pytest.raises(NotFound, match="step"):
        tick(mine, "Go home.", True, "ada")


def test_a_step_that_several_alerts_share_stands_once_and_one_tick_counts_for_all(work: Workplace) -> None:
    ledger, steps = work.store.ledger, [STEPS[1], "Tell the gate."]
    other = alert("bb22", 1, name="missing values", severity="warning", steps=steps)
    joined = msgspec.structs.replace(timeline(ledger, "03236978")[-1].record, event="joined", alerts=["aa11", "bb22"])
    alone = alert("cc33", 2, name="drift", severity="warning")
    ledger.append(other, joined, alone, by="monitor", at=START + timedelta(days=1))

    def told() -> list[tuple[int, str, str, bool]]:
        return [(each.number, each.alert, each.text, each.done) for each in incident_facts(work, "03236978").steps]

    assert told() == [(1, "aa11", STEPS[0], False), (2, "aa11", STEPS[1], False), (3, "bb22", steps[1], False)]
    ledger.append(tick(other, STEPS[1], True, "bo"), by="bo")
    assert [done for *_, done in told()] == [False, True, False]
    assert [(step.done, step.who) for step in alert_facts(work, "aa11").steps] == [(False, None), (True, "bo")]
    ledger.append(tick(alert("aa11"), STEPS[1], False, "ada"), by="ada")  # the newest counts, on whichever alert it is
    assert [done for *_, done in told()] == [False, False, False]
    assert [step.done for step in alert_facts(work, "bb22").steps] == [False, False]
    ledger.append(tick(alert("aa11"), STEPS[0], True, "ada"), by="ada")
    assert [step.done for step in alert_facts(work, "cc33").steps] == [False, False]  # of another trouble


def test_an_alert_that_is_over_is_diagnosed_as_of_then(work: Workplace) -> None:
    work.store.ledger.append(
        alert("dd33", -20, name="quality", state="resolved", severity="warning", diagnosis="model", about=["roc_auc"]),
        by="monitor",
    )
    says = {each.of: each.says for each in alert_facts(work, "dd33").asked}
    assert says == {"service": "unknown", "data": "unknown", "model": "weak"}  # not of the data that broke later
    assert [identity for identity, _ in alert_facts(work, "dd33").others] == ["aa11"]
    with pytest.raises(NotFound):
        alert_facts(work, "zz")
    with pytest.raises(NotFound):
        incident_facts(work, "zz")


def test_a_week_that_ended_before_it_began_tells_nothing_of_the_model(work: Workplace) -> None:
    week = quality(START - timedelta(days=7), 7, "roc_auc", 0.72)
    flagged = [quality(START + timedelta(days=n), 1, "flagged_share", 0.2 if n < 0 else 0.5) for n in range(-3, 2)]
    ledger = work.store.ledger
    ledger.append(week, *flagged, by="monitor", at=START)
    ledger.append(alert("ab12", 2, name="drift", since=START, severity="warning"), by="monitor", at=START)
    [*_, asked] = alert_facts(work, "ab12").asked
    assert (asked.of, asked.says, asked.measured) == ("model", "unknown", week)
    assert asked.flagged == (Share(0.5, 200), Share(0.2, 300))
    ledger.append(quality(START, 7, "roc_auc", 0.7), by="monitor", at=START)
    [*_, asked] = alert_facts(work, "ab12").asked
    assert (asked.says, asked.flagged) == ("well", None)


def test_an_incident_is_told_by_its_alert_as_it_is_now(work: Workplace) -> None:
    assert incidents_facts(work, None).now_said["03236978"].summary == "loads stopped."
    work.store.ledger.append(alert("aa11", number=2, event="changed", summary="For 29 h."), by="monitor", at=START)
    facts = incidents_facts(work, None)
    assert (facts.now_said["03236978"].summary, facts.incidents[0].summary) == ("For 29 h.", "loads stopped.")
