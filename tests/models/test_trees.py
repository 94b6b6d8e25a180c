"""Trees through LightGBM's C interface, held against the package that trained them."""

from __future__ import annotations

import threading

import lightgbm
import numpy as np
import pytest

from rondo.errors import StoreError
from rondo.models.trees import TrainersTrees, Trees

COLUMNS, CATEGORIES = 12, (9, 10, 11)


def rows(count, seed=0):
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(count, COLUMNS))
    found[:, CATEGORIES] = rng.integers(0, 9, size=(count, len(CATEGORIES)))
    found[rng.random(found.shape) < 0.1] = np.nan
    return found


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def booster(request):
    x = rows(3000)
    rng = np.random.default_rng(1)
    signal = np.nan_to_num(x[:, 0]) + (np.nan_to_num(x[:, 10]) % 3 == 0) + rng.normal(size=len(x))
    y = {"binary": signal > 0, "multiclass": np.digitize(signal, [-0.5, 0.8]), "regression": signal}[request.param]
    more = {"num_class": 3} if request.param == "multiclass" else {}
    settings = {"objective": request.param, "num_leaves": 15, "verbose": -1, "num_threads": 1, "cat_smooth": 1, **more}
    return lightgbm.train(settings, lightgbm.Dataset(x, y, categorical_feature=list(CATEGORIES)), 40)


def odd_rows():
    """Missing, unseen, negative and extreme values in every place."""
    found = rows(200, seed=3)
    for place in range(COLUMNS):
        for number, value in enumerate((np.nan, 99.0, -1.0, 1e300, -1e300, 0.0)):
            found[place * 6 + number, place] = value
    return found


def test_the_same_as_the_trainers_own(booster):
    text, odd = booster.model_to_string(), odd_rows()
    trees, trainers = Trees(text), TrainersTrees(text)
    expected = np.asarray(booster.predict(odd, raw_score=True)).reshape(len(odd), -1)
    assert trees.margins_a_row == trainers.margins_a_row == expected.shape[1]
    for engine in (trees, trainers):
        assert np.abs(engine.margins(odd) - expected).max() == 0
        assert np.abs(np.array([engine.margins_of_row(row) for row in odd.tolist()]) - expected).max() == 0
        assert engine.margins(np.empty((0, COLUMNS))).shape == (0, expected.shape[1])
    assert np.array_equal(trees.contributions(odd), trainers.contributions(odd))


def test_many_rows_on_several_threads_are_the_same(booster):
    many = rows(5000, seed=5)
    trees = Trees(booster.model_to_string())
    assert np.array_equal(trees.margins(many)[:50], np.array([trees.margins_of_row(row) for row in many[:50].tolist()]))


def test_threads_do_not_mix_rows(booster):
    trees, some = Trees(booster.model_to_string()), rows(64, seed=7)
    expected, wrong = trees.margins(some), []

    def ask(offset):
        for turn in range(300):
            number = (offset + turn) % len(some)
            if trees.margins_of_row(some[number].tolist()) != expected[number].tolist():
                wrong.append(number)

    asking = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    [thread.start() for thread in asking], [thread.join() for thread in asking]
    assert not wrong


@pytest.mark.parametrize("engine", [Trees, TrainersTrees])
@pytest.mark.parametrize("text", ["", "no trees here", "tree\nversion=v4\nnum_class=1\n"])
def test_what_is_no_model_is_said(engine, text):
    with pytest.raises(StoreError, match="cannot be read"):
        engine(text)
