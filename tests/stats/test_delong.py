from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.stats.delong import delong, delong_paired
from rondo.stats.metrics import METRICS


def every_pair(truth, score):
    """The definition, over all pairs."""
    positive, negative = score[truth == 1][:, None], score[truth == 0][None, :]
    wins = (positive > negative) + 0.5 * (positive == negative)
    return wins.mean(1), wins.mean(0)


@given(seed=st.integers(0, 2**32 - 1), decimals=st.sampled_from([1, 9]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_midranks_give_what_all_pairs_give(seed, decimals):
    rng = np.random.default_rng(seed)
    truth = np.concatenate([[0.0, 0, 1, 1], rng.integers(0, 2, 40)])
    a, b = np.round(rng.random((2, 44)), decimals)
    (rows_a, columns_a), (rows_b, columns_b) = every_pair(truth, a), every_pair(truth, b)
    found = delong(truth, a)
    assert found.value == pytest.approx(rows_a.mean())
    assert found.value == pytest.approx(METRICS["roc_auc"].compute(truth, a, None))
    by_hand = np.sqrt(rows_a.var(ddof=1) / len(rows_a) + columns_a.var(ddof=1) / len(columns_a))
    assert found.standard_error == pytest.approx(by_hand)
    rows, columns = rows_a - rows_b, columns_a - columns_b
    both = delong_paired(truth, a, b)
    assert both.difference == pytest.approx(rows.mean())
    assert both.standard_error == pytest.approx(
        np.sqrt(rows.var(ddof=1) / len(rows) + columns.var(ddof=1) / len(columns))
    )


def test_too_few_rows_of_a_class():
    assert delong([0, 0], [0.1, 0.2]).value is None
    lone = delong([0, 0, 1], [0.1, 0.2, 0.3])
    assert (lone.value, lone.low, lone.standard_error) == (1.0, None, None)
    assert delong_paired([0, 0], [0.1, 0.2], [0.3, 0.1]).difference is None
