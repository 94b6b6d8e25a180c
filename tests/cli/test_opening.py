from __future__ import annotations

from pathlib import Path

import pytest

import rondo
from rondo.errors import RowError


def test_a_project_is_opened_run_and_asked(shop: Path) -> None:
    project = rondo.open(shop)
    assert project.run().run.state == "done"
    visits = project.table("visits")
    assert visits.num_rows == 1500
    assert project.table("visits", as_of="2024-01-20").num_rows < 1500
    assert project.table("dataset.late").num_rows == 1500
    assert project.sql("select count(*) as n from ledger.versions").column("n").to_pylist() == [1]
    first, second = project.model("late@production").predict(
        [{"shop": "A", "distance": 1.0}, {"shop": "A", "distance": 19.0}]
    )
    assert first["score"] < second["score"]
    with pytest.raises(RowError):
        project.model("late").predict([{"colour": "red"}])


def test_the_root_names_what_it_has() -> None:
    assert {name for name in rondo.__all__ if not hasattr(rondo, name)} == set()
    with pytest.raises(AttributeError, match="Source"):
        _ = rondo.nothing
