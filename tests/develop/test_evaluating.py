from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.evaluating import DRAWS, FEWEST_DRAWS, SLICES, draws_for, evaluate, groups_of
from rondo.develop.judging import metrics_for
from rondo.develop.reading import labelled
from rondo.errors import BuildError, DeclarationError, WrongUse
from rondo.models.encoding import encode_table
from rondo.project.metrics import metric
from rondo.project.models import binary, multiclass, regression
from rondo.records.development import Evaluation
from rondo.stats.metrics import METRICS


@pytest.fixture
def trained(bench, make):
    """A packed linear model on churn, its test rows and its metrics."""
    columns, label, moment = make.churn()
    columns["_carried.region"] = pa.array(np.array(["north", "south", None])[np.arange(len(label)) % 3])
    dataset, signature = bench.freeze(
        columns, fed=["usage", "plan", "senior", "calls"], label=pa.array(label), moment=moment
    )
    model = make.declare()
    packed = make.unpack(bench, make.train(bench, model, dataset, signature))
    return packed, labelled(dataset, bench.store, "test"), metrics_for(model, {})


def test_metrics_are_those_of_stats_with_days_drawn_whole(trained):
    packed, rows, metrics = trained
    found = evaluate(packed, rows, version=3, metrics=metrics)
    assert (found.name, found.version, found.testset, found.rows) == ("m", 3, "test", 300)
    days = {m.date() for m in rows.column("moment").to_pylist()}
    assert found.blocks == len(days) < 60
    y = np.array(rows.column("label").to_pylist(), dtype=float)
    scores = packed.score(encode_table(packed.encoder, rows))
    auc = found.metrics["roc_auc"]
    assert auc.value == pytest.approx(METRICS["roc_auc"].compute(y, scores, None))
    assert auc.low < auc.value < auc.high and auc.n == 300 and auc.standard_error > 0
    accuracy = found.metrics["accuracy"].value
    assert accuracy == pytest.approx(((scores >= packed.threshold) == y).mean())


def test_slices_have_their_rows_and_their_figures(trained):
    packed, rows, metrics = trained
    found = evaluate(packed, rows, version=1, metrics=metrics, slices=["plan", "region", "senior"])
    by = {(s.by, s.is_): s for s in found.slices}
    assert {is_ for of, is_ in by if of == "region"} == {"north", "south", None}
    assert {is_ for of, is_ in by if of == "senior"} == {True, False}
    for of in ("plan", "region", "senior"):
        assert sum(s.rows for s in found.slices if s.by == of) == found.rows
    plus = rows.filter(pa.compute.equal(rows.column("plan"), "plus"))
    alone = evaluate(packed, plus, version=1, metrics=metrics)
    assert by["plan", "plus"].metrics == alone.metrics


def test_only_the_greatest_values_are_measured_the_rest_listed(bench, make):
    n = 3000
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    shop = rng.geometric(0.02, n).clip(1, 120)
    dataset, signature = bench.freeze(
        {"x": x, "shop": shop}, fed=["x"], label=pa.array(x > 0), split=["train", "validation", "test"] * 1000
    )
    model = make.declare()
    packed = make.unpack(bench, make.train(bench, model, dataset, signature))
    found = evaluate(
        packed, labelled(dataset, bench.store, "test"), version=1, metrics=metrics_for(model, {})[:1], slices=["shop"]
    )
    assert len(found.slices) > SLICES and [bool(s.metrics) for s in found.slices] == [True] * SLICES + [False] * (
        len(found.slices) - SLICES
    )
    sizes = [s.rows for s in found.slices]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) == 1000


def test_a_slice_of_one_class_has_no_auc(trained):
    packed, rows, metrics = trained
    rows = rows.append_column("one", pa.array(["a" if v else "b" for v in rows.column("label").to_pylist()]))
    found = evaluate(packed, rows, version=1, metrics=metrics, slices=["one"])
    assert all(s.metrics["roc_auc"].value is None and s.metrics["accuracy"].value is not None for s in found.slices)


def test_nothing_examined_is_an_error(trained):
    packed, rows, metrics = trained
    for none in (
        rows.slice(0, 0),
        rows.set_column(rows.column_names.index("label"), "label", pa.nulls(300, pa.bool_())),
    ):
        with pytest.raises(BuildError, match="nothing was examined"):
            evaluate(packed, none, version=1, metrics=metrics)
    with pytest.raises(DeclarationError, match="no column 'colour'"):
        evaluate(packed, rows, version=1, metrics=metrics, slices=["colour"])


def test_labels_the_model_does_not_know_are_named(bench, make):
    x = np.arange(100.0)
    dataset, signature = bench.freeze({"x": x}, fed=["x"], label=pa.array(["a", "b"] * 50))
    model = make.declare(binary("label", positive="a"))
    packed = make.unpack(bench, make.train(bench, model, dataset, signature))
    with pytest.raises(WrongUse, match="holds 'c'"):
        evaluate(packed, pa.table({"x": [1.0, 2.0], "label": ["a", "c"]}), version=1, metrics=metrics_for(model, {}))


def test_one_row_has_values_and_no_interval(trained):
    packed, rows, metrics = trained
    found = evaluate(packed, rows.slice(0, 1), version=1, metrics=metrics)
    assert (
        found.rows == 1
        and found.metrics["accuracy"].value in (0.0, 1.0)
        and found.metrics["accuracy"].standard_error is None
    )


def test_an_own_metric_gets_its_interval(trained, make):
    @metric(higher_is_better=True)
    def caught(y_true, y_score, y_label):
        return float(y_label[y_true == 1].mean())

    packed, rows, _ = trained
    found = evaluate(packed, rows, version=1, metrics=metrics_for(make.declare(metric="caught"), {"caught": caught}))
    assert found.metrics["caught"].value == pytest.approx(found.metrics["recall"].value)
    assert found.metrics["caught"].standard_error == pytest.approx(found.metrics["recall"].standard_error, rel=0.4)


def test_other_tasks_are_judged_by_their_own(bench, make):
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    for task, label, expected in (
        (
            multiclass("label"),
            pa.array(np.array(["a", "b", "c"])[np.digitize(x, [-0.5, 0.5])]),
            {"log_loss", "accuracy", "macro_f1", "roc_auc_ovr"},
        ),
        (regression("label"), pa.array(x * 2), {"rmse", "mae", "r2"}),
    ):
        dataset, signature = bench.freeze({"x": x}, fed=["x"], label=label, task=task.kind)
        model = make.declare(task)
        packed = make.unpack(bench, make.train(bench, model, dataset, signature))
        found = evaluate(packed, labelled(dataset, bench.store, "test"), version=1, metrics=metrics_for(model, {}))
        bench.store.ledger.append(found, by="ann", at=make.now)
        assert expected <= set(found.metrics) and found.blocks is None
        assert bench.store.ledger.latest(Evaluation).record == found


def test_draws_are_fewer_for_many_single_rows_and_never_for_days():
    assert draws_for(100, None) == draws_for(10**6, np.zeros(1)) == DRAWS
    assert draws_for(10**6, None) == FEWEST_DRAWS and FEWEST_DRAWS < draws_for(50_000, None) < DRAWS


def test_groups_come_greatest_first_with_every_row_once():
    table = pa.table(
        {
            "by": ["b", "a", None, "b", "a", "c"],
            "when": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=i % 2) for i in range(6)],
        }
    )
    found = [(value, places.tolist()) for value, places in groups_of(table, "by")]
    assert found == [("a", [1, 4]), ("b", [0, 3]), (None, [2]), ("c", [5])]
    assert len(groups_of(table, "when")) == 2 and all(isinstance(value, str) for value, _ in groups_of(table, "when"))
