from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from rondo.errors import WrongUse
from rondo.stats.calibration import apply_calibration, calibration_helps, fit_isotonic, fit_platt
from rondo.stats.metrics import METRICS

FITS = {"platt": fit_platt, "isotonic": fit_isotonic}


def scored(rng, n, *, slope=1.0, days=None):
    """Labels drawn from a probability p, and the score that says `slope` times its log-odds."""
    log_odds = rng.normal(-1, 1, n)
    if days is not None:
        log_odds = log_odds + 0.5 * rng.normal(size=days.max() + 1)[days]
    return (rng.random(n) < expit(log_odds)).astype(float), expit(slope * log_odds)


def test_platt_finds_what_scikit_learn_finds():
    truth, score = scored(np.random.default_rng(0), 20_000, slope=2.0)
    slope, intercept = fit_platt(truth, score)["coefficients"]
    check = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(score)[:, None], truth)
    # Platt's targets pull a little towards the middle: 1/n of a row.
    assert slope == pytest.approx(check.coef_[0, 0], abs=1e-3) and slope == pytest.approx(0.5, abs=0.03)
    assert intercept == pytest.approx(check.intercept_[0], abs=1e-3)


def test_isotonic_finds_what_scikit_learn_finds():
    truth, score = scored(np.random.default_rng(1), 3000, slope=0.3)
    ours = apply_calibration(fit_isotonic(truth, score), score)
    check = IsotonicRegression(y_min=1 / 3002, y_max=1 - 1 / 3002).fit(score, truth).predict(score)
    np.testing.assert_allclose(ours, check, atol=1e-12)


@pytest.mark.parametrize("kind", FITS)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 60), decimals=st.sampled_from([0, 1, 9]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_scores_give_probabilities_in_order(kind, seed, n, decimals):
    rng = np.random.default_rng(seed)
    truth, score = rng.integers(0, 2, n).astype(float), np.round(rng.random(n), decimals)
    truth[:2] = 0, 1
    parameters = json.loads(json.dumps(FITS[kind](truth, score), allow_nan=False))
    probability = apply_calibration(parameters, np.linspace(0, 1, 50))
    assert ((probability >= 0) & (probability <= 1)).all()
    steps = np.diff(probability)
    assert (steps >= -1e-12).all() or (steps <= 1e-12).all()


@pytest.mark.parametrize("kind", FITS)
def test_separable_scores_stay_finite(kind):
    truth, score = np.repeat([0.0, 1.0], 30), np.repeat([0.0, 1.0], 30)
    probability = apply_calibration(FITS[kind](truth, score), score)
    assert np.isfinite(METRICS["log_loss"].compute(truth, probability, None))
    # 30 rows without a mistake: (30 + 1) / (30 + 2) by Platt, 1 − 1/62 by the limit of the isotonic steps.
    surest = 31 / 32 if kind == "platt" else 61 / 62
    assert (probability.min(), probability.max()) == pytest.approx((1 - surest, surest), abs=1e-4)


def test_it_helps_where_scores_exaggerate():
    truth, score = scored(np.random.default_rng(2), 3000, slope=2.5)
    verdict = calibration_helps(truth, score, seed=0)
    assert verdict.helps and verdict.n == 3000 and verdict.difference.high < 0
    fresh_truth, fresh_score = scored(np.random.default_rng(3), 3000, slope=2.5)
    mended = apply_calibration(verdict.parameters, fresh_score)
    for name in ("log_loss", "expected_calibration_error"):
        before = METRICS[name].compute(fresh_truth, fresh_score, None)
        assert METRICS[name].compute(fresh_truth, mended, None) < before


def test_it_seldom_helps_where_scores_are_right():
    """At most 1 in 20 by the rule; 40 trials allow 5 (one chance in 30 of more, at exactly 1 in 20)."""
    rng = np.random.default_rng(4)
    assert sum(calibration_helps(*scored(rng, 600), draws=100, seed=i).helps for i in range(40)) <= 5


def test_days_stay_whole():
    rng = np.random.default_rng(5)
    days = np.repeat(np.arange(14), 100)
    verdict = calibration_helps(*scored(rng, 1400, slope=3.0, days=days), blocks=days, seed=0)
    assert verdict.helps and verdict.difference.degrees == 13
    assert verdict == calibration_helps(
        *scored(np.random.default_rng(5), 1400, slope=3.0, days=days), blocks=days, seed=0
    )


def test_too_little_to_try():
    assert calibration_helps([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4], seed=0).kind is None
    assert calibration_helps([], [], seed=0).n == 0
    one_day = calibration_helps([0, 1] * 20, [0.1, 0.9] * 20, blocks=np.zeros(40, dtype=int), seed=0)
    assert not one_day.helps and one_day.difference is None
    for fit in FITS.values():
        with pytest.raises(WrongUse, match="both classes"):
            fit([1, 1], [0.2, 0.3])
    with pytest.raises(WrongUse, match="'beta'"):
        apply_calibration({"kind": "beta"}, [0.1])
