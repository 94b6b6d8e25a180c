"""What the drift of each feature is expected to cost, and how far a window's rows have moved all together.

    expected_loss      what the metric loses if the drifted values are wrong; of features, and of look-ups as a whole
    expected_change    what it loses if they are right, and the world has moved (below 0: it gains)
    realised_loss      once outcomes are known: above 0 the values were wrong, below 0 they were right (of the rows
                       that have a value)
    domain_auc         how well a classifier tells the window's rows from the reference's; 0.5 is not at all

The first three are in the metric's unit, above 0 worse (regression: how far predictions move on average, in the
label's). `expected_loss` without a feature is that of all together, `expected_loss_interaction` what it is more (or
less, where features tell the same) than the sum over features.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.models.packed import Packed
from rondo.monitor.estimates import measurement_of
from rondo.monitor.samples import Reference, Sample
from rondo.monitor.windows import Window
from rondo.records.monitoring import Measurement
from rondo.stats.domains import domain_auc
from rondo.stats.expected_loss import Answers, chances, expected_change, expected_loss, realised_loss, restored
from rondo.stats.metrics import Metric, metric_named
from rondo.stats.proportions import mean_interval
from rondo.stats.results import Estimate, Floats

EXPECTED_LOSS, EXPECTED_CHANGE, REALISED_LOSS = "expected_loss", "expected_change", "realised_loss"
INTERACTION = "expected_loss_interaction"
OUTCOMES_LEAST = 200
"""Fewer known outcomes among the sampled rows tell nothing of a loss."""
DOMAIN_DRAWS = 200


def measure_expected_loss(
    packed: Packed,
    version: int,
    metric: Metric,
    sample: Sample,
    reference: Reference,
    *,
    window: Window,
    features: Collection[str] | None = None,
    seed: int = 0,
) -> list[Measurement]:
    """The losses of these `features` (None: of all), the dearest first, then look-ups, then all together.

    `sample` and `reference` are of the packed `version`. A project's own metric, which knows no weights, is
    replaced by the log loss. None where a side has no rows; `unexamined` where scores are no probabilities.
    """
    columns = {
        coding.name: place
        for place, coding in enumerate(packed.encoder.columns)
        if not coding.skipped and (features is None or coding.name in features)
    }
    if not len(sample.matrix) or not len(reference.matrix) or not columns:
        return []
    undone = _undone(packed, sample, reference, columns, seed)
    name = packed.signature.model
    rows, matured = len(sample.matrix), int(sample.cohort.matured.sum())

    def measured(estimate: Estimate, *, feature: str | None = None, lookup: str | None = None) -> Measurement:
        by = None if lookup is None else "lookup"
        return measurement_of(
            name, estimate, window, version=version, rows=rows, matured=matured, feature=feature, by=by, of=lookup
        )  # fmt: skip

    judge = _Losses(packed, _weighable(packed, metric), sample)
    of_features = {feature: judge.of(undone, [place]) for feature, place in columns.items()}
    ranked = sorted(of_features, key=lambda feature: -(of_features[feature][0].value or 0.0))
    found = [measured(each, feature=feature) for feature in ranked for each in of_features[feature]]
    for lookup, names in _lookups(packed, columns).items():
        found += [measured(each, lookup=lookup) for each in judge.of(undone, [columns[name] for name in names])]
    together = judge.of(undone, list(columns.values()))
    found += [measured(each) for each in together]
    parts = [each[0].value for each in of_features.values()]
    if together[0].value is not None and len(parts) > 1:
        rest = together[0].value - sum(part or 0.0 for part in parts)
        found.append(measured(replace(together[0], name=INTERACTION, value=rest, low=None, high=None)))
    return found


def measure_domain(
    packed: Packed, version: int, sample: Sample, reference: Reference, *, window: Window, seed: int = 0
) -> Measurement:
    """How well the sampled rows are told from the reference's, days held together on both sides."""
    fed = [place for place, coding in enumerate(packed.encoder.columns) if not coding.skipped]
    estimate = domain_auc(
        reference.matrix[:, fed], sample.matrix[:, fed],
        reference_blocks=reference.days, blocks=sample.days, draws=DOMAIN_DRAWS, seed=seed,
    )  # fmt: skip
    name, rows, matured = packed.signature.model, len(sample.matrix), int(sample.cohort.matured.sum())
    estimate = replace(estimate, higher_is_better=False)
    return measurement_of(name, estimate, window, version=version, rows=rows, matured=matured)


class _Losses:
    """The losses of columns restored, judged by one metric on one sample."""

    def __init__(self, packed: Packed, metric: Metric, sample: Sample) -> None:
        self._packed, self._metric, self._sample = packed, metric, sample
        self._given = self._answers(sample.matrix)
        cohort = sample.cohort
        self._known = np.flatnonzero(cohort.matured & np.isfinite(cohort.truth))

    def of(self, undone: Floats, places: Sequence[int]) -> list[Estimate]:
        """Expected loss, expected change and, where outcomes are known, realised loss of these columns together."""
        matrix = self._sample.matrix.copy()
        matrix[:, places] = undone[:, places]
        right, given, days = self._answers(matrix), self._given, self._sample.days
        found = []
        if self._metric.task == "regression":
            moved = np.abs(given.score - right.score)
            found.append(mean_interval(moved, blocks=days, name=EXPECTED_LOSS, unit="label", higher_is_better=False))
        else:
            try:
                found += [estimate(self._metric, given, right, blocks=days) for estimate in _EXPECTED]
            except WrongUse:  # scores that are no probabilities
                return [Estimate(EXPECTED_LOSS, None, None, None, 0, self._metric.unit, False)]
        known = self._known[~self._given_back(undone, places)[self._known]]
        if len(known) >= OUTCOMES_LEAST and (given.score[known] != right.score[known]).any():
            truth = self._sample.cohort.truth[known]
            sides = [Answers(each.score[known], each.label[known]) for each in (given, right)]
            found.append(realised_loss(self._metric, truth, sides[0], sides[1], blocks=days[known]))
        return found

    def _given_back(self, undone: Floats, places: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Rows of which a missing number was replaced by some row's: what it really was, no outcome can tell."""
        numbers = [place for place in places if self._packed.encoder.columns[place].kind == "number"]
        gone = np.isnan(self._sample.matrix[:, numbers]) & ~np.isnan(undone[:, numbers])
        return np.asarray(gone.any(axis=1), dtype=np.bool_)

    def _answers(self, matrix: Floats) -> Answers:
        score = self._packed.score(matrix)
        return Answers(score, self._packed.label_numbers(score))


_EXPECTED = (expected_loss, expected_change)


def _undone(packed: Packed, sample: Sample, reference: Reference, columns: Mapping[str, int], seed: int) -> Floats:
    """The sample with each of these columns moved back onto the reference's distribution."""
    drawn, undone = chances(len(sample.matrix), seed=seed), sample.matrix.copy()
    for place in columns.values():
        category = packed.encoder.columns[place].kind != "number"
        undone[:, place] = restored(sample.matrix[:, place], reference.matrix[:, place], drawn, category=category)
    return undone


def _lookups(packed: Packed, columns: Mapping[str, int]) -> dict[str, list[str]]:
    """Look-ups of which two features or more are asked for: what one table breaks, it breaks together."""
    named = {each.prefix: [name for name in each.names if name in columns] for each in packed.signature.lookups}
    return {prefix: names for prefix, names in named.items() if len(names) > 1}


def _weighable(packed: Packed, metric: Metric) -> Metric:
    return metric if metric.prepare is not None else metric_named(_PLAIN[packed.signature.task], packed.signature.task)


_PLAIN = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mae"}
