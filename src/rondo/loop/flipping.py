"""`replay --on`: a version on the last logged requests, and what its gate wants to know of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rondo.deploy.answering import Answerer
from rondo.deploy.flipping import LAST, MOVED, Production, flips, request_of, with_latency
from rondo.deploy.lookups import NewestLakeValues, live_values
from rondo.deploy.predictions import answered_last, compact
from rondo.deploy.rehearsing import REQUESTS
from rondo.deploy.resolving import newest_signature, version_record
from rondo.deploy.rollout import roles
from rondo.develop.gating import Facts, decide
from rondo.develop.judging import main_metric
from rondo.errors import NotFound
from rondo.loop.comparing import metrics_of
from rondo.loop.versions import packed_version, signature_of, test_split
from rondo.loop.workplace import Workplace
from rondo.project.reading import Prd
from rondo.records.deployment import Flips
from rondo.records.development import RequirementResult, Version
from rondo.records.progress import Progress, silent
from rondo.records.versions import model_version


def flip(
    work: Workplace, name: str, number: int, *, last: int = LAST, slices: list[str], progress: Progress = silent
) -> Flips:
    """A version on the last logged requests of its model, recorded. Raises NotFound where production answered none."""
    version = version_record(work.store.ledger, name, number)
    found = _flipped(work, version, last, slices, progress)
    if found is None:
        raise NotFound(
            f"Production has not answered a request of {name} that {model_version(name, number)} could be tried on.",
            next_step="Ask it something, or name the state whose log it shall be with --state.",
        )
    return found


def lines_on(work: Workplace, found: Flips) -> list[RequirementResult]:
    """The PRD's lines on flips, held on their own against what was found."""
    prd, model = work.project.prds.get(found.name), work.project.model(found.name)
    lines = tuple(line for line in prd.requirements if line.kind == "flips") if prd else ()
    if prd is None or not lines:
        return []
    facts = Facts(
        name=found.name, version=found.version, metric=main_metric(model, metrics_of(work, model)), evaluations={},
        production=found.production, flips=found,
    )  # fmt: skip
    return decide(replace(prd, requirements=lines), facts).requirements


def flips_for(
    work: Workplace, version: Version, prd: Prd, production: int | None, slices: list[str], progress: Progress = silent
) -> tuple[int, Flips] | None:
    """What a gate with a line on flips is decided on, with its place in the ledger: made once against one production.

    None where no line asks for it, nothing is in production or no request is logged. A record of fewer requests than
    wanted by default is no evidence: nobody shall choose how many decide.
    """
    if production is None or not any(line.kind == "flips" for line in prd.requirements):
        return None
    ledger = work.store.ledger
    where = {"production": production, "last": LAST}
    if ledger.latest(Flips, name=version.name, version=version.version, where=where) is None:
        _flipped(work, version, LAST, slices, progress)
    entry = ledger.latest(Flips, name=version.name, version=version.version, where=where)
    return None if entry is None else (entry.seq, entry.record)


def _flipped(work: Workplace, version: Version, last: int, slices: list[str], progress: Progress) -> Flips | None:
    name, number = version.name, version.version
    asked = _answered(work, name, last)
    candidate, now = packed_version(work, name, number), work.now()
    timezone = work.project.settings.timezone
    found = flips(
        candidate, number, asked, values=NewestLakeValues(work.store, timezone), slices=slices,
        tolerance=_tolerance(work, version) if candidate.signature.task == "regression" else None,
        last=last, now=now, progress=progress,
    )  # fmt: skip
    if found is None:
        return None
    requests = [request_of(each, candidate.signature) for each in asked.logged[-REQUESTS:]]
    serving = Answerer(candidate, live_values(work.store, timezone), number)
    found = with_latency(found, serving, requests, store=work.store, now=now)
    work.store.ledger.append(found, by=work.by)
    return found


def _answered(work: Workplace, name: str, last: int) -> Production:
    """The last answers of production, those that were still in the log alone included."""
    signature = newest_signature(work.store, name)
    if signature is not None:
        compact(work.store, signature, by=work.by, now=work.now())
    logged = answered_last(work.store, name, last)
    answering = {each.version for each in logged}
    at_work = roles(work.store.ledger, name).get("production")
    return Production(
        logged,
        {number: signature_of(work, name, number) for number in sorted(answering)},
        at_work.record.version if at_work else None,
    )


def _tolerance(work: Workplace, version: Version) -> float:
    """By how much an answer may move and be the same: a share of the label's standard deviation on the test split."""
    labels = test_split(work, version).column("label").to_numpy()
    return MOVED * float(np.std(labels.astype(np.float64))) if len(labels) else 0.0
