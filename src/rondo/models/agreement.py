"""Whether two scores of a row are one: what an export and a golden test set are held to."""

from __future__ import annotations

import numpy as np

from rondo.stats.results import Floats

EQUAL = 1e-6
"""Scores no farther apart are the same score."""


def apart(found: Floats, expected: Floats) -> Floats:
    """How far a row's scores (n,) or (n, classes) lie from those expected, (n,): relative where these are above 1.

    Infinite where either is no number.
    """
    with np.errstate(invalid="ignore"):
        off = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    off = np.where(np.isfinite(off), off, np.inf)
    return off if off.ndim == 1 else off.max(axis=1, initial=0.0)
