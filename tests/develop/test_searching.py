from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest

from rondo.project.models import auto, regression
from rondo.records.development import Candidate


def wavy(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, size=(n, 3))
    return x, np.sin(2 * x[:, 0]) * x[:, 1] + rng.normal(scale=0.2, size=n)


def test_the_better_kind_is_chosen_and_every_try_recorded(bench, make):
    x, y = wavy()
    dataset, signature = bench.freeze(
        {f"x{i}": x[:, i] for i in range(3)}, fed=["x0", "x1", "x2"], label=pa.array(y), task="regression"
    )
    model = make.declare(regression("label"), train=auto(minutes=3 / 60, seed=1))
    version = make.train(bench, model, dataset, signature)
    tries = [entry.record for entry in bench.store.ledger.entries(Candidate)]
    assert version.trainer == "lightgbm" and tries[0].chosen and sum(t.chosen for t in tries) == 1
    assert tries[0].value == min(t.value for t in tries) and tries[0].parameters == version.parameters
    assert {t.trainer for t in tries} == {"lightgbm", "linear", "constant"} and len(tries) > 4
    assert all(t.latency_us > 0 for t in tries)


def test_a_linear_truth_is_left_to_the_linear_model(bench, make):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 4))
    y = x @ [1.0, -2.0, 0.5, 0.0] + rng.normal(size=800)
    dataset, signature = bench.freeze(
        {f"x{i}": x[:, i] for i in range(4)}, fed=["x0", "x1", "x2", "x3"], label=pa.array(y), task="regression"
    )
    version = make.train(bench, make.declare(regression("label"), train=auto(minutes=2 / 60)), dataset, signature)
    assert version.trainer == "linear"


@pytest.mark.parametrize("seconds", [0.5, 2.5])
def test_the_budget_holds_to_the_second(bench, make, seconds):
    x, y = wavy(30_000)
    dataset, signature = bench.freeze(
        {f"x{i}": x[:, i] for i in range(3)}, fed=["x0", "x1", "x2"], label=pa.array(y), task="regression"
    )
    model = make.declare(regression("label"), train=auto(minutes=seconds / 60))
    begun = time.monotonic()
    make.train(bench, model, dataset, signature)
    assert time.monotonic() - begun < seconds + 1
