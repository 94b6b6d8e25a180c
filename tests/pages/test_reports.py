from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

from openpyxl import load_workbook

from rondo.handbook.report_facts import (
    AnswerFacts,
    Column,
    DrawingFacts,
    ParameterFacts,
    Problem,
    ReportFacts,
    ReportLine,
    ReportsFacts,
    StatFacts,
    StatsFacts,
    TextFacts,
)
from rondo.pages.filled import pieces
from rondo.pages.frame import Frame
from rondo.pages.reports import report_markdown, report_page, report_sheets, reports_page
from rondo.pages.tabular import xlsx_of

NOW = datetime(2013, 12, 31, 12, tzinfo=UTC)
FRAME = Frame("flights", NOW, "America/New_York", address="/reports/weekly", query={"week": "2013-W51"})
DAYS = AnswerFacts(
    "days",
    "select day, late, n from departures -- all",
    12,
    (Column("day", "DATE"), Column("late", "DOUBLE"), Column("n", "BIGINT"), Column("who", "VARCHAR")),
    tuple({"day": date(2013, 12, 16 + n), "late": 0.1 * n, "n": 1000 * n, "who": "=1+1<script>"} for n in range(7)),
)
FAILED = AnswerFacts("bad", "select <nope>", 20, problem=Problem("There is no column nope.", "Mend the query.", 21))
FACTS = ReportFacts(
    name="weekly",
    title="Weekly report",
    file="reports/weekly.md",
    language="en",
    languages=("en",),
    now=NOW,
    timezone="America/New_York",
    owner="ann",
    person="ann (Ann, ann@example.com)",
    parameters=(ParameterFacts("week", "week", "2013-12-16"), ParameterFacts("origin", "text", "JFK", ("EWR", "JFK"))),
    given={"week": "2013-W51"},
    reads={"departures": "departures@v11", "predictions.late": None},
    blocks=(
        TextFacts("# {{ a.b }} late\n\nThe lede.\n\nSecond paragraph.", ("37 %",)),
        StatsFacts((StatFacts("departures", "6,529", "6,369 before"),)),
        TextFacts("## By day\n\n> Why it matters.\n\nText.", ()),
        DrawingFacts(
            "chart", "days", "Sunday was worst", "Share late.", {"line": {"x": "day", "y": "late", "format": "percent"}}
        ),
        DrawingFacts(
            "table",
            "days",
            "",
            "",
            {"columns": {"day": "day", "late": {"title": "late", "format": "percent"}, "who": "who"}},
        ),
        DrawingFacts("table", "bad", "", "", {}),
        DrawingFacts("chart", "days", "Wrong", "", {"line": {"x": "dya", "y": "late"}}),
    ),
    answers=(DAYS, FAILED),
    problems=(Problem("There is no column nope.", "Mend the query.", 21),),
    seconds=1.2,
)


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def outline(html: str) -> Outline:
    found = Outline()
    found.feed(html)
    return found


def test_a_report_stands_in_its_places() -> None:
    html = report_page(FACTS, replace(FRAME, charts={}))
    assert "<h1>37 % late</h1>" in html and '<p class="lede">The lede.</p>' in html
    assert '<div class="stat"><dt>departures</dt><dd>6,529</dd><dd>6,369 before</dd></div>' in html
    assert ">By day</a></h2><p>Why it matters.</p>" in html.replace("\n", "")
    assert "departures@v11" in html and "predictions.late</span> (nothing yet)" in html
    assert "It was made in 1.2 s." in html
    assert "rondo report weekly --set week=2013-W51 -o weekly-2013-12-16.xlsx" in html


def test_cells_are_text_numbers_stand_at_the_right_and_shares_read_as_shares() -> None:
    html = report_page(FACTS, replace(FRAME, charts={}))
    assert (
        "=1+1&lt;script&gt;" in html and "<script>x" not in html and "<script>" not in html.replace("<script type", "")
    )
    assert '<td class="n">60.0 %</td>' in html and '<th scope="row">16 Dec 2013</th>' in html


def test_what_failed_shows_as_itself_with_its_line_and_the_rest_stands() -> None:
    html = report_page(FACTS, replace(FRAME, charts={}))
    assert "reports/weekly.md:21" in html and "There is no column nope." in html and "&lt;nope&gt;" in html
    assert "x is &#39;dya&#39;, which is no column; there are: day, late, n, who." in html


def test_the_form_asks_for_what_the_report_takes() -> None:
    found = outline(report_page(FACTS, replace(FRAME, charts={}, query={"as_of": "2013-12-20", "week": "2013-W51"})))
    fields = {each["name"]: each for each in found.of("input")}
    assert fields["week"]["type"] == "week" and fields["week"]["value"] == "2013-W51"
    assert fields["as_of"]["value"] == "2013-12-20"
    assert [each.get("name") for each in found.of("select")] == ["origin"]


def test_a_chart_has_its_numbers_and_its_own_address() -> None:
    frame = replace(FRAME, charts={})
    found = outline(report_page(FACTS, frame))
    assert list(frame.charts) == ["days"]
    [drawn] = [each for each in found.of("div") if each.get("data-spec")]
    assert drawn["role"] == "img" and drawn["aria-label"] == "Sunday was worst. Share late."
    assert frame.here(format="svg", chart="days").replace("&", "&amp;") in report_page(FACTS, replace(FRAME, charts={}))


def test_a_saved_report_needs_nothing_from_anywhere() -> None:
    html = report_page(FACTS, replace(FRAME, saved=True, charts={}))
    found = outline(html)
    assert not [each for each in found.of("link") if each.get("rel") == "stylesheet"]
    assert not [each for each in found.of("script") if each.get("src")] and found.of("svg")
    addresses = [each.get("href") or "" for each in found.of("a")] + [each.get("src") or "" for each in found.of("img")]
    assert all(address.startswith(("#", "data:")) for address in addresses), addresses
    assert not found.of("form")


def test_a_korean_report_is_korean_on_an_english_page_and_the_other_way() -> None:
    korean = replace(FACTS, language="ko")
    html = report_page(korean, replace(FRAME, charts={}))
    assert '<article class="report" lang="ko">' in html and "2013년 12월 16일" in html and "How this was made" in html
    html = report_page(FACTS, replace(FRAME, charts={}, code="ko"))
    assert '<article class="report" lang="en">' in html and "이 문서가 만들어진 방법" in html


def test_many_rows_are_cut_and_told() -> None:
    rows = tuple({"day": date(2013, 1, 1), "late": 0.1, "n": n, "who": "x"} for n in range(300))
    many = replace(FACTS, answers=(replace(DAYS, rows=rows, truncated=True), FAILED))
    html = report_page(many, replace(FRAME, charts={}))
    assert "100 more rows stand in the file of this table." in html and "more rows than a report takes" in html


def test_a_workbook_says_what_it_is_and_keeps_values_as_they_are() -> None:
    book = load_workbook(io.BytesIO(xlsx_of(report_sheets(FACTS), timezone="America/New_York", title="Weekly")))
    assert book.sheetnames == ["report", "days"]
    told = [[cell.value for cell in row if cell.value is not None] for row in book["report"].iter_rows()]
    assert (
        ["report", "Weekly report"] in told
        and ["departures", "departures@v11"] in told
        and ["week", "2013-12-16"] in told
    )
    assert ["37 % late"] in told and ["did not work", "There is no column nope."] in told
    row = [cell.value for cell in book["days"][3]]
    assert row == [datetime(2013, 12, 17), 0.1, 1000, "=1+1<script>"] and book["days"]["D3"].data_type != "f"


def test_as_markdown_nothing_is_live_and_no_value_is_markup() -> None:
    text = report_markdown(replace(FACTS, blocks=(TextFacts("# {{ a.b }} late", ("<b>*37* | %",)), *FACTS.blocks[1:])))
    assert text.startswith("# \\<b\\>\\*37\\* \\| % late\n") and "{{" not in text
    assert "- departures · 6,529 · 6,369 before" in text and "| --- | --: | --- |" in text
    assert (
        "| 17 Dec 2013 | 10.0 % | =1+1\\<script\\> |" in text and "> There is no column nope. Mend the query." in text
    )
    shown = [piece.html for piece in pieces(text)]
    assert shown[0] == "&lt;b&gt;*37* | % late" and sum(html.count("<table") for html in shown) == 3


def test_the_list_names_each_report_and_says_how_to_begin() -> None:
    lines = (
        ReportLine(
            "weekly",
            "Weekly report",
            "reports/weekly.md",
            "How the week went.",
            "ann",
            "ann (Ann)",
            ("en",),
            ("week",),
            3,
        ),
        ReportLine("bad", "bad", "reports/bad.md", problem=Problem("{{ x }}: is no figure.", "Mend it.", 3)),
    )
    html = reports_page(ReportsFacts(NOW, lines), replace(FRAME, address="/reports", query={}))
    assert '<a href="/reports/weekly">Weekly report</a>' in html and "2 reports read the data" in html
    assert "cannot be read" in html and "{{ x }}: is no figure." in html
    assert "There is no report yet" in reports_page(ReportsFacts(NOW, ()), replace(FRAME, address="/reports", query={}))


def test_the_table_below_a_chart_may_name_its_columns() -> None:
    declared = {
        "kind": "chart",
        "dot": {"x": "late", "y": "n", "format": "percent"},
        "columns": {"n": "편수", "late": {"title": "늦은 비율"}},
    }
    block = DrawingFacts("chart", "days", "Late", "", declared)
    lines = report_markdown(replace(FACTS, blocks=(block,))).splitlines()
    assert "| 편수 | 늦은 비율 |" in lines and "| 6,000 | 60.0 % |" in lines
