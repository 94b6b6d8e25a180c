from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.pages.frame import Frame
from rondo.pages.prose import parts, prose
from rondo.project.documents import Heading

FRAME = Frame(project="p", now=datetime(2014, 1, 1, tzinfo=UTC), timezone="UTC")
SAVED = Frame(project="p", now=datetime(2014, 1, 1, tzinfo=UTC), timezone="UTC", saved=True)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** `b`", "<p><strong>a</strong> <code>b</code></p>"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a <b>bold</b>", "<p>a &lt;b&gt;bold&lt;/b&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](runbook.md#no-new-rows)", '<a href="/docs/runbook#no-new-rows">x</a>'),
        ("[x](../reports/weekly.md)", '<a href="/reports/weekly">x</a>'),
        ("[x](../tables/flights.sql)", '<a href="/tables/flights">x</a>'),
        ("[x](../models/late.py)", '<a href="/models/late">x</a>'),
        ("[x](https://example.com/a?b=1&c=2)", '<a href="https://example.com/a?b=1&amp;c=2">x</a>'),
        ("[x](#below)", '<a href="#below">x</a>'),
        ("[x](../../etc/passwd)", "<p>x</p>"),
        ("![x](http://example.com/track.png)", '!<a href="http://example.com/track.png">x</a>'),
        ("| a |\n|---|\n| 한글 |", '<div class="scroll" tabindex="0"><table class="data">'),
        ("### Über Größe", '<h3 id="über-grösse">'),
    ],
)
def test_what_people_write_becomes_this_page(text: str, html: str) -> None:
    assert html in prose(text, FRAME)


def test_headings_continue_below_the_heading_of_their_section() -> None:
    assert "<h3" in prose("## Below", FRAME, highest=1)
    assert "<h4" in prose("### Below", FRAME, highest=1)
    assert "<h3" in prose("# Odd", FRAME, highest=2)


def test_a_saved_page_stands_alone() -> None:
    html = prose("[x](runbook.md), [y](https://example.com)", SAVED)
    assert html.strip() == '<p>x, <a href="https://example.com">y</a></p>'


@given(st.text())
def test_no_text_becomes_an_element_of_its_own(text: str) -> None:
    html = prose(text, FRAME).casefold()
    assert "<script" not in html
    assert "<img" not in html
    assert "javascript:" not in html.replace("](javascript:", "").replace(
        "javascript:", "", text.casefold().count("javascript:")
    )


def headings(*lines: str) -> tuple[Heading, ...]:
    return tuple(
        Heading(len(line) - len(line.lstrip("#")), line.lstrip("# "), number)
        for number, line in enumerate(lines, 5)
        if line.startswith("#")
    )


def test_sections_open_at_the_highest_headings_below_the_title() -> None:
    lines = ("# Title", "before", "## A", "a", "### Aa", "aa", "## B")
    found = parts("\n".join(lines), headings(*lines), 5)
    assert [(part.heading.title if part.heading else None, part.text) for part in found] == [
        (None, "before"), ("A", "a\n### Aa\naa"), ("B", ""),
    ]  # fmt: skip


def test_several_highest_headings_are_sections() -> None:
    lines = ("# Why", "a", "# What", "b")
    found = parts("\n".join(lines), headings(*lines), 5)
    assert [(part.heading.title if part.heading else None, part.text) for part in found] == [
        ("Why", "a"),
        ("What", "b"),
    ]


@pytest.mark.parametrize("body", ["", "only text", "# Title"])
def test_a_document_without_sections_is_one_part_or_none(body: str) -> None:
    assert [part.text for part in parts(body, headings(*body.splitlines()), 5)] == (
        ["only text"] if "only" in body else []
    )
