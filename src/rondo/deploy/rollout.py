"""Roles: which version is at work as what, putting one to work, and going back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime

from rondo.errors import NotFound, Refused, WrongUse
from rondo.project.reading import Prd, Project
from rondo.records.deployment import Deployment, Rehearsal, Role
from rondo.records.development import Gate, Version
from rondo.records.versions import model_version
from rondo.store.ledger import Entry, Ledger, LedgerReader
from rondo.store.locks import held
from rondo.store.opening import Store
from rondo.team.decisions import approvals, decide

ROLES: tuple[Role, ...] = ("production", "canary", "shadow")


def roles(ledger: LedgerReader, model: str, until: datetime | None = None) -> dict[Role, Entry[Deployment]]:
    """What is at work now, or was at `until` on the ledger's clock; a role that is empty is left out."""
    found: dict[Role, Entry[Deployment]] = {}
    for role in ROLES:
        entry = ledger.latest(Deployment, name=model, until=until, where={"role": role})
        if entry is not None and not entry.record.ended:
            found[role] = entry
    return found


def promote(
    store: Store,
    project: Project,
    name: str,
    version: int,
    role: Role,
    share: float | None = None,
    *,
    because: str | None,
    by: str,
    now: datetime,
    evidence: str | None = None,
) -> Entry[Deployment]:
    """Puts a version to work, and records who decided it.

    `share` is the part of the traffic that the canary answers. Raises NotFound for an unknown version, Refused where
    the gate does not allow it or nothing would change.
    """
    ledger, whole = store.ledger, model_version(name, version)
    _known(ledger, name, version)
    share = _share(role, share, whole)
    with _alone(store, name):
        current = roles(ledger, name)
        _refuse_without_effect(current, version, role, share, whole)
        _refuse_unequal(ledger, name, version)
        allowed = _allowed_by(ledger, project.prds.get(name), name, version, role)
        replaced = current[role].record.version if role in current else None
        made = Deployment(
            name=name,
            version=version,
            role=role,
            share=share,
            replaced=replaced,
            because=because,
            evidence=evidence or allowed,
        )
        return _record(ledger, made, current, f"put to work as {role}", by=by, now=now)


def rollback(
    store: Store,
    project: Project,
    name: str,
    role: Role = "production",
    *,
    because: str | None,
    by: str,
    now: datetime,
) -> Entry[Deployment]:
    """Puts the version back that was in production before; or takes the canary, or the shadow, off.

    Raises NotFound for no such model, Refused where there is nothing to go back to, or to take off.
    """
    project.model(name)
    with _alone(store, name):
        current = roles(store.ledger, name)
        if role != "production":
            return _take_off(store.ledger, name, role, current, because=because, by=by, now=now)
        return _put_back(store.ledger, name, current, because=because, by=by, now=now)


def parse_role(text: str) -> tuple[Role, float | None]:
    """`production`, `shadow`, or `canary=10%` as a role and its share. Raises WrongUse."""
    role, given, share = text.partition("=")
    if role not in ROLES:
        raise WrongUse(f"There is no role {role!r}.", next_step="Use production, canary=10% or shadow.")
    if not given:
        return role, None
    try:
        value = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    except ValueError as error:
        raise WrongUse(f"{share!r} is not a share.", next_step="Write canary=10%.") from error
    return role, value


def _alone(store: Store, name: str) -> AbstractContextManager[None]:
    """Holds off others who change the roles of a model: of two who do the same, the second is refused."""
    return held(store.folder / "locks" / f"roles.{name}.lock")


def _put_back(
    ledger: Ledger,
    name: str,
    current: Mapping[Role, Entry[Deployment]],
    *,
    because: str | None,
    by: str,
    now: datetime,
) -> Entry[Deployment]:
    if "production" not in current:
        raise Refused(
            f"Nothing of {name} is in production.", next_step=f"Run `rondo promote {name}@N --to production`."
        )
    before, newest = before_production(ledger, name), current["production"].record.version
    if before is None:
        raise Refused(
            f"{model_version(name, newest)} was the first in production: there is none to go back to.",
            next_step=f"Promote another version, or leave {model_version(name, newest)} at work.",
        )
    made = Deployment(
        name=name,
        version=before,
        role="production",
        share=1.0,
        replaced=newest,
        put_back=True,
        because=because,
        evidence=f"was in production before {model_version(name, newest)}",
    )
    return _record(ledger, made, current, "rolled back to", by=by, now=now)


def _take_off(
    ledger: Ledger,
    name: str,
    role: Role,
    current: Mapping[Role, Entry[Deployment]],
    *,
    because: str | None,
    by: str,
    now: datetime,
) -> Entry[Deployment]:
    if role not in current:
        raise Refused(f"{name} has no {role} to take off.", next_step="See ledger.deployments with `rondo sql`.")
    version = current[role].record.version
    ended = Deployment(name=name, version=version, role=role, share=0.0, because=because, ended=True)
    return _record(ledger, ended, current, f"taken off as {role}", by=by, now=now)


def before_production(ledger: LedgerReader, name: str) -> int | None:
    """The version that a roll-back puts to work: production stands over it; None where there is none.

    Each promotion stands over the version before it; a roll-back takes off what stands above the version put back, so
    that the next one goes further back.
    """
    line: list[int] = []
    for entry in ledger.entries(Deployment, name=name, where={"role": "production"}):
        version = entry.record.version
        if entry.record.put_back and version in line:
            del line[len(line) - line[::-1].index(version) :]
        elif not line or line[-1] != version:
            line.append(version)
    return line[-2] if len(line) > 1 else None


def _known(ledger: LedgerReader, name: str, version: int) -> None:
    if ledger.latest(Version, name=name, version=version) is None:
        there = [model_version(name, entry.record.version) for entry in ledger.entries(Version, name=name)]
        raise NotFound.among("version", model_version(name, version), there)


def _share(role: Role, share: float | None, whole: str) -> float:
    """The share as it is recorded: production answers all, a shadow nothing, a canary what it is given."""
    if role == "canary":
        if share is None or not 0 < share < 1:
            raise Refused(
                f"A canary answers a part of the traffic, not {'an unnamed one' if share is None else f'{share:.0%}'}.",
                next_step=f"Run `rondo promote {whole} --to canary=10%`.",
            )
        return float(share)
    if share is not None and share != (1.0 if role == "production" else 0.0):
        raise Refused(
            f"{role} takes no share: production answers all that no canary does, a shadow answers nothing.",
            next_step=f"Run `rondo promote {whole} --to {role}`.",
        )
    return 1.0 if role == "production" else 0.0


def _refuse_without_effect(
    current: Mapping[Role, Entry[Deployment]], version: int, role: Role, share: float, whole: str
) -> None:
    """Refuses what would leave every answer as it is."""
    at_work = {held: entry.record for held, entry in current.items()}
    if role in at_work and (at_work[role].version, at_work[role].share) == (version, share):
        raise Refused(
            f"{whole} is {role}{f' at {share:.0%}' if role == 'canary' else ''} already.", next_step="Nothing to do."
        )
    if role == "production":
        return
    if "production" not in at_work:
        raise Refused(
            f"A {role} needs a production to stand beside, and there is none.",
            next_step=f"Run `rondo promote {whole} --to production`.",
        )
    if at_work["production"].version == version:
        raise Refused(
            f"{whole} is in production: as {role} it would answer nothing else.", next_step="Name another version."
        )


def _refuse_unequal(ledger: LedgerReader, name: str, version: int) -> None:
    """Raise Refused for a version whose rehearsal answered otherwise than it was judged by."""
    rehearsal = ledger.latest(Rehearsal, name=name, version=version)
    why = rehearsal.record.unequal if rehearsal else None
    if why is not None:
        raise Refused(
            f"{model_version(name, version)} may not be put to work: {why}",
            next_step="See ledger.rehearsals with `rondo sql`, mend the cause, and train it again.",
        )


def _allowed_by(ledger: LedgerReader, prd: Prd | None, name: str, version: int, role: Role) -> str:
    """What allows the promotion, in words, for the record. Raises Refused where nothing does."""
    whole = model_version(name, version)
    if prd is None:
        return "no PRD: nothing was required"
    entry = ledger.latest(Gate, name=name, version=version)
    again = f"Run `rondo gate {whole}`."
    if entry is None:
        raise Refused(f"{whole} was never held against {prd.file}.", next_step=again)
    gate = entry.record
    if [line.text for line in gate.requirements] != [line.text for line in prd.requirements]:
        raise Refused(f"{prd.file} has changed since {whole} was held against it.", next_step=again)
    if gate.state == "failed":
        failed = "; ".join(line.text for line in gate.requirements if line.state == "failed")
        raise Refused(
            f"{whole} failed its gate ({failed}): nobody can promote it.",
            next_step=f"Train a better version, or change {prd.file}: that is a decision, and is recorded.",
        )
    if gate.state == "passed":
        return f"gate passed (record {entry.seq})"
    return _allowed_undecided(ledger, prd, entry, role)


def _allowed_undecided(ledger: LedgerReader, prd: Prd, entry: Entry[Gate], role: Role) -> str:
    gate = entry.record
    whole = model_version(gate.name, gate.version)
    signed = approvals(ledger, gate.name, gate.version)
    open_lines = [
        line.text
        for line in gate.requirements
        if line.state == "undecided" and line.signed_by is None and line.text not in signed
    ]
    if not open_lines:
        return f"gate undecided, every undecided line signed (record {entry.seq})"
    if prd.undecided == "canary" and role == "canary":
        return f"gate undecided, {prd.file} allows a canary (record {entry.seq})"
    lines = "; ".join(open_lines)
    steps = {
        "canary": f'Run `rondo promote {whole} --to canary=10%`, or sign: `rondo sign {whole} "{open_lines[0]}"`.',
        "sign": f'Run `rondo sign {whole} "{open_lines[0]}" --because …`.',
        "block": f"Gather more rows until it is decided, or change {prd.file}.",
    }
    raise Refused(f"The gate of {whole} is undecided ({lines}).", next_step=steps[prd.undecided])


def _record(
    ledger: Ledger,
    made: Deployment,
    current: Mapping[Role, Entry[Deployment]],
    what: str,
    *,
    by: str,
    now: datetime,
) -> Entry[Deployment]:
    """Writes the deployment, with it the end of the roles that its version leaves, and the decision."""
    left = [
        Deployment(
            name=made.name, version=entry.record.version, role=role, share=0.0, because=f"now {made.role}", ended=True
        )
        for role, entry in current.items()
        if role != made.role and entry.record.version == made.version
    ]
    written: Entry[Deployment] = ledger.append(*left, made, by=by, at=now)[len(left)]
    decide(
        ledger,
        made.name,
        f"{model_version(made.name, made.version)} {what}",
        by=by,
        why=made.because,
        evidence=made.evidence,
    )
    return written
