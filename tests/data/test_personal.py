from __future__ import annotations

import pytest

from rondo.data.personal import suspected
from rondo.records.tables import ColumnProfile, Top


def column(name: str, *values: str | int) -> ColumnProfile:
    return ColumnProfile(name=name, type="VARCHAR", nulls=0, top=[Top(value=value, count=1) for value in values])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (("a@b.de", "c.d@example.com", "x+y@mail.co.kr"), "e-mail"),
        (("+49 30 1234567", "+82 10-1234-5678"), "phone"),
        (("010-1234-5678", "010-9876-5432"), "phone"),
        (("4111 1111 1111 1111", "5500005555555559"), "card number"),
        (("900101-1234567", "851231-2345678"), "national id"),
        (("123-45-6789",), "national id"),
        (("10.0.0.1", "192.168.1.254"), "ip address"),
    ],
)
def test_values_tell(values: tuple[str, ...], kind: str) -> None:
    assert [(each.kind, each.because) for each in suspected([column("x", *values)])] == [(kind, "its values")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("customer_email", None),
        ("email", "e-mail"),
        ("last_name", "name"),
        ("phone_no", "phone"),
        ("dob", "birth date"),
    ],
)
def test_names_tell_only_when_whole(name: str, kind: str | None) -> None:
    assert [each.kind for each in suspected([column(name)])] == ([kind] if kind else [])


@pytest.mark.parametrize(
    "values",
    [
        ("N515UA", "N651JB"), ("EWR", "JFK", "LGA"), (1545, 1714, 1141), ("2013-01-01T05:00:00Z",), ("1.5.3", "2.0.1"),
        ("4111111111111112", "1234567890123456"), ("0000000000000000",), (20130101, 20131231),
    ],
)  # fmt: skip
def test_what_is_no_persons_is_left_alone(values: tuple[str | int, ...]) -> None:
    assert suspected([column("x", *values)]) == []


def test_one_value_among_many_proves_nothing() -> None:
    assert suspected([column("note", "a@b.de", "late", "rain", "none")]) == []
