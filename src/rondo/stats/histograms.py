"""Quantiles of durations that were only counted by bucket, with what the buckets and the sample leave open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.results import Estimate


def bucket_quantile(
    counts: npt.ArrayLike,
    bounds: Sequence[float],
    share: float,
    *,
    name: str = "quantile",
    unit: str = "",
    higher_is_better: bool | None = None,
    level: float = 0.95,
) -> Estimate:
    """The `share` quantile of values >= 0 counted in buckets, with an interval free of assumptions on their shape.

    `counts` (k + 1,): how many fell into (0, bounds[0]], (bounds[0], bounds[1]], …, above bounds[-1]; bounds rise.
    The interval is that of two order statistics (David & Nagaraja, 2003, §7.1), opened to the edges of their buckets:
    it holds both the sampling error of independent values and the buckets' own. The value is interpolated on a
    logarithmic scale within its bucket; above the last bound it is that bound, a least. `high` is None where the
    sample is too small to bound the quantile from above (p99: below 368 values) or no bucket does; n = 0: all None.
    Raises WrongUse for counts that do not fit the bounds.
    """
    found = np.asarray(counts, dtype=np.int64)
    if found.shape != (len(bounds) + 1,) or (found < 0).any() or not 0 < share < 1:
        raise WrongUse(
            f"{found.shape} counts by {len(bounds)} bounds have no quantile {share}.",
            next_step="Give one count a bucket, one more than bounds, and a share between 0 and 1.",
        )
    n, upto = int(found.sum()), np.cumsum(found)
    if n == 0:
        return Estimate(name, None, None, None, 0, unit, higher_is_better)
    lowest, highest = _ranks(n, share, level)
    low = float((0.0, *bounds)[_bucket(upto, lowest)]) if lowest else 0.0
    above = _bucket(upto, highest) if highest <= n else len(bounds)
    high = float(bounds[above]) if above < len(bounds) else None
    return Estimate(name, _within(upto, bounds, share * n), low, high, n, unit, higher_is_better)


def bucket_value(counts: npt.ArrayLike, bounds: Sequence[float], share: float) -> float | None:
    """The value of `bucket_quantile` alone, for where nobody asks how sure it is; None without a value counted."""
    upto = np.cumsum(counts)
    return _within(upto, bounds, share * int(upto[-1])) if upto[-1] else None


def _ranks(n: int, share: float, level: float) -> tuple[int, int]:
    """Ranks (from 1) of the order statistics that enclose the quantile: 0 for none below, n + 1 for none above."""
    from scipy.special import bdtr, bdtrik

    def least(probability: float) -> int:
        """The least k for which Binomial(n, share) stays at or below k with that probability."""
        k = max(0, int(np.ceil(bdtrik(probability, n, share))) - 1)  # its root is inexact by less than one
        while k < n and bdtr(k, n, share) < probability:
            k += 1
        return k

    tail = (1 - level) / 2
    return least(tail), least(1 - tail) + 1


def _bucket(upto: npt.NDArray[np.int64], rank: int) -> int:
    """The bucket of the value with that rank."""
    return int(np.searchsorted(upto, rank, side="left"))


def _within(upto: npt.NDArray[np.int64], bounds: Sequence[float], rank: float) -> float:
    place = int(np.searchsorted(upto, rank, side="left"))
    if place == len(bounds):
        return float(bounds[-1])
    before = int(upto[place - 1]) if place else 0
    part = (rank - before) / (int(upto[place]) - before)
    if place == 0:
        return float(bounds[0] * part)
    return float(bounds[place - 1] * (bounds[place] / bounds[place - 1]) ** part)
