from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.reading import Rows
from rondo.develop.suspects import leaks, nearest_neighbour, repeated
from rondo.models.encoding import Coding, Encoder

N = 1000


@pytest.fixture
def signed(bench):
    """A signature with classes."""
    _, made = bench.freeze({"x": [1.0]}, fed=["x"], label=pa.array([True]), split=["train"])
    return lambda task, classes: msgspec.structs.replace(made, task=task, classes=classes)


def columns(*codings):
    return Encoder(tuple(codings))


def test_a_column_that_equals_the_label_or_nearly_knows_it_is_found(signed):
    rng = np.random.default_rng(0)
    y = (rng.random(N) < 0.4).astype(float)
    nearly = np.where(rng.random(N) < 0.001, 1 - y, y) * 10 + rng.normal(size=N)
    honest = y + rng.normal(size=N)
    encoder = columns(
        Coding("copy", "category", ("stayed", "left")), Coding("nearly", "number"), Coding("honest", "number")
    )
    rows = Rows(np.column_stack([y, nearly, honest]), y, None)
    found = {f.column: f.weight for f in leaks(rows, encoder, signed("binary", ("stayed", "left")))}
    assert found == {"copy": "stop", "nearly": "warn"}


def test_numbers_and_classes_are_looked_at_too(signed):
    rng = np.random.default_rng(0)
    y = rng.normal(size=N)
    encoder = columns(Coding("copy", "number"), Coding("scaled", "number"), Coding("honest", "number"))
    rows = Rows(np.column_stack([y, 3 * y + 1, y + rng.normal(size=N)]), y, None)
    assert {f.column: f.weight for f in leaks(rows, encoder, signed("regression", ()))} == {
        "copy": "stop",
        "scaled": "warn",
    }
    y = rng.integers(0, 3, N).astype(float)
    rows = Rows(np.column_stack([y * 2, rng.normal(size=N), np.where(y == 2, 1.0, 0.0)]), y, None)
    assert {f.column for f in leaks(rows, encoder, signed("multiclass", ("a", "b", "c")))} == {"copy"}


def test_twins_are_counted(signed):
    matrix = np.array([[1.0, np.nan], [1.0, np.nan], [2.0, 0.0], [2.0, -0.0], [3.0, 1.0]])
    found = repeated(
        Rows(matrix, np.array([0, 0, 0, 1, 0.0]), None), Rows(np.array([[3.0, 1.0], [9.0, 9.0]]), np.zeros(2), None)
    )
    assert (found.doubled, found.contradicting, found.shared) == (0.8, 0.4, 0.5)
    many = np.random.default_rng(0).normal(size=(20_000, 5))
    none = repeated(Rows(many, np.arange(20_000.0), None), Rows(many[:10] + 1, np.zeros(10), None))
    assert (none.doubled, none.contradicting, none.shared) == (0, 0, 0)


def test_the_nearest_row_answers():
    encoder = columns(Coding("x", "number"), Coding("c", "category", ("a", "b")), Coding("void", "number"))
    known = np.array([[0.0, 0, np.nan], [10.0, 0, np.nan], [0.0, 1, np.nan]])
    asked = np.array([[1.0, 0, 5.0], [9.0, 0, np.nan], [0.5, 1, np.nan], [0.0, np.nan, 0.0]])
    train, held = Rows(known, np.array([0.0, 1.0, 2.0]), None), Rows(asked, np.zeros(4), None)
    assert nearest_neighbour(train, held, encoder, 0)[:3].tolist() == [0, 1, 2]
    assert nearest_neighbour(train, held, encoder, 3)[1].tolist() == [0, 1, 0]
