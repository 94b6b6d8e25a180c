from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.mistakes import find_mistakes, losses_of, redact_mistakes
from rondo.develop.reading import labelled
from rondo.project.models import lightgbm, multiclass, regression
from rondo.records.studies import Mistakes


@pytest.fixture
def judged(bench, make):
    """From columns and a label: a packed model and all labelled rows."""

    def made(columns, label, *, moment=None, task="binary", declared=None):
        dataset, signature = bench.freeze(columns, fed=list(columns), label=label, moment=moment, task=task)
        model = make.declare(declared, train=lightgbm(num_iterations=30))
        packed = make.unpack(bench, make.train(bench, model, dataset, signature))
        return packed, labelled(dataset, bench.store)

    return made


def test_a_planted_slice_is_found_and_named(judged, make):
    columns, label, moment = make.churn(4000)
    rng = np.random.default_rng(1)
    region = np.array(["north", "south", "east", "west"])[rng.integers(0, 4, 4000)]
    label = np.where(region == "east", rng.random(4000) < 0.5, label)  # what nobody can tell there
    packed, rows = judged({**columns, "region": pa.array(region)}, pa.array(label), moment=moment)
    found = find_mistakes(packed, rows, version=3, testset="test")
    assert [(c.column, c.is_) for c in found.slices[0].conditions] == [("region", "east")]
    first = found.slices[0]
    assert first.low <= first.share <= first.high and first.lift > 1.3 and first.mistakes < first.rows
    assert found.rows == 4000 and found.confirmed_on < 4000 and found.days > 30 and found.version == 3


def test_the_worst_come_first_and_say_why(judged, make):
    columns, label, moment = make.churn()
    packed, rows = judged(columns, pa.array(label), moment=moment)
    found = find_mistakes(packed, rows, version=1, most=5)
    losses = [each.loss for each in found.worst]
    assert len(losses) == 5 and losses == sorted(losses, reverse=True) and losses[0] > found.mean_loss
    worst = found.worst[0]
    assert worst.outcome != worst.label and worst.moment is not None and set(worst.features) == set(columns)
    assert abs(-np.log(worst.score if worst.outcome else 1 - worst.score) - worst.loss) < 1e-12
    weights = [abs(each.contribution) for each in worst.contributions]
    assert len(weights) == 3 and weights == sorted(weights, reverse=True)
    assert all(worst.features[each.feature] == each.value for each in worst.contributions)


def test_numbers_err_in_their_own_unit(judged, make):
    columns, _, moment = make.churn()
    rng = np.random.default_rng(0)
    usage = np.nan_to_num(np.array(columns["usage"].to_pylist(), dtype=float))
    far = rng.random(1500) < 0.05
    y = pa.array(10 * usage + rng.normal(size=1500) + 80 * far)
    packed, rows = judged(columns, y, moment=moment, task="regression", declared=regression("label"))
    found = find_mistakes(packed, rows, version=1, most=3)
    assert found.loss == "absolute_error" and found.mistakes == 150
    assert all(each.loss == abs(each.score - each.outcome) > 40 for each in found.worst)


def test_several_classes_are_told_by_what_the_truth_was_given(judged, make):
    columns, _, moment = make.churn()
    plan = np.array([each or "none" for each in columns.pop("plan").to_pylist()])
    packed, rows = judged(columns, pa.array(plan), moment=moment, task="multiclass", declared=multiclass("label"))
    found = find_mistakes(packed, rows, version=1, most=3)
    worst = found.worst[0]
    assert worst.label != worst.outcome and abs(-np.log(worst.score) - worst.loss) < 1e-12


def test_losses():
    assert losses_of("regression", np.array([1.0, 3.0]), np.array([2.0, 3.0])).tolist() == [1.0, 0.0]
    assert np.allclose(losses_of("binary", np.array([1.0, 0.0]), np.array([0.25, 0.25])), -np.log([0.25, 0.75]))
    assert np.isfinite(losses_of("binary", np.array([1.0]), np.array([0.0]))).all()
    assert np.allclose(losses_of("multiclass", np.array([1.0]), np.array([[0.2, 0.5, 0.3]])), -np.log(0.5))


def test_rows_are_forgotten(bench, judged, make):
    columns, label, moment = make.churn()
    packed, rows = judged(columns, pa.array(label), moment=moment)
    bench.store.ledger.append(find_mistakes(packed, rows, version=1), by="ann")
    assert redact_mistakes(bench.store, "m") == 1
    left = bench.store.ledger.latest(Mistakes, name="m").record
    assert left.worst == [] and left.rows == 1500
