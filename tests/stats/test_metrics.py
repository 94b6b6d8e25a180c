"""Every formula against scikit-learn, weighted and not; then what no reference states: ties, edges, invariances."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from rondo.errors import NotFound, WrongUse
from rondo.stats.metrics import METRICS, cost_metric, custom_metric, metric_named, metrics_of, pinball

RARE = settings(max_examples=60, deadline=None, derandomize=True)


def quiet(function, *arguments, **options):
    """Scikit-learn warns where a figure is undefined; we compare only the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


@st.composite
def binary_rows(draw, smallest=2):
    n = draw(st.integers(smallest, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    decimals = draw(st.sampled_from([1, 2, 12]))  # few decimals: many ties
    score = np.round(rng.random(n), decimals)
    truth = (rng.random(n) < draw(st.sampled_from([0.1, 0.5, 0.9]))).astype(float)
    weight = rng.choice([0.0, 0.5, 1.0, 2.0, 3.25], n) if draw(st.booleans()) else None
    if weight is not None and weight.sum() == 0:
        weight[0] = 1.0
    return truth, score, (score >= 0.5).astype(int), weight


@st.composite
def multiclass_rows(draw):
    n, k = draw(st.integers(3, 50)), draw(st.integers(3, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    score = rng.dirichlet(np.ones(k), n)
    truth = np.concatenate([np.arange(k), rng.integers(0, k, n)])
    score = np.concatenate([rng.dirichlet(np.ones(k), k), score])
    weight = rng.choice([0.5, 1.0, 2.0], n + k) if draw(st.booleans()) else None
    return truth, score, score.argmax(axis=1), weight


@st.composite
def regression_rows(draw):
    n = draw(st.integers(2, 50))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = rng.normal(draw(st.sampled_from([0.0, 1e6])), 2.0, n)
    return truth, truth + rng.normal(size=n), rng.choice([0.5, 1.0, 2.0], n) if draw(st.booleans()) else None


BINARY = {
    "roc_auc": lambda y, s, p, w: reference.roc_auc_score(y, s, sample_weight=w),
    "average_precision": lambda y, s, p, w: reference.average_precision_score(y, s, sample_weight=w),
    "log_loss": lambda y, s, p, w: reference.log_loss(y, s, sample_weight=w, labels=[0, 1]),
    "brier": lambda y, s, p, w: reference.brier_score_loss(y, s, sample_weight=w),
    "accuracy": lambda y, s, p, w: reference.accuracy_score(y, p, sample_weight=w),
    "f1": lambda y, s, p, w: reference.f1_score(y, p, sample_weight=w),
    "precision": lambda y, s, p, w: reference.precision_score(y, p, sample_weight=w),
    "recall": lambda y, s, p, w: reference.recall_score(y, p, sample_weight=w),
}


@pytest.mark.parametrize("name", BINARY)
@given(rows=binary_rows())
@RARE
def test_binary_formulas(name, rows):
    truth, score, label, weight = rows
    ours = METRICS[name].compute(truth, score, label, weight)
    if not np.isnan(ours):
        assert ours == pytest.approx(quiet(BINARY[name], truth, score, label, weight), abs=1e-9)


MULTICLASS = {
    "log_loss": lambda y, s, p, w: reference.log_loss(y, s, sample_weight=w, labels=range(s.shape[1])),
    "accuracy": lambda y, s, p, w: reference.accuracy_score(y, p, sample_weight=w),
    "macro_f1": lambda y, s, p, w: reference.f1_score(y, p, sample_weight=w, average="macro"),
    "roc_auc_ovr": lambda y, s, p, w: reference.roc_auc_score(y, s, sample_weight=w, multi_class="ovr"),
}


@pytest.mark.parametrize("name", MULTICLASS)
@given(rows=multiclass_rows())
@RARE
def test_multiclass_formulas(name, rows):
    assert metric_named(name, "multiclass").compute(*rows) == pytest.approx(MULTICLASS[name](*rows), abs=1e-9)


@given(rows=multiclass_rows(), seed=st.integers(0, 1000))
@RARE
def test_renumbering_the_classes_changes_nothing(rows, seed):
    truth, score, label, weight = rows
    renumbered = np.random.default_rng(seed).permutation(score.shape[1])
    moved = np.empty_like(score)
    moved[:, renumbered] = score
    for metric in metrics_of("multiclass"):
        before = metric.compute(truth, score, label, weight)
        assert metric.compute(renumbered[truth], moved, renumbered[label], weight) == pytest.approx(before, abs=1e-9)


REGRESSION = {
    "rmse": lambda y, s, w: reference.root_mean_squared_error(y, s, sample_weight=w),
    "mae": lambda y, s, w: reference.mean_absolute_error(y, s, sample_weight=w),
    "r2": lambda y, s, w: reference.r2_score(y, s, sample_weight=w),
    "mape": lambda y, s, w: reference.mean_absolute_percentage_error(y, s, sample_weight=w),
    "pinball_05": lambda y, s, w: reference.mean_pinball_loss(y, s, sample_weight=w, alpha=0.05),
    "pinball_50": lambda y, s, w: reference.mean_pinball_loss(y, s, sample_weight=w, alpha=0.5),
    "pinball_95": lambda y, s, w: reference.mean_pinball_loss(y, s, sample_weight=w, alpha=0.95),
}


@pytest.mark.parametrize("name", REGRESSION)
@given(rows=regression_rows())
@RARE
def test_regression_formulas(name, rows):
    truth, score, weight = rows
    assert METRICS[name].compute(truth, score, None, weight) == pytest.approx(
        REGRESSION[name](truth, score, weight), rel=1e-7, abs=1e-12
    )


@given(rows=regression_rows(), seed=st.integers(0, 1000))
@RARE
def test_median_absolute_error_is_the_median_of_repeated_rows(rows, seed):
    truth, score, _ = rows
    weight = np.random.default_rng(seed).integers(0, 4, len(truth))
    weight[0] += 1
    repeated = np.repeat(np.abs(truth - score), weight)
    assert METRICS["median_absolute_error"].compute(truth, score, None, weight) == np.median(repeated)


ALL = [*metrics_of("binary"), cost_metric(1.0, 5.0)]


@pytest.mark.parametrize("metric", [m for m in ALL if m.name != "expected_calibration_error"], ids=lambda m: m.name)
@given(rows=binary_rows(), seed=st.integers(0, 1000))
@RARE
def test_a_weight_of_two_is_the_row_twice(metric, rows, seed):
    truth, score, label, _ = rows
    weight = np.random.default_rng(seed).integers(0, 4, len(truth))
    again = np.repeat(np.arange(len(truth)), weight)
    weighted = metric.compute(truth, score, label, weight)
    assert weighted == pytest.approx(metric.compute(truth[again], score[again], label[again]), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("metric", ALL, ids=lambda m: m.name)
@given(rows=binary_rows(), seed=st.integers(0, 1000))
@RARE
def test_the_order_of_rows_changes_nothing(metric, rows, seed):
    truth, score, label, weight = rows
    weight = np.ones(len(truth)) if weight is None else weight
    order = np.random.default_rng(seed).permutation(len(truth))
    before = metric.compute(truth, score, label, weight)
    after = metric.compute(truth[order], score[order], label[order], weight[order])
    assert after == pytest.approx(before, abs=1e-12, nan_ok=True)


@given(rows=binary_rows())
@RARE
def test_exchanging_the_classes(rows):
    truth, score, label, weight = rows
    for name in ("roc_auc", "log_loss", "brier", "accuracy"):
        before = METRICS[name].compute(truth, score, label, weight)
        after = METRICS[name].compute(1 - truth, 1 - score, 1 - label, weight)
        assert after == pytest.approx(before, abs=1e-9, nan_ok=True)


@given(rows=binary_rows())
@RARE
def test_only_the_order_of_scores_matters_to_a_ranking(rows):
    truth, score, _, weight = rows
    for name in ("roc_auc", "average_precision"):
        before = METRICS[name].compute(truth, score, None, weight)
        assert METRICS[name].compute(truth, score**3 / 7, None, weight) == pytest.approx(before, abs=1e-12, nan_ok=True)


def test_tied_scores_win_half():
    auc = METRICS["roc_auc"].compute
    assert auc([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3], None) == 0.5
    assert auc([0, 0, 1], [0.1, 0.3, 0.3], None) == 0.75


def test_undefined_is_nan_not_zero():
    one_class = (np.zeros(3), np.array([0.1, 0.2, 0.3]), np.zeros(3, dtype=int))
    undefined = {m.name for m in metrics_of("binary") if np.isnan(m.compute(*one_class))}
    assert undefined == {"roc_auc", "average_precision", "f1", "precision", "recall"}
    assert np.isnan(METRICS["r2"].compute([2.1, 2.1, 2.1], [1.0, 2.0, 3.0], None))
    assert np.isnan(METRICS["mape"].compute([0.0, 1.0], [1.0, 1.0], None))
    assert all(np.isnan(m.compute([], [], [])) for m in metrics_of("regression") + metrics_of("binary"))


def test_expected_calibration_error_by_hand():
    # Two scores, so two bins: 30 rows at 0.2 of which 9 are positive, 70 at 0.8 of which 49 are.
    score = np.repeat([0.2, 0.8], [30, 70])
    truth = np.concatenate([np.arange(30) < 9, np.arange(70) < 49]).astype(float)
    assert METRICS["expected_calibration_error"].compute(truth, score, None) == pytest.approx(0.3 * 0.1 + 0.7 * 0.1)


def test_expected_calibration_error_uses_fifteen_bins_of_equal_mass():
    rng = np.random.default_rng(0)
    score = rng.random(1500) ** 2
    truth = (rng.random(1500) < score).astype(float)
    bins = np.array_split(np.argsort(score), 15)
    by_hand = sum(abs((truth[b] - score[b]).sum()) for b in bins) / 1500
    assert METRICS["expected_calibration_error"].compute(truth, score, None) == pytest.approx(by_hand)


def test_cost_counts_each_kind_of_mistake_at_its_price():
    cost = cost_metric(false_positive=2.0, false_negative=10.0)
    assert cost.compute([0, 0, 1, 1], None, [1, 0, 0, 1]) == (2 + 10) / 4


def test_custom_metrics_are_given_repeated_rows():
    def longest(y_true, y_score, y_label):
        return float(len(y_true))

    metric = custom_metric("rows", "binary", longest, higher_is_better=True)
    assert metric.compute([0, 1], [0.1, 0.2], None, np.array([2.0, 3.0])) == 5.0
    assert metric.ready([0, 1], [0.1, 0.2], None).of_weights(np.array([[1.0, 0.0], [4.0, 4.0]])).tolist() == [1.0, 8.0]


def test_the_names_of_the_contract():
    assert [m.name for m in metrics_of("binary")] == [
        *("roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1", "precision", "recall"),
        "expected_calibration_error",
    ]
    assert [m.name for m in metrics_of("multiclass")] == ["log_loss", "accuracy", "macro_f1", "roc_auc_ovr"]
    assert {"rmse", "mae", "r2", "median_absolute_error", "mape", "pinball_50"} <= {
        m.name for m in metrics_of("regression")
    }
    assert METRICS["log_loss"].task == "binary" and metric_named("log_loss", "multiclass").task == "multiclass"
    assert metric_named("pinball_80", "regression").compute([1.0], [0.0], None) == pytest.approx(0.8)
    assert pinball(0.5).name == "pinball_50"
    with pytest.raises(NotFound, match="roc_auc_ovr"):
        metric_named("roc_auc", "multiclass")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (([0, 1], None, None), "missing"),
        (([0, 1], [0.5], None), "shape"),
        (([0, 1], [0.5, np.nan], None), "not finite"),
        (([0, 2], [0.5, 0.5], None), "classes"),
        (([0, np.nan], [0.5, 0.5], None), "not finite"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows, reason):
    with pytest.raises(WrongUse, match=reason):
        METRICS["roc_auc"].compute(*rows)
    with pytest.raises(WrongUse, match="classes"):
        metric_named("log_loss", "multiclass").compute([0, 3], np.full((2, 3), 1 / 3), None)
