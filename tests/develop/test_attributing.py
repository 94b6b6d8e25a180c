from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rondo.develop import attributing
from rondo.develop.attributing import attribute, explanation_of, sample_of
from rondo.develop.reading import labelled
from rondo.errors import DeclarationError
from rondo.models.encoding import Coding, Encoder, encode_table
from rondo.models.linear import Linear, Term
from rondo.models.packed import Packed
from rondo.project.models import lightgbm


@pytest.fixture
def trained(bench, make):
    columns, label, moment = make.churn()
    dataset, signature = bench.freeze(columns, fed=list(columns), label=pa.array(label), moment=moment)
    packed = make.unpack(bench, make.train(bench, make.declare(train=lightgbm()), dataset, signature))
    return packed, labelled(dataset, bench.store)


def number(name, weight):
    return Term("number", 0.0, 1.0, ((weight,),), (0.0,), (0.0,))


@pytest.fixture
def additive(trained):
    """y = 3a − 2b + 0c, whose contributions are known without asking: each term, its mean being 0."""
    signature = trained[0].signature
    encoder = Encoder(tuple(Coding(name, "number") for name in "abc"))
    linear = Linear("identity", (10.0,), (number("a", 3.0), number("b", -2.0), number("c", 0.0)))
    fed = tuple(type(signature.fed[0])(name=name, type="DOUBLE") for name in "abc")
    rng = np.random.default_rng(0)
    rows = pa.table({name: rng.normal(size=5000) for name in "abc"})
    return Packed(msgspec.structs.replace(signature, task="regression", fed=fed, classes=()), encoder, linear), rows


def test_the_truth_of_an_additive_model_comes_out(additive):
    packed, rows = additive
    found = attribute(packed, sample_of(packed, rows, most=2000), version=1, kind="testset", of="test")
    a, b, c = found.features
    mean = np.sqrt(2 / np.pi)  # of |z|
    assert [each.feature for each in (a, b, c)] == ["a", "b", "c"]
    assert a.weight.low < 3 * mean < a.weight.high and b.weight.low < 2 * mean < b.weight.high
    assert abs(a.share - 0.6) < 0.02 and abs(sum(each.share for each in found.features) - 1) < 1e-12
    assert a.direction == pytest.approx(1.0) and b.direction == pytest.approx(-1.0) and c.direction is None
    assert c.weight.value == 0
    assert a.effects[0].contribution < -2 and a.effects[-1].contribution > 2
    assert a.effects[0].condition.low is None and a.effects[-1].condition.high is None
    assert (found.rows, found.of_rows, found.base) == (2000, 5000, 10.0) and abs(found.prediction - 10) < 0.3


def test_it_is_the_mean_of_single_explanations(trained):
    packed, rows = trained
    found = attribute(packed, sample_of(packed, rows, most=100), version=1, kind="testset", of="test")
    places = np.unique(np.linspace(0, rows.num_rows - 1, 100).astype(np.int64))
    alone = packed.explain(encode_table(packed.encoder, rows.take(places)))
    for each in found.features:
        place = packed.encoder.names.index(each.feature)
        assert each.weight.value == pytest.approx(np.mean([abs(why.contributions[place]) for why in alone]))
        assert 0 <= each.weight.low <= each.weight.value <= each.weight.high
    assert found.days > 30
    usage = next(each for each in found.features if each.feature == "usage")
    assert usage.direction < -0.8  # the more usage, the less churn


def test_in_short_it_is_an_explanation(trained):
    packed, rows = trained
    found = attribute(packed, sample_of(packed, rows, most=50), version=2, kind="testset", of="test")
    short = explanation_of(found)
    assert (short.version, short.rows, short.base, short.prediction) == (2, 50, found.base, found.prediction)
    assert [(c.feature, c.contribution) for c in short.contributions] == [
        (each.feature, each.weight.value) for each in found.features
    ]
    assert {each.feature for each in found.features[:2]} == {"usage", "plan"} and short.residual < 1e-12


def test_no_rows_explain_nothing(trained):
    packed, rows = trained
    found = attribute(packed, sample_of(packed, rows.slice(0, 0)), version=1, kind="testset", of="test")
    assert found.rows == 0 and found.base == found.prediction == 0 and found.features[0].weight.value is None


def test_large_trees_are_explained_on_fewer_rows(trained, monkeypatch):
    monkeypatch.setattr(attributing, "SAMPLE_COST", 60 * len(trained[0].predictor.text))
    assert sample_of(*trained).matrix.shape[0] == 60
    monkeypatch.setattr(attributing, "SAMPLE_COST", 1)
    assert sample_of(*trained).matrix.shape[0] == attributing.FEWEST_ROWS


def test_values_of_a_category_push_either_way(trained):
    packed, rows = trained
    found = attribute(packed, sample_of(packed, rows), version=1, kind="testset", of="test")
    plan = next(each for each in found.features if each.feature == "plan")
    assert plan.direction is None
    assert [plan.effects[0].condition.is_, plan.effects[-1].condition.is_] == ["max", "plus"]
    assert plan.effects[0].contribution < 0 < plan.effects[-1].contribution


def test_slices(trained):
    packed, rows = trained
    found = attribute(packed, sample_of(packed, rows, by=["plan"]), version=1, kind="testset", of="test")
    assert {part.is_ for part in found.slices} == {"basic", "plus", "max"}
    assert sum(part.rows for part in found.slices) == found.rows
    for part in found.slices:
        values = [figure.value for figure in part.weights.values()]
        assert values == sorted(values, reverse=True) and all(figure.n == part.rows for figure in part.weights.values())
    with pytest.raises(DeclarationError, match="no column 'colour'"):
        sample_of(packed, rows, by=["colour"])
