"""The pages of people, documents and cards, on made facts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from rondo.handbook.cards import DataCard, FeatureFacts, ModelCard, SourceFacts, SplitFacts, TableLine, Written
from rondo.handbook.deliverables.owed import DeliverableFacts
from rondo.handbook.documents import (
    DecisionFacts,
    DocumentFacts,
    DocumentLine,
    DocumentsFacts,
    GateFacts,
    RequirementFacts,
    SectionFacts,
)
from rondo.handbook.people import PersonFacts, RoleFacts, TeamFacts, ThingFacts
from rondo.handbook.plans import EvidenceFacts, MilestoneFacts, PlanFacts
from rondo.handbook.proofs import Proof
from rondo.language.catalogues import CODES, Code
from rondo.language.words import Language
from rondo.pages.card import bill_of_materials, card_page, markdown_of
from rondo.pages.document import document_page, documents_page, kind_name
from rondo.pages.frame import Frame
from rondo.pages.proofs import role_name
from rondo.pages.team import team_page
from rondo.project.documents import KINDS, STATES, Heading, Problem
from rondo.project.people import ROLES, Person
from rondo.records.development import Figure, RequirementResult, Slice
from rondo.records.monitoring import Alert
from rondo.team.people import STAGES, Gap

NOW = datetime(2014, 1, 1, 4, 59, tzinfo=UTC)
EN, KO = Language("en", "UTC"), Language("ko", "UTC")
MIA = Person("mia", "Mia <b>", "mia@example.com", ("data_engineer",))


def frame(code: Code = "en", *, saved: bool = False) -> Frame:
    return Frame(project="p", now=NOW, timezone="UTC", code=code, address="/team", saved=saved)


THING = ThingFacts(
    "table", "flights", "data_engineer", ("mia",), True, "tables", "tables/flights.sql", "/tables/flights"
)
STEP = MilestoneFacts(
    "Step <b>", "overdue", (EvidenceFacts("gate passed late", False, Proof("None yet."), "rondo gate late"),),
    "data_engineer", date(2013, 12, 1),
)  # fmt: skip
PLAN = PlanFacts("plan", "The plan", "mia", (STEP, replace(STEP, state="done", by=None)), 1, 1)
TEAM = TeamFacts(
    project="p",
    people=(
        PersonFacts(
            "mia", "Mia <b>", "mia@example.com", ("data_engineer", "wizard"), {"sources": "owns", "gate": "works on"},
            (THING,), (Proof("1 open alert", NOW, "/alerts/a1"),), date(2014, 1, 3), "kim",
        ),
        PersonFacts("kim", "Kim", None, (), {}, ()),
    ),
    roles=(
        RoleFacts("data_engineer", ("sources", "tables"), ("A",), ("mia",), ()),
        RoleFacts("ml_developer", ("deployment",), ("C",), (), ("mia",)),
        RoleFacts("data_analyst", ("tables",), ("A",), (), ()),
    ),
    things=(THING, replace(THING, name="late", owner=None, declared=False)),
    gaps=(
        Gap("no owner", "late", None, "models/late.py", 3, "data_scientist"), Gap("unknown owner", "flights", "gone"),
        Gap("unknown deputy", "mia", "gone"), Gap("nobody stands in", "mia"), Gap("unknown role", "mia", "wizard"),
        Gap("no contact", "kim"),
    ),
    deliverables=(
        DeliverableFacts("checks", "checks pass", "data_engineer", "tables", ("mia",), "bad",
                         Proof("held back: flights", NOW, "/compare?a=late@1&b=late@2"), "rondo check"),
        DeliverableFacts("fresh", "data is fresh", "data_engineer", "sources", ("mia",), "good", Proof("yes")),
        DeliverableFacts("plan", "plan", "engineering_manager", "deployment", (), "idle", Proof("none")),
    ),
    plans=(PLAN,),
    stages={stage: ("mia",) if stage in ("sources", "gate") else () for stage in STAGES},
)  # fmt: skip


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("saved", [False, True])
def test_the_team_page_names_everybody_and_everything(code: Code, saved: bool) -> None:
    html = team_page(TEAM, frame(code, saved=saved))
    assert "Mia &lt;b&gt;" in html
    assert "<b>" not in html.split("<main", 1)[1].replace("<b>late", "").split("</main>")[0].replace('"<b>', "")
    assert 'id="mia"' in html
    assert "rondo check" in html
    assert 'class="state bad"' in html
    assert ('href="/compare?a=late%401&amp;b=late%402"' in html) is not saved
    assert ('href="/tables/flights"' in html) is not saved


def test_the_team_page_begins_with_how_things_stand() -> None:
    html = team_page(TEAM, frame())
    assert "2 people around one loop" in html
    assert "Nobody works at tables, dataset, model, deployment and 1 more." in html
    assert "1 of 3 deliverables there</strong>, 1 not yet; not: checks pass." in html
    assert ">1 of 2 there</a>" in html, "of what Mia owes"
    assert "away until 2014-01-03, Kim stands in" in html
    assert 'nobody; <a href="#mia">' in html


def test_a_team_of_nobody_is_told_what_to_write() -> None:
    empty = TeamFacts("p", (), (), (), (), (), (), dict.fromkeys(STAGES, ()))
    html = team_page(empty, frame())
    assert "Nobody is named yet" in html
    assert "[people.ID]" in html
    assert "rondo document plan plan" in html


@pytest.mark.parametrize("code", CODES)
def test_every_role_state_and_kind_has_a_word_in_each_language(code: Code) -> None:
    words = Language(code, "UTC")
    names = [role_name(words, role) for role in ROLES]
    kinds = [str(kind_name(words, kind)) for kind in KINDS]
    states = [words.known(state) for state in STATES]
    assert len(set(names)) == len(ROLES)
    assert str(kind_name(words, None)) not in kinds
    if code == "ko":
        assert not set(states) & set(STATES)
        assert all(any("가" <= letter <= "힣" for letter in name) for name in (*names, *kinds))


def line(kind: str | None = "prd", **changes: object) -> DocumentLine:
    made = DocumentLine("prd", "docs/prd.md", kind, "What & why", "accepted", "late", "mia", (MIA,), True, NOW)  # type: ignore[arg-type]
    return replace(made, **changes)  # type: ignore[arg-type]


BODY = "# What & why\n\nFirst.\n\n## Part <i>\n\nText with [a link](plan.md).\n"
HEADINGS = (Heading(1, "What & why", 5), Heading(2, "Part <i>", 9))


def document(kind: str | None = "prd", **changes: object) -> DocumentFacts:
    return replace(DocumentFacts(line(kind), BODY, 5, HEADINGS), **changes)  # type: ignore[arg-type]


HELD = RequirementResult(text="roc_auc >= 0.6", state="passed", value=0.7, low=0.65, high=0.75, limit=0.6, n=900)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, None])
def test_every_kind_of_document_has_a_page(kind: str | None, code: Code, saved: bool) -> None:
    html = document_page(document(kind), frame(code, saved=saved))
    assert "What &amp; why</h1>" in html
    assert 'id="part-i"' in html
    assert "Part &lt;i&gt;" in html
    assert ('href="/docs/plan"' in html) is not saved


def test_a_prd_shows_each_line_at_its_gate_and_live() -> None:
    lines = (RequirementFacts(HELD.text, 7, HELD, None), RequirementFacts("better than linear", 8, None, None))
    html = document_page(document(gate=GateFacts(lines, "late", "late@7", 7, "passed", NOW)), frame())
    assert "passes 1 of 2 lines; nothing is measured of them live yet." in html
    assert "0.700" in html
    assert "not held yet" in html
    assert 'href="/models/late/7"' in html
    bare = document_page(document(gate=GateFacts(lines[1:], "late")), frame())
    assert "No version was held against these lines yet." in bare


def test_a_plan_shows_what_is_overdue_and_the_step_that_helps() -> None:
    html = document_page(document("plan", plan=PLAN), frame())
    assert "1 of 2 milestones done; 1 overdue." in html
    assert "rondo gate late" in html
    assert "Step &lt;b&gt;" in html


def test_a_runbook_shows_its_alerts_where_they_are_worked() -> None:
    alert = Alert(
        name="stale data", id="a1", model="late", number=1, event="opened", state="open", since=NOW, changed=NOW,
        severity="critical", summary="old <data>",
    )  # fmt: skip
    section = SectionFacts("Part <i>", "part-i", ("stale data",), (alert,))
    html = document_page(document("runbook", sections=(section,)), frame())
    assert "1 alert points here now." in html
    assert 'href="/alerts/a1"' in html
    assert "old &lt;data&gt;" in html
    assert "Opened by: stale data" in html
    quiet = document_page(document("runbook", sections=(replace(section, alerts=(), rules=()),)), frame())
    assert "No alert points here now." in quiet


def test_a_design_says_whether_it_names_what_the_model_reads() -> None:
    assert "late reads 2 tables, all named here." in document_page(document("design", reads=("a", "b")), frame())
    behind = document_page(document("design", reads=("a", "b"), silent=("b",)), frame())
    assert "late reads b, which this does not name." in behind


def test_problems_and_decisions_are_told() -> None:
    facts = document(
        "decision",
        document=line("decision", problems=(Problem("docs/prd.md", 3, "Owner is missing.", "Write it."),),
                      unwritten=(Heading(2, "Context", 9),), declared=False),
        decisions=(DecisionFacts(NOW, "late", "late@7 put to work", "sam", "it passed"),),
    )  # fmt: skip
    html = document_page(facts, frame())
    assert "docs/prd.md:3" in html
    assert "“Context” is not written yet." in html
    assert "(by role: no owner is declared)" in html
    assert "it passed" in html


@pytest.mark.parametrize("code", CODES)
def test_the_list_of_documents_says_what_wants_mending(code: Code) -> None:
    wrong = line("plan", name="plan", problems=(Problem("docs/plan.md", 3, "Owner is missing.", "Write it."),))
    html = documents_page(DocumentsFacts((line(), wrong, line(None, name="notes"))), frame(code))
    assert "Owner is missing." in html
    assert "rondo document design design" in html
    if code == "en":
        assert "1 document wants mending" in html
    assert "rondo document prd prd" in documents_page(DocumentsFacts(()), frame(code))


FIGURE = Figure(value=0.69, low=0.64, high=0.73, n=900)
CARD = ModelCard(
    model="late", summary=None, at=NOW, written=Written(line("model_card", name="card", title="The card"), "CC0-1.0",
    "# The card\n\n## Intended use\n\nAgents.\n\n## Limits\n\nOne year.\n\n## Fairness\n\nTODO\n", 5,
    (Heading(1, "The card", 5), Heading(2, "Intended use", 7), Heading(2, "Limits", 11), Heading(2, "Fairness", 15))),
    missing=("Fairness",), version="late@7", number=7, role="production", trained=NOW, task="binary", label="late",
    examples="departures", trainer="lightgbm", parameters={"num_leaves": 15}, inputs=("origin",),
    splits=(SplitFacts("train", 100, NOW, NOW),), metric="roc_auc", higher_is_better=True,
    metrics={"roc_auc": FIGURE, "brier": Figure(value=None, low=None, high=None, n=0)},
    slices=(Slice(by="origin", is_="JFK", rows=9, metrics={"roc_auc": FIGURE}),), testsets={"december": {"roc_auc": FIGURE}},
    requirements=(HELD,), gate="passed", features=(FeatureFacts("hour", 0.03),), tables=("departures@v9",),
    assumptions=("planes has no time",), latency_p99_ms=0.13, rondo="0.1.0", files={"model.txt": "ab" * 32},
    definition="cd" * 32, people=(MIA,),
)  # fmt: skip
DATA = DataCard(
    project="p", summary=None, at=NOW, written=None, missing=("Licence",),
    sources=(SourceFacts("raw", None, "data/*.csv", "raw@v1", 9, 1, 3, "always", None, NOW, (MIA,), 2, "passed", 0),),
    tables=(TableLine("flights", "Flights.", "flights@v1", 9, "2013-01-01T10:00:00Z", "2013-12-31"),), personal=(),
    assumptions=("no history",),
)  # fmt: skip


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("saved", [False, True])
def test_a_card_holds_the_words_and_the_evidence(code: Code, saved: bool) -> None:
    html = card_page(CARD, frame(code, saved=saved))
    for part in ("Agents.", "CC0-1.0", "late@7", "0.690", "JFK", "departures@v9", "ab" * 32, "rondo card model late"):
        assert part in html
    data = card_page(DATA, frame(code, saved=saved))
    assert "rondo document data_card data_card" in data
    assert "2013-01-01" in data
    if code == "en":
        assert "a person must still write 1 section." in html
        assert "no history" in data


def test_an_untrained_model_has_an_honest_card() -> None:
    bare = replace(CARD, written=None, version=None, number=None, role=None, trained=None, metrics={}, slices=(), testsets={},
                   requirements=(), features=(), files={}, splits=(), latency_p99_ms=None)  # fmt: skip
    html = card_page(bare, frame())
    assert "Nothing has been trained yet" in html
    assert "rondo run late" in html
    assert "Nothing has been trained yet" in markdown_of(bare, EN)


@pytest.mark.parametrize("words", [EN, KO])
def test_a_card_is_markdown_too(words: Language) -> None:
    text = markdown_of(CARD, words)
    assert text.startswith("# The card\n")
    assert text.count("# The card") == 1
    assert "| roc_auc | 0.690 [0.640–0.730] | 0.690 [0.640–0.730] |" in text
    assert "raw@v1" in markdown_of(DATA, words)


def test_the_bill_of_materials_says_what_the_standard_asks() -> None:
    bom = json.loads(json.dumps(bill_of_materials(CARD)))
    assert (bom["bomFormat"], bom["specVersion"], bom["version"]) == ("CycloneDX", "1.6", 1)
    model, data = bom["components"]
    assert (model["type"], model["name"], model["version"], data["type"]) == (
        "machine-learning-model",
        "late",
        "7",
        "data",
    )
    card = model["modelCard"]
    assert card["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    [whole, sliced] = card["quantitativeAnalysis"]["performanceMetrics"]
    assert whole == {
        "type": "roc_auc",
        "value": "0.69",
        "confidenceInterval": {"lowerBound": "0.64", "upperBound": "0.73"},
    }
    assert sliced["slice"] == "origin=JFK"
    assert card["considerations"] == {"useCases": ["Agents."], "technicalLimitations": ["One year."]}
    assert bom == bill_of_materials(CARD)
