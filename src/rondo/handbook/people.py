"""The facts of the team: who is there, what they own and owe, what nobody answers for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from rondo.handbook.deliverables.owed import DeliverableFacts, deliverables
from rondo.handbook.deliverables.verdicts import Looking
from rondo.handbook.plans import PlanFacts
from rondo.handbook.proofs import Proof
from rondo.language.words import Language
from rondo.loop.workplace import Workplace
from rondo.project.documents import read_documents
from rondo.project.people import ROLES, Person
from rondo.records.monitoring import Alert
from rondo.team.people import (
    LEADS,
    PARTS,
    STAGES,
    WORKS,
    Gap,
    Owned,
    Stage,
    answerable,
    gaps,
    holders,
    is_away,
    owned_things,
    stand_in,
)  # fmt: skip

OWNS, WORKS_ON = "owns", "works on"


@dataclass(frozen=True)
class ThingFacts:
    """Something to be owned. `people` (ids) answer for it; `declared`: its owner was found among them."""

    what: str
    name: str
    owner: str | None
    people: tuple[str, ...]
    declared: bool
    stage: Stage | None
    file: str
    address: str


@dataclass(frozen=True)
class PersonFacts:
    """Somebody: what they own, where along the loop they have a hand in (`owns` or `works on`), what they are at.

    `until` is the last day of an absence that covers the moment; `instead` is who stands in (an id).
    """

    id: str
    name: str
    contact: str | None
    roles: tuple[str, ...]
    stages: Mapping[Stage, str]
    owns: tuple[ThingFacts, ...]
    now: tuple[Proof, ...] = ()
    until: date | None = None
    instead: str | None = None


@dataclass(frozen=True)
class RoleFacts:
    """A role along the loop: who holds it (ids), or who does its work where nobody does."""

    role: str
    stages: tuple[Stage, ...]
    parts: tuple[str, ...]
    held_by: tuple[str, ...]
    instead: tuple[str, ...]


@dataclass(frozen=True)
class TeamFacts:
    """The people of a project, the roles along the loop, and what is owed."""

    project: str
    people: tuple[PersonFacts, ...]
    roles: tuple[RoleFacts, ...]
    things: tuple[ThingFacts, ...]
    gaps: tuple[Gap, ...]
    deliverables: tuple[DeliverableFacts, ...]
    plans: tuple[PlanFacts, ...]
    stages: Mapping[Stage, tuple[str, ...]]
    """Who owns or works at each stage (ids)."""


def team_facts(work: Workplace, words: Language) -> TeamFacts:
    """The team as of the workplace's moment; sentences are in the reader's language."""
    people = work.project.settings.people
    looking = Looking(work, read_documents(work.project), words)
    owned = owned_things(work.project, looking.documents, looking.report_owners)
    things = tuple(_thing(people, each) for each in owned)
    today = work.now().astimezone(ZoneInfo(work.project.settings.timezone)).date()
    shown = tuple(_person(people, each, things, looking, today) for each in people)
    return TeamFacts(
        project=work.project.settings.name,
        people=shown,
        roles=tuple(_role(people, role) for role in ROLES),
        things=things,
        gaps=tuple(gaps(people, owned, today)),
        deliverables=deliverables(looking),
        plans=looking.plans,
        stages={stage: tuple(each.id for each in shown if stage in each.stages) for stage in STAGES},
    )


def _thing(people: Sequence[Person], owned: Owned) -> ThingFacts:
    found = answerable(people, owned.owner, owned.role)
    ids = tuple(person.id for person in found.people)
    place = {"source": "tables", "table": "tables", "model": "models", "document": "docs", "report": "reports"}
    address = f"/{place[owned.what]}/{owned.name}"
    return ThingFacts(owned.what, owned.name, owned.owner, ids, found.declared, owned.stage, owned.file, address)


def _person(
    people: Sequence[Person], person: Person, things: Sequence[ThingFacts], looking: Looking, today: date
) -> PersonFacts:
    owns = tuple(each for each in things if each.declared and person.id in each.people)
    stages: dict[Stage, str] = {}
    for stage in STAGES:
        leads = stage == "deployment" and LEADS[stage] in person.roles
        if leads or any(each.stage == stage for each in owns):
            stages[stage] = OWNS
        elif any(stage in WORKS.get(role, ()) for role in person.roles):
            stages[stage] = WORKS_ON
    away = is_away(person, today)
    instead = stand_in(people, person, today) if away else None
    return PersonFacts(
        person.id,
        person.called,
        person.contact,
        person.roles,
        stages,
        owns,
        tuple(_now(people, person, looking)),
        person.away.until if away and person.away else None,
        instead.id if instead else None,
    )


def _now(people: Sequence[Person], person: Person, looking: Looking) -> list[Proof]:
    """What somebody is at: incidents they took, alerts and incidents of what they own."""
    words, own_names = looking.words, {person.id, person.called}
    found = []
    for incident in looking.incidents:
        if incident.state == "closed":
            continue
        theirs = incident.who in own_names if incident.state == "taken" else _owns(people, person, incident.owner)
        if theirs:
            found.append(Proof(words.plain("incident {id}", id=incident.id), None, f"/incidents/{incident.id}"))
    mine = [alert for alert in looking.alerts if _owns(people, person, alert.owner)]
    if mine:
        first: Alert = mine[0]
        said = words.counted("{n} open alert", "{n} open alerts", len(mine))
        found.append(Proof(said, first.since, f"/alerts/{first.id}"))
    return found


def _owns(people: Sequence[Person], person: Person, owner: str | None) -> bool:
    return any(each.id == person.id for each in holders(people, owner))


def _role(people: Sequence[Person], role: str) -> RoleFacts:
    held = tuple(person.id for person in people if role in person.roles)
    instead = () if held else tuple(person.id for person in answerable(people, role, role).people)
    stages = WORKS[role]
    return RoleFacts(role, stages, tuple(dict.fromkeys(PARTS[stage] for stage in stages)), held, instead)
