"""`rondo alerts` and `rondo incident` from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rondo.loop.workplace import open_workplace
from rondo.monitor.alerting import Finding, is_silenced, newest_alerts, record, settle, silences
from rondo.monitor.incidents import incidents_for
from rondo.project.channels import Channel
from rondo.records.monitoring import Cause, Delivery

Called = Callable[..., tuple[int, str, str]]


def test_an_alert_is_listed_its_incident_taken_and_closed(tmp_path: Path, rondo: Called) -> None:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "p"\n')
    assert "Nothing stands open" in rondo(tmp_path, "alerts")[1]
    assert "no incident" in rondo(tmp_path, "incident")[1] and not (tmp_path / ".rondo").exists()
    ledger, now = open_workplace(tmp_path, by="monitor").store.ledger, datetime.now(UTC)
    found = Finding(
        model="late", rule="stale", about="weather", summary="weather stopped", severity="critical", owner="mia"
    )
    opened = settle([found], [], [], now)
    [line] = incidents_for(opened, [], [])
    record(ledger, opened, [Channel("console", "console")], by="monitor", now=now, incidents=[line])

    [listed] = json.loads(rondo(tmp_path, "alerts", "--json")[1])
    assert (listed["name"], listed["model"], listed["state"], listed["owner"]) == ("stale", "late", "open", "mia")
    assert line.id in rondo(tmp_path, "incident")[1]
    code, out, _ = rondo(tmp_path, "incident", line.id, "--take", "--by", "ada", "--json")
    told = json.loads(out)
    assert code == 0 and (told["state"], told["who"], len(told["timeline"])) == ("taken", "ada", 2)
    [alert] = newest_alerts(ledger)
    assert (alert.state, alert.by) == ("acknowledged", "ada")
    assert [entry.record.number for entry in ledger.entries(Delivery)] == [1, 2]

    code, _, said = rondo(tmp_path, "incident", line.id, "--close", "--learned", "two feeds")
    assert code == 1 and "not resolved" in said
    record(ledger, settle([], [("late", "stale")], [alert], now), [], by="monitor", now=now)
    assert json.loads(rondo(tmp_path, "alerts", "--json")[1]) == []
    assert len(json.loads(rondo(tmp_path, "alerts", "--all", "--json")[1])) == 1
    code, out, _ = rondo(tmp_path, "incident", line.id, "--close", "--learned", "two feeds")
    assert code == 0 and "two feeds" in out


def test_one_alert_is_shown_whole_seen_silenced_and_said_to_be_over(tmp_path: Path, rondo: Called) -> None:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "p"\n')
    ledger, now = open_workplace(tmp_path, by="monitor").store.ledger, datetime.now(UTC)
    found = Finding(
        model="late", rule="stale data", about="source weather", summary="weather brought nothing", owner="mia",
        diagnosis="data", causes=(Cause(what="the feed stopped", share=0.9),), steps=("`rondo plan`",),
        runbook="docs/runbook.md", rollback="rondo rollback late",
    )  # fmt: skip
    [alert] = opened = settle([found], [], [], now)
    record(ledger, opened, [Channel("console", "console")], by="monitor", now=now)

    said = rondo(tmp_path, "alerts", alert.id[:6])[1]
    for part in ("weather brought nothing", "the feed stopped (90%)", "mia", "1. `rondo plan`", "rondo rollback late"):
        assert part in said
    code, out, _ = rondo(tmp_path, "alerts", alert.id, "--acknowledge", "--by", "ada", "--json")
    assert code == 0 and (json.loads(out)[0]["state"], json.loads(out)[0]["by"]) == ("acknowledged", "ada")
    assert rondo(tmp_path, "alerts", alert.id, "--acknowledge")[0] == 1

    assert rondo(tmp_path, "alerts", alert.id, "--silence", "2h")[0] == 2  # a silence has a reason
    said = rondo(tmp_path, "alerts", alert.id, "--silence", "2h", "--because", "the feed moves", "--by", "ada")[1]
    assert "late stale data (ada: the feed moves)" in said
    [newest] = newest_alerts(ledger)
    assert is_silenced(newest, silences(ledger), datetime.now(UTC))
    assert "Silent" not in rondo(tmp_path, "alerts", alert.id, "--silence", "0s")[1]
    assert not is_silenced(newest, silences(ledger), datetime.now(UTC))

    code, out, _ = rondo(tmp_path, "alerts", alert.id, "--resolve", "--json")
    assert code == 0 and json.loads(out)[0]["state"] == "resolved"
    assert json.loads(rondo(tmp_path, "alerts", "--json")[1]) == []
    assert [entry.record.number for entry in ledger.entries(Delivery)] == [1, 2, 3]


@pytest.mark.parametrize(
    "arguments",
    [("--acknowledge",), ("--resolve",), ("x", "--resolve", "--acknowledge"), ("x",), ("--silence", "soon")],
)
def test_what_cannot_be_done_to_an_alert_is_told(tmp_path: Path, arguments: tuple[str, ...], rondo: Called) -> None:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "p"\n')
    assert rondo(tmp_path, "alerts", *arguments)[0] == 2


@pytest.mark.parametrize(
    "arguments", [("--take",), ("x", "--close"), ("x", "--learned", "y"), ("x", "--take", "--close"), ("x",)]
)
def test_wrong_use_is_told(tmp_path: Path, arguments: tuple[str, ...], rondo: Called) -> None:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "p"\n')
    assert rondo(tmp_path, "incident", *arguments)[0] == 2


def test_a_step_is_ticked_and_anything_remarked_on(tmp_path: Path, rondo: Called) -> None:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "p"\n')
    ledger, now = open_workplace(tmp_path, by="monitor").store.ledger, datetime.now(UTC)
    found = Finding(
        model="late", rule="stale", about="weather", summary="weather stopped", severity="critical",
        steps=("Ask who sends it.", "Load it."),
    )  # fmt: skip
    opened = settle([found], [], [], now)
    [line] = incidents_for(opened, [], [])
    record(ledger, opened, [], by="monitor", now=now, incidents=[line])
    identity = opened[0].id
    code, out, _ = rondo(tmp_path, "alerts", identity, "--done", "2", "--by", "ada", "--json")
    assert code == 0 and json.loads(out)[0]["done"] == [2]
    assert "2. ✓ Load it." in rondo(tmp_path, "alerts", identity)[1]
    assert json.loads(rondo(tmp_path, "alerts", identity, "--undone", "2", "--json")[1])[0]["done"] == []
    assert rondo(tmp_path, "alerts", identity, "--done", "3")[0] == 2

    assert rondo(tmp_path, "note", identity, "It is the feed.", "--by", "ada")[0] == 0
    assert rondo(tmp_path, "note", line.id, "We wait.", "--by", "ada")[0] == 0
    assert json.loads(rondo(tmp_path, "incident", line.id, "--json")[1])["timeline"][-1]["note"] == "We wait."
    code, _, said = rondo(tmp_path, "note", "nothing", "x")
    assert code == 2 and "nothing" in said
    assert "It is the feed." in rondo(tmp_path, "history")[1]
