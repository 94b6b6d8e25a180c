from __future__ import annotations

import json
from pathlib import Path

import pytest
from openpyxl import load_workbook

from rondo.loop.running import run
from rondo.loop.workplace import open_workplace

FILES = {
    "rondo.toml": '[project]\nname = "shop"\ntimezone = "Europe/Berlin"\nclock = "data"\n',
    "sources.py": 'import rondo as rd\nsales = rd.Source(rd.files("data/sales.csv"), time="sold_at", known="sold_at")\n',
    "data/sales.csv": "sold_at,amount\n2024-01-08 12:00:00,3\n2024-01-09 12:00:00,-4\n",
    "reports/sales.md": "---\ntitle: Sales\nsummary: What was sold.\nparameters:\n  least: {type: number, default: -10}\n---\n"
    "# {{ total.amount }} sold\n\n```sql name=total hide\nselect sum(amount)::int as amount from sales where amount >= $least\n```\n"
    "```sql name=days\nselect sold_at, amount, '=' || amount as told from sales\n```\n"
    "```chart\ntitle: Sales by day\nbar: {x: sold_at, y: amount}\n```\n",
    "reports/sales.ko.md": "# 판매 {{ total.amount }}\n\n```sql name=total hide\nselect sum(amount)::int as amount from sales\n```\n",
    "reports/broken.md": "# Fine {{ good.n }}\n```sql name=good hide\nselect 1 as n\n```\n```sql name=bad\nselect nope from sales\n```\n",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reporting") / "shop"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    run(open_workplace(root), [])
    return root


def test_reports_are_listed(root: Path, rondo) -> None:
    code, out, _ = rondo(root, "report", "--json")
    lines = {line["name"]: line for line in json.loads(out)["reports"]}
    assert code == 0 and lines["sales"]["summary"] == "What was sold." and lines["sales"]["languages"] == ["en", "ko"]
    assert "What was sold." in rondo(root, "report")[1]


def test_a_report_is_read_at_the_terminal_and_as_json(root: Path, rondo) -> None:
    code, out, _ = rondo(root, "report", "sales")
    assert code == 0 and "-1 sold" in out.replace("−", "-")
    code, out, _ = rondo(root, "report", "sales", "--set", "least=0", "--json")
    document = json.loads(out)
    assert document["parameters"][0]["value"] == "0" and document["answers"][0]["rows"] == [{"amount": 3}]
    assert "판매" in rondo(root, "report", "sales", "--language", "ko")[1]


def test_files_are_whole_and_of_the_kind_their_ending_says(root: Path, rondo, tmp_path: Path) -> None:
    code, _, _ = rondo(root, "report", "sales", "-o", str(tmp_path / "sales.html"))
    html = (tmp_path / "sales.html").read_text()
    assert code == 0 and html.startswith("<!doctype html>") and "<svg" in html and '="/static/' not in html
    assert rondo(root, "report", "sales", "--out", str(tmp_path / "sales.xlsx"))[0] == 0
    page = load_workbook(tmp_path / "sales.xlsx")["days"]
    assert page["B3"].value == -4 and page["C3"].value == "=-4" and page["C3"].data_type != "f"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sales.html", "sales.xlsx"]


def test_a_failed_query_exits_one_and_the_file_has_the_rest(root: Path, rondo, tmp_path: Path) -> None:
    code, _, told = rondo(root, "report", "broken", "-o", str(tmp_path / "broken.html"))
    assert code == 1 and "reports/broken.md:6" in told and "nope" in told
    html = (tmp_path / "broken.html").read_text()
    assert "Fine 1" in html and "This query did not work" in html


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report", "saels"), "there are: broken, sales"),
        (("report", "sales", "--set", "least"), "--set least has no value"),
        (("report", "sales", "--set", "most=3"), "no parameter 'most'; there are: least"),
        (("report", "sales", "--language", "fr"), "may be: en, ko"),
        (("report", "sales", "-o", "sales.doc"), "neither in .html, .pdf, .xlsx nor in .md"),
    ],
)
def test_a_wrong_use_says_what_there_is(root: Path, rondo, arguments: tuple[str, ...], said: str) -> None:
    code, _, told = rondo(root, *arguments)
    assert code == 2 and said in told and "next:" in told


def test_a_file_that_cannot_be_written_leaves_nothing_behind(root: Path, rondo, tmp_path: Path) -> None:
    code, _, told = rondo(root, "report", "sales", "-o", str(tmp_path / "nowhere" / "sales.html"))
    assert code == 3 and "cannot be written" in told


def test_a_pdf_needs_a_browser_and_says_so_before_anything_runs(
    root: Path, rondo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RONDO_BROWSER", str(tmp_path / "none"))
    code, _, told = rondo(root, "report", "sales", "-o", str(tmp_path / "sales.pdf"))
    assert code == 3 and "RONDO_BROWSER" in told and not list(tmp_path.iterdir())


def test_rows_of_a_query_become_a_workbook(root: Path, rondo, tmp_path: Path) -> None:
    code, _, _ = rondo(root, "sql", "select * from sales order by amount", "--out", str(tmp_path / "rows.xlsx"))
    page = load_workbook(tmp_path / "rows.xlsx").active
    assert code == 0 and [cell.value for cell in page["B"]] == ["amount", -4, 3] and page["A2"].is_date


def test_the_command_of_a_reports_page_runs_as_it_stands(root: Path, rondo, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    rondo(root, "report", "sales", "--set", "least=-4", "-o", str(path))
    command = "rondo report sales --set least=-4 -o sales--4.html"
    assert command in path.read_text()
    assert rondo(root, *command.split()[1:])[0] == 0
    (root / "sales--4.html").unlink()
