from __future__ import annotations

from pathlib import Path

import pytest

from rondo.errors import DeclarationError, NotFound
from rondo.project.reports import Drawing, Report, Stats, Text, read_report, report_names

REPORT = """---
title: The week
owner: data_analyst
parameters:
  week: week
---
# {{ weekly.late | percent }} late

```sql name=weekly hide
select 0.5 as late
```

```sql name=days
select 1 as day, 2 as late
```

```chart
title: "It was {{ weekly.late }}"
line: {x: day, y: late}
```

::: with weekly.late
## Some were late

```python
print("```sql is text here")
```
:::

```figures
- label: late
  value: "{{ weekly.late | percent }}"
  below: of all
```
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "reports").mkdir()
    return tmp_path


def read(root: Path, text: str, name: str = "week.md") -> Report:
    (root / "reports" / name).write_text(text, encoding="utf-8")
    return read_report(root, "week")


def test_a_report_is_text_queries_and_what_is_drawn_of_them(root: Path) -> None:
    report = read(root, REPORT)
    assert (report.title, report.owner, report.language) == ("The week", "data_analyst", "en")
    assert [(query.name, query.shown, query.line) for query in report.queries] == [
        ("weekly", False, 10),
        ("days", True, 14),
    ]
    heading, chart, part, stats = report.blocks
    assert isinstance(heading, Text) and [figure.line for figure in heading.figures] == [7]
    assert isinstance(chart, Drawing) and (chart.query, chart.kind) == ("days", "chart")
    assert isinstance(part, Text) and part.when is not None and (part.when.column, part.when.present) == ("late", True)
    assert "```sql is text here" in part.markdown
    assert isinstance(stats, Stats) and stats.stats[0].below == "of all"


def test_a_query_that_nothing_draws_is_a_table_where_it_stands(root: Path) -> None:
    report = read(root, "above\n\n```sql\nselect 1 as a\n```\n\nbelow\n")
    assert [type(block).__name__ for block in report.blocks] == ["Text", "Drawing", "Text"]
    assert report.queries[0].name == "query_1"


def test_a_report_in_two_languages_is_one_report(root: Path) -> None:
    read(root, "# English\n")
    read(root, "# 한국어\n", "week.ko.md")
    assert report_names(root) == ("week",)
    assert [read_report(root, "week", code).file for code in ("en", "ko")] == ["reports/week.md", "reports/week.ko.md"]
    assert read_report(root, "week", "ko").language == "ko"
    assert read_report(root, "week").languages == ("en", "ko")
    with pytest.raises(NotFound, match="there are: week"):
        read_report(root, "weak")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a\n\n```sql name=x\nselect 1", 3, "never ends"),
        ("::: with x\ntext", 1, "never ends"),
        (":::\n", 1, "No part begins"),
        ("::: if x\n:::\n", 1, "begins no part"),
        ("::: with nothing\ntext\n:::\n", 1, "no query 'nothing'"),
        ("```sql name=x\n\n```\n", 2, "is empty"),
        ("```sql name=x limit=3\nselect 1\n```\n", 1, "'limit'"),
        ("```sql name=x\nselect 1\n```\n```sql name=x\nselect 1\n```\n", 4, "two things named 'x'"),
        ("```chart\ntitle: t\nline: {x: a, y: b}\n```\n", 2, "No query stands above it"),
        ("```sql name=x\nselect 1\n```\n```chart\nline: {x: a, y: b}\n```\n", 5, "no title"),
        ("```sql name=x\nselect 1\n```\n```chart\ntitle: t\npie: {x: a}\n```\n", 6, "unknown key 'pie'"),
        ("```sql name=x\nselect 1\n```\n```chart\ntitle: t\nquery: y\nbar: {x: a}\n```\n", 6, "there are: x"),
        ("```figures\n- label: a\n  valu: b\n```\n", 2, "unknown key 'valu'"),
        ("```figures\nlabel: a\n```\n", 2, "no figures"),
        ("text\n{{ x.y }}\n", 2, "no query or parameter 'x'"),
        ("---\ntitel: x\n---\n", 2, "unknown key 'titel'"),
    ],
)
def test_what_is_wrong_has_its_file_and_line(root: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read(root, text)
    assert said in caught.value.message
    assert (caught.value.file, caught.value.line) == ("reports/week.md", line)


def test_the_report_of_the_howto_can_be_read(root: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "reports.md").read_text(encoding="utf-8")
    text = page.split("````markdown\n", 1)[1].split("````", 1)[0]
    report = read(root, text)
    assert [query.name for query in report.queries] == ["total", "days"] and len(report.parameters) == 2


def test_a_chart_may_be_vega_lite_as_it_is_true_and_false_included(root: Path) -> None:
    chart = "title: t\nmark: {type: line, point: true}\nencoding:\n  y: {field: n, type: quantitative, scale: {zero: false}}\n"
    report = read(root, f"```sql name=x\nselect 1 as n\n```\n```chart\n{chart}```\n")
    [drawing] = [block for block in report.blocks if isinstance(block, Drawing)]
    spec = drawing.declared["vega"]
    assert (
        isinstance(spec, dict) and spec["mark"] == {"type": "line", "point": True} and set(spec) == {"mark", "encoding"}
    )
    assert spec["encoding"]["y"]["scale"] == {"zero": False}
