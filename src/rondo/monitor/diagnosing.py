"""Findings with what is behind them: service, data or model, ranked causes with shares, owner, steps, way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rondo.monitor.alerting import Diagnosis, Finding
from rondo.monitor.evidence import LABEL, Evidence
from rondo.monitor.investigation import Investigation
from rondo.monitor.runbooks import in_state, section_for, steps_for
from rondo.monitor.suspects import Suspect, made_from
from rondo.records.monitoring import Cause

SERVICE_RULES = frozenset({"service errors", "latency", "prediction log"})
HELD_RULES = frozenset({"stale data", "data blocked"})
DATA_RULES = HELD_RULES | {"missing values", "unseen values", "skew"}
MOST = 5
"""Causes that are told."""


def diagnose(findings: Sequence[Finding], evidence: Evidence) -> list[Finding]:
    """The findings with diagnosis, causes (shares sum to 1 at most), owner, runbook, steps and rollback filled in.

    Where the evidence shows no cause, none is claimed: the diagnosis is then the kind of trouble that the rule itself
    speaks of.
    """
    investigation = Investigation(evidence)
    return [_diagnosed(finding, investigation) for finding in findings]


def _diagnosed(finding: Finding, investigation: Investigation) -> Finding:
    evidence = investigation.evidence
    chosen = _chosen(finding, investigation)
    first = chosen[0] if chosen else None
    diagnosis = first.kind if first else _by_rule(finding.rule)
    table = first.table if first else _source_of(finding, evidence) if diagnosis == "data" else None
    owner = (evidence.tables[table].owner if table else None) or evidence.owner
    causes = _causes(chosen, finding, investigation)
    rollback = _rollback(evidence)
    latest = evidence.deployments[-1] if evidence.deployments else None
    since = first.since if first else None
    values: dict[str, str | None] = {
        "model": evidence.model,
        "source": table,
        "owner": owner,
        "contact": evidence.people.get(owner or ""),
        "since": f"{since.astimezone(evidence.words.zone):%Y-%m-%d %H:%M}" if since else None,
        "version": f"{evidence.model}@{latest.version}" if latest else None,
        "previous": f"{evidence.model}@{latest.replaced}" if latest and latest.replaced is not None else None,
        "rollback": rollback,
    }
    named = [each.table for each in chosen[:MOST] if each.table]  # a particle may follow a name in what is said of it
    told = " ".join([finding.about, finding.summary, *(cause.what for cause in causes), *named])
    section = section_for(evidence.runbook, finding.rule, told, _named(finding, first, causes, evidence))
    book = evidence.runbook
    steps = steps_for(section, finding.rule, diagnosis, values, words=evidence.words, state=evidence.state)
    return replace(
        finding,
        diagnosis=diagnosis,
        causes=causes,
        owner=owner,
        runbook=f"{book.file}#{section.anchor}" if book and section else book.file if book else None,
        steps=steps,
        rollback=in_state(rollback, evidence.state) if rollback else None,
    )


def _named(finding: Finding, first: Suspect | None, causes: Sequence[Cause], evidence: Evidence) -> str:
    """The things for which a runbook may have a section: what the finding is about, and its first cause with what that
    is made from, where it explains enough. A cause that explains little names no instructions.
    """
    named = [finding.about]
    if first is not None and causes[0].tells:
        named.append(causes[0].what)
        if first.table is not None:
            named += [first.table, *sorted(made_from(evidence.tables, first.table))]
    return " ".join(named)


def _chosen(finding: Finding, investigation: Investigation) -> list[Suspect]:
    """The suspects that may be behind a finding, the likeliest first."""
    every = investigation.suspects
    if finding.rule in SERVICE_RULES:
        return [each for each in every if each.kind == "service"]
    others = [each for each in every if each.kind != "service"]
    if finding.rule in HELD_RULES:
        held = [each for each in others if each.halts]
        return [each for each in held if _concerns(each, finding.about, investigation)] or held
    about = [fed.name for fed in investigation.evidence.fed if fed.name in finding.about.split()]
    if about:
        others = [each for each in others if each.touches & set(about) or each.kind == "model"]
    data = [each for each in others if each.kind == "data" and each.weight > 0.0]
    return data or [each for each in others if each.kind == "model"]


def _concerns(suspect: Suspect, about: str, investigation: Investigation) -> bool:
    """Whether a finding about a source or table is explained by the suspect, being it or made from it."""
    tables = investigation.evidence.tables
    named = [name for name in tables if name in about.split()]
    return any(suspect.table == name or suspect.table in made_from(tables, name) for name in named)


def _by_rule(rule: str) -> Diagnosis:
    """What kind of trouble a rule itself speaks of. Values that training never saw, in data without a fault, are the
    world's: the model is asked what it did not learn.
    """
    return "service" if rule in SERVICE_RULES else "data" if rule in DATA_RULES else "model"


def _source_of(finding: Finding, evidence: Evidence) -> str | None:
    """The source farthest up that a finding's feature takes its values from."""
    names = finding.about.split()
    tables = [table for fed in evidence.fed if fed.name in names for table, _ in fed.values]
    return next((t for t in reversed(tables) if t in evidence.tables and evidence.tables[t].kind == "source"), None)


def _causes(chosen: Sequence[Suspect], finding: Finding, investigation: Investigation) -> tuple[Cause, ...]:
    """Each suspect with its share of the change of the columns concerned; what no suspect explains stays open."""
    total = sum(each.weight for each in chosen)
    world = investigation.world
    if world is not None and chosen and chosen[0].kind == "model":
        total = max(total, world.strength)
    elif finding.rule not in SERVICE_RULES | HELD_RULES:
        moved = investigation.moved
        about = {fed.name for fed in investigation.evidence.fed if fed.name in finding.about.split()}
        concerned = [shift.strength for name, shift in moved.items() if name in about or (not about and name != LABEL)]
        total = max(total, sum(concerned))
    if total <= 0.0:
        return tuple(Cause(what=each.what) for each in chosen[:MOST])
    return tuple(Cause(what=each.what, share=int(100 * each.weight / total) / 100) for each in chosen[:MOST])


def _rollback(evidence: Evidence) -> str | None:
    """How to go back to the version before, where there is one."""
    latest = evidence.deployments[-1] if evidence.deployments else None
    return f"rondo rollback {evidence.model}" if latest is not None and latest.replaced is not None else None
