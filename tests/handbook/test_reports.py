from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rondo.errors import DeclarationError, NotFound, WrongUse
from rondo.handbook.report_facts import DrawingFacts, ReportFacts, StatsFacts, TextFacts
from rondo.handbook.reports import report_asked, report_facts, reports_facts
from rondo.loop.running import run
from rondo.loop.workplace import Workplace, open_workplace
from rondo.store.until import LedgerUntil

SALES = "sold_at,shop,amount\n" + "\n".join(
    f"2024-01-{day:02} 12:00:00,{shop},{amount}"
    for day in range(1, 29)
    for shop, amount in (("A", day), ("B", 2 * day))
)
FILES = {
    "rondo.toml": '[project]\nname = "shop"\ntimezone = "Europe/Berlin"\nclock = "data"\n'
    '[people.ann]\nname = "Ann"\ncontact = "ann@example.com"\nrole = "data_analyst"\n',
    "sources.py": 'import rondo as rd\nsales_raw = rd.Source(rd.files("data/sales*.csv"), time="sold_at", known="sold_at")\n',
    "tables/sales.sql": "/* ---\ntime: sold_at\nknown: sold_at\n--- */\nselect * from sales_raw\n",
    "data/sales.csv": SALES,
    "models/late.py": "",
}
REPORT = """---
title: Sales
owner: ann
parameters:
  week: week
  shop: {type: text, default: A, choices: [A, B]}
---
# {{ week }}: {{ total.amount | count }} sold in {{ shop }}

```sql name=total hide
select sum(amount) as amount, avg(amount) as mean, min(amount) as mean_low, max(amount) as mean_high, count(*) as n
from sales where shop = $shop and sold_at >= $week and sold_at < $week + interval 7 day
```

```sql name=days
select sold_at::date as day, amount / 100 as share, amount from sales
where shop = $shop and sold_at >= $week and sold_at < $week + interval 7 day order by day
```

Mean {{ total.mean | number 1 }} ({{ total.mean | interval }}), last {{ days.share | last | percent }}, {{ days.amount | max }} at most
of {{ days | rows }} days.

```figures
- label: sold
  value: "{{ total.amount | count }}"
  below: "n = {{ total.n }}"
```

::: with days
There were sales.
:::

::: without days
Nothing was sold.
:::
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reports") / "shop"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "reports").mkdir()
    run(open_workplace(root), ["sales"])
    return root


@pytest.fixture
def work(root: Path) -> Workplace:
    return open_workplace(root, readonly=True)


def ask(work: Workplace, text: str = REPORT, /, name: str = "sales", **given: str) -> ReportFacts:
    (work.project.root / "reports" / f"{name}.md").write_text(text, encoding="utf-8")
    return report_facts(work, name, given, code="en", limit_s=5)


def texts(facts: ReportFacts) -> list[str]:
    return [figure for block in facts.blocks if isinstance(block, TextFacts) for figure in block.figures]


def test_a_report_answers_its_queries_and_fills_in_its_sentences(work: Workplace) -> None:
    facts = ask(work, week="2024-W02")
    assert texts(facts) == ["8 Jan 2024", "77", "A", "11.0", "8.000–14.00", "14.0 %", "14", "7"]
    assert [each.name for each in facts.answers] == ["total", "days"] and facts.problems == ()
    assert facts.answers[1].rows[0]["amount"] == 8
    assert facts.reads == {"sales": "sales@v1"}
    assert [(each.name, each.value) for each in facts.parameters] == [("week", "2024-01-08"), ("shop", "A")]
    assert facts.owner == "ann" and facts.person is not None and "ann@example.com" in facts.person
    [stats] = [block for block in facts.blocks if isinstance(block, StatsFacts)]
    assert (stats.stats[0].value, stats.stats[0].below) == ("77", "n = 7")
    assert any(isinstance(block, TextFacts) and "There were sales" in block.markdown for block in facts.blocks)


def test_an_empty_answer_takes_the_other_sentence(work: Workplace) -> None:
    facts = ask(work, week="2030-W02")
    assert texts(facts)[:3] == ["7 Jan 2030", "–", "A"]
    shown = [block.markdown for block in facts.blocks if isinstance(block, TextFacts)]
    assert any("Nothing was sold" in text for text in shown) and not any("There were sales" in text for text in shown)


def test_without_a_week_the_last_one_that_is_over_is_read(work: Workplace) -> None:
    assert ask(work).parameters[0].value == "2024-01-15"  # the newest sale is of Sunday the 28th: that week goes on


def test_a_parameter_is_bound_and_never_becomes_sql(work: Workplace) -> None:
    text = "---\nparameters: {shop: {type: text, default: A}}\n---\n```sql name=x\nselect count(*) as n from sales where shop = $shop\n```\n"
    assert ask(work, text, "bound", shop="A' or '1'='1").answers[0].rows == ({"n": 0},)


@pytest.mark.parametrize(
    ("sql", "line", "said"),
    [
        ("select amonut from sales", 5, "amonut"),
        ("select * from\nsaels", 5, "no table 'saels'"),
        ("select $shop", 5, "no parameter 'shop'"),
        ("select 1; select 2", 5, "2 statements"),
        ("drop table sales", 5, "DROP"),
        ("select count(*) from range(100_000_000_000) a, range(1_000_000) b", 5, "did not end"),
        ("select error('no luck')", 5, "no luck"),
    ],
)
def test_a_failed_query_shows_as_itself_and_the_rest_stands(work: Workplace, sql: str, line: int, said: str) -> None:
    text = f"# Title\n\n\n```sql name=bad\n{sql}\n```\n\n```sql name=good\nselect 1 as one\n```\n{{{{ good.one }}}} {{{{ bad.x }}}}\n"
    (work.project.root / "reports" / "failing.md").write_text(text)
    facts = report_facts(work, "failing", {}, code="en", limit_s=0.5)
    [problem] = facts.problems
    assert said in problem.message and problem.next and problem.line is not None and problem.line >= line
    assert facts.answers[1].rows == ({"one": 1},) and texts(facts) == ["1", "?"]


def test_a_column_that_is_not_there_names_those_that_are_and_the_line(work: Workplace) -> None:
    facts = ask(work, "```sql name=x hide\nselect 1 as a, 2 as b\n```\n\ntext {{ x.c }}\n", "typo")
    assert [(each.message, each.line) for each in facts.problems] == [
        ("{{ x.c }}: x has no column 'c'; it has: a, b.", 5)
    ]


def test_nothing_is_run_anew_until_text_parameter_or_table_changes(work: Workplace, root: Path) -> None:
    first = ask(work, REPORT, "kept", week="2024-W04")
    again = report_facts(work, "kept", {"week": "2024-W04"}, code="en")
    assert not first.kept and again.kept and again.answers is first.answers
    assert not report_facts(work, "kept", {"week": "2024-W03"}, code="en").kept
    assert not ask(work, REPORT + "\nMore.\n", "kept", week="2024-W04").kept
    more = root / "data" / "sales_more.csv"
    more.write_text("sold_at,shop,amount\n2024-01-25 13:00:00,A,1000\n")
    run(open_workplace(root), ["sales"])
    try:
        newer = report_facts(open_workplace(root, readonly=True), "kept", {"week": "2024-W04"}, code="en")
    finally:
        more.unlink()
        run(open_workplace(root), ["sales"])
    assert not newer.kept and newer.reads == {"sales": "sales@v2"} and "1,175" in texts(newer)


def test_as_of_a_moment_only_what_was_known_is_read(work: Workplace) -> None:
    (work.project.root / "reports" / "past.md").write_text("```sql name=x\nselect count(*) as n from sales\n```\n")
    moment = datetime(2024, 1, 10, 22, tzinfo=UTC)
    facts = report_facts(work, "past", {}, code="en", as_of=moment)
    assert facts.answers[0].rows == ({"n": 20},) and facts.as_of == facts.now == moment
    bounded = Workplace(work.project, replace(work.store, clock=lambda: moment), work.by)
    bounded.store.__dict__["ledger"] = LedgerUntil(work.store.ledger, moment)  # as the console looks at the past
    again = report_facts(bounded, "past", {}, code="en", as_of=moment)
    assert again.answers[0].rows == ({"n": 20},)
    ask(work)
    assert report_facts(work, "sales", {}, code="en", as_of=moment).parameters[0].value == "2024-01-01"


def test_all_queries_of_a_report_see_the_same_rows(work: Workplace, root: Path) -> None:
    text = (
        "```sql name=a\nselect count(*) as n from sales\n```\n```sql name=b\nselect count(*) as n from sales@v1\n```\n"
    )
    facts = ask(work, text, "same")
    assert facts.answers[0].problem is None and facts.answers[1].rows[0]["n"] == 56


def test_what_no_prediction_was_made_for_is_empty_not_wrong(work: Workplace) -> None:
    facts = ask(work, "```sql name=x\nselect 1 as n from ledger.alerts\n```\n{{ x.n }} {{ x | rows }}\n", "quiet")
    assert facts.problems == () and texts(facts) == ["–", "0"]


def test_the_document_is_json(work: Workplace) -> None:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(ask(work, week="2024-W02")))
    days = document["answers"][1]
    assert days["columns"][0] == {"name": "day", "type": "DATE"} and days["rows"][0]["day"] == "2024-01-08"


def test_the_list_tells_of_every_report_even_one_that_cannot_be_read(work: Workplace) -> None:
    ask(work)
    broken = work.project.root / "reports" / "broken.md"
    broken.write_text("{{ nothing.here }}\n")
    try:
        lines = {line.name: line for line in reports_facts(work, "en").reports}
        assert lines["sales"].title == "Sales" and lines["sales"].parameters == ("week", "shop")
        problem = lines["broken"].problem
        assert problem is not None and problem.line == 1
        with pytest.raises(DeclarationError):
            report_facts(work, "broken", {}, code="en")
    finally:
        broken.unlink()
    with pytest.raises(NotFound, match="sales"):
        report_facts(work, "saels", {}, code="en")


def test_an_address_may_say_what_is_not_the_reports_a_command_may_not(work: Workplace) -> None:
    ask(work)
    assert report_asked(work, "sales", {"week": "2024-W02", "format": "json"}, code="en").given == {"week": "2024-W02"}
    with pytest.raises(WrongUse, match="no parameter 'format'"):
        report_facts(work, "sales", {"format": "json"}, code="en")


def test_a_drawing_stands_where_it_was_declared(work: Workplace) -> None:
    text = '```sql name=x\nselect 1 as a, 2 as b\n```\n```chart\ntitle: "b is {{ x.b }}"\nbar: {x: a, y: b}\n```\n'
    [block] = ask(work, text, "drawn").blocks
    assert isinstance(block, DrawingFacts) and (block.kind, block.title, block.query) == ("chart", "b is 2", "x")


def test_below_a_number_a_piece_without_its_figure_is_left_out(work: Workplace) -> None:
    text = (
        "```sql name=x hide\nselect 5 as n, null::double as low, null::double as high, null::double as was\n```\n"
        '```figures\n- label: sold\n  value: "{{ x.n }}"\n'
        '  below: "{{ x.n | percent | interval }}, n = {{ x.n }}, before {{ x.was }}, of {{ x.n }} shops, all told"\n'
        '- label: also\n  value: "{{ x.was }}"\n  below: "{{ x.was }} before"\n```\n'
    )
    [block] = ask(work, text, "pieces").blocks
    assert isinstance(block, StatsFacts)
    assert [(stat.value, stat.below) for stat in block.stats] == [("5", "n = 5, of 5 shops, all told"), ("–", "")]


def test_a_parameter_has_a_label_for_people_and_its_value_stands_in_the_name_of_the_file(work: Workplace) -> None:
    text = (
        "---\nparameters: {shop: {type: text, default: A/1, label: Where}, n: {type: number, default: 2}}\n---\n# x\n"
    )
    facts = ask(work, text, "labelled")
    assert [each.label for each in facts.parameters] == ["Where", None]
    assert facts.filed(["shop", "n"]) == "labelled-A-1-2" and facts.filed(["n"]) == "labelled-2"
