"""Every deliverable along the loop, in the order of the roles."""

from __future__ import annotations

from dataclasses import dataclass

from rondo.handbook.deliverables import data, development, operations
from rondo.handbook.deliverables.verdicts import Looking, State, Test
from rondo.handbook.proofs import Proof
from rondo.monitor.runbooks import in_state
from rondo.project.people import ROLES
from rondo.team.people import Stage, answerable

TESTS: tuple[Test, ...] = tuple(
    sorted((*data.TESTS, *development.TESTS, *operations.TESTS), key=lambda test: list(ROLES).index(test.role))
)


@dataclass(frozen=True)
class DeliverableFacts:
    """What a role owes at a stage of the loop, who answers for it (ids), and whether it is so."""

    id: str
    what: str
    role: str
    stage: Stage
    people: tuple[str, ...]
    state: State
    proof: Proof
    command: str | None = None


def deliverables(looking: Looking) -> tuple[DeliverableFacts, ...]:
    """All of them, examined now."""
    people = looking.work.project.settings.people
    found = []
    for test in TESTS:
        verdict = test.look(looking)
        command = in_state(verdict.command, looking.work.store.state) if verdict.command else None
        who = tuple(person.id for person in answerable(people, test.role, test.role).people)
        found.append(
            DeliverableFacts(test.id, verdict.what, test.role, test.stage, who, verdict.state, verdict.proof, command)
        )
    return tuple(found)
