from __future__ import annotations

import numpy as np

from rondo.models.agreement import EQUAL, apart


def test_differences_are_absolute_below_one_and_relative_above() -> None:
    found = np.array([0.5, 2000.0, -3.0, 0.0])
    expected = np.array([0.5 + 2e-6, 2000.001, -3.0, 0.25])
    np.testing.assert_allclose(apart(found, expected), [2e-6, 0.001 / 2000.001, 0.0, 0.25], rtol=1e-6)
    assert (apart(found, expected) > EQUAL).tolist() == [True, False, False, True]


def test_of_several_classes_the_farthest_counts_and_no_number_is_far_from_all() -> None:
    found = np.array([[0.2, 0.8], [0.5, np.nan], [np.inf, 0.0]])
    np.testing.assert_allclose(apart(found, np.array([[0.3, 0.7], [0.5, 0.5], [np.inf, 0.0]])), [0.1, np.inf, np.inf])
    assert apart(np.empty((0, 3)), np.empty((0, 3))).shape == (0,)
