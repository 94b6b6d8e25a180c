from __future__ import annotations

import numpy as np
import pytest

from rondo.develop.judging import main_metric, metrics_for
from rondo.develop.reading import Rows
from rondo.develop.trying import Material, Try, latency_us, try_out
from rondo.errors import BuildError
from rondo.models.encoding import Coding, Encoder
from rondo.models.linear import Constant
from rondo.project.models import regression
from rondo.stats.metrics import METRICS


@pytest.fixture
def material(make):
    """A straight line with noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 1))
    y = 2 * x[:, 0] + rng.normal(scale=0.1, size=600)
    model = make.declare(regression("label"))
    encoder = Encoder((Coding("x", "number"),))
    return Material(
        Rows(x[:300], y[:300], None),
        Rows(x[300:], y[300:], None),
        encoder,
        model.task,
        0,
        main_metric(model, metrics_for(model, {})),
        0,
    )


def test_every_built_in_trainer_is_judged_by_the_models_metric(material):
    tries = {name: try_out(material, name, {}) for name in ("constant", "linear", "lightgbm")}
    assert tries["linear"].value == pytest.approx(0.1, abs=0.02) and tries["linear"].parameters == {"c": 1.0}
    assert tries["linear"].better_than(tries["lightgbm"], material.metric)
    assert tries["lightgbm"].better_than(tries["constant"], material.metric)
    again = try_out(material, "lightgbm", tries["lightgbm"].parameters)
    assert again.predictor.save() == tries["lightgbm"].predictor.save()


def test_fixed_rounds_are_grown_in_full_unless_patience_is_asked_for(material):
    assert try_out(material, "lightgbm", {"n_estimators": 7}).parameters["num_iterations"] == 7
    stopped = try_out(material, "lightgbm", {"n_estimators": 900, "patience": 2, "learning_rate": 0.5}).parameters
    assert stopped["num_iterations"] < 900 and "early_stopping_rounds" not in stopped


def test_a_defined_value_beats_an_undefined_one():
    def tried(value):
        return Try("linear", {}, Constant(1, (0.0,)), value, 0.0, None)

    auc, rmse = METRICS["roc_auc"], METRICS["rmse"]
    assert tried(0.6).better_than(tried(None), auc) and not tried(None).better_than(tried(0.6), auc)
    assert tried(0.6).better_than(tried(0.5), auc) and not tried(0.6).better_than(tried(0.5), rmse)
    assert not tried(0.5).better_than(tried(0.5), auc)


def test_latency_is_that_of_one_row_and_unknown_without_rows():
    constant = Constant(1, (0.0,))
    assert 0 < latency_us(constant, np.zeros((3, 1))) < 10_000 and latency_us(constant, np.zeros((0, 1))) is None


def test_a_trainer_that_is_gone_is_named(material):
    with pytest.raises(BuildError, match="'forest' cannot be run"):
        try_out(material, "forest", {})
