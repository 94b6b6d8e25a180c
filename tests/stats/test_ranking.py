from __future__ import annotations

import numpy as np

from rondo.stats.metrics import METRICS
from rondo.stats.ranking import rank

AUC, RMSE = METRICS["roc_auc"], METRICS["rmse"]


def answers(seed, noises, n=4000, days=28):
    """A truth, and scores that know it the less the noisier they are."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-2 * margin))).astype(float)
    sides = [(margin + noise * rng.normal(size=n), (margin > 0).astype(np.int64)) for noise in noises]
    return y, sides, rng.integers(0, days, n)


def test_the_best_is_found_and_the_worse_are_told():
    y, sides, days = answers(0, (0.2, 1.0, 3.0))
    places = rank(AUC, y, sides, blocks=days, draws=300, seed=1)
    assert [place.among_best for place in places] == [True, False, False]
    assert places[0].best == 1.0 and places[0].behind.difference == 0
    assert places[2].behind.high < places[1].behind.low < 0
    assert abs(sum(place.best for place in places) - 1) < 1e-9


def test_equals_share_the_first_place():
    y, sides, days = answers(1, (0.5,))
    places = rank(AUC, y, [*sides, *sides, *sides], blocks=days, draws=200, seed=1)
    assert all(place.among_best and abs(place.best - 1 / 3) < 1e-9 for place in places)


def test_where_less_is_better():
    rng = np.random.default_rng(2)
    y = rng.normal(size=2000)
    sides = [(y + error * rng.normal(size=2000), None) for error in (1.0, 0.5)]
    places = rank(RMSE, y, sides, blocks=rng.integers(0, 20, 2000), draws=200, seed=1)
    assert [place.among_best for place in places] == [False, True] and places[0].behind.low > 0


def test_the_truly_best_of_equals_is_called_worse_in_at_most_one_case_of_twenty():
    wrong = 0
    for seed in range(100):
        y, sides, days = answers(seed, (1.0, 1.0, 1.0, 1.0), n=1500)
        places = rank(AUC, y, sides, blocks=days, draws=200, seed=seed)
        wrong += not places[0].among_best  # any one of the equals is as truly best as the others
    assert wrong <= 10


def test_without_an_error_nobody_is_called_worse():
    y, sides, _ = answers(3, (0.1, 5.0), n=400)
    places = rank(AUC, y, sides, blocks=np.zeros(400, dtype=np.int64), draws=50, seed=0)
    assert all(place.among_best for place in places)
