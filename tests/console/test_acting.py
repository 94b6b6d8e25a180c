from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from rondo.deploy.rollout import roles
from rondo.monitor.alerting import newest_alerts, silences
from rondo.monitor.incidents import newest_incidents, ticks
from rondo.records.deployment import Deployment
from rondo.records.development import Gate, RequirementResult
from rondo.records.team import Decision
from rondo.team.notes import notes

if TYPE_CHECKING:
    from conftest import Console


def test_a_version_is_promoted_and_rolled_back_with_who_and_why(open_console: Console) -> None:
    for number in (1, 2):
        answer = open_console.act("promote", version=f"late@{number}", to="production", because=f"reviewed {number}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    ledger = open_console.work.store.ledger
    decision = ledger.latest(Decision, name="late")
    assert decision is not None and (decision.by, decision.record.who, decision.record.why) == (
        "tester", "tester", "reviewed 2",
    )  # fmt: skip
    assert "<b>late@2</b> is at work as production." in open_console.client.get("/").text
    assert "is at work as" not in open_console.client.get("/").text, "said once"

    open_console.act("promote", version="late@3", to="canary=10%", because="try")
    assert roles(ledger, "late")["canary"].record.share == pytest.approx(0.1)
    open_console.act("rollback", model="late", role="canary", because="no")
    open_console.act("rollback", model="late", because="complaints")
    assert {role: held.record.version for role, held in roles(ledger, "late").items()} == {"production": 1}
    assert "<b>late@1</b> is back in production." in open_console.client.get("/?lang=en").text


def test_of_two_who_promote_at_once_one_is_refused_in_the_words_of_the_command(open_console: Console) -> None:
    def promote(number: int) -> tuple[int, str]:
        answer = open_console.act("promote", version="late@2", to="production", because=f"by {number}")
        return answer.status_code, answer.text

    with ThreadPoolExecutor(4) as people:
        answers = sorted(people.map(promote, range(4)))
    assert [code for code, _ in answers] == [303, 409, 409, 409]
    assert all("late@2 is production already." in text for _, text in answers[1:])
    assert open_console.work.store.ledger.count(Deployment) == 1


def test_a_gate_that_failed_holds_here_too_and_an_undecided_line_is_signed(open_console: Console) -> None:
    (open_console.root / "docs/prd.md").write_text(
        "---\nkind: prd\nmodel: late\nundecided: sign\nrequirements:\n  - roc_auc >= 0.6\n---\n# Why\n"
    )
    ledger = open_console.work.store.ledger
    for number, state in ((1, "failed"), (2, "undecided")):
        line = RequirementResult(text="roc_auc >= 0.6", state=state, value=0.6, low=0.5, high=0.7, limit=0.6, n=9)  # type: ignore[arg-type]
        ledger.append(Gate(name="late", version=number, state=state, requirements=[line]), by="test")  # type: ignore[arg-type]
    answer = open_console.act("promote", version="late@1", because="hurry")
    assert answer.status_code == 409 and "failed its gate" in answer.text and "nobody can promote it" in answer.text
    answer = open_console.act("sign", version="late@1", requirement="roc_auc >= 0.6", because="x")
    assert answer.status_code == 409 and "only an undecided one can be signed" in answer.text
    assert open_console.act("promote", version="late@2", because="hurry").status_code == 409
    assert ledger.count(Deployment) == 0


def test_an_alert_is_seen_silenced_and_said_to_be_over(open_console: Console) -> None:
    ledger = open_console.work.store.ledger
    [alert] = newest_alerts(ledger)
    assert open_console.act("acknowledge", alert=alert.id).status_code == 303
    again = open_console.act("acknowledge", alert=alert.id)
    assert again.status_code == 409 and f"Alert {alert.id} is acknowledged by tester." in again.text
    assert open_console.act("silence", alert=alert.id, length="2h").status_code == 400
    assert open_console.act("silence", alert=alert.id, length="2h", because="The feed moves.").status_code == 303
    [quiet] = silences(ledger)
    assert (quiet.rule, quiet.who, quiet.because) == ("stale data", "tester", "The feed moves.")
    assert open_console.act("resolve", alert=alert.id).status_code == 303
    assert newest_alerts(ledger)[0].state == "resolved"
    assert open_console.act("resolve", alert="nothing").status_code == 404


def test_an_incident_is_taken_remarked_on_and_closed(open_console: Console) -> None:
    ledger = open_console.work.store.ledger
    [incident], [alert] = newest_incidents(ledger), newest_alerts(ledger)
    open_console.act("take", incident=incident.id)
    assert newest_alerts(ledger)[0].by == "tester"
    open_console.act("note", name=incident.id, because="The file is empty.")
    assert open_console.act("close", incident=incident.id, because="x").status_code == 409
    open_console.act("resolve", alert=alert.id)
    assert open_console.act("close", incident=incident.id).status_code == 400, "what was learned is asked for"
    open_console.act("close", incident=incident.id, because="Look at sizes.")
    [closed] = newest_incidents(ledger)
    assert (closed.state, closed.who, closed.learned) == ("closed", "tester", "Look at sizes.")


def test_a_step_is_ticked_and_unticked(open_console: Console) -> None:
    ledger = open_console.work.store.ledger
    [alert] = newest_alerts(ledger)
    step = alert.steps[0]
    for done in ("1", ""):
        assert open_console.act("tick", alert=alert.id, step=step, done=done).status_code == 303
        assert ticks(ledger, alert.id)[step].record.done is bool(done)
    assert open_console.act("tick", alert=alert.id, step="Dance.", done="1").status_code == 404


def test_anything_by_name_is_remarked_on(open_console: Console) -> None:
    ledger = open_console.work.store.ledger
    assert open_console.act("note", name="late@2", because="비 오는 날에 약함").status_code == 303
    [note] = notes(ledger, "late", 2)
    assert (note.record.text, note.record.who, note.by) == ("비 오는 날에 약함", "tester", "tester")
    for name in ("visits", "late", newest_alerts(ledger)[0].id):
        assert open_console.act("note", name=name, because="x").status_code == 303, name
    for name in ("nothing", "late@9"):
        assert open_console.act("note", name=name, because="x").status_code == 404, name
    assert open_console.act("note", name="late", because="x" * 5000).status_code == 400


def test_a_form_that_is_not_this_session_s_changes_nothing(open_console: Console) -> None:
    client, token = open_console.client, open_console.token
    fields = {"version": "late@1", "because": "x", "token": token}
    for sent in ({**fields, "token": ""}, {**fields, "token": token[:-1]}, {**fields, "token": "é"}):
        assert client.post("/actions/promote", data=sent).status_code == 403, sent
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert client.post("/actions/promote", data=fields, headers=headers).status_code == 403, headers
    json = client.post("/actions/promote", json=fields)
    assert json.status_code == 415
    assert client.post("/actions/promote", data={**fields, "because": "x" * 70_000}).status_code == 413
    assert client.post("/actions/nothing", data=fields).status_code == 404
    assert open_console.work.store.ledger.count(Deployment) == 0
    same = {"origin": str(client.base_url).rstrip("/")}
    assert client.post("/actions/promote", data=fields, headers=same).status_code == 303


def test_one_goes_back_to_the_page_and_to_no_other_site(open_console: Console) -> None:
    for back, goes in (
        ("/models/late?x=1#gate", "/models/late?x=1#gate"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("//[", "/"),
        ("/\t/evil.example", "/"),
        ("/x\r\nset-cookie: a=b", "/"),
        ("", "/"),
    ):
        answer = open_console.act("note", name="late", because="x", back=back)
        assert answer.headers["location"] == goes, back
        assert "a" not in answer.cookies


def test_what_was_done_is_said_in_the_reader_s_language_and_cannot_be_made_up(open_console: Console) -> None:
    open_console.act("promote", version="late@1", because="x")
    assert "<b>late@1</b>을 운영에 배포했습니다." in open_console.client.get("/?lang=ko").text
    for forged in ("WyJub3RlIiwieCIsIiJd.x", "x", "."):
        page = open_console.client.get("/?lang=en", headers={"cookie": f"rondo_done={forged}"}).text
        assert 'class="told"' not in page


def test_the_past_and_saved_pages_offer_nothing_to_do(open_console: Console) -> None:
    for address in ("/?as_of=2030-01-01", "/?format=html"):
        assert open_console.token not in open_console.client.get(address).text
