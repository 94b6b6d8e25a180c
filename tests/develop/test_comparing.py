from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from rondo.develop.comparing import compare
from rondo.develop.judging import metrics_for
from rondo.develop.reading import labelled
from rondo.errors import WrongUse
from rondo.project.models import binary, lightgbm, regression
from rondo.records.development import Comparison


@pytest.fixture
def rivals(bench, make):
    """Trees and a linear model where trees are far better (a square), with the test rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    y = x**2 + rng.normal(scale=0.3, size=2000)
    dataset, signature = bench.freeze({"x": x}, fed=["x"], label=pa.array(y), task="regression")
    model = make.declare(regression("label"), train=lightgbm())
    version = make.train(bench, model, dataset, signature)
    return (
        make.unpack(bench, version),
        make.unpack(bench, version, "linear"),
        labelled(dataset, bench.store, "test"),
        model,
    )


@pytest.mark.parametrize("main", ["rmse", "r2"])
def test_the_better_one_wins_whichever_way_the_metric_points(bench, make, rivals, main):
    trees, line, rows, model = rivals
    words = {"metrics": metrics_for(model, {}), "main": main}
    found = compare(trees, line, rows, names=("m@1", "linear"), **words)
    assert found.verdict == "a" and (found.a, found.b, found.rows) == ("m@1", "linear", 400)
    figure = found.metrics[main]
    assert figure.difference == pytest.approx(figure.a - figure.b) and (figure.difference < 0) == (main == "rmse")
    kept = compare(line, trees, rows, names=("linear", "m@1"), **words)
    bench.store.ledger.append(kept, by="ann", at=make.now)
    assert kept.verdict == "b" and bench.store.ledger.latest(Comparison).record == kept
    assert kept.metrics[main].difference == pytest.approx(-figure.difference)


def test_a_model_against_itself_is_undecided(rivals):
    trees, _, rows, model = rivals
    found = compare(trees, trees, rows, names=("m@1", "m@1"), metrics=metrics_for(model, {}), main="rmse")
    assert found.verdict == "undecided" and found.metrics["rmse"].difference == 0


def test_versions_fed_otherwise_are_compared_on_the_same_examples(bench, make, rivals):
    trees, _, rows, model = rivals
    renamed = rows.rename_columns(["z" if name == "x" else name for name in rows.column_names])
    dataset, signature = bench.freeze(
        {"z": np.arange(100.0)}, fed=["z"], label=pa.array(np.arange(100.0)), task="regression"
    )
    other = make.unpack(bench, make.train(bench, make.declare(regression("label")), dataset, signature))
    words = {"names": ("m@1", "m@2"), "metrics": metrics_for(model, {}), "main": "rmse"}
    assert compare(trees, other, rows, renamed, **words).verdict == "a"
    with pytest.raises(WrongUse, match="different rows"):
        compare(trees, other, rows, renamed.slice(1), **words)


def test_versions_that_answer_another_question_are_refused(bench, make, rivals):
    trees, _, rows, model = rivals
    dataset, signature = bench.freeze({"x": np.arange(100.0)}, fed=["x"], label=pa.array(np.arange(100) % 2 == 0))
    other = make.unpack(bench, make.train(bench, make.declare(binary("label")), dataset, signature))
    with pytest.raises(WrongUse, match="do not answer the same question"):
        compare(trees, other, rows, names=("m@1", "m@2"), metrics=metrics_for(model, {}), main="rmse")


def test_slices_are_compared_on_their_own_rows_and_hold_together(bench, make, rivals):
    trees, line, rows, model = rivals
    half = pa.array(["near" if abs(x) < 1 else "far" for x in rows.column("x").to_pylist()])
    rows = rows.append_column("_carried.side", half)
    words = {"names": ("m@1", "linear"), "metrics": metrics_for(model, {}), "main": "rmse"}
    found = compare(trees, line, rows, slices=["side"], **words)
    assert [(part.by, part.is_) for part in found.slices] == [("side", "near"), ("side", "far")]
    assert sum(part.rows for part in found.slices) == found.rows and not compare(trees, line, rows, **words).slices
    for part in found.slices:
        alone = compare(trees, line, rows.filter(pc.equal(half, part.is_)), **words).metrics["rmse"]
        figure = part.metrics["rmse"]
        assert (figure.difference, figure.n) == (alone.difference, part.rows) and list(part.metrics) == ["rmse"]
        assert figure.low < alone.low < alone.high < figure.high  # Bonferroni over both
