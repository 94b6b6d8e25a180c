from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.fitness import fitness_of
from rondo.project.models import binary, multiclass, regression
from rondo.records.development import Fitness


@pytest.fixture
def examine(bench, make):
    """The fitness of columns with a label."""

    def of(columns, label, task=None, split=None, moment=None):
        task = task or binary("label")
        fed = list(columns)
        dataset, signature = bench.freeze(
            columns, fed=fed, label=pa.array(label), split=split, moment=moment, task=task.kind
        )
        return fitness_of(dataset, store=bench.store, signature=signature, task=task, now=make.now, by="ann")

    return of


def said(found, weight):
    return " ".join(f.what for f in found.findings if f.weight == weight)


def test_good_examples_are_fit(bench, make, examine):
    columns, label, moment = make.churn(3000)
    found = examine(columns, label, moment=moment)
    assert found.verdict == "fit" and found.suits.startswith(("linear", "trees")), found
    assert found.scores["roc_auc constant"] == 0.5 < found.scores["roc_auc linear"]
    assert "Classes among" in said(found, "note") and "beats a constant" in said(found, "note")
    assert bench.store.ledger.latest(Fitness, name="m").record == found


def test_which_kind_of_model_suits(examine):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(3000, 2))
    columns = {"a": x[:, 0], "b": x[:, 1]}
    assert examine(columns, np.sin(3 * x[:, 0]) * x[:, 1], regression("label")).suits.startswith("trees")
    assert examine(columns, x[:, 0] + rng.normal(size=3000), regression("label")).suits.startswith("linear")
    nothing = examine(columns, rng.random(3000) < 0.5)
    assert nothing.suits.startswith("constant") and nothing.verdict == "doubtful"
    assert "No quick model beats a constant" in said(nothing, "warn")


def test_leaks_doubles_voids_and_drift_are_named(examine):
    rng = np.random.default_rng(0)
    n = 2000
    split = ["train"] * 1200 + ["validation"] * 400 + ["test"] * 400
    label = rng.random(n) < 0.5
    columns = {
        "copy": pa.array(label),
        "void": pa.nulls(n, pa.float64()),
        "same": np.ones(n),
        "rare": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.7),
        "id": [f"row {i}" for i in range(n)],
        "year": np.arange(n) // 400,
    }
    found = examine(columns, label, split=split)
    assert found.verdict == "unfit" and "copy equals the label" in said(found, "stop")
    assert "void is null in every" in said(found, "warn") and "year moved" in said(found, "warn")
    for what in ("same never changes", "rare is null in", "id is not fed"):
        assert what in said(found, "note")


def test_columns_that_add_up_to_the_label_are_suspected(examine):
    rng = np.random.default_rng(0)
    a, b = rng.poisson(20, (2, 2000)).astype(float)
    assert "too good to be true" in said(examine({"a": a, "b": b}, a + b, regression("label")), "warn")


def test_rows_that_contradict_one_another(examine):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, 1000)
    found = examine({"x": x.astype(float)}, (x > 1) ^ (rng.random(1000) < 0.2))
    assert "twin of equal features and another label" in said(found, "warn")
    assert "stand in training too" not in said(found, "warn")


def test_rows_that_came_twice_flatter(examine):
    rng = np.random.default_rng(0)
    x = np.tile(rng.normal(size=501), 2)
    label = np.tile(rng.random(501) < 0.5, 2)
    found = examine({"x": x}, label)
    assert "stand in training too: their score flatters" in said(found, "warn")


@pytest.mark.parametrize(
    ("label", "task", "expected"),
    [
        ([], None, "known of no row"),
        ([True], None, "True in all rows"),
        ([True] * 100, None, "True in all rows"),
        (["a", "b", "c"] * 30, None, "3 values"),
        (["a"] * 50, regression("label"), "regression predicts a number"),
        ([5.0] * 50, regression("label"), "the same in all training rows"),
        (["a", "b", "a", "b"], multiclass("label"), "validation split has no labelled rows"),
    ],
)
def test_what_stops_learning_is_a_finding_and_never_a_traceback(examine, label, task, expected):
    split = ["train", "train", "train", "train"] if len(label) == 4 else None
    kind = pa.float64() if task and label[0] == 5.0 else pa.bool_() if not label else None
    found = examine({"x": np.arange(len(label), dtype=float)}, pa.array(label, kind), task, split)
    assert found.verdict == "unfit" and expected in said(found, "stop")


def test_tiny_examples_are_doubtful(examine):
    found = examine({"x": np.arange(20.0)}, [i % 2 == 0 for i in range(20)])
    assert found.verdict == "doubtful" and "only 4 rows" in said(found, "warn")


def test_two_hundred_thousand_rows_take_seconds(examine):
    rng = np.random.default_rng(0)
    n = 200_000
    columns = {f"x{i}": rng.normal(size=n) for i in range(8)} | {"c": rng.choice(list("abcdefgh"), n)}
    begun = time.monotonic()
    found = examine(columns, columns["x0"] + rng.normal(size=n) > 0)
    assert found.verdict == "fit" and time.monotonic() - begun < 20  # about three on a quiet machine
