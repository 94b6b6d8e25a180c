"""`run`: everything brought up to date; each step leaves its record before the next begins."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rondo.deploy.resolving import version_record
from rondo.errors import RondoError
from rondo.graph.definitions import tables_of
from rondo.loop.judging import newest_gate
from rondo.loop.models import Resolved, bring_model, gate_failed
from rondo.loop.planning import newest, wanted
from rondo.loop.publishing import drop_what_nothing_pins, live_lookups, publish_lookups
from rondo.loop.tables import Versions, bring, bring_pinned
from rondo.loop.variants import Variant, bring_variant, varied
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.records.progress import Progress, silent
from rondo.records.running import Run, Step
from rondo.records.tables import TableVersion
from rondo.records.versions import parse_model_version
from rondo.store.locks import held


@dataclass
class _Score:
    """A run as it goes: its steps, what stands of each table, and the names that can go no further."""

    steps: list[Step] = field(default_factory=list)
    versions: dict[str, TableVersion] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """How the run came out."""
        states = {step.state for step in self.steps}
        return "failed" if "failed" in states else "blocked" if "blocked" in states else "done"

    @property
    def built(self) -> bool:
        """Whether anything was built."""
        return any(step.state not in ("fresh", "skipped") for step in self.steps)


@dataclass(frozen=True)
class Ran:
    """A run and whether any gate says no."""

    run: Run
    gate_failed: bool

    @property
    def exit_code(self) -> int:
        """0 done, 1 a check or a gate said no, 3 something broke."""
        if self.run.state == "failed":
            return 3
        return 1 if self.run.state == "blocked" or self.gate_failed else 0


def run(
    work: Workplace,
    names: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
    resolved: Mapping[str, Resolved] | None = None,
    variant: Variant | None = None,
    progress: Progress = silent,
) -> Ran:
    """Bring everything, or `names` and what they need, up to date as of a moment (None: all that has landed).

    With a `variant` that version is trained, and of all else only what it needs is brought up to date. `resolved` gives
    trainers with their parameters, by model, that are refitted instead of searched for. Two runs in one state wait for
    one another. A run that was killed is completed by the next: what it finished is found fresh.
    """
    nodes, models = wanted(work, tables_of(varied(work, variant)) if variant else names)
    started = time.monotonic()
    score = _Score()
    work.store.folder.mkdir(parents=True, exist_ok=True)
    with held(work.store.folder / "run.lock"):
        for node in nodes:
            _bring_node(work, score, node.name, as_of, progress)
        _bring_what_is_pinned(work, score, as_of, progress)
        for model in models:
            _bring_model(work, score, model, as_of, (resolved or {}).get(model.name), progress)
        if variant is not None:
            _bring_variant(work, score, variant, as_of, progress)
        record = Run(
            name=secrets.token_hex(6),
            state=score.state,  # type: ignore[arg-type]  # one of the three
            steps=score.steps,
            as_of=as_of,
            seconds=round(time.monotonic() - started, 3),
        )
        if score.built or _was_broken(work):
            work.store.ledger.append(record, by=work.by)
            drop_what_nothing_pins(work)
    failed = any(gate_failed(work, model) for model in models)
    return Ran(record, failed or any(_variant_failed(work, step) for step in score.steps if variant))


def _was_broken(work: Workplace) -> bool:
    """Whether the run before did not come through: that this one does is news, though it built nothing."""
    last = work.store.ledger.latest(Run)
    return last is not None and last.record.state != "done"


def _bring_node(work: Workplace, score: _Score, name: str, as_of: datetime | None, progress: Progress) -> None:
    node = work.nodes[name]
    stage = "load" if node.is_source else "build"
    failed = [read for read in node.reads if read in score.stopped]
    if failed:
        score.stopped[name] = reason = f"{failed[0]} did not come through"
        score.steps.append(Step(name=name, stage=stage, state="skipped", reason=reason))
        _keep_last(work, score, name)
        return
    try:
        brought = bring(work, node, score.versions, as_of=as_of, progress=progress)
    except RondoError as error:
        score.stopped[name] = error.message
        score.steps.append(Step(name=name, stage=stage, state="failed", reason=_told(error)))
        _keep_last(work, score, name)
        return
    score.steps.append(brought.step)
    if brought.version is not None:
        score.versions[name] = brought.version
    if brought.step.state == "skipped":
        score.stopped[name] = brought.step.reason or ""


def _keep_last(work: Workplace, score: _Score, name: str) -> None:
    last = newest(work.store.ledger, name)
    if last is not None:
        score.versions[name] = last


def _told(error: RondoError) -> str:
    where = f" ({error.file}:{error.line})" if error.file and error.line else f" ({error.file})" if error.file else ""
    return f"{error.message}{where} {error.next_step}"


def _bring_what_is_pinned(work: Workplace, score: _Score, as_of: datetime | None, progress: Progress) -> None:
    """Go on building, and publishing, the definitions that versions at work pin."""
    lookups = live_lookups(work)
    if not lookups:
        return
    try:
        pinned = {(lookup.table, lookup.definition) for lookup in lookups}
        score.steps.extend(bring_pinned(work, pinned, as_of=as_of, progress=progress))
        score.steps.extend(publish_lookups(work, lookups, progress=progress))
    except RondoError as error:
        score.steps.append(Step(name="online", stage="publish", state="failed", reason=_told(error)))


def _bring_variant(
    work: Workplace, score: _Score, variant: Variant, as_of: datetime | None, progress: Progress
) -> None:
    for step in bring_variant(work, variant, score.versions, score.stopped, as_of=as_of, progress=progress):
        score.steps.append(step)


def _variant_failed(work: Workplace, step: Step) -> bool:
    if step.stage != "gate" or step.version is None:
        return False
    gate = newest_gate(work, version_record(work.store.ledger, *parse_model_version(step.version)))
    return gate is not None and gate.state == "failed"


def _bring_model(
    work: Workplace,
    score: _Score,
    model: Model,
    as_of: datetime | None,
    resolved: Resolved | None,
    progress: Progress,
) -> None:
    tables: Versions = score.versions
    try:
        for step in bring_model(work, model, tables, score.stopped, as_of=as_of, resolved=resolved, progress=progress):
            score.steps.append(step)
    except RondoError as error:
        score.steps.append(Step(name=model.name, stage="train", state="failed", reason=_told(error)))
