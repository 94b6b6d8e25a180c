from __future__ import annotations

import itertools

import numpy as np
import pytest

from rondo.develop.boosting import Boosting, resolve
from rondo.errors import BuildError, DeclarationError


def rows(n=600, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    x[:, 3] = rng.integers(0, 5, n)
    x[rng.random((n, 4)) < 0.05] = np.nan
    margin = np.nan_to_num(x[:, 0]) + (x[:, 3] == 2)
    return x, (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float)


def boosting(train, validation=None, task="binary", seed=3, **more):
    return Boosting(train, validation, (3,), task, 2, seed, **more)


def test_early_stopping_and_its_refit_are_the_same_bytes():
    parameters = resolve({"bagging_fraction": 0.8, "bagging_freq": 1, "feature_fraction": 0.8}, "binary", 600)
    searched = boosting(rows(), rows(300, 1)).grow({**parameters, "num_iterations": 500, "early_stopping_rounds": 20})
    assert 1 < searched.rounds < 480 and not searched.cut
    refit = boosting(rows()).grow({**parameters, "num_iterations": searched.rounds})
    assert refit.rounds == searched.rounds and refit.predictor.save() == searched.predictor.save()


def test_text_holds_trees_alone_and_the_seed_counts():
    parameters = {**resolve({"bagging_fraction": 0.5, "bagging_freq": 1}, "binary", 600), "num_iterations": 5}
    text = boosting(rows()).grow(parameters).predictor.text
    assert "parameters" not in text and "seed" not in text and text.endswith("end of trees\n")
    assert boosting(rows()).grow(parameters).predictor.text == text
    assert boosting(rows(), seed=4).grow(parameters).predictor.text != text


def test_growing_ends_by_its_deadline():
    ticks = itertools.count()
    grown = boosting(rows(), rows(300, 1)).grow(
        {**resolve({}, "binary", 600), "num_iterations": 500, "early_stopping_rounds": 400},
        deadline=lambda rounds: 21.0,
        timer=lambda: float(next(ticks)),
    )
    # Each round takes a tick and a look at the clock another: the round that would pass 21 is not begun.
    assert grown.cut and 5 <= grown.rounds <= 11
    one = boosting(rows()).grow({**resolve({}, "binary", 600), "num_iterations": 9}, deadline=lambda rounds: -1.0)
    assert one.cut and one.rounds == 1


def test_a_handful_of_rows_still_gives_a_forest():
    for n in (2, 3, 12):
        x, y = rows(n)
        y[:2] = [0, 1]
        grown = boosting((x, y), (x, y)).grow(
            {**resolve({}, "binary", n), "num_iterations": 20, "early_stopping_rounds": 5}
        )
        assert np.isfinite(grown.predictor.predict(x)).all()


def test_progress_is_told_a_round():
    said = []
    boosting(rows()).grow({**resolve({}, "binary", 600), "num_iterations": 4}, progress=lambda s, w: said.append(s))
    assert said == [0.25, 0.5, 0.75, 1.0]


def test_parameters_go_by_one_name_each_and_unknown_ones_are_refused():
    found = resolve({"n_estimators": 50, "reg_lambda": 2, "min_child_samples": 7}, "regression", 1000)
    assert found["num_iterations"] == 50 and found["lambda_l2"] == 2 and found["min_data_in_leaf"] == 7
    assert found["objective"] == "regression"
    for written, said in (
        ({"leaves": 3}, "no parameter 'leaves'"),
        ({"num_leaves": 3, "max_leaves": 4}, "num_leaves twice"),
        ({"objective": "poisson"}, "cannot do regression"),
        ({"num_leaves": [3]}, r"num_leaves=\[3\]"),
    ):
        with pytest.raises(DeclarationError, match=said):
            resolve(written, "regression", 1000)
    with pytest.raises(BuildError, match="LightGBM refused"):
        boosting(rows()).grow({**resolve({"num_leaves": -3}, "binary", 600), "num_iterations": 2})
