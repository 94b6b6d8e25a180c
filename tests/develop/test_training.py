from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.training import train
from rondo.errors import BuildError, DeclarationError
from rondo.models.encoding import encode_table
from rondo.project.models import auto, binary, constant, cost, lightgbm, linear, multiclass, regression
from rondo.records.development import Candidate, Version
from rondo.stats.metrics import METRICS


@pytest.fixture
def churned(bench, make):
    """The frozen churn dataset with its signature."""
    columns, label, moment = make.churn()
    return bench.freeze(columns, fed=list(columns), label=pa.array(label), moment=moment)


def test_a_version_is_packed_recorded_and_better_than_chance(bench, make, churned):
    dataset, signature = churned
    version = make.train(
        bench, make.declare(binary("label", threshold="f1"), train=lightgbm(seed=4)), dataset, signature
    )
    assert (version.name, version.version, version.trainer, version.seed) == ("m", 1, "lightgbm", 4)
    assert version.pinned == {"examples": "e" * 64} and version.dataset == 1
    assert isinstance(version.parameters["num_iterations"], int)
    assert set(version.baselines) == {"constant", "linear"}
    assert bench.store.ledger.latest(Version, name="m").record == version
    tries = [entry.record for entry in bench.store.ledger.entries(Candidate, name="m")]
    assert [t.trainer for t in tries] == ["lightgbm", "constant", "linear"] and [t.chosen for t in tries] == [
        True,
        False,
        False,
    ]
    assert all(t.latency_us > 0 and t.metric == "roc_auc" for t in tries) and tries[1].value == 0.5
    packed = make.unpack(bench, version)
    assert packed.signature.classes == (False, True) and packed.threshold not in (None, 0.5)
    table = bench.store.lake.files(dataset.path)
    assert table
    assert make.unpack(bench, version, "linear").predictor.kind == "linear"


@pytest.mark.parametrize("trainer", [lightgbm(bagging_fraction=0.8, bagging_freq=1), linear(c=0.1), constant()])
def test_the_same_dataset_and_seed_give_the_same_bytes_searched_or_resolved(bench, make, churned, trainer):
    dataset, signature = churned
    model = make.declare(train=trainer)
    first = make.train(bench, model, dataset, signature)
    second = make.train(bench, model, dataset, signature, resolved=(first.trainer, first.parameters))
    assert (second.version, second.files, second.baselines) == (2, first.files, first.baselines)
    assert second.parameters == first.parameters


def test_what_auto_found_is_refitted_to_the_same_bytes_without_a_search(bench, make, churned):
    dataset, signature = churned
    model = make.declare(train=auto(minutes=1.5 / 60))
    first = make.train(bench, model, dataset, signature)
    begun = time.monotonic()
    again = make.train(bench, model, dataset, signature, resolved=(first.trainer, first.parameters))
    assert again.files == first.files and time.monotonic() - begun < 1.5


def test_own_trainers_are_versions_like_any(bench, make, churned):
    class Mean:
        def fit(self, matrix, y, columns, seed):
            return np.nanmean(matrix[y == 1, columns.index("usage")])

        def save(self, fitted):
            return {"mean": str(fitted).encode()}

        def load(self, files):
            middle = float(files["mean"])
            predict = lambda self, matrix: 1 / (1 + np.exp(np.nan_to_num(matrix[:, 0]) - middle))  # noqa: E731
            return type("Fitted", (), {"predict": predict})()

    dataset, signature = churned
    version = make.train(bench, make.declare(train=Mean()), dataset, signature)
    assert version.trainer == "own" and "own/mean" in version.files and version.parameters == {}


def test_calibration_is_fitted_on_validation_where_it_helps_alone(bench, make):
    rng = np.random.default_rng(0)
    n = 8000
    x = rng.normal(size=n)
    label = rng.random(n) < 1 / (1 + np.exp(-x))

    class Overconfident:
        steep = 4.0

        def fit(self, matrix, y, columns, seed):
            return None

        def save(self, fitted):
            return {"steep": str(self.steep).encode()}

        def load(self, files):
            steep = float(files["steep"])
            return type("F", (), {"predict": lambda self, m: 1 / (1 + np.exp(-steep * np.nan_to_num(m[:, 0])))})()

    class Calibrated(Overconfident):
        steep = 1.0

    dataset, signature = bench.freeze({"x": x}, fed=["x"], label=pa.array(label))
    off = make.unpack_own(
        bench, make.train(bench, make.declare(train=Overconfident()), dataset, signature), Overconfident()
    )
    assert off.calibration is not None
    matrix = x[:, None]
    log_loss = METRICS["log_loss"].compute
    assert log_loss(label, off.score(matrix), None) < log_loss(label, off.predictor.predict(matrix), None) - 0.1
    right = make.unpack_own(
        bench, make.train(bench, make.declare(train=Calibrated()), dataset, signature), Calibrated()
    )
    assert right.calibration is None


def test_several_classes_numbers_and_prices(bench, make):
    rng = np.random.default_rng(1)
    n = 600
    x = rng.normal(size=n)
    for task, label in (
        (multiclass("label"), pa.array(np.array(["lo", "mid", "up"])[np.digitize(x, [-0.5, 0.5])])),
        (regression("label"), pa.array(3 * x + 10)),
        (
            binary("label", positive="up", threshold=cost(false_positive=1, false_negative=9)),
            pa.array(np.where(x > 0, "up", "down")),
        ),
    ):
        dataset, signature = bench.freeze({"x": x}, fed=["x"], label=label, task=task.kind)
        packed = make.unpack(bench, make.train(bench, make.declare(task, train=lightgbm()), dataset, signature))
        matrix = np.array([[-2.0], [2.0]])
        said = packed.labels(packed.score(matrix))
        assert said == {"multiclass": ["lo", "up"], "binary": ["down", "up"]}.get(
            task.kind, pytest.approx([4, 16], abs=2)
        )
        assert (packed.threshold is not None) == (task.kind == "binary")


def test_odd_columns_are_harmless(bench, make):
    rng = np.random.default_rng(2)
    n = 400
    columns = {
        "x": rng.normal(size=n),
        "same": np.full(n, 5.0),
        "void": pa.nulls(n, pa.float64()),
        "word": pa.nulls(n, pa.string()),
        "id": [f"row {i}" for i in range(n)],
    }
    for trainer in (linear(), lightgbm()):
        dataset, signature = bench.freeze(columns, fed=list(columns), label=pa.array(columns["x"] > 0))
        packed = make.unpack(bench, make.train(bench, make.declare(train=trainer), dataset, signature))
        table = pa.table(
            {
                name: pa.array(values)[:3] if not isinstance(values, list) else values[:3]
                for name, values in columns.items()
            }
        )
        (why, *_) = packed.explain(encode_table(packed.encoder, table))
        assert np.allclose(why.contributions[1:], 0)


@pytest.mark.parametrize(
    ("label", "split", "error", "said"),
    [
        ([], [], BuildError, "known of no row"),
        ([True], ["train"], BuildError, "True in all rows"),
        (
            [True, False],
            ["train", "train"],
            BuildError,
            r"no labelled rows in its validation split \(train 2, validation 0",
        ),
        ([True, False], ["validation", "test"], BuildError, "no labelled rows in its train split"),
        ([True, True, False], ["train", "train", "validation"], BuildError, "True in all 2 training rows"),
        ([None, None], ["train", "validation"], BuildError, "known of no row"),
    ],
)
def test_too_little_to_learn_from_is_a_clear_error(bench, make, label, split, error, said):
    x = np.arange(len(label), dtype=float)
    dataset, signature = bench.freeze({"x": x}, fed=["x"], label=pa.array(label, pa.bool_()), split=split)
    for trainer in (linear(), auto(minutes=0.01)):
        with pytest.raises(error, match=said):
            make.train(bench, make.declare(train=trainer), dataset, signature)
    assert bench.store.ledger.count(Version) == 0


def test_two_rows_a_class_are_enough_for_an_answer(bench, make):
    dataset, signature = bench.freeze(
        {"x": [1.0, 2.0, 3.0, 4.0]},
        fed=["x"],
        label=pa.array([True, False, True, False]),
        split=["train", "train", "validation", "validation"],
    )
    for trainer in (linear(), lightgbm(), constant(), auto(minutes=0.005)):
        packed = make.unpack(bench, make.train(bench, make.declare(train=trainer), dataset, signature))
        assert 0 <= packed.score(np.array([[1.5]]))[0] <= 1


def test_what_cannot_be_is_refused(bench, make, churned):
    dataset, signature = churned
    for model, said in (
        (make.declare(train=linear(C=1)), "no parameter 'C'"),
        (make.declare(train=lightgbm(leaves=1)), "no parameter 'leaves'"),
        (make.declare(binary("label", positive="yes")), "values: False, True"),
    ):
        with pytest.raises(DeclarationError, match=said):
            make.train(bench, model, dataset, signature)
    with pytest.raises(BuildError, match="declaration no longer brings it"):
        make.train(bench, make.declare(), dataset, signature, resolved=("own", {}))


def test_progress_is_told(bench, make, churned):
    dataset, signature = churned
    said = []
    train(
        make.declare(train=lightgbm()), dataset, project=bench.project, store=bench.store, signature=signature,
        progress=lambda share, what: said.append((share, what)),
    )  # fmt: skip
    shares = [share for share, _ in said if share is not None]
    assert shares == sorted(shares) and all(0 <= share <= 1 for share in shares) and len(said) > 10
