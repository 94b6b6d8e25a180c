"""Decisions and signatures: who, what, why, on what evidence."""

from __future__ import annotations

from rondo.errors import WrongUse
from rondo.project.people import Person
from rondo.records.team import Approval, Decision
from rondo.store.ledger import Ledger, LedgerReader
from rondo.team.people import holders


def decide(
    ledger: Ledger, name: str, what: str, *, by: str, why: str | None = None, evidence: str | None = None
) -> Decision:
    """Record a decision about `name`."""
    decision = Decision(name=name, what=what, who=by, why=why, evidence=evidence)
    ledger.append(decision, by=by)
    return decision


def sign(ledger: Ledger, name: str, version: int, requirement: str, *, by: str, because: str) -> Approval:
    """Record that a named person answers for a requirement. Raises WrongUse without a reason."""
    if not because.strip():
        raise WrongUse("A signature needs a reason.", next_step='Add --because "…".')
    approval = Approval(name=name, version=version, requirement=requirement, who=by, because=because)
    ledger.append(approval, by=by)
    return approval


def approvals(ledger: LedgerReader, name: str, version: int) -> dict[str, Approval]:
    """Signatures under a version, by the requirement's text; the newest holds."""
    return {entry.record.requirement: entry.record for entry in ledger.entries(Approval, name=name, version=version)}


def person(people: tuple[Person, ...], owner: str | None) -> str | None:
    """An owner as people read it: the person or role with name and contact where rondo.toml gives them."""
    if owner is None:
        return None
    told = "; ".join(each.reached for each in holders(people, owner) if each.reached != owner)
    return f"{owner} ({told})" if told else owner
