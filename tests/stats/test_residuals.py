from __future__ import annotations

import numpy as np
import pytest

from rondo.stats.residuals import intercept, residual, slope


def logits(n: int, seed: int = 0) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.normal(-1, 1.2, n), rng


def chance(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def test_scores_that_are_right_leave_nothing() -> None:
    z, rng = logits(20_000)
    y = (rng.random(len(z)) < chance(z)).astype(float)
    for found, right in (
        (residual(y, chance(z), (z > 0).astype(int)), 0.0),
        (intercept(y, chance(z)), 0.0),
        (slope(y, chance(z)), 1.0),
    ):
        assert found.low < right < found.high and found.high - found.low < 0.12, found


def test_a_prior_shift_moves_the_intercept_and_leaves_the_slope() -> None:
    """Rows of each outcome look as before, and happen at other rates: log-odds are off by one constant."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 10_000), rng.normal(1, 1, 10_000)])  # negatives, as many positives
    y = np.repeat([0.0, 1.0], 10_000)
    said = chance(x - 0.5 - np.log(4))  # what is right where positives are one in five
    assert intercept(y, said).value == pytest.approx(np.log(4), abs=0.05)
    assert slope(y, said).value == pytest.approx(1.0, abs=0.05)
    assert residual(y, said, y.astype(int)).low > 0.2


def test_a_concept_shift_moves_the_slope() -> None:
    z, rng = logits(20_000, 2)
    y = (rng.random(len(z)) < chance(0.4 * z)).astype(float)
    found = slope(y, chance(z))
    assert found.value == pytest.approx(0.4, abs=0.05) and found.high < 0.5


def test_days_that_err_together_widen_the_interval() -> None:
    z, rng = logits(7_000, 3)
    days = np.repeat(np.arange(7), 1_000)
    y = (rng.random(len(z)) < chance(z + rng.normal(0, 0.5, 7)[days])).astype(float)
    alone, whole = intercept(y, chance(z)), intercept(y, chance(z), blocks=days)
    assert alone.value == whole.value and whole.high - whole.low > 2 * (alone.high - alone.low)


def test_outcomes_all_alike_have_no_line() -> None:
    score = np.linspace(0.1, 0.9, 50)
    assert intercept(np.ones(50), score).value is None and slope(np.zeros(50), score).value is None
    assert slope((score > 0.5).astype(float), score).value is None  # separable: as steep as one likes
    assert intercept([], []).value is None


def test_numbers_and_classes_have_residuals_too() -> None:
    assert residual(np.array([3.0, 5.0]), np.array([1.0, 2.0]), np.zeros(2, int), unit="label").value == 2.5
    score = np.array([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]])
    sure = residual(np.array([0.0, 1.0]), score, np.array([0, 2]))
    assert sure.value == pytest.approx((0.3 - 0.6) / 2)
