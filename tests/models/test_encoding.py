from __future__ import annotations

import decimal
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import BuildError
from rondo.features.signature import Column
from rondo.models.encoding import ID_LIKE_ROWS, VOCABULARY, encode_table, encode_values, fit_encoder

COLUMNS = {
    "double": ("DOUBLE", pa.float64(), st.floats(width=64)),
    "single": ("FLOAT", pa.float32(), st.floats(width=32)),
    "big": ("BIGINT", pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "huge": ("HUGEINT", pa.decimal128(38, 0), st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal)),
    "price": (
        "DECIMAL(18,4)",
        pa.decimal128(18, 4),
        st.integers(-(10**17), 10**17).map(lambda n: Decimal(n).scaleb(-4)),
    ),
    "flag": ("BOOLEAN", pa.bool_(), st.booleans()),
    "text": ("VARCHAR", pa.string(), st.sampled_from(["", " ", "a", "A", "Straße", "é", "é", "None"])),
}
FED = [Column(name=name, type=kind) for name, (kind, _, _) in COLUMNS.items()]
ROWS = st.lists(st.tuples(*(st.none() | values for _, _, values in COLUMNS.values())), min_size=1, max_size=20)


def table_of(rows):
    columns = zip(*rows, strict=True)
    with decimal.localcontext() as context:
        context.prec = 50
        arrays = [pa.array(column, kind) for column, (_, kind, _) in zip(columns, COLUMNS.values(), strict=True)]
    return pa.table(dict(zip(COLUMNS, arrays, strict=True)))


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS)
def test_a_request_is_encoded_as_the_table_bit_for_bit(seen, asked):
    encoder = fit_encoder(table_of(seen), FED)
    table = table_of(asked)
    from_table, from_values = encode_table(encoder, table), encode_values(encoder, asked)
    assert from_table.tobytes() == from_values.tobytes()
    # and from the values as the lake gives them back
    assert encode_values(encoder, [tuple(row.values()) for row in table.to_pylist()]).tobytes() == from_table.tobytes()


def test_missing_unseen_and_infinite_are_not_a_number():
    encoder = fit_encoder(
        pa.table({"x": [1.0], "c": ["a"]}), [Column(name="x", type="DOUBLE"), Column(name="c", type="VARCHAR")]
    )
    matrix = encode_values(encoder, [(None, None), (math.inf, "b"), (math.nan, "a"), (10**400, "a")])
    assert np.isnan(matrix).tolist() == [[True, True], [True, True], [True, False], [True, False]]


def test_vocabulary_is_by_frequency_then_value_and_capped():
    words = ["b", "b", "a", "c", "c", None]
    assert fit_encoder(pa.table({"c": words}), [Column(name="c", type="VARCHAR")]).columns[0].vocabulary == (
        "b",
        "c",
        "a",
    )
    many = [f"{i:05d}" for i in range(VOCABULARY + 5) for _ in range(2)] + ["00000"]
    found = fit_encoder(pa.table({"c": many}), [Column(name="c", type="VARCHAR")]).columns[0].vocabulary
    assert len(found) == VOCABULARY and found[0] == "00000" and found[-1] == f"{VOCABULARY - 1:05d}"


def test_text_that_names_rows_is_skipped_and_its_column_stays_in_place():
    names = [f"customer {i}" for i in range(ID_LIKE_ROWS)]
    columns = [Column(name="id", type="VARCHAR"), Column(name="x", type="DOUBLE")]
    encoder = fit_encoder(pa.table({"id": names, "x": [1.0] * ID_LIKE_ROWS}), columns)
    assert "names rows" in encoder.columns[0].skipped and encoder.categories == ()
    assert np.isnan(encode_values(encoder, [("customer 3", 2.0)])[0, 0])
    fewer = fit_encoder(pa.table({"id": names[:-1], "x": [1.0] * (ID_LIKE_ROWS - 1)}), columns)
    assert fewer.columns[0].skipped is None


def test_all_null_and_null_typed_columns_are_harmless():
    table = pa.table({"x": pa.nulls(3), "c": pa.nulls(3, pa.string())})
    encoder = fit_encoder(table, [Column(name="x", type="DOUBLE"), Column(name="c", type="VARCHAR")])
    assert np.isnan(encode_table(encoder, table)).all()


def test_dictionaries_and_chunks_encode_like_plain_text():
    plain = pa.chunked_array([["a", "b"], ["c", None]])
    encoder = fit_encoder(pa.table({"c": plain}), [Column(name="c", type="VARCHAR")])
    coded = pa.table({"c": plain.combine_chunks().dictionary_encode()})
    assert encode_table(encoder, coded).tobytes() == encode_table(encoder, pa.table({"c": plain})).tobytes()


def test_a_column_missing_or_of_another_kind_is_named():
    encoder = fit_encoder(pa.table({"x": [1.0]}), [Column(name="x", type="DOUBLE")])
    with pytest.raises(BuildError, match="no column x"):
        encode_table(encoder, pa.table({"y": [1.0]}))
    with pytest.raises(BuildError, match="x cannot be fed as a number"):
        encode_table(encoder, pa.table({"x": ["one"]}))
