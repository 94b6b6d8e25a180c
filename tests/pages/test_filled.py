from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.pages.filled import pieces, sql_code
from rondo.pages.frame import Frame
from rondo.project.figures import PLACED

FRAME = Frame("shop", datetime(2024, 1, 1, tzinfo=UTC), "UTC")
NASTY = [
    "<script>alert(1)</script>",
    "a | b",
    "=1+1",
    "**bold**",
    "[x](javascript:alert(1))",
    "`code`",
    "</p>",
    "& \" '",
    "{{ x }}",
]


class Reading(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reading:
    reading = Reading()
    reading.feed(str(html))
    reading.close()
    return reading


@given(st.one_of(st.sampled_from(NASTY), st.text(max_size=30)))
def test_what_a_figure_says_is_text_and_nothing_else(value: str) -> None:
    [piece] = pieces("Of *all* **{{ x.y }}** were", [value])
    reading = read(piece.html)
    assert reading.tags == ["p", "em", "strong"]
    assert value.replace("\r\n", "\n").replace("\r", "\n") in reading.text.replace("\r\n", "\n").replace("\r", "\n")


@given(st.text(alphabet="{}x \ue000\ue0010|<", max_size=30))
def test_nobody_writes_a_figure_that_is_not_one(text: str) -> None:
    figures = ["value"] * len(PLACED.findall(text))
    assert "".join(piece.html for piece in pieces(f"a {text} b", figures)).count("value") == len(figures)


def test_a_mark_written_as_an_entity_stands_for_nothing() -> None:
    assert pieces("a &#xE000;7&#xE001; b {{ x.y }}", ["1"])[0].html == "<p>a  b 1</p>\n"


@given(st.text(max_size=60))
def test_html_of_a_report_is_shown_and_never_obeyed(text: str) -> None:
    html = "".join(piece.html for piece in pieces(f"<script>x</script> {text} <img src=x onerror=y>"))
    assert not {"script", "img", "iframe", "style", "svg"} & set(read(html).tags)


@pytest.mark.parametrize("address", ["javascript:alert(1)", "vbscript:x", "data:text/html,x", "JaVaScRiPt:x"])
def test_a_link_runs_no_script(address: str) -> None:
    assert "a" not in read(pieces(f"[x]({address})")[0].html).tags


def test_pieces_are_what_the_page_puts_in_their_places() -> None:
    found = pieces("# Title {{ a.b }}\n\nlede\n\n## Part\n\n> why\n\n- one\n- two\n", ["12 %"])
    assert [piece.kind for piece in found] == ["h1", "paragraph", "h2", "quotation", "other"]
    assert found[0].html == "Title 12 %" and found[2].html == "Part"


def test_a_figure_may_stand_in_a_table() -> None:
    [piece] = pieces("| a | b |\n|---|--:|\n| {{ x.y | percent }} | 2 |\n", ["1 | 2"])
    assert read(piece.html).tags.count("td") == 2 and "1 | 2" in read(piece.html).text


def test_a_link_leads_to_the_page_as_of_the_same_moment_and_stands_alone_when_saved() -> None:
    past = replace(FRAME, query={"as_of": "2024-01-01"})
    assert 'href="/models/late?as_of=2024-01-01"' in pieces("[late](/models/late)", frame=past)[0].html
    saved = pieces("[**late**](/models/late) and [there](https://example.com)", frame=replace(FRAME, saved=True))[
        0
    ].html
    assert read(saved).tags == ["p", "strong", "a"] and "/models/late" not in saved


def test_sql_is_shown_as_it_is_written_with_its_keywords_told_apart() -> None:
    sql = "select a, 'where' as \"from\" -- why <b>\nfrom t /* all */ where x < 3;\n"
    code = sql_code(sql)
    assert read(code).text == sql
    assert "<b>select</b>" in code and "<b>where</b> x &lt; 3" in code and "<i> -- why &lt;b&gt;\n</i>" in code
    assert "<b>'where'</b>" not in code
