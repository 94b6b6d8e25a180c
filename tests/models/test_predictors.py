from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from rondo.errors import BuildError, StoreError
from rondo.models.encoding import encode_table
from rondo.models.predictors import Additive, LightGBM, load_predictor, own_from


class Nearest:
    """An own trainer that remembers two means."""

    def fit(self, matrix, y, columns, seed):
        return Means(np.nanmean(matrix[y == 0, 0]), np.nanmean(matrix[y == 1, 0]))

    def save(self, fitted):
        return {"means.txt": f"{fitted.low} {fitted.high}".encode()}

    def load(self, files):
        return Means(*map(float, files["means.txt"].split()))


class Means:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def predict(self, matrix):
        x = np.nan_to_num(matrix[:, 0])
        return np.where(abs(x - self.high) < abs(x - self.low), 0.9, 0.1)


def test_trees_predict_a_row_alone_as_in_any_batch(boosted):
    packed, table = boosted
    matrix = np.tile(encode_table(packed.encoder, table), (4, 1))  # enough rows for several threads
    together = packed.predictor.predict(matrix)
    alone = np.concatenate([packed.predictor.predict(matrix[i : i + 1]) for i in range(200)])
    assert alone.tobytes() == np.ascontiguousarray(together[:200]).tobytes()


def test_trees_are_those_of_lightgbm_itself(boosted):
    packed, table = boosted
    matrix = encode_table(packed.encoder, table)
    reference = lightgbm.Booster(model_str=packed.predictor.text).predict(matrix)
    assert np.abs(packed.predictor.predict(matrix) - reference).max() < 1e-12
    assert isinstance(packed.predictor, Additive)


def test_no_rows_give_no_scores(boosted):
    packed, _ = boosted
    found = packed.score(np.empty((0, 4)))
    assert found.shape == ((0, 3) if packed.signature.task == "multiclass" else (0,))


def test_an_own_model_comes_back_from_its_files():
    matrix = np.array([[0.0], [1.0], [np.nan], [0.9]])
    trainer = Nearest()
    files = trainer.save(trainer.fit(matrix[:2], np.array([0, 1]), ["x"], 0))
    saved = own_from(trainer, files).save()
    assert saved == {"own/means.txt": b"0.0 1.0"}
    again = load_predictor("own", saved, trainer)
    assert again.predict(matrix).tolist() == [0.1, 0.9, 0.1, 0.9] and not isinstance(again, Additive)
    with pytest.raises(StoreError, match="own trainer"):
        load_predictor("own", saved)


def test_what_an_own_model_answers_is_checked():
    class Wrong(Nearest):
        def load(self, files):
            return type("Fitted", (), {"predict": lambda self, matrix: np.full((len(matrix), 1, 1), 0.5)})()

    with pytest.raises(BuildError, match="shape"):
        own_from(Wrong(), {}).predict(np.zeros((2, 1)))
    with pytest.raises(BuildError, match="load failed: KeyError"):
        own_from(Nearest(), {})


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("lightgbm", {"model.json": b'{"link":"sigmoid"}'}),
        ("lightgbm", {"model.txt": b"", "model.json": b'{"link":"cubic"}'}),
        ("linear", {"model.json": b"{"}),
        ("forest", {}),
    ],
)
def test_unreadable_files_are_store_errors(kind, files):
    with pytest.raises(StoreError):
        load_predictor(kind, files)


def test_text_that_is_no_forest_is_a_store_error():
    with pytest.raises(StoreError, match="cannot be read"):
        LightGBM("tree\nno", "sigmoid").predict(np.zeros((1, 1)))
