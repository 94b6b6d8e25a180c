"""Quality before outcomes are known: what the scores themselves say of it (confidence-based performance estimation).

A calibrated score says how often rows like it turn out positive. So each row stands twice, once with each truth,
weighing the probability of that truth, and every metric that knows weights gives its expected value: the method of
Guillory and others (2021) and of NannyML's CBPE (Białek and others, 2024) with the metrics' own formulas.

It sees what moved in the inputs (a covariate shift). It is blind where the same inputs now lead to other outcomes (a
concept shift): the realised metric alone tells that. `estimates_held` says how well it did once outcomes were known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.intervals import Blocks, numbered, resample_counts, two_sided
from rondo.stats.jackknife import jackknife
from rondo.stats.metrics import Metric, Rows
from rondo.stats.proportions import mean_interval, proportion
from rondo.stats.results import Estimate, Floats, finite
from rondo.stats.statistic import Statistic, chunks

LEAST_DEFINED = 0.9
"""A band needs the metric to be defined in this share of the draws."""
FEWEST_DAYS = 8
"""Fewer days do not show how much days differ."""


@dataclass(frozen=True)
class Held:
    """How past estimates did: `bias` is the mean of estimated − realised, `error` the mean of its size, `coverage`
    the share of bands that held the realised value (95 in 100 were promised).
    """

    bias: Estimate
    error: Estimate
    coverage: Estimate


def estimated(
    metrics: Sequence[Metric],
    y_score: Rows,
    y_label: Rows,
    *,
    probability: Rows = None,
    blocks: Blocks = None,
    day_variance: float = 0.0,
    draws: int = 300,
    seed: int,
) -> dict[str, Estimate]:
    """Each classification metric as it is expected to turn out, with the 95 % band of what is realised on such days.

    `y_score` and `y_label` are the model's, as in `metrics`; `probability` (n,) or (n, classes) what is believed of
    the truth, where that is better than the score itself (`calibration.apply_calibration`, fitted on rows whose outcome
    is known). The band joins the variance of the days (drawn whole) with that of the outcomes (decided by their
    probability); of the error that the rows of a day make together and the scores do not show it knows `day_variance`
    (of one metric; see there).
    Raises WrongUse for probabilities that are none and for metrics of a regression, which has no confidence.
    """
    believed = probabilities(probability if probability is not None else y_score)
    n, classes = believed.shape
    if blocks is not None and len(blocks) != n:
        raise WrongUse(f"There are {len(blocks)} blocks for {n} rows.", next_step="Give each row its block.")
    if unfit := [metric.name for metric in metrics if metric.task == "regression"]:
        raise WrongUse(
            f"{unfit[0]} cannot be estimated from scores: a predicted value carries no confidence.",
            next_step="Measure it on rows whose outcome is known.",
        )
    if not n:
        return {m.name: Estimate(m.name, None, None, None, 0, m.unit, m.higher_is_better) for m in metrics}
    ready = [on_every_truth(metric, y_score, y_label, classes) for metric in metrics]
    expected = believed.T.reshape(1, -1)
    units = n if blocks is None else numbered(blocks)[1]
    rng = np.random.default_rng(seed)
    of_days = _drawn(ready, _days(believed, blocks, draws, rng), n)
    of_outcomes = _drawn(ready, _outcomes(believed, draws, rng), n)
    return {
        metric.name: _banded(metric, float(statistic.of_weights(expected)[0]), (days, outcomes), n, units, day_variance)
        for metric, statistic, days, outcomes in zip(metrics, ready, of_days, of_outcomes, strict=True)
    }


def realised_less_estimated(
    metric: Metric, y_true: Rows, y_score: Rows, y_label: Rows, *, probability: Rows = None, blocks: Blocks = None
) -> Estimate:
    """Realised − estimated metric on the same rows, days left out whole: what outcomes have that scores did not say.

    Near 0 where only the inputs moved; away from it the same inputs lead to other outcomes. Raises as `estimated`.
    """
    believed = probabilities(probability if probability is not None else y_score)
    realised = metric.ready(y_true, y_score, y_label)
    expected = on_every_truth(metric, y_score, y_label, believed.shape[1])

    def apart(weights: Floats) -> Floats:
        return realised.of_weights(weights) - expected.of_weights(doubled(weights, believed))

    widest = metric.bounds[1] - metric.bounds[0]
    return jackknife(
        "estimate_error", apart, len(believed), blocks=blocks, unit=metric.unit, bounds=(-widest, widest)
    )  # fmt: skip


def day_variance(
    metric: Metric,
    y_true: Rows,
    y_score: Rows,
    y_label: Rows,
    *,
    probability: Rows = None,
    blocks: Blocks,
    draws: int = 100,
    seed: int,
) -> float:
    """The variance that one day adds to realised − estimated beyond the chance of its outcomes, from past days.

    Rows of a day share what the scores do not know (a storm that none of them shows), so they are wrong together. Of a
    window of n such days it is a n-th. 0 where there is none or it cannot be told (fewer than eight days).
    """
    believed = probabilities(probability if probability is not None else y_score)
    days = 0 if blocks is None else numbered(blocks)[1]
    if days < FEWEST_DAYS:
        return 0.0
    apart = realised_less_estimated(metric, y_true, y_score, y_label, probability=believed, blocks=blocks)
    ready = on_every_truth(metric, y_score, y_label, believed.shape[1])
    [drawn] = _drawn([ready], _outcomes(believed, draws, np.random.default_rng(seed)), len(believed))
    drawn = drawn[np.isfinite(drawn)]
    if apart.standard_error is None or len(drawn) < max(2.0, LEAST_DEFINED * draws):
        return 0.0
    return days * max(0.0, apart.standard_error**2 - float(drawn.var(ddof=1)))


def estimates_held(estimates: Sequence[Estimate], realised: npt.ArrayLike, *, blocks: Blocks = None) -> Held:
    """How estimates of one metric in past windows did against what came out (windows,), NaN where none is known.

    `blocks` (windows,) joins windows that share days.
    """
    truth = np.asarray(realised, dtype=np.float64)
    if len(truth) != len(estimates):
        raise WrongUse(f"{len(estimates)} estimates, {len(truth)} outcomes.", next_step="Give each window its metric.")
    known = [n for n, each in enumerate(estimates) if each.value is not None and np.isfinite(truth[n])]
    unit = estimates[0].unit if estimates else ""
    apart = np.array([(estimates[n].value or 0.0) - truth[n] for n in known], dtype=np.float64)
    joined = None if blocks is None else np.asarray(blocks)[known]
    bands = [(estimates[n].low, truth[n], estimates[n].high) for n in known]
    banded = [(low, value, high) for low, value, high in bands if low is not None and high is not None]
    return Held(
        mean_interval(apart, blocks=joined, name="bias", unit=unit),
        mean_interval(np.abs(apart), blocks=joined, name="error", unit=unit, higher_is_better=False),
        proportion(sum(bool(low <= value <= high) for low, value, high in banded), len(banded), name="coverage"),
    )


def probabilities(probability: Rows) -> Floats:
    """Scores as probabilities (n, classes); a binary model's (n,) are those of class 1. Raises WrongUse for others."""
    given = np.asarray(probability, dtype=np.float64)
    believed = np.column_stack([1 - given, given]) if given.ndim == 1 else given
    if believed.ndim != 2 or not (believed >= 0).all() or not np.allclose(believed.sum(axis=1), 1, atol=1e-6):
        raise WrongUse(
            "Estimated quality needs probabilities: between 0 and 1, those of one row adding up to 1.",
            next_step="Calibrate the scores first, or measure quality on rows whose outcome is known.",
        )
    return believed


def doubled(weights: Floats, believed: Floats) -> Floats:
    """Weights (draws, n) of the rows, each row standing once with each truth: (draws, classes × n)."""
    return np.concatenate([weights * believed[:, each] for each in range(believed.shape[1])], axis=1)


def on_every_truth(metric: Metric, y_score: Rows, y_label: Rows, classes: int) -> Statistic:
    """A metric of rows that stand once with each truth, for weights of `doubled`."""
    n = len(np.asarray(y_score if y_score is not None else y_label))
    return metric.ready(np.repeat(np.arange(classes), n), _again(y_score, classes), _again(y_label, classes))


def _again(column: Rows, times: int) -> Rows:
    return None if column is None else np.concatenate([np.asarray(column)] * times)


def _drawn(ready: Sequence[Statistic], drawn: Iterator[Floats], n: int) -> list[Floats]:
    """Values of each metric (draws,), a bounded number of weights held at a time."""
    parts = [[statistic.of_weights(weights) for statistic in ready] for weights in drawn]
    return [np.concatenate([part[number] for part in parts]) for number in range(len(ready))]


def _days(believed: Floats, blocks: Blocks, draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Weights (draws, classes × n): how often each row was drawn, times the probability of each truth."""
    n, classes = believed.shape
    for part in chunks(draws, n * classes):
        counts = resample_counts(n, blocks, part.stop - part.start, rng)
        yield doubled(counts, believed)


def _outcomes(believed: Floats, draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Weights (draws, classes × n): every row once, on the truth that it was given in that draw."""
    n, classes = believed.shape
    reached = np.cumsum(believed, axis=1)[:, :-1]
    for part in chunks(draws, n * classes):
        truth = (rng.random((part.stop - part.start, n, 1)) >= reached).sum(axis=2)
        yield np.concatenate([(truth == each).astype(np.float64) for each in range(classes)], axis=1)


def _banded(
    metric: Metric, value: float, drawn: tuple[Floats, Floats], n: int, units: int, day_variance: float
) -> Estimate:
    """The band of all variances together: of the days (units − 1 degrees), of the outcomes, of what days err by."""
    number, error = finite(value), None
    days, outcomes = (part[np.isfinite(part)] for part in drawn)
    least = max(2.0, LEAST_DEFINED * len(drawn[0]))
    if units > 1 and len(days) >= least and len(outcomes) >= least:
        error = float(np.sqrt(days.var(ddof=1) * units / (units - 1) + outcomes.var(ddof=1) + day_variance / units))
    degrees = units - 1 if error is not None else None
    low, high = two_sided(number, error, degrees, metric.bounds, scale=metric.scale)
    return Estimate(metric.name, number, low, high, n, metric.unit, metric.higher_is_better, error, degrees)
