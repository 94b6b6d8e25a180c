"""What blocks promise: the short way over block totals gives what the weights of all rows give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.stats import statistic
from rondo.stats.metrics import METRICS, custom_metric, metrics_of

MEAN_SCORE = custom_metric("mean_score", "binary", lambda y, s, p: float(s.mean()), higher_is_better=True)


@pytest.mark.parametrize("metric", [*metrics_of("binary"), MEAN_SCORE], ids=lambda m: m.name)
@given(seed=st.integers(0, 2**32 - 1), blocks=st.integers(2, 6), decimals=st.sampled_from([1, 9]))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_blocks_weigh_like_their_rows(metric, seed, blocks, decimals):
    rng = np.random.default_rng(seed)
    truth, score = rng.integers(0, 2, 40).astype(float), np.round(rng.random(40), decimals)
    block = np.concatenate([np.arange(blocks), rng.integers(0, blocks, 40 - blocks)])
    counts = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=7).astype(float)
    ready = metric.ready(truth, score, (score > 0.5).astype(int))
    by_rows = ready.of_weights(counts[:, block])
    np.testing.assert_allclose(ready.of_blocks(block, counts), by_rows, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_blocks_weigh_like_their_rows_in_other_tasks(task):
    rng = np.random.default_rng(3)
    block, counts = rng.integers(0, 5, 60), rng.integers(0, 4, (9, 5)).astype(float)
    truth = rng.integers(0, 3, 60) if task == "multiclass" else rng.normal(size=60)
    score = rng.dirichlet(np.ones(3), 60) if task == "multiclass" else rng.normal(size=60)
    for metric in metrics_of(task):
        ready = metric.ready(truth, score, rng.integers(0, 3, 60))
        np.testing.assert_allclose(ready.of_blocks(block, counts), ready.of_weights(counts[:, block]), rtol=1e-9)


def test_very_many_blocks_take_the_long_way(monkeypatch):
    rng = np.random.default_rng(3)
    truth, score, block = rng.integers(0, 2, 60), rng.random(60), np.arange(60) % 20
    counts = rng.integers(0, 4, (9, 20)).astype(float)
    short = METRICS["roc_auc"].ready(truth, score, None).of_blocks(block, counts)
    monkeypatch.setattr(statistic, "CELLS", 300)
    np.testing.assert_allclose(METRICS["roc_auc"].ready(truth, score, None).of_blocks(block, counts), short)


def test_chunks_cover_every_draw_once():
    assert [(c.start, c.stop) for c in statistic.chunks(5, statistic.CELLS // 2)] == [(0, 2), (2, 4), (4, 5)]
    assert len(list(statistic.chunks(3, 10 * statistic.CELLS))) == 3
    assert list(statistic.chunks(0, 10)) == []
