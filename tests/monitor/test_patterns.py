from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from rondo.language.words import Language
from rondo.monitor.alerting import ENGLISH
from rondo.monitor.changes import Shift, binned, excess
from rondo.monitor.patterns import Pattern, alike, pattern_of
from rondo.stats.sketches import Sketch, sketch_numbers, sketch_values

RNG = np.random.default_rng(0)
MILES = RNG.gamma(3, 60, 4000).round(1)
FAHRENHEIT = RNG.normal(45, 12, 4000).round(1)
NAMES = {"AA", "BB", "CC", "DD", "ZZ", "American", "Blue", "Coast", "Delta", "aa", "bb", "cc", "dd"}
CARRIERS = RNG.choice(["AA", "BB", "CC", "DD"], 4000, p=[0.4, 0.3, 0.2, 0.1]).tolist()


def shift(before: Sketch, after: Sketch, *, jump: float = 1.0, noise: float = 0.0) -> Shift:
    counts = binned([before, after])
    return Shift(date(2024, 5, 1), before, after, float(excess(counts[:1], counts[1:])[0]), noise, jump)


def told(shift: Shift) -> Pattern | None:
    """The pattern in English; in Korean it is the same, and said without English but for the values' own names."""
    found, korean = pattern_of(shift, ENGLISH), pattern_of(shift, Language("ko", "UTC"))
    assert (found is None) == (korean is None)
    if found is not None and korean is not None:
        assert replace(korean, words="") == replace(found, words="")
        assert set(re.findall(r"[A-Za-z]{2,}", korean.words)) <= NAMES, korean.words
        assert re.search("[가-힣]", korean.words)
    return found


def numbers(values: np.ndarray, nulls: int = 0) -> Sketch:
    return sketch_numbers(values, nulls=nulls)


@pytest.mark.parametrize(
    ("values", "become", "kind", "words"),
    [
        (MILES, lambda x: x * 1.609344, "unit", "1.609 times what they were: miles given as kilometres"),
        (MILES, lambda x: x / 1.609344, "unit", "kilometres given as miles"),
        (MILES, lambda x: x * 100, "unit", "100 times"),
        (MILES, lambda x: -x, "unit", "the sign turned round"),
        (FAHRENHEIT, lambda x: (x - 32) * 5 / 9, "unit", "degrees Fahrenheit given as Celsius"),
        (MILES, lambda x: np.full_like(x, 7.0), "stuck", "nearly every value is 7"),
        (MILES, lambda x: np.minimum(x, 200.0), "clipped", "nothing is above 200 any more"),
        (MILES, lambda x: np.where(np.arange(len(x)) % 3 == 0, -999.0, x), "placeholder", "-999 stands in 33%"),
        (
            MILES,
            lambda x: np.where(np.arange(len(x)) % 2 == 0, x * 1.609344, x),
            "unit",
            "miles given as kilometres? (in about",
        ),
        (MILES, lambda x: x * 2.8, "scale", "times what they were"),
        (MILES, lambda x: x + 150, "offset", "moved by +15"),
    ],
)
def test_what_became_of_numbers_is_told(
    values: np.ndarray, become: Callable[[np.ndarray], np.ndarray], kind: str, words: str
) -> None:
    other = np.random.default_rng(1).permutation(values)[:1500]
    found = told(shift(numbers(values), numbers(become(other))))
    assert found is not None
    assert found.kind == kind and words in found.words
    assert found.explained > 0.8


def test_nulls_and_what_fills_them() -> None:
    found = told(shift(numbers(MILES), numbers(MILES[:1400], nulls=600)))
    assert found is not None and found.kind == "nulls" and found.share == pytest.approx(0.3)
    found = told(shift(numbers(MILES[:3000], nulls=1000), numbers(np.append(MILES[3000:3750], [0.0] * 250))))
    assert found is not None and found.kind == "filled" and "given as 0" in found.words


def test_hours_that_moved_are_a_time_zone() -> None:
    hours = np.clip(RNG.normal(10, 2.5, 3000).round(), 0, 23)
    found = told(shift(numbers(hours), numbers(np.mod(hours + 5, 24))))
    assert found is not None and found.kind == "clock" and "+5" in found.words


@pytest.mark.parametrize(
    ("become", "kind", "words"),
    [
        ({"AA": "American", "BB": "Blue", "CC": "Coast", "DD": "Delta"}, "renamed", "AA → American, BB → Blue"),
        ({"BB": "ZZ"}, "renamed", "BB → ZZ"),
        ({name: f" {name.lower()}" for name in ("AA", "BB", "CC", "DD")}, "written", "AA →  aa"),
        ({"AA": "DD", "DD": "AA"}, "swapped", "AA → DD"),
        (dict.fromkeys(("BB", "CC", "DD"), "AA"), "stuck", "nearly every value is AA"),
        ({"DD": None}, "nulls", "DD is missing"),
    ],
)
def test_what_became_of_names_is_told(become: dict[str, str | None], kind: str, words: str) -> None:
    after = sketch_values([become.get(name, name) for name in CARRIERS[:1500]])
    found = told(shift(sketch_values(CARRIERS), after))
    assert found is not None
    assert found.kind == kind and words in found.words


def test_the_world_s_own_drift_is_no_pattern() -> None:
    warmer = shift(numbers(FAHRENHEIT), numbers(FAHRENHEIT + 6), jump=0.2, noise=0.05)
    assert told(warmer) is None
    wider = shift(numbers(FAHRENHEIT), numbers(np.random.default_rng(1).gamma(2, 30, 4000)))
    assert told(wider) is None
    other = sketch_values(np.random.default_rng(1).choice(["AA", "BB", "CC", "DD"], 2000, p=[0.35, 0.3, 0.2, 0.15]))
    assert told(shift(sketch_values(CARRIERS), other)) is None


def test_alike_tells_columns_apart() -> None:
    assert alike(numbers(MILES[:2000]), numbers(MILES[2000:], nulls=500)) > 0.95
    assert alike(numbers(MILES), numbers(FAHRENHEIT)) < 0.6
    assert alike(numbers(MILES), sketch_values(CARRIERS)) == 0.0
