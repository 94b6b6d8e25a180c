from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.monitor.changes import binned, divergence, edges_of, excess, shift_of, together
from rondo.stats.sketches import Sketch, sketch_numbers, sketch_values

FIRST = date(2024, 1, 1)


def daily(of: list[Sketch]) -> dict[date, Sketch]:
    return {FIRST + timedelta(days=n): sketch for n, sketch in enumerate(of)}


def normal(rng: np.random.Generator, days: int, *, mean: float = 0.0, weekly: float = 0.0) -> list[Sketch]:
    return [sketch_numbers(rng.normal(mean + weekly * (n % 7 >= 5), 1.0, 100)) for n in range(days)]


@pytest.mark.parametrize("seed", range(5))
def test_the_day_of_a_change_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = shift_of(daily(normal(rng, 40) + normal(rng, 8, mean=1.5)))
    assert found is not None and found.unusual
    assert found.since == FIRST + timedelta(days=40)
    assert found.jump > 0.7
    assert (found.before.rows, found.after.rows) == (4000, 800)


@pytest.mark.parametrize("seed", range(5))
def test_a_weekly_season_and_slow_weather_are_no_change(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = shift_of(daily(normal(rng, 56, weekly=2.0)))
    assert found is None or not found.unusual
    level, days = 0.0, []
    for _ in range(56):
        level = 0.85 * level + rng.normal(0, 0.6)
        days.append(sketch_numbers(rng.normal(level, 1.0, 100)))
    slow = shift_of(daily(days))
    assert slow is None or slow.strength < max(0.15, 6 * slow.noise)


def test_nulls_and_names_are_counted_with_the_values() -> None:
    before = [sketch_numbers(np.arange(50.0)) for _ in range(20)]
    found = shift_of(daily([*before, *(sketch_numbers(np.arange(25.0), nulls=25) for _ in range(5))]))
    assert found is not None and found.since == FIRST + timedelta(days=20)
    names = [sketch_values(["a"] * 9 + ["b"]) for _ in range(20)]
    found = shift_of(daily([*names, *(sketch_values(["a"] * 5 + ["b"] * 5) for _ in range(9))]))
    assert found is not None and found.since == FIRST + timedelta(days=20)


def test_too_few_days_say_nothing() -> None:
    assert shift_of({}) is None
    assert shift_of(daily(normal(np.random.default_rng(0), 10))) is None


def test_days_of_another_type_are_left_out() -> None:
    days = daily([sketch_values(["1", "2"]), sketch_numbers([1.0, 2.0]), sketch_numbers([], nulls=2)])
    whole = together(days)
    assert whole is not None and (whole.rows, whole.nulls) == (4, 2)
    assert together({}) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_no_number_stands_on_an_edge(values: list[float]) -> None:
    sketch = sketch_numbers(values)
    edges = edges_of(sketch)
    assert not np.isin(sketch.points, edges).any()
    assert binned([sketch]).sum() == len(values)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=10), st.integers(1, 9))
def test_the_divergence_is_none_of_equals_and_one_of_strangers(counts: list[int], factor: int) -> None:
    row = np.array([[*counts, 1]], dtype=np.float64)
    assert excess(row, factor * row)[0] == 0.0
    apart = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert divergence(*apart) == pytest.approx(1.0)
