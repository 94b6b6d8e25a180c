from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import WrongUse
from rondo.stats.estimated import day_variance, estimated, estimates_held, realised_less_estimated
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


def test_realised_less_estimated_is_their_difference_and_holds_0_where_scores_are_true():
    auc, rng = metric_named("roc_auc", "binary"), np.random.default_rng(6)
    held = 0
    for _ in range(100):
        score, label, days = day_rows(rng, 10, 60)
        truth = (rng.random(len(score)) < score).astype(int)
        found = realised_less_estimated(auc, truth, score, label, blocks=days)
        held += found.low <= 0 <= found.high
    expected = estimated([auc], score, label, blocks=days, draws=10, seed=0)["roc_auc"].value
    assert found.value == pytest.approx(auc.compute(truth, score, label) - expected)
    assert (found.n, found.degrees) == (600, 9)
    assert abs(held / 100 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 100)


def test_realised_less_estimated_shows_a_concept_shift():
    auc, rng = metric_named("roc_auc", "binary"), np.random.default_rng(7)
    score, label, days = day_rows(rng, 20, 200)
    truth = (rng.random(len(score)) < 0.3 + 0.4 * score).astype(int)
    assert realised_less_estimated(auc, truth, score, label, blocks=days).high < -0.05
    right = realised_less_estimated(auc, truth, score, label, probability=0.3 + 0.4 * score, blocks=days)
    assert right.low < 0 < right.high


def stormy(rng, days, rows=100, spread=0.6):
    """Days whose outcomes follow their scores more or less closely, each in its own measure."""
    score, label, day = day_rows(rng, days, rows)
    z = rng.normal(1, spread, days)[day] * np.log(score / (1 - score))
    return score, label, day, (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(int)


def test_bands_hold_where_days_err_together_once_past_days_have_told_how_much():
    auc, rng, held = metric_named("roc_auc", "binary"), np.random.default_rng(8), np.zeros(2)
    runs = 120
    for _ in range(runs):
        score, label, day, truth = stormy(rng, 28)
        told = day_variance(auc, truth, score, label, blocks=day, draws=40, seed=0)
        score, label, day, truth = stormy(rng, 7)
        real = auc.compute(truth, score, label)
        for place, variance in enumerate((0.0, told)):
            band = estimated([auc], score, label, blocks=day, day_variance=variance, draws=60, seed=0)["roc_auc"]
            held[place] += band.low <= real <= band.high
    without, with_it = held / runs
    assert without < 0.85 and with_it > 0.95 - 2 * np.sqrt(0.95 * 0.05 / runs)


def test_days_that_err_no_more_than_chance_add_little():
    auc, rng = metric_named("roc_auc", "binary"), np.random.default_rng(9)
    found = {}
    for spread in (0.0, 0.6):
        parts = [stormy(rng, 28, spread=spread) for _ in range(10)]
        found[spread] = [day_variance(auc, y, score, label, blocks=day, seed=0) for score, label, day, y in parts]
    assert np.mean(found[0.0]) < 0.2 * np.mean(found[0.6])
    score, label, day, truth = stormy(rng, 7)
    assert day_variance(auc, truth, score, label, blocks=day, seed=0) == 0.0  # too few days to tell
    assert day_variance(auc, truth, score, label, blocks=None, seed=0) == 0.0
