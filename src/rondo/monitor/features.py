"""Features and answers of days and weeks, measured from sketches alone.

    metric                              of         unit
    rows                                window     rows
    rows_with_missing_inputs            window     share
    flagged_share                       window     share     binary: labelled positive
    null_share                          feature    share     of all rows; a number that is not finite counts as null
    null_shift                          feature    share     that share less the reference's
    out_of_range_share                  number     share     of the values, beyond the least and greatest of training
    unseen_share                        text       share     of the values, never seen in training
    population_stability_index          feature    nats
    jensen_shannon                      feature    bits
    wasserstein                         number     spreads   of the reference
    score_population_stability_index    score      nats      and so on: of several classes, one each (`class`)

A window is compared with the reference of the version that answered most of its rows: features with the rows it was
trained on, its score with those of its own test rows. Days are measured by rows, weeks by days drawn whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain

import msgspec

from rondo.features.signature import Signature, class_name
from rondo.monitor.estimates import measurement_of
from rondo.monitor.sketched import MISSING, Days, score_of
from rondo.monitor.windows import Window, day_window, monday_of, week_window
from rondo.records.monitoring import Measurement
from rondo.records.tables import Scalar
from rondo.stats.distances import Reference, drift, reference_of
from rondo.stats.proportions import mean_of_blocks, proportion
from rondo.stats.results import Estimate
from rondo.stats.sketches import Sketch, ValueSketch, merged
from rondo.store.sketches import Sketched

DRAWS = 100
"""Draws of an interval: its width is known to 7 % (one standard error)."""
DISTANCES = ("population_stability_index", "jensen_shannon", "wasserstein")
SCORE = "score_"

_Found = tuple[str | None, Estimate, str | None, Scalar]
"""The feature, what was found, and the slice."""


@dataclass(frozen=True)
class References:
    """What a version's traffic is compared with, by feature and by output."""

    signature: Signature
    features: Mapping[str, Reference]
    outputs: Mapping[str, Reference]


def references(signature: Signature, trained: Sequence[Sketched], answered: Sequence[Sketched]) -> References:
    """A version's references: of its training rows (runs of days, drawn whole, or one block), and of its answers to its
    test rows by day.
    """
    features, outputs = defaultdict(list), defaultdict(list)
    for each in trained:
        for name, sketch in each.features.items():
            features[name].append(sketch)
    for each in answered:
        for name, sketch in each.outputs.items():
            outputs[name].append(sketch)
    return References(
        signature,
        {column.name: reference_of(features[column.name]) for column in signature.fed if features[column.name]},
        {name: reference_of(parts) for name, parts in outputs.items()},
    )


def measure_days(days: Days, references_of: Callable[[int], References], *, seed: int = 0) -> list[Measurement]:
    """Every day that rows came to, oldest first."""
    found: list[Measurement] = []
    for day in days.grown:
        window = day_window(day, days.timezone)
        found += _measured(days.model, window, days.fresh[day], references_of, seed)
    return found


def measure_weeks(days: Days, references_of: Callable[[int], References], *, seed: int = 0) -> list[Measurement]:
    """Every week that rows came to, oldest first."""
    found: list[Measurement] = []
    for monday in sorted({monday_of(day) for day in days.grown}):
        sketched = days.of([monday + timedelta(days=n) for n in range(7)])
        found += _measured(days.model, week_window(monday, days.timezone), sketched, references_of, seed)
    return found


def measure_trained(
    model: str, version: int, days: Sequence[Sketched], reference: References, *, timezone: str, until: date
) -> list[Measurement]:
    """Days and whole weeks of training before a day, measured like traffic of a version: history for limits.

    Of features alone, values alone: no interval is drawn.
    """
    weeks: dict[date, list[Sketched]] = defaultdict(list)
    windows: list[tuple[Window, list[Sketched]]] = []
    for each in days:
        if each.day is not None and each.day < until:
            weeks[monday_of(each.day)].append(each)
            windows.append((day_window(each.day, timezone), [each]))
    windows += [(week_window(monday, timezone), part) for monday, part in weeks.items() if len(part) == 7]
    found = []
    for window, part in windows:
        rows = sum(each.rows for each in part)
        estimates = _of_features(part, reference, draws=2, seed=0)
        measured = _measurements(model, window, version, rows, estimates)
        found += [msgspec.structs.replace(measurement, low=None, high=None) for measurement in measured]
    return found


def _measured(
    model: str,
    window: Window,
    sketched: Sequence[Sketched],
    references_of: Callable[[int], References],
    seed: int,
) -> Iterator[Measurement]:
    rows = Counter[int]()
    for each in sketched:
        rows[each.version] += each.rows
    version = max(rows, key=lambda number: (rows[number], number))
    reference, total = references_of(version), sum(rows.values())
    estimates = chain(
        _of_window(sketched, reference.signature, total),
        _of_features(sketched, reference, draws=DRAWS, seed=seed),
        _of_scores(sketched, reference, draws=DRAWS, seed=seed),
    )
    return _measurements(model, window, version, total, estimates)


def _measurements(
    model: str, window: Window, version: int, rows: int, estimates: Iterable[_Found]
) -> Iterator[Measurement]:
    for feature, estimate, by, of in estimates:
        yield measurement_of(model, estimate, window, version=version, rows=rows, feature=feature, by=by, of=of)


def _of_window(sketched: Sequence[Sketched], signature: Signature, rows: int) -> Iterator[_Found]:
    """What is known of all of its rows."""
    yield None, Estimate("rows", float(rows), float(rows), float(rows), rows, unit="rows"), None, None
    yield None, _share_named("rows_with_missing_inputs", _by_day(sketched, MISSING), {"true"}), None, None
    if signature.task == "binary":
        flagged = _share_named("flagged_share", _by_day(sketched, "label"), _spellings(signature.classes[-1]))
        yield None, replace(flagged, higher_is_better=None), None, None


def _of_features(sketched: Sequence[Sketched], reference: References, *, draws: int, seed: int) -> Iterator[_Found]:
    for name, base in reference.features.items():
        parts = _by_day(sketched, name, base.whole)
        yield name, _share("null_share", [p.rows - p.count for p in parts], [p.rows for p in parts]), None, None
        for estimate in drift(base, parts, draws=draws, seed=seed).values():
            yield name, replace(estimate, higher_is_better=False), None, None


def _of_scores(sketched: Sequence[Sketched], reference: References, *, draws: int, seed: int) -> Iterator[_Found]:
    for name, of in _scores(reference.signature).items():
        if name in reference.outputs:
            moved = drift(reference.outputs[name], _by_day(sketched, name), draws=draws, seed=seed)
            for distance in DISTANCES:
                estimate = replace(moved[distance], name=SCORE + distance, higher_is_better=False)
                yield None, estimate, None if of is None else "class", of


def _scores(signature: Signature) -> dict[str, Scalar]:
    """The outputs that are scores, each with its class where there are several."""
    if signature.task == "multiclass":
        return {score_of(class_name(value)): value for value in signature.classes}
    return {"score" if signature.task == "binary" else "value": None}


def _by_day(sketched: Sequence[Sketched], name: str, like: Sketch | None = None) -> list[Sketch]:
    """The sketches of a column, one a day, whatever version answered; those of another kind are left out."""
    found: dict[date | None, list[Sketch]] = {}
    for each in sketched:
        sketch = each.features.get(name) if like is not None else each.outputs.get(name)
        if sketch is not None and (like is None or not like.count or not sketch.count or type(sketch) is type(like)):
            found.setdefault(each.day, []).append(sketch)
    return [merged(parts) for parts in found.values()]


def _share_named(name: str, days: Sequence[Sketch], names: set[str]) -> Estimate:
    """The share of rows with one of these values."""
    values = [day for day in days if isinstance(day, ValueSketch)]
    hits = [sum(count for value, count in day.counts.items() if value in names) for day in values]
    return _share(name, hits, [day.rows for day in values])


def _share(name: str, hits: Sequence[int], of: Sequence[int]) -> Estimate:
    """A share by days drawn whole, but never surer than rows on their own would be."""
    alone = replace(proportion(sum(hits), sum(of), name=name, higher_is_better=False), unit="share")
    whole = mean_of_blocks(hits, of)
    if whole.low is None or whole.high is None or alone.low is None or alone.high is None:
        return alone
    return replace(alone, low=max(0.0, min(alone.low, whole.low)), high=min(1.0, max(alone.high, whole.high)))


def _spellings(value: Scalar) -> set[str]:
    """A class as the sketch of labels may have it: 1 is also 1.0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {class_name(value), *([str(float(value))] if number else [])} if value is not None else set()
