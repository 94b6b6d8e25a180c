from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from rondo.stats.results import Difference, Estimate, finite


def test_documents_hold_no_number_that_json_does_not_know():
    estimate = Estimate("roc_auc", float("nan"), float("-inf"), float("inf"), 3)
    assert estimate.document() == {"value": None, "low": None, "high": None, "n": 3}
    difference = Difference("roc_auc", 0.8, float("nan"), float("nan"), None, None, 3)
    assert difference.document() == {"a": 0.8, "b": None, "difference": None, "low": None, "high": None}
    json.dumps([estimate.document(), difference.document()], allow_nan=False)


def test_a_difference_is_read_as_its_value():
    assert Difference("mae", 2.0, 1.5, 0.5, 0.1, 0.9, 10).value == 0.5


def test_results_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Estimate("mae", 1.0, None, None, 1).value = 2.0  # type: ignore[misc]


def test_finite():
    assert [finite(x) for x in (None, float("nan"), float("inf"), 0.5)] == [None, None, None, 0.5]
