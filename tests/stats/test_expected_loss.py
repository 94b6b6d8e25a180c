from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rondo.stats.expected_loss import Answers, chances, expected_change, expected_loss, realised_loss, restored
from rondo.stats.metrics import METRICS

AUC, LOG_LOSS = METRICS["roc_auc"], METRICS["log_loss"]
numbers = st.sampled_from([np.nan, 0.0, 1.0, 2.0, 7.5, -3.0])


def column(rows: int):
    return arrays(np.float64, rows, elements=numbers)


@given(column(20), column(20), st.booleans())
def test_restored_has_the_distribution_of_the_reference(window, reference, category: bool) -> None:
    found = restored(window, reference, chances(20, seed=0), category=category)
    assert np.isnan(found).sum() == np.isnan(reference).sum() and set(found[~np.isnan(found)]) <= set(reference)
    if category or np.isnan(window).sum() <= np.isnan(reference).sum():  # else values are drawn for nulls
        np.testing.assert_array_equal(np.sort(found), np.sort(reference))


@given(column(15), st.permutations(range(15)), st.booleans())
def test_what_did_not_drift_stays(window, order, category: bool) -> None:
    np.testing.assert_array_equal(restored(window, window[order], chances(15, seed=1), category=category), window)


@given(st.floats(0.1, 100), st.floats(-50, 50))
def test_another_unit_is_undone_exactly(factor: float, offset: float) -> None:
    before = np.random.default_rng(0).gamma(2.0, size=200)
    shuffled = np.random.default_rng(1).permutation(before)
    np.testing.assert_array_equal(restored(shuffled * factor + offset, before, chances(200, seed=0)), shuffled)


def test_a_category_renamed_gets_its_rows_back() -> None:
    before = np.repeat([0.0, 1.0, 2.0], [50, 30, 20])
    after = np.where(before == 1, np.nan, before)  # a name never seen reads as null
    np.testing.assert_array_equal(restored(after, before, chances(100, seed=0), category=True), before)


def test_columns_lost_together_are_given_back_out_of_one_row() -> None:
    rng = np.random.default_rng(0)
    reference = np.repeat(rng.normal(size=(200, 1)), 2, axis=1) * [1, 10]
    drawn, gone = chances(200, seed=0), np.full(200, np.nan)
    one, other = (restored(gone, reference[:, place], drawn) for place in (0, 1))
    np.testing.assert_allclose(one * 10, other)


def test_without_a_reference_nothing_is_moved() -> None:
    np.testing.assert_array_equal(restored(np.array([1.0, 2.0]), np.empty(0), chances(2, seed=0)), [1.0, 2.0])


class World:
    """Outcomes follow two columns; the model knows them exactly."""

    def __init__(self, n: int = 20_000, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.rows = rng.normal(size=(n, 2))
        self.days = np.repeat(np.arange(20), n // 20)
        self.truth = (rng.random(n) < self.score(self.rows)).astype(float)

    def score(self, rows: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(1.5 * rows[:, 0] + 0.2 * rows[:, 1] - 1)))

    def answers(self, rows: np.ndarray) -> Answers:
        score = self.score(rows)
        return Answers(score, (score >= 0.5).astype(int))


def broken(world: World, place: int) -> tuple[Answers, Answers]:
    """Answers to rows of which one column is nonsense, and to the rows as they are."""
    rows = world.rows.copy()
    rows[:, place] = rows[::-1, place]
    return world.answers(rows), world.answers(world.rows)


@pytest.mark.parametrize("metric", [AUC, LOG_LOSS])
def test_values_that_are_wrong_cost_what_is_expected(metric) -> None:
    world, losses = World(), []
    for place in (0, 1):
        wrong, right = broken(world, place)
        expected = expected_loss(metric, wrong, right, blocks=world.days)
        known = realised_loss(metric, world.truth, wrong, right, blocks=world.days)
        assert expected.value == pytest.approx(known.value, abs=0.01) and known.low < expected.value < known.high
        losses.append(expected)
    assert losses[0].low > 10 * losses[1].high  # the column that tells much costs much


def test_a_world_that_moved_is_told_from_values_that_are_wrong() -> None:
    """All rows move by one: outcomes follow, so undoing it would be the mistake."""
    world = World()
    moved = world.rows + np.array([1.0, 0.0])
    truth = (np.random.default_rng(5).random(len(moved)) < world.score(moved)).astype(float)
    now, before = world.answers(moved), world.answers(world.rows)
    given_right = realised_loss(LOG_LOSS, truth, now, before, blocks=world.days)
    assert given_right.high < 0
    change = expected_change(LOG_LOSS, now, before, blocks=world.days)
    real = LOG_LOSS.compute(truth, now.score, None) - LOG_LOSS.compute(world.truth, before.score, None)
    assert change.value == pytest.approx(real, abs=0.01)


def test_nothing_moved_costs_nothing_and_it_is_never_below_0_for_a_proper_score() -> None:
    world = World(2_000)
    same = world.answers(world.rows)
    assert expected_loss(AUC, same, same).value == 0.0
    assert expected_loss(LOG_LOSS, *broken(world, 1)).value > 0
