from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import DeclarationError
from rondo.project.figures import FORMATS, PICKS, Figure, figures_of


def read(text: str) -> list[Figure]:
    return figures_of(text, file="reports/r.md", line=10, queries=["weekly", "days"], parameters=["week"])


def test_a_figure_is_a_column_with_how_it_is_picked_and_written() -> None:
    [first, second, third, fourth] = read(
        'In {{ week }}:\n{{weekly.late | percent}} of {{ days."all rows" | last | number 2 }}, {{ days | rows }} days.'
    )
    assert (first.of, first.column, first.line) == ("week", None, 10)
    assert (second.column, second.format, second.pick, second.line) == ("late", "percent", "first", 11)
    assert (third.column, third.pick, third.format, third.digits) == ("all rows", "last", "number", 2)
    assert (fourth.of, fourth.pick) == ("days", "rows")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ wekly.late }}", "'wekly'; there are: weekly, days, week"),
        ("{{ weekly.late | percnt }}", "'percnt' is unknown; there are: first"),
        ("{{ weekly }}", "no column of it is named"),
        ("{{ week.start }}", "is a parameter, which has no columns"),
        ("{{ __import__('os').system('ls') }}", "is no figure"),
        ("{{ weekly.late + 1 }}", "is no figure"),
        ("{{ }}", "is no figure"),
    ],
)
def test_a_typo_names_the_line_and_what_there_is(text: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=r"(?s).*") as caught:
        read("one\ntwo " + text)
    assert said in caught.value.message
    assert (caught.value.file, caught.value.line) == ("reports/r.md", 11)


@given(st.text(max_size=60))
def test_whatever_stands_in_braces_is_a_figure_or_an_error_in_words(inside: str) -> None:
    try:
        found = read("{{" + inside + "}}")
    except DeclarationError as error:
        assert error.line is not None
        return
    assert all(figure.pick in PICKS and figure.format in (None, *FORMATS) for figure in found)
