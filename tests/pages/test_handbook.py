from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rondo.handbook.questions.answers import Arrow, Box, Command, Diagram, Fact, Point, Series, Table, Who
from rondo.handbook.questions.asking import Answered
from rondo.handbook.questions.book import HandbookFacts
from rondo.handbook.questions.paragraphs import Paragraph
from rondo.language.catalogues import Code
from rondo.pages.frame import Frame
from rondo.pages.handbook import handbook_page
from rondo.pages.handbook_text import handbook_markdown

NOW = datetime(2024, 3, 1, tzinfo=UTC)
FRAME = Frame("shop", NOW, "Europe/Berlin", address="/handbook")
DIAGRAM = Diagram(
    "data", "From sources to the model",
    (Box("a", "a", "source", 0, ("3 rows",), "/tables/a"), Box("m", "late", "model", 1)), (Arrow("a", "m"), Arrow("a", "gone")),
)  # fmt: skip
ONE = Answered(
    1, "data", "How is it <made>?",
    (Fact("First.", "/tables"), Fact("Second.", None, "sources.py:3"), Fact("Third.", "/tables/a")),
    (Command("rondo plan"), Command('rondo sql "select 1"')),
    (Who("data engineer", "Dana", "dana@example.com", "dana"), Who("product manager")),
    table=Table(("name", "rows"), (("a", "3"), ("b|c", "4")), (1,)), diagram=DIAGRAM,
    paragraph=Paragraph("docs/handbook/01.md", "Ask **me** <b>first</b>.", NOW, "Dana", ("The definition of a changed.",)),
)  # fmt: skip
TWO = Answered(
    24, "deployment", "How does it get there?", (), (Command("rondo gate late"), Command("rondo promote late@1", "changes")),
    (Who("ml engineer"),), "Nothing is there.", "rondo run",
)  # fmt: skip
FACTS = HandbookFacts("shop", (ONE, TWO), "late", ("late",))


def test_an_answer_has_facts_commands_and_people() -> None:
    page = handbook_page(FACTS, FRAME)
    assert "1 of 2 questions are answered" in page
    assert "How is it &lt;made&gt;?" in page and "sources.py:3" in page
    assert 'href="/tables/a"' in page and 'href="/team#dana"' in page
    assert "Nothing is there." in page and "rondo run" in page
    assert "<strong>me</strong>" in page and "&lt;b&gt;first" in page and "changed since" in page
    assert page.count('<svg class="lineage"') == 1


def test_what_changes_something_says_so() -> None:
    page = handbook_page(FACTS, FRAME)
    assert page.count("This changes how things stand:") == 1


def test_what_was_asked_stands_first_and_keeps_its_address() -> None:
    page = handbook_page(replace(FACTS, query="24", found=(24, 1)), FRAME)
    assert page.index('id="asked-24"') < page.index('id="q1"') < page.index('id="q24"')
    assert re.search(r'Next best:.*href="#q1"', page, re.DOTALL)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "No question is about this" in handbook_page(replace(FACTS, query="xylophone"), FRAME)


def test_a_saved_page_stands_alone() -> None:
    page = handbook_page(FACTS, replace(FRAME, saved=True))
    assert not re.search(r'(?:href|src|action)="/', page)


def test_a_history_is_drawn_with_its_numbers_beside_it() -> None:
    points = tuple(Point(NOW + timedelta(days=7 * n), 0.7 + n / 100, 0.6, 0.8) for n in range(4))
    page = handbook_page(replace(FACTS, answers=(replace(ONE, series=Series("roc_auc", "By week", points)),)), FRAME)
    assert 'aria-label="roc_auc: 0.700 to 0.730"' in page
    assert page.count('class="n">0.600–0.800</td>') == 4
    alone = replace(ONE, series=Series("roc_auc", "By week", points[:1]))
    assert 'aria-label="roc_auc' not in handbook_page(replace(FACTS, answers=(alone,)), FRAME)


@pytest.mark.parametrize("code", ["en", "ko"])
def test_the_markdown_has_everything(code: Code) -> None:
    text = handbook_markdown(FACTS, replace(FRAME, code=code).words, NOW)
    for part in (
        "## 1.",
        "## 24.",
        "- Second. (`sources.py:3`)",
        "| a | 3 |",
        "b\\|c",
        "b0 --> b1",
        "rondo promote late@1",
    ):
        assert part in text
    assert "gone" not in text
