"""How far a metric may be from the truth: bootstrap intervals (Efron, 1979) that respect days.

Rows of one day share its weather, so they err together: where rows have a day (a *block*), whole days are drawn, never
rows (the cluster bootstrap; Davison and Hinkley, 1997, §3.8). The draws give the standard error, widened by
sqrt(B / (B − 1)) because drawing B blocks with replacement shows only (B − 1)/B of their variance; Student's t on B − 1
degrees gives the bounds. Without blocks each row is its own; where a metric rests on the rarer class (AUC), its rows
are what counts.

The bounds are centred on the sample's own value, not on quantiles of the draws: with 14 days those quantiles are too
narrow, and a figure that noise pushes one way (calibration error) is pushed once more in each draw. For shares that
strive for 1 they are laid off in log-odds, because their error shrinks towards 1 (for the AUC: Pepe, 2003): an AUC of
0.92 on 50 positive rows would else be "cleared" wrongly 10 times in 100, not 5. All are cut at the metric's ends. Where
all draws agree (no mistake among the rows), the standard error is twice the change that one more row, wrong in the
worst way, would make: about the rule of three (Hanley and Lippman-Hand, 1983).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.metrics import Metric, Rows, Scale
from rondo.stats.results import Difference, Estimate, Floats, Ints, finite
from rondo.stats.statistic import Statistic, chunks

Blocks = npt.NDArray[np.int64] | None
"""The block of each row (n,): any ids, equal within a block (days since an epoch). None: rows stand alone."""

Direction = Literal[">=", "<="]

LEAST_DEFINED = 0.9
"""An interval needs the metric to be defined in this share of the draws."""

_INSIDE = 1e-9
"""Nearer to 0 or 1 than this, log-odds are no scale: plain."""


class Uncertain(Protocol):
    """What has a value and an error: an Estimate, a Difference."""

    @property
    def value(self) -> float | None: ...
    @property
    def standard_error(self) -> float | None: ...
    @property
    def degrees(self) -> int | None: ...


def resample_counts(n_rows: int, blocks: Blocks, draws: int, rng: np.random.Generator) -> Floats:
    """How often each row was drawn: (draws, n_rows). With blocks, the rows of one share their count."""
    if blocks is None:
        return _unit_counts(n_rows, draws, rng)
    block, number = numbered(blocks)
    return _unit_counts(number, draws, rng)[:, block]


def bootstrap(
    metrics: Sequence[Metric],
    y_true: Rows,
    y_score: Rows,
    y_label: Rows,
    *,
    blocks: Blocks = None,
    draws: int = 1000,
    seed: int,
) -> dict[str, Estimate]:
    """Each metric with its two-sided 95 % interval, all on the same draws.

    Undefined metrics have the value None; with fewer than two rows (or blocks), or a metric undefined in more than a
    tenth of the draws, `low` and `high` are None. Raises WrongUse as `Metric.ready` does.
    """
    n = _rows(y_true, blocks)
    if n == 0:
        return {metric.name: _nothing(metric) for metric in metrics}
    statistics = [metric.ready(y_true, y_score, y_label) for metric in metrics]
    estimates = {}
    for metric, statistic, drawn in zip(metrics, statistics, _drawn(statistics, n, blocks, draws, seed), strict=True):
        value, units = _value(statistic, n), _units(metric, y_true, blocks)
        error = _standard_error(drawn, units)
        if value is not None and error is not None and error <= 1e-12 * max(1.0, abs(value)):
            error = 2 * _worst_row(metric, y_true, y_score, y_label, value)
        low, high = two_sided(value, error, units - 1, metric.bounds, scale=metric.scale)
        estimates[metric.name] = Estimate(
            metric.name,
            value,
            low,
            high,
            n,
            unit=metric.unit,
            higher_is_better=metric.higher_is_better,
            standard_error=error if low is not None else None,
            degrees=units - 1 if low is not None else None,
        )
    return estimates


def paired(
    metrics: Sequence[Metric],
    y_true: Rows,
    a: tuple[Rows, Rows],
    b: tuple[Rows, Rows],
    *,
    blocks: Blocks = None,
    draws: int = 1000,
    seed: int,
) -> dict[str, Difference]:
    """`a` − `b` of each metric with its two-sided 95 % interval: both sides are (score, label) of the same rows.

    Both are computed on the same draws, so what makes a day hard for both cancels. None as in `bootstrap`.
    """
    n = _rows(y_true, blocks)
    if n == 0:
        return {metric.name: _no_difference(metric) for metric in metrics}
    sides = [[metric.ready(y_true, score, label) for metric in metrics] for score, label in (a, b)]
    drawn = _drawn(sides[0] + sides[1], n, blocks, draws, seed)
    differences = {}
    for number, metric in enumerate(metrics):
        value_a, value_b = _value(sides[0][number], n), _value(sides[1][number], n)
        difference = value_a - value_b if value_a is not None and value_b is not None else None
        units = _units(metric, y_true, blocks)
        error = _standard_error(drawn[number] - drawn[number + len(metrics)], units)
        widest = metric.bounds[1] - metric.bounds[0]
        low, high = two_sided(difference, error, units - 1, (-widest, widest))
        differences[metric.name] = Difference(
            metric.name,
            value_a,
            value_b,
            difference,
            low,
            high,
            n,
            standard_error=error if low is not None else None,
            degrees=units - 1 if low is not None else None,
            higher_is_better=metric.higher_is_better,
        )
    return differences


def drawn_together(
    metric: Metric,
    y_true: Rows,
    sides: Sequence[tuple[Rows, Rows]],
    *,
    blocks: Blocks = None,
    draws: int = 1000,
    seed: int,
) -> tuple[list[float | None], Floats, int]:
    """One metric of several `sides` (score, label) of the same rows: the values, those of the same draws
    (sides, draws), NaN where undefined, and how many units are known independently.
    """
    n = _rows(y_true, blocks)
    statistics = [metric.ready(y_true, score, label) for score, label in sides]
    drawn = _drawn(statistics, n, blocks, draws, seed)
    return [_value(statistic, n) for statistic in statistics], drawn, _units(metric, y_true, blocks)


def numbered(blocks: npt.NDArray[np.int64]) -> tuple[Ints, int]:
    """Each row's block numbered from 0, and how many there are."""
    ids, numbers = np.unique(np.asarray(blocks), return_inverse=True)
    return numbers, len(ids)


def two_sided(
    value: float | None,
    standard_error: float | None,
    degrees: int | None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    *,
    scale: Scale = "plain",
) -> tuple[float | None, float | None]:
    """The 95 % interval: t standard errors to each side, cut at `bounds`; None twice without a value or an error."""
    if value is None or standard_error is None:
        return None, None
    t = t_quantile(0.975, degrees)
    low, high = (_away(value, standard_error, side * t, scale) for side in (-1, 1))
    return max(bounds[0], low), min(bounds[1], high)


def lower_bound(result: Uncertain, level: float = 0.95, *, scale: Scale = "plain") -> float | None:
    """The value that the truth exceeds with this confidence (one-sided); None where the error is unknown."""
    return _one_bound(result, 1 - level, scale)


def upper_bound(result: Uncertain, level: float = 0.95, *, scale: Scale = "plain") -> float | None:
    """The value that the truth stays below with this confidence (one-sided); None where the error is unknown."""
    return _one_bound(result, level, scale)


def lower95(result: Uncertain, *, scale: Scale = "plain") -> float | None:
    """The one-sided 95 % lower bound. `scale` is the metric's own (`METRICS[name].scale`), plain for a difference."""
    return lower_bound(result, scale=scale)


def upper95(result: Uncertain, *, scale: Scale = "plain") -> float | None:
    """The one-sided 95 % upper bound. `scale` is the metric's own (`METRICS[name].scale`), plain for a difference."""
    return upper_bound(result, scale=scale)


def one_sided(result: Uncertain, limit: float, direction: Direction, *, scale: Scale = "plain") -> tuple[float, float]:
    """P-values (`p_clears`, `p_misses`) of a requirement `value >= limit` (or `<=`).

    A small `p_clears` is evidence that the truth clears the limit, a small `p_misses` that it misses it; they add up
    to 1, and `p_clears <= 0.05` exactly where the one-sided 95 % bound of that scale clears. Without a value or an
    error both are 1: undecided. A result without error (standard error 0) is decided by its value, the limit itself
    clearing.
    """
    if result.value is None or result.standard_error is None:
        return 1.0, 1.0
    ahead, error = _distance(result.value, limit, result.standard_error, scale)
    ahead = ahead if direction == ">=" else -ahead
    if error == 0:
        return (0.0, 1.0) if ahead >= 0 else (1.0, 0.0)
    return t_probability(-ahead / error, result.degrees), t_probability(ahead / error, result.degrees)


def t_quantile(probability: float, degrees: int | None) -> float:
    """Quantile of Student's t; of the normal distribution where `degrees` is None."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if degrees is None else stdtrit(degrees, probability))


def t_probability(t: float, degrees: int | None) -> float:
    """Chance that Student's t (normal where `degrees` is None) stays below `t`."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(t) if degrees is None else stdtr(degrees, t))


def _one_bound(result: Uncertain, probability: float, scale: Scale) -> float | None:
    if result.value is None or result.standard_error is None:
        return None
    return _away(result.value, result.standard_error, t_quantile(probability, result.degrees), scale)


def _away(value: float, error: float, t: float, scale: Scale) -> float:
    """The value `t` standard errors off, on that scale."""
    if scale == "plain" or not _INSIDE < value < 1 - _INSIDE:
        return value + t * error
    from scipy.special import expit, logit

    return float(expit(logit(value) + t * error / (value * (1 - value))))


def _distance(value: float, limit: float, error: float, scale: Scale) -> tuple[float, float]:
    """`value` − `limit` and the standard error, both on that scale."""
    if scale == "plain" or not _INSIDE < value < 1 - _INSIDE:
        return value - limit, error
    from scipy.special import logit

    return float(logit(value) - logit(min(max(limit, 0.0), 1.0))), error / (value * (1 - value))


def _drawn(statistics: Sequence[Statistic], n: int, blocks: Blocks, draws: int, seed: int) -> Floats:
    """Values (statistics, draws), a bounded number of weights held at a time."""
    rng = np.random.default_rng(seed)
    parts: list[list[Floats]] = []
    if blocks is None:
        parts = [[s.of_weights(weights) for s in statistics] for weights in _count_chunks(n, draws, rng)]
    else:
        block, number = numbered(blocks)
        parts = [[s.of_blocks(block, counts) for s in statistics] for counts in _count_chunks(number, draws, rng)]
    return np.concatenate([np.stack(part) for part in parts], axis=1) if statistics else np.empty((0, draws))


def _count_chunks(units: int, draws: int, rng: np.random.Generator) -> Iterator[Floats]:
    return (_unit_counts(units, part.stop - part.start, rng) for part in chunks(draws, units))


def _unit_counts(units: int, draws: int, rng: np.random.Generator) -> Floats:
    counts = np.empty((draws, units))
    for row in counts:
        row[:] = np.bincount(rng.integers(0, units, units), minlength=units)
    return counts


def _units(metric: Metric, y_true: Rows, blocks: Blocks) -> int:
    """What is known independently: rows or blocks, of the rarer class where the metric rests on it."""
    truth = np.asarray(y_true)
    rows = int(np.unique(truth, return_counts=True)[1].min()) if metric.by_class else len(truth)
    return rows if blocks is None else min(rows, numbered(blocks)[1])


def _value(statistic: Statistic, n: int) -> float | None:
    return finite(float(statistic.of_weights(np.ones((1, n)))[0]))


def _standard_error(drawn: Floats, units: int) -> float | None:
    defined = drawn[np.isfinite(drawn)]
    if units < 2 or len(defined) < max(2.0, LEAST_DEFINED * len(drawn)):
        return None
    return float(defined.std(ddof=1)) * float(np.sqrt(units / (units - 1)))


def _worst_row(metric: Metric, y_true: Rows, y_score: Rows, y_label: Rows, value: float) -> float:
    """How far one more row could move a classification metric: the surest of each end, a hair surer, its truth turned.

    0 for regression, where no single row is the worst.
    """
    if metric.task == "regression":
        return 0.0
    truth, guess = np.asarray(y_true, dtype=np.int64), y_label if y_score is None else y_score
    sureness = np.asarray(guess, dtype=np.float64)
    sureness = sureness.max(axis=1) if sureness.ndim == 2 else sureness
    turn = 2 if metric.task == "binary" else int(truth.max()) + 1
    moved = [0.0]
    for row, outward in ((int(np.argmin(sureness)), -np.inf), (int(np.argmax(sureness)), np.inf)):
        score = None if y_score is None else np.asarray(y_score, dtype=np.float64)
        label = None if y_label is None else np.asarray(y_label)
        changed = metric.compute(
            np.append(truth, (truth[row] + 1) % turn),
            None if score is None else np.concatenate([score, np.nextafter(score[row : row + 1], outward)]),
            None if label is None else np.append(label, label[row]),
        )
        moved.append(abs(changed - value) if np.isfinite(changed) else 0.0)
    return max(moved)


def _rows(y_true: Rows, blocks: Blocks) -> int:
    n = len(np.asarray(y_true))
    if blocks is not None and len(blocks) != n:
        raise WrongUse(f"There are {len(blocks)} blocks for {n} rows.", next_step="Give each row its block.")
    return n


def _nothing(metric: Metric) -> Estimate:
    return Estimate(metric.name, None, None, None, 0, unit=metric.unit, higher_is_better=metric.higher_is_better)


def _no_difference(metric: Metric) -> Difference:
    return Difference(metric.name, None, None, None, None, None, 0, higher_is_better=metric.higher_is_better)
