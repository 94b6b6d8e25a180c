from __future__ import annotations

import numpy as np
import pytest

from rondo.stats.bins import JENSEN_SHANNON, PSI, Binned, area_between, compared, recentred, shares


def test_rows_or_whole_blocks_are_drawn():
    counts = np.array([[8.0, 0.0, 2.0], [0.0, 5.0, 5.0]])
    days, rows = Binned(counts, by_rows=False), Binned(counts.sum(axis=0, keepdims=True), by_rows=True)
    assert (days.n, days.units, rows.n, rows.units) == (20, 2, 20, 20)
    drawn = days.drawn(400, np.random.default_rng(0))
    assert {tuple(row) for row in drawn} == {(16, 0, 4), (8, 5, 7), (0, 10, 10)}
    drawn = rows.drawn(400, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 20).all() and np.allclose(drawn.mean(axis=0), [8, 5, 7], atol=0.5)


def test_the_area_between_two_step_functions():
    places, before, after = np.array([0.0, 1.0, 4.0]), np.array([[1.0, 1.0, 0.0]]), np.array([[0.0, 1.0, 1.0]])
    assert area_between(shares(before) - shares(after), np.diff(places)) == pytest.approx([0.5 * 1 + 0.5 * 3])


def test_bias_is_taken_out_about_where_the_draws_lie():
    drawn = np.array([0.3, 0.5, 0.4, 0.6])
    plain = recentred("x", "", 0.4, drawn, 10, 50)
    about = recentred("x", "", 0.9, drawn + 1.0, 10, 50, about=1.4)
    assert (plain.low + plain.high) / 2 == pytest.approx(0.35)
    assert (about.low + about.high) / 2 == pytest.approx(0.85) and about.value == 0.9
    assert recentred("x", "", 0.4, drawn, 10, 1).low is None


def test_formulas_share_their_draws_and_nothing_is_nothing():
    side, other = Binned(np.array([[50.0, 50.0]]), by_rows=True), Binned(np.array([[20.0, 80.0]]), by_rows=True)
    index, divergence = compared([PSI, JENSEN_SHANNON], side, other, 50, np.random.default_rng(1))
    q = np.array([20.5, 80.5]) / 101
    assert index.value == pytest.approx(((q - 0.5) * np.log(q / 0.5)).sum()) and index.low > 0
    assert 0 < divergence.low <= divergence.value <= divergence.high < 1
    empty = compared([PSI], side, Binned(np.zeros((0, 2)), by_rows=False), 50, np.random.default_rng(1))
    assert empty[0].value is None and empty[0].n == 0
