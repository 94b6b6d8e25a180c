from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.data.splitting import FORESEEN, Spine, draw_groups, sizes, split_expression
from rondo.errors import BuildError
from rondo.project.models import Split, by_group, by_time, random
from rondo.sql.engine import connect, quote, run

START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def con():
    session = connect(timezone="America/New_York", threads=1)
    yield session
    session.close()


def splits(con, split: Split, rows: list[dict], *, key: tuple[str, ...] = (), timed: bool = True) -> list[str | None]:
    """The split of each row, in the order of the rows."""
    names = ["_position", *rows[0]]
    kinds = {"_moment": pa.timestamp("us", "UTC"), "_known": pa.timestamp("us", "UTC"), "_label": pa.bool_()}
    data = {
        name: pa.array([i if name == "_position" else row[name] for i, row in enumerate(rows)], kinds.get(name))
        for name in names
    }
    con.register("given_rows", pa.table(data))
    spine = Spine("given_rows", "_position", "_label", key, *(("_moment", "_known") if timed else (None, None)))
    expression = split_expression(con, split, spine)
    return [row[0] for row in run(con, f"select {expression} from given_rows order by {quote('_position')}")]


def timed_row(moment_h: float, delay_h: float | None, label: bool | None = True) -> dict:
    known = None if delay_h is None else START + HOUR * (moment_h + delay_h)
    return {"_moment": START + HOUR * moment_h, "_known": known, "_label": label}


def by_hand(split: Split, rows: list[dict]) -> list[str | None]:
    """The words of DESIGN, one after the other."""
    labelled = [row for row in rows if row["_label"] is not None]
    last = max(row["_moment"] for row in labelled)
    test_from = last - timedelta(seconds=split.test)
    validation_from = test_from - timedelta(seconds=split.validation)
    tests = [row for row in labelled if row["_moment"] >= test_from]
    first_test = min(row["_moment"] for row in tests)
    validations = [
        row for row in labelled if validation_from <= row["_moment"] < test_from and row["_known"] <= first_test
    ]
    first = min([row["_moment"] for row in validations], default=first_test)
    trains = [row for row in labelled if row["_moment"] < validation_from and row["_known"] <= first]
    named = [(tests, "test"), (validations, "validation"), (trains, "train")]
    return [next((name for part, name in named if any(row is other for other in part)), None) for row in rows]


def test_the_borders_belong_to_the_later_part(con):
    rows = [timed_row(h, 0) for h in (0, 23.9, 24, 47.9, 48, 72)]
    split = by_time(validation="1d", test="1d")
    assert splits(con, split, rows) == ["train", "train", "validation", "validation", "test", "test"]


def test_a_label_known_too_late_leaves_a_gap(con):
    split = by_time(validation="30h", test="24h")  # validation from hour 30, test from hour 60
    train = [timed_row(0, 30), timed_row(1, 29.5), timed_row(2, 28)]
    validation = [timed_row(30, 31), timed_row(31, 29), timed_row(32, 28)]
    found = splits(con, split, [*train, *validation, timed_row(60, 9), timed_row(84, 0)])
    assert found == ["train", "train", "train", None, "validation", "validation", "test", "test"]


def test_the_gap_is_counted_from_the_validation_that_stays(con):
    split = by_time(validation="24h", test="24h")  # validation from hour 24, test from hour 48
    late, stays = timed_row(24, 100), timed_row(30, 1)
    assert splits(con, split, [timed_row(10, 15), late, stays, timed_row(72, 0)]) == [
        "train",
        None,
        "validation",
        "test",
    ]
    assert splits(con, split, [timed_row(10, 21), late, stays, timed_row(72, 0)]) == [None, None, "validation", "test"]


def test_without_validation_the_gap_lies_before_the_test(con):
    split = by_time(validation="1h", test="24h")
    rows = [timed_row(0, 48), timed_row(1, 48), timed_row(48, 0), timed_row(72, 0)]
    assert splits(con, split, rows) == ["train", None, "test", "test"]


def test_the_last_labelled_example_is_counted_back_from(con):
    rows = [timed_row(0, 1), timed_row(30, 1), timed_row(500, None, None)]
    assert splits(con, by_time(validation="1h", test="2h"), rows) == ["train", "test", None]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 40), st.sampled_from([True, False, None])), min_size=1, max_size=25
    ).filter(lambda rows: any(label is not None for *_, label in rows)),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_by_time_follows_the_rule(con, drawn, validation_h, test_h):
    rows = [timed_row(h, delay, label) for h, delay, label in drawn]
    split = by_time(validation=f"{validation_h}h", test=f"{test_h}h")
    found = splits(con, split, rows)
    assert found == by_hand(split, rows)
    for earlier, later in (("train", "validation"), ("train", "test"), ("validation", "test")):
        knowns = [row["_known"] for row, part in zip(rows, found, strict=True) if part == earlier]
        moments = [row["_moment"] for row, part in zip(rows, found, strict=True) if part == later]
        assert not (knowns and moments) or max(knowns) <= min(moments)


def test_hours_are_counted_through_a_change_of_clocks(con):
    """New York put its clocks forward on 10 March 2024 at 02:00, which is 07:00 UTC: 24 hours are 24 hours."""
    last = (datetime(2024, 3, 10, 12, tzinfo=UTC) - START) / HOUR
    rows = [timed_row(last - h, 0) for h in (24.5, 24, 23.5, 0)]
    assert splits(con, by_time(validation="1h", test="1d"), rows) == ["validation", "test", "test", "test"]


def test_examples_without_time_cannot_be_split_by_time(con):
    with pytest.raises(BuildError, match="they have none"):
        splits(con, by_time(validation="1d", test="1d"), [{"_label": True}], timed=False)


@pytest.mark.parametrize(
    ("examples", "validation", "test", "expected"),
    [
        (2000, 0.05, 0.85, (100, 1700)),
        (10, 0.15, 0.25, (2, 3)),  # halves up
        (200, 0.285, 0.575, (57, 115)),  # 0.285 * 200 is 56.99999999999999 in binary
        (1, 0.15, 0.2, (0, 0)),
        (0, 0.15, 0.2, (0, 0)),
    ],
)
def test_sizes(examples, validation, test, expected):
    assert sizes(examples, random(validation=validation, test=test)) == expected


def keyed_rows(count: int, unlabelled: int = 0) -> list[dict]:
    return [{"id": f"k{i}", "_label": None if i < unlabelled else bool(i % 2)} for i in range(count)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(0, 20), st.integers(0, 5), st.floats(0.01, 0.5), st.floats(0.01, 0.49))
def test_random_has_exact_sizes(con, count, unlabelled, seed, validation, test):
    rows = keyed_rows(count, min(unlabelled, count - 1))
    split = random(validation=validation, test=test, seed=seed)
    found = splits(con, split, rows, key=("id",), timed=False)
    labelled = sum(row["_label"] is not None for row in rows)
    assert all((part is None) == (row["_label"] is None) for row, part in zip(rows, found, strict=True))
    assert (found.count("validation"), found.count("test")) == sizes(labelled, split)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(40)))
def test_with_a_key_the_order_of_rows_has_no_say(con, order):
    rows, split = keyed_rows(40, 3), random(seed=7)
    straight = {
        row["id"]: part for row, part in zip(rows, splits(con, split, rows, key=("id",), timed=False), strict=True)
    }
    turned = [rows[i] for i in order]
    again = splits(con, split, turned, key=("id",), timed=False)
    assert {row["id"]: part for row, part in zip(turned, again, strict=True)} == straight


def test_a_seed_draws_its_own_split(con):
    rows = keyed_rows(200)
    drawn = [tuple(splits(con, random(seed=seed), rows, key=("id",), timed=False)) for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]


def test_without_a_key_or_with_doubled_keys_sizes_stay_exact(con):
    split = random(validation=0.25, test=0.25, seed=1)
    rows = [{"id": None if i % 3 else "same", "_label": True} for i in range(100)]
    for key in ((), ("id",)):
        assert Counter(splits(con, split, rows, key=key, timed=False)) == {"train": 50, "validation": 25, "test": 25}


def test_groups_stay_together(con):
    rows = [
        {"g": value, "_label": True}
        for value, n in zip([*"abcdefgh", None, 7], range(3, 23, 2), strict=True)
        for _ in range(n)
    ]
    rows = [{"g": None if row["g"] is None else str(row["g"]), "_label": True} for row in rows]
    found = splits(con, by_group("g", validation=0.2, test=0.3, seed=2), rows, timed=False)
    parts: dict[object, set] = {}
    for row, part in zip(rows, found, strict=True):
        parts.setdefault(row["g"], set()).add(part)
    assert all(len(part) == 1 for part in parts.values())
    counts = Counter(found)
    assert abs(counts["test"] - 0.3 * len(rows)) <= 1
    assert abs(counts["validation"] - 0.2 * len(rows)) <= 2


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=9), st.floats(0.01, 0.95))
def test_groups_sum_to_the_nearest_possible(group_sizes, share):
    groups, wanted = list(enumerate(group_sizes)), max(1, round(share * sum(group_sizes)))
    taken = draw_groups(groups, wanted)
    possible = [sum(c) for n in range(1, len(groups)) for c in combinations(group_sizes, n)]
    assert 0 < len(taken) < len(groups)
    assert abs(sum(group_sizes[i] for i in taken) - wanted) == min(abs(total - wanted) for total in possible)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=FORESEEN + 1, max_size=FORESEEN + 60), st.floats(0.05, 0.9))
def test_many_groups_come_near(group_sizes, share):
    wanted = round(share * sum(group_sizes))
    taken = draw_groups(list(enumerate(group_sizes)), wanted)
    assert abs(sum(group_sizes[i] for i in taken) - wanted) <= max(group_sizes)


def test_one_group_trains():
    assert draw_groups([("only", 10)], 3) == frozenset()
