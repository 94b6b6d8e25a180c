from __future__ import annotations

import itertools
import math
from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from rondo.models.attribution import by_asking, of_one_margin
from rondo.models.encoding import encode_table
from rondo.models.linear import Linear, Term
from rondo.models.links import sigmoid
from rondo.models.predictors import LightGBM
from rondo.stats.calibration import apply_calibration


def test_contributions_add_up_to_the_score_answered(boosted):
    packed, table = boosted
    matrix = encode_table(packed.encoder, table)[:60]
    scores = packed.score(matrix)
    for row, why in enumerate(packed.explain(matrix)):
        answered = scores[row].max() if scores.ndim == 2 else scores[row]
        assert why.prediction == pytest.approx(answered, abs=1e-12)
        assert why.base + why.contributions.sum() + why.residual == pytest.approx(answered, abs=1e-12)
        assert abs(why.residual) < 1e-9


def test_a_calibrated_score_is_explained_on_its_own_scale_with_shares_and_signs_kept(make):
    packed, table = make.packed("binary")
    matrix = encode_table(packed.encoder, table)[:40]
    calibrated = replace(packed, calibration={"kind": "platt", "coefficients": [0.5, -1.0]})
    raw = packed.predictor.contributions(matrix)[1][:, :, 0]
    expected = apply_calibration(calibrated.calibration, packed.score(matrix))
    for row, why in enumerate(calibrated.explain(matrix)):
        assert why.prediction == expected[row] and abs(why.residual) < 1e-12
        share, margin_share = why.contributions / np.abs(why.contributions).sum(), raw[row] / np.abs(raw[row]).sum()
        assert np.allclose(share, margin_share, atol=1e-9)


def test_a_margin_that_ends_where_it_began_is_explained_by_the_slope():
    term = Term("number", 0.0, 1.0, ((1.0,),), (0.0,), (0.0,))
    model = Linear("sigmoid", (0.0,), (term, term))
    (why,) = of_one_margin(model, np.array([[2.0, -2.0]]), lambda m: sigmoid(m[:, 0]))
    assert why.prediction == why.base == 0.5
    assert why.contributions == pytest.approx([0.5, -0.5], abs=1e-6)  # 2 · sigmoid'(0)


def test_exact_treeshap_of_one_tree(make):
    """Against Shapley's formula over the tree's own path-dependent expectations."""
    matrix = np.array([[a, b, 0.0, 0.0] for a in (0.0, 1.0) for b in (0.0, 1.0)] * 25)
    y = matrix[:, 0] * 2 + matrix[:, 1] * (1 + matrix[:, 0])
    data = lightgbm.Dataset(matrix, y, params={"verbosity": -1, "min_data_in_bin": 1})
    booster = lightgbm.Booster(
        {"objective": "regression", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 1, "num_leaves": 4}, data
    )
    for _ in range(60):
        booster.update()
    base, shares = LightGBM(booster.model_to_string(), "identity").contributions(np.array([[1.0, 1.0, 0, 0]]))
    value = {(): y.mean(), (0,): 3.0, (1,): 2.5, (0, 1): 4.0}  # E[y | the columns known are 1]
    value[0,] = y[matrix[:, 0] == 1].mean()
    value[1,] = y[matrix[:, 1] == 1].mean()
    value[0, 1] = y[(matrix[:, 0] == 1) & (matrix[:, 1] == 1)].mean()
    first = ((value[0,] - value[()]) + (value[0, 1] - value[1,])) / 2
    assert base[0] == pytest.approx(y.mean(), abs=1e-6)
    assert shares[0, 0, 0] == pytest.approx(first, abs=0.02) and not shares[0, 2:, 0].any()


def test_asking_gives_shapley_values_of_any_model():
    def score(matrix):
        return matrix[:, 0] * matrix[:, 1] + np.sin(matrix[:, 2])

    background, row = np.array([[0.0, 0.0, 0.0], [1.0, -1.0, 2.0]]), np.array([[2.0, 3.0, 1.0]])
    (why,) = by_asking(score, row, np.repeat(background, 200, axis=0), seed=0)
    exact = np.zeros(3)
    for column in range(3):
        others = [c for c in range(3) if c != column]
        for size in range(3):
            for known in itertools.combinations(others, size):
                weight = math.factorial(size) * math.factorial(2 - size) / math.factorial(3)
                for ground in background:
                    without, with_ = ground.copy(), ground.copy()
                    without[list(known)] = row[0, list(known)]
                    with_[[*known, column]] = row[0, [*known, column]]
                    exact[column] += weight * (score(with_[None])[0] - score(without[None])[0]) / 2
    assert why.contributions == pytest.approx(exact, abs=0.1)
    assert why.residual == pytest.approx(0, abs=1e-9) and why.base == pytest.approx(score(background).mean())


def test_asking_about_classes_explains_the_likeliest():
    def score(matrix):
        first = 1 / (1 + np.exp(-matrix[:, 0]))
        return np.column_stack([first, 1 - first])

    (why,) = by_asking(score, np.array([[-2.0, 5.0]]), np.zeros((4, 2)), seed=0)
    assert why.prediction == pytest.approx(1 / (1 + math.exp(-2))) and why.base == 0.5
    assert why.contributions == pytest.approx([why.prediction - 0.5, 0.0])
