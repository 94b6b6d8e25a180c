from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import WrongUse
from rondo.stats.estimated import estimated, estimates_held
from rondo.stats.metrics import metric_named, metrics_of
from rondo.stats.results import Estimate

BINARY = metrics_of("binary")
NAMES = ("accuracy", "precision", "recall", "f1")


def day_rows(rng, days=20, rows=60, shift=0.0):
    score = 1 / (1 + np.exp(-(rng.normal(shift, 1.5, days * rows))))
    return score, (score >= 0.5).astype(int), np.repeat(np.arange(days), rows)


def test_expected_confusion_by_hand():
    """Scores 0.9, 0.8, 0.4, 0.3 at 0.5: 1.7 true positives, 0.3 false ones, 0.7 false and 1.3 true negatives."""
    score = np.array([0.9, 0.8, 0.4, 0.3])
    found = estimated([metric_named(n, "binary") for n in NAMES], score, score >= 0.5, seed=0)
    assert {name: found[name].value for name in NAMES} == pytest.approx(
        {"accuracy": 3.0 / 4, "precision": 1.7 / 2, "recall": 1.7 / 2.4, "f1": 3.4 / (3.4 + 0.3 + 0.7)}
    )


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 60))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_auc_brier_and_log_loss_by_their_definitions(seed, n):
    score = np.round(np.random.default_rng(seed).uniform(0.01, 0.99, n), 2)
    found = estimated(
        [metric_named(m, "binary") for m in ("roc_auc", "brier", "log_loss")], score, None, draws=10, seed=0
    )
    above = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    pairs = score[:, None] * (1 - score)
    assert found["roc_auc"].value == pytest.approx((pairs * above).sum() / pairs.sum())
    assert found["brier"].value == pytest.approx((score * (1 - score)).mean())
    entropy = -(score * np.log(score) + (1 - score) * np.log(1 - score)).mean()
    assert found["log_loss"].value == pytest.approx(entropy)


def test_every_metric_comes_out_as_estimated_where_scores_are_true():
    """Outcomes drawn by the scores: over many rows what is realised is what was expected, under a shift of inputs."""
    rng = np.random.default_rng(4)
    score, label, _ = day_rows(rng, 200, 200, shift=-1.0)
    truth = (rng.random(len(score)) < score).astype(int)
    names = [m for m in BINARY if m.name != "expected_calibration_error"]
    found = estimated(names, score, label, draws=10, seed=0)
    for metric in names:
        assert found[metric.name].value == pytest.approx(metric.compute(truth, score, label), abs=0.01), metric.name


def test_bands_hold_what_is_realised():
    metrics = [metric_named(name, "binary") for name in ("roc_auc", "brier", "recall")]
    held = dict.fromkeys(("roc_auc", "brier", "recall"), 0)
    for run in range(60):
        rng = np.random.default_rng(run)
        score, label, days = day_rows(rng, 10, 40)
        truth = (rng.random(len(score)) < score).astype(int)
        found = estimated(metrics, score, label, blocks=days, draws=100, seed=run)
        for metric in metrics:
            each = found[metric.name]
            held[metric.name] += each.low <= metric.compute(truth, score, label) <= each.high
    assert min(held.values()) >= 54  # 95 in 100 promised: fewer than 54 of 60 come once in 30 such promises


def test_a_better_probability_than_the_score_is_believed():
    score, label, _ = day_rows(np.random.default_rng(0))
    brier = [metric_named("brier", "binary")]
    truth_is = score**2
    found = estimated(brier, score, label, probability=truth_is, draws=10, seed=0)["brier"]
    assert found.value == pytest.approx((truth_is * (1 - score) ** 2 + (1 - truth_is) * score**2).mean())


def test_accuracy_of_many_classes_is_the_mean_of_their_greatest():
    score = np.random.default_rng(0).dirichlet([1, 1, 1], 500)
    metrics = [metric_named(name, "multiclass") for name in ("accuracy", "log_loss")]
    found = estimated(metrics, score, score.argmax(axis=1), draws=50, seed=0)
    assert found["accuracy"].value == pytest.approx(score.max(axis=1).mean())
    assert found["log_loss"].value == pytest.approx(-(score * np.log(score)).sum(axis=1).mean())
    assert found["accuracy"].low < found["accuracy"].value < found["accuracy"].high


def test_the_band_of_accuracy_is_that_of_its_variance():
    """Days of equal make-up leave the outcomes' own luck: p(1 − p) a row."""
    score = np.tile([0.9, 0.7, 0.2, 0.4], 200)
    found = estimated(
        [metric_named("accuracy", "binary")],
        score,
        score >= 0.5,
        blocks=np.repeat(np.arange(200), 4),
        draws=2000,
        seed=0,
    )["accuracy"]
    right = np.array([0.9, 0.7, 0.8, 0.6])
    assert found.standard_error**2 == pytest.approx((right * (1 - right)).mean() / 800, rel=0.1)


def test_days_that_differ_widen_the_band():
    """The days' part is that of the mean of what each day's scores promise."""
    day = np.repeat(np.random.default_rng(0).uniform(0.55, 0.95, 12), 4000)
    found = estimated(
        [metric_named("accuracy", "binary")],
        day,
        np.ones(len(day)),
        blocks=np.repeat(np.arange(12), 4000),
        draws=2000,
        seed=0,
    )["accuracy"]
    expected = day[::4000].var(ddof=1) / 12 + (day * (1 - day)).mean() / len(day)
    assert found.standard_error**2 == pytest.approx(expected, rel=0.1)
    assert found.degrees == 11


def test_how_past_estimates_did():
    estimates = [Estimate("roc_auc", v, v - 0.02, v + 0.02, 100) for v in (0.70, 0.72, 0.74, 0.76)]
    held = estimates_held([*estimates, Estimate("roc_auc", None, None, None, 0)], [0.69, 0.73, 0.70, np.nan, 0.7])
    assert held.bias.value == pytest.approx((0.01 - 0.01 + 0.04) / 3)
    assert held.error.value == pytest.approx(0.02)
    assert (held.coverage.value, held.coverage.n) == (pytest.approx(2 / 3), 3)
    assert estimates_held([], []).bias.value is None


def test_no_rows_no_estimate_and_the_same_seed_the_same():
    nothing = estimated(BINARY, np.empty(0), np.empty(0), seed=0)
    assert {each.value for each in nothing.values()} == {None}
    score, label, days = day_rows(np.random.default_rng(0))
    first, second = (estimated(BINARY, score, label, blocks=days, draws=20, seed=3) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        (metric_named("brier", "binary"), [0.5, 1.2]),
        (metric_named("brier", "binary"), [0.5, np.nan]),
        (metric_named("accuracy", "multiclass"), [[0.5, 0.4], [0.5, 0.5]]),
        (metric_named("rmse", "regression"), [0.5, 0.5]),
    ],
)
def test_what_is_no_probability_is_wrong_use(metric, score):
    with pytest.raises(WrongUse):
        estimated([metric], score, [0, 1], seed=0)
