from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import WrongUse
from rondo.stats.limits import DAYS_A_MONTH, _exceeded_in, proposed

FIRST_DAY = 15_706  # 2013-01-01, in days since 1970


def season(rng, days, k=1, tail="normal"):
    """Days of k measurements with a weekly season, half of whose variance all measurements of a day share."""
    noise = rng.standard_t(4, (days, k)) if tail == "heavy" else rng.normal(size=(days, k))
    weekly = 3 * np.sin(2 * np.pi * (np.arange(days) % 7) / 7)[:, None] * np.arange(1, k + 1)
    return weekly + np.sqrt(0.5) * (rng.normal(size=(days, 1)) + noise)


def alarms(limits, values, first, window_days):
    count = len(values) // window_days
    windows = values[: count * window_days].reshape(count, window_days, -1).mean(axis=1)
    return limits.outside(windows, first + np.arange(count) * window_days).any(axis=1)


@pytest.mark.parametrize(
    ("history", "k", "false_alarms", "window_days", "side", "tail"),
    [
        (91, 1, 1.0, 1, "above", "normal"),
        (91, 5, 1.0, 1, "both", "normal"),
        (91, 5, 1.0, 1, "below", "heavy"),
        (182, 20, 0.5, 1, "both", "heavy"),
        (119, 5, 0.5, 7, "both", "normal"),
    ],
)
def test_false_alarms_are_as_many_as_asked(history, k, false_alarms, window_days, side, tail):
    """Nominal within two Monte-Carlo standard errors of what is observed, over histories drawn anew."""
    observed = []
    for run in range(150 if window_days == 1 else 60):
        values = season(np.random.default_rng(run), history + 210, k, tail)
        limits = proposed(
            values[:history],
            FIRST_DAY + np.arange(history),
            false_alarms=false_alarms,
            window_days=window_days,
            side=side,
            seed=run,
        )
        found = alarms(limits, values[history:], FIRST_DAY + history, window_days)
        observed.append(found.mean() * DAYS_A_MONTH / window_days)
    error = np.std(observed, ddof=1) / np.sqrt(len(observed))
    assert error < 0.15 * false_alarms
    assert abs(np.mean(observed) - false_alarms) < 2 * error


def test_larger_shifts_are_found_sooner():
    delays = {}
    for shift in (1.0, 2.0, 4.0):
        waits = []
        for run in range(60):
            values = season(np.random.default_rng(run), 91 + 120, 5)
            limits = proposed(values[:91], FIRST_DAY + np.arange(91), false_alarms=1, side="above", seed=run)
            found = alarms(limits, values[91:] + shift * np.eye(5)[0], FIRST_DAY + 91, 1)
            waits.append(int(found.argmax()) if found.any() else 120)
        delays[shift] = float(np.mean(waits))
    assert delays[1.0] > delays[2.0] > delays[4.0]
    assert delays[4.0] < 1.5


def test_the_limit_of_one_measurement_is_the_rank_of_the_past():
    """Where weekdays have equal centres, by hand: the j-th greatest residual, as wide as a new day's."""
    weeks = 13
    values = season(np.random.default_rng(3), 7 * weeks)
    limits = proposed(values, np.arange(7 * weeks), false_alarms=3 * DAYS_A_MONTH / (7 * weeks + 1), seed=0)
    centre = values.reshape(weeks, 7).mean(axis=0)
    third = np.sort((values.reshape(weeks, 7) - centre).ravel())[-3]
    wide = np.sqrt((1 + 1 / weeks) / (1 - 1 / weeks))
    assert limits.high[:, 0] == pytest.approx(centre + third * wide, rel=2e-3)
    assert np.all(limits.low == -np.inf)


@pytest.mark.parametrize("rank", [1.0, 3.0, 4.5])
def test_a_rank_is_exceeded_as_order_statistics_say(rank):
    """The j-th greatest of n is exceeded in j/(n + 1), whatever is drawn: here 4000 pasts of 91 even numbers."""
    past = np.random.default_rng(0).random((91, 4000))
    assert np.mean(1 - _exceeded_in(rank / 92, past)) == pytest.approx(rank / 92, rel=0.04)


@pytest.mark.parametrize(("days", "calibrated"), [(0, False), (89, False), (90, True)])
def test_under_three_months_nothing_is_calibrated(days, calibrated):
    limits = proposed(season(np.random.default_rng(0), days), np.arange(days), false_alarms=1, seed=0)
    assert limits.calibrated is calibrated
    assert limits.reason == ("" if calibrated else f"uncalibrated: {days} days of history, 90 are needed")
    assert calibrated or not limits.outside([[1e9]], [0]).any()


def test_a_rate_that_the_past_cannot_show_is_not_made_up():
    limits = proposed(season(np.random.default_rng(0), 120), np.arange(120), false_alarms=0.1, seed=0)
    assert not limits.calibrated
    wait = int(limits.reason.split("about ")[1].split()[0])
    longer = season(np.random.default_rng(0), wait)
    assert proposed(longer, np.arange(wait), false_alarms=0.1, seed=0).calibrated
    assert not proposed(longer[1:], np.arange(wait - 1), false_alarms=0.1, seed=0).calibrated


def test_a_measurement_or_a_weekday_never_seen_has_no_limit():
    values = season(np.random.default_rng(0), 182, 3)
    values[:, 1] = np.nan
    values[np.arange(182) % 7 == 4] = np.nan
    limits = proposed(values, np.arange(182), false_alarms=1, side="both", seed=0)
    assert np.isnan(limits.high[:, 1]).all() and np.isnan(limits.low[4]).all()
    assert np.isfinite(limits.high[[0, 1, 2, 3, 5, 6]][:, [0, 2]]).all()
    assert limits.outside([[99, 99, -99]] * 2, [0, 4]).tolist() == [[True, False, True], [False] * 3]


def test_what_never_varied_alarms_at_any_change():
    values = np.column_stack([np.zeros(120), season(np.random.default_rng(0), 120)[:, 0]])
    limits = proposed(values, np.arange(120), false_alarms=1, side="both", seed=0)
    assert limits.outside([[0.001, values[0, 1]], [0.0, values[0, 1]]], [0, 0])[:, 0].tolist() == [True, False]


def test_runs_keep_weather_that_lasts():
    """Where a day is like the day before, weeks differ more than days drawn apart would say."""
    noise = np.random.default_rng(1).normal(size=400)
    lasting = np.array([noise[max(0, n - 6) : n + 1].sum() for n in range(400)])
    limits = {
        blocks: proposed(lasting, np.arange(400), false_alarms=1, window_days=7, blocks=blocks, seed=0).high[0, 0]
        for blocks in ("days", "runs")
    }
    assert limits["runs"] > 1.4 * limits["days"]


@given(scale=st.floats(0.01, 100), offset=st.floats(-100, 100), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_limits_move_with_the_unit(scale, offset, seed):
    values, days = season(np.random.default_rng(seed), 100, 2), np.arange(100)
    plain, moved = (proposed(v, days, false_alarms=1, side="both", seed=0) for v in (values, offset + scale * values))
    assert moved.high == pytest.approx(offset + scale * plain.high, rel=1e-6, abs=1e-6)
    order = np.random.default_rng(seed).permutation(100)
    again = proposed(values[order], days[order], false_alarms=1, side="both", seed=0)
    assert np.array_equal(again.low, plain.low)


@pytest.mark.parametrize(
    ("days", "asked"), [(np.arange(100), 0), (np.arange(100), 31), (np.arange(99), 1), (np.zeros(100), 1)]
)
def test_what_cannot_be_is_wrong_use(days, asked):
    with pytest.raises(WrongUse):
        proposed(np.zeros(100), days, false_alarms=asked, seed=0)
