from __future__ import annotations

import itertools
import math

import msgspec
import numpy as np

from rondo.models.linear import Constant, Linear, Term
from rondo.models.predictors import load_predictor

MODEL = Linear(
    "sigmoid",
    (0.5,),
    (
        Term("number", 2.0, 4.0, ((1.5,),), (-0.3,), (0.1,)),
        Term("category", 0.0, 1.0, ((0.2,), (-0.7,)), (0.4,), (-0.05,)),
        Term("nothing", 0.0, 1.0, (), (0.0,), (0.0,)),
    ),
)
ROWS = np.array([[6.0, 1.0, 9.0], [np.nan, 0.0, np.nan], [2.0, np.nan, 0.0]])


def test_margins_by_hand():
    expected = [0.5 + 1.5 - 0.7, 0.5 - 0.3 + 0.2, 0.5 + 0.0 + 0.4]
    assert np.allclose(MODEL.margins(ROWS)[:, 0], expected)
    assert np.allclose(MODEL.predict(ROWS), [1 / (1 + math.exp(-m)) for m in expected])


def test_contributions_are_shapley_values_of_independent_columns():
    base, shares = MODEL.contributions(ROWS)
    assert np.allclose(base + shares.sum(axis=1), MODEL.margins(ROWS))
    terms = [t.of(ROWS[:1, i])[0, 0] for i, t in enumerate(MODEL.terms)]
    means = [t.expected[0] for t in MODEL.terms]
    for column in range(3):  # Shapley's own formula: the mean over all orders of what the column adds
        added = []
        for order in itertools.permutations(range(3)):
            before = order[: order.index(column)]
            known = [terms[i] if i in before else means[i] for i in range(3)]
            after = [terms[i] if i in (*before, column) else means[i] for i in range(3)]
            added.append(sum(after) - sum(known))
        assert np.isclose(shares[0, column, 0], np.mean(added))


def test_a_row_alone_predicts_as_in_its_batch_and_json_gives_the_same_model():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(500, 3))
    matrix[:, 1] = rng.integers(0, 2, 500)
    again = load_predictor("linear", MODEL.save())
    assert again == MODEL
    alone = np.concatenate([again.predict(matrix[i : i + 1]) for i in range(500)])
    assert alone.tobytes() == MODEL.predict(matrix).tobytes()


def test_far_numbers_stay_finite():
    assert np.isfinite(MODEL.predict(np.array([[1.7e308, 0.0, 0.0], [-1.7e308, 0.0, 0.0]]))).all()


def test_constant_answers_the_same_to_everything():
    constant = Constant(3, tuple(np.log([0.2, 0.3, 0.5]).tolist()), "softmax")
    assert np.allclose(constant.predict(ROWS), [[0.2, 0.3, 0.5]] * 3)
    assert not constant.contributions(ROWS)[1].any()
    assert load_predictor("constant", constant.save()) == constant
    assert msgspec.json.decode(constant.save()["model.json"])["columns"] == 3
