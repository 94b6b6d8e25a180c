"""How good the answers of a window turned out, and how good they are expected to turn out before that is known.

Realised quality is measured on whole days of which every outcome was due, never on whatever outcomes are in so far:
early outcomes differ from late ones. Estimated quality reads no outcome of its window at all, so that it can be held
against what came out (`estimate_error`, `estimates_held`).

    metric                      window       unit
    the model's metrics         day, week    theirs
    outcomes_known_share        day, week    share     of the outcomes that were due, how many came
    positive_share              day, week    share     binary: how often the positive class happened
    outcome_share (by the label) day, week   share     several classes: how often each happened
    outcome_mean                day, week    label     regression
    calibration_residual        day, week    share     mean of outcome − score: above 0, more happens than was said
    calibration_intercept       week         log-odds  by how much the scores of a binary model lie too low, all alike
    calibration_slope           week                   how steeply outcomes follow them; 1 is right
    estimated_METRIC            week         the metric's, from scores alone
    estimate_error              week         the metric's, realised − estimated
    the metric, positive_share and calibration_residual by slice    week    intervals hold together over all slices

Residual, intercept and slope tell a world that changed from inputs that did (`stats.residuals`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.features.signature import Signature
from rondo.monitor.cohorts import Cohort, Floats
from rondo.monitor.estimates import measurement_of
from rondo.monitor.windows import Window, day_window, days_of, monday_of, week_window
from rondo.records.monitoring import Measurement
from rondo.records.versions import parse_model_version
from rondo.stats.calibration import Calibration, apply_calibration, calibration_helps
from rondo.stats.estimated import day_variance, estimated, estimates_held, realised_less_estimated
from rondo.stats.intervals import Blocks, bootstrap, lower_bound, upper_bound
from rondo.stats.metrics import SHARE, UNBOUNDED, Metric, Scale
from rondo.stats.multiplicity import simultaneous_level
from rondo.stats.proportions import mean_interval, proportion
from rondo.stats.residuals import intercept, residual, slope
from rondo.stats.results import Estimate, Ints

DRAWS, DAY_DRAWS, ESTIMATE_DRAWS = 500, 200, 100
SLICES = 50
"""Values of a slice column that are measured, those with the most rows first."""
SLICE_ROWS = 50
"""A slice of fewer judged rows is unexamined."""
PAST = timedelta(days=28)
PAST_ROWS, PAST_LEAST, PAST_DRAWS = 6_000, 500, 200
"""Estimates are told how far off scores have been by so much of the past: so many rows of it, fewer are not enough."""
KNOWN_SHARE, ESTIMATED = "outcomes_known_share", "estimated_"
PastOf = Callable[[Window, str], Cohort]
"""`PAST_ROWS` rows of the `PAST` before a window, the same each time; those of the version ("late@7") among them."""
ALPHA = 0.05
SHORTEST_DAY, LONGEST_DAY = timedelta(hours=23), timedelta(hours=25)


@dataclass(frozen=True)
class Examined:
    """A window's rows and, of the days whose outcomes are all due, those whose outcome is known, with their days (n,).

    `blocks` are these days, None in a window of one day: its rows stand alone.
    """

    model: str
    window: Window
    part: Cohort
    judged: Cohort
    due: int
    blocks: Blocks
    version: str
    timezone: str
    outcomes: int | None

    @property
    def of_day(self) -> bool:
        """Whether the window is a day."""
        return _is_of_days(self.window.start, self.window.end)

    def measurement(self, estimate: Estimate, *, by: str | None = None, of: object = None) -> Measurement:
        """An estimate as the ledger keeps it, under the version that answered most of the window. Limits come later."""
        return measurement_of(
            self.model,
            estimate,
            self.window,
            version=parse_model_version(self.version)[1],
            rows=len(self.part),
            matured=int(self.part.matured.sum()),
            by=by,
            of=of,
            outcomes=self.outcomes,
        )


def measure_quality(
    signature: Signature,
    cohort: Cohort,
    windows: Sequence[Window],
    metrics: Sequence[Metric],
    *,
    timezone: str,
    label_delay_s: float,
    now: datetime,
    past_of: PastOf | None = None,
    slices: Sequence[str] = (),
    outcomes: int | None = None,
    seed: int = 0,
) -> list[Measurement]:
    """All of the above for each window that has rows, in order. The first of `metrics` is the model's main one.

    `cohort` holds the windows' rows; those of `past_of` tell estimates how far off scores have been.
    `slices` are the model's, `outcomes` is the lake's version of the outcomes used. Measured again at any later time,
    the same rows give the same.
    """
    found: list[Measurement] = []
    for seen in examined(signature, cohort, windows, timezone, label_delay_s, now, outcomes):
        found += _realised(signature, seen, metrics[:1] if seen.of_day else metrics, seed)
        if not seen.of_day:
            found += _estimated(signature, seen, past_of, metrics[0], label_delay_s, seed)
            found += _by_slice(signature, seen, metrics[0], slices, seed)
    return found


def labelled_history(
    signature: Signature, version: int, days: Mapping[date, tuple[int, float]], *, timezone: str
) -> list[Measurement]:
    """How often the positive class happened (or the mean outcome) on days, and whole weeks, before the first answer:
    history for limits, values alone. `days` maps each to its labelled rows and their mean.
    """
    name = {"binary": "positive_share", "regression": "outcome_mean"}.get(signature.task)
    if name is None:
        return []
    weeks: dict[date, list[tuple[int, float]]] = defaultdict(list)
    for day, found in sorted(days.items()):
        weeks[monday_of(day)].append(found)
    windows = [(day_window(day, timezone), [found]) for day, found in sorted(days.items())]
    windows += [(week_window(monday, timezone), part) for monday, part in weeks.items() if len(part) == 7]
    told = []
    for window, part in windows:
        rows = sum(n for n, _ in part)
        mean = sum(n * value for n, value in part) / rows
        estimate = Estimate(name, mean, None, None, rows, "share" if name == "positive_share" else "label")
        told.append(measurement_of(signature.model, estimate, window, version=version, rows=rows, matured=rows))
    return told


def unsettled(measurements: Iterable[Measurement], now: datetime, label_delay_s: float = 0.0) -> list[Window]:
    """Windows measured before every outcome was due, of which more can be judged by now, oldest first.

    Outcomes that come later than they were due are seen by their landing, not here.
    """
    due = now - timedelta(seconds=label_delay_s) - SHORTEST_DAY
    found = {
        Window(each.start, each.end)
        for each in measurements
        if each.metric == KNOWN_SHARE and (each.matured < each.rows or (each.n or 0) < each.rows) and each.start <= due
    }
    return sorted(found, key=lambda window: (window.start, window.end))


def examined(
    signature: Signature,
    cohort: Cohort,
    windows: Sequence[Window],
    timezone: str,
    label_delay_s: float,
    now: datetime,
    outcomes: int | None,
) -> Iterator[Examined]:
    """Each window that has rows, with what of them can be judged by now."""
    day = days_of(cohort.event_us, timezone)
    latest = now - timedelta(seconds=label_delay_s)
    # The day that holds `latest` is not over: rows of it may still come due.
    running = int(days_of(np.array([_microseconds(latest)]), timezone)[0])
    finite = np.isfinite(cohort.score)
    scored = finite if finite.ndim == 1 else finite.all(axis=1)  # a class that a version did not know
    for window in windows:
        first, last = np.searchsorted(cohort.event_us, [_microseconds(window.start), _microseconds(window.end)])
        if first == last:
            continue
        rows = np.zeros(len(cohort), dtype=bool)
        rows[first:last] = True
        due = rows & cohort.matured & (day < running)
        known = due & np.isfinite(cohort.truth) & scored
        part = cohort.where(rows)
        yield Examined(
            signature.model,
            window,
            part,
            cohort.where(known),
            int(due.sum()),
            None if _is_of_days(window.start, window.end) else day[known],
            Counter(part.version.tolist()).most_common(1)[0][0],
            timezone,
            outcomes,
        )


def judge_estimates(metric: Metric, measurements: Sequence[Measurement]) -> list[Measurement]:
    """How estimates of weeks did against what came out, up to the newest week that has both, as measurements of it.

    `estimates_held` is the share of bands that held the realised value (95 in 100 were promised), `estimate_bias` the
    mean of estimated − realised; `n` counts the weeks. None before a week has both.
    """
    weeks: dict[datetime, dict[str, Measurement]] = {}
    for each in measurements:
        plain = each.by is None and each.feature is None and each.value is not None
        named = each.metric in (metric.name, ESTIMATED + metric.name)
        if plain and named and not _is_of_days(each.start, each.end):
            weeks.setdefault(each.start, {})[each.metric] = each
    both = [week for _, week in sorted(weeks.items()) if len(week) == 2]
    both = [week for week in both if week[metric.name].matured == week[metric.name].rows]
    if not both:
        return []
    estimates = [_estimate_of(week[ESTIMATED + metric.name]) for week in both]
    held = estimates_held(estimates, [week[metric.name].value or 0.0 for week in both])
    newest = both[-1][metric.name]
    return [
        msgspec.structs.replace(
            newest, metric=name, value=each.value, low=each.low, high=each.high, n=each.n, unit=unit,
            limit=None, side=None, basis=None, higher_is_better=better,
            state="unexamined" if each.value is None else "no limit",
        )
        for name, each, unit, better in (
            ("estimates_held", held.coverage, "share", True),
            ("estimate_bias", held.bias, newest.unit, None),
        )
    ]  # fmt: skip


def _realised(signature: Signature, seen: Examined, metrics: Sequence[Metric], seed: int) -> Iterator[Measurement]:
    judged, draws = seen.judged, DAY_DRAWS if seen.of_day else DRAWS
    known = proportion(len(judged), seen.due, name=KNOWN_SHARE, higher_is_better=True)
    yield seen.measurement(replace(known, unit="share"))
    label = None if signature.task == "regression" else judged.label
    yield from map(
        seen.measurement,
        bootstrap(metrics, judged.truth, judged.score, label, blocks=seen.blocks, draws=draws, seed=seed).values(),
    )
    unit = "label" if signature.task == "regression" else "share"
    if signature.task == "multiclass":
        for number, name in enumerate(signature.classes):
            share = _share((judged.truth == number).astype(np.float64), seen.blocks, "outcome_share")
            yield seen.measurement(share, by=signature.label.name, of=name)
    elif signature.task == "binary":
        yield seen.measurement(_share(judged.truth, seen.blocks, "positive_share"))
    else:
        yield seen.measurement(mean_interval(judged.truth, blocks=seen.blocks, name="outcome_mean", unit=unit))
    yield seen.measurement(residual(judged.truth, judged.score, judged.label, blocks=seen.blocks, unit=unit))
    if signature.task == "binary" and not seen.of_day:
        yield seen.measurement(intercept(judged.truth, judged.score, blocks=seen.blocks))
        yield seen.measurement(slope(judged.truth, judged.score, blocks=seen.blocks))


def _share(happened: Floats, blocks: Blocks, name: str) -> Estimate:
    """A share of rows whose days err together; where all or none happened, as many rows alone would say (Wilson)."""
    alone = proportion(int(happened.sum()), len(happened), name=name)
    if blocks is None or alone.value in (None, 0.0, 1.0):
        return replace(alone, unit="share")
    whole = mean_interval(happened, blocks=blocks, name=name, unit="share")
    low, high = (None if end is None else min(1.0, max(0.0, end)) for end in (whole.low, whole.high))
    return replace(whole, low=low, high=high)


def _estimated(
    signature: Signature, seen: Examined, past_of: PastOf | None, metric: Metric, label_delay_s: float, seed: int
) -> Iterator[Measurement]:
    """What the scores say of the metric and, once every row has matured, by how much they were wrong."""
    nothing = Estimate(ESTIMATED + metric.name, None, None, None, 0, metric.unit, metric.higher_is_better)
    if signature.task == "regression" or metric.prepare is None:
        yield seen.measurement(nothing)  # a value carries no confidence, and a project's own metric knows no weights
        return
    part, judged = seen.part, seen.judged
    try:
        past = _Past(signature, seen, past_of(seen.window, seen.version) if past_of else part, label_delay_s, seed)
        [estimate] = estimated(
            [metric], part.score, part.label, probability=past.believed(part.score),
            blocks=days_of(part.event_us, seen.timezone), day_variance=past.day_variance(metric),
            draws=ESTIMATE_DRAWS, seed=seed,
        ).values()  # fmt: skip
        yield seen.measurement(replace(estimate, name=nothing.name))
        if len(judged) and seen.due == len(part):
            apart = realised_less_estimated(
                metric, judged.truth, judged.score, judged.label,
                probability=past.believed(judged.score), blocks=seen.blocks,
            )  # fmt: skip
            yield seen.measurement(apart)
    except WrongUse:
        yield seen.measurement(nothing)  # the scores are no probabilities


class _Past:
    """Rows whose outcome was due before a window began: how far off scores have been."""

    def __init__(self, signature: Signature, seen: Examined, past: Cohort, label_delay_s: float, seed: int) -> None:
        due = past.event_us + round(label_delay_s * 1e6) <= _microseconds(seen.window.start)
        self._rows = past.where(due & np.isfinite(past.truth))
        self._days = days_of(self._rows.event_us, seen.timezone)
        self._seed = seed
        self._calibration = self._fitted(seen.version) if signature.task == "binary" else None

    def believed(self, score: Floats) -> Floats:
        """Scores as probabilities: recalibrated where that has been seen to help the version that answered."""
        return score if self._calibration is None else apply_calibration(self._calibration, score)

    def day_variance(self, metric: Metric) -> float:
        """How much days have differed beyond what scores and chance say (of any version)."""
        rows = self._rows
        if len(rows) < PAST_LEAST:
            return 0.0
        return day_variance(
            metric, rows.truth, rows.score, rows.label, probability=self.believed(rows.score), blocks=self._days,
            seed=self._seed,
        )  # fmt: skip

    def _fitted(self, version: str) -> Calibration | None:
        own = self._rows.version == version
        rows = self._rows.where(own)
        if len(rows) < PAST_LEAST or len(np.unique(rows.truth)) < 2:
            return None
        days = self._days[own]
        return calibration_helps(rows.truth, rows.score, blocks=days, draws=PAST_DRAWS, seed=self._seed).parameters


def _by_slice(
    signature: Signature, seen: Examined, metric: Metric, slices: Sequence[str], seed: int
) -> Iterator[Measurement]:
    """Main metric, share of outcomes and residual of each slice; intervals of one metric hold for all slices at once.

    Slices of fewer judged rows than `SLICE_ROWS` are unexamined, and so is a column that the predictions do not have.
    """
    groups = {by: _groups(seen.judged.slices[by]) for by in slices if by in seen.judged.slices}
    large = sum(len(rows) >= SLICE_ROWS for of_by in groups.values() for _, rows in of_by)
    for by in slices:
        nothing = Estimate(metric.name, None, None, None, 0, metric.unit, metric.higher_is_better)
        if by not in groups:
            yield seen.measurement(nothing, by=by)
        for value, rows in groups.get(by, ()):
            if len(rows) < SLICE_ROWS:
                yield seen.measurement(replace(nothing, n=len(rows)), by=by, of=value)
                continue
            part = seen.judged.where(rows)
            blocks = None if seen.blocks is None else seen.blocks[rows]
            for estimate, scale, bounds in _of_slice(signature, part, blocks, metric, seed):
                yield seen.measurement(_simultaneous(estimate, large, scale, bounds), by=by, of=value)


def _of_slice(
    signature: Signature, part: Cohort, blocks: Blocks, metric: Metric, seed: int
) -> Iterator[tuple[Estimate, Scale, tuple[float, float]]]:
    label = None if signature.task == "regression" else part.label
    found = bootstrap([metric], part.truth, part.score, label, blocks=blocks, draws=DAY_DRAWS, seed=seed)
    yield found[metric.name], metric.scale, metric.bounds
    if signature.task == "binary":
        yield _share(part.truth, blocks, "positive_share"), "plain", SHARE
    unit = "label" if signature.task == "regression" else "share"
    yield residual(part.truth, part.score, part.label, blocks=blocks, unit=unit), "plain", UNBOUNDED


def _simultaneous(estimate: Estimate, slices: int, scale: Scale, bounds: tuple[float, float]) -> Estimate:
    """The estimate with a two-sided interval at 1 - `ALPHA` for all slices together (`stats.multiplicity`)."""
    level = simultaneous_level(slices, ALPHA / 2)
    low, high = (bound(estimate, level, scale=scale) for bound in (lower_bound, upper_bound))
    if low is None or high is None:
        return estimate
    return replace(estimate, low=max(bounds[0], low), high=min(bounds[1], high))


def _groups(values: npt.NDArray[np.object_]) -> list[tuple[object, Ints]]:
    """Each value with the places of its rows, those of most rows first, `SLICES` at most."""
    places: dict[object, list[int]] = {}
    for place, value in enumerate(values.tolist()):
        places.setdefault(value, []).append(place)
    ordered = sorted(places.items(), key=lambda each: (-len(each[1]), str(each[0])))
    return [(value, np.array(rows, dtype=np.int64)) for value, rows in ordered[:SLICES]]


def _estimate_of(measurement: Measurement) -> Estimate:
    return Estimate(
        measurement.metric, measurement.value, measurement.low, measurement.high, measurement.n or 0, measurement.unit
    )


def _is_of_days(start: datetime, end: datetime) -> bool:
    return end - start <= LONGEST_DAY


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
