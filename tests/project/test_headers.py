from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.errors import DeclarationError
from rondo.project.headers import parse_header


def test_keys_and_list_items_know_their_lines() -> None:
    header = parse_header("key: origin\nchecks:\n  - a > 0\n  - not_null: [b]\n", "tables/t.sql", 2)
    assert header.lines == {"key": 2, "checks": 3}
    assert header.item_lines == {"checks": (4, 5)}
    assert header.values == {"key": "origin", "checks": ["a > 0", {"not_null": ["b"]}]}


def test_words_and_dates_stay_words() -> None:
    header = parse_header("a: on\nb: yes\nc: 2013-05-01\nd: 3\ne: null\n", "t.sql", 1)
    assert header.values == {"a": "on", "b": "yes", "c": "2013-05-01", "d": 3, "e": None}
    assert [header.text(name) for name in "abcde"] == ["on", "yes", "2013-05-01", "3", None]
    assert header.text("absent") is None


def test_one_name_or_several() -> None:
    header = parse_header("one: a\nmany: [a, b]\n", "t.sql", 1)
    assert (header.texts("one"), header.texts("many"), header.texts("none")) == (("a",), ("a", "b"), None)


def test_an_empty_header_is_one() -> None:
    assert parse_header("", "t.sql", 1).values == {}
    assert parse_header("# only a remark\n", "t.sql", 1).values == {}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: [2\n", 7, "cannot be read"),
        ("a: 1\na: 2\n", 6, "'a' stands twice"),
        ("a: 1\nb: c: d\n", 6, "cannot be read"),
        ("- a\n- b\n", 5, "not a list of keys"),
        ("just words\n", 5, "not a list of keys"),
        ("a: 1\n? [x, y]\n: 2\n", 6, "cannot be read"),
        ("a: !!int x\n", 5, "cannot be read"),
        ("a: !!python/object:os.system {}\n", 5, "cannot be read"),
        ("a: \x00\n", 5, "cannot be read"),
        ("a: &x [*x]\nb: 1\n---\nc: 2\n", 7, "cannot be read"),
    ],
)
def test_what_cannot_be_read_names_file_and_line(text: str, line: int, said: str) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        parse_header(text, "tables/t.sql", 5)
    assert (refused.value.file, refused.value.line) == ("tables/t.sql", line)


@settings(max_examples=300)
@given(st.text(alphabet="ab:[]{}-?,&*!|>'\"%#@\\\n\t 0x_\x00é", max_size=30))
def test_any_text_is_a_header_or_a_refusal(text: str) -> None:
    try:
        header = parse_header(text, "t.sql", 1)
    except DeclarationError as error:
        assert error.file == "t.sql" and error.line is not None and error.line >= 1
    else:
        assert all(isinstance(name, str) for name in header.values)


def test_an_unknown_key_is_refused_with_those_there_are() -> None:
    header = parse_header("key: a\nkeys: b\n", "tables/t.sql", 2)
    with pytest.raises(DeclarationError, match="'keys'; it may have: key, time") as refused:
        header.refuse_unknown(("key", "time"))
    assert refused.value.line == 3


def test_a_value_of_the_wrong_shape_names_its_line() -> None:
    header = parse_header("a: 1\nkey: {b: 1}\nnames: [[x]]\n", "tables/t.sql", 2)
    for ask, line in ((lambda: header.text("key"), 3), (lambda: header.texts("names"), 4)):
        with pytest.raises(DeclarationError) as refused:
            ask()
        assert (refused.value.file, refused.value.line) == ("tables/t.sql", line)
