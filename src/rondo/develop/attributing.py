"""Attribution over many rows: what moves the answers of a version, how surely, which way, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from rondo.develop.conditions import cut_column
from rondo.develop.evaluating import figure, groups_of
from rondo.develop.reading import days_of
from rondo.models.encoding import Coding, encode_table
from rondo.models.packed import Packed
from rondo.models.predictors import LightGBM
from rondo.records.development import Contribution, Explanation, Figure
from rondo.records.studies import Attributed, AttributedSlice, Attribution, Effect
from rondo.records.tables import Scalar
from rondo.stats.intervals import Blocks, numbered
from rondo.stats.proportions import mean_interval
from rondo.stats.results import Floats, Ints, finite

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["testset", "table", "query", "window"]
SAMPLE_ROWS = 1000
SAMPLE_COST = 2_500_000_000
"""Rows times bytes of trees: TreeSHAP walks every leaf of every tree for each row. About two seconds."""
FEWEST_ROWS = 50
EFFECTS = 2
"""So many values that lower the answer most, and as many that raise it most."""
EFFECT_ROWS, EFFECT_SHARE = 10, 0.02
SLICES, SLICE_ROWS = 20, 20
FEWEST_PAIRS = 10


@dataclass(frozen=True)
class Sample:
    """Rows to explain: encoded (n, columns), out of how many they are, their days, places of groups by column."""

    matrix: Floats
    of_rows: int
    days: Blocks = None
    groups: Mapping[str, Sequence[tuple[Scalar, Ints]]] = field(default_factory=dict)


def rows_to_explain(packed: Packed, most: int = SAMPLE_ROWS) -> int:
    """How many rows are explained at most: fewer where trees are many and large."""
    if isinstance(packed.predictor, LightGBM):
        return min(most, max(FEWEST_ROWS, SAMPLE_COST // len(packed.predictor.text)))
    return most


def sample_of(
    packed: Packed, rows: pa.Table, *, of_rows: int | None = None, by: Sequence[str] = (), most: int = SAMPLE_ROWS
) -> Sample:
    """At most `most` of the rows (fed columns, `moment` if timed, columns to slice by), evenly apart.

    `of_rows` says how many they stand for, where they were drawn before. Raises DeclarationError for a column that is
    not there.
    """
    most = rows_to_explain(packed, most)
    taken = rows.take(np.unique(np.linspace(0, rows.num_rows - 1, min(most, rows.num_rows)).astype(np.int64)))
    timed = "moment" in taken.column_names
    return Sample(
        encode_table(packed.encoder, taken),
        rows.num_rows if of_rows is None else of_rows,
        days_of(taken.column("moment"), packed.signature.timezone) if timed else None,
        {name: groups_of(taken, name) for name in by},
    )


def attribute(
    packed: Packed,
    sample: Sample,
    *,
    version: int,
    kind: Kind,
    of: str,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Attribution:
    """What each column does to the answers of these rows, columns in order of weight.

    The contributions are those that explain a single answer; of two columns that act together each has its share. The
    intervals are of the mean over rows like these, whole days drawn where there is time.
    """
    why = packed.explain(sample.matrix)
    columns = packed.encoder.columns
    paid = np.array([each.contributions for each in why]).reshape(len(why), len(columns))
    weights = [_weight(paid[:, place], sample.days) for place in range(len(columns))]
    total = sum(each.value or 0.0 for each in weights)
    found = [
        Attributed(
            feature=coding.name,
            weight=weight,
            share=(weight.value or 0.0) / total if total else 0.0,
            direction=_direction(coding, sample.matrix[:, place], paid[:, place]),
            effects=_effects(coding, sample.matrix[:, place], paid[:, place]),
        )
        for place, (coding, weight) in enumerate(zip(columns, weights, strict=True))
    ]
    return Attribution(
        name=packed.signature.model,
        version=version,
        kind=kind,
        of=of,
        rows=len(why),
        of_rows=sample.of_rows,
        base=float(np.mean([each.base for each in why])) if why else 0.0,
        prediction=float(np.mean([each.prediction for each in why])) if why else 0.0,
        features=sorted(found, key=lambda each: -(each.weight.value or 0.0)),
        residual=float(np.mean([abs(each.residual) for each in why])) if why else 0.0,
        slices=[
            _slice(by, value, places, paid, packed, sample.days)
            for by, groups in sample.groups.items()
            for value, places in groups[:SLICES]
            if len(places) >= SLICE_ROWS
        ],
        start=start,
        end=end,
        days=None if sample.days is None else numbered(sample.days)[1],
    )


def explanation_of(found: Attribution) -> Explanation:
    """The same in short: mean absolute contributions by column, in order of weight, without values."""
    return Explanation(
        name=found.name,
        version=found.version,
        base=found.base,
        prediction=found.prediction,
        contributions=[
            Contribution(feature=each.feature, value=None, contribution=each.weight.value or 0.0)
            for each in found.features
        ],
        residual=found.residual,
        rows=found.rows,
    )


def _weight(paid: Floats, days: Blocks) -> Figure:
    found = figure(mean_interval(np.abs(paid), blocks=days))
    return found if found.low is None else msgspec.structs.replace(found, low=max(0.0, found.low))


def _direction(coding: Coding, values: Floats, paid: Floats) -> float | None:
    """Spearman's rank correlation of value and contribution, where the value is known."""
    from scipy.stats import rankdata

    known = ~np.isnan(values)
    if coding.kind == "category" or known.sum() < FEWEST_PAIRS:
        return None
    ranks = rankdata(values[known]), rankdata(paid[known])
    if any(np.ptp(each) == 0 for each in ranks):
        return None
    return finite(float(np.corrcoef(*ranks)[0, 1]))


def _effects(coding: Coding, values: Floats, paid: Floats) -> list[Effect]:
    """What the column contributes where it holds such values: those that lower most, those that raise most."""
    if coding.skipped is not None or not len(values):
        return []
    cut = cut_column(coding, values)
    least = max(EFFECT_ROWS, EFFECT_SHARE * len(values))
    rows = np.bincount(cut.codes, minlength=len(cut.means) + 1)
    sums = np.bincount(cut.codes, paid, minlength=len(cut.means) + 1)
    told = [
        Effect(condition=cut.means[code - 1], rows=int(rows[code]), contribution=float(sums[code] / rows[code]))
        for code in range(1, len(rows))
        if rows[code] >= least
    ]
    told.sort(key=lambda effect: effect.contribution)
    return told if len(told) <= 2 * EFFECTS else [*told[:EFFECTS], *told[-EFFECTS:]]


def _slice(by: str, value: Scalar, places: Ints, paid: Floats, packed: Packed, days: Blocks) -> AttributedSlice:
    own = None if days is None else days[places]
    weights = {name: _weight(paid[places, n], own) for n, name in enumerate(packed.encoder.names)}
    ordered = dict(sorted(weights.items(), key=lambda each: -(each[1].value or 0.0)))
    return AttributedSlice(by=by, is_=value, rows=len(places), weights=ordered)
