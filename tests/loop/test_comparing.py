from __future__ import annotations

import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from rondo.deploy.resolving import moment_named
from rondo.loop.comparing import compare, compare_whole
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.records.development import Comparison, Evaluation


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, long_shop_files: Mapping[str, str]) -> Path:
    """late@1, and late@2 trained two weeks later with fewer trees."""
    root = tmp_path_factory.mktemp("two") / "shop"
    for later in (False, True):
        for name, text in long_shop_files.items():
            if name.endswith("_2.csv") == later:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
        if not later:
            run(open_workplace(root))
    changed(root, "models/late.py", "num_iterations=20", "num_iterations=8")
    return root


@pytest.fixture
def two(trained: Path, tmp_path: Path) -> Workplace:
    """A copy of it."""
    shutil.copytree(trained, tmp_path / "shop")
    return open_workplace(tmp_path / "shop")


def changed(root: Path, file: str, old: str, new: str) -> Workplace:
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    run(open_workplace(root))
    return open_workplace(root)


def parts(found: Comparison) -> dict[str, float | None]:
    return {part.what: part.value for part in found.split.parts}


def reported(work: Workplace, version: int, metric: str) -> float:
    return work.store.ledger.latest(Evaluation, name="late", version=version).record.metrics[metric].value


def test_what_was_said_then_and_holds_now_differ_by_rows_and_model(two: Workplace) -> None:
    found = compare_whole(two, ("late", 2), ("late", 1))
    split, auc = found.split, found.metrics["roc_auc"]
    assert (split.then, split.now) == (reported(two, 1, "roc_auc"), auc.a) and split.now == reported(two, 2, "roc_auc")
    assert (parts(found)["metric"], parts(found)["labels"]) == (0.0, 0.0)
    assert parts(found)["data"] == auc.b - split.then and parts(found)["model"] == auc.difference
    assert split.difference == math.fsum(parts(found).values()) == pytest.approx(split.now - split.then, abs=1e-12)
    data, model = split.parts[2], split.parts[3]
    assert data.low < data.value < data.high  # other days: two samples
    assert (model.low, model.high) == (auc.low, auc.high)
    assert two.store.ledger.latest(Comparison, name="late").record == found
    assert {part.is_ for part in found.slices} == {"A", "B", "C"} and sum(p.rows for p in found.slices) == found.rows
    assert compare(two, ("late", 2), ("late", 1)).split is None


def test_labels_that_were_revised_have_their_part(two: Workplace) -> None:
    path = two.project.root / "data/visits_1.csv"
    head, *lines = path.read_text().splitlines()
    turned = {"true": "false", "false": "true"}
    for n in range(len(lines) - 200, len(lines), 4):  # of the test rows of late@1
        visit, asked, shop, distance, late, known = lines[n].split(",")
        lines[n] = ",".join([visit, asked, shop, distance, turned[late], known])
    path.write_text("\n".join([head, *lines]) + "\n")
    run(open_workplace(two.project.root), ["visits"])
    work = open_workplace(two.project.root)
    found = compare_whole(work, ("late", 2), ("late", 1))
    assert parts(found)["metric"] == 0.0 and parts(found)["labels"] < -0.02
    assert found.split.difference == pytest.approx(found.split.now - found.split.then, abs=1e-12)
    assert found.split.parts[1].note is None


def test_another_metric_has_its_part(two: Workplace) -> None:
    work = changed(two.project.root, "models/late.py", 'slices=["shop"]', 'slices=["shop"], metric="brier"')
    found = compare_whole(work, ("late", 2), ("late", 1))
    assert (found.split.metric_then, found.split.metric) == ("roc_auc", "brier")
    assert parts(found)["metric"] == reported(work, 1, "brier") - reported(work, 1, "roc_auc")
    assert found.split.difference == pytest.approx(found.split.now - found.split.then, abs=1e-12)


def test_rows_that_are_gone_are_said_and_their_part_is_in_the_next(two: Workplace) -> None:
    ledger = two.store.ledger

    def longer(told: Evaluation) -> Evaluation:
        return msgspec.structs.replace(told, rows=told.rows + 9) if told.version == 1 else told

    ledger.redact(Evaluation, longer, name="late")
    found = compare_whole(two, ("late", 2), ("late", 1))
    assert [part.value is None for part in found.split.parts] == [True, True, False, False]
    assert re.fullmatch(r"9 of its \d+ test rows have been erased since", found.split.parts[0].note)
    assert found.split.parts[2].note == "contains the part of the metric and the labels"
    assert found.split.difference == pytest.approx(found.split.now - found.split.then, abs=1e-12)


def test_then_is_the_moment_that_a_version_is_named_by(two: Workplace) -> None:
    early = moment_named("late@2013-03-01", "Europe/Berlin")
    found = compare_whole(two, ("late", 2), ("late", 1), then=early)
    assert found.split.then is None and found.split.parts[0].value is None
    assert "no evaluation of late@1 on its test split was recorded by then" in found.split.parts[0].note
    assert found.split.parts[3].value == found.metrics["roc_auc"].difference
    assert [moment_named(text, "UTC") for text in ("late", "late@7", "late@production")] == [None] * 3


def test_rows_that_a_version_was_trained_on_are_counted(two: Workplace) -> None:
    assert compare_whole(two, ("late", 2), ("late", 1)).seen == {}
    turned = compare_whole(two, ("late", 1), ("late", 2))  # the test rows of late@1, days of late@2's training
    assert turned.seen == {"late@2": turned.rows}
    assert set(compare_whole(two, ("late", 2), ("late", 1), "march").seen) <= {"late@2"}
