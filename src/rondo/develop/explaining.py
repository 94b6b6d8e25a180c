"""Explanation: what moves the scores of a version over a sample."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from rondo.models.encoding import encode_table
from rondo.models.packed import Packed
from rondo.models.predictors import LightGBM
from rondo.records.development import Contribution, Explanation
from rondo.stats.proportions import mean_interval
from rondo.stats.results import Estimate
from rondo.store.opening import Store

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_ROWS = 1000
SAMPLE_COST = 2_500_000_000
"""Rows times bytes of trees: TreeSHAP walks every leaf of every tree for each row. About two seconds."""
FEWEST_ROWS = 50


def explain_sample(
    packed: Packed, rows: pa.Table, *, version: int, most: int = SAMPLE_ROWS
) -> tuple[Explanation, dict[str, Estimate]]:
    """What moves scores over rows (at most `most`, evenly apart): each column's mean absolute contribution.

    The estimates hold these means with their 95 % intervals, columns in order of weight. In the record `base` and
    `prediction` are means over the sample, `residual` the mean absolute one, and no contribution has a value.
    """
    if isinstance(packed.predictor, LightGBM):
        most = min(most, max(FEWEST_ROWS, SAMPLE_COST // len(packed.predictor.text)))
    places = np.unique(np.linspace(0, rows.num_rows - 1, min(most, rows.num_rows)).astype(np.int64))
    why = packed.explain(encode_table(packed.encoder, rows.take(places)))
    weights = np.abs([each.contributions for each in why]).reshape(len(why), len(packed.encoder.columns))
    means = {name: mean_interval(weights[:, place]) for place, name in enumerate(packed.encoder.names)}
    ordered = dict(sorted(means.items(), key=lambda each: -(each[1].value or 0.0)))
    record = Explanation(
        name=packed.signature.model,
        version=version,
        base=float(np.mean([each.base for each in why])) if why else 0.0,
        prediction=float(np.mean([each.prediction for each in why])) if why else 0.0,
        contributions=[
            Contribution(feature=name, value=None, contribution=estimate.value or 0.0)
            for name, estimate in ordered.items()
        ],
        residual=float(np.mean([abs(each.residual) for each in why])) if why else 0.0,
        rows=len(why),
    )
    return record, ordered


def explain_version(
    packed: Packed, rows: pa.Table, *, store: Store, version: int, now: datetime, by: str, most: int = SAMPLE_ROWS
) -> Explanation:
    """`explain_sample`, its record kept in the ledger."""
    record, _ = explain_sample(packed, rows, version=version, most=most)
    store.ledger.append(record, by=by, at=now)
    return record
