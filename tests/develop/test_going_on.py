"""Training on from an earlier version: what is kept of it, and what cannot be gone on from."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.boosting import Boosting, resolve
from rondo.develop.reading import labelled
from rondo.develop.regressing import fit_linear
from rondo.develop.training import Start, train
from rondo.errors import Refused
from rondo.features.signature import Column
from rondo.models.encoding import Coding, Encoder, encode_table
from rondo.models.packed import pack
from rondo.models.predictors import LightGBM
from rondo.models.trees import Trees, joined
from rondo.project.models import constant, lightgbm, linear

NUMBERS = Encoder((Coding("a", "number"), Coding("b", "number")))


def rows(n, seed, turned=0.0):
    """Two numbers that tell a label; `turned` turns what the second one means."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    margin = 2 * x[:, 0] + (1 - 2 * turned) * 2 * x[:, 1]
    return x, (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float)


def boosting(train_rows, validation, start=None, classes=2, task="binary"):
    return Boosting(train_rows, validation, (), task, classes, 3, start=start)


def log_loss(predictor, data):
    x, y = data
    p = np.clip(predictor.predict(x), 1e-12, 1 - 1e-12)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


GROWING = {**resolve({}, "binary", 600), "num_iterations": 300, "early_stopping_rounds": 20}


def test_trees_of_both_are_summed_and_written_alike():
    one, two = (boosting(rows(600, seed), rows(300, 9)).grow(GROWING).predictor for seed in (0, 1))
    both = joined(one.text, two.text)
    x, _ = rows(200, 5)
    assert np.allclose(Trees(both).margins(x), one.margins(x) + two.margins(x), rtol=0, atol=1e-12)
    assert joined(one.text, two.text) == both
    assert both.count("\nTree=") == one.text.count("\nTree=") + two.text.count("\nTree=")


def test_going_on_beats_beginning_anew_on_few_rows_after_a_drift():
    before = boosting(rows(8000, 0), rows(2000, 1)).grow(GROWING).predictor
    new, held, judge = rows(300, 2, turned=0.3), rows(150, 3, turned=0.3), rows(5000, 4, turned=0.3)
    warm = boosting(new, held, start=before).grow(GROWING)
    cold = boosting(new, held).grow(GROWING)
    assert warm.rounds > 0
    assert log_loss(warm.predictor, judge) < log_loss(before, judge)
    assert log_loss(warm.predictor, judge) < log_loss(cold.predictor, judge)


def test_where_nothing_is_left_to_learn_it_stays_what_it_was():
    x, _ = rows(600, 0)
    nothing = np.random.default_rng(0).integers(0, 2, 600).astype(float)
    before = boosting(rows(8000, 0), rows(2000, 1)).grow(GROWING).predictor
    held = rows(3000, 7)
    grown = boosting((x, nothing), held, start=before).grow(GROWING)
    assert grown.rounds == 0 and grown.predictor.text == before.text
    again = boosting((x, nothing), held, start=before).grow({**resolve({}, "binary", 600), "num_iterations": 0})
    assert again.predictor.text == before.text


def test_what_was_found_is_grown_again_to_the_same_bytes():
    before = boosting(rows(2000, 0), rows(500, 1)).grow(GROWING).predictor
    new, held = rows(600, 2, turned=0.5), rows(300, 3, turned=0.5)
    found = boosting(new, held, start=before).grow(GROWING)
    refit = boosting(new, held, start=before).grow({**resolve({}, "binary", 600), "num_iterations": found.rounds})
    assert found.rounds > 0 and refit.predictor.text == found.predictor.text


def test_several_classes_go_on_from_all_their_margins():
    def three(n, seed, shift):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 2))
        return x, np.digitize(x[:, 0] + 0.3 * rng.normal(size=n) + shift, [-0.5, 0.5]).astype(float)

    growing = {**resolve({}, "multiclass", 600), "num_iterations": 100, "early_stopping_rounds": 10}
    before = boosting(three(2000, 0, 0.0), three(500, 1, 0.0), classes=3, task="multiclass").grow(growing).predictor
    new, held = three(600, 2, 0.6), three(400, 3, 0.6)
    warm = boosting(new, held, start=before, classes=3, task="multiclass").grow(growing)
    told = [np.mean(each.predict(held[0]).argmax(axis=1) == held[1]) for each in (before, warm.predictor)]
    assert warm.rounds > 0 and told[1] > told[0] + 0.1


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_linear_model_is_drawn_to_the_one_before(task):
    def data(n, seed, turned=0.0):
        x, y = rows(n, seed, turned)
        return (x, y) if task == "binary" else (x, 2 * x[:, 0] + (1 - 2 * turned) * x[:, 1] + 5)

    def fit(data, c, start=None):
        return fit_linear(*data, NUMBERS, task, 2, {"c": c}, 0, start)

    before, few, x = fit(data(8000, 0), 1.0), data(60, 1, turned=0.5), data(100, 2)[0]
    held = fit(few, 1e-9, before).margins(x) - before.margins(x)
    assert np.ptp(held) < 1e-4  # an endless penalty leaves the weights, and moves the intercept alone
    free, anew = (fit(few, 1e6, start).margins(x) for start in (before, None))
    assert np.allclose(free, anew, atol=0.02 * np.abs(anew).max())  # none at all forgets it


def test_terms_of_both_are_added_missing_and_categories_too():
    encoder = Encoder((Coding("a", "number"), Coding("k", "category", ("u", "v", "w"))))
    rng = np.random.default_rng(0)

    def data(n, w):
        x = np.column_stack([rng.normal(size=n), rng.integers(0, 3, n).astype(float)])
        y = x[:, 0] + np.array([0, 1, w])[x[:, 1].astype(int)]
        x[rng.random((n, 2)) < 0.1] = np.nan
        return x, y

    before = fit_linear(*data(2000, 2), encoder, "regression", 0, {}, 0)
    after = fit_linear(*data(2000, 5), encoder, "regression", 0, {"c": 100.0}, 0, before)
    apart = after.margins(np.array([[0.0, 2.0]])) - after.margins(np.array([[0.0, 0.0]]))
    assert 4.5 < apart[0, 0] < 5.5


@pytest.fixture
def begun(bench, make):
    """A version, its dataset and signature; and the same again with another trainer."""
    columns, label, _ = make.churn()
    dataset, signature = bench.freeze(columns, fed=list(columns), label=pa.array(label))

    def made(trainer):
        model = make.declare(train=trainer)
        return model, make.unpack(bench, make.train(bench, model, dataset, signature))

    return dataset, signature, made


def again(bench, model, dataset, signature, start, resolved):
    return train(
        model, dataset, project=bench.project, store=bench.store, signature=signature, start=start, resolved=resolved
    )


def test_the_encoder_of_the_start_is_kept_and_the_version_names_it(bench, make, begun):
    dataset, signature, made = begun
    model, packed = made(lightgbm(num_iterations=10))
    version = make.train(
        bench, model, dataset, signature, start=Start(1, packed), resolved=("lightgbm", {}), why="asked"
    )
    assert (version.parent, version.why, version.examples) == (1, "asked", None)
    found = make.unpack(bench, version)
    assert found.encoder == packed.encoder
    added = int(version.parameters["num_iterations"])
    assert found.predictor.text.count("\nTree=") == 10 + added
    refit = again(bench, model, dataset, signature, packed, ("lightgbm", version.parameters))
    assert pack(refit.packed) == pack(found)
    x = encode_table(packed.encoder, labelled(dataset, bench.store, "test"))
    assert isinstance(found.predictor, LightGBM) and len(found.score(x)) == 300


def test_what_cannot_be_gone_on_from_says_why(bench, begun):
    dataset, signature, made = begun
    model, packed = made(constant())
    with pytest.raises(Refused, match="constant"):
        again(bench, model, dataset, signature, packed, ("constant", {}))
    model, packed = made(linear())
    other = msgspec.structs.replace(signature, fed=(*signature.fed, Column(name="more", type="DOUBLE")))
    with pytest.raises(Refused, match="other columns: more"):
        again(bench, model, dataset, other, packed, ("linear", {}))


class Deaf:
    def fit(self, matrix, y, columns, seed):
        return Mean(float(y.mean()))

    def save(self, fitted):
        return {"mean.txt": repr(fitted.mean).encode()}

    def load(self, files):
        return Mean(float(files["mean.txt"]))


class Averaging(Deaf):
    def fit(self, matrix, y, columns, seed, start=None):
        mean = float(y.mean())
        return Mean(mean if start is None else (mean + start.mean) / 2)


class Mean:
    def __init__(self, mean):
        self.mean = mean

    def predict(self, matrix):
        return np.full(len(matrix), self.mean)


def test_an_own_trainer_is_given_what_it_had_fitted(bench, make, begun):
    dataset, signature, _ = begun
    for trainer in (Averaging(), Deaf()):
        model = make.declare(train=trainer)
        packed = make.unpack_own(bench, make.train(bench, model, dataset, signature), trainer)
        packed.predictor.fitted.mean = 1.0
        if isinstance(trainer, Averaging):
            found = again(bench, model, dataset, signature, packed, ("own", {})).packed.predictor.fitted.mean
            anew = trainer.fit(None, labelled(dataset, bench.store, "train").column("label").to_numpy() * 1.0, [], 0)
            assert found == pytest.approx((1 + anew.mean) / 2)
        else:
            with pytest.raises(Refused, match="its fit takes no start"):
                again(bench, model, dataset, signature, packed, ("own", {}))
