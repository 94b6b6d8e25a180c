"""Datasets made in a real store, without the data stage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.training import train_version
from rondo.features.signature import Column, Signature
from rondo.models.packed import unpack
from rondo.project.models import Model, Task, binary, linear
from rondo.project.reading import read_project
from rondo.records.tables import Dataset
from rondo.store.opening import open_store

NOW = datetime(2024, 3, 1, tzinfo=UTC)
TYPES = {pa.float64(): "DOUBLE", pa.int64(): "BIGINT", pa.string(): "VARCHAR", pa.bool_(): "BOOLEAN"}


class Bench:
    """A project folder with its store, in which datasets are frozen by hand."""

    def __init__(self, root):
        (root / "rondo.toml").write_text('[project]\nname = "bench"\n')
        self.project = read_project(root)
        self.store = open_store(root, clock=lambda: NOW)

    def freeze(self, columns, *, fed, label, split=None, moment=None, task="binary", name="m", timezone="UTC"):
        """Write columns (name to values) as the dataset of a model; gives its record and signature."""
        table = pa.table({**columns, "label": label})
        n = table.num_rows
        split = split if split is not None else parts(n)
        if moment is not None:
            table = table.append_column("moment", pa.array(moment, pa.timestamp("us", "UTC")))
        table = table.append_column("split", pa.array(split, pa.string()))
        written = self.store.lake.write(f"datasets/{name}", table, mode="overwrite")
        signature = Signature(
            model=name,
            examples="examples",
            task=task,
            timezone=timezone,
            key=(),
            time="moment" if moment is not None else None,
            inputs=(),
            carried=(),
            derived=(),
            lookups=(),
            fed=tuple(Column(name=f, type=TYPES[table.schema.field(f).type]) for f in fed),
            label=Column(name="label", type=TYPES.get(table.schema.field("label").type, "DATE")),
            label_known=None,
        )
        splits = {part: sum(s == part for s in split) for part in ("train", "validation", "test")}
        dataset = Dataset(
            name=name,
            version=1,
            definition="d" * 64,
            build="b" * 64,
            path=f"datasets/{name}",
            delta=written.version,
            rows=n,
            columns={},
            splits=splits,
            inputs=[],
            assumptions=[],
        )
        return dataset, signature


def parts(n):
    """60 % train, 20 % validation, 20 % test, dealt out."""
    return [("train", "train", "train", "validation", "test")[i % 5] for i in range(n)]


def named(model: Model, name: str = "m", file: str = "models/m.py") -> Model:
    """A model as reading a project would name it."""
    object.__setattr__(model, "name", name)
    object.__setattr__(model, "file", file)
    return model


def declare(task: Task | None = None, **more) -> Model:
    """A declaration with a linear trainer unless said otherwise."""
    return named(Model(examples="examples", task=task or binary("label"), **{"train": linear(), **more}))


def churn(n=1500, seed=0):
    """Numbers, a category, a truth value and missing ones, that tell a label; and each row's hour."""
    rng = np.random.default_rng(seed)
    usage, plan = rng.normal(size=n), rng.integers(0, 3, n)
    senior = rng.random(n) < 0.3
    margin = -1.2 * usage + np.array([0.0, 1.0, -1.0])[plan] + 0.8 * senior + 0.7 * usage * (plan == 1) - 0.5
    label = rng.random(n) < 1 / (1 + np.exp(-margin))
    gone = rng.random(n) < 0.1
    columns = {
        "usage": pa.array(usage, mask=gone),
        "calls": pa.array(rng.poisson(2, n)),
        "plan": pa.array([("basic", "plus", "max")[p] if p >= 0 else None for p in plan]),
        "senior": pa.array(senior),
    }
    start = datetime(2024, 1, 1, tzinfo=UTC)
    moment = [start + timedelta(hours=6 * int(h)) for h in np.sort(rng.integers(0, 4 * 40, n))]
    return columns, label, moment


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def make():
    """Makers for tests."""

    class Make:
        now = NOW
        churn = staticmethod(churn)
        declare = staticmethod(declare)
        parts = staticmethod(parts)

        @staticmethod
        def train(bench, model, dataset, signature, **more):
            """A version, as the loop would train it."""
            words = {"definition": "d", "build": "b", "why": "new", "definitions": {"examples": "e" * 64}}
            words |= {"now": NOW, "by": "ann", "project": bench.project, "store": bench.store, "signature": signature}
            return train_version(model, dataset, **(words | more))

        @staticmethod
        def unpack(bench, version, baseline=None):
            """The packed model of a version, or of one of its baselines."""
            files = version.baselines[baseline] if baseline else version.files
            return unpack({name: bench.store.artifacts.get(digest) for name, digest in files.items()})

        @staticmethod
        def unpack_own(bench, version, trainer):
            """The packed model of a version that the project's own trainer made."""
            return unpack({name: bench.store.artifacts.get(digest) for name, digest in version.files.items()}, trainer)

    return Make
