from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from rondo.develop.regressing import DENSE, fit_linear
from rondo.errors import DeclarationError
from rondo.models.encoding import Coding, Encoder


def encoder(*kinds):
    sized = {"category": ("a", "b", "c")}
    return Encoder(tuple(Coding(f"c{i}", kind, sized.get(kind, ())) for i, kind in enumerate(kinds)))


def rows(n=500, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(5, 3, n), rng.integers(0, 3, n), rng.random(n) < 0.4]).astype(float)
    margin = 0.5 * (x[:, 0] - 5) + np.array([0.0, 1.0, -1.0])[x[:, 1].astype(int)] - x[:, 2]
    x[rng.random(x.shape) < missing] = np.nan
    return x, margin, rng


def by_sklearn(x):
    z = (x[:, [0]] - x[:, 0].mean()) / x[:, 0].std()
    flag = (x[:, [2]] - x[:, 2].mean()) / x[:, 2].std()
    return np.hstack([z, x[:, [1]] == np.arange(3), flag])


def test_logistic_regression_is_scikit_learns():
    x, margin, rng = rows()
    y = (rng.random(len(x)) < 1 / (1 + np.exp(-margin))).astype(float)
    found = fit_linear(x, y, encoder("number", "category", "boolean"), "binary", 2, {"c": 0.3}, 0)
    expected = (
        LogisticRegression(C=0.3, tol=1e-8, max_iter=1000).fit(by_sklearn(x), y).predict_proba(by_sklearn(x))[:, 1]
    )
    assert np.abs(found.predict(x) - expected).max() < 1e-4


def test_ridge_is_scikit_learns_and_several_classes_too():
    x, margin, rng = rows()
    y = 100 + margin + rng.normal(size=len(x))
    found = fit_linear(x, y, encoder("number", "category", "boolean"), "regression", 0, {}, 0)
    assert np.abs(found.predict(x) - Ridge(alpha=1).fit(by_sklearn(x), y).predict(by_sklearn(x))).max() < 1e-6
    y = np.digitize(margin, [-1, 1]).astype(float)
    found = fit_linear(x, y, encoder("number", "category", "boolean"), "multiclass", 3, {}, 0)
    expected = LogisticRegression(tol=1e-8, max_iter=1000).fit(by_sklearn(x), y).predict_proba(by_sklearn(x))
    assert np.abs(found.predict(x) - expected).max() < 1e-3


def test_missing_values_tell_their_own_and_the_base_is_the_mean_margin():
    x, margin, rng = rows(missing=0.3)
    y = (rng.random(len(x)) < 1 / (1 + np.exp(-margin - 3 * np.isnan(x[:, 0])))).astype(float)
    found = fit_linear(x, y, encoder("number", "category", "boolean"), "binary", 2, {}, 0)
    assert found.terms[0].missing[0] > 1 and np.isfinite(found.predict(x)).all()
    base, shares = found.contributions(x)
    assert base[0] == pytest.approx(found.margins(x).mean()) and np.allclose(shares.mean(axis=0), 0, atol=1e-9)


def test_columns_that_tell_nothing_are_harmless():
    x, margin, rng = rows()
    y = (rng.random(len(x)) < 1 / (1 + np.exp(-margin))).astype(float)
    alone = fit_linear(x, y, encoder("number", "category", "boolean"), "binary", 2, {}, 0)
    with_them = np.column_stack([x, np.full(len(x), 7.0), np.full(len(x), np.nan), np.full(len(x), 1e300)])
    found = fit_linear(
        with_them, y, encoder("number", "category", "boolean", "number", "number", "number"), "binary", 2, {}, 0
    )
    assert np.allclose(found.predict(with_them), alone.predict(x))
    with_them[:, 3] = -50.0
    assert np.allclose(found.predict(with_them), alone.predict(x))
    only = fit_linear(with_them[:, 3:5], y, encoder("number", "number"), "binary", 2, {}, 0)
    assert only.predict(with_them[:5, 3:5]) == pytest.approx([(y.sum() + 1) / (len(y) + 2)] * 5)


def test_huge_numbers_do_not_overflow():
    x = np.array([[1e300], [-1e300], [5e299], [-2e299]] * 20)
    y = (x[:, 0] > 0).astype(float)
    found = fit_linear(x, y, encoder("number"), "binary", 2, {}, 0)
    assert np.isfinite(found.predict(x)).all() and found.predict(x)[0] > 0.9 > 0.1 > found.predict(x)[1]


def test_many_categories_go_the_sparse_way():
    rng = np.random.default_rng(0)
    n, values = 4000, DENSE + 100
    x = rng.integers(0, values, n).astype(float)[:, None]
    y = (rng.random(n) < np.where(x[:, 0] % 2 == 0, 0.8, 0.2)).astype(float)
    wide = Encoder((Coding("c", "category", tuple(map(str, range(values)))),))
    scores = fit_linear(x, y, wide, "binary", 2, {}, 0).predict(x)
    assert scores[x[:, 0] % 2 == 0].mean() > 0.65 > 0.35 > scores[x[:, 0] % 2 == 1].mean()


def test_a_class_without_rows_is_out_of_reach():
    x, margin, _ = rows()
    y = np.where(margin > 0, 2.0, 0.0)
    found = fit_linear(x, y, encoder("number", "category", "boolean"), "multiclass", 3, {}, 0).predict(x)
    assert found[:, 1].max() < 1e-9 and np.allclose(found.sum(axis=1), 1)
    assert ((found[:, 2] > 0.5) == (y == 2)).mean() > 0.9


def test_parameters_are_checked():
    x, margin, _ = rows(20)
    for written, said in (
        ({"C": 1}, "no parameter 'C'"),
        ({"c": 0}, "c=0"),
        ({"c": "x"}, "c='x'"),
        ({"c": True}, "c=True"),
    ):
        with pytest.raises(DeclarationError, match=said):
            fit_linear(x, (margin > 0).astype(float), encoder("number", "category", "boolean"), "binary", 2, written, 0)
