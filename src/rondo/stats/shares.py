"""A share of rows that err together: whole blocks (days) vary more than single rows, and none at all proves nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rondo.stats.intervals import Blocks, two_sided
from rondo.stats.proportions import mean_interval
from rondo.stats.results import Estimate


def share(
    hits: npt.NDArray[np.bool_], *, blocks: Blocks = None, name: str = "share", higher_is_better: bool | None = None
) -> Estimate:
    """The share of hits (n,) with its two-sided 95 % interval, cut at 0 and 1; no interval below two rows (blocks).

    The error is that of a mean whose blocks err together (Cochran, 1977, §9A), but never less than rows on their own
    would leave: that of two more hits and two more misses (Agresti and Coull, 1998), and twice the change that one more
    row could make. So no hit in n rows has a bound of about 3/n (Hanley and Lippman-Hand, 1983), not of 0. Bounds are
    laid off in log-odds: on days of which a few hold most hits a plain upper bound of 5 in 100 is missed 9 times.
    """
    found = mean_interval(hits, blocks=blocks, name=name, higher_is_better=higher_is_better)
    if found.value is None or found.standard_error is None:
        return found
    n, value = len(hits), found.value
    padded = (value * n + 2) / (n + 4)
    alone = float(np.sqrt(padded * (1 - padded) / (n + 4)))
    one_more = max(value, 1 - value) / (n + 1)
    error = max(found.standard_error, alone, 2 * one_more)
    low, high = two_sided(value, error, found.degrees, (0.0, 1.0), scale="logit")
    return replace(found, low=low, high=high, standard_error=error)
