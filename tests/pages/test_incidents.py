"""The pages of alerts and incidents in every state, in both languages."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rondo.console.looking import frame_of
from rondo.handbook.incidents import alert_facts, incident_facts, incidents_facts
from rondo.language.catalogues import CODES, Code
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.incidents import close, note, take, tick, timeline
from rondo.monitor.watched import RULES
from rondo.pages.alerted import TITLES
from rondo.pages.frame import Frame
from rondo.pages.incidents import case_page, incidents_page
from rondo.records.monitoring import Alert, Cause, Delivery, Incident, Silence

START = datetime(2024, 2, 1, tzinfo=UTC)
STEP = "Run `rondo run loads`, then <look>."


def alert(identity: str = "aa11", **changes: object) -> Alert:
    told = {
        "name": "stale data", "id": identity, "model": "late", "number": 1, "event": "opened", "state": "open",
        "since": START, "changed": START, "severity": "critical", "summary": "loads <stopped>.",
        "about": ["loads", "loads_raw"], "diagnosis": "data", "steps": [STEP], "owner": "mia",
        "causes": [Cause(what="no files", share=0.5), Cause(what="the calendar")],
    }  # fmt: skip
    return Alert(**{**told, **changes})  # type: ignore[arg-type]


@pytest.fixture
def work(shop: Path) -> Workplace:
    return open_workplace(shop, by="ada")


def opened(work: Workplace) -> None:
    line = Incident(name="late", id="0323", event="opened", state="open", alerts=["aa11"], summary="loads stopped.")
    told = Delivery(name="console", id="d", alert="aa11", number=1, state="delivered", due=START)
    work.store.ledger.append(alert(), line, told, by="monitor", at=START)


def frame(work: Workplace, code: Code = "en", **changes: object) -> Frame:
    return replace(frame_of(work), code=code, token="t", **changes)  # type: ignore[arg-type]


def text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


def verbs(page: str) -> set[str]:
    return set(re.findall(r'action="/actions/(\w+)"', page))


@pytest.mark.parametrize("code", CODES)
def test_without_any_alert_it_says_so(work: Workplace, code: Code) -> None:
    said = text(incidents_page(incidents_facts(work, None), frame(work, code)))
    assert ("There has been no alert yet" if code == "en" else "아직 알림이 없었습니다") in said


@pytest.mark.parametrize("code", CODES)
def test_an_open_incident_and_its_ways_on(work: Workplace, code: Code) -> None:
    opened(work)
    listed = incidents_page(incidents_facts(work, None), frame(work, code))
    assert 'href="/alerts/aa11"' in listed and 'href="/incidents/0323"' in listed
    page = case_page(incident_facts(work, "0323"), frame(work, code, address="/incidents/0323"))
    said = text(page)
    assert ("loads_raw stopped arriving" if code == "en" else "loads_raw가 더 들어오지 않습니다") in said
    assert "loads <stopped>" in said and "<stopped>" not in page
    assert verbs(page) == {"take", "note", "silence", "resolve", "tick"}
    assert "rondo incident 0323 --take" in said and "rondo run loads" in said
    assert 'name="step" value="Run `rondo run loads`, then &lt;look&gt;."' in page
    assert "0 of 1 done" in said or "1개 중 0개 완료" in said
    assert verbs(case_page(alert_facts(work, "aa11"), frame(work, code))) == verbs(page)


def test_what_was_done_stands_in_the_timeline(work: Workplace) -> None:
    opened(work)
    ledger = work.store.ledger
    ledger.append(take(timeline(ledger, "0323")[-1].record, "ada"), by="ada", at=START + timedelta(hours=1))
    ledger.append(note(timeline(ledger, "0323")[-1].record, "ada", "silent"), by="ada", at=START + timedelta(hours=2))
    ledger.append(tick(alert(), STEP, True, "ada"), by="ada", at=START + timedelta(hours=3))
    page = case_page(incident_facts(work, "0323"), frame(work, address="/incidents/0323"))
    said = text(page)
    for part in ("taken by ada", "1 of 1 done", "Told on console", "silent", "Step done: Run rondo run loads"):
        assert part in said, part
    assert 'aria-checked="true"' in page and "take" not in verbs(page)
    ticks = page[page.index('class="tick"') :]
    assert 'name="done"' not in ticks[: ticks.index("</form>")]  # the next click takes the tick back


def test_what_is_over_is_closed_with_what_was_learned(work: Workplace) -> None:
    opened(work)
    ledger, later = work.store.ledger, START + timedelta(days=2)
    over = alert(number=2, event="resolved", state="resolved", changed=later)
    ledger.append(over, by="monitor", at=later)
    page = case_page(incident_facts(work, "0323"), frame(work, address="/incidents/0323"))
    assert verbs(page) == {"take", "note", "close", "tick"} and "stood for 2 days" in text(page)
    ledger.append(close(timeline(ledger, "0323")[-1].record, "ada", "two feeds", [over]), by="ada", at=later)
    page = case_page(incident_facts(work, "0323"), frame(work, address="/incidents/0323"))
    assert "two feeds" in text(page) and verbs(page) == {"tick"}
    assert "learned: two feeds" in text(incidents_page(incidents_facts(work, None), frame(work)))


def test_a_silence_is_seen(work: Workplace) -> None:
    opened(work)
    now = datetime.now(UTC)
    quiet = Silence(
        name="late", start=now - timedelta(hours=1), until=now + timedelta(days=1), who="ada", because="known"
    )
    work.store.ledger.append(quiet, by="ada")
    assert "silenced until" in text(case_page(alert_facts(work, "aa11"), frame(work)))
    assert "ada: known" in text(incidents_page(incidents_facts(work, None), frame(work)))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("rule", [*RULES, "something of one's own"])
def test_every_rule_has_a_page(work: Workplace, rule: str, code: Code) -> None:
    bare = alert("ee55", name=rule, about=[], causes=[], steps=[], owner=None, diagnosis=None, severity="warning")
    work.store.ledger.append(bare, by="monitor", at=START)
    said = text(case_page(alert_facts(work, "ee55"), frame(work, code)))
    assert "ee55" in said
    assert set(TITLES) == set(RULES)


def test_a_list_says_what_was_found_and_then_what_may_be_behind_it(work: Workplace) -> None:
    little = alert("bb22", causes=[Cause(what="inches?", share=0.14)], summary="Scores moved.", severity="warning")
    opened(work)
    work.store.ledger.append(little, alert(number=2, event="changed"), by="monitor", at=START)
    page = text(incidents_page(incidents_facts(work, None), frame(work)))
    assert "Scores moved. Behind it: inches? (explains 14 %) measured 1 Feb" in page
    assert "loads <stopped>. measured 1 Feb" in page  # the incident, by its alert as it is now
    work.store.ledger.append(alert("bb22", number=3, by="mia", state="acknowledged"), by="mia", at=START)
    page = text(case_page(alert_facts(work, "bb22"), frame(work, address="/alerts/bb22")))
    assert "measured 1 Feb" not in page  # what mia did was no measurement
