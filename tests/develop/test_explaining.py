from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.explaining import explain_sample, explain_version
from rondo.develop.reading import labelled
from rondo.project.models import lightgbm
from rondo.records.development import Explanation


@pytest.fixture
def trained(bench, make):
    """A packed LightGBM model on churn and its test rows."""
    columns, label, _ = make.churn()
    dataset, signature = bench.freeze(columns, fed=list(columns), label=pa.array(label))
    packed = make.unpack(bench, make.train(bench, make.declare(train=lightgbm()), dataset, signature))
    return packed, labelled(dataset, bench.store, "test")


def test_over_a_sample_columns_that_matter_weigh_most(bench, make, trained):
    packed, rows = trained
    record, estimates = explain_sample(packed, rows, version=1)
    assert record.rows == 300 and {c.feature for c in record.contributions[:2]} == {"usage", "plan"}
    assert [c.contribution for c in record.contributions] == [e.value for e in estimates.values()]
    assert all(e.low <= e.value <= e.high for e in estimates.values())
    assert record.residual < 1e-12
    kept = explain_version(packed, rows, store=bench.store, version=1, now=make.now, by="ann", most=20)
    assert kept.rows == 20 and bench.store.ledger.latest(Explanation).record == kept


def test_no_rows_explain_nothing(trained):
    packed, rows = trained
    record, _ = explain_sample(packed, rows.slice(0, 0), version=1)
    assert record.rows == 0 and np.isfinite(record.prediction)
