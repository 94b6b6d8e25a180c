from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rondo.develop.conditions import cut_column
from rondo.models.encoding import Coding

VALUES = st.one_of(st.floats(-1e6, 1e6), st.just(np.nan), st.integers(0, 5).map(float))


def holds(condition, value):
    if condition.missing:
        return bool(np.isnan(value))
    if condition.low is None and condition.high is None and condition.is_ is not None:
        return value == condition.is_
    if np.isnan(value):
        return False
    return (condition.low is None or value >= condition.low) and (condition.high is None or value < condition.high)


@given(arrays(np.float64, st.integers(1, 60), elements=VALUES))
def test_every_number_meets_the_condition_of_its_code_and_no_other(column):
    cut = cut_column(Coding("x", "number"), column)
    for value, code in zip(column, cut.codes, strict=True):
        assert [n for n, condition in enumerate(cut.means, 1) if holds(condition, value)] == [code]


def test_categories_are_told_by_their_commonest_values():
    coding = Coding("x", "category", tuple(f"v{n}" for n in range(30)))
    cut = cut_column(coding, np.array([0.0, 19.0, 20.0, 29.0, np.nan]))
    assert cut.codes.tolist() == [1, 20, 0, 0, 21]
    assert (cut.means[0].is_, cut.means[19].is_, cut.means[20].missing) == ("v0", "v19", True)


def test_truth_values_are_called_so():
    cut = cut_column(Coding("x", "boolean"), np.array([0.0, 1.0]))
    assert [condition.is_ for condition in cut.means[:2]] == [False, True]
