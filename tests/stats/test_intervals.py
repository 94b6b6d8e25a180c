"""Intervals keep their word: coverage by simulation, with the Monte-Carlo error stated where it is measured."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit, ndtr

from rondo.errors import WrongUse
from rondo.stats.delong import delong
from rondo.stats.intervals import (
    bootstrap,
    lower95,
    lower_bound,
    one_sided,
    paired,
    resample_counts,
    t_quantile,
    upper95,
)
from rondo.stats.metrics import METRICS, custom_metric, metrics_of
from rondo.stats.results import Difference, Estimate

AUC = METRICS["roc_auc"]


def days_of_flights(rng, days, rows_a_day, *, spread=0.5):
    """Rows whose difficulty, base rate and bias change from day to day: (y_true, y_score, y_label, day)."""
    day = np.repeat(np.arange(days), rows_a_day)
    rate = np.clip(0.25 + 0.08 * rng.normal(size=days), 0.03, 0.9)[day]
    truth = (rng.random(len(day)) < rate).astype(float)
    strength, bias = (spread * rng.normal(size=days)[day] for _ in range(2))
    score = expit(rng.normal(size=len(day)) + (1 + strength) * truth + bias - 1.2)
    return truth, score, (score > 0.4).astype(int), day


def test_whole_days_cover_and_rows_do_not():
    """14 days of 60 rows, 300 trials: the Monte-Carlo error of a coverage of 0.95 is 0.013."""
    rng = np.random.default_rng(5)
    metrics = [METRICS[name] for name in ("roc_auc", "brier", "accuracy", "f1")]
    truth_of = {m.name: m.compute(*days_of_flights(rng, 6000, 60)[:3]) for m in metrics}
    trials = 300
    covered, above, below, by_rows = (dict.fromkeys(truth_of, 0) for _ in range(4))
    for trial in range(trials):
        *rows, day = days_of_flights(rng, 14, 60)
        for name, found in bootstrap(metrics, *rows, blocks=day, draws=200, seed=trial).items():
            assert found.degrees == 13
            scale = METRICS[name].scale
            covered[name] += found.low <= truth_of[name] <= found.high
            above[name] += lower95(found, scale=scale) <= truth_of[name]
            below[name] += upper95(found, scale=scale) >= truth_of[name]
        for name, found in bootstrap(metrics, *rows, draws=60, seed=trial).items():
            by_rows[name] += found.low <= truth_of[name] <= found.high
    for name in truth_of:
        assert 0.91 <= covered[name] / trials <= 0.985, name  # nominal 0.95, three errors below, three above
        assert above[name] / trials >= 0.905, name
        assert below[name] / trials >= 0.905, name
        assert by_rows[name] / trials < 0.85, name


@pytest.mark.parametrize(("positives", "strength"), [(5, 1.2), (20, 1.2), (50, 2.0)])
def test_few_positive_rows_are_not_cleared_too_often(positives, strength):
    """The lower bound of an AUC lies below the truth in 95 of 100; 250 trials, Monte-Carlo error 0.014."""
    rng = np.random.default_rng(positives)
    truth = np.repeat([1.0, 0.0], [positives, 300])
    area = float(ndtr(strength / np.sqrt(2)))
    kept = 0
    for trial in range(250):
        found = bootstrap(
            [AUC], truth, ndtr(rng.normal(size=len(truth)) + strength * truth), None, draws=150, seed=trial
        )
        kept += lower95(found["roc_auc"], scale=AUC.scale) <= area
    assert kept / 250 >= 0.905


def test_fourteen_days_leave_thirteen_degrees():
    *rows, day = days_of_flights(np.random.default_rng(3), 14, 30)
    brier = bootstrap([METRICS["brier"]], *rows, blocks=day, draws=100, seed=0)["brier"]
    assert (brier.high - brier.low) / 2 == pytest.approx(stats.t(13).ppf(0.975) * brier.standard_error)
    auc = bootstrap([AUC], *rows, blocks=day, draws=100, seed=0)["roc_auc"]
    reach = stats.t(13).ppf(0.975) * auc.standard_error / (auc.value * (1 - auc.value))
    assert (auc.low, auc.high) == pytest.approx((expit(logit(auc.value) - reach), expit(logit(auc.value) + reach)))


def test_rows_agree_with_delong():
    rng = np.random.default_rng(0)
    truth, score, _, _ = days_of_flights(rng, 1, 3000)
    ours, check = bootstrap([AUC], truth, score, None, draws=2000, seed=1)["roc_auc"], delong(truth, score)
    assert ours.value == pytest.approx(check.value, abs=1e-12)
    assert ours.standard_error == pytest.approx(check.standard_error, rel=0.06)  # 2,000 draws: 1.6 % at one sigma


def test_rows_of_a_mean_agree_with_its_standard_error():
    rng = np.random.default_rng(0)
    truth, score, label, _ = days_of_flights(rng, 1, 2000)
    found = bootstrap([METRICS["brier"]], truth, score, label, draws=3000, seed=2)["brier"]
    assert found.standard_error == pytest.approx(stats.sem((truth - score) ** 2), rel=0.05)


def test_same_seed_same_bytes_whatever_the_company():
    *rows, day = days_of_flights(np.random.default_rng(1), 6, 50)
    together = bootstrap(metrics_of("binary"), *rows, blocks=day, draws=100, seed=3)
    alone = bootstrap([AUC], *rows, blocks=day, draws=100, seed=3)
    assert together["roc_auc"] == alone["roc_auc"]
    assert together != bootstrap(metrics_of("binary"), *rows, blocks=day, draws=100, seed=4)


@given(seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_the_names_of_blocks_do_not_matter(seed):
    *rows, day = days_of_flights(np.random.default_rng(seed), 5, 20)
    renamed = np.datetime64("2013-01-01") + day
    assert bootstrap([AUC], *rows, blocks=day, draws=50, seed=1) == bootstrap(
        [AUC], *rows, blocks=renamed, draws=50, seed=1
    )


def test_nothing_can_be_said():
    nothing = bootstrap([AUC], [], [], [], seed=0)["roc_auc"]
    assert (nothing.value, nothing.low, nothing.high, nothing.n) == (None, None, None, 0)
    one_class = bootstrap([AUC], [0, 0, 0], [0.1, 0.2, 0.3], None, seed=0)["roc_auc"]
    assert (one_class.value, one_class.low, one_class.n) == (None, None, 3)
    one_day = bootstrap([AUC], [0, 1, 1], [0.1, 0.2, 0.3], None, blocks=np.array([7, 7, 7]), seed=0)["roc_auc"]
    assert (one_day.value, one_day.low, one_day.standard_error) == (1.0, None, None)
    one_row = bootstrap(metrics_of("regression"), [1.0], [2.0], None, seed=0)
    assert one_row["mae"].value == 1.0 and one_row["mae"].low is None and one_row["r2"].value is None
    lone_positive = bootstrap([AUC], [0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4], None, seed=0)["roc_auc"]
    assert lone_positive.low is None
    two_positives = bootstrap([AUC], [0] * 20 + [1, 1], np.linspace(0, 1, 22), None, seed=0)["roc_auc"]
    assert two_positives.value == 1.0 and two_positives.low is None  # undefined in e⁻² of the draws, 14 of 100
    assert paired([AUC], [], ([], None), ([], None), seed=0)["roc_auc"].n == 0
    assert one_sided(one_class, 0.5, ">=") == (1.0, 1.0) and lower95(one_class) is None


@pytest.mark.parametrize("n", [10, 40, 200])
def test_no_mistake_is_not_certainty(n):
    """The rule of three: n rows without a mistake show a rate of mistakes below about 3/n."""
    truth = np.arange(n) % 2
    found = bootstrap(metrics_of("binary"), truth, truth * 0.8 + 0.1, truth, draws=100, seed=0)
    for name in ("accuracy", "recall", "precision", "roc_auc"):
        rows = n if name == "accuracy" else n / 2
        assert found[name].value == found[name].high == 1.0
        assert 2.5 / rows < 1 - lower95(found[name], scale=METRICS[name].scale) < 5.5 / rows
    thirds = np.arange(n) % 3
    found = bootstrap(metrics_of("multiclass"), thirds, np.eye(3)[thirds], thirds, draws=100, seed=0)
    assert 2.5 / n < 1 - lower95(found["accuracy"]) < 4.0 / n and found["macro_f1"].low < 1


def test_one_score_for_all_is_no_better_than_chance():
    """One more row moves its AUC too, so even this is not quite certain."""
    found = bootstrap([AUC], np.arange(200) % 2, np.full(200, 0.3), None, draws=100, seed=0)["roc_auc"]
    assert found.value == 0.5 and 0.47 < found.low < 0.5 < found.high < 0.53


def test_bounds_stay_within_what_a_metric_can_be():
    rng = np.random.default_rng(2)
    for _ in range(20):
        truth, score, label, _ = days_of_flights(rng, 1, 30)
        for name, found in bootstrap(metrics_of("binary"), truth, score, label, draws=40, seed=0).items():
            if found.low is not None:
                assert METRICS[name].bounds[0] <= found.low <= found.value <= found.high <= METRICS[name].bounds[1]


def test_a_paired_difference_is_sharper_than_two_intervals():
    rng = np.random.default_rng(8)
    truth, score, label, day = days_of_flights(rng, 14, 100)
    worse = expit(np.log(score / (1 - score)) + 0.8 * rng.normal(size=len(score)))
    both = paired(metrics_of("binary"), truth, (score, label), (worse, label), blocks=day, draws=300, seed=0)
    alone = bootstrap([AUC], truth, score, label, blocks=day, draws=300, seed=0)["roc_auc"]
    assert both["roc_auc"].difference == pytest.approx(
        AUC.compute(truth, score, None) - AUC.compute(truth, worse, None)
    )
    assert both["roc_auc"].standard_error < alone.standard_error / 1.5
    assert both["roc_auc"].low > 0
    swapped = paired([AUC], truth, (worse, label), (score, label), blocks=day, draws=300, seed=0)["roc_auc"]
    assert (swapped.low, swapped.high) == pytest.approx((-both["roc_auc"].high, -both["roc_auc"].low))
    same = paired([AUC], truth, (score, label), (score, label), blocks=day, draws=50, seed=0)["roc_auc"]
    assert (same.difference, same.low, same.high) == (0.0, 0.0, 0.0)
    assert one_sided(same, -0.005, ">=") == (0.0, 1.0)


def test_custom_metrics_have_intervals_too():
    own = custom_metric("mean", "regression", lambda y, s, p: float(s.mean()), higher_is_better=True)
    score = np.random.default_rng(0).normal(size=200)
    found = bootstrap([own], score, score, None, draws=400, seed=0)["mean"]
    assert found.standard_error == pytest.approx(stats.sem(score), rel=0.12)


@given(
    value=st.floats(0.02, 0.98),
    error=st.floats(1e-4, 0.3),
    limit=st.floats(0.01, 0.99),
    degrees=st.none() | st.integers(1, 50),
    scale=st.sampled_from(["plain", "logit"]),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_p_values_and_bounds_say_the_same(value, error, limit, degrees, scale):
    found = Estimate("x", value, None, None, 100, standard_error=error, degrees=degrees)
    clears, misses = one_sided(found, limit, ">=", scale=scale)
    assert clears + misses == pytest.approx(1.0)
    assert one_sided(found, limit, "<=", scale=scale) == pytest.approx((misses, clears))
    for p, bound, beyond in ((clears, lower95(found, scale=scale), 1), (misses, upper95(found, scale=scale), -1)):
        if abs(p - 0.05) > 1e-6:
            assert (p < 0.05) == ((bound - limit) * beyond > 0)


def test_bounds_of_a_difference_and_other_levels():
    difference = Difference("roc_auc", 0.7, 0.69, 0.01, None, None, 100, standard_error=0.005, degrees=13)
    assert lower95(difference) == pytest.approx(0.01 - 1.7709 * 0.005, abs=1e-6)
    assert lower_bound(difference, 0.99) < lower95(difference)
    assert t_quantile(0.975, None) == pytest.approx(1.959964, abs=1e-6)
    certain = Estimate("rows", 5.0, 5.0, 5.0, 5, standard_error=0.0)
    assert one_sided(certain, 5.0, ">=") == (0.0, 1.0) and one_sided(certain, 4.0, "<=") == (1.0, 0.0)


def test_resampled_counts_draw_as_many_as_there_are():
    rng = np.random.default_rng(0)
    assert (resample_counts(7, None, 20, rng).sum(axis=1) == 7).all()
    day = np.array([3, 3, 9, 9, 9, 12])
    counts = resample_counts(6, day, 200, rng)
    assert (counts[:, 0] == counts[:, 1]).all() and (counts[:, 2] == counts[:, 4]).all()
    assert (counts[:, [0, 2, 5]].sum(axis=1) == 3).all()


def test_memory_is_bounded():
    rng = np.random.default_rng(0)
    rows = days_of_flights(rng, 1, 50_000)[:3]
    tracemalloc.start()
    bootstrap([AUC, METRICS["average_precision"]], *rows, draws=60, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6  # 60 draws of 50,000 rows at once would take 24 MB a copy, a thousand 400 MB


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(WrongUse, match="y_score"):
        bootstrap([AUC], [0, 1, 1], [0.2, 0.3], None, seed=0)
    with pytest.raises(WrongUse, match="2 blocks for 3 rows"):
        bootstrap([AUC], [0, 1, 1], [0.2, 0.3, 0.4], None, blocks=np.array([1, 2]), seed=0)
