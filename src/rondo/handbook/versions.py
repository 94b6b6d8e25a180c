"""The facts of a version, composed from records."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rondo.deploy.resolving import resolve, version_record
from rondo.deploy.rollout import ROLES, before_production, roles
from rondo.develop.judging import main_metric
from rondo.errors import DeclarationError, NotFound, RondoError
from rondo.features.signature import Signature
from rondo.graph.definitions import model_definition
from rondo.handbook.realised import Realised, live_comparisons, live_months
from rondo.handbook.version_detail import (
    Against,
    Declared,
    FedFeature,
    Happened,
    Signed,
    SliceFigure,
    Stretch,
    VersionDetail,
)
from rondo.loop.comparing import metrics_of
from rondo.loop.versions import TEST, signature_of
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.project.requirements import parse_requirement
from rondo.records.deployment import Deployment, Flips, Rehearsal, Release
from rondo.records.development import (
    Candidate,
    Comparison,
    Evaluation,
    Explanation,
    Figure,
    Fitness,
    Gate,
    PairedFigure,
    SliceResult,
    Version,
)
from rondo.records.studies import Attribution, Mistakes
from rondo.records.tables import Dataset, Scalar
from rondo.records.team import Approval
from rondo.records.versions import model_version
from rondo.stats.metrics import Metric
from rondo.stats.multiplicity import simultaneous_bounds
from rondo.store.ledger import Entry, LedgerReader

COMPARISONS = 8
"""So many of the newest comparisons of a version are told."""


def shown_version(work: Workplace, name: str) -> int:
    """The version of a model that is looked at when none is named: production, or else the newest.

    Raises NotFound for no such model, or one without a version.
    """
    work.project.model(name)
    at_work = roles(work.store.ledger, name).get("production")
    newest = work.store.ledger.latest(Version, name=name)
    if at_work is None and newest is None:
        raise NotFound(f"{name} has no version yet.", next_step="Run `rondo run`.")
    return at_work.record.version if at_work else newest.record.version  # type: ignore[union-attr]


def version_named(work: Workplace, name: str, which: str) -> VersionDetail:
    """The version that `which` means of a model: a number, a role or a moment. Raises NotFound, WrongUse."""
    work.project.model(name)
    if which.isdecimal():
        return version_facts(work, name, int(which))
    timezone = work.project.settings.timezone
    return version_facts(work, *resolve(work.store.ledger, f"{name}@{which}", timezone=timezone))


def version_facts(work: Workplace, name: str, number: int | None = None) -> VersionDetail:
    """A version as it stands now. Raises NotFound naming the models, or the versions, that there are."""
    model = work.project.model(name)
    number = shown_version(work, name) if number is None else number
    ledger = work.store.ledger
    record = version_record(ledger, name, number)
    made = ledger.latest(Version, name=name, version=number)
    newest = ledger.latest(Version, name=name)
    assert made is not None and newest is not None
    metric = main_metric(model, metrics_of(work, model))
    stretches = tuple(stretches_of(ledger, name))
    at_work = roles(ledger, name)
    production = at_work["production"].record.version if "production" in at_work else None
    gate = ledger.latest(Gate, name=name, version=number)
    evaluations = _evaluations(ledger, name, number)
    prd = work.project.prds.get(name)
    was_live = any(each.version == model_version(name, number) and each.role == "production" for each in stretches)
    live = Realised(work, name, number) if was_live else None
    behind = before_production(ledger, name)
    return VersionDetail(
        name=name,
        number=number,
        whole=model_version(name, number),
        now=work.now(),
        record=record,
        made=made.at,
        made_by=made.by,
        newest=newest.record.version,
        first=_first(ledger, name),
        task=model.task.kind,
        label=model.task.label,
        positive=None if model.task.positive is None else str(model.task.positive),
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        owner=model.owner,
        prd_file=prd.file if prd else None,
        prd_owner=prd.owner if prd else None,
        undecided=prd.undecided if prd else None,
        at_work=tuple(each for each in stretches if each.until is None and each.version == model_version(name, number)),
        stretches=tuple(each for each in stretches if each.version == model_version(name, number)),
        production=None if production is None else model_version(name, production),
        back_to=None if behind is None else model_version(name, behind),
        gate=gate.record if gate else None,
        gate_at=gate.at if gate else None,
        approvals=_approvals(ledger, name, number),
        live=tuple(live.line(line.text) if live else None for line in (gate.record.requirements if gate else ())),
        live_metric=live.newest(metric.name) if live else None,
        months=live_months(ledger, name),
        evaluations=evaluations,
        testsets=(TEST, *work.project.testsets),
        slices=_slices(evaluations, gate.record if gate else None, metric),
        candidates=_candidates(ledger, name, record),
        dataset=_latest(ledger.latest(Dataset, name=name, version=record.dataset)),
        fitness=_latest(ledger.latest(Fitness, name=name, where={"dataset": record.dataset})),
        features=_features(work, record),
        declared=_declared(work, model, record),
        mistakes=_latest(ledger.latest(Mistakes, name=name, version=number, where={"testset": TEST})),
        attribution=_latest(ledger.latest(Attribution, name=name, version=number)),
        explanation=_explanation(ledger, name, number),
        rehearsal=_latest(ledger.latest(Rehearsal, name=name, version=number)),
        flips=_latest(ledger.latest(Flips, name=name, version=number)),
        releases=tuple(entry.record for entry in ledger.entries(Release, name=name, version=number)),
        comparisons=_comparisons(ledger, name, number, metric),
        history=_history(ledger, name, number, stretches),
    )


def stretches_of(ledger: LedgerReader, name: str) -> Iterator[Stretch]:
    """Every stretch of every role of a model, in the order they began."""
    entries = ledger.entries(Deployment, name=name)
    for place, entry in enumerate(entries):
        if entry.record.ended:
            continue
        after = (later.at for later in entries[place + 1 :] if later.record.role == entry.record.role)
        record = entry.record
        yield Stretch(
            model_version(name, record.version), record.role, record.share, entry.at, next(after, None), entry.by,
            record.because, record.evidence,
        )  # fmt: skip


def _latest(entry: Entry[Any] | None) -> Any:
    return None if entry is None else entry.record


def _first(ledger: LedgerReader, name: str) -> int:
    return ledger.entries(Version, name=name, limit=1)[0].record.version


def _evaluations(ledger: LedgerReader, name: str, number: int) -> tuple[Evaluation, ...]:
    found: dict[str, Evaluation] = {}
    for entry in ledger.entries(Evaluation, name=name, version=number, newest_first=True, limit=40):
        found.setdefault(entry.record.testset, entry.record)
    return tuple(sorted(found.values(), key=lambda each: (each.testset != TEST, each.testset)))


def _approvals(ledger: LedgerReader, name: str, number: int) -> tuple[Signed, ...]:
    return tuple(
        Signed(entry.record.requirement, entry.record.who, entry.record.because, entry.at)
        for entry in ledger.entries(Approval, name=name, version=number)
    )


def _candidates(ledger: LedgerReader, name: str, record: Version) -> tuple[Candidate, ...]:
    """Those tried on its dataset, the best first; what has no value comes last."""
    tried = [entry.record for entry in ledger.entries(Candidate, name=name, where={"dataset": record.dataset})]
    return tuple(sorted(tried, key=lambda each: (not each.chosen, each.value is None)))


def _explanation(ledger: LedgerReader, name: str, number: int) -> Explanation | None:
    """The newest over a sample: those of single predictions have one row."""
    for entry in ledger.entries(Explanation, name=name, version=number, newest_first=True, limit=20):
        if entry.record.rows > 1:
            return entry.record
    return None


def _slices(evaluations: Sequence[Evaluation], gate: Gate | None, metric: Metric) -> tuple[SliceFigure, ...]:
    """The main metric by slice of its own test split, intervals simultaneous (two-sided, Bonferroni)."""
    own = next((each for each in evaluations if each.testset == TEST), None)
    if own is None:
        return ()
    nothing = Figure(value=None, low=None, high=None, n=0)
    figures = [part.metrics.get(metric.name, nothing) for part in own.slices]
    bounds = simultaneous_bounds(figures, 0.025, scale=metric.scale)
    asked = dict(_asked(gate, metric.name))
    found = []
    for part, figure, (low, high) in zip(own.slices, figures, bounds, strict=True):
        limit, result = asked.get((part.by, part.is_), (None, None))
        floor, ceiling = metric.bounds
        found.append(
            SliceFigure(
                part.by, part.is_, part.rows, figure.value,
                None if low is None else max(low, floor), None if high is None else min(high, ceiling),
                limit, result.state if result else None,
            )
        )  # fmt: skip
    return tuple(found)


def _asked(gate: Gate | None, metric: str) -> Iterator[tuple[tuple[str, Scalar], tuple[float | None, SliceResult]]]:
    """By slice what lines of a gate ask of the metric on the test split."""
    for line in gate.requirements if gate else ():
        try:
            parsed = parse_requirement(line.text)
        except DeclarationError:
            continue  # a line of an older document, which the grammar of today no longer reads
        if parsed.metric == metric and parsed.testset is None:
            for piece in line.slices or ():
                yield (piece.by, piece.is_), (line.limit, piece)


def _features(work: Workplace, record: Version) -> tuple[FedFeature, ...]:
    try:
        signature: Signature = signature_of(work, record.name, record.version)
    except RondoError:
        return ()  # an artifact that cannot be read is doctor's to tell; the page shows the rest
    looked_up = {name: lookup for lookup in signature.lookups for name in lookup.names}
    derived = {each.name: each for each in signature.derived}
    found = []
    for column in signature.fed:
        if lookup := looked_up.get(column.name):
            node = work.nodes.get(lookup.table)
            current = node is not None and node.definition == lookup.definition
            found.append(
                FedFeature(
                    column.name, column.type, "looked up", lookup.table, definition=lookup.definition, current=current
                )
            )
        elif column.name in derived:
            expression = derived[column.name].expression
            found.append(FedFeature(column.name, column.type, "derived", signature.examples, expression))
        else:
            found.append(FedFeature(column.name, column.type, "input", signature.examples))
    return tuple(found)


def _declared(work: Workplace, model: Model, record: Version) -> Declared | None:
    """The statement that declares the model, from the project's file."""
    if model.line is None:
        return None
    try:
        text = (work.project.root / model.file).read_text(encoding="utf-8")
        body = ast.parse(text).body
    except (OSError, SyntaxError, ValueError):
        return None
    for statement in body:
        if statement.lineno <= model.line <= (statement.end_lineno or statement.lineno):
            lines = text.splitlines()[statement.lineno - 1 : statement.end_lineno]
            same = model_definition(model, work.project, work.nodes) == record.definition
            return Declared(model.file, statement.lineno, "\n".join(lines), same)
    return None


def _comparisons(ledger: LedgerReader, name: str, number: int, metric: Metric) -> tuple[Against, ...]:
    """The newest comparison with each other version on each test set."""
    whole = model_version(name, number)
    entries: list[Entry[Comparison]] = []
    for side in ("a", "b"):
        entries += ledger.entries(Comparison, name=name, where={side: whole}, newest_first=True, limit=20)
    found: dict[tuple[str, str], Against] = {}
    made_here = [(entry.record, entry.at) for entry in sorted(entries, key=lambda each: -each.seq)]
    replayed = [each for each in live_comparisons(ledger, name) if whole in (each[0].a, each[0].b)]
    for made, at in (*made_here, *replayed):
        figure = made.metrics.get(metric.name)
        other = made.b if made.a == whole else made.a
        if figure is None or (other, made.testset) in found:
            continue
        better = None if made.verdict == "undecided" else (made.verdict == "a") == (made.a == whole)
        ours = figure if made.a == whole else turned(figure)
        found[other, made.testset] = Against(other, made.testset, ours, better, at)
    return tuple(found.values())[:COMPARISONS]


def turned(figure: PairedFigure) -> PairedFigure:
    """The same the other way round."""

    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    return PairedFigure(
        a=figure.b, b=figure.a, difference=minus(figure.difference), low=minus(figure.high), high=minus(figure.low),
        n=figure.n, standard_error=figure.standard_error, degrees=figure.degrees,
    )  # fmt: skip


def _history(ledger: LedgerReader, name: str, number: int, stretches: Sequence[Stretch]) -> tuple[Happened, ...]:
    """What happened to a version, newest first."""
    whole = model_version(name, number)
    kinds: Mapping[type, Callable[[Any], str | None]] = {
        Version: lambda record: record.why,
        Evaluation: lambda record: record.testset,
        Gate: lambda record: record.state,
        Rehearsal: lambda record: None,
        Flips: lambda record: None,
        Approval: lambda record: f"{record.requirement}: {record.because}",
        Release: lambda record: record.format,
        Mistakes: lambda record: record.testset,
        Attribution: lambda record: record.of,
    }
    lines = []
    for kind, told in kinds.items():
        entries: list[Entry[Any]] = ledger.entries(kind, name=name, version=number, newest_first=True, limit=20)
        lines += [Happened(entry.at, entry.record.KIND, entry.by, told(entry.record)) for entry in entries]
    for each in stretches:
        if each.version == whole and each.role in ROLES:
            because = f"{each.role}: {each.because}" if each.because else each.role
            lines.append(Happened(each.since, Deployment.KIND, each.by, because))
    return tuple(sorted(lines, key=lambda line: line.at, reverse=True))
