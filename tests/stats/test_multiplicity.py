from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from rondo.stats.intervals import one_sided
from rondo.stats.multiplicity import holm, holm_adjusted, over_slices, simultaneous_bounds, simultaneous_level
from rondo.stats.results import Estimate

P = st.lists(st.floats(0, 1), max_size=12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]  # Wikipedia's example
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.05]) == [True]


@given(p=P, alpha=st.floats(0.001, 0.5))
@settings(deadline=None, derandomize=True)
def test_holm_lies_between_bonferroni_and_no_correction(p, alpha):
    decided = holm(p, alpha)
    for value, rejected in zip(p, decided, strict=True):
        assert rejected or value * len(p) > alpha
        assert not rejected or value <= alpha


@given(p=P, seed=st.integers(0, 99))
@settings(deadline=None, derandomize=True)
def test_the_order_of_lines_does_not_matter(p, seed):
    order = np.random.default_rng(seed).permutation(len(p))
    adjusted = np.array(holm_adjusted(p))
    np.testing.assert_array_equal(np.array(holm_adjusted([p[i] for i in order])), adjusted[order])


def test_holm_keeps_the_error_of_the_whole_gate():
    """Eight lines that depend on each other, three of them truly cleared: a wrong one in at most 5 of 100 gates.

    4,000 gates: Monte-Carlo error 0.0034.
    """
    rng = np.random.default_rng(0)
    gates, lines, cleared = 4000, 8, 3
    for shared in (0.0, 0.8):
        noise = np.sqrt(1 - shared) * rng.normal(size=(gates, lines)) + np.sqrt(shared) * rng.normal(size=(gates, 1))
        noise[:, :cleared] += 4
        decided = np.array([holm(row) for row in ndtr(-noise)])
        assert decided[:, cleared:].any(axis=1).mean() <= 0.05 + 3 * 0.0034
        assert decided[:, :cleared].mean() > 0.85
        uncorrected = (ndtr(-noise) <= 0.05)[:, cleared:].any(axis=1).mean()
        assert uncorrected > 0.08


def test_bounds_of_slices_hold_together():
    """Ten slices, 3,000 trials: all bounds at once in 95 of 100, Monte-Carlo error 0.004."""
    rng = np.random.default_rng(1)
    together = 0
    for values in rng.normal(size=(3000, 10)):
        slices = [Estimate("mae", v, None, None, 100, standard_error=1.0) for v in values]
        together += all(low <= 0 for low, _ in simultaneous_bounds(slices))
    assert 0.938 <= together / 3000 <= 0.965
    assert simultaneous_level(1) == simultaneous_level(0) == 0.95


def test_a_line_over_slices_says_what_its_bounds_say():
    rng = np.random.default_rng(2)
    seen = set()
    for _ in range(400):
        slices = [
            Estimate("roc_auc", v, None, None, 50, standard_error=0.02, degrees=13) for v in rng.normal(0.62, 0.06, 3)
        ]
        clears, misses = over_slices([one_sided(each, 0.6, ">=") for each in slices])
        bounds = simultaneous_bounds(slices)
        assert (clears <= 0.05) == all(low >= 0.6 for low, _ in bounds)
        assert (misses <= 0.05) == any(high < 0.6 for _, high in bounds)
        seen.add((clears <= 0.05, misses <= 0.05))
    assert seen == {(True, False), (False, True), (False, False)}
    assert over_slices([]) == (1.0, 1.0)
    nothing = Estimate("roc_auc", None, None, None, 0)
    assert simultaneous_bounds([nothing]) == [(None, None)]
