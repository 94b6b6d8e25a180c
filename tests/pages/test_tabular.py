from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from rondo.errors import NotFound
from rondo.pages.tabular import Sheet, csv_of, sheet_named, sheets_of, xlsx_of

RISKY = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x","y")', "a,b", 'say "x"', "한국어", "two\nlines"]


def opened(content: bytes) -> Any:
    return load_workbook(io.BytesIO(content))


def test_cells_keep_their_types() -> None:
    at = datetime(2013, 7, 1, 22, 0, tzinfo=UTC)
    sheet = Sheet(
        "a", ["n", "x", "day", "at", "yes", "none", "text"], [[3, 0.5, date(2013, 7, 1), at, True, None, "t"]]
    )
    page = opened(xlsx_of([sheet], timezone="America/New_York"))["a"]
    values = [cell.value for cell in page[2]]
    assert values == [3, 0.5, datetime(2013, 7, 1), datetime(2013, 7, 1, 18, 0), True, None, "t"]
    assert page["C2"].number_format == "yyyy-mm-dd" and page["D2"].is_date
    assert page.freeze_panes == "A2" and page["A1"].font.bold


@given(st.lists(st.one_of(st.sampled_from(RISKY), st.text(max_size=20)), min_size=1, max_size=5))
@settings(max_examples=30)
def test_no_text_becomes_a_formula(texts: list[str]) -> None:
    page = opened(xlsx_of([Sheet("a", texts, [texts])], timezone="UTC"))["a"]
    for row in page.iter_rows():
        assert all(cell.data_type in ("s", "inlineStr", "n") and cell.data_type != "f" for cell in row)
    for text, cell in zip(texts, page[2], strict=True):
        plain = text.isprintable() and text
        assert not plain or cell.value == text


@given(st.lists(st.one_of(st.sampled_from(RISKY), st.text(max_size=20)), min_size=1, max_size=4))
def test_csv_reads_back_and_starts_no_formula(texts: list[str]) -> None:
    content = csv_of([f"c{n}" for n in range(len(texts))], [texts])
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len(rows) == 2
    for text, read in zip(texts, rows[1], strict=True):
        assert not read.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert read.removeprefix("'") == text.encode("utf-8", "replace").decode().removeprefix("'")


def test_numbers_of_csv_are_written_whole_and_negative_ones_stay_numbers() -> None:
    assert csv_of(["a", "b"], [[-1.5, True], [None, float("nan")]]).decode("utf-8-sig").splitlines()[1:] == [
        "-1.5,true",
        ",",
    ]


def test_names_that_a_workbook_does_not_take_are_mended() -> None:
    names = ["a/b", "A_b", "x" * 40, "x" * 40, "", "'q'"]
    book = opened(xlsx_of([Sheet(name, ["c"], []) for name in names], timezone="UTC"))
    assert len({name.casefold() for name in book.sheetnames}) == 6
    assert all(0 < len(name) <= 31 for name in book.sheetnames)


def test_what_a_cell_cannot_hold_is_text_or_nothing() -> None:
    row: list[object] = [2**60, float("inf"), date(1850, 1, 1), "bell\x07", [1, 2]]
    page = opened(xlsx_of([Sheet("a", list("abcde"), [row])], timezone="UTC"))["a"]
    assert [cell.value for cell in page[2]] == [str(2**60), None, "1850-01-01", "bell\ufffd", "[1, 2]"]


@dataclass(frozen=True)
class Figure:
    value: float
    low: float


@dataclass(frozen=True)
class Thing:
    name: str
    figure: Figure | None
    at: datetime
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    project: str
    things: tuple[Thing, ...]
    splits: dict[str, int]


def test_facts_become_sheets_a_list_of_things_each() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    facts = Facts("shop", (Thing("a", Figure(0.5, 0.4), at, ("x", "y")), Thing("b", None, at)), {"train": 3})
    page, things = sheets_of(facts)
    assert ("project", "shop") in page.rows and ("splits.train", 3) in page.rows
    assert list(things.columns) == ["name", "figure.value", "figure.low", "at", "roles", "figure"]
    assert things.rows[0][:5] == ["a", 0.5, 0.4, at, "x, y"]
    assert sheet_named([page, things], None) is things and sheet_named([page, things], "page") is page
    with pytest.raises(NotFound, match="there are: page, things"):
        sheet_named([page, things], "other")
