from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.develop.reading import days_of, encoded, labelled, target, with_classes
from rondo.errors import BuildError, DeclarationError, WrongUse
from rondo.features.signature import Column
from rondo.models.encoding import fit_encoder
from rondo.project.models import Task, binary, multiclass, regression
from rondo.records.tables import POSITION


@pytest.fixture
def signed(bench):
    """A signature with a label of a type."""
    _, made = bench.freeze({"x": [1.0]}, fed=["x"], label=[1.0], split=["train"])

    def of(label_type, task="binary"):
        return msgspec.structs.replace(made, label=Column(name="label", type=label_type), task=task)

    return of


def chunked(*values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    ("task", "values", "kind", "classes"),
    [
        (binary("label", positive="left"), ["left", "stayed", None], "VARCHAR", ("stayed", "left")),
        (binary("label"), ["a", "b"], "VARCHAR", ("a", "b")),
        (binary("label"), [True, False], "BOOLEAN", (False, True)),
        (binary("label", positive=False), [True, False], "BOOLEAN", (True, False)),
        (binary("label", positive=1), [2, 1], "BIGINT", (2, 1)),
        (binary("label", positive=1), [0.0, 1.0], "DOUBLE", (0.0, 1.0)),
        (binary("label"), [Decimal("0"), Decimal("1")], "DECIMAL(38,0)", (0, 1)),
        (multiclass("label"), ["c", "a", "b", "a"], "VARCHAR", ("a", "b", "c")),
        (multiclass("label"), [3, 1, 2], "BIGINT", (1, 2, 3)),
        (regression("label"), [3, 1, 2], "BIGINT", ()),
    ],
)
def test_classes_are_the_labels_own_values(signed, task, values, kind, classes):
    found = with_classes(signed(kind, task.kind), task, chunked(*values)).classes
    assert found == classes and [type(c) for c in found] == [type(c) for c in classes]


@pytest.mark.parametrize(
    ("task", "values", "kind", "error", "said"),
    [
        (binary("label", positive="1"), [0, 1], "BIGINT", DeclarationError, "positive is '1'.*values: 0, 1"),
        (binary("label", positive=1), ["0", "1"], "VARCHAR", DeclarationError, "values: '0', '1'"),
        (binary("label", positive=True), [0, 1], "BIGINT", DeclarationError, "positive is True"),
        (binary("label", positive=1), [True, False], "BOOLEAN", DeclarationError, "values: False, True"),
        (binary("label"), ["a", "b", "c"], "VARCHAR", DeclarationError, "3 values.*'a', 'b', 'c'"),
        (binary("label", positive="a"), ["a", "a"], "VARCHAR", BuildError, "'a' in all rows"),
        (multiclass("label"), [None], "VARCHAR", BuildError, "known of no row"),
        (regression("label"), ["1.0"], "VARCHAR", DeclarationError, "regression predicts a number"),
        (multiclass("label"), [date(2024, 1, 1)], "DATE", DeclarationError, "DATE"),
    ],
)
def test_labels_that_do_not_fit_are_named(signed, task: Task, values, kind, error, said):
    with pytest.raises(error, match=said):
        array = chunked(*values, kind=pa.string() if values == [None] else None)
        with_classes(signed(kind, task.kind), task, array)


def test_a_target_holds_places_among_the_classes(signed):
    known = with_classes(signed("BIGINT"), binary("label", positive=1), chunked(1, 2))
    assert target(chunked(2, 1, 1), known).tolist() == [0, 1, 1]
    with pytest.raises(WrongUse, match="holds 3; the model knows 2, 1"):
        target(chunked(1, 3), known)
    with pytest.raises(BuildError, match="not finite in 1 rows"):
        target(chunked(1.0, float("inf")), signed("DOUBLE", "regression"))


def test_rows_without_label_or_split_are_not_read(bench):
    dataset, _ = bench.freeze(
        {"x": [1.0, 2.0, 3.0, 4.0]}, fed=["x"], label=[True, None, False, True], split=["train", "train", None, "test"]
    )
    assert labelled(dataset, bench.store).column("x").to_pylist() == [1.0, 4.0]
    assert labelled(dataset, bench.store, "train", ["x"]).to_pydict() == {"x": [1.0]}
    with pytest.raises(BuildError, match="no column 'y'"):
        labelled(dataset, bench.store, columns=["y"])


def test_rows_come_in_the_order_they_were_frozen(bench):
    n = 300_000
    places = np.random.default_rng(0).permutation(n)  # the lake keeps rows, not their order
    columns = {"x": places * 1.0, POSITION: places}
    dataset, signature = bench.freeze(columns, fed=["x"], label=places % 2 == 0, split=["train"] * n)
    assert (labelled(dataset, bench.store, "train").column("x").to_numpy() == np.arange(n)).all()
    signature = with_classes(signature, binary("late"), labelled(dataset, bench.store).column("label"))
    ready, encoder, sample = encoded(dataset, bench.store, "train", signature, sample=3)
    assert (ready.matrix[:, 0] == np.arange(n)).all()
    assert (ready.y == (np.arange(n) % 2 == 0)).all()
    assert encoder == fit_encoder(labelled(dataset, bench.store, "train"), signature.fed)
    assert sample.column("x").to_pylist() == [0.0, (n - 1) // 2, n - 1.0]


@given(
    st.lists(st.datetimes(datetime(1950, 1, 1), datetime(2040, 1, 1)), min_size=1, max_size=20),
    st.sampled_from(
        ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Seoul", "Africa/Monrovia"]
    ),
)
def test_days_are_those_of_the_timezone(naive, timezone):
    moments = [moment.replace(tzinfo=UTC) for moment in naive]
    days = days_of(pa.chunked_array([pa.array(moments, pa.timestamp("us", "UTC"))]), timezone)
    expected = [(m.astimezone(ZoneInfo(timezone)).date() - date(1970, 1, 1)).days for m in moments]
    # Before 1972 Monrovia was 44:30 behind: no quarter of an hour, and of no use to a day's block.
    assert days.tolist() == expected or timezone == "Africa/Monrovia"


def test_the_doubled_hour_stays_on_its_day():
    start = datetime(2013, 11, 3, 4, tzinfo=UTC)  # midnight in New York
    moments = [start + timedelta(minutes=30 * i) for i in range(50)]
    days = days_of(pa.chunked_array([pa.array(moments, pa.timestamp("us", "UTC"))]), "America/New_York")
    assert len(set(days.tolist())) == 1  # 25 hours
