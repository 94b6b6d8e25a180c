from __future__ import annotations

import pickle
import subprocess
import sys
import time
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from rondo.errors import StoreError
from rondo.features.signature import Derived
from rondo.models.encoding import encode_table, encode_values
from rondo.models.linear import Constant
from rondo.models.packed import ENGINE, FORMAT, GOLDEN_ROWS, pack, unpack, with_golden
from rondo.models.trees import Trees


def test_packing_is_the_same_bytes_and_comes_back_whole(boosted):
    packed, table = boosted
    files = pack(packed)
    assert set(files) == {
        "signature.json",
        "encoder.json",
        "derived.json",
        "packed.json",
        "golden.json",
        "model.txt",
        "model.json",
    }
    again = unpack(files)
    assert pack(again) == files == pack(with_golden(again, table))
    matrix = encode_table(packed.encoder, table)
    assert again.score(matrix).tobytes() == packed.score(matrix).tobytes()
    assert (again.signature, again.encoder, again.threshold) == (packed.signature, packed.encoder, packed.threshold)


def test_golden_rows_hold_nulls_and_values_never_seen(boosted):
    packed, _ = boosted
    assert len(packed.golden.rows) == GOLDEN_ROWS + 2
    assert packed.golden.rows[-2] == (None,) * 4
    assert np.isnan(encode_values(packed.encoder, packed.golden.rows[-1:])[0, 1])


def test_a_model_that_scores_otherwise_is_refused(boosted):
    packed, _ = boosted
    files = pack(packed)
    golden = msgspec.json.decode(files["golden.json"])
    first = golden["scores"][0]
    golden["scores"][0] = [p + 1e-6 for p in first] if isinstance(first, list) else first + 1e-6
    with pytest.raises(StoreError, match="golden scores: they differ by up to 1e-06"):
        unpack({**files, "golden.json": msgspec.json.encode(golden)})
    with pytest.raises(StoreError, match="golden"):
        unpack({**files, "golden.json": b'{"rows":[],"scores":[]}'})
    with pytest.raises(StoreError, match="golden"):
        unpack({**files, "golden.json": b'{"rows":[[1,"a",true,2]],"scores":[[0.5,0.5]]}'})


def test_missing_torn_and_newer_files_are_store_errors(boosted):
    files = pack(boosted[0])
    for name in files:
        with pytest.raises(StoreError):
            unpack({other: content for other, content in files.items() if other != name})
        if name.endswith(".json"):
            with pytest.raises(StoreError):
                unpack({**files, name: files[name][:-3]})
    sheet = msgspec.json.decode(files["packed.json"]) | {"format": FORMAT + 1}
    with pytest.raises(StoreError, match=f"has format {FORMAT + 1}"):
        unpack({**files, "packed.json": msgspec.json.encode(sheet)})


def test_labels_are_in_the_labels_own_type(make):
    packed, _ = make.packed("binary")
    assert packed.labels(np.array([0.39, 0.4])) == ["stayed", "left"]
    packed, _ = make.packed("multiclass")
    assert packed.labels(np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])) == ["c", "a"]
    packed, _ = make.packed("regression")
    assert packed.labels(np.array([1.5])) == [1.5]


def test_calibration_is_applied_packed_and_checked(make):
    table = make.table()
    packed, _ = make.packed("binary", calibration={"kind": "isotonic", "x": [0.0, 1.0], "y": [0.25, 0.75]})
    files = pack(packed)
    again = unpack(files)
    scores = again.score(encode_table(again.encoder, table))
    assert scores.min() >= 0.25 and scores.max() <= 0.75
    raw = msgspec.json.decode(files["packed.json"]) | {"calibration": None}
    with pytest.raises(StoreError, match="golden"):
        unpack({**files, "packed.json": msgspec.json.encode(raw)})


def test_a_constant_packs_without_a_table_of_rows(make):
    packed, table = make.packed("binary")
    constant = with_golden(replace(packed, predictor=Constant(4, (0.3,))), table.slice(0, 0))
    assert unpack(pack(constant)).score(np.zeros((2, 4))).tolist() == [0.3, 0.3]
    assert unpack(pack(constant)).explain(np.zeros((1, 4)))[0].contributions.tolist() == [0.0] * 4


def test_one_row_is_scored_in_microseconds(make):
    packed, _ = make.packed("binary")
    row = [(0.3, "plus", True, 2)]
    packed.score(encode_values(packed.encoder, row))
    taken = []
    for _ in range(200):
        begun = time.perf_counter()
        packed.score(encode_values(packed.encoder, row))
        taken.append(time.perf_counter() - begun)
    assert np.median(taken) < 2e-3  # tens of microseconds on a quiet machine


def test_one_row_scores_as_in_a_batch(boosted):
    packed, table = boosted
    matrix = encode_table(packed.encoder, table)
    assert [packed.score_row(row) for row in matrix.tolist()] == packed.score(matrix).tolist()
    labels = [packed.label_of(score) for score in packed.score(matrix).tolist()]
    assert labels == packed.labels(packed.score(matrix))


@pytest.mark.parametrize(
    "calibration",
    [
        {"kind": "platt", "coefficients": [1.3, -0.2]},
        {"kind": "isotonic", "x": [0.2, 0.4, 0.9], "y": [0.1, 0.5, 0.8]},
    ],
)
def test_one_calibrated_row_scores_as_in_a_batch(boosted, calibration):
    packed, table = boosted
    if packed.signature.task == "binary":
        calibrated = replace(packed, calibration=calibration)
        matrix = encode_table(packed.encoder, table)
        assert [calibrated.score_row(row) for row in matrix.tolist()] == calibrated.score(matrix).tolist()


def test_where_the_fast_engine_fails_its_golden_rows_the_trainers_own_answers(boosted, monkeypatch):
    packed, table = boosted
    assert unpack(pack(packed)).predictor.engine == "fast"
    matrix = encode_table(packed.encoder, table)
    right, expected = Trees.margins, packed.score(matrix)
    monkeypatch.setattr(Trees, "margins", lambda self, rows: right(self, rows) * 1.001)
    again = unpack(pack(packed))
    assert again.predictor.engine == "trainer"
    assert [again.score_row(row) for row in matrix.tolist()] == expected.tolist()


def test_the_engine_can_be_chosen(boosted, monkeypatch):
    monkeypatch.setenv(ENGINE, "trainer")
    assert unpack(pack(boosted[0])).predictor.engine == "trainer"


def test_derived_features_are_packed_as_bound_and_need_no_duckdb(boosted):
    packed, _ = boosted
    derived = (Derived(name="twice", expression="usage * 2 + 1", type="DOUBLE"),)
    files = pack(replace(packed, signature=msgspec.structs.replace(packed.signature, derived=derived)))
    check = (
        "import sys, pickle; from rondo.models.packed import unpack\n"
        "packed = unpack(pickle.load(sys.stdin.buffer))\n"
        "assert packed.derived[0]({'usage': 1.5}) == 4.0 and 'duckdb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], input=pickle.dumps(files), check=True, timeout=60)
    sheet = msgspec.json.decode(files["packed.json"])
    old = {name: data for name, data in files.items() if name != "derived.json"}
    old["packed.json"] = msgspec.json.encode({**sheet, "format": 1})
    assert unpack(old).derived[0]({"usage": 1.5}) == 4.0
