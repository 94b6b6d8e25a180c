"""The facts of a comparison: two versions on the same rows, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from rondo.deploy.resolving import resolve, version_record
from rondo.deploy.rollout import roles
from rondo.develop.judging import main_metric
from rondo.errors import NotFound, RondoError, WrongUse
from rondo.handbook.realised import live_comparisons
from rondo.handbook.version_detail import Stretch
from rondo.handbook.versions import stretches_of, turned
from rondo.loop.comparing import metrics_of
from rondo.loop.versions import TEST, signature_of
from rondo.loop.workplace import Workplace
from rondo.project.models import Model
from rondo.records.deployment import Rehearsal
from rondo.records.development import Comparison, Curves, Evaluation, PairedFigure, Version
from rondo.records.tables import Dataset
from rondo.records.versions import model_version, parse_model_version
from rondo.store.ledger import Entry, LedgerReader

CHOICES = 30
"""So many of the newest versions of a model can be chosen; the address takes any."""
TEN_MONTHS = timedelta(days=305)
OTHER_SIDE = {"a": "b", "b": "a", "undecided": "undecided"}


@dataclass(frozen=True)
class Choice:
    """A version that can be chosen, and the roles that it is in."""

    version: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """One of the two versions. `curves` are those of its evaluation on the test set of the comparison."""

    version: str
    record: Version
    made: datetime
    stretches: tuple[Stretch, ...]
    dataset: Dataset | None
    features: tuple[str, ...]
    rehearsal: Rehearsal | None
    curves: Curves | None


@dataclass(frozen=True)
class Differs:
    """One thing that may differ between two versions: what both have in `same`, what either alone has.

    Values of `what` "parameters" are written as `name = value`.
    """

    what: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    same: int = 0


@dataclass(frozen=True)
class Judged:
    """How a metric is read: which way is better, in which unit."""

    higher_is_better: bool
    unit: str


@dataclass(frozen=True)
class Elsewhere:
    """What the same two versions came to on other rows: the main metric of `a` less that of `b`."""

    on: str
    rows: int
    figure: PairedFigure
    verdict: str
    at: datetime


@dataclass(frozen=True)
class ComparedFacts:
    """Two versions on a test set. `comparison` is the newest that was made of them, None where none was.

    `elsewhere` tells of their comparisons on other rows; `live` says that these rows are the answers of a month, which
    a replay compared. `margin` is by how much a version may fall behind production (the PRD's `not worse than
    production by`).
    """

    now: datetime
    choices: tuple[Choice, ...]
    testsets: tuple[str, ...]
    model: str | None
    a: Side | None
    b: Side | None
    on: str
    metric: str
    metrics: Mapping[str, Judged]
    margin: float | None
    comparison: Comparison | None
    compared_at: datetime | None
    differs: tuple[Differs, ...]
    production: str | None
    elsewhere: tuple[Elsewhere, ...] = ()
    live: bool = False

    @property
    def command(self) -> str:
        """What makes the comparison, or tells the one of a replay again."""
        if self.a is None or self.b is None:
            return "rondo compare A B"
        if self.live:
            return "rondo ask 23"
        on = "" if self.on == TEST else f" --on {self.on}"
        return f"rondo compare {self.a.version} {self.b.version}{on}"


def compared_facts(work: Workplace, a: str | None = None, b: str | None = None, on: str | None = None) -> ComparedFacts:
    """`a` against `b` as versions are named (late@7, late@production, late@2013-03-01); without names the one in
    production against the newest, or that of ten months ago.

    Raises NotFound, WrongUse for names that mean no version, WrongUse for versions of two models.
    """
    ledger = work.store.ledger
    model = _model(work, a, b)
    if model is None:
        return _nothing(work)
    first, second = _chosen(work, model, a, b)
    testset = on or TEST
    replayed = {made.testset for made, _ in live_comparisons(ledger, model.name)}
    months = sorted(replayed - {TEST, *work.project.testsets})
    if testset not in (TEST, *work.project.testsets, *months):
        raise NotFound.among("test set", testset, [TEST, *work.project.testsets, *months])
    metrics = metrics_of(work, model)
    at_work = roles(ledger, model.name).get("production")
    prd = work.project.prds.get(model.name)
    margins = [each.limit for each in prd.requirements if each.kind == "not_worse"] if prd else []
    stretches = [each for each in stretches_of(ledger, model.name) if each.role == "production"]
    sides = [
        None if number is None else _side(work, model.name, number, testset, stretches) for number in (first, second)
    ]
    pair = (sides[0].version, sides[1].version) if sides[0] and sides[1] else None
    made = _made(ledger, model.name, *pair, testset) if pair else None
    main = main_metric(model, metrics).name
    others = [each for each in (TEST, *work.project.testsets, *months) if each != testset] if pair else []
    return ComparedFacts(
        now=work.now(),
        choices=tuple(_choices(work, (side.version for side in sides if side))),
        testsets=(TEST, *work.project.testsets, *months),
        model=model.name,
        a=sides[0],
        b=sides[1],
        on=testset,
        metric=main,
        metrics={each.name: Judged(each.higher_is_better, each.unit) for each in metrics},
        margin=margins[0] if margins else None,
        comparison=made[0] if made else None,
        compared_at=made[1] if made else None,
        differs=tuple(_differs(sides[0], sides[1])) if sides[0] and sides[1] else (),
        production=None if at_work is None else model_version(model.name, at_work.record.version),
        elsewhere=tuple(_elsewhere(ledger, model.name, pair, others, main)) if pair else (),
        live=testset in months,
    )


def _nothing(work: Workplace) -> ComparedFacts:
    return ComparedFacts(
        work.now(), (), (TEST, *work.project.testsets), None, None, None, TEST, "", {}, None, None, None, (), None
    )


def _model(work: Workplace, a: str | None, b: str | None) -> Model | None:
    """The model that is compared: the named one, that in production, or the first."""
    named = {text.partition("@")[0] for text in (a, b) if text}
    if len(named) > 1:
        raise WrongUse(
            f"{a} and {b} are versions of two models: they do not answer the same question.",
            next_step="Choose two versions of one model.",
        )
    if named:
        return work.project.model(named.pop())
    models = list(work.project.models.values())
    at_work = (each for each in models if "production" in roles(work.store.ledger, each.name))
    return next(at_work, models[0] if models else None)


def _chosen(work: Workplace, model: Model, a: str | None, b: str | None) -> tuple[int | None, int | None]:
    """The numbers of both versions; what is not named is chosen."""
    ledger, name = work.store.ledger, model.name
    newest = [entry.record.version for entry in ledger.entries(Version, name=name, limit=2, newest_first=True)]
    if not newest:
        return None, None
    production = roles(ledger, name).get("production")
    at_work = production.record.version if production else None
    first = _number(work, a) if a else newest[0]
    if b:
        return first, _number(work, b)
    then = roles(ledger, name, work.now() - TEN_MONTHS).get("production")
    others = (at_work, then.record.version if then else None, *newest)
    return first, next((each for each in others if each is not None and each != first), None)


def _number(work: Workplace, text: str) -> int:
    try:
        name, number = parse_model_version(text)
    except WrongUse:
        return resolve(work.store.ledger, text, timezone=work.project.settings.timezone)[1]
    return version_record(work.store.ledger, name, number).version


def _choices(work: Workplace, shown: Iterable[str]) -> Iterator[Choice]:
    """Versions of all models, the newest first, with those that are shown."""
    ledger = work.store.ledger
    asked = set(shown)
    for name in work.project.models:
        at_work: dict[str, tuple[str, ...]] = {}
        for role, entry in roles(ledger, name).items():
            whole = model_version(name, entry.record.version)
            at_work[whole] = (*at_work.get(whole, ()), role)
        entries = ledger.entries(Version, name=name, limit=CHOICES, newest_first=True)
        found = {model_version(name, entry.record.version) for entry in entries}
        found |= set(at_work) | {each for each in asked if each.startswith(f"{name}@")}
        for version in sorted(found, key=lambda each: -parse_model_version(each)[1]):
            yield Choice(version, at_work.get(version, ()))


def _side(work: Workplace, name: str, number: int, testset: str, stretches: Sequence[Stretch]) -> Side:
    ledger = work.store.ledger
    entry: Entry[Any] | None = ledger.latest(Version, name=name, version=number)
    assert entry is not None
    whole = model_version(name, number)
    dataset = ledger.latest(Dataset, name=name, version=entry.record.dataset)
    judged = ledger.latest(Evaluation, name=name, version=number, where={"testset": testset})
    rehearsal = ledger.latest(Rehearsal, name=name, version=number)
    try:
        features = tuple(column.name for column in signature_of(work, name, number).fed)
    except RondoError:
        features = ()
    return Side(
        version=whole,
        record=entry.record,
        made=entry.at,
        stretches=tuple(each for each in stretches if each.version == whole),
        dataset=dataset.record if dataset else None,
        features=features,
        rehearsal=rehearsal.record if rehearsal else None,
        curves=judged.record.curves if judged else None,
    )


def _elsewhere(
    ledger: LedgerReader, name: str, pair: tuple[str, str], testsets: Iterable[str], metric: str
) -> Iterator[Elsewhere]:
    for testset in testsets:
        made = _made(ledger, name, *pair, testset)
        if made is not None and metric in made[0].metrics:
            yield Elsewhere(testset, made[0].rows, made[0].metrics[metric], made[0].verdict, made[1])


def _made(ledger: LedgerReader, name: str, a: str, b: str, testset: str) -> tuple[Comparison, datetime] | None:
    """The newest comparison of the two, as a − b; one with slices before one without; else that of a replay."""
    entries = [
        (entry, turn)
        for x, y, turn in ((a, b, False), (b, a, True))
        for entry in ledger.entries(
            Comparison, name=name, where={"a": x, "b": y, "testset": testset}, newest_first=True, limit=5
        )
        if not (turn and testset == TEST)  # the test split is that of the version named first
    ]
    if not entries:
        for made, at in live_comparisons(ledger, name):
            if made.testset == testset and (made.a, made.b) in ((a, b), (b, a)):
                return (made if made.a == a else _turned(made)), at
        return None
    entry, turn = max(entries, key=lambda each: (bool(each[0].record.slices), not each[1], each[0].seq))
    return (_turned(entry.record) if turn else entry.record), entry.at


def _turned(made: Comparison) -> Comparison:
    """The same comparison with its sides exchanged; its split is of the other question, and left out."""
    slices = [
        msgspec.structs.replace(part, metrics={name: turned(each) for name, each in part.metrics.items()})
        for part in made.slices
    ]
    return msgspec.structs.replace(
        made,
        a=made.b,
        b=made.a,
        metrics={name: turned(each) for name, each in made.metrics.items()},
        verdict=OTHER_SIDE[made.verdict],
        slices=slices,
        split=None,
        days=[msgspec.structs.replace(day, a=day.b, b=day.a) for day in made.days],
    )


def _differs(a: Side, b: Side) -> Iterator[Differs]:
    """What either version has alone, and how much both share."""

    def of(what: str, in_a: Iterable[str], in_b: Iterable[str]) -> Differs:
        first, second = list(in_a), list(in_b)
        return Differs(
            what,
            tuple(each for each in first if each not in second),
            tuple(each for each in second if each not in first),
            sum(each in second for each in first),
        )

    yield of("trainer", [a.record.trainer], [b.record.trainer])
    yield of("parameters", *([f"{name} = {value}" for name, value in s.record.parameters.items()] for s in (a, b)))
    yield of("features", a.features, b.features)
    changed = [
        name for name in a.record.pinned if b.record.pinned.get(name, a.record.pinned[name]) != a.record.pinned[name]
    ]
    yield Differs("definitions of tables", tuple(changed), tuple(changed), len(a.record.pinned) - len(changed))
    yield of("seed", [str(a.record.seed)], [str(b.record.seed)])
    yield of("Rondo", [a.record.rondo], [b.record.rondo])
