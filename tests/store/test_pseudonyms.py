from __future__ import annotations

import stat
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import StoreError
from rondo.store.pseudonyms import FILE, Forgotten, Pseudonyms, open_pseudonyms, text_of, typed_value

ONE, OTHER = Pseudonyms(b"1" * 32), Pseudonyms(b"2" * 32)


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    assert open_pseudonyms(tmp_path, create=False) is None
    made = open_pseudonyms(tmp_path / "state", create=True)
    assert made == open_pseudonyms(tmp_path / "state", create=True) and made is not None
    file = tmp_path / "state" / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and [file] == list(file.parent.iterdir())
    assert made.under == Pseudonyms(made.secret).under and made.secret.hex() not in made.under


@pytest.mark.parametrize("written", ["", "abc", "zz" * 32])
def test_a_secret_that_is_no_secret_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / FILE).write_text(written)
    with pytest.raises(StoreError, match=FILE):
        open_pseudonyms(tmp_path, create=True)


@given(
    st.lists(st.text() | st.integers(), min_size=1, max_size=3),
    st.lists(st.text() | st.integers(), min_size=1, max_size=3),
)
def test_other_values_and_other_secrets_have_other_pseudonyms(a: list[object], b: list[object]) -> None:
    assert (ONE.of(a) == ONE.of(b)) == (list(map(str, a)) == list(map(str, b)))
    assert ONE.of(a) != OTHER.of(a)


def test_a_null_is_nobody() -> None:
    assert ONE.of(["a", None]) is None and ONE.of([]) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17, "17"), (17.0, "17"), (Decimal("17.00"), "17"), (17.5, "17.5"), (True, "true"), ("17", "17"),
        (2**70, str(2**70)), (float("inf"), "inf"), (float("nan"), "nan"), (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00.000000+00:00"),
    ],
)  # fmt: skip
def test_a_value_is_the_same_text_wherever_it_stands(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("given_value", "sql_type", "value"),
    [
        ("17", "BIGINT", 17), ("17.5", "DOUBLE", 17.5), ("many", "BIGINT", "many"), ("017", "VARCHAR", "017"), (17, "BIGINT", 17),
        ("2024-01-02 03:00", "TIMESTAMP WITH TIME ZONE", datetime(2024, 1, 2, 2, tzinfo=UTC)),
        ("2024-01-02", "TIMESTAMP", datetime(2024, 1, 1, 23, tzinfo=UTC)), ("2024-01-02", "DATE", "2024-01-02"),
        ("soon", "TIMESTAMP", "soon"),
        (datetime(2024, 1, 2, 3), "TIMESTAMP", datetime(2024, 1, 2, 2, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_text_becomes_what_its_column_has(given_value: object, sql_type: str, value: object) -> None:
    assert typed_value(given_value, sql_type, "Europe/Berlin") == value


def test_keys_are_known_again_and_no_others() -> None:
    columns = {"customer": "BIGINT", "since": "TIMESTAMP"}
    blank = Forgotten(columns, frozenset(), ONE, "UTC")
    key = blank.pseudonym([17, "2024-01-02"])
    assert key is not None
    keys = Forgotten(columns, frozenset({key}), ONE, "UTC")
    assert keys.holds((17, datetime(2024, 1, 2, tzinfo=UTC))) and keys.holds(("17", "2024-01-02T00:00:00Z"))
    assert not keys.holds((18, datetime(2024, 1, 2, tzinfo=UTC))) and not keys.holds((17, None))
    assert not keys.holds(([17], {})), "lists and structs are no keys"
