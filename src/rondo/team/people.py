"""Whom to ask: owners resolved to people, those who stand in, and things that nobody owns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rondo.project.documents import Document
from rondo.project.people import ROLES, Person, role_id
from rondo.project.reading import Project

Stage = Literal["sources", "tables", "dataset", "model", "gate", "deployment", "monitoring"]
STAGES: tuple[Stage, ...] = ("sources", "tables", "dataset", "model", "gate", "deployment", "monitoring")
PARTS: Mapping[Stage, Literal["A", "B", "C"]] = {
    "sources": "A", "tables": "A", "dataset": "A", "model": "B", "gate": "B", "deployment": "C", "monitoring": "C",
}  # fmt: skip
LEADS: Mapping[Stage, str] = {
    "sources": "data_engineer", "tables": "data_engineer", "dataset": "data_scientist", "model": "data_scientist",
    "gate": "product_manager", "deployment": "ml_engineer", "monitoring": "devops_engineer",
}  # fmt: skip
"""Which role answers for a stage where nobody is declared as owner."""
WORKS: Mapping[str, tuple[Stage, ...]] = {
    "product_manager": ("gate",),
    "engineering_manager": ("gate",),
    "data_engineer": ("sources", "tables", "monitoring"),
    "data_analyst": ("tables", "monitoring"),
    "data_scientist": ("dataset", "model", "gate", "monitoring"),
    "applied_scientist": ("model", "gate"),
    "ml_engineer": ("dataset", "model", "gate", "deployment", "monitoring"),
    "ml_developer": ("deployment",),
    "devops_engineer": ("sources", "deployment", "monitoring"),
}
"""Where along the loop a role has a hand in."""
STANDS_IN: Mapping[str, tuple[str, ...]] = {
    "data_engineer": ("ml_engineer", "data_scientist"),
    "data_analyst": ("data_scientist", "data_engineer"),
    "data_scientist": ("applied_scientist", "ml_engineer"),
    "applied_scientist": ("data_scientist",),
    "ml_engineer": ("ml_developer", "data_scientist", "devops_engineer"),
    "ml_developer": ("ml_engineer",),
    "devops_engineer": ("ml_engineer", "data_engineer"),
    "product_manager": ("engineering_manager",),
    "engineering_manager": ("product_manager",),
}
"""Who does a role's work where nobody holds it; after these the engineering manager, and then anybody."""
DOCUMENT_ROLES: Mapping[str, str] = {
    "prd": "product_manager", "plan": "engineering_manager", "decision": "engineering_manager",
    "design": "data_scientist", "model_card": "data_scientist", "data_card": "data_engineer",
    "runbook": "devops_engineer",
}  # fmt: skip
DOCUMENT_STAGES: Mapping[str, Stage] = {"prd": "gate", "runbook": "monitoring"}
"""Documents that make their owner the owner of a stage."""
What = Literal["source", "table", "model", "document", "report"]


@dataclass(frozen=True)
class Owned:
    """A thing with its owner as declared; `role` answers for it where none is, or nobody is called so."""

    what: What
    name: str
    owner: str | None
    role: str
    stage: Stage | None
    file: str
    line: int | None = None


@dataclass(frozen=True)
class Answerable:
    """Who answers for something. `declared`: the owner was found; otherwise these are the next best by role."""

    people: tuple[Person, ...]
    declared: bool

    @property
    def reached(self) -> str | None:
        """Their names and contacts; None where there is nobody at all."""
        return "; ".join(person.reached for person in self.people) or None


def holders(people: Sequence[Person], owner: str | None) -> tuple[Person, ...]:
    """The person of that id, or everybody who holds the role; nobody where it is neither."""
    if owner is None:
        return ()
    named = tuple(person for person in people if person.id == owner)
    return named or tuple(person for person in people if role_id(owner) in person.roles)


def answerable(people: Sequence[Person], owner: str | None, role: str) -> Answerable:
    """Who answers for what `owner` owns: they, else whoever holds `role`, else who does that role's work."""
    found = holders(people, owner)
    if found:
        return Answerable(found, True)
    for fallback in (role, *STANDS_IN.get(role, ()), "engineering_manager"):
        if found := holders(people, fallback):
            return Answerable(found, False)
    return Answerable(tuple(people[:1]), False)


def is_away(person: Person, day: date) -> bool:
    """Whether they are away on that day of the project's calendar."""
    return person.away is not None and person.away.covers(day)


def stand_in(people: Sequence[Person], person: Person, day: date) -> Person | None:
    """Who stands in for somebody who is away: the deputy, or that one's; None where all of them are away, or nobody is
    named, or deputies go round in a circle.
    """
    known, seen = {each.id: each for each in people}, {person.id}
    while (following := known.get(person.deputy or "")) is not None and following.id not in seen:
        if not is_away(following, day):
            return following
        seen.add(following.id)
        person = following
    return None


def contacts(people: Sequence[Person], on: date | None = None) -> dict[str, str]:
    """How to reach each owner that may be declared: by id and by role; on a day, those who stand in as well."""
    found = {}
    for owner in (*(person.id for person in people), *ROLES):
        told = [_reached(people, person, on) for person in holders(people, owner)]
        if told:
            found[owner] = "; ".join(told)
    return found


def _reached(people: Sequence[Person], person: Person, on: date | None) -> str:
    instead = stand_in(people, person, on) if on is not None and is_away(person, on) else None
    return person.reached if instead is None else f"{instead.reached} (for {person.called})"


def owned_things(
    project: Project, documents: Sequence[Document], reports: Iterable[tuple[str, str, str | None]] = ()
) -> list[Owned]:
    """Everything that somebody ought to own; a report is (name, file, owner)."""
    things = [
        Owned("source", each.name, each.owner, "data_engineer", "sources", each.file, each.line)
        for each in project.sources.values()
    ]
    for table in project.tables.values():
        stage: Stage = "dataset" if table.is_examples else "tables"
        things.append(Owned("table", table.name, table.owner, LEADS[stage], stage, table.file, 1))
    things += [
        Owned("model", each.name, each.owner, "data_scientist", "model", each.file, each.line)
        for each in project.models.values()
    ]
    things += [
        Owned(
            "document", each.name, each.owner, DOCUMENT_ROLES[each.kind], DOCUMENT_STAGES.get(each.kind), each.file, 1
        )
        for each in documents
        if each.kind is not None and each.state != "retired"
    ]
    return things + [Owned("report", name, owner, "data_analyst", None, file) for name, file, owner in reports]


@dataclass(frozen=True)
class Gap:
    """Something wrong about people: `what` is its kind, `about` the thing or the person it is about."""

    what: Literal["no owner", "unknown owner", "unknown deputy", "nobody stands in", "unknown role", "no contact"]
    about: str
    named: str | None = None
    file: str | None = None
    line: int | None = None
    role: str | None = None


def gaps(people: Sequence[Person], things: Sequence[Owned], day: date) -> list[Gap]:
    """Things that nobody owns, or somebody who is not there, and what is wrong about the people themselves.

    `day` is the day whose absences count. Where a project names no people, an owner that is a role is not unknown: it
    tells whom to name.
    """
    found = []
    for thing in things:
        if thing.owner is None:
            found.append(Gap("no owner", thing.name, None, thing.file, thing.line, thing.role))
        elif not holders(people, thing.owner) and (people or role_id(thing.owner) not in ROLES):
            found.append(Gap("unknown owner", thing.name, thing.owner, thing.file, thing.line, thing.role))
    known = {person.id for person in people}
    for person in people:
        if person.deputy is not None and person.deputy not in known:
            found.append(Gap("unknown deputy", person.id, person.deputy))
        elif is_away(person, day) and stand_in(people, person, day) is None:
            found.append(Gap("nobody stands in", person.id, person.deputy))
        found += [Gap("unknown role", person.id, role) for role in person.roles if role not in ROLES]
        if person.contact is None:
            found.append(Gap("no contact", person.id))
    return found
