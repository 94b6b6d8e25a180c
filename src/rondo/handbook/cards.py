"""Data card and model card: composed from evidence, around what people wrote, which is never written into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric, metrics_for
from rondo.errors import NotFound
from rondo.handbook.documents import DocumentLine, document_line
from rondo.loop.planning import newest
from rondo.loop.versions import dataset_of
from rondo.loop.workplace import Workplace
from rondo.project.documents import Document, Heading, Kind, read_documents
from rondo.project.people import Person
from rondo.project.sources import Source
from rondo.project.tables import Table
from rondo.records.deployment import Rehearsal
from rondo.records.development import Evaluation, Explanation, Figure, Gate, RequirementResult, Slice, Version
from rondo.records.tables import CheckResult, Dataset, Profile, Scalar
from rondo.records.versions import model_version, table_version
from rondo.store.ledger import Entry
from rondo.team.people import answerable

FEATURES = 12
"""So many of the features that move scores most are named."""
TEST = "test"


@dataclass(frozen=True)
class Written:
    """What people wrote: the document, its text, and the headings whose section is still to be written.

    None of it is made up: without a document everything is to be written.
    """

    document: DocumentLine
    licence: str | None
    body: str
    body_line: int
    headings: tuple[Heading, ...]


@dataclass(frozen=True)
class ColumnFacts:
    """A column with personal data, and what is done to it."""

    table: str
    column: str
    treatment: str


@dataclass(frozen=True)
class SourceFacts:
    """Where rows come from. `known` says how their known time is declared; `until` is the greatest that landed."""

    name: str
    summary: str | None
    pattern: str
    version: str | None
    rows: int | None
    files: int
    columns: int
    known: str | None
    until: datetime | None
    landed: datetime | None
    people: tuple[Person, ...]
    checks: int
    checks_state: str | None
    quarantined: int


@dataclass(frozen=True)
class TableLine:
    """A table: its rows, and the range of the time it declares."""

    name: str
    summary: str | None
    version: str | None
    rows: int | None
    start: Scalar
    end: Scalar


@dataclass(frozen=True)
class DataCard:
    """The data of a project as it stands."""

    project: str
    summary: str | None
    at: datetime
    written: Written | None
    missing: tuple[str, ...]
    sources: tuple[SourceFacts, ...]
    tables: tuple[TableLine, ...]
    personal: tuple[ColumnFacts, ...]
    assumptions: tuple[str, ...]


@dataclass(frozen=True)
class SplitFacts:
    """A split of the dataset: its rows, and its first and last moment."""

    name: str
    rows: int
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class FeatureFacts:
    """A feature, and the mean absolute push that it gives to a score."""

    name: str
    push: float


@dataclass(frozen=True)
class ModelCard:
    """A model: the version in production, or the newest, and all that is known of it."""

    model: str
    summary: str | None
    at: datetime
    written: Written | None
    missing: tuple[str, ...]
    version: str | None
    number: int | None
    role: str | None
    trained: datetime | None
    task: str
    label: str
    examples: str
    trainer: str | None
    parameters: Mapping[str, Scalar]
    inputs: tuple[str, ...]
    splits: tuple[SplitFacts, ...]
    metric: str
    higher_is_better: bool
    metrics: Mapping[str, Figure]
    slices: tuple[Slice, ...]
    testsets: Mapping[str, Mapping[str, Figure]]
    requirements: tuple[RequirementResult, ...]
    gate: str | None
    features: tuple[FeatureFacts, ...]
    tables: tuple[str, ...]
    assumptions: tuple[str, ...]
    latency_p99_ms: float | None
    rondo: str | None
    files: Mapping[str, str]
    definition: str | None
    people: tuple[Person, ...]


def data_card(work: Workplace) -> DataCard:
    """The data card as of the workplace's moment."""
    documents = read_documents(work.project)
    written = _written(work, documents, "data_card", None)
    project = work.project
    declared: list[Source | Table] = [*project.sources.values(), *project.tables.values()]
    newest_sets = [work.store.ledger.latest(Dataset, name=name) for name in project.models]
    assumed = [text for entry in newest_sets if entry is not None for text in entry.record.assumptions]
    return DataCard(
        project=project.settings.name,
        summary=project.settings.summary,
        at=work.now(),
        written=written,
        missing=_missing(written, documents, "data_card", None),
        sources=tuple(_source(work, name) for name in project.sources),
        tables=tuple(_table(work, name) for name in project.tables),
        personal=tuple(
            ColumnFacts(each.name, column, treatment) for each in declared for column, treatment in each.personal
        ),
        assumptions=tuple(dict.fromkeys(assumed)),
    )


def _source(work: Workplace, name: str) -> SourceFacts:
    source, ledger = work.project.sources[name], work.store.ledger
    version = newest(ledger, name)
    checks = ledger.latest(CheckResult, name=name)
    return SourceFacts(
        name=name,
        summary=source.summary,
        pattern=source.reader.pattern,
        version=table_version(name, version.version) if version else None,
        rows=version.rows if version else None,
        files=len(version.files) if version else 0,
        columns=len(version.columns) if version else 0,
        known=source.known,
        until=version.known_until if version else None,
        landed=checks.at if checks and version else None,
        people=answerable(work.project.settings.people, source.owner, "data_engineer").people,
        checks=len(checks.record.checks) if checks else 0,
        checks_state=checks.record.state if checks else None,
        quarantined=version.quarantined if version else 0,
    )


def _table(work: Workplace, name: str) -> TableLine:
    table, ledger = work.project.tables[name], work.store.ledger
    version, profile = newest(ledger, name), ledger.latest(Profile, name=name)
    columns = {each.name: each for each in profile.record.columns} if profile else {}
    time = columns.get(table.time or "")
    return TableLine(
        name,
        table.summary,
        table_version(name, version.version) if version else None,
        version.rows if version else None,
        time.min if time else None,
        time.max if time else None,
    )


def model_card(work: Workplace, name: str) -> ModelCard:
    """The card of a model as of the workplace's moment. Raises NotFound."""
    model, ledger = work.project.model(name), work.store.ledger
    documents = read_documents(work.project)
    written = _written(work, documents, "model_card", name)
    role, entry = _shown(work, name)
    version = entry.record if entry else None
    number = version.version if version else None
    judged = ledger.latest(Evaluation, name=name, version=number, where={"testset": TEST}) if number else None
    gate = ledger.latest(Gate, name=name, version=number) if number else None
    rehearsal = ledger.latest(Rehearsal, name=name, version=number) if number else None
    explained = ledger.latest(Explanation, name=name, version=number) if number else None
    dataset = _dataset(work, version)
    return ModelCard(
        model=name,
        summary=model.summary,
        at=work.now(),
        written=written,
        missing=_missing(written, documents, "model_card", name),
        version=model_version(name, number) if number else None,
        number=number,
        role=role,
        trained=entry.at if entry else None,
        task=model.task.kind,
        label=model.task.label,
        examples=model.examples,
        trainer=version.trainer if version else None,
        parameters=version.parameters if version else {},
        inputs=work.project.tables[model.examples].inputs or (),
        splits=tuple(_splits(dataset)),
        metric=model.metric,
        higher_is_better=main_metric(model, metrics_for(model, work.project.metrics)).higher_is_better,
        metrics=judged.record.metrics if judged else {},
        slices=tuple(judged.record.slices) if judged else (),
        testsets=_elsewhere(work, name, number),
        requirements=tuple(gate.record.requirements) if gate else (),
        gate=gate.record.state if gate else None,
        features=_features(explained),
        tables=tuple(table_version(each.name, each.version) for each in dataset.inputs) if dataset else (),
        assumptions=tuple(dataset.assumptions) if dataset else (),
        latency_p99_ms=rehearsal.record.latency_p99_ms if rehearsal else None,
        rondo=version.rondo if version else None,
        files=version.files if version else {},
        definition=version.definition if version else None,
        people=answerable(work.project.settings.people, model.owner, "data_scientist").people,
    )


def _shown(work: Workplace, name: str) -> tuple[str | None, Entry[Version] | None]:
    """The version in production, else the newest."""
    at_work = roles(work.store.ledger, name)
    if "production" in at_work:
        number = at_work["production"].record.version
        return "production", work.store.ledger.latest(Version, name=name, version=number)
    return None, work.store.ledger.latest(Version, name=name)


def _dataset(work: Workplace, version: Version | None) -> Dataset | None:
    try:
        return dataset_of(work, version) if version else None
    except NotFound:
        return None


def _splits(dataset: Dataset | None) -> list[SplitFacts]:
    if dataset is None:
        return []
    return [
        SplitFacts(name, rows, *(dataset.moments.get(name) or (None, None))[:2])
        for name, rows in dataset.splits.items()
    ]


def _elsewhere(work: Workplace, name: str, number: int | None) -> dict[str, Mapping[str, Figure]]:
    """Metrics on the named test sets that this version was judged on."""
    found: dict[str, Mapping[str, Figure]] = {}
    for testset in work.project.testsets if number else ():
        entry = work.store.ledger.latest(Evaluation, name=name, version=number, where={"testset": testset})
        if entry is not None:
            found[testset] = entry.record.metrics
    return found


def _features(entry: Entry[Explanation] | None) -> tuple[FeatureFacts, ...]:
    if entry is None:
        return ()
    ordered = sorted(entry.record.contributions, key=lambda each: -abs(each.contribution))
    return tuple(FeatureFacts(each.feature, abs(each.contribution)) for each in ordered[:FEATURES])


def _written(work: Workplace, documents: Sequence[Document], kind: Kind, model: str | None) -> Written | None:
    found = _found(documents, kind, model)
    if found is None:
        return None
    licence = found.values.get("licence")
    return Written(
        document_line(found, work.project.settings.people),
        None if licence is None else str(licence),
        found.body,
        found.body_line,
        found.headings,
    )


def _found(documents: Sequence[Document], kind: Kind, model: str | None) -> Document | None:
    of_kind = [each for each in documents if each.kind == kind and each.state != "retired"]
    return next((each for each in of_kind if each.model == model), None) or next(
        (each for each in of_kind if each.model is None), None
    )


def _missing(written: Written | None, documents: Sequence[Document], kind: Kind, model: str | None) -> tuple[str, ...]:
    """The headings that a person must still write."""
    if written is None:
        return WANTED[kind]
    found = _found(documents, kind, model)
    return tuple(each.title for each in found.unwritten) if found else ()


WANTED: Mapping[Kind, tuple[str, ...]] = {
    "data_card": ("Where it comes from", "Licence", "Known flaws", "What to know before using it"),
    "model_card": ("Intended use", "Not for", "Limits", "Fairness"),
}
"""What only people know of data and of a model."""
