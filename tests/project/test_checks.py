from __future__ import annotations

import pytest

from rondo.errors import DeclarationError
from rondo.project.checks import NAMED, Check, distribution, in_table, not_null, parse_check, row_count, unique


@pytest.mark.parametrize(
    ("written", "check"),
    [
        ("amount > 0", Check("condition", "amount > 0", condition="amount > 0")),
        ("  amount > 0\n", Check("condition", "amount > 0", condition="amount > 0")),
        ("unique", unique()),
        ({"unique": ["a", "b"]}, unique("a", "b")),
        ({"unique": "a"}, unique("a")),
        ({"not_null": ["a"]}, not_null("a")),
        ({"row_count": {"min": 1}}, row_count(min=1)),
        ({"row_count": {"min": 0, "max": 9}}, row_count(min=0, max=9)),
        ({"in_table": {"customer": "customers.id"}}, in_table(customer="customers.id")),
        ({"distribution": {"price": 0.2}}, distribution(price=0.2)),
    ],
)
def test_a_check_in_yaml_is_the_one_in_python(written: object, check: Check) -> None:
    assert parse_check(written) == check
    assert parse_check(check) is check


def test_the_text_of_a_check_is_how_yaml_writes_it() -> None:
    checks = [
        unique(),
        unique("a", "b"),
        not_null("a"),
        row_count(min=1, max=9),
        in_table(c="t.d"),
        distribution(p=0.2),
    ]
    assert [check.text for check in checks] == [
        "unique",
        "unique: [a, b]",
        "not_null: [a]",
        "row_count: {min: 1, max: 9}",
        "in_table: {c: t.d}",
        "distribution: {p: 0.2}",
    ]


def test_only_checks_of_rows_set_rows_aside() -> None:
    assert [check.of_rows for check in (unique(), not_null("a"), in_table(c="t.d"), parse_check("a > 0"))] == [True] * 4
    assert [check.of_rows for check in (row_count(min=1), distribution(p=0.2))] == [False] * 2


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("not_null", "wants arguments"),
        ("row_count", "wants arguments"),
        ({"not_null": []}, "names no column"),
        ({"not_null": [1]}, "column names"),
        ({"unique": [""]}, "column names"),
        ({"unique": ["a", "a"]}, "twice"),
        ({"not_nul": ["a"]}, "There is no check 'not_nul'"),
        ({"row_count": 3}, "wants"),
        ({"row_count": {}}, "neither min nor max"),
        ({"row_count": {"min": -1}}, "not a number of rows"),
        ({"row_count": {"min": True}}, "not a number of rows"),
        ({"row_count": {"min": 9, "max": 1}}, "no number of rows is"),
        ({"row_count": {"least": 1}}, "'least'"),
        ({"in_table": {"c": "t"}}, "names no table's column"),
        ({"in_table": {}}, "names no column"),
        ({"distribution": {"p": 0}}, "limit above 0"),
        ({"distribution": {"p": "x"}}, "limit above 0"),
        ({"distribution": {"p": float("nan")}}, "limit above 0"),
        ({"a": 1, "b": 2}, "is not a check"),
        ({"a: b": None}, "There is no check"),
        (3, "is not a check"),
        (None, "is not a check"),
        ("", "is not a check"),
    ],
)
def test_what_is_no_check_is_refused(written: object, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        parse_check(written)


def test_every_named_check_says_what_it_wants() -> None:
    assert set(NAMED) == {"unique", "not_null", "row_count", "in_table", "distribution"}
    assert all(NAMED.values())
