from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from rondo.errors import WrongUse
from rondo.stats.domains import _compare, domain_auc


def days_of(rng, days, rows, columns=4, effect=0.0):
    """Rows of days, each day with a weather of its own."""
    block = np.repeat(np.arange(days), rows)
    return rng.normal(size=(days * rows, columns)) + effect * rng.normal(size=(days, columns))[block], block


def test_columns_that_moved_only_together_are_seen():
    """Each column alone is as before: only their correlation turned."""
    rng = np.random.default_rng(0)
    reference, reference_days = days_of(rng, 10, 100, 2)
    current, days = days_of(rng, 10, 100, 2)
    reference[:, 1] = 0.9 * reference[:, 0] + np.sqrt(1 - 0.81) * reference[:, 1]
    current[:, 1] = -0.9 * current[:, 0] + np.sqrt(1 - 0.81) * current[:, 1]
    found = domain_auc(reference, current, reference_blocks=reference_days, blocks=days, seed=0)
    assert found.low is not None and found.low > 0.75 and found.n == 1000


def test_days_that_differ_are_no_drift():
    """Every day has its weather, so rows of a day are easily told apart: the classifier must never have seen the day."""
    found = []
    for run in range(60):
        rng = np.random.default_rng(run)
        reference, reference_days = days_of(rng, 20, 30, 3, effect=0.5)
        current, days = days_of(rng, 20, 30, 3, effect=0.5)
        found.append(domain_auc(reference, current, reference_blocks=reference_days, blocks=days, draws=200, seed=run))
    values = [each.value for each in found]
    assert abs(np.mean(values) - 0.5) < 2.5 * np.std(values, ddof=1) / np.sqrt(60)
    assert sum(each.low <= 0.5 <= each.high for each in found) >= 55
    assert sum(each.low > 0.5 for each in found) <= 3


def test_a_column_that_moved_far_is_told_apart_nulls_and_all():
    rng = np.random.default_rng(0)
    reference, current = rng.normal(size=(300, 2)), rng.normal(size=(200, 2))
    current[:, 1] = np.nan
    found = domain_auc(reference, current, seed=0)
    assert found.value == pytest.approx(1.0) and found.high == pytest.approx(1.0)
    assert found == domain_auc(reference, current, seed=0)


def test_pairs_within_a_fold_are_the_auc():
    rng = np.random.default_rng(0)
    lower, upper = rng.integers(0, 9, 40).astype(float), rng.integers(2, 12, 30).astype(float)
    wins, pairs = np.zeros((3, 4)), np.zeros((3, 4))
    _compare(wins, pairs, lower, rng.integers(0, 4, 40), upper, rng.integers(0, 3, 30))
    expected = roc_auc_score(np.repeat([0, 1], [40, 30]), np.concatenate([lower, upper]))
    assert wins.sum() / pairs.sum() == pytest.approx(expected)
    assert pairs.sum() == 1200


def test_one_day_says_nothing():
    rows = np.zeros((20, 1))
    found = domain_auc(rows, rows, blocks=np.zeros(20, dtype=np.int64), seed=0)
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 20)


@pytest.mark.parametrize("other", [np.zeros((5, 2)), np.zeros(5)])
def test_other_columns_are_wrong_use(other):
    with pytest.raises(WrongUse, match="do not have the same columns"):
        domain_auc(np.zeros((5, 3)), other, seed=0)
