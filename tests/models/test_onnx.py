"""Models written as ONNX, run by ONNX Runtime: the scores of the packed model, on ordinary rows and on cruel ones."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import msgspec
import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.develop.regressing import fit_linear
from rondo.errors import BuildError, WrongUse
from rondo.features.signature import Column, Derived
from rondo.models.encoding import encode_table, encode_values, fit_encoder
from rondo.models.linear import Constant
from rondo.models.onnx import export, greatest_difference, run
from rondo.models.onnx_margins import NEARLY_ZERO
from rondo.models.packed import Packed, with_golden
from rondo.models.predictors import LightGBM, Own

EXACT = 1e-12
CRUEL = [
    (None, None, None, None),
    (float("nan"), "", True, 0),
    (float("inf"), "never seen", False, -(2**62)),
    (float("-inf"), "Plus", None, 2**70),
    (1e308, "plus ", True, 1),
    (-1e308, "\x00 never seen", False, -1),
    (5e-324, "max", True, 2),
    (-1e-35, "basic", None, 3),
]


@pytest.fixture(scope="module")
def written(boosted):
    """A packed model of each task with its file."""
    packed, _ = boosted
    return packed, export(packed, "m@1")


def cruel(packed):
    """Rows at every threshold of the trees and the next numbers beside it, and values that no training row had."""
    lines = [line for line in packed.predictor.text.splitlines() if line.startswith("threshold=")]
    thresholds = sorted({float(each) for line in lines for each in line.removeprefix("threshold=").split()})
    edges = [*thresholds, -NEARLY_ZERO, 0.0, NEARLY_ZERO]
    values = [float(each) for edge in edges for each in (edge, np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf))]
    plans, truths = ["basic", "plus", "max", None, "new"], [True, False, None]
    return CRUEL + [(v, plans[n % 5], truths[n % 3], v) for n, v in enumerate(values)]


def linear(task, make, **more):
    table = make.table()
    encoder = fit_encoder(table, make.fed)
    matrix = encode_table(encoder, table)
    classes = {"binary": 2, "multiclass": 3, "regression": 0}[task]
    y = make.outcome(matrix, task)
    predictor = fit_linear(matrix, y, encoder, task, classes, {}, 0)
    return with_golden(Packed(make.signature(task), encoder, predictor, **more), table), table


def rows_of(table):
    return [tuple(row.values()) for row in table.to_pylist()]


def test_trees_score_the_same_at_every_threshold(boosted, written):
    packed, exported = written
    rows = rows_of(boosted[1]) + cruel(packed)
    assert greatest_difference(exported, packed, rows) < EXACT
    scored, *labels = run(exported, packed, rows)
    expected = packed.score(encode_values(packed.encoder, rows))
    np.testing.assert_allclose(scored, expected, rtol=EXACT, atol=EXACT)
    assert not labels or labels[0].tolist() == packed.labels(expected)


NUMBERS = st.none() | st.floats()
PLANS = st.none() | st.sampled_from(["basic", "plus", "max"]) | st.text(st.characters(codec="utf-8"), max_size=5)
ROW = st.tuples(NUMBERS, PLANS, st.none() | st.booleans(), st.none() | st.integers(-(2**63), 2**63 - 1))


@settings(max_examples=40)
@given(rows=st.lists(ROW, min_size=1, max_size=20))
def test_any_row_scores_the_same(written, rows):
    packed, exported = written
    assert greatest_difference(exported, packed, rows) < EXACT


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_linear_models_and_constants_score_the_same(task, make):
    packed, table = linear(task, make)
    assert {term.kind for term in packed.predictor.terms} == {"number", "category"}
    rows = rows_of(table) + CRUEL
    assert greatest_difference(export(packed, "m@1"), packed, rows) < EXACT
    value, link = ((-1.0, 0.5, 0.1), "softmax") if task == "multiclass" else ((0.7,), "identity")
    constant = replace(packed, predictor=Constant(4, value, link))
    assert greatest_difference(export(constant, "m@1"), constant, rows) < EXACT


@pytest.mark.parametrize(
    "calibration",
    [
        {"kind": "platt", "coefficients": [1.7, -0.3]},
        {"kind": "platt", "coefficients": [-40.0, 0.0]},
        {"kind": "isotonic", "x": [0.1, 0.2, 0.2 + 1e-9, 0.6], "y": [0.05, 0.1, 0.5, 0.99]},
        {"kind": "isotonic", "x": [0.3, 0.5], "y": [0.4, 0.7]},
        {"kind": "isotonic", "x": [0.3], "y": [0.4]},
    ],
)
def test_calibration_is_in_the_graph(calibration, make):
    packed, table = make.packed("binary", calibration=calibration)
    rows = rows_of(table) + CRUEL
    found, _ = run(export(packed, "m@1"), packed, rows)
    np.testing.assert_allclose(found, packed.score(encode_values(packed.encoder, rows)), rtol=0, atol=1e-9)
    assert np.abs(found - replace(packed, calibration=None).score(encode_values(packed.encoder, rows))).max() > 0.01


def test_many_categories_and_trees_of_one_leaf(make):
    rng = np.random.default_rng(3)
    names = [f"v{number}" for number in range(400)]
    table = pa.table({"shop": pa.array(rng.choice(names, 6000)), "flag": pa.array(rng.random(6000) < 0.5)})
    fed = (Column(name="shop", type="VARCHAR"), Column(name="flag", type="BOOLEAN"))
    encoder = fit_encoder(table, fed)
    matrix = encode_table(encoder, table)
    y = (np.sin(matrix[:, 0] * 7) + matrix[:, 1] + rng.normal(size=6000) > 0.3).astype(float)
    predictor = categorical_trees(matrix, y)
    assert "num_leaves=1\n" in predictor.text
    packed = with_golden(Packed(make.signature("binary", fed), encoder, predictor), table)
    rows = [(name, flag) for name in [*names, None, "v400"] for flag in (True, False, None)]
    assert greatest_difference(export(packed, "m@1"), packed, rows) < EXACT


def categorical_trees(matrix, y):
    """Trees of one leaf (no row may stand alone), then trees with large sets of categories."""
    import lightgbm

    data = lightgbm.Dataset(matrix, y, categorical_feature=[0], params={"verbosity": -1})
    told = {"objective": "binary", "verbosity": -1, "num_threads": 1, "max_cat_threshold": 300, "min_data_per_group": 5}
    booster = lightgbm.Booster({**told, "cat_smooth": 1, "min_gain_to_split": 1e9}, data)
    booster.update()
    booster.reset_parameter({"min_gain_to_split": 0})
    for _ in range(20):
        booster.update()
    return LightGBM(booster.model_to_string(), "sigmoid")


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (("no", "yes"), "tensor(string)"),
        ((False, True), "tensor(bool)"),
        ((3, 7), "tensor(int64)"),
        ((0.5, 1.5), "tensor(double)"),
    ],
)
def test_labels_are_of_the_label_s_own_type(classes, kind, make):
    packed, table = make.packed("binary")
    packed = replace(packed, signature=msgspec.structs.replace(packed.signature, classes=classes))
    exported = export(packed, "m@1")
    rows = rows_of(table)
    expected = packed.labels(packed.score(encode_values(packed.encoder, rows)))
    assert run(exported, packed, rows)[1].tolist() == expected and set(expected) == set(classes)
    session = onnxruntime.InferenceSession(exported.content)
    assert session.get_outputs()[1].type == kind


def test_the_file_says_what_it_takes_and_gives(make):
    packed, _ = make.packed("binary")
    derived = Derived(name="calls", expression="length(word)", type="BIGINT")
    asked = tuple(column for column in make.fed if column.name in ("usage", "plan"))
    packed = replace(packed, signature=msgspec.structs.replace(packed.signature, inputs=asked, derived=(derived,)))
    exported = export(packed, "m@7")
    session = onnxruntime.InferenceSession(exported.content)
    assert [(each.name, each.type, each.shape) for each in session.get_inputs()] == [
        ("usage", "tensor(double)", ["rows", 1]),
        ("plan", "tensor(string)", ["rows", 1]),
        ("senior", "tensor(double)", ["rows", 1]),
        ("calls", "tensor(double)", ["rows", 1]),
    ]
    assert [each.name for each in session.get_outputs()] == ["score", "label"]
    told = json.loads(session.get_modelmeta().custom_metadata_map["rondo"])
    assert (told["version"], told["threshold"], told["classes"]) == ("m@7", 0.4, ["stayed", "left"])
    assert [(each["source"], each["sql"]) for each in told["inputs"]] == [
        ("request", None), ("request", None), ("look-up", None), ("derived", "length(word)"),
    ]  # fmt: skip
    assert {o.domain: o.version for o in onnx.load_from_string(exported.content).opset_import} == {
        "ai.onnx.ml": 5,
        "": 21,
    }


def test_trees_that_never_split_give_a_constant(make):
    packed, table = make.packed("multiclass")
    head = packed.predictor.text.partition("\nend of trees")[0].split("\nTree=")[0]
    leaf = "{}\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nthreshold=\ndecision_type=\nleft_child=\nright_child=\nleaf_value={}\n"
    text = (
        "\nTree=".join([head, *(leaf.format(n, value) for n, value in enumerate((0.5, -1.25, 2)))])
        + "\n\nend of trees\n"
    )
    text = "\n".join(line for line in text.splitlines() if not line.startswith("tree_sizes="))
    alone = replace(packed, predictor=LightGBM(text, "softmax"))
    found, _ = run(export(alone, "m@1"), alone, rows_of(table))
    expected = np.exp([0.5, -1.25, 2]) / np.exp([0.5, -1.25, 2]).sum()
    np.testing.assert_allclose(found, np.tile(expected, (table.num_rows, 1)), rtol=EXACT)


def roots(exported):
    """The two ways of each tree's root."""
    nodes = onnx.load_from_string(exported.content).graph.node
    [ensemble] = [node for node in nodes if node.op_type == "TreeEnsemble"]
    given = {each.name: list(each.ints) for each in ensemble.attribute}
    return [(given["nodes_truenodeids"][root], given["nodes_falsenodeids"][root]) for root in given["tree_roots"]]


def test_a_session_of_one_s_own_reads_infinities_as_missing(written):
    packed, exported = written
    session = onnxruntime.InferenceSession(exported.content)

    def ask(usage, plan, calls):
        numbers = {"usage": usage, "senior": [1.0, 0.0], "calls": calls}
        feeds = {name: np.array(values, dtype=np.float64)[:, None] for name, values in numbers.items()}
        return session.run(None, {**feeds, "plan": np.array(plan, dtype=object)[:, None]})[0]

    found = ask([0.2, np.inf], ["plus", ""], [3.0, -np.inf])
    expected = packed.score(encode_values(packed.encoder, [(0.2, "plus", True, 3), (None, None, False, None)]))
    np.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_trees_read_what_is_nearly_zero_as_zero(missing, make):
    rng = np.random.default_rng(1)
    signs = rng.integers(-1, 2, 900).astype(float)
    table = pa.table({"sign": pa.array(signs, mask=rng.random(900) < missing)})
    encoder = fit_encoder(table, [Column(name="sign", type="DOUBLE")])
    matrix = encode_table(encoder, table)
    y = (np.abs(np.nan_to_num(signs, nan=1)) + rng.normal(size=900) > 0.5).astype(float)
    fed = (Column(name="sign", type="DOUBLE"),)
    packed = Packed(make.signature("binary", fed), encoder, make.trees(matrix, y, "binary", categories=()))
    assert f"{NEARLY_ZERO:.17g}" in packed.predictor.text and f"{-NEARLY_ZERO:.17g}" in packed.predictor.text
    near = (0.0, NEARLY_ZERO, np.nextafter(NEARLY_ZERO, 0), np.nextafter(NEARLY_ZERO, 1))
    rows = [(None,), *((float(sign * each),) for sign in (1, -1) for each in near)]
    exported = export(packed, "m@1")
    assert greatest_difference(exported, packed, rows) < EXACT
    # ONNX Runtime before 1.24 takes a root for a leaf where both ways have one number, though of a leaf and of a node.
    assert len(roots(exported)) == 20 and all(left != right for left, right in roots(exported))


def test_the_same_model_gives_the_same_bytes(make):
    digests = {sha256(export(make.packed("binary")[0], "m@1").content).hexdigest() for _ in range(2)}
    assert len(digests) == 1


def test_columns_may_bear_any_name_and_any_text(make):
    names = ["score", "label", "Concat_6", "a.b c/é"]
    fed = tuple(Column(name=name, type=column.type) for name, column in zip(names, make.fed, strict=True))
    table = make.table().rename_columns(names)
    plans = pa.array(["", "?", None, "é\n", "x"] * 80)
    table = table.set_column(1, "label", plans)
    encoder = fit_encoder(table, fed)
    matrix = encode_table(encoder, table)
    packed = with_golden(
        Packed(make.signature("binary", fed), encoder, make.trees(matrix, make.outcome(matrix, "binary"), "binary")),
        table,
    )
    exported = export(packed, "m@1")
    assert [each.name for each in exported.face.outputs] == ["score_", "label_"]
    assert exported.face.inputs[1].missing == "??"
    rows = [(0.3, text, True, 2) for text in ("", "?", "??", None, "é\n", "x", "new", "\x00 never seen")]
    assert greatest_difference(exported, packed, rows + list(packed.golden.rows)) < EXACT


def test_a_column_that_tells_nothing_is_no_input(make):
    table = make.table(n=200).append_column("id", pa.array([f"id{n}" for n in range(200)]))
    fed = (Column(name="id", type="VARCHAR"), *make.fed)
    encoder = fit_encoder(table, fed)
    matrix = encode_table(encoder, table)
    y = (matrix[:, 1] > 0).astype(float)
    packed = Packed(make.signature("binary", fed), encoder, fit_linear(matrix, y, encoder, "binary", 2, {}, 0))
    exported = export(packed, "m@1")
    assert exported.face.ignored == ("id",) and [each.name for each in exported.face.inputs] == [
        c.name for c in make.fed
    ]
    rows = [tuple(row[c.name] for c in fed) for row in table.to_pylist()]
    assert greatest_difference(exported, packed, rows) < EXACT
    nothing = Packed(make.signature("binary", fed[:1]), fit_encoder(table, fed[:1]), Constant(1, (0.5,)))
    with pytest.raises(WrongUse, match="fed nothing"):
        export(nothing, "m@1")


def test_an_own_trainer_is_refused(make):
    packed, _ = make.packed("binary")
    with pytest.raises(WrongUse, match=r"trainer own.*lightgbm, linear, constant"):
        export(replace(packed, predictor=Own({}, None)), "m@1")


def test_a_file_that_scores_or_labels_otherwise_is_found(make):
    packed, table = make.packed("binary")
    exported = export(packed, "m@1")
    rows = rows_of(table)
    other = replace(packed, calibration={"kind": "platt", "coefficients": [1.0, 1e-4]})
    assert 1e-6 < greatest_difference(exported, other, rows) < 1e-4
    assert greatest_difference(exported, replace(packed, threshold=0.9), rows) == np.inf
    with pytest.raises(BuildError, match="ONNX Runtime"):
        greatest_difference(replace(exported, content=b"no model"), packed, rows)
