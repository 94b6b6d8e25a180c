"""What a model is asked with, feature by feature: how its values lie over time, beside what it was trained on.

All of it comes from the days' sketches; no row is read. A stretch of days is merged once and remembered for as long as
none of its days is sketched anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from rondo.features.signature import Signature
from rondo.handbook.kept import Kept, keep
from rondo.handbook.measured import Measured, is_of_day
from rondo.loop.workplace import Workplace
from rondo.monitor.measurements import is_of_week
from rondo.records.development import Version
from rondo.records.monitoring import Measurement
from rondo.stats.sketches import NumberSketch, Sketch, as_kind, merged
from rondo.store.sketches import Mark, dataset_path, days_path, marks_of, read, scores_path

LONGEST = timedelta(days=366)
BY_DAY, BY_WEEK = timedelta(days=21), timedelta(weeks=20)
"""What is no longer than this is drawn by day, or by week; a year by month."""
NEWEST = timedelta(days=21)
"""The newest measurement of a feature is sought so far before the newest week that there is."""
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
NAMES = 5
"""So many values of a column of text are named."""
SCORE_BINS = 20
ALL = 0.995
"""From this share of nulls on a feature counts as missing."""
DRIFT: Mapping[str, str] = {"number": "wasserstein", "text": "jensen_shannon"}
SIGNS = (
    "null_shift",
    "unseen_share",
    "out_of_range_share",
    "population_stability_index",
    "jensen_shannon",
    "wasserstein",
)
"""The measurements of a feature that say that something is wrong with it."""


@dataclass(frozen=True)
class Spread:
    """Where the numbers of a stretch of days lie, as quantiles; `nulls` is the share of rows without one."""

    start: date
    end: date
    nulls: float
    q10: float | None = None
    q25: float | None = None
    q50: float | None = None
    q75: float | None = None
    q90: float | None = None


@dataclass(frozen=True)
class Named:
    """A value of a column of text: its share of the values in the newest stretch, and among the training rows."""

    value: str
    now: float
    trained: float | None


@dataclass(frozen=True)
class FeatureFacts:
    """A feature of a model as it is asked with. `table` and `column` say where it is looked up (None: it comes with
    the request, or is computed from it). `drift` and `cost` are of the newest week that was held against a limit, or
    else of the newest, `nulls` is of the newest day; `out` are the signs of that week and of that day that are out.
    """

    name: str
    kind: Literal["number", "text"]
    table: str | None = None
    column: str | None = None
    owner: str | None = None
    spreads: tuple[Spread, ...] = ()
    trained: Spread | None = None
    values: tuple[Named, ...] = ()
    drift: Measurement | None = None
    nulls: Measurement | None = None
    cost: Measurement | None = None
    out: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class ScoreFacts:
    """How the scores of the last `days` lie beside those of the version's own test rows: shares of rows a bin."""

    edges: tuple[float, ...]
    now: tuple[float, ...]
    trained: tuple[float, ...]
    rows: int
    days: int
    moved: Measurement | None = None


@dataclass(frozen=True, eq=False)
class _Column:
    """A column of a stretch of days, summed up: `numbers` of numbers, `counts` by value of text."""

    spread: Spread
    count: int
    numbers: NumberSketch | None
    counts: Mapping[str, int]
    low: float | None = None
    high: float | None = None

    @property
    def numeric(self) -> bool:
        return self.numbers is not None


_SUMMED: Kept[dict[str, _Column]] = Kept(512)
_MARKED: Kept[dict[date, Mark]] = Kept(16)


def feature_facts(
    work: Workplace, model: str, signature: Signature, version: Version | None, found: Measured, until: date
) -> tuple[FeatureFacts, ...]:
    """Every feature, the ones that are out first, then those whose drift is dearest."""
    stretches = _stretches(work, model, until)
    trained = _trained(work, version, until) if version else {}
    looked_up = {name: lookup for lookup in signature.lookups for name in lookup.names}
    measured = found.weeks("rows")
    since = measured[-1].start - NEWEST if measured else None
    signs = [each for each in found.of(*SIGNS, "null_share", "expected_loss", since=since) if each.by is None]
    weeks, days = _newest(filter(is_of_week, signs)), _newest(filter(is_of_day, signs))
    features = []
    for column in signature.fed:
        over_time = [of[column.name] for of in stretches if column.name in of]
        reference = trained.get(column.name)
        like = reference or (over_time[-1] if over_time else None)
        kind: Literal["number", "text"] = "number" if like is not None and like.numeric else "text"
        lookup = looked_up.get(column.name)
        week, day = weeks.get(column.name, {}), days.get(column.name, {})
        features.append(
            FeatureFacts(
                name=column.name,
                kind=kind,
                table=lookup.table if lookup else None,
                column=column.name.removeprefix(f"{lookup.prefix}.") if lookup else None,
                owner=work.project.owner_of(lookup.table) if lookup else None,
                spreads=tuple(each.spread for each in over_time),
                trained=reference.spread if reference else None,
                values=_named(over_time[-1], reference) if over_time and kind == "text" else (),
                drift=week.get(DRIFT[kind]),
                nulls=day.get("null_share"),
                cost=week.get("expected_loss"),
                out=tuple(m for part in (week, day) for m in part.values() if m.metric in SIGNS and m.state == "out"),
            )
        )
    return tuple(sorted(features, key=_urgency))


def score_facts(
    work: Workplace, model: str, version: Version | None, found: Measured, until: date, *, days: int = 7
) -> ScoreFacts | None:
    """The scores of the last days that have any; None without scores, or without what they are compared with."""
    if version is None:
        return None
    marks = {day: mark for day, mark in _marks(work, model).items() if day <= until}
    newest = max(marks, default=until)
    last = {day: mark for day, mark in marks.items() if newest - timedelta(days=days) < day}
    now, trained = _merged(work, days_path(model), last, outputs=True), _tested(work, version, until)
    name = "score" if "score" in now else "value"
    here, there = (part[name].numbers if name in part else None for part in (now, trained))
    if here is None or there is None or not here.count or not there.count:
        return None
    lows, highs = (here.low or 0.0, there.low or 0.0), (here.high or 0.0, there.high or 0.0)
    low, high = (0.0, 1.0) if name == "score" else (min(lows), max(highs))
    inner = [low + (high - low) * n / SCORE_BINS for n in range(1, SCORE_BINS)]
    return ScoreFacts(
        edges=(low, *inner, high),
        now=tuple(float(n) / here.count for n in here.counts(inner)),
        trained=tuple(float(n) / there.count for n in there.counts(inner)),
        rows=here.count,
        days=len(last),
        moved=next(iter(reversed(found.weeks("score_wasserstein"))), None),
    )


def trained_values(
    work: Workplace, model: str, version: int
) -> dict[str, tuple[tuple[str, ...], float | None, float | None]]:
    """What a version was trained on, by column: the values of text in order, the least and the greatest number."""
    entry = work.store.ledger.latest(Version, name=model, version=version)
    if entry is None:
        return {}
    columns = _trained(work, entry.record, work.now().date())
    return {name: (tuple(sorted(each.counts)), each.low, each.high) for name, each in columns.items()}


def is_missing(feature: FeatureFacts) -> bool:
    """Whether no row of the newest day had a value, although training rows had."""
    return feature.nulls is not None and (feature.nulls.value or 0.0) >= ALL > (
        feature.trained.nulls if feature.trained else 0
    )


def _urgency(feature: FeatureFacts) -> tuple[bool, bool, float, float]:
    cost = (feature.cost.low or 0.0) if feature.cost else 0.0
    drift = (feature.drift.value or 0.0) if feature.drift else 0.0
    return not feature.out, not is_missing(feature), -max(cost, 0.0), -drift


def _newest(measured: Iterable[Measurement]) -> dict[str, dict[str, Measurement]]:
    """By feature and metric: the newest window that was held against a limit, or else the newest."""
    found: dict[str, dict[str, Measurement]] = {}
    for each in measured:
        if each.feature is not None:
            before = found.setdefault(each.feature, {})
            held = each.state != "no limit" or each.metric == "null_share"
            if each.metric not in before or held or before[each.metric].state == "no limit":
                before[each.metric] = each
    return found


def _stretches(work: Workplace, model: str, until: date) -> list[dict[str, _Column]]:
    """The columns of each day, week or month that has rows, oldest first."""
    marks = {day: mark for day, mark in _marks(work, model).items() if until - LONGEST < day <= until}
    if not marks:
        return []
    span = max(marks) - min(marks)
    grouped: dict[date, dict[date, Mark]] = {}
    for day in sorted(marks):
        monday, first = day - timedelta(days=day.weekday()), day.replace(day=1)
        grouped.setdefault(day if span <= BY_DAY else monday if span <= BY_WEEK else first, {})[day] = marks[day]
    return [_merged(work, days_path(model), days, outputs=False) for days in grouped.values()]


def _marks(work: Workplace, model: str) -> Mapping[date, Mark]:
    path = days_path(model)
    key = (work.store.lake_url, path, work.store.lake.version(path))
    return keep(_MARKED, key, lambda: marks_of(work.store.lake, path))


def _merged(work: Workplace, path: str, days: Mapping[date, Mark], *, outputs: bool) -> dict[str, _Column]:
    """The columns of some days together."""
    if not days:
        return {}
    told = tuple((day, mark.rows, mark.ids, mark.number) for day, mark in sorted(days.items()))

    def columns() -> dict[str, _Column]:
        found = read(work.store.lake, path, days=days)
        return _columns([each.outputs if outputs else each.features for each in found], min(days), max(days))

    return keep(_SUMMED, (work.store.lake_url, path, outputs, told), columns)


def _trained(work: Workplace, version: Version, until: date) -> dict[str, _Column]:
    """The columns that a version was trained on."""
    path = dataset_path(version.name)

    def columns() -> dict[str, _Column]:
        found = read(work.store.lake, path, version=version.dataset, part="whole")
        return _columns([each.features for each in found], until, until)

    return keep(_SUMMED, (work.store.lake_url, path, version.dataset), columns)


def _tested(work: Workplace, version: Version, until: date) -> dict[str, _Column]:
    """What a version answered to its own test rows."""
    path = scores_path(version.name)

    def columns() -> dict[str, _Column]:
        found = read(work.store.lake, path, version=version.version)
        return _columns([each.outputs for each in found], until, until)

    return keep(_SUMMED, (work.store.lake_url, path, version.version), columns)


def _columns(parts: Sequence[Mapping[str, Sketch]], start: date, end: date) -> dict[str, _Column]:
    """All parts merged, column by column."""
    found: dict[str, list[Sketch]] = {}
    for part in parts:
        for name, sketch in part.items():
            found.setdefault(name, []).append(sketch)
    return {name: _column(merged(_alike(sketches)), start, end) for name, sketches in found.items()}


def _column(sketch: Sketch, start: date, end: date) -> _Column:
    nulls = 1 - sketch.count / sketch.rows if sketch.rows else 0.0
    if not isinstance(sketch, NumberSketch):
        return _Column(Spread(start, end, nulls), sketch.count, None, dict(sketch.counts))
    low, high = (sketch.low, sketch.high) if sketch.count else (None, None)
    quantiles = [float(each) for each in sketch.quantiles(SHARES)] if sketch.count else []
    return _Column(Spread(start, end, nulls, *quantiles), sketch.count, sketch, {}, low, high)


def _alike(sketches: Sequence[Sketch]) -> list[Sketch]:
    """Sketches of one kind: a column without a value may have been sketched as another."""
    like = next((each for each in sketches if each.count), sketches[0])
    kind = type(like)
    return [
        each if type(each) is kind else as_kind(each, like) for each in sketches if not each.count or type(each) is kind
    ]


def _named(now: _Column, trained: _Column | None) -> tuple[Named, ...]:
    """The values that are most frequent now."""
    top = list(now.counts.items())[:NAMES]
    of = trained.count if trained else 0
    before = trained.counts if trained else {}
    return tuple(Named(value, n / now.count, before.get(value, 0) / of if of else None) for value, n in top)
