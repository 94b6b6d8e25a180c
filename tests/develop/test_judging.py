from __future__ import annotations

import numpy as np
import pytest

from rondo.develop.judging import judge, main_metric, metrics_for, threshold_for
from rondo.errors import DeclarationError, NotFound
from rondo.project.metrics import metric
from rondo.project.models import binary, cost, multiclass, regression


def names(model, custom=None, also=()):
    return [m.name for m in metrics_for(model, custom or {}, also)]


def test_a_model_is_judged_by_its_task_its_prices_and_the_projects_own(make):
    @metric(task="binary", higher_is_better=False)
    def missed(y_true, y_score, y_label):
        return float(((y_true == 1) & (y_label == 0)).sum())

    model = make.declare(binary("label", threshold=cost(false_positive=1, false_negative=5)), metric="missed")
    found = metrics_for(model, {"missed": missed})
    assert {"roc_auc", "cost", "missed"} <= {m.name for m in found}
    assert not main_metric(model, found).higher_is_better
    assert "missed" not in names(make.declare(regression("label")), {"missed": missed})
    assert "cost" not in names(make.declare())


def test_names_a_prd_asks_for_are_added_and_unknown_ones_left_to_the_gate(make):
    assert "pinball_10" in names(make.declare(regression("label")), also=["pinball_10", "pinball", "roc_auc"])
    assert "pinball_10" not in names(make.declare(), also=["pinball_10"])
    with pytest.raises(NotFound, match="log_loss"):
        metrics_for(make.declare(multiclass("label"), metric="roc_auc"), {})


def test_an_own_metric_is_undefined_where_it_finds_no_value_and_an_error_where_it_is_wrong(make):
    @metric()
    def fragile(y_true, y_score, y_label):
        if len(np.unique(y_true)) < 2:
            raise ValueError("one class")
        return float(np.mean(y_score))

    @metric()
    def broken(y_true, y_score, y_label):
        return y_true.no_such_thing

    by_name = {m.name: m for m in metrics_for(make.declare(), {"fragile": fragile, "broken": broken})}
    assert np.isnan(by_name["fragile"].compute([1, 1], [0.5, 0.5], [1, 1]))
    assert by_name["fragile"].compute([0, 1], [0.2, 0.4], [0, 0]) == pytest.approx(0.3)
    with pytest.raises(DeclarationError, match="broken failed: AttributeError") as raised:
        by_name["broken"].compute([0, 1], [0.2, 0.4], [0, 0])
    assert raised.value.file == "metrics.py"


def test_an_own_metric_of_nothing_is_undefined_without_a_word(make):
    @metric()
    def caught(y_true, y_score, y_label):
        return float(y_true[y_label == 1].mean())  # numpy warns of an empty mean; warnings are errors here

    [found] = [m for m in metrics_for(make.declare(), {"caught": caught}) if m.name == "caught"]
    assert np.isnan(found.compute(np.array([0.0, 1.0]), np.array([0.2, 0.4]), np.array([0, 0])))


def test_thresholds_follow_the_declaration():
    y, scores = np.array([0, 0, 1, 1.0]), np.array([0.1, 0.4, 0.35, 0.8])
    assert threshold_for(binary("label", threshold=0.3), y, scores) == 0.3
    assert 0.1 < threshold_for(binary("label", threshold="f1"), y, scores) <= 0.35
    dear_miss = threshold_for(binary("label", threshold=cost(false_positive=1, false_negative=100)), y, scores)
    dear_alarm = threshold_for(binary("label", threshold=cost(false_positive=100, false_negative=1)), y, scores)
    assert dear_miss <= 0.35 < 0.4 < dear_alarm
    assert threshold_for(multiclass("label"), y, scores) is None


def test_a_metric_without_rows_or_value_is_none(make):
    auc = main_metric(make.declare(), metrics_for(make.declare(), {}))
    said = lambda scores: (scores > 0.5).astype(int)  # noqa: E731
    assert judge(auc, binary("label"), np.empty(0), np.empty(0), said) is None
    assert judge(auc, binary("label"), np.ones(2), np.array([0.1, 0.9]), said) is None
    assert judge(auc, binary("label"), np.array([0.0, 1.0]), np.array([0.1, 0.9]), said) == 1.0
