"""Intervals of a share and of a mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.intervals import Blocks, numbered, t_quantile, two_sided
from rondo.stats.results import Estimate
from rondo.stats.statistic import block_totals


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float | None, float | None]:
    """Score interval of a proportion (Wilson, 1927): within 0 and 1, of some width even at 0 or n successes.

    None twice for n = 0. Raises WrongUse for counts that cannot be.
    """
    if not 0 <= successes <= n:
        raise WrongUse(f"{successes} of {n} is no share.", next_step="Give 0 <= successes <= n.")
    if n == 0:
        return None, None
    z = t_quantile(0.5 + level / 2, None)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (0.0 if successes == 0 else float(centre - reach)), (1.0 if successes == n else float(centre + reach))


def proportion(successes: int, n: int, *, name: str = "proportion", higher_is_better: bool | None = None) -> Estimate:
    """A share with its Wilson interval. `standard_error` is the interval's half width in normal units."""
    low, high = wilson(successes, n)
    error = (high - low) / (2 * t_quantile(0.975, None)) if low is not None and high is not None else None
    value = successes / n if n else None
    return Estimate(name, value, low, high, n, higher_is_better=higher_is_better, standard_error=error)


def mean_interval(
    values: npt.ArrayLike,
    *,
    blocks: Blocks = None,
    name: str = "mean",
    unit: str = "",
    higher_is_better: bool | None = None,
) -> Estimate:
    """Mean of values (n,) with Student's interval; with blocks, of a mean whose blocks err together.

    The block form is the linearised variance of a ratio, sum over number (Cochran, 1977, §9A): blocks may be of any
    size. Fewer than two rows (blocks): no interval. Raises WrongUse for values that are not finite.
    """
    rows = np.asarray(values, dtype=np.float64)
    if not np.isfinite(rows).all():
        raise WrongUse(
            f"The mean {name} has {np.count_nonzero(~np.isfinite(rows))} values that are not finite.",
            next_step="Leave missing values out, and count them apart.",
        )
    if not len(rows):
        return Estimate(name, None, None, None, 0, unit=unit, higher_is_better=higher_is_better)
    block, number = numbered(blocks) if blocks is not None else (np.arange(len(rows)), len(rows))
    totals = block_totals(block, np.stack([rows, np.ones(len(rows))], axis=1), number)
    return mean_of_blocks(totals[:, 0], totals[:, 1], name=name, unit=unit, higher_is_better=higher_is_better)


def mean_of_blocks(
    totals: npt.ArrayLike,
    sizes: npt.ArrayLike,
    *,
    name: str = "mean",
    unit: str = "",
    higher_is_better: bool | None = None,
) -> Estimate:
    """The same mean where only each block's total (b,) and number of rows (b,) are known."""
    total, size = np.asarray(totals, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    rows, units = int(size.sum()), int(np.count_nonzero(size))
    if not rows:
        return Estimate(name, None, None, None, 0, unit=unit, higher_is_better=higher_is_better)
    value = float(total.sum() / rows)
    strays = total - value * size
    error = float(np.sqrt(units / (units - 1) * np.square(strays).sum()) / rows) if units > 1 else None
    degrees = units - 1 if units > 1 else None
    low, high = two_sided(value, error, degrees)
    return Estimate(name, value, low, high, rows, unit, higher_is_better, error, degrees)
