"""The facts of the models page: every model as it stands, and how its versions were judged, on every test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric
from rondo.errors import NotFound
from rondo.handbook.measured import measured
from rondo.handbook.realised import live_months
from rondo.loop.comparing import metrics_of
from rondo.loop.versions import TEST
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.records.development import Evaluation, Figure, Gate, State, Version
from rondo.records.monitoring import Measurement
from rondo.records.running import ReplayedMonth
from rondo.records.studies import Ranking
from rondo.records.tables import Dataset
from rondo.records.versions import model_version
from rondo.stats.metrics import Metric
from rondo.store.ledger import Entry, LedgerReader

PAGE = 50
"""Versions on a page."""


@dataclass(frozen=True)
class AtWork:
    """A version in a role, since when; `share` of the traffic is answered by it."""

    version: str
    share: float
    since: datetime


@dataclass(frozen=True)
class ModelStanding:
    """A model: what it is asked, who owns it, what is at work and what its newest version came to.

    `summary` is that of the model, or of its examples. `next` is the command that helps most now.
    """

    name: str
    summary: str | None
    task: str
    label: str
    positive: str | None
    examples: str
    metric: str
    higher_is_better: bool
    owner: str | None
    retrain: str
    promote: str
    versions: int
    newest: str | None
    made: datetime | None
    gate: State | None
    figure: Figure | None
    live: Measurement | None
    production: AtWork | None
    canary: AtWork | None
    shadow: AtWork | None
    next: str


@dataclass(frozen=True)
class Judgement:
    """A version's metric on a test set; `trained_on` are rows of days that it was trained on, None where not known."""

    testset: str
    figure: Figure | None
    trained_on: int | None = None
    best_share: float | None = None


@dataclass(frozen=True)
class VersionLine:
    """A version among others: `judged` holds one entry a test set, in the order of the page."""

    version: str
    number: int
    made: datetime
    why: str
    trainer: str
    rows: int | None
    gate: State | None
    roles: tuple[str, ...]
    first_test: datetime | None
    last_test: datetime | None
    judged: tuple[Judgement, ...]


@dataclass(frozen=True)
class ModelsFacts:
    """Every model, and of `shown` the versions of one page, newest first.

    `testsets` are the columns of what was judged, the versions' own test splits first. `best` names by test set the
    version that the others were shown to be worse than. `months` are those of its replay.
    """

    now: datetime
    models: tuple[ModelStanding, ...]
    shown: str | None
    metric: str
    higher_is_better: bool
    testsets: tuple[str, ...]
    versions: tuple[VersionLine, ...]
    best: dict[str, str]
    page: int
    pages: int
    months: tuple[ReplayedMonth, ...] = ()


def models_facts(work: Workplace, model: str | None = None, page: int | None = None) -> ModelsFacts:
    """How the models stand, with the versions of `model` (None: the one in production, or the first).

    Raises NotFound for a model, or a page, that there is not.
    """
    models = list(work.project.models.values())
    if not models:
        return ModelsFacts(work.now(), (), None, "", True, (), (), {}, 1, 1)
    standings = tuple(_standing(work, each) for each in models)
    at_work = next((each.name for each in standings if each.production), models[0].name)
    shown = work.project.model(model or at_work)
    metric = main_metric(shown, metrics_of(work, shown))
    number = page or 1
    pages = max(1, -(-next(each.versions for each in standings if each.name == shown.name) // PAGE))
    if not 1 <= number <= pages:
        raise NotFound.among("page", str(number), [str(each + 1) for each in range(pages)])
    entries = work.store.ledger.entries(Version, name=shown.name, newest_first=True, limit=number * PAGE)
    rankings = _rankings(work.store.ledger, shown.name, list(work.project.testsets))
    lines, testsets = _lines(work, shown, entries[(number - 1) * PAGE :], metric, rankings)
    best = {name: model_version(shown.name, each.best) for name, each in rankings.items() if each.best is not None}
    return ModelsFacts(
        work.now(), standings, shown.name, metric.name, metric.higher_is_better, testsets, lines, best, number, pages,
        live_months(work.store.ledger, shown.name),
    )  # fmt: skip


def _standing(work: Workplace, model: Model) -> ModelStanding:
    ledger = work.store.ledger
    newest = ledger.latest(Version, name=model.name)
    metric = main_metric(model, metrics_of(work, model))
    at_work = {
        role: AtWork(model_version(model.name, entry.record.version), entry.record.share, entry.at)
        for role, entry in roles(ledger, model.name).items()
    }
    gate = _gate(ledger, model.name, newest.record.version) if newest else None
    own = _judged(ledger, model.name, newest.record.version).get(TEST) if newest else None
    examples = work.project.tables.get(model.examples)
    production = at_work.get("production")
    weeks = measured(work, model.name).weeks(metric.name) if production else []
    return ModelStanding(
        name=model.name,
        summary=model.summary or (examples.summary if examples else None),
        task=model.task.kind,
        label=model.task.label,
        positive=None if model.task.positive is None else str(model.task.positive),
        examples=model.examples,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        owner=model.owner,
        retrain=model.retrain,
        promote=model.promote,
        versions=ledger.count(Version, model.name),
        newest=model_version(model.name, newest.record.version) if newest else None,
        made=newest.at if newest else None,
        gate=gate,
        figure=own.metrics.get(metric.name) if own else None,
        live=next((week for week in reversed(weeks) if week.value is not None), None),
        production=production,
        canary=at_work.get("canary"),
        shadow=at_work.get("shadow"),
        next=_next(model.name, newest, gate, production),
    )


def _next(name: str, newest: Entry[Version] | None, gate: State | None, production: AtWork | None) -> str:
    """The command that helps most now."""
    if newest is None:
        return f"rondo run {name}"
    whole = model_version(name, newest.record.version)
    if production is not None and production.version == whole:
        return f"rondo monitor {name}"
    if gate in ("failed", "undecided"):
        return f"rondo gate {whole}"
    if production is None:
        return f"rondo promote {whole} --to production"
    return f"rondo compare {whole} {production.version}"


def _gate(ledger: LedgerReader, name: str, number: int) -> State | None:
    entry = ledger.latest(Gate, name=name, version=number)
    return entry.record.state if entry else None


def _judged(ledger: LedgerReader, name: str, number: int) -> dict[str, Evaluation]:
    """The newest evaluation of a version by test set."""
    found: dict[str, Evaluation] = {}
    for entry in ledger.entries(Evaluation, name=name, version=number, newest_first=True, limit=20):
        found.setdefault(entry.record.testset, entry.record)
    return found


def _rankings(ledger: LedgerReader, name: str, testsets: Sequence[str]) -> dict[str, Ranking]:
    found = {each: ledger.latest(Ranking, name=name, where={"testset": each}) for each in testsets}
    return {name: entry.record for name, entry in found.items() if entry is not None}


def _lines(
    work: Workplace, model: Model, entries: Sequence[Entry[Version]], metric: Metric, rankings: dict[str, Ranking]
) -> tuple[tuple[VersionLine, ...], tuple[str, ...]]:
    """The versions of a page, and the test sets that any was judged on or the project has."""
    ledger = work.store.ledger
    judged = {entry.record.version: _judged(ledger, model.name, entry.record.version) for entry in entries}
    others = {name for found in judged.values() for name in found} | set(work.project.testsets)
    testsets = (TEST, *sorted(others - {TEST}))
    at_work = roles(ledger, model.name)
    lines = []
    for entry in entries:
        version = entry.record
        dataset = ledger.latest(Dataset, name=model.name, version=version.dataset)
        span = dataset.record.moments.get(TEST, [None, None]) if dataset else [None, None]
        lines.append(
            VersionLine(
                version=model_version(model.name, version.version),
                number=version.version,
                made=entry.at,
                why=version.why,
                trainer=version.trainer,
                rows=dataset.record.splits.get("train") if dataset else None,
                gate=_gate(ledger, model.name, version.version),
                roles=tuple(role for role, held in at_work.items() if held.record.version == version.version),
                first_test=span[0],
                last_test=span[-1],
                judged=tuple(
                    _judgement(version.version, each, judged[version.version].get(each), metric, rankings.get(each))
                    for each in testsets
                ),
            )
        )
    return tuple(lines), testsets


def _judgement(
    number: int, testset: str, evaluation: Evaluation | None, metric: Metric, ranking: Ranking | None
) -> Judgement:
    """What is known of a version on a test set, from its evaluation or from the ranking of all."""
    ranked = next((each for each in ranking.versions if each.version == number), None) if ranking else None
    figure = evaluation.metrics.get(metric.name) if evaluation else None
    if figure is None and ranked is not None:
        figure = ranked.metrics.get(metric.name)
    return Judgement(testset, figure, ranked.seen if ranked else None, ranked.best if ranked else None)
