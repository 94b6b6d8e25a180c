"""The team page: who is there, where along the loop, what is owed, what nobody answers for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from markupsafe import Markup

from rondo.handbook.deliverables.owed import DeliverableFacts
from rondo.handbook.deliverables.verdicts import State
from rondo.handbook.people import PersonFacts, RoleFacts, TeamFacts, ThingFacts
from rondo.handbook.plans import PlanFacts
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.proofs import linked, role_name, shown
from rondo.pages.rendering import render
from rondo.pages.ring import Mark
from rondo.team.people import PARTS, STAGES, Gap, Stage

MARKS: Mapping[State, Mark] = {"good": "good", "warn": "warn", "bad": "bad", "idle": "idle"}
WORKS_ON = Markup('<svg viewBox="0 0 14 14" width="14" height="14" role="img" aria-label="{}"><circle cx="7" cy="7" '
                  'r="4.5" fill="none" stroke="var(--accent)" stroke-width="1.5"/></svg>')  # fmt: skip
OWNS = Markup('<svg viewBox="0 0 14 14" width="14" height="14" role="img" aria-label="{}"><circle cx="7" cy="7" '
              'r="5.5" fill="var(--accent)"/></svg>')  # fmt: skip
NAMED = 4
"""So many names stand in a sentence; of the others their number."""


@dataclass(frozen=True)
class Row:
    """A person in the table: a mark for each stage, what they are at, how much of what they owe is there."""

    person: PersonFacts
    roles: str
    marks: tuple[Markup, ...]
    now: Markup
    owes: Markup


@dataclass(frozen=True)
class Owed:
    """The deliverables of a role: `who` answers for them."""

    role: str
    who: Markup
    lines: tuple[tuple[DeliverableFacts, Markup, Mark, Markup, Markup], ...]


def team_page(facts: TeamFacts, frame: Frame) -> str:
    """The page of `/team`."""
    words = frame.words
    names = {person.id: person.name for person in facts.people}
    return render(
        "team.html",
        frame,
        section="team",
        commands=("rondo team",),
        facts=facts,
        headline=_headline(facts, words),
        lede=_lede(facts, words),
        stages=STAGES,
        ids=frozenset(names),
        rows=tuple(_row(each, names, facts, frame) for each in facts.people),
        owns=OWNS.format(words.say("owns")),
        works_on=WORKS_ON.format(words.say("works on")),
        roles=tuple((each, role_name(words, each.role), *_held(each, facts, frame)) for each in facts.roles),
        owed=tuple(_owed(role, facts, frame) for role in _roles(facts.deliverables)),
        plans=tuple((plan, *_plan(plan, words)) for plan in facts.plans),
        role_name=partial(role_name, words),
        gaps=tuple(_gap(each, facts, words) for each in facts.gaps),
        things=tuple((each, words.known(each.what), *_answers(each, facts, frame)) for each in facts.things),
        linked=linked,
        step_marks={"done": "good", "open": "open", "overdue": "bad"},
        step_words={"done": words.say("done"), "open": words.say("to come"), "overdue": words.say("overdue")},
        proof=shown,
    )


def _headline(facts: TeamFacts, words: Language) -> Markup:
    if not facts.people:
        return words.say("Nobody is named yet")
    return words.count("One person around one loop", "{n} people around one loop", len(facts.people))


def _lede(facts: TeamFacts, words: Language) -> Markup:
    if not facts.people:
        return words.say(
            "Write who works on it into {file}: a section {section} with name, contact and role for each.",
            file=Markup("<code>rondo.toml</code>"),
            section=Markup("<code>[people.ID]</code>"),
        )
    empty = [stage for stage, people in facts.stages.items() if not people]
    said = (
        words.say("Nobody works at {stages}.", stages=_list([words.known(stage) for stage in empty], words))
        if empty
        else words.say("Every stage has somebody who works there.")
    )
    if not facts.deliverables:
        return said
    states = Counter(each.state for each in facts.deliverables)
    kept = words.count(
        "{good} of {n} deliverable there", "{good} of {n} deliverables there", len(facts.deliverables),
        good=states["good"],
    )  # fmt: skip
    said += Markup(" <strong>{}</strong>").format(kept)
    if states["warn"]:
        said += words.say(", {n} in part", n=states["warn"])
    if states["idle"]:
        said += words.say(", {n} not yet", n=states["idle"])
    bad = [each.what for each in facts.deliverables if each.state == "bad"]
    return said + (words.say("; not: {what}.", what=_list(bad, words)) if bad else Markup("."))


def _tally(person: str, facts: TeamFacts, words: Language) -> Markup:
    """How much of what somebody owes is there."""
    owed = [each for each in facts.deliverables if person in each.people]
    if not owed:
        return Markup()
    good = sum(each.state == "good" for each in owed)
    return words.say("{good} of {n} there", good=good, n=len(owed))


def _list(names: Sequence[str], words: Language) -> str:
    if len(names) <= NAMED:
        return ", ".join(names)
    return words.plain("{names} and {more} more", names=", ".join(names[:NAMED]), more=len(names) - NAMED)


def _row(person: PersonFacts, names: Mapping[str, str], facts: TeamFacts, frame: Frame) -> Row:
    words = frame.words
    marks = {"owns": OWNS.format(words.say("owns")), "works on": WORKS_ON.format(words.say("works on"))}
    none = Markup('<span class="quiet" aria-hidden="true">·</span><span class="unseen">{}</span>').format(
        words.say("none")
    )
    shown_marks = tuple(marks[person.stages[stage]] if stage in person.stages else none for stage in STAGES)
    now = [linked(frame, each.said, each.address) for each in person.now]
    if person.until is not None:
        until = words.say("away until {day}", day=f"{person.until:%Y-%m-%d}")
        instead = names.get(person.instead or "")
        now.insert(0, until + (words.say(", {name} stands in", name=instead) if instead else Markup()))
    roles = ", ".join(role_name(words, role) for role in person.roles)
    return Row(person, roles, shown_marks, Markup(", ").join(now), _tally(person.id, facts, words))


def _held(role: RoleFacts, facts: TeamFacts, frame: Frame) -> tuple[Mark, Markup]:
    """Whether a role is held, and by whom; else who does its work."""
    words = frame.words
    if role.held_by:
        return "good", _people(role.held_by, facts, frame)
    if role.instead:
        return "open", words.say("nobody; {people} would be asked", people=_people(role.instead, facts, frame))
    return "open", words.say("nobody")


def _people(ids: Sequence[str], facts: TeamFacts, frame: Frame) -> Markup:
    names = {person.id: person.name for person in facts.people}
    return Markup(", ").join(Markup('<a href="#{}">{}</a>').format(each, names[each]) for each in ids)


def _roles(deliverables: Sequence[DeliverableFacts]) -> list[str]:
    return list(dict.fromkeys(each.role for each in deliverables))


def _owed(role: str, facts: TeamFacts, frame: Frame) -> Owed:
    words = frame.words
    mine = [each for each in facts.deliverables if each.role == role]
    who = _people(mine[0].people, facts, frame) if mine[0].people else words.say("nobody")
    said = {
        "good": words.say("delivered"), "warn": words.say("in part"), "bad": words.say("not delivered"),
        "idle": words.say("not yet"),
    }  # fmt: skip
    lines = tuple((each, _stage(each.stage, words), MARKS[each.state], said[each.state], shown(frame, each.proof))
                  for each in mine)  # fmt: skip
    return Owed(role_name(words, role), who, lines)


def _stage(stage: Stage, words: Language) -> Markup:
    return Markup("{} {}").format(PARTS[stage], words.known(stage))


def _plan(plan: PlanFacts, words: Language) -> tuple[Mark, Markup]:
    count = Counter(each.state for each in plan.milestones)
    mark: Literal["good", "bad", "open"] = "bad" if count["overdue"] else "good" if not count["open"] else "open"
    said = words.count("{done} of {n} milestone done", "{done} of {n} milestones done", len(plan.milestones),
                       done=plan.done)  # fmt: skip
    return mark, said


def _gap(gap: Gap, facts: TeamFacts, words: Language) -> Markup:
    about, named = Markup("<code>{}</code>").format(gap.about), Markup("<code>{}</code>").format(gap.named)
    if gap.what in ("no owner", "unknown owner"):
        thing = next((each for each in facts.things if each.name == gap.about), None)
        names = {person.id: person.name for person in facts.people}
        instead = ", ".join(names[each] for each in thing.people) if thing else ""
        said = (
            words.say("{thing} has no owner.", thing=about)
            if gap.what == "no owner"
            else words.say("{thing} is owned by {owner}: no person, no role here.", thing=about, owner=named)
        )
        return said + (words.say(" {people} would be asked.", people=instead) if instead else Markup())
    return {
        "unknown deputy": words.say("The deputy of {person}, {deputy}, is not there.", person=about, deputy=named),
        "nobody stands in": words.say("{person} is away, and nobody stands in.", person=about),
        "unknown role": words.say("{person} is {role}, which is no role along the loop.", person=about, role=named),
        "no contact": words.say("{person} has no contact.", person=about),
    }[gap.what]


def _answers(thing: ThingFacts, facts: TeamFacts, frame: Frame) -> tuple[Markup, Mark]:
    if not thing.people:
        return Markup("{}").format(thing.owner or frame.words.say("nobody")), "open"
    return _people(thing.people, facts, frame), "good" if thing.declared else "open"
