"""The facts of the documents: what each says of itself, and what the ledger says of the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.errors import NotFound
from rondo.handbook.deliverables.development import unmentioned
from rondo.handbook.plans import PlanFacts, plan_facts
from rondo.handbook.realised import Realised
from rondo.language.words import Language
from rondo.loop.workplace import Workplace
from rondo.monitor.alerting import newest_alerts, standing
from rondo.monitor.runbooks import checked
from rondo.project.documents import Document, Heading, Kind, Problem, read_documents
from rondo.project.people import Person
from rondo.project.reading import Project
from rondo.records.development import Gate, RequirementResult
from rondo.records.monitoring import Alert, Measurement
from rondo.records.team import Decision
from rondo.records.versions import model_version
from rondo.store.ledger import Entry
from rondo.team.people import DOCUMENT_ROLES, answerable, gaps, owned_things

DECISIONS = 12


@dataclass(frozen=True)
class DocumentLine:
    """A document in a list. `people` answer for it; `declared` says that its owner was found."""

    name: str
    file: str
    kind: Kind | None
    title: str
    state: str | None
    model: str | None
    owner: str | None
    people: tuple[Person, ...]
    declared: bool
    changed: datetime
    problems: tuple[Problem, ...] = ()
    unwritten: tuple[Heading, ...] = ()


@dataclass(frozen=True)
class DocumentsFacts:
    """All documents of the project."""

    documents: tuple[DocumentLine, ...]


@dataclass(frozen=True)
class RequirementFacts:
    """A line of a PRD, how the newest gate decided it, and the last week measured of the version in production."""

    text: str
    line: int | None
    held: RequirementResult | None
    live: Measurement | None


@dataclass(frozen=True)
class GateFacts:
    """The newest gate on the lines of a PRD; `version` is whole."""

    lines: tuple[RequirementFacts, ...]
    model: str
    version: str | None = None
    number: int | None = None
    state: str | None = None
    at: datetime | None = None
    higher_is_better: bool = True


@dataclass(frozen=True)
class SectionFacts:
    """A section of a runbook: the rules that open it, and the alerts that stand there now."""

    title: str
    anchor: str
    rules: tuple[str, ...]
    alerts: tuple[Alert, ...]


@dataclass(frozen=True)
class DecisionFacts:
    """A decision of the ledger."""

    at: datetime
    name: str
    what: str
    who: str
    why: str | None = None


@dataclass(frozen=True)
class DocumentFacts:
    """One document with what the ledger has to say about it; what does not belong to its kind is empty."""

    document: DocumentLine
    body: str
    body_line: int
    headings: tuple[Heading, ...]
    gate: GateFacts | None = None
    sections: tuple[SectionFacts, ...] = ()
    decisions: tuple[DecisionFacts, ...] = ()
    plan: PlanFacts | None = None
    reads: tuple[str, ...] = ()
    """The tables that a design's model reads features from."""
    silent: tuple[str, ...] = ()
    """Those of them that the design does not name."""


def documents_facts(work: Workplace) -> DocumentsFacts:
    """Every document, those of a kind first."""
    lines = [document_line(each, work.project.settings.people) for each in read_documents(work.project)]
    return DocumentsFacts(tuple(sorted(lines, key=lambda each: (each.kind is None, each.name))))


def document_line(document: Document, people: Sequence[Person]) -> DocumentLine:
    """A document as a list shows it."""
    found = answerable(people, document.owner, DOCUMENT_ROLES.get(document.kind or "", "engineering_manager"))
    return DocumentLine(
        document.name, document.file, document.kind, document.title, document.state, document.model, document.owner,
        found.people, found.declared, document.changed, document.problems, document.unwritten,
    )  # fmt: skip


def document_facts(work: Workplace, name: str, words: Language) -> DocumentFacts:
    """The document `docs/NAME.md`. Raises NotFound with those there are."""
    documents = read_documents(work.project)
    document = next((each for each in documents if each.name == name), None)
    if document is None:
        raise NotFound.among("document", name, [each.name for each in documents])
    design = document.kind == "design" and document.model in work.project.models
    model = work.project.models[document.model or ""] if design else None
    return DocumentFacts(
        document_line(document, work.project.settings.people),
        document.body,
        document.body_line,
        document.headings,
        gate=_gate(work, document),
        sections=tuple(_sections(work, document)),
        decisions=tuple(_decisions(work, document)),
        plan=plan_facts(work, document, documents, words) if document.kind == "plan" else None,
        reads=tuple(dict.fromkeys(feature.table for feature in model.features)) if model else (),
        silent=tuple(unmentioned(document, model)) if model else (),
    )


def _gate(work: Workplace, document: Document) -> GateFacts | None:
    prd = work.project.prds.get(document.model or "")
    if prd is None or prd.file != document.file:
        return None
    model = work.project.models[prd.model]
    entry = work.store.ledger.latest(Gate, name=prd.model)
    held = {line.text: line for line in entry.record.requirements} if entry else {}
    higher = main_metric(model, metrics_for(model, work.project.metrics)).higher_is_better
    at_work = roles(work.store.ledger, prd.model).get("production")
    live = Realised(work, prd.model, at_work.record.version) if at_work else None
    lines = tuple(
        RequirementFacts(each.text, each.line, held.get(each.text), live.line(each.text) if live else None)
        for each in prd.requirements
    )
    if entry is None:
        return GateFacts(lines, prd.model, higher_is_better=higher)
    gate = entry.record
    whole = model_version(gate.name, gate.version)
    return GateFacts(lines, prd.model, whole, gate.version, gate.state, entry.at, higher)


def _sections(work: Workplace, document: Document) -> list[SectionFacts]:
    if document.kind != "runbook":
        return []
    books = [checked(work.project.root, model) for model in (document.model, *work.project.models) if model]
    book = next((each for each in books if each is not None and each.file == document.file), None)
    if book is None:
        return []
    alerts = standing(newest_alerts(work.store.ledger))
    return [
        SectionFacts(
            each.title, each.anchor, each.rules,
            tuple(alert for alert in alerts if alert.runbook == f"{document.file}#{each.anchor}"),
        )
        for each in book.sections
    ]  # fmt: skip


def _decisions(work: Workplace, document: Document) -> list[DecisionFacts]:
    """The newest decisions about what a decision's document is about: its `about`, or its model."""
    if document.kind != "decision":
        return []
    about = document.values.get("about", document.model)
    names = [str(each) for each in (about if isinstance(about, list) else [about]) if each is not None]
    found: list[Entry[Decision]] = []
    for name in names:
        found += work.store.ledger.entries(Decision, name=name, limit=DECISIONS, newest_first=True)
    found.sort(key=lambda entry: -entry.seq)
    return [
        DecisionFacts(entry.at, entry.record.name, entry.record.what, entry.record.who, entry.record.why)
        for entry in found[:DECISIONS]
    ]


def findings(project: Project, day: date) -> list[dict[str, str | None]]:
    """What is wrong with documents and owners, as `doctor` tells it. None of it is ever more than a warning."""
    documents = read_documents(project)
    found: list[dict[str, str | None]] = [
        {"what": f"{each.file}:{each.line or 1}: {each.what}", "state": "warn", "next": each.next_step}
        for document in documents
        for each in document.problems
    ]
    for gap in gaps(project.settings.people, owned_things(project, documents), day):
        where = f"{gap.file}:{gap.line or 1}: " if gap.file else "rondo.toml: "
        named = f" {gap.named!r}" if gap.named else ""
        step = "Name a person or role of rondo.toml." if "owner" in gap.what else "Mend [people.ID] in rondo.toml."
        found.append({"what": f"{where}{gap.about} has {_ARTICLES[gap.what]}{named}", "state": "warn", "next": step})
    if not found and documents:
        found.append({"what": f"documents: {len(documents)}, nothing wrong", "state": "good", "next": None})
    return found


_ARTICLES = {
    "no owner": "no owner", "unknown owner": "an owner whom nobody knows:",
    "unknown deputy": "a deputy who is not there:",
    "nobody stands in": "nobody who stands in", "unknown role": "a role that is none along the loop:",
    "no contact": "no contact",
}  # fmt: skip
