from __future__ import annotations

import numpy as np
import pytest

from rondo.develop.fitting import fit_constant, fit_own
from rondo.errors import BuildError

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 1.0])


class Share:
    """An own trainer: the share of positives, kept as text."""

    def __init__(self, **wrong):
        self.wrong = wrong

    def fit(self, matrix, y, columns, seed):
        self.seen = (matrix.shape, columns, seed)
        if "fit" in self.wrong:
            raise self.wrong["fit"]
        return float(y.mean())

    def save(self, fitted):
        return self.wrong.get("save", {"share.txt": str(fitted).encode()})

    def load(self, files):
        share = float(files["share.txt"])
        answer = self.wrong.get("answer", lambda n: np.full(n, share))
        return type("Fitted", (), {"predict": lambda self, matrix: answer(len(matrix))})()


def test_a_constant_is_the_mean_or_the_shares():
    assert fit_constant(Y, "binary", 2, 2).predict(X) == pytest.approx([4 / 6] * 6)
    shares = fit_constant(np.array([0, 0, 2.0]), "multiclass", 3, 2).predict(X)[0]
    assert shares == pytest.approx([3 / 6, 1 / 6, 2 / 6])


def test_an_own_trainer_is_fitted_saved_and_read_back():
    trainer = Share()
    found = fit_own(trainer, X, Y, ("a", "b"), "binary", 2, 5)
    assert trainer.seen == ((6, 2), ["a", "b"], 5)
    assert found.predict(X) == pytest.approx([4 / 6] * 6) and set(found.save()) == {"own/share.txt"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"fit": RuntimeError("no")}, "own trainer failed: RuntimeError: no"),
        ({"save": {}}, "did not give files"),
        ({"save": {"a": "text"}}, "did not give files"),
        ({"save": {"other": b""}}, "load failed: KeyError"),
        ({"answer": lambda n: np.full((n, 2), 0.5)}, r"shape \(6, 2\) for \(6,\)"),
        ({"answer": lambda n: np.full(n, 1.5)}, "probabilities"),
        ({"answer": lambda n: np.full(n, np.nan)}, "not finite"),
    ],
)
def test_an_own_trainer_that_breaks_its_promise_is_named(wrong, said):
    with pytest.raises(BuildError, match=said):
        fit_own(Share(**wrong), X, Y, ("a", "b"), "binary", 2, 5)
