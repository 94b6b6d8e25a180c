"""A document of docs/ with what the ledger says of the same; and the list of them all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import get_args

from markupsafe import Markup

from rondo.handbook.documents import DocumentFacts, DocumentLine, DocumentsFacts, GateFacts, RequirementFacts
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.proofs import role_name, shown
from rondo.pages.prose import parts, prose
from rondo.pages.rendering import render
from rondo.pages.requirements import MARKS, held
from rondo.pages.ring import Mark
from rondo.project.documents import KINDS
from rondo.project.milestones import EvidenceKind

STATES: Mapping[str | None, Mark] = {"accepted": "good", "review": "run", "draft": "open", "retired": "idle"}
STEPS: Mapping[str, Mark] = {"done": "good", "open": "open", "overdue": "bad"}


def kind_name(words: Language, kind: str | None) -> Markup:
    """A kind of document as people read it."""
    return {
        "prd": words.say("requirements"), "design": words.say("design"), "plan": words.say("plan"),
        "decision": words.say("decision"), "runbook": words.say("runbook"), "data_card": words.say("data card"),
        "model_card": words.say("model card"),
    }.get(kind or "", words.say("note"))  # fmt: skip


def documents_page(facts: DocumentsFacts, frame: Frame) -> str:
    """The page of `/docs`."""
    words = frame.words
    there = {each.kind for each in facts.documents}
    return render(
        "docs.html",
        frame,
        section="team",
        commands=("rondo document",),
        headline=_headline(facts, words),
        lines=tuple((each, kind_name(words, each.kind), *_state(each, words)) for each in facts.documents),
        missing=tuple((kind, kind_name(words, kind)) for kind in KINDS if kind not in there),
    )


def _headline(facts: DocumentsFacts, words: Language) -> Markup:
    if not facts.documents:
        return words.say("No document yet")
    wrong = sum(bool(each.problems) for each in facts.documents)
    if wrong:
        return words.count("{n} document wants mending", "{n} documents want mending", wrong)
    return words.count("{n} document, nothing wrong", "{n} documents, nothing wrong", len(facts.documents))


def _state(document: DocumentLine, words: Language) -> tuple[Mark, str]:
    if document.kind is None:
        return "idle", str(words.say("note"))
    return STATES.get(document.state, "warn"), words.known(document.state or "draft")


def document_page(facts: DocumentFacts, frame: Frame) -> str:
    """The page of `/docs/{name}`."""
    words, document = frame.words, facts.document
    pieces = parts(facts.body, facts.headings, facts.body_line)
    level = min((piece.heading.level for piece in pieces if piece.heading is not None), default=2)
    return render(
        "document.html",
        frame,
        section="team",
        commands=_commands(facts),
        facts=facts,
        document=document,
        kind=kind_name(words, document.kind),
        state=_state(document, words),
        lede=_lede(facts, frame),
        people=", ".join(person.reached for person in document.people),
        pieces=tuple((piece.heading, prose(piece.text, frame, highest=level)) for piece in pieces),
        sections={section.anchor: section for section in facts.sections},
        requirements=tuple(_requirement(line, facts.gate, words) for line in facts.gate.lines) if facts.gate else (),
        marks=MARKS,
        step_marks=STEPS,
        step_words={"done": words.say("done"), "open": words.say("to come"), "overdue": words.say("overdue")},
        proof=shown,
        role_name=partial(role_name, words),
        evidence=partial(_evidence, words),
    )


def _evidence(words: Language, text: str) -> Markup:
    """A piece of evidence: its kind in words, and what it is about as it is written."""
    kind = next((each for each in get_args(EvidenceKind) if text.startswith(each)), "")
    return Markup("{} <code>{}</code>").format(words.known(kind), text.removeprefix(kind).strip())


def _lede(facts: DocumentFacts, frame: Frame) -> Markup | None:
    """How things stand with what the document is about."""
    words, document, gate = frame.words, facts.document, facts.gate
    if gate is not None and gate.version is not None:
        passed = sum(line.held is not None and line.held.state == "passed" for line in gate.lines)
        return words.count(
            "{version} passes {passed} of {n} line", "{version} passes {passed} of {n} lines", len(gate.lines),
            version=frame.link(gate.version, f"/models/{gate.model}/{gate.number}"), passed=passed,
        ) + _out(gate, words)  # fmt: skip
    if gate is not None:
        return words.say("No version was held against these lines yet.")
    if facts.plan is not None:
        done = words.count("{done} of {n} milestone done", "{done} of {n} milestones done", len(facts.plan.milestones),
                           done=facts.plan.done)  # fmt: skip
        late = facts.plan.overdue
        return done + (words.count("; {n} overdue.", "; {n} overdue.", late) if late else Markup("."))
    if document.kind == "runbook":
        alerts = sum(len(section.alerts) for section in facts.sections)
        if alerts:
            return words.count("{n} alert points here now.", "{n} alerts point here now.", alerts)
        return words.say("No alert points here now.")
    if facts.silent:
        names = ", ".join(facts.silent)
        return words.say("{model} reads {names}, which this does not name.", model=document.model, names=names)
    if facts.reads:
        return words.count("{model} reads {n} table, named here.", "{model} reads {n} tables, all named here.",
                           len(facts.reads), model=document.model)  # fmt: skip
    if document.kind in ("data_card", "model_card"):
        address = "/cards/data" if document.kind == "data_card" else f"/cards/model/{document.model}"
        whole = frame.link(words.say("the whole card"), address)
        return words.say("These words stand in a card with what the ledger says: {card}.", card=whole)
    return None


def _out(gate: GateFacts, words: Language) -> Markup:
    """What is measured of the lines on live traffic."""
    live = [line.live for line in gate.lines if line.live is not None]
    out = [each for each in live if each.state == "out"]
    if not live:
        return words.say("; nothing is measured of them live yet.")
    if out:
        return words.count("; live, {n} line is out of bounds.", "; live, {n} lines are out of bounds.", len(out))
    return words.say("; live, none is out of bounds.")


def _commands(facts: DocumentFacts) -> tuple[str, ...]:
    if facts.gate is not None:
        return (f"rondo gate {facts.gate.model}",)
    if facts.plan is not None:
        return ("rondo team",)
    if facts.sections:
        return ("rondo alerts",)
    kind, model = facts.document.kind, facts.document.model
    if kind == "data_card":
        return ("rondo card data",)
    if kind == "model_card" and model is not None:
        return (f"rondo card model {model}",)
    return ("rondo document",)


def _requirement(
    line: RequirementFacts, gate: GateFacts, words: Language
) -> tuple[RequirementFacts, Markup, Markup | None, Markup, Markup]:
    """A line with its value, its plot, its state in words, and what is measured of it live."""
    live = line.live
    said = Markup("–")
    if live is not None:
        slice_ = Markup(' <span class="ci">{}</span>').format(live.is_) if live.by else Markup()
        said = Markup('{}{} <span class="ci">{}</span>').format(
            words.number(live.value), slice_, words.interval(live.low, live.high)
        )
    if line.held is None:
        return line, Markup("–"), None, words.say("not held yet"), said
    written, plot, state = held(line.held, words, higher_is_better=gate.higher_is_better)
    return line, written, plot, state, said
