"""Small packed models, made without training."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from rondo.features.signature import Column, Signature
from rondo.models.encoding import encode_table, fit_encoder
from rondo.models.links import Link
from rondo.models.packed import Packed, with_golden
from rondo.models.predictors import LightGBM

FED = (
    Column(name="usage", type="DOUBLE"),
    Column(name="plan", type="VARCHAR"),
    Column(name="senior", type="BOOLEAN"),
    Column(name="calls", type="BIGINT"),
)
CLASSES = {"binary": ("stayed", "left"), "multiclass": ("a", "b", "c"), "regression": ()}


def customers(n=400, seed=0):
    """A table of the four fed columns, with nulls."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "usage": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "plan": pa.array(rng.choice(["basic", "plus", "max"], n), mask=rng.random(n) < 0.1),
            "senior": pa.array(rng.random(n) < 0.3, mask=rng.random(n) < 0.1),
            "calls": pa.array(rng.integers(0, 9, n)),
        }
    )


def signature_of(task, fed=FED):
    label = Column(name="label", type="DOUBLE" if task == "regression" else "VARCHAR")
    return Signature(
        model="m",
        examples="examples",
        task=task,
        timezone="UTC",
        key=(),
        time=None,
        inputs=fed,
        carried=(),
        derived=(),
        lookups=(),
        fed=fed,
        label=label,
        label_known=None,
        classes=CLASSES[task],
    )


def outcome(matrix, task, seed=0):
    """Something to learn from the four columns."""
    rng = np.random.default_rng(seed)
    x = np.nan_to_num(matrix)
    margin = x[:, 0] + (x[:, 1] == 1) - 0.5 * x[:, 2] + 0.2 * x[:, 3] - 0.8 + 0.3 * x[:, 0] * x[:, 2]
    if task == "regression":
        return margin + rng.normal(scale=0.1, size=len(x))
    if task == "binary":
        return (rng.random(len(x)) < 1 / (1 + np.exp(-margin))).astype(float)
    return np.digitize(margin + rng.normal(scale=0.3, size=len(x)), [-0.5, 0.5]).astype(float)


def trees(matrix, y, task, rounds=20, categories=(1,)) -> LightGBM:
    """LightGBM's text of a few trees."""
    import lightgbm

    links: dict[str, Link] = {"binary": "sigmoid", "multiclass": "softmax", "regression": "identity"}
    parameters = {"objective": task, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "min_data_per_group": 5}
    if task == "multiclass":
        parameters["num_class"] = 3
    data = lightgbm.Dataset(matrix, y, categorical_feature=list(categories), params={"verbosity": -1})
    booster = lightgbm.Booster(parameters, data)
    for _ in range(rounds):
        booster.update()
    return LightGBM(booster.model_to_string(), links[task])


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def boosted(request):
    """A packed LightGBM model of each task, and its table."""
    return packed_trees(request.param)


def packed_trees(task, **more):
    table = customers()
    encoder = fit_encoder(table, FED)
    matrix = encode_table(encoder, table)
    predictor = trees(matrix, outcome(matrix, task), task)
    threshold = 0.4 if task == "binary" else None
    return with_golden(Packed(signature_of(task), encoder, predictor, threshold, **more), table), table


@pytest.fixture
def make():
    """Makers for tests that need their own."""

    class Make:
        table = staticmethod(customers)
        signature = staticmethod(signature_of)
        outcome = staticmethod(outcome)
        trees = staticmethod(trees)
        packed = staticmethod(packed_trees)
        fed = FED

    return Make
