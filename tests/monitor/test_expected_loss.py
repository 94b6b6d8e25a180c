from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rondo.features.signature import Column, Lookup, Signature
from rondo.models.encoding import Coding, Encoder
from rondo.models.packed import Packed
from rondo.monitor.cohorts import cohort_query
from rondo.monitor.expected_loss import EXPECTED_LOSS, INTERACTION, measure_domain, measure_expected_loss
from rondo.monitor.samples import Reference, Sample, reference_of, reference_query, sample_of
from rondo.monitor.windows import Window
from rondo.records.monitoring import Measurement
from rondo.records.tables import POSITION
from rondo.sql.engine import connect
from rondo.stats.metrics import METRICS, custom_metric

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = Window(START, START + timedelta(days=7))
AUC = METRICS["roc_auc"]
FED = (
    Column(name="distance", type="DOUBLE"), Column(name="carrier", type="VARCHAR"),
    Column(name="weather.temp", type="DOUBLE"), Column(name="weather.wind", type="DOUBLE"),
    Column(name="idle", type="DOUBLE"),
)  # fmt: skip
LOOKUP = Lookup(
    table="weather", prefix="weather", definition="d", on=(("origin", "origin"),), key_types=("VARCHAR",),
    columns=(Column(name="temp", type="DOUBLE"), Column(name="wind", type="DOUBLE")),
)  # fmt: skip
SIGNATURE = Signature(
    model="late", examples="visits", task="binary", timezone="UTC", key=(Column(name="visit", type="VARCHAR"),),
    time="asked", inputs=(), carried=(), derived=(), lookups=(LOOKUP,), fed=FED,
    label=Column(name="late", type="BOOLEAN"), label_known=None, classes=(False, True),
)  # fmt: skip
ENCODER = Encoder(
    tuple(Coding(c.name, "category", ("A", "B", "C")) if c.type == "VARCHAR" else Coding(c.name, "number") for c in FED)
)
OF_CARRIER = np.array([0.8, -0.8, 0.0, 0.0])  # the last of a value never seen


@dataclass(frozen=True)
class True_:
    """What outcomes follow: distance and carrier strongly, temp and wind less, idle not at all; a null reads as 0."""

    regression: bool = False
    kind: ClassVar[str] = "true"

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        known = np.nan_to_num(matrix)
        carrier = OF_CARRIER[np.where(np.isnan(matrix[:, 1]), 3, known[:, 1]).astype(int)]
        z = (known[:, 0] - 600) / 300 + carrier + 0.3 * (known[:, 2] - 15) / 8 + 0.3 * known[:, 3] - 1
        return z if self.regression else 1 / (1 + np.exp(-z))

    def save(self) -> dict[str, bytes]:
        return {}


PACKED = Packed(SIGNATURE, ENCODER, True_())


def rows(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [rng.gamma(4, 150, n), rng.integers(0, 3, n), rng.normal(15, 8, n), rng.normal(size=n), rng.normal(size=n)]
    )


def sample(matrix: np.ndarray, truth: np.ndarray | None = None) -> Sample:
    n = len(matrix)
    day = np.arange(n) * 7 // max(1, n)
    table = pa.table(
        {
            "event_us": (int(START.timestamp()) + day * 86_400) * 1_000_000,
            "score": True_().predict(matrix), "label": [False] * n, "missing": [0] * n, "version": ["late@3"] * n,
            "outcome": pa.nulls(n, pa.bool_()) if truth is None else pa.array(truth.astype(bool)),
            "matured": [truth is not None] * n,
            **{f"fed.{c.name}": _column(matrix[:, place], c.type) for place, c in enumerate(FED)},
        }
    )  # fmt: skip
    return sample_of(table, SIGNATURE, ENCODER)


def _column(values: np.ndarray, kind: str) -> pa.Array:
    if kind == "VARCHAR":
        return pa.array([None if v != v else "ABC"[int(v)] for v in values], pa.string())
    return pa.array(values, from_pandas=True)


BEFORE = rows(2_000, seed=1)
REFERENCE = Reference(BEFORE, np.arange(2_000) // 50)


def losses(part: Sample, packed: Packed = PACKED, metric=AUC, **more) -> list[Measurement]:
    return measure_expected_loss(packed, 3, metric, part, REFERENCE, window=WEEK, **more)


def ranked(found: list[Measurement]) -> list[str]:
    return [m.feature for m in found if m.metric == EXPECTED_LOSS and m.feature]


def loss(found: list[Measurement], metric: str = EXPECTED_LOSS, **of) -> Measurement:
    wanted = {"feature": None, "by": None, **of}
    [one] = [m for m in found if m.metric == metric and all(getattr(m, k) == v for k, v in wanted.items())]
    return one


INJECTED = {
    "distance in kilometres": ("distance", lambda x: _with(x, 0, x[:, 0] * 1.609)),
    "carrier renamed": ("carrier", lambda x: _with(x, 1, np.where(x[:, 1] == 0, np.nan, x[:, 1]))),
    "distance missing": ("distance", lambda x: _with(x, 0, np.where(np.arange(len(x)) % 3, x[:, 0], np.nan))),
    "temp in Fahrenheit": ("weather.temp", lambda x: _with(x, 2, x[:, 2] * 1.8 + 32)),
}


def _with(matrix: np.ndarray, place: int, column: np.ndarray) -> np.ndarray:
    changed = matrix.copy()
    changed[:, place] = column
    return changed


def _auc(given: np.ndarray, right: np.ndarray) -> float:
    """What the AUC of the given rows is on average over outcomes of the right ones."""
    score, chance = True_().predict(given), True_().predict(right)
    truth = np.repeat([0, 1], len(score))
    return AUC.compute(truth, np.tile(score, 2), None, np.concatenate([1 - chance, chance]))


@pytest.mark.parametrize("name", list(INJECTED))
def test_what_was_broken_comes_first_and_costs_about_what_it_does(name: str) -> None:
    """A useless feature that drifts beyond all bounds comes last all the same."""
    feature, broken = INJECTED[name]
    right = rows(2_000, seed=2)
    wrong = _with(broken(right), 4, right[:, 4] * 50 + 1_000)
    truth = np.random.default_rng(3).random(len(right)) < True_().predict(right)
    found = losses(sample(wrong, truth))
    assert ranked(found)[0] == feature
    first = loss(found, feature=feature)
    assert first.low > 0 and first.value == pytest.approx(_auc(right, right) - _auc(wrong, right), abs=0.015)
    assert loss(found, feature="idle").value == 0.0
    known = loss(found, "realised_loss", feature=feature)
    if "missing" in name:  # what these values were no outcome can tell; the others are right
        assert known.n == 1_333 and known.low <= 0 <= known.high
    else:
        assert known.low < first.value < known.high
    assert (first.unit, first.higher_is_better, first.n) == ("", False, 2_000)


def test_a_world_that_moved_shows_in_the_loss_that_outcomes_know() -> None:
    moved = rows(2_000, seed=2) + np.array([300, 0, 0, 0, 0])
    truth = np.random.default_rng(3).random(len(moved)) < True_().predict(moved)
    found = losses(sample(moved, truth), metric=METRICS["log_loss"])
    assert loss(found, feature="distance").low > 0  # it would cost much if it were wrong
    assert loss(found, "realised_loss", feature="distance").high < 0  # but it is right


def test_where_nothing_moved_little_is_expected() -> None:
    found = losses(sample(rows(2_000, seed=2)))
    assert all(m.value < 0.004 for m in found if m.metric == EXPECTED_LOSS)
    assert not [m for m in found if m.metric == "realised_loss"]


def test_what_one_table_breaks_is_told_together() -> None:
    gone = rows(2_000, seed=2)
    gone[:, 2:4] = np.nan
    found = losses(sample(gone))
    of_table = loss(found, by="lookup", is_="weather")
    assert of_table.value > max(loss(found, feature=name).value for name in LOOKUP.names)
    together, rest = loss(found), loss(found, INTERACTION)
    parts = sum(m.value for m in found if m.metric == EXPECTED_LOSS and m.feature)
    assert rest.value == pytest.approx(together.value - parts) and rest.low is None


def test_only_the_features_that_drifted_are_asked_for() -> None:
    found = losses(sample(rows(500, seed=2)), features={"idle"})
    assert {m.feature for m in found if m.feature} == {"idle"} and not [m for m in found if m.by]
    assert losses(sample(rows(500, seed=2)), features=()) == losses(sample(rows(0, seed=2))) == []


def test_a_number_is_judged_by_how_far_predictions_move() -> None:
    signature = msgspec.structs.replace(SIGNATURE, task="regression", classes=())
    packed = Packed(signature, ENCODER, True_(regression=True))
    right = rows(1_000, seed=2)
    found = losses(sample(_with(right, 0, right[:, 0] + 300)), packed, METRICS["rmse"])
    assert ranked(found)[0] == "distance"
    moved = loss(found, feature="distance")
    assert moved.value == pytest.approx(1.0, abs=0.1) and moved.unit == "label"


def test_scores_that_are_no_probabilities_are_unexamined_and_an_own_metric_is_replaced() -> None:
    wild = Packed(SIGNATURE, ENCODER, True_(regression=True))
    assert {m.state for m in losses(sample(rows(300, seed=2)), wild)} == {"unexamined"}
    own = custom_metric("own", "binary", lambda y, score, label: float(score.mean()), higher_is_better=True)
    found = losses(sample(rows(300, seed=2)), metric=own)
    assert {m.unit for m in found} == {"nats"}


def test_the_same_rows_give_the_same() -> None:
    part = sample(rows(500, seed=2))
    assert losses(part) == losses(part)
    assert measure_domain(PACKED, 3, part, REFERENCE, window=WEEK) == measure_domain(
        PACKED, 3, part, REFERENCE, window=WEEK
    )


def test_rows_that_moved_are_told_from_the_reference() -> None:
    same = measure_domain(PACKED, 3, sample(rows(1_000, seed=2)), REFERENCE, window=WEEK)
    moved = measure_domain(PACKED, 3, sample(rows(1_000, seed=2) * np.array([1.5, 1, 1, 1, 1])), REFERENCE, window=WEEK)
    assert (same.metric, same.n, same.model_version) == ("domain_auc", 1_000, 3)
    assert same.low < 0.5 < same.high and moved.low > 0.6
    assert measure_domain(PACKED, 3, sample(rows(0, seed=2)), REFERENCE, window=WEEK).state == "unexamined"


def test_samples_come_out_of_the_log_and_the_dataset() -> None:
    n = 300
    moments = [START + timedelta(hours=each) for each in range(n)]
    fed = {c.name: _column(rows(n, seed=2)[:, place], c.type) for place, c in enumerate(FED)}
    stamp = pa.timestamp("us", "UTC")
    answers = pa.table(
        {
            "id": [f"{each:03}" for each in range(n)], "visit": [f"v{each}" for each in range(n)],
            "moment": pa.array(moments, stamp), "at": pa.array(moments, stamp), "score": [0.5] * n,
            "label": [True] * n, "role": ["production"] * n, "missing": [0] * n,
            "version": ["late@3"] * 250 + ["late@4"] * 50, **{k: v for k, v in fed.items() if k != "idle"},
        }
    )  # fmt: skip
    split = pa.array([None if each % 3 == 0 else "train" for each in range(n)])
    dataset = pa.table({**fed, "moment": pa.array(moments, stamp), "split": split, POSITION: range(n)})
    con = connect(timezone="UTC", threads=2)
    con.register("p", answers)
    con.register("d", dataset)
    columns = {c.name: None if c.name == "idle" else c.name for c in FED}
    query = cohort_query(
        SIGNATURE, "p", None, keys=[("visit", "visit")], label_delay_s=0, now=START, fed=columns, since=START,
        until=WEEK.end, version="late@3", rows=60,
    )  # fmt: skip
    part, again = (sample_of(con.sql(query).to_arrow_table(), SIGNATURE, ENCODER) for _ in range(2))
    assert part.matrix.shape == (60, 5) and np.isnan(part.matrix[:, 4]).all() and not np.isnan(part.matrix[:, :4]).any()
    assert set(part.cohort.version) == {"late@3"} and set(part.days - part.days[0]) <= set(range(7))
    np.testing.assert_array_equal(part.cohort.event_us, again.cohort.event_us)
    reference = reference_of(con.sql(reference_query(SIGNATURE, "d", rows=150)).to_arrow_table(), SIGNATURE, ENCODER)
    assert reference.matrix.shape == (150, 5) and len(np.unique(reference.days)) > 7
    untimed = msgspec.structs.replace(SIGNATURE, time=None)
    everything = con.sql(reference_query(untimed, "d")).to_arrow_table()
    assert everything.num_rows == 200 and reference_of(everything, untimed, ENCODER).days is None
    con.close()
