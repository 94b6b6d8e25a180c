from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import WrongUse
from rondo.stats.limits import DAYS_A_MONTH, proposed, provisional

FIRST_DAY = 15_706  # 2013-01-01, in days since 1970


def season(rng, days, k=1, tail="normal"):
    """Days of k measurements with a weekly season, half of whose variance all measurements of a day share."""
    noise = rng.standard_t(4, (days, k)) if tail == "heavy" else rng.normal(size=(days, k))
    weekly = 3 * np.sin(2 * np.pi * (np.arange(days) % 7) / 7)[:, None] * np.arange(1, k + 1)
    return weekly + np.sqrt(0.5) * (rng.normal(size=(days, 1)) + noise)


def windows(values, first, window_days):
    """The mean of each whole window, and the day it begins on."""
    count = len(values) // window_days
    means = values[: count * window_days].reshape(count, window_days, -1).mean(axis=1)
    return means, first + np.arange(count) * window_days


@pytest.mark.parametrize(
    ("history", "k", "false_alarms", "window_days", "side", "tail"),
    [
        (91, 1, 1.0, 1, "above", "normal"),
        (91, 5, 1.0, 1, "both", "normal"),
        (91, 5, 1.0, 1, "below", "heavy"),
        (182, 20, 0.5, 1, "both", "heavy"),
        (91, 6, 1.0, 1, ["above", "below", "both"] * 2, "normal"),
        (119, 20, 0.5, 7, "both", "normal"),
    ],
)
def test_false_alarms_are_as_many_as_stated(history, k, false_alarms, window_days, side, tail):
    """Stated within two Monte-Carlo standard errors of what is observed, over histories drawn anew."""
    observed = []
    for run in range(60 if k == 20 else 120):
        values = season(np.random.default_rng(run), history + 210, k, tail)
        past = windows(values[:history], FIRST_DAY, window_days)
        limits = proposed(*past, false_alarms=false_alarms, window_days=window_days, side=side)
        found = limits.outside(*windows(values[history:], FIRST_DAY + history, window_days)).any(axis=1)
        observed.append(found.mean() * DAYS_A_MONTH / window_days)
    error = np.std(observed, ddof=1) / np.sqrt(len(observed))
    assert error < 0.15 * false_alarms
    assert 0.85 * false_alarms < limits.false_alarms <= false_alarms
    assert abs(np.mean(observed) - limits.false_alarms) < 2 * error


def test_larger_shifts_are_found_sooner():
    delays = {}
    for shift in (1.0, 2.0, 4.0):
        waits = []
        for run in range(40):
            values = season(np.random.default_rng(run), 91 + 120, 5)
            limits = proposed(values[:91], FIRST_DAY + np.arange(91), false_alarms=1, side="above")
            moved = values[91:] + shift * np.eye(5)[0]
            found = limits.outside(moved, FIRST_DAY + 91 + np.arange(120)).any(axis=1)
            waits.append(int(found.argmax()) if found.any() else 120)
        delays[shift] = float(np.mean(waits))
    assert delays[1.0] > delays[2.0] > delays[4.0]
    assert delays[4.0] < 1.5


@pytest.mark.parametrize("side", ["above", "below"])
def test_the_limit_of_one_measurement_of_weeks_is_a_rank_of_the_past(side):
    """Without weekdays, with one measurement, what is counted in where makes no difference."""
    values = np.random.default_rng(3).normal(size=19)
    limits = proposed(values, 7 * np.arange(19), false_alarms=3.9 / 20 * DAYS_A_MONTH / 7, window_days=7, side=side)
    third = np.sort(values)[-3 if side == "above" else 2]
    low, high = limits.of([third], 140)
    assert (high if side == "above" else low)[0] == pytest.approx(third)
    assert limits.outside([[third - 1e-6], [third + 1e-6]], [140, 147])[:, 0].tolist() == (
        [False, True] if side == "above" else [True, False]
    )
    assert limits.false_alarms == pytest.approx(3 / 20 * DAYS_A_MONTH / 7)  # a rate between two ranks is rounded down


def test_a_window_is_outside_where_it_passes_its_own_limits():
    values = season(np.random.default_rng(0), 240, 4, "heavy")
    limits = proposed(values[:120], np.arange(120), false_alarms=4, side="both")
    found = limits.outside(values[120:], 120 + np.arange(120))
    for day, (row, out) in enumerate(zip(values[120:], found, strict=True), 120):
        low, high = limits.of(row, day)
        assert out.tolist() == ((row < low) | (row > high)).tolist()
    assert found.any() and not found.all()


@pytest.mark.parametrize(("days", "calibrated"), [(0, False), (89, False), (90, True)])
def test_under_three_months_nothing_is_calibrated(days, calibrated):
    limits = proposed(season(np.random.default_rng(0), days), np.arange(days), false_alarms=1)
    assert limits.calibrated is calibrated
    assert limits.reason == ("" if calibrated else f"uncalibrated: {days} days of history, 90 are needed")
    assert calibrated or not limits.outside([[1e9]], [0]).any()


def test_a_rate_that_the_past_cannot_show_is_not_made_up():
    limits = proposed(season(np.random.default_rng(0), 120), np.arange(120), false_alarms=0.1)
    assert not limits.calibrated
    wait = int(limits.reason.split("about ")[1].split()[0])
    longer = season(np.random.default_rng(0), wait)
    assert proposed(longer, np.arange(wait), false_alarms=0.1).calibrated
    assert not proposed(longer[1:], np.arange(wait - 1), false_alarms=0.1).calibrated


def test_a_provisional_limit_is_half_again_as_far_as_ever_seen():
    values = np.random.default_rng(0).normal(size=(30, 3)) * [1, 10, 100]
    limits = provisional(values, np.arange(30), side=["above", "below", "both"], reason="uncalibrated: too short")
    assert limits.provisional and not limits.calibrated and limits.reason == "uncalibrated: too short"
    low, high = limits.of(values[0], 30)
    outward = (
        np.where([True, False, False], 1, [0, -1, 1]) * (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    )
    outward[:, 2] = np.abs(outward[:, 2])
    spread = values.std(axis=0, ddof=1) * np.sqrt((1 + 1 / 30) / (1 - 1 / 30))
    assert high[0] == pytest.approx(values[:, 0].mean() + 1.5 * outward.max() * spread[0])
    assert low[1] == pytest.approx(values[:, 1].mean() - 1.5 * outward.max() * spread[1])
    assert (low[0], high[1]) == (-np.inf, np.inf) and low[2] == pytest.approx(2 * values[:, 2].mean() - high[2])
    assert not provisional(values[:13], np.arange(13)).provisional


def test_a_measurement_or_a_weekday_never_seen_has_no_limit():
    values = season(np.random.default_rng(0), 182, 3)
    values[:, 1] = np.nan
    values[np.arange(182) % 7 == 4] = np.nan
    limits = proposed(values, np.arange(182), false_alarms=1, side="both")
    for day in range(7):
        low, high = limits.of([0, 0, 0], day)
        assert np.isfinite(low).tolist() == np.isfinite(high).tolist() == [day != 4, False, day != 4]
    assert limits.outside([[99, 99, -99]] * 2, [0, 4]).tolist() == [[True, False, True], [False] * 3]
    low, high = limits.of([np.nan, np.nan, 1.0], 0)  # a limit for what was not measured this time, too
    assert np.isfinite(high).tolist() == [True, False, True]


def test_what_never_varied_alarms_at_any_change():
    values = np.column_stack([np.zeros(120), season(np.random.default_rng(0), 120)[:, 0]])
    limits = proposed(values, np.arange(120), false_alarms=1, side="both")
    assert limits.outside([[0.001, values[0, 1]], [0.0, values[0, 1]]], [0, 0])[:, 0].tolist() == [True, False]
    usual, wide = (limits.of(values[0], 120, least) for least in (0.0, [0.1, 0.0]))
    assert (wide[0][0], wide[1][0]) == pytest.approx((-0.1, 0.1)) and wide[1][1] == usual[1][1]


@given(scale=st.floats(0.01, 100), offset=st.floats(-100, 100), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_limits_move_with_the_unit(scale, offset, seed):
    values, days = season(np.random.default_rng(seed), 100, 2), np.arange(100)
    plain, moved = (proposed(v, days, false_alarms=1, side="both") for v in (values, offset + scale * values))
    high = plain.of(values[0], 100)[1]
    assert moved.of(offset + scale * values[0], 100)[1] == pytest.approx(offset + scale * high, rel=1e-6, abs=1e-6)
    order = np.random.default_rng(seed).permutation(100)
    again = proposed(values[order], days[order], false_alarms=1, side="both")
    assert np.array_equal(again.of(values[0], 100)[1], high)


@pytest.mark.parametrize(
    ("days", "asked", "window_days"),
    [
        (np.arange(100), 0, 1),
        (np.arange(100), 31, 1),
        (np.arange(99), 1, 1),
        (np.zeros(100), 1, 1),
        (np.arange(100), 1, 7),  # weeks that overlap
        (3 * np.arange(100), 1, 3),  # a window that is neither a day nor weeks
    ],
)
def test_what_cannot_be_is_wrong_use(days, asked, window_days):
    with pytest.raises(WrongUse):
        proposed(np.zeros(100), days, false_alarms=asked, window_days=window_days)


def test_each_measurement_has_one_side():
    with pytest.raises(WrongUse):
        proposed(np.zeros((100, 2)), np.arange(100), false_alarms=1, side=["above"])
