"""People, deliverables, plans, documents and cards of a project that has run, and of ones in rarer states."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from rondo.errors import NotFound
from rondo.handbook.cards import WANTED, data_card, model_card
from rondo.handbook.deliverables.owed import TESTS, DeliverableFacts
from rondo.handbook.doctor import examine
from rondo.handbook.documents import document_facts, documents_facts
from rondo.handbook.people import TeamFacts, team_facts
from rondo.handbook.plans import MilestoneFacts
from rondo.language.words import Language
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.deployment import Deployment, PredictionsLanded, Rehearsal
from rondo.records.development import Gate, RequirementResult
from rondo.records.monitoring import Alert, Incident, Measurement
from rondo.records.tables import Checked, CheckResult, OutcomesLanded
from rondo.records.team import Decision

EN, KO = Language("en", "Europe/Berlin"), Language("ko", "Europe/Berlin")
START = datetime(2024, 1, 1)
PEOPLE = """
[people.dana]
name = "Dana"
contact = "dana@example.com"
role = ["data_engineer", "devops_engineer"]
deputy = "sam"
away = "2024-02-01 to 2024-02-20"
[people.sam]
name = "Sam"
contact = "sam@example.com"
role = "data_scientist"
"""
PRD = """---
kind: prd
title: Late visits
model: late
owner: sam
state: accepted
requirements:
  - roc_auc >= 0.5
  - roc_auc >= 0.4 for each shop
  - better than constant
---
# Why
Because.
# What
Visits.
# How good is good enough
So.
"""
PLAN = """---
kind: plan
owner: engineering_manager
state: accepted
milestones:
  - what: Built
    who: data_engineer
    evidence: [table built visits, table built visits_raw]
    by: 2024-01-05
  - what: Passed
    evidence: gate passed late
  - what: At work
    evidence: [version in production late, prediction served late, outcome known late]
  - what: Kept
    evidence: decision made "the shops keep it"
  - what: Judged
    evidence: evaluated late on test
  - what: Replayed
    evidence: replay done year
  - what: Learned
    evidence: incident closed
  - what: Agreed
    evidence: document accepted prd
  - what: Reported
    evidence: report runs weekly
---
# The plan
"""
RUNBOOK = """---
kind: runbook
owner: dana
state: draft
rules:
  Nothing comes: [stale data]
---
# Trouble
## Nothing comes
1. `rondo plan` says why.
"""


def files() -> dict[str, str]:
    rows = ["visit,asked_at,shop,distance,late,result_at"]
    for number in range(300):
        asked = START + timedelta(hours=3 * number)
        late = str((number * 7 % 17) > 8).lower()
        rows.append(f"v{number},{asked},{'AB'[number % 2]},{number * 7 % 17},{late},{asked + timedelta(hours=1)}")
    header = "key: visit\ntime: asked_at\nlabel: late\nlabel_known: result_at\ninputs: [distance]\nchecks: [unique]\n"
    return {
        "rondo.toml": f'[project]\nname = "shop"\ntimezone = "Europe/Berlin"\nclock = "data"\n{PEOPLE}',
        "sources.py": "import rondo as rd\n\nvisits_raw = rd.Source(\n    rd.files('data/visits.csv'), key='visit',"
        " time='asked_at', known='result_at', owner='data_engineer', fresh='2h', personal={'visit': 'a number'}\n)\n",
        "tables/visits.sql": f"/* ---\n{header}owner: data_scientst\n--- */\n"
        "select visit, asked_at, shop, distance, late, result_at from visits_raw\n",
        "models/late.py": "import rondo as rd\n\nlate = rd.Model(\n    examples='visits', task=rd.binary('late', "
        "positive=True), train=rd.linear(),\n    split=rd.by_time(validation='5d', test='10d'), slices=['shop'],\n)\n",
        "data/visits.csv": "\n".join(rows) + "\n",
        "docs/prd.md": PRD,
        "docs/plan.md": PLAN,
        "docs/runbook.md": RUNBOOK,
        "reports/weekly.md": "# Weekly\n\n```sql name=late\nselect count(*) as n from visits\n```\n",
        "docs/keep.md": "---\nkind: decision\nowner: sam\nstate: draft\nabout: late\n---\n# Keep\n## Context\nA\n"
        "## Choice\nB\n## Consequence\nC\n",
    }


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("team") / "shop"
    written(root, files())
    run(open_workplace(root))
    return root


def written(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def work(ready: Path) -> Workplace:
    return open_workplace(ready, readonly=True)


@pytest.fixture
def copied(ready: Path, tmp_path: Path) -> Callable[..., Workplace]:
    """The project again, to write into: files changed, records added."""

    def copy(*records: object, **texts: str) -> Workplace:
        root = shutil.copytree(ready, tmp_path / "shop", dirs_exist_ok=True)
        written(root, {name.replace("__", "/").replace("_md", ".md"): text for name, text in texts.items()})
        opened = open_workplace(root)
        if records:
            opened.store.ledger.append(*records, by="test")  # type: ignore[arg-type]
        return opened

    return copy


def owed(facts: TeamFacts, name: str) -> DeliverableFacts:
    return next(each for each in facts.deliverables if each.id == name)


def milestones(work: Workplace) -> dict[str, MilestoneFacts]:
    plan = document_facts(work, "plan", EN).plan
    assert plan is not None
    return {each.what: each for each in plan.milestones}


def gate(state: str, *lines: tuple[str, str, str | None]) -> Gate:
    results = [
        RequirementResult(text=text, state=each, value=0.6, low=0.5, high=0.7, limit=0.5, n=9, signed_by=by)  # type: ignore[arg-type]
        for text, each, by in lines
    ]
    return Gate(name="late", version=1, state=state, requirements=results)  # type: ignore[arg-type]


def alert(**changes: object) -> Alert:
    at = datetime(2024, 2, 6, tzinfo=UTC)
    first = Alert(
        name="stale data", id="a1", model="late", number=1, event="opened", state="open", since=at, changed=at,
        severity="critical", summary="visits_raw is old", owner="data_engineer", runbook="docs/runbook.md#nothing-comes",
    )  # fmt: skip
    return msgspec.structs.replace(first, **changes)


def incident(**changes: object) -> Incident:
    first = Incident(
        name="late", id="i1", event="opened", state="open", alerts=["a1"], summary="old data", owner="data_engineer"
    )
    return msgspec.structs.replace(first, **changes)


def test_people_own_what_names_them_or_their_role(work: Workplace) -> None:
    facts = team_facts(work, EN)
    dana, sam = facts.people
    assert [thing.name for thing in dana.owns] == ["visits_raw", "runbook"]
    assert dana.stages == {"sources": "owns", "tables": "works on", "deployment": "works on", "monitoring": "owns"}
    assert (dana.until, dana.instead) == (date(2024, 2, 20), "sam")
    assert [thing.name for thing in sam.owns] == ["keep", "prd"]
    assert sam.stages["gate"] == "owns"
    assert facts.stages["deployment"] == ("dana",)


def test_what_nobody_owns_is_told_with_who_is_asked(work: Workplace) -> None:
    facts = team_facts(work, EN)
    assert [(gap.what, gap.about, gap.named) for gap in facts.gaps] == [
        ("unknown owner", "visits", "data_scientst"), ("no owner", "late", None),
        ("unknown owner", "plan", "engineering_manager"), ("no owner", "weekly", None),
    ]  # fmt: skip
    asked = {thing.name: thing.people for thing in facts.things if not thing.declared}
    assert asked == {"visits": ("sam",), "late": ("sam",), "plan": ("dana",), "weekly": ("sam",)}


def test_a_role_that_nobody_holds_is_done_by_the_next(work: Workplace) -> None:
    roles = {role.role: role for role in team_facts(work, EN).roles}
    assert (roles["data_engineer"].held_by, roles["data_engineer"].instead) == (("dana",), ())
    assert (roles["data_analyst"].held_by, roles["data_analyst"].instead) == ((), ("sam",))
    assert roles["ml_engineer"].parts == ("A", "B", "C")


def test_every_deliverable_is_examined_in_both_languages(work: Workplace) -> None:
    english, korean = team_facts(work, EN), team_facts(work, KO)
    assert [each.id for each in english.deliverables] == [test.id for test in TESTS]
    assert [each.state for each in english.deliverables] == [each.state for each in korean.deliverables]
    assert all(each.what and each.proof.said for each in (*english.deliverables, *korean.deliverables))
    assert not any(one.what == two.what for one, two in zip(english.deliverables, korean.deliverables, strict=True))
    assert msgspec.json.decode(msgspec.json.encode(english))["project"] == "shop"


def test_what_a_run_leaves_is_found(work: Workplace) -> None:
    facts = team_facts(work, EN)
    found = {each.id: each.state for each in facts.deliverables}
    for name in ("sources_load", "checks_pass", "quarantine_empty", "tables_profiled", "evaluated", "explained"):
        assert found[name] == "good", name
    assert owed(facts, "sources_load").proof.said == "1 source landed, 300 rows"
    assert owed(facts, "reports_read").state == "good"
    assert owed(facts, "data_card").state == owed(facts, "model_card").state == "bad"
    assert owed(facts, "data_card").command == "rondo document data_card data_card"
    assert owed(facts, "runbook").proof.said == "docs/runbook.md is in state draft"
    assert owed(facts, "alerts_told").state == "warn"
    assert owed(facts, "incidents_learned").state == "idle"
    assert owed(facts, "owners_complete").proof.said == "4 of 8 have none: visits, late, plan, weekly"


def test_a_blocked_table_is_no_passed_check(copied) -> None:
    result = CheckResult(
        name="visits", version=1, build="b", state="blocked",
        checks=[Checked(text="unique", state="failed", rows=3, failed=2)],
    )  # fmt: skip
    found = owed(team_facts(copied(result), EN), "checks_pass")
    assert (found.state, found.proof.said, found.proof.address) == ("bad", "held back: visits", "/tables/visits")


def test_data_that_is_too_old_is_told_by_name(copied) -> None:
    at = datetime(2024, 2, 7, tzinfo=UTC)
    old = Measurement(
        name="late", metric="staleness_h", feature="visits_raw", start=at - timedelta(hours=1), end=at, rows=1, matured=0,
        value=30.0, low=None, high=None, limit=2.0, state="out",
    )  # fmt: skip
    found = owed(team_facts(copied(old), EN), "data_fresh")
    assert (found.state, found.proof.said) == ("bad", "visits_raw is 30 h old")


def test_an_undecided_gate_waits_for_a_person_until_somebody_signs(copied) -> None:
    lines = ("roc_auc >= 0.5", "passed", None), ("better than constant", "undecided", None)
    waiting = owed(team_facts(copied(gate("undecided", *lines)), EN), "gates_decided")
    assert waiting.state == "warn"
    assert waiting.command == 'rondo sign late@1 "better than constant" --because "…"'
    signed = gate("undecided", lines[0], ("better than constant", "undecided", "sam"))
    work = copied(signed)
    assert owed(team_facts(work, EN), "gates_decided").state == "good"
    assert milestones(work)["Passed"].state == "done"


def test_production_without_a_passed_gate_is_not_delivered(copied) -> None:
    work = copied(
        gate("failed", ("roc_auc >= 0.5", "failed", None)), Deployment(name="late", version=1, role="production", share=1.0),
        Rehearsal(name="late", version=1, offline_rows=10, offline_differ=1, greatest_difference=0.1, online_keys=5,
                  online_differ=0, latency_p50_ms=1.0, latency_p99_ms=2.0, requests=9),
    )  # fmt: skip
    facts = team_facts(work, EN)
    assert owed(facts, "production_gated").state == "bad"
    assert owed(facts, "scores_equal").state == "bad"
    assert owed(facts, "answers_asked").state == "warn"


def test_an_alert_that_nobody_answers_for_a_day_is_bad_and_its_owner_sees_it(copied) -> None:
    work = copied(alert(), incident())
    facts = team_facts(work, EN)
    assert owed(facts, "alerts_answered").state == "bad"
    assert owed(facts, "alerts_answered").command == "rondo alerts a1 --acknowledge"
    assert [proof.said for proof in facts.people[0].now] == ["incident i1", "1 open alert"]
    assert facts.people[1].now == ()
    fresh = copied(alert(since=work.now() - timedelta(hours=1)))
    assert owed(team_facts(fresh, EN), "alerts_answered").state == "warn"
    over = copied(alert(state="acknowledged", event="acknowledged", number=2))
    assert owed(team_facts(over, EN), "alerts_answered").state in ("good", "idle")


def test_an_incident_counts_once_it_was_closed_with_a_lesson(copied) -> None:
    assert owed(team_facts(copied(incident()), EN), "incidents_learned").state == "warn"
    work = copied(incident(), incident(event="closed", state="closed", who="dana", learned="Check the feed."))
    found = owed(team_facts(work, EN), "incidents_learned")
    assert (found.state, found.proof.said) == ("good", "1 closed; learned last: Check the feed.")
    assert milestones(work)["Learned"].evidence[0].proof.said == "Check the feed."


def test_a_design_that_does_not_name_what_the_model_reads_is_behind(copied) -> None:
    design = "---\nkind: design\nowner: sam\nstate: accepted\n---\n# A\n## Features\n{}\n## Left out\nB\n## Split\nC\n"
    past = "/* ---\nkey: shop\n--- */\nselect distinct shop, 1 as busy from visits_raw\n"
    model = files()["models/late.py"].replace("slices=", "features=['past_7d'], slices=")
    work = copied(docs__design_md=design.format("None."))
    written(work.project.root, {"tables/past_7d.sql": past, "models/late.py": model})
    behind = owed(team_facts(open_workplace(work.project.root, readonly=True), EN), "design")
    assert (behind.state, behind.proof.said) == ("warn", "docs/design.md does not name past_7d, which late reads")
    written(work.project.root, {"docs/design.md": design.format("`past_7d`, because.")})
    assert owed(team_facts(open_workplace(work.project.root, readonly=True), EN), "design").state == "good"


def test_a_plan_counts_what_the_ledger_shows(copied, work: Workplace) -> None:
    steps = milestones(work)
    assert {what: step.state for what, step in steps.items()} == {
        "Built": "done", "Passed": "open" if steps["Passed"].state == "open" else "done", "At work": steps["At work"].state,
        "Kept": "open", "Judged": "done", "Replayed": "open", "Learned": "open", "Agreed": "done", "Reported": "done",
    }  # fmt: skip
    assert steps["Built"].evidence[0].proof.address == "/tables/visits"
    assert steps["Built"].evidence[0].proof.at is not None
    later = copied(
        gate("passed", ("roc_auc >= 0.5", "passed", None)),
        Deployment(name="late", version=1, role="production", share=1.0),
        PredictionsLanded(name="late", rows=3, delta=1),
        OutcomesLanded(name="late", source="x", rows=3, delta=1),
        Decision(name="late", what="kept", who="sam", why="The Shops keep it."),
    )
    steps = milestones(later)
    assert (steps["At work"].state, steps["Kept"].state) == ("done", "done")
    assert steps["Kept"].evidence[0].proof.said == "kept (sam)"


def test_a_day_that_has_passed_without_is_overdue(copied) -> None:
    late = PLAN.replace("replay done year", "replay done year\n    by: 2024-01-10")
    work = copied(docs__plan_md=late)
    assert milestones(work)["Replayed"].state == "overdue"
    found = owed(team_facts(work, EN), "plan")
    assert found.state == "bad"
    assert "overdue: Replayed" in found.proof.said


def test_a_moment_of_the_past_knows_nothing_of_later_evidence(copied) -> None:
    from rondo.console.looking import Project

    work = copied(Decision(name="late", what="the shops keep it", who="sam"))
    before = Project(work.project.root, "live").work(datetime(2024, 1, 2, tzinfo=UTC))
    assert milestones(before)["Built"].state in ("open", "overdue")
    assert not any(each.holds for each in milestones(before)["Judged"].evidence)
    assert milestones(work)["Kept"].state == "done"


def test_a_report_whose_query_cannot_be_read_does_not_run(copied) -> None:
    work = copied(reports__weekly_md="# Weekly\n\n```sql name=late\nselect from where\n```\n")
    assert milestones(work)["Reported"].state == "open"
    assert owed(team_facts(work, EN), "reports_read").state == "bad"


def test_the_page_of_a_prd_links_each_line_to_its_gate(copied) -> None:
    at = datetime(2024, 2, 5, tzinfo=UTC)

    def week(by: str | None, is_: str | None, value: float) -> Measurement:
        return Measurement(
            name="late", metric="roc_auc", feature=None, start=at - timedelta(days=7), end=at, rows=50, matured=50, n=50,
            value=value, low=value - 0.1, high=value + 0.1, limit=0.5, state="within", by=by, is_=is_,
            higher_is_better=True, model_version=1,
        )  # fmt: skip

    facts = document_facts(
        copied(week(None, None, 0.8), week("shop", "A", 0.7), week("shop", "B", 0.6)), "prd", EN
    ).gate
    assert facts is not None
    assert (facts.version, facts.number, facts.model) == ("late@1", 1, "late")
    assert [line.held.text if line.held else None for line in facts.lines] == [line.text for line in facts.lines]
    live = [(line.live.value, line.live.is_) if line.live else None for line in facts.lines]
    assert live == [(0.8, None), (0.6, "B"), None]


def test_a_runbook_shows_the_alerts_that_open_it(copied) -> None:
    [section] = document_facts(copied(alert()), "runbook", EN).sections
    assert (section.anchor, section.rules) == ("nothing-comes", ("stale data",))
    assert [each.id for each in section.alerts] == ["a1"]


def test_a_decision_stands_beside_those_of_the_ledger(copied) -> None:
    made = [Decision(name="late", what=f"choice {n}", who="sam") for n in range(20)]
    other = Decision(name="other", what="not this", who="sam")
    found = document_facts(copied(*made, other), "keep", EN).decisions
    assert [each.what for each in found[:2]] == ["choice 19", "choice 18"]
    assert "not this" not in {each.what for each in found}


def test_an_unknown_document_lists_those_there_are(work: Workplace) -> None:
    with pytest.raises(NotFound, match="keep, plan, prd, runbook"):
        document_facts(work, "gone", EN)
    assert [line.name for line in documents_facts(work).documents] == ["keep", "plan", "prd", "runbook"]


def test_cards_are_composed_around_what_people_wrote(copied) -> None:
    text = "---\nkind: model_card\nowner: sam\nstate: draft\nlicence: MIT\n---\n# The card\n## Intended use\nShops.\n## Not for\nTODO\n"
    work = copied(docs__card_md=text)
    card = model_card(work, "late")
    assert card.written is not None
    assert (card.written.licence, card.missing) == ("MIT", ("Not for",))
    assert (card.version, card.metric, card.examples, card.label) == ("late@1", "roc_auc", "visits", "late")
    assert card.metrics["roc_auc"].value is not None
    assert {each.is_ for each in card.slices} == {"A", "B"}
    assert [split.name for split in card.splits]
    assert len(card.requirements) == 3
    assert all(len(sha) == 64 for sha in card.files.values())
    assert (work.project.root / "docs" / "card.md").read_text() == text
    assert msgspec.json.encode(card)


def test_without_a_word_written_everything_is_missing(work: Workplace) -> None:
    card = data_card(work)
    assert (card.written, card.missing) == (None, WANTED["data_card"])
    [source] = card.sources
    assert (source.rows, source.version, source.known) == (300, "visits_raw@v1", "result_at")
    assert [(each.table, each.column, each.treatment) for each in card.personal] == [
        ("visits_raw", "visit", "a number")
    ]
    [table] = card.tables
    assert str(table.start).startswith("2023-12-31T23:00") or str(table.start).startswith("2024-01-01")


def test_a_project_with_nothing_is_told_so(tmp_path: Path) -> None:
    root = written(tmp_path / "new", {"rondo.toml": '[project]\nname = "new"\n'})
    work = open_workplace(root, readonly=True)
    facts = team_facts(work, EN)
    assert (facts.people, facts.things, facts.gaps, facts.plans) == ((), (), (), ())
    assert owed(facts, "plan").state == "bad"
    states = {each.state for each in facts.deliverables if each.id not in ("plan", "runbook", "design", "data_card")}
    assert "bad" not in states
    assert (data_card(work).sources, documents_facts(work).documents) == ((), ())
    with pytest.raises(NotFound):
        model_card(work, "late")


def test_a_model_that_was_never_trained_has_a_card_of_its_declaration(tmp_path: Path) -> None:
    work = open_workplace(written(tmp_path / "shop", files()), readonly=True)
    card = model_card(work, "late")
    assert (card.version, card.metrics, card.files, card.label) == (None, {}, {}, "late")
    assert owed(team_facts(work, EN), "evaluated").state == "idle"
    gate_ = document_facts(work, "prd", EN).gate
    assert gate_ is not None
    assert (gate_.version, [line.held for line in gate_.lines]) == (None, [None, None, None])


def test_doctor_tells_documents_and_owners_without_calling_the_project_ill(ready: Path) -> None:
    told = examine(ready, "live")
    said = [finding["what"] for finding in told["findings"]]
    assert "tables/visits.sql:1: visits has an owner whom nobody knows: 'data_scientst'" in said
    assert told["healthy"] is True
