"""Online items by themselves; that they answer as the as-of join does is tested where they are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import StoreError
from rondo.features.signature import Column, Lookup
from rondo.features.values import (
    LONGEST_KEY,
    Behind,
    OnlineValues,
    encode_key,
    encode_steps,
    microseconds,
    plain,
    together,
)
from rondo.store.online_found import Found

START = datetime(2024, 1, 1, tzinfo=UTC)
LOOKUP = Lookup(
    table="weather", prefix="weather", definition="d", on=(("origin", "origin"),), key_types=("VARCHAR",),
    columns=(Column(name="wind", type="DOUBLE"),), time="hour", known="known", keep_s=3_600,
)  # fmt: skip


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


class Shelf:
    """Items in memory: what the online store answers from."""

    def __init__(self, items: Mapping[bytes, bytes], columns: Sequence[str] | None = ("gust", "wind")) -> None:
        self.items, self.columns = items, columns

    def read(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> list[Found]:
        publication = None if self.columns is None else b"1"
        return [Found(publication, [self.items.get(key) for key in keys]) for _, keys in asked]

    def published(self, space: str) -> tuple[bytes, dict] | None:
        return None if self.columns is None else (b"1", {"columns": list(self.columns)})


class Asked:
    """A fallback that remembers what it was asked."""

    def __init__(self) -> None:
        self.moments: list[datetime | None] = []

    def look_up(self, lookup: Lookup, keys: Sequence, moments: Sequence[datetime | None]) -> list:
        self.moments += moments
        return [("from the lake",) for _ in keys]


def step(known: float, time: float, wind: float) -> tuple[int, int, list[float]]:
    return microseconds(at(known)), microseconds(at(time)), [0.0, wind]


ITEM = encode_steps([step(10, 0, 1.0), step(30, 20, 2.0)], whole=False)


def look_up(item: bytes, minutes: float, fallback: Asked | None = None) -> tuple | None:
    values = OnlineValues(Shelf({encode_key(("JFK",)): item}), fallback)
    [found] = values.look_up(LOOKUP, [("JFK",)], [at(minutes)])
    return found


@pytest.mark.parametrize(
    ("minutes", "found"),
    [(10, (1.0,)), (29.9, (1.0,)), (30, (2.0,)), (80, (2.0,)), (80.1, None)],  # kept for an hour, inclusive
)
def test_the_step_known_at_the_moment_answers(minutes: float, found: tuple | None) -> None:
    assert look_up(ITEM, minutes) == found


def test_a_moment_before_the_first_step_is_the_lakes() -> None:
    asked = Asked()
    assert look_up(ITEM, 9.9, asked) == ("from the lake",) and asked.moments == [at(9.9)]
    with pytest.raises(StoreError, match="do not reach back"):
        look_up(ITEM, 9.9)


def test_where_nothing_was_known_before_the_first_step_nothing_is() -> None:
    whole = encode_steps([step(10, 0, 1.0)], whole=True)
    assert look_up(whole, 9.9) is None and look_up(whole, 10) == (1.0,)


def test_keys_without_a_value_are_none_and_others_keep_their_place() -> None:
    values = OnlineValues(Shelf({encode_key(("JFK",)): ITEM}))
    keys = [None, ("LGA",), ("JFK",)]
    assert values.look_up(LOOKUP, keys, [at(15)] * 3) == [None, None, (1.0,)]


def test_rows_that_lie_behind_go_to_the_lake_at_once_and_nobody_waits_who_will_not() -> None:
    asked = Asked()
    values = OnlineValues(Shelf({encode_key(("JFK",)): ITEM}), asked)
    both = together(values, [LOOKUP, LOOKUP])
    keys = [[("JFK",), None], [("JFK",), ("JFK",)], [None, ("LGA",)]]
    found = both.of_rows(keys, [at(5), at(15), at(5)], wait=True)
    assert found == [[("from the lake",), None], [(1.0,), (1.0,)], [None, None]]
    assert asked.moments == [at(5)]
    assert [both.of_row(*row, wait=True) for row in zip(keys, [at(5), at(15), at(5)], strict=True)] == found
    with pytest.raises(Behind):
        both.of_row([("JFK",), None], at(5), wait=False)
    with pytest.raises(Behind):
        both.of_rows(keys, [at(5), at(15), at(5)], wait=False)


def test_a_publication_that_comes_between_is_read_again() -> None:
    shelf = Shelf({encode_key(("JFK",)): ITEM}, ["wind", "gust"])
    values = OnlineValues(shelf)
    first = shelf.published
    asked = []

    def late(space: str) -> tuple[bytes, dict] | None:
        asked.append(space)
        return (b"2", {"columns": ["other"]}) if len(asked) == 1 else first(space)

    shelf.published = late  # type: ignore[method-assign]
    assert values.look_up(LOOKUP, [("JFK",)], [at(15)]) == [(0.0,)] and len(asked) == 2


def test_what_is_not_published_is_the_lakes() -> None:
    asked = Asked()
    values = OnlineValues(Shelf({}, None), asked)
    assert values.look_up(LOOKUP, [("JFK",), None], [at(1), at(2)]) == [("from the lake",), None]
    assert asked.moments == [at(1)]


def test_a_column_that_was_not_published_is_said() -> None:
    with pytest.raises(StoreError, match="lack 'wind'"):
        OnlineValues(Shelf({encode_key(("JFK",)): ITEM}, ["gust"])).look_up(LOOKUP, [("JFK",)], [at(15)])


def test_whole_floats_and_whole_numbers_are_one_key_and_text_is_another() -> None:
    assert encode_key((7, "a")) == encode_key((7.0, "a")) != encode_key(("7", "a"))
    assert encode_key(("a", "b")) != encode_key(("ab", ""))
    assert len(encode_key(("x" * 10_000,))) <= LONGEST_KEY
    assert encode_key(("x" * 10_000,)) != encode_key(("x" * 9_999,))


PART = st.text(max_size=5) | st.integers(-(2**63), 2**63 - 1) | st.booleans()


@given(st.tuples(PART, PART), st.tuples(PART, PART))
def test_other_keys_have_other_bytes(one: tuple, other: tuple) -> None:
    alike = all(a == b and isinstance(a, bool) == isinstance(b, bool) for a, b in zip(one, other, strict=True))
    assert (encode_key(one) == encode_key(other)) is alike


def test_values_are_plain() -> None:
    seoul = timezone(timedelta(hours=9))
    assert [
        plain(value) for value in (Decimal("1.50"), date(2024, 1, 2), datetime(2024, 1, 1, 9, tzinfo=seoul), None)
    ] == [
        1.5,
        "2024-01-02",
        START,
        None,
    ]
