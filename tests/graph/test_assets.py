from __future__ import annotations

import pytest

from rondo.graph.assets import Standing, standing


def stands(**changes: object) -> Standing:
    given = {
        "built": {"raw": 1},
        "built_definition": "d",
        "definition": "d",
        "inputs": {"raw": 1},
        "changed": "its definition changed",
        "coming": None,
    }
    return standing(**{**given, **changes})


def test_what_is_built_from_what_is_there_is_fresh() -> None:
    assert stands() == Standing(None) and stands().fresh


@pytest.mark.parametrize(
    ("changes", "why", "reason"),
    [
        ({"built": None}, "new", "never built"),
        ({"built_definition": None}, "new", "never built"),
        ({"definition": "e"}, "stale", "its definition changed"),
        ({"inputs": {"raw": 2}}, "due", "raw has a new version"),
        ({"inputs": {"raw": 1, "other": 1}}, "due", "other has a new version"),
        ({"coming": {"raw": "due"}}, "due", "raw is due"),
        ({"coming": {"raw": "new"}}, "due", "raw is new"),
        ({"coming": {"raw": "stale"}}, "stale", "raw is stale"),
        ({"definition": "e", "coming": {"raw": "due"}}, "stale", "its definition changed"),
        ({"coming": {"raw": "due", "other": "stale"}}, "stale", "other is stale"),
    ],
)
def test_why_something_must_be_built(changes: dict[str, object], why: str, reason: str) -> None:
    found = stands(**changes)
    assert (found.why, found.reason, found.fresh) == (why, reason, False)
