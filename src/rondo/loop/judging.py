"""Evaluations, comparisons and the gate of a version, each made once for the same evidence."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import msgspec

from rondo.deploy.resolving import version_record
from rondo.deploy.rollout import roles
from rondo.develop.comparing import compare as compare_rows
from rondo.develop.evaluating import evaluate as evaluate_rows
from rondo.develop.gating import Facts, decide
from rondo.develop.judging import main_metric
from rondo.errors import NotFound, Refused
from rondo.graph.definitions import digest
from rondo.loop.comparing import compare, metrics_of
from rondo.loop.flipping import flips_for
from rondo.loop.versions import (
    TEST,
    packed_baseline,
    packed_version,
    test_split,
    testset_rows,
)
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.project.reading import Prd
from rondo.project.source_code import code_fingerprint
from rondo.records.deployment import Rehearsal
from rondo.records.development import Comparison, Evaluation, Gate, Version
from rondo.records.progress import Progress, silent
from rondo.records.running import Step
from rondo.records.team import Approval
from rondo.records.versions import model_version, parse_model_version
from rondo.team.decisions import approvals, sign


def evaluation_build(work: Workplace, model: Model, version: Version, testset: str) -> str:
    """What an evaluation rests on: version, rows, slices, the source of the project's metrics."""
    path = work.project.root / "metrics.py"
    code = {
        name: code_fingerprint(path, m.function.__name__, work.project.root) for name, m in work.project.metrics.items()
    }
    rows: object = version.dataset
    if testset != TEST:
        declared = work.project.testsets[testset]
        examples = work.catalog.version_of(model.examples).version
        rows = (declared.kind, declared.sql or (work.project.root / declared.file).read_bytes().hex(), examples)
    return digest("evaluation", version.build, testset, rows, model.slices, model.metric, code)


def evaluate(
    work: Workplace, name: str, number: int, testset: str = TEST, *, progress: Progress = silent
) -> tuple[Evaluation, bool]:
    """The evaluation of a version on a test set: kept in the ledger, made anew only when what it rests on changed."""
    model = work.project.model(name)
    version = version_record(work.store.ledger, name, number)
    refuse_unknown(work, testset)
    build = evaluation_build(work, model, version, testset)
    where = {"testset": testset, "build": build}
    last = work.store.ledger.latest(Evaluation, name=name, version=number, where=where)
    if last is not None and last.record.curves is not None:  # one of an older Rondo has none
        return last.record, False
    found = evaluate_rows(
        packed_version(work, name, number),
        testset_rows(work, version, testset),
        version=number,
        testset=testset,
        slices=slices_of(work, model),
        metrics=metrics_of(work, model),
        seed=version.seed,
        progress=progress,
    )
    found = msgspec.structs.replace(found, build=build)
    work.store.ledger.append(found, by=work.by)
    return found, True


def refuse_unknown(work: Workplace, testset: str) -> None:
    """Raises NotFound where there is no such test set."""
    if testset != TEST and testset not in work.project.testsets:
        raise NotFound.among("test set", testset, [TEST, *work.project.testsets])


def slices_of(work: Workplace, model: Model) -> list[str]:
    """The declared slices, and those that the PRD asks for."""
    prd = work.project.prds.get(model.name)
    asked = [r.by for r in prd.requirements if r.by] if prd else []
    return list(dict.fromkeys([*model.slices, *asked]))


def testsets_of(prd: Prd | None) -> list[str]:
    """The test split, and every test set that the PRD names."""
    named = [r.testset for r in prd.requirements if r.testset] if prd else []
    return list(dict.fromkeys([TEST, *named]))


def bring_evaluations(
    work: Workplace, model: Model, version: Version, *, progress: Progress = silent
) -> Iterator[Step]:
    """Evaluate a version wherever its PRD asks."""
    whole = model_version(version.name, version.version)
    started = time.monotonic()
    made = []
    for testset in testsets_of(work.project.prds.get(model.name)):
        found, new = evaluate(work, model.name, version.version, testset, progress=progress)
        if new:
            figure = found.metrics[model.metric]
            value = "unknown" if figure.value is None else f"{figure.value:.3f}"
            between = "" if figure.low is None or figure.high is None else f" [{figure.low:.3f}, {figure.high:.3f}]"
            made.append(f"{model.metric} {value}{between} on {testset}")
    yield Step(
        name=model.name, stage="evaluate", state="built" if made else "fresh", reason="; ".join(made) or None,
        version=whole, seconds=time.monotonic() - started if made else None,
    )  # fmt: skip


def bring_gate(work: Workplace, model: Model, version: Version, *, progress: Progress = silent) -> Iterator[Step]:
    """Hold a version against its PRD, unless that was done on the same evidence. Without a PRD there is no gate."""
    prd = work.project.prds.get(model.name)
    if prd is None:
        return
    gate, new = hold(work, model, version, prd, progress=progress)
    reason = None
    if new:
        states = [line.state for line in gate.requirements]
        reason = ", ".join([gate.state, *(f"{states.count(s)} {s}" for s in dict.fromkeys(states))])
    yield Step(
        name=model.name, stage="gate", state="built" if new else "fresh", reason=reason,
        version=model_version(version.name, version.version),
    )  # fmt: skip


def newest_gate(work: Workplace, version: Version) -> Gate | None:
    """The last gate of a version."""
    entry = work.store.ledger.latest(Gate, name=version.name, version=version.version)
    return entry.record if entry else None


def hold(
    work: Workplace, model: Model, version: Version, prd: Prd, *, progress: Progress = silent
) -> tuple[Gate, bool]:
    """The gate of a version, and whether it was decided now. What was once production's is compared as of then."""
    ledger = work.store.ledger
    evaluations = {
        testset: evaluate(work, model.name, version.version, testset, progress=progress)[0]
        for testset in testsets_of(prd)
    }
    rehearsal = ledger.latest(Rehearsal, name=version.name, version=version.version)
    signed = approvals(ledger, version.name, version.version)
    last = newest_gate(work, version)
    if last is not None and _settled(work, version, last, signed):
        return last, False
    production = _production_besides(work, version)
    flips = flips_for(work, version, prd, production, slices_of(work, model), progress)
    build = digest(
        "gate", [(r.text, r.line) for r in prd.requirements], prd.undecided, [e.build for e in evaluations.values()],
        rehearsal.seq if rehearsal else None, sorted(signed), production, *([flips[0]] if flips else []),
    )  # fmt: skip
    if last is not None and last.build == build:
        return last, False
    progress(None, f"gate of {model_version(version.name, version.version)}")
    metrics = metrics_of(work, model)
    main = main_metric(model, metrics)
    facts = Facts(
        name=version.name, version=version.version, metric=main, evaluations=evaluations,
        against=_against_baselines(work, model, version, prd),
        against_production=_against_production(work, version, prd, production),
        production=production, rehearsal=rehearsal.record if rehearsal else None,
        flips=flips[1] if flips else None,
    )  # fmt: skip
    gate = msgspec.structs.replace(decide(prd, facts, list(signed.values())), build=build)
    ledger.append(gate, by=work.by)
    return gate, True


def _settled(work: Workplace, version: Version, last: Gate, signed: Mapping[str, Approval]) -> bool:
    """Whether nothing but production has changed under a gate: a version is not judged anew against what came later."""
    at_work = roles(work.store.ledger, version.name)
    return (
        "production" in at_work
        and at_work["production"].record.version >= version.version
        and not _unseen(last, signed)
        and _same_prd(work, last)
    )


def _unseen(last: Gate, signed: Mapping[str, Approval]) -> bool:
    return any(
        line.text in signed and line.state == "undecided" and line.signed_by is None for line in last.requirements
    )


def _same_prd(work: Workplace, last: Gate) -> bool:
    return [line.text for line in last.requirements] == [r.text for r in work.project.prds[last.name].requirements]


def _production_besides(work: Workplace, version: Version) -> int | None:
    """The version in production that this one would replace."""
    at_work = roles(work.store.ledger, version.name)
    production = at_work["production"].record.version if "production" in at_work else None
    return None if production == version.version else production


def _against_baselines(work: Workplace, model: Model, version: Version, prd: Prd) -> Mapping[str, Comparison]:
    named = {r.baseline for r in prd.requirements if r.kind == "better" and r.baseline}
    if not named:
        return {}
    rows = test_split(work, version)
    metrics = metrics_of(work, model)
    main, whole = main_metric(model, metrics).name, model_version(version.name, version.version)
    packed = packed_version(work, version.name, version.version)

    def against(name: str) -> Comparison:
        baseline = packed_baseline(work, version, name)
        return compare_rows(packed, baseline, rows, names=(whole, name), metrics=metrics, main=main, seed=version.seed)

    return {name: against(name) for name in sorted(named)}


def _against_production(
    work: Workplace, version: Version, prd: Prd, production: int | None
) -> Mapping[str, Comparison]:
    testsets = {r.testset or TEST for r in prd.requirements if r.kind == "not_worse"}
    if production is None:
        return {}
    us, them = (version.name, version.version), (version.name, production)
    return {testset: compare(work, us, them, testset) for testset in sorted(testsets)}


def sign_requirement(work: Workplace, version: str, requirement: str, because: str | None) -> Gate:
    """A person answers for an undecided requirement; the gate is held again. Raises Refused for any other state."""
    name, number = parse_model_version(version)
    model = work.project.model(name)
    prd = work.project.prds.get(name)
    gate = newest_gate(work, version_record(work.store.ledger, name, number))
    if prd is None or gate is None:
        raise Refused(f"{version} has no gate to sign under.", next_step=f"Run `rondo gate {version}`.")
    line = next((line for line in gate.requirements if line.text == requirement.strip()), None)
    if line is None:
        raise NotFound.among("requirement", requirement, [line.text for line in gate.requirements])
    if line.state != "undecided":
        raise Refused(
            f"The requirement {line.text!r} of {version} is {line.state}: only an undecided one can be signed.",
            next_step="Change the PRD, which is a recorded decision, or train a better version."
            if line.state == "failed"
            else "There is nothing to sign.",
        )
    sign(work.store.ledger, name, number, line.text, by=work.by, because=because or "")
    return hold(work, model, version_record(work.store.ledger, name, number), prd)[0]
