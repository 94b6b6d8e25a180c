"""`rondo forget` from outside: exit codes, documents, and what a person reads."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path

import pytest

from rondo.cli.app import run_app


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project that has answered three rows."""
    root = tmp_path_factory.mktemp("forget") / "churn"
    lines = [f"{n},{(n * 37 % 200) / 10},{'yes' if n * 37 % 200 > 100 else 'no'}" for n in range(200)]
    files = {
        "rondo.toml": '[project]\nname = "churn"\n',
        "sources.py": 'import rondo as rd\n\ncustomers_raw = rd.Source(rd.files("data/*.csv"), key="customer")\n',
        "tables/customers.sql": "/* ---\nkey: customer\nlabel: left\ninputs: [usage]\n--- */\n"
        'select customer, usage, "left" from customers_raw\n',
        "models/churn.py": "import rondo as rd\n\nchurn = rd.Model(\n    examples='customers', task=rd.binary('left', positive='yes'), train=rd.linear(),\n)\n",
        "data/customers.csv": "\n".join(["customer,usage,left", *lines]) + "\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    said(root, "run")
    rows = [{"customer": number, "usage": 1.0} for number in (17, 18, 19)]
    said(root, "predict", "churn", "--row", json.dumps(rows))
    return root


def said(root: Path, *arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    with redirect_stdout(out), chdir(root), pytest.raises(SystemExit) as ended:
        run_app(list(arguments))
    return int(ended.value.code or 0), out.getvalue()


def test_it_says_what_goes_what_went_and_what_is_left(churn: Path) -> None:
    code, text = said(churn, "forget", "churn", "17", '{"customer": "18"}', "--dry-run", "--json")
    tried = json.loads(text)
    assert code == 0 and tried["state"] == "dry_run"
    assert tried["erased"] == {"predictions": 2, "reported": 0, "outcomes": 0} and tried["columns"] == ["customer"]
    code, text = said(churn, "forget", "churn", "17", '{"customer": "18"}', "--because", "asked to")
    assert code == 0 and "erased, of 2 keys" in text and " 2  predictions" in text
    assert (
        "The source customers_raw still has 2 rows" in text and "--datasets" in text and "Not touched: your own" in text
    )
    code, text = said(churn, "sql", "select customer from predictions.churn", "--json")
    assert json.loads(text)["rows"] == [{"customer": 19}]
    code, text = said(churn, "sql", "select * from ledger.erasures order by seq", "--json")
    assert [row["state"] for row in json.loads(text)["rows"]] == ["begun", "done"]
    code, text = said(churn, "reproduce", "churn@1", "--json")
    assert code == 0 and json.loads(text)["equal"] and json.loads(text)["erased"][0]["rows"]["predictions"] == 2
    assert "had keys forgotten on" in said(churn, "reproduce", "churn@1")[1]


@pytest.mark.parametrize(
    ("arguments", "next_step"), [(["chrun", "17"], "Use one of these names"), (["churn", '{"age": 3}'], "Use one"), (["churn", "[1]"], "as JSON")]
)  # fmt: skip
def test_wrong_use_says_what_to_write(churn: Path, arguments: list[str], next_step: str) -> None:
    code, text = said(churn, "forget", *arguments, "--json")
    assert code == 2 and next_step in json.loads(text)["error"]["next"]


def test_the_command_of_the_page_runs(churn: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/howto/forget.md").read_text(encoding="utf-8")
    assert "rondo forget churn c17 c18" in page
    command = [sys.executable, "-m", "rondo.cli", "forget", "churn", "c17", "c18", "--json"]
    done = subprocess.run(command, cwd=churn, capture_output=True, check=True)
    assert json.loads(done.stdout)["keys"] == 2
