"""Tensors: what JSON and bytes say is the same, and what they cannot say is refused by name."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from rondo.deploy.problems import Problem
from rondo.deploy.tensors import DATATYPES, FLOATS, INTEGERS, Input, Output, as_bytes, column_values, datatype_of
from rondo.features.signature import Column


def tensor(datatype, data=UNSET, shape=None):
    return Input(name="x", shape=[len(data)] if shape is None else shape, datatype=datatype, data=data)


def refused(tensor, raw=None):
    with pytest.raises(Problem) as caught:
        column_values(tensor, raw)
    assert caught.value.status == 422 and "'x'" in caught.value.detail
    return caught.value.detail


def elements(datatype):
    if datatype == "BOOL":
        return st.booleans()
    if datatype == "BYTES":
        return st.text()
    if datatype in INTEGERS:
        bounds = np.iinfo(INTEGERS[datatype])
        return st.integers(int(bounds.min), int(bounds.max))
    return st.floats(width=8 * np.dtype(FLOATS[datatype]).itemsize, allow_nan=False)


@given(st.data())
def test_json_and_bytes_say_the_same(data):
    datatype = data.draw(st.sampled_from(DATATYPES))
    values = data.draw(st.lists(elements(datatype), max_size=8))
    raw = as_bytes(Output("x", datatype, (len(values),), values))
    shape = data.draw(st.sampled_from([[len(values)], [len(values), 1]]))
    assert column_values(tensor(datatype, shape=shape), memoryview(raw)) == values
    assert column_values(tensor(datatype, values, shape), None) == values
    if len(shape) == 2:
        assert column_values(tensor(datatype, [[value] for value in values], shape), None) == values


@given(st.sampled_from(DATATYPES), st.binary(max_size=40), st.integers(0, 12))
def test_any_bytes_are_values_or_refused(datatype, raw, count):
    try:
        assert len(column_values(tensor(datatype, shape=[count]), memoryview(raw))) == count
    except Problem as problem:
        assert problem.status == 422


def test_a_number_is_what_its_datatype_holds():
    (single,) = column_values(tensor("FP32", [0.1]), None)
    assert single == float(np.float32(0.1)) != 0.1
    assert column_values(tensor("FP64", [0.1, 3, None]), None) == [0.1, 3.0, None]
    assert column_values(tensor("INT8", [3.0, -128, None]), None) == [3, -128, None]
    raw = struct.pack("<2d", math.nan, 1.5)
    assert column_values(tensor("FP64", shape=[2]), memoryview(raw)) == [None, 1.5]


@pytest.mark.parametrize(
    ("datatype", "element", "why"),
    [
        ("INT8", 128, "[0] that is not between -128 and 127"),
        ("UINT16", -1, "not between 0 and 65535"),
        ("INT64", 1 << 63, "not between"),
        ("INT32", 1.5, "not a whole number"),
        ("INT32", True, "not a whole number"),
        ("FP64", True, "not a number"),
        ("FP64", "1", "not a number"),
        ("FP16", 70_000, "too large for FP16"),
        ("FP32", 1e39, "too large for FP32"),
        ("FP64", 10**400, "too large for FP64"),
        ("BOOL", 1, "not true or false"),
        ("BYTES", 5, "not text"),
        ("BYTES", ["a"], "not text"),
        ("BF16", 1.0, "'BF16'; there are BOOL"),
    ],
)
def test_elements_of_another_type(datatype, element, why):
    assert why in refused(tensor(datatype, [element]))


@pytest.mark.parametrize(
    ("data", "shape", "why"),
    [
        ([1, 2], [3], "2 elements"),
        ([1, 2], [], "one tensor each"),
        ([1, 2], [1, 2], "one tensor each"),
        ([1, 2], [2, 1, 1], "one tensor each"),
        ([1, 2], [10**30], "2 elements"),
        ([[1], [2, 3]], [2, 1], "nested otherwise"),
        ([[1], 2], [2, 1], "nested otherwise"),
        ([[1], [2]], [2], "not a whole number"),
    ],
)
def test_other_shapes(data, shape, why):
    assert why in refused(tensor("INT64", data, shape))


@pytest.mark.parametrize(
    ("datatype", "raw", "count", "why"),
    [
        ("INT32", b"\0" * 7, 2, "no whole elements of 4"),
        ("INT32", b"\0" * 8, 3, "2 elements"),
        ("BOOL", b"\0\2", 2, "neither 0 nor 1"),
        ("BYTES", b"\1\0\0", 1, "ends within its element [0]"),
        ("BYTES", b"\1\0\0\0a\xff\xff\xff\xff", 2, "ends within its element [1]"),
        ("BYTES", b"\1\0\0\0\xff", 1, "[0] that is not UTF-8"),
        ("BYTES", b"\1\0\0\0a", 2, "1 elements"),
    ],
)
def test_bytes_that_say_nothing(datatype, raw, count, why):
    assert why in refused(tensor(datatype, shape=[count]), memoryview(raw))


def test_datatypes_of_columns():
    told = {
        "BOOLEAN": "BOOL", "BIGINT": "INT64", "UINTEGER": "UINT32", "HUGEINT": "INT64", "FLOAT": "FP32",
        "DOUBLE": "FP64", "DECIMAL(9,2)": "FP64", "VARCHAR": "BYTES", "DATE": "BYTES",
        "TIMESTAMP WITH TIME ZONE": "BYTES",
    }  # fmt: skip
    assert {sql: datatype_of(Column(name="x", type=sql)) for sql in told} == told
