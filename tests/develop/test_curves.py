from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.evaluating import evaluate
from rondo.develop.judging import metrics_for
from rondo.develop.reading import labelled
from rondo.project.models import binary, multiclass, regression
from rondo.records.development import Evaluation
from rondo.records.documents import evaluation_document


def judged(bench, make, task, label, kind, slices=()):
    """The evaluation of a linear model on churn's columns with this label."""
    columns, _, moment = make.churn()
    dataset, signature = bench.freeze(
        columns, fed=["usage", "plan", "senior", "calls"], label=pa.array(label), moment=moment, task=kind
    )
    model = make.declare(task=task)
    packed = make.unpack(bench, make.train(bench, model, dataset, signature))
    rows = labelled(dataset, bench.store, "test")
    return evaluate(packed, rows, version=1, metrics=metrics_for(model, {}), slices=slices), packed, rows


@pytest.fixture
def two_classes(bench, make):
    return judged(bench, make, binary("label", threshold=0.3), make.churn()[1], "binary", ["plan"])


def test_a_binary_model_has_all_curves(two_classes):
    found, _, rows = two_classes
    curves = found.curves
    assert np.trapezoid(curves.roc.y, curves.roc.x) == pytest.approx(found.metrics["roc_auc"].value, abs=0.02)
    assert sum(each.n for each in curves.calibration) == rows.num_rows == sum(map(sum, curves.confusion))
    assert sum(sum(counts) for counts in curves.scores.rows.values()) == rows.num_rows
    assert (curves.classes, curves.threshold) == (["false", "true"], 0.3)
    (_, false_positives), (missed, caught) = curves.confusion
    assert caught / (caught + missed) == pytest.approx(found.metrics["recall"].value)
    assert caught / (caught + false_positives) == pytest.approx(found.metrics["precision"].value)


def test_the_rates_of_groups_and_how_far_they_are_from_the_others(two_classes):
    found, _packed, rows = two_classes
    y = np.array(rows.column("label").to_pylist(), dtype=float)
    plans = np.array(rows.column("plan").to_pylist())
    for part in found.slices:
        inside = plans == part.is_
        assert part.rates["base_rate"].value == pytest.approx(y[inside].mean(), rel=1e-4)
        assert part.rates["true_positive_rate"].n == (y[inside] > 0).sum()
        assert part.gaps["base_rate"].value == pytest.approx(y[inside].mean() - y[~inside].mean(), rel=1e-3, abs=1e-5)
        assert part.gaps["base_rate"].low < part.gaps["base_rate"].value < part.gaps["base_rate"].high
    assert sum(part.rates["base_rate"].n for part in found.slices) == rows.num_rows


def test_several_classes_have_a_confusion_alone(bench, make):
    label = np.array(["no", "maybe", "yes"])[np.random.default_rng(2).integers(0, 3, 1500)]
    found, _, rows = judged(bench, make, multiclass("label"), label, "multiclass", ["plan"])
    curves = found.curves
    assert curves.classes == ["maybe", "no", "yes"] and sum(map(sum, curves.confusion)) == rows.num_rows
    right = sum(curves.confusion[place][place] for place in range(3)) / rows.num_rows
    assert right == pytest.approx(found.metrics["accuracy"].value)
    assert curves.roc is None and not curves.calibration
    assert all(not part.rates and not part.gaps for part in found.slices)


def test_a_number_has_its_bins_and_residuals(bench, make):
    columns, _, _ = make.churn()
    usage = np.nan_to_num(np.array(columns["usage"].to_pylist(), dtype=float))
    value = 10 + 3 * usage + np.random.default_rng(4).normal(size=1500)
    found, _, rows = judged(bench, make, regression("label"), value, "regression")
    curves = found.curves
    assert len(curves.calibration) == 10 and not curves.classes
    assert all(each.tenth < each.observed < each.ninth for each in curves.calibration)
    [residuals] = curves.scores.rows.values()
    assert sum(residuals) == rows.num_rows
    assert curves.scores.edges[0] == -curves.scores.edges[-1]


def test_they_are_kept_with_the_record_and_told_to_machines(two_classes):
    found, *_ = two_classes
    written = msgspec.json.encode(found)
    assert msgspec.json.decode(written, type=Evaluation) == found
    assert len(msgspec.json.encode(found.curves)) < 20_000
    old = {name: value for name, value in msgspec.to_builtins(found).items() if name != "curves"}
    assert msgspec.convert(old, Evaluation).curves is None
    document = evaluation_document(found)
    assert document["curves"]["classes"] == ["false", "true"]
    assert set(document["slices"][0]["rates"]) == {
        "base_rate", "selection_rate", "true_positive_rate", "false_positive_rate",
    }  # fmt: skip
