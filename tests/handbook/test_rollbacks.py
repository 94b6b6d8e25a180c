from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rondo.handbook.rollbacks import way_back
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.deployment import Deployment
from rondo.records.development import Comparison, PairedFigure, Version


def put_to_work(shop: Path) -> Workplace:
    work = open_workplace(shop, by="test")
    made = [
        Version(
            name="late", version=number, definition="d", build=f"b{number}", dataset=1, trainer="lightgbm",
            parameters={}, seed=0, files={}, pinned={"loads": "x"} if number == 1 else {"loads": "x", "shops": "y"},
            why="due",
        )
        for number in (1, 2)
    ]  # fmt: skip
    roles = [Deployment(name="late", version=number, role="production", share=1.0) for number in (1, 2)]
    work.store.ledger.append(*made, *roles, by="test")
    return work


def compared(a: str, b: str, difference: float) -> Comparison:
    figure = PairedFigure(
        a=0.7, b=0.7 - difference, difference=difference, low=difference - 0.01, high=difference + 0.02, n=9
    )
    return Comparison(name="late", a=a, b=b, testset="test", rows=9, metrics={"roc_auc": figure}, verdict="undecided")


def test_what_is_known_of_the_way_back_is_said_from_the_side_of_the_version_before(shop: Path) -> None:
    work = put_to_work(shop)
    unknown = way_back(work, "late")
    assert unknown is not None and (unknown.version, unknown.behind) == ("late@2", "late@1")
    assert unknown.difference is None and unknown.reads_alike is False
    work.store.ledger.append(compared("late@2", "late@1", 0.05), by="test")
    worse = way_back(work, "late")
    assert worse is not None and (worse.difference, worse.low, worse.high) == pytest.approx((-0.05, -0.07, -0.04))
    work.store.ledger.append(compared("late@1", "late@2", 0.05), by="test")
    assert way_back(work, "late") == replace(worse, difference=0.05, low=0.04, high=pytest.approx(0.07))
