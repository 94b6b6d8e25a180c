"""Measurements of windows: rows, missing inputs, drift of the score, the metric on matured cohorts.

A measurement has an interval or says that it examined nothing. Its limit is the PRD's, where the PRD has one; it is
`out` only when the whole interval misses the limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from rondo.monitor.cohorts import Cohort, Floats
from rondo.monitor.windows import Window, days_of, weeks, window_of
from rondo.project.requirements import Requirement
from rondo.records.monitoring import Measurement
from rondo.records.versions import parse_model_version
from rondo.stats.distances import population_stability_index
from rondo.stats.intervals import bootstrap
from rondo.stats.metrics import Metric
from rondo.stats.proportions import proportion
from rondo.stats.results import Estimate

DRAWS = 500
SCORE_DRIFT = "score_population_stability_index"


@dataclass(frozen=True)
class Measured:
    """A window with its measurements."""

    window: Window
    rows: int
    matured: int
    measurements: tuple[Measurement, ...]


def measure(
    model: str,
    cohort: Cohort,
    metrics: Sequence[Metric],
    *,
    reference: Floats | None,
    timezone: str,
    requirements: Sequence[Requirement] = (),
    outcomes: int | None = None,
    seed: int = 0,
) -> list[Measured]:
    """Every week of the cohort, oldest first. `reference` (m,) are scores of the version's test rows.

    Quality is measured on matured rows alone: rows whose outcome was due. `outcomes` is the lake's version of the
    outcomes used.
    """
    if not len(cohort):
        return []
    first, last = (datetime.fromtimestamp(int(cohort.event_us[n]) / 1e6, UTC) for n in (0, -1))
    windows = weeks(first, last, timezone)
    places = window_of(cohort.event_us, windows)
    limits = {r.metric: r for r in requirements if r.kind == "metric" and r.by is None and r.testset is None}
    found = []
    for place, window in enumerate(windows):
        part = cohort.where(places == place)
        if not len(part):
            continue
        estimates = _estimates(part, metrics, reference, timezone, seed)
        found.append(
            Measured(
                window,
                len(part),
                int(part.matured.sum()),
                tuple(_measurement(model, e, window, part, limits.get(e.name), outcomes) for e in estimates),
            )
        )
    return found


def _estimates(
    part: Cohort, metrics: Sequence[Metric], reference: Floats | None, timezone: str, seed: int
) -> list[Estimate]:
    estimates = [
        Estimate("rows", float(len(part)), float(len(part)), float(len(part)), len(part), unit="rows"),
        proportion(int((part.missing > 0).sum()), len(part), name="rows_with_missing_inputs", higher_is_better=False),
    ]
    days = days_of(part.event_us, timezone)
    if reference is not None and part.score.ndim == 1 and len(reference):
        drift = population_stability_index(reference, part.score, blocks=days, seed=seed)
        estimates.append(Estimate(SCORE_DRIFT, drift.value, drift.low, drift.high, drift.n, higher_is_better=False))
    judged = part.where(part.matured & np.isfinite(part.truth))
    days = days_of(judged.event_us, timezone)
    estimates += bootstrap(
        metrics, judged.truth, judged.score, judged.label, blocks=days, draws=DRAWS, seed=seed
    ).values()
    return estimates


def _measurement(
    model: str,
    estimate: Estimate,
    window: Window,
    part: Cohort,
    requirement: Requirement | None,
    outcomes: int | None,
) -> Measurement:
    """One estimate as the ledger keeps it, under the version that answered last in the window."""
    limit = requirement.limit if requirement else None
    return Measurement(
        name=model,
        metric=estimate.name,
        feature=None,
        start=window.start,
        end=window.end,
        rows=len(part),
        matured=int(part.matured.sum()),
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        limit=limit,
        state=_state(estimate, requirement),
        unit=estimate.unit,
        n=estimate.n,
        higher_is_better=estimate.higher_is_better,
        side=("below" if requirement.comparison == ">=" else "above") if requirement and limit is not None else None,
        basis="declared" if limit is not None else None,
        model_version=parse_model_version(str(part.version[-1]))[1],
        outcomes=outcomes,
    )


def _state(estimate: Estimate, requirement: Requirement | None) -> Literal["within", "out", "no limit", "unexamined"]:
    if estimate.value is None or estimate.n == 0:
        return "unexamined"
    if requirement is None or requirement.limit is None:
        return "no limit"
    if estimate.low is None or estimate.high is None:
        return "unexamined"
    missed = estimate.high < requirement.limit if requirement.comparison == ">=" else estimate.low > requirement.limit
    return "out" if missed else "within"
