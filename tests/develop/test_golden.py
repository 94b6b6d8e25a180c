from __future__ import annotations

import json

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from rondo.develop.golden import golden_result
from rondo.develop.reading import labelled
from rondo.errors import DeclarationError
from rondo.models.encoding import encode_table
from rondo.project.models import multiclass
from rondo.records.tables import GOLDEN_ROW, GOLDEN_SCORE


def expecting(rows, scores):
    """Rows with the scores expected (None: none), numbered backwards."""
    texts = [None if score is None else json.dumps(score) for score in scores]
    numbered = rows.append_column(GOLDEN_ROW, pa.array(range(rows.num_rows, 0, -1)))
    return numbered.append_column(GOLDEN_SCORE, pa.array(texts, pa.string()))


@pytest.fixture
def trained(bench, make):
    columns, label, _ = make.churn()
    dataset, signature = bench.freeze(columns, fed=list(columns), label=pa.array(label))
    packed = make.unpack(bench, make.train(bench, make.declare(), dataset, signature))
    rows = labelled(dataset, bench.store, "test").slice(0, 40)
    return packed, rows, packed.score(encode_table(packed.encoder, rows)).tolist()


def test_scores_as_expected(trained):
    packed, rows, scores = trained
    found = golden_result(packed, expecting(rows, [score + 9e-7 for score in scores]), "golden")
    assert (found.rows, found.differ, found.first) == (40, 0, None)
    assert found.greatest_difference == pytest.approx(9e-7, rel=1e-3)
    assert golden_result(packed, rows, "golden") is None


def test_scores_that_differ_are_counted_and_the_first_of_the_file_is_told(trained):
    packed, rows, scores = trained
    told = [None, scores[1] + 2e-6, scores[2] - 0.25, *scores[3:]]
    found = golden_result(packed, expecting(rows, told), "golden")
    assert (found.rows, found.differ) == (39, 2)
    assert (found.first.row, found.first.expected, found.first.found) == (38, told[2], pytest.approx(scores[2]))
    assert found.greatest_difference == pytest.approx(0.25)


def test_rows_without_a_label_count(trained):
    packed, rows, scores = trained
    unlabelled = rows.set_column(rows.column_names.index("label"), "label", pa.nulls(40, pa.bool_()))
    assert golden_result(packed, expecting(unlabelled, [0.0, *scores[1:]]), "golden").differ == 1


@pytest.mark.parametrize("wrong", ["0.5", True, [0.5], {"a": 1.0}])
def test_what_is_no_score_is_refused_with_its_row(trained, wrong):
    packed, rows, scores = trained
    with pytest.raises(DeclarationError, match="Row 39 of the test set golden"):
        golden_result(packed, expecting(rows, [scores[0], wrong, *scores[2:]]), "golden")


def test_a_set_that_expects_nothing_examined_nothing(trained):
    packed, rows, _ = trained
    with pytest.raises(DeclarationError, match="none of its 40 rows"):
        golden_result(packed, expecting(rows, [None] * 40), "golden")


def test_of_several_classes_every_probability_is_expected(bench, make):
    columns, _, _ = make.churn()
    label = np.digitize(np.nan_to_num(np.asarray(columns["usage"].fill_null(0.0))), [-0.5, 0.5])
    dataset, signature = bench.freeze(columns, fed=list(columns), label=pa.array(label), task="multiclass")
    model = make.declare(multiclass("label"))
    packed = make.unpack(bench, make.train(bench, model, dataset, signature))
    rows = labelled(dataset, bench.store, "test").slice(0, 10)
    scores = [dict(zip("012", row, strict=True)) for row in packed.score(encode_table(packed.encoder, rows)).tolist()]
    assert golden_result(packed, expecting(rows, scores), "golden").differ == 0
    scores[9] = {**scores[9], "2": scores[9]["2"] + 0.125}
    found = golden_result(packed, expecting(rows, scores), "golden")
    assert (found.differ, found.first.row, found.first.of) == (1, 1, "2")
    assert msgspec.to_builtins(found)["first"]["expected"] == scores[9]["2"]
    del scores[9]["1"]
    with pytest.raises(DeclarationError, match="classes 0, 1, 2"):
        golden_result(packed, expecting(rows, scores), "golden")
