from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from rondo.language.words import Language
from rondo.monitor.alerting import ENGLISH
from rondo.monitor.evidence import Judged
from rondo.monitor.shifts import WorldShift, world_shift

DAYS, FAULT, PER_DAY = 50, 38, 150
FIRST = 19_800


def judged(seed: int, how: str) -> Judged:
    """Rows of two inputs whose score is right until the fault."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), PER_DAY)
    late = day >= FAULT
    x = rng.normal(0, 1, len(day))
    place = rng.choice(["north", "south"], len(day), p=[0.3, 0.7]).astype(object)
    if how == "covariate":
        x = np.where(late, x + 0.8, x)
    margin = 1.3 * x - 1.2
    score = 1 / (1 + np.exp(-margin))
    moved = {"concept": 1.5, "one place": 2.5}.get(how, 0.0)
    where = late & (place == "north") if how == "one place" else late
    truth = (rng.uniform(size=len(day)) < 1 / (1 + np.exp(-(margin + moved * where)))).astype(float)
    kept = ~late | (truth == 1) | (rng.uniform(size=len(day)) < 0.4) if how == "prior" else np.ones(len(day), bool)
    return Judged(FIRST + day[kept], score[kept], truth[kept], {"x": x[kept]}, {"place": place[kept]})


def told(judged: Judged) -> WorldShift | None:
    """The change in English; in Korean it is the same, and said without English but for the place."""
    found, korean = world_shift(judged, ENGLISH), world_shift(judged, Language("ko", "UTC"))
    assert (found is None) == (korean is None)
    if found is not None and korean is not None:
        assert replace(korean, words="") == replace(found, words="")
        assert set(re.findall("[A-Za-z]+", korean.words)) <= {"place", "north"}, korean.words
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", ["prior", "concept", "covariate"])
def test_the_way_in_which_the_world_changed_is_told(seed: int, how: str) -> None:
    found = told(judged(seed, how))
    assert found is not None
    assert found.kind == how
    assert abs((found.since - np.datetime64(FIRST + FAULT, "D").item()).days) <= 1
    assert found.explained > 0.5


def test_where_it_is_strongest_is_told() -> None:
    found = told(judged(0, "one place"))
    assert found is not None and found.kind == "concept"
    assert "strongest where place=north" in found.words


@pytest.mark.parametrize("seed", range(8))
def test_where_nothing_changed_nothing_is_told(seed: int) -> None:
    assert told(judged(seed, "nothing")) is None


def test_too_few_rows_say_nothing() -> None:
    rows = np.arange(50)
    assert told(Judged(rows, rows / 50, (rows % 2).astype(float))) is None


def test_values_that_are_predicted_have_shifts_too() -> None:
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(DAYS), PER_DAY)
    x = rng.normal(0, 3, len(day))
    truth = x + rng.normal(0, 1, len(day)) + 4.0 * (day >= FAULT)
    found = told(Judged(FIRST + day, x, truth, {"x": x}))
    assert found is not None and found.kind == "concept" and "mean outcome" in found.words
