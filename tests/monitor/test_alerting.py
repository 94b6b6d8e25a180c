from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import NotFound, Refused, WrongUse
from rondo.monitor.alerting import (
    REOPENS_WITHIN,
    Finding,
    acknowledge,
    alert_of,
    document,
    is_silenced,
    newest_alerts,
    record,
    resolve,
    settle,
    standing,
)
from rondo.monitor.incidents import close, incidents_for, newest_incidents, note, take, timeline
from rondo.project.channels import Channel
from rondo.records.monitoring import Alert, Cause, Delivery, Silence
from rondo.store.ledger import open_ledger

NOW = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STALE = ("late", "stale")


def finding(about: str = "weather", **changes: object) -> Finding:
    return Finding(**{"model": "late", "rule": "stale", "about": about, "summary": f"{about} stopped", **changes})


def newest(records: list[Alert]) -> list[Alert]:
    return list({each.id: each for each in records}.values())


def opened(**changes: object) -> Alert:
    [alert] = settle([finding(**changes)], [], [], NOW)
    return alert


def test_findings_of_one_rule_are_one_alert_and_stay_it() -> None:
    found = [finding("weather"), finding("planes", severity="critical"), finding("hot", rule="drift")]
    drift, stale = settle(found, [], [], NOW)
    assert (drift.name, drift.about, stale.name, stale.about) == ("drift", ["hot"], "stale", ["planes", "weather"])
    assert stale.summary == "planes stopped (and 1 more)" and stale.severity == "critical"
    assert (stale.event, stale.state, stale.since, stale.number) == ("opened", "open", NOW, 1)
    assert settle(found, [], [drift, stale], NOW + HOUR) == []


def test_the_same_input_gives_the_same_records_and_other_moments_other_ids() -> None:
    assert opened() == opened()
    assert settle([finding()], [], [], NOW + HOUR)[0].id != opened().id


def test_what_was_not_examined_does_not_end() -> None:
    alert = opened()
    assert settle([], [("late", "drift")], [alert], NOW + HOUR) == []
    [over] = settle([], [STALE], [alert], NOW + HOUR)
    assert (over.id, over.state, over.number, over.since) == (alert.id, "resolved", 2, NOW)
    assert settle([], [STALE], [alert, over], NOW + 2 * HOUR) == []


def test_worse_is_told_again_and_opens_what_was_acknowledged() -> None:
    taken = acknowledge(opened(), "Mia", NOW)
    [worse] = settle([finding(severity="critical")], [], [taken], NOW + HOUR)
    assert (worse.event, worse.state, worse.by) == ("worsened", "open", None)
    [better] = settle([finding()], [], [worse], NOW + HOUR)
    assert (better.event, better.severity) == ("changed", "warning")


def test_a_diagnosis_is_added_and_not_unmade() -> None:
    alert = opened()
    known = finding(diagnosis="data", causes=(Cause(what="source weather", share=0.9),), owner="Mia", steps=("look",))
    [told] = settle([known], [], [alert], NOW + HOUR)
    assert (told.event, told.diagnosis, told.owner, told.steps) == ("explained", "data", "Mia", ["look"])
    assert settle([finding()], [], [told], NOW + 2 * HOUR) == []


def test_back_within_hours_is_the_same_alert_and_later_a_new_one() -> None:
    alert = opened()
    [over] = settle([], [STALE], [alert], NOW)
    [again] = settle([finding()], [], [over], NOW + REOPENS_WITHIN)
    assert (again.id, again.event, again.state, again.number) == (alert.id, "reopened", "open", 3)
    [other] = settle([finding()], [], [over], NOW + REOPENS_WITHIN + timedelta(microseconds=1))
    assert (other.event, other.number) == ("opened", 1) and other.id != alert.id


def test_people_take_and_end_alerts() -> None:
    taken = acknowledge(opened(), "Mia", NOW)
    assert (taken.state, taken.by) == ("acknowledged", "Mia")
    assert settle([finding()], [], [taken], NOW) == []
    with pytest.raises(Refused, match="is acknowledged by Mia"):
        acknowledge(taken, "Bo", NOW)
    over = resolve(taken, "Bo", NOW)
    with pytest.raises(Refused, match="resolved already"):
        resolve(over, "Bo", NOW)


def test_an_alert_is_found_by_the_beginning_of_its_id() -> None:
    one, two = opened(), opened(rule="drift")
    assert alert_of([one, two], one.id[:6]) == one
    for wrong in ("", "zz"):
        with pytest.raises(NotFound):
            alert_of([one, two], wrong)


RULES = st.sampled_from(["stale", "drift"])
ROUNDS = st.lists(
    st.tuples(st.integers(1, 600), st.dictionaries(RULES, st.sets(st.sampled_from("abc"))), st.booleans()), max_size=12
)


@given(ROUNDS)
def test_whatever_happens_one_alert_stands_for_what_is_wrong(
    rounds: list[tuple[int, dict[str, set[str]], bool]],
) -> None:
    known: list[Alert] = []
    now, wrong = NOW, {}
    for minutes, found, critical in rounds:
        now += timedelta(minutes=minutes)
        severity = "critical" if critical else "warning"
        findings = [finding(a, rule=rule, severity=severity) for rule, about in found.items() for a in about]
        known += settle(findings, [("late", rule) for rule in found], newest(known), now)
        wrong |= found
        up = standing(newest(known))
        assert {alert.name: set(alert.about) for alert in up} == {rule: a for rule, a in wrong.items() if a}
        assert len(up) == len({alert.name for alert in up})
    for identity in {alert.id for alert in known}:
        numbers = [alert.number for alert in known if alert.id == identity]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_silence_covers_its_rule_until_its_end() -> None:
    silence = Silence(name="late", start=NOW, until=NOW + HOUR, who="Mia", because="move", model="late", rule="stale")
    alert = opened()
    assert is_silenced(alert, [silence], NOW) and not is_silenced(alert, [silence], NOW + HOUR)
    assert not is_silenced(alert, [silence], NOW - HOUR)
    assert not is_silenced(opened(rule="drift"), [silence], NOW)
    assert not is_silenced(opened(model="other"), [silence], NOW)
    assert is_silenced(opened(rule="drift"), [msgspec.structs.replace(silence, rule=None)], NOW)


def test_an_alert_and_what_is_due_of_it_are_written_together(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: NOW)
    channels = [Channel("console", "console"), Channel("hook", "webhook", "${U}", "${S}")]
    alert = opened()
    [changed] = settle([finding(owner="Mia")], [], [alert], NOW)
    record(ledger, [alert, changed], channels, by="monitor", now=NOW)
    record(ledger, [], channels, by="monitor", now=NOW)
    assert [e.record.id for e in ledger.entries(Delivery)] == [f"{alert.id}-1-console", f"{alert.id}-1-hook"]
    assert newest_alerts(ledger) == [changed]
    assert {"id", "name", "model", "state", "since", "diagnosis", "causes", "runbook", "owner"} <= set(
        document(changed)
    )


def test_a_cause_that_is_found_later_is_told_and_not_unmade() -> None:
    blind = finding(rule="drift", severity="critical", diagnosis="model")
    [first] = settle([blind], [], [], NOW)
    [incident] = incidents_for([first], [], [])
    seen = finding(
        rule="drift", severity="critical", diagnosis="data", causes=(Cause(what="Celsius", share=0.8),), owner="Mia"
    )
    [told] = settle([seen], [], [first], NOW + HOUR)
    assert (told.event, told.diagnosis, told.owner, told.number) == ("explained", "data", "Mia", 2)
    [line] = incidents_for([told], [incident], [first])
    assert (line.event, line.note, line.diagnosis) == ("noted", "Celsius", "data")
    assert settle([blind], [], [told], NOW + 2 * HOUR) == []


def test_an_alert_joins_what_still_stands_and_not_what_is_over() -> None:
    first = opened(severity="critical")
    [incident] = incidents_for([first], [], [])
    worse = opened(rule="drift", severity="critical")
    assert [line.event for line in incidents_for([worse], [incident], [first])] == ["joined"]
    [over] = settle([], [STALE], [first], NOW + HOUR)
    [own] = incidents_for([over], [incident], [first])
    assert (own.event, own.state) == ("resolved", "open")
    assert [line.event for line in incidents_for([worse], [own], [over])] == ["opened"]
    back = settle([finding(severity="critical")], [], [over], NOW + 2 * HOUR)
    assert [(line.event, line.id) for line in incidents_for(back, [own], [over])] == [("noted", incident.id)]


def test_an_incident_goes_from_its_first_alert_to_what_was_learned(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=lambda: NOW)
    assert incidents_for([opened()], [], []) == []
    first, second = opened(severity="critical", owner="Mia"), opened(rule="drift")
    [incident, joined] = incidents_for([first, second], [], [])
    assert (incident.event, incident.owner, joined.event, joined.alerts) == (
        "opened",
        "Mia",
        "joined",
        [first.id, second.id],
    )
    record(ledger, [first, second], [], by="monitor", now=NOW, incidents=[incident, joined])
    ledger.append(take(joined, "Mia"), by="Mia")
    [taken] = newest_incidents(ledger)
    with pytest.raises(Refused, match="are not resolved"):
        close(taken, "Mia", "ask for a second feed", newest_alerts(ledger))
    over = settle([], [STALE, ("late", "drift")], newest_alerts(ledger), NOW)
    lines = incidents_for(over, [taken], [first, second])
    record(ledger, over, [], by="monitor", now=NOW, incidents=lines)
    with pytest.raises(WrongUse, match="what was learned"):
        close(lines[-1], "Mia", " ", over)
    closed = close(note(lines[-1], "Mia", "called"), "Mia", "ask for a second feed", over)
    ledger.append(closed, by="Mia")
    told = [entry.record.event for entry in timeline(ledger, incident.id)]
    assert told == ["opened", "joined", "taken", "resolved", "resolved", "closed"]
    with pytest.raises(Refused, match="is closed"):
        take(closed, "Bo")
    again = settle([finding(severity="critical")], [], over, NOW + HOUR)
    assert [(line.event, line.id == incident.id) for line in incidents_for(again, [closed], over)] == [
        ("opened", False)
    ]
    with pytest.raises(NotFound):
        timeline(ledger, "none")
