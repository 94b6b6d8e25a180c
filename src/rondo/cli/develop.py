"""Commands of development: evaluate, compare, gate, sign, reproduce."""

from __future__ import annotations

from rondo.cli import printing
from rondo.cli.comparisons import show_comparison
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.studies import ranking
from rondo.cli.working import workplace
from rondo.deploy.resolving import moment_named, resolve
from rondo.errors import NotFound, Refused
from rondo.loop.comparing import compare_whole
from rondo.loop.judging import evaluate as evaluate_version
from rondo.loop.judging import hold, sign_requirement
from rondo.loop.reproducing import erased_since
from rondo.loop.reproducing import reproduce as reproduce_version
from rondo.loop.versions import TEST
from rondo.loop.workplace import Workplace
from rondo.records.development import Version
from rondo.records.documents import comparison_document, evaluation_document, gate_document
from rondo.records.versions import model_version, parse_model_version


def _resolved(work: Workplace, text: str) -> tuple[str, int]:
    name = text.partition("@")[0]
    work.project.model(name)
    return resolve(work.store.ledger, text, timezone=work.project.settings.timezone)


def evaluate(options: Options, *, model: str, on: str | None, every: bool) -> Outcome:
    """Metrics with intervals, and by slice; exit code 1 where a golden test set expects other scores."""
    if every:
        return ranking(options, model=model, on=on)
    work = workplace(options)
    with progress_shown(options) as progress:
        found, _ = evaluate_version(work, *_resolved(work, model), on or TEST, progress=progress)
    document = evaluation_document(found)
    differ = found.golden is not None and found.golden.differ > 0
    return Outcome(document, lambda console: printing.show_evaluation(console, document), 1 if differ else 0)


def compare(options: Options, *, a: str, b: str, on: str | None) -> Outcome:
    """The paired difference of two versions on the same rows, and what has changed since `b` was judged."""
    work = workplace(options)
    then = moment_named(b, work.project.settings.timezone)
    found = compare_whole(work, _resolved(work, a), _resolved(work, b), on or TEST, then=then)
    document = comparison_document(found)
    return Outcome(document, lambda console: show_comparison(console, document))


def gate(options: Options, *, model: str) -> Outcome:
    """Hold a version against its PRD: the newest one, unless another is named."""
    work = workplace(options)
    name, at, _ = model.partition("@")
    declared = work.project.model(name)
    prd = work.project.prds.get(name)
    if prd is None:
        raise Refused(f"{name} has no PRD to be held against.", next_step=f"Write docs/prd.md with model: {name}.")
    newest = work.store.ledger.latest(Version, name=name, version=_resolved(work, model)[1] if at else None)
    if newest is None:
        raise NotFound(f"{name} has no version yet.", next_step="Run `rondo run`.")
    with progress_shown(options) as progress:
        found, _ = hold(work, declared, newest.record, prd, progress=progress)
    document = gate_document(found)
    return Outcome(document, lambda console: printing.show_gate(console, document), 0 if found.state == "passed" else 1)


def sign(options: Options, *, version: str, requirement: str, because: str | None) -> Outcome:
    """Answer, by name, for an undecided requirement."""
    work = workplace(options)
    document = gate_document(sign_requirement(work, version, requirement, because))
    return Outcome(document, lambda console: printing.show_gate(console, document))


def reproduce(options: Options, *, version: str) -> Outcome:
    """Rebuild a version from the ledger and compare."""
    work = workplace(options)
    name, number = parse_model_version(version)
    work.project.model(name)
    with progress_shown(options) as progress:
        differences = reproduce_version(work, name, number, progress=progress)
    document = {
        "version": model_version(name, number),
        "equal": not differences,
        "differences": differences,
        "erased": erased_since(work, name, number),
    }
    return Outcome(document, lambda console: printing.show_reproduced(console, document), 1 if differences else 0)
