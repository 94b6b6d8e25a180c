from __future__ import annotations

from pathlib import Path

import pytest

from rondo.errors import NotFound
from rondo.loop.reproducing import reproduce
from rondo.loop.running import run
from rondo.loop.workplace import open_workplace


def test_a_version_comes_out_the_same_from_its_table_versions(shop: Path, more_loads: str, more_visits: str) -> None:
    run(open_workplace(shop))
    assert reproduce(open_workplace(shop), "late", 1) == []
    (shop / "data/loads_2.csv").write_text(more_loads, encoding="utf-8")
    (shop / "data/visits_2.csv").write_text(more_visits, encoding="utf-8")
    run(open_workplace(shop))
    for version in (1, 2):  # new data has landed since: the old version is made of what there was then
        assert reproduce(open_workplace(shop), "late", version) == []


def test_a_changed_declaration_is_named(shop: Path) -> None:
    run(open_workplace(shop))
    path = shop / "models/late.py"
    path.write_text(path.read_text(encoding="utf-8").replace('test="8d"', 'test="12d"'), encoding="utf-8")
    differences = reproduce(open_workplace(shop), "late", 1)
    assert any("rows were kept that do not come out" in difference for difference in differences)
    assert differences[-1] == "the declaration of late has changed since"


def test_no_such_version(shop: Path) -> None:
    run(open_workplace(shop))
    with pytest.raises(NotFound):
        reproduce(open_workplace(shop), "late", 9)
