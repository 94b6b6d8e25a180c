"""Every command from outside: exit codes, one JSON document, errors in words."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from rondo.cli.app import run_app


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untimed project that has been run once."""
    root = tmp_path_factory.mktemp("cli") / "plans"
    rows = ["customer,usage,plan,left"]
    rows += [
        f"c{n},{(n * 37 % 200) / 10 - 10},{'ab'[n % 2]},{'yes' if (n * 37 % 200) > 100 + (n % 7) * 10 - 30 else 'no'}"
        for n in range(400)
    ]
    files = {
        "rondo.toml": '[project]\nname = "plans"\n[people.data_scientist]\nname = "Mia"\n',
        "sources.py": 'import rondo as rd\n\nplans_raw = rd.Source(rd.files("data/*.csv"), key="customer", owner="data_scientist")\n',
        "tables/plans.sql": "/* ---\nkey: customer\nlabel: left\ninputs: [usage, plan]\nchecks: [unique, usage is not null]\n--- */\n"
        'select customer, usage, plan, "left" from plans_raw\n',
        "models/churn.py": "import rondo as rd\n\nchurn = rd.Model(\n    examples='plans', task=rd.binary('left', positive='yes'),\n"
        "    split=rd.random(validation=0.2, test=0.4, seed=1), train=rd.linear(), slices=['plan'],\n)\n",
        "docs/prd.md": "---\nkind: prd\nmodel: churn\nundecided: sign\nrequirements:\n  - roc_auc >= 0.6\n  - accuracy >= 0.9999\n---\n",
        "testsets/few.csv": "customer,usage,plan,left\nx1,9.0,a,yes\nx2,-9.0,b,no\nx3,8.0,b,yes\nx4,-8.0,a,no\n",
        "data/plans.csv": "\n".join(rows) + "\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    rondo(root, "run")
    return root


def rondo(root: Path, *arguments: str) -> tuple[int, Any]:
    """The command line in this process: what it prints on standard output as one JSON document, and its exit code."""
    out, told = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(told), chdir(root), pytest.raises(SystemExit) as ended:
        run_app([*arguments, "--json"])
    assert "Traceback" not in told.getvalue(), told.getvalue()
    return int(ended.value.code or 0), json.loads(out.getvalue())


def test_run_again_has_nothing_to_do(ready: Path) -> None:
    code, document = rondo(ready, "run")
    assert code in (0, 1)
    assert document["state"] == "done"
    assert {step["state"] for step in document["steps"]} == {"fresh"}


def test_plan_keeps_everything(ready: Path) -> None:
    code, document = rondo(ready, "plan")
    assert code == 0
    assert {step["action"] for step in document["steps"]} == {"keep"}


def test_sql_reads_tables_datasets_and_records(ready: Path) -> None:
    code, document = rondo(ready, "sql", "select count(*) as n from plans")
    assert (code, document["rows"], document["truncated"]) == (0, [{"n": 400}], False)
    _, document = rondo(ready, "sql", "select split, count(*) as n from dataset.churn group by split order by split")
    assert [(row["split"], row["n"]) for row in document["rows"]] == [("test", 160), ("train", 160), ("validation", 80)]
    _, document = rondo(ready, "sql", "select version from ledger.versions")
    assert document["rows"] == [{"version": "churn@1"}]
    _, document = rondo(ready, "sql", "from plans", "--limit", "3")
    assert (len(document["rows"]), document["truncated"]) == (3, True)


def test_sql_says_what_is_wrong(ready: Path) -> None:
    for query in ("select nothing from plans", "selec 1", "select * from nowhere", "select 1; select 2"):
        code, document = rondo(ready, "sql", query)
        assert code == 2, query
        assert document["error"]["message"]
        assert document["error"]["next"]


def test_evaluate_and_its_test_sets(ready: Path) -> None:
    code, document = rondo(ready, "evaluate", "churn")
    assert code == 0
    assert (document["version"], document["testset"], document["rows"]) == ("churn@1", "test", 160)
    figure = document["metrics"]["roc_auc"]
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert {part["is"] for part in document["slices"]} == {"a", "b"}
    code, document = rondo(ready, "evaluate", "churn@1", "--on", "few")
    assert (code, document["rows"], document["metrics"]["roc_auc"]["value"]) == (0, 4, 1.0)
    code, document = rondo(ready, "evaluate", "churn", "--on", "many")
    assert (code, "few" in document["error"]["message"]) == (2, True)


def test_a_golden_test_set_says_which_row_scores_otherwise(ready: Path) -> None:
    rows = [{"customer": f"g{n}", "usage": 2.5 * n - 5, "plan": "ab"[n % 2]} for n in range(5)]
    _, answered = rondo(ready, "predict", "churn@1", "--row", json.dumps(rows))
    scores = [each["score"] for each in answered["predictions"]]
    golden = ready / "testsets/golden.jsonl"

    def write(scores: list[float]) -> None:
        lines = [{**row, "left": "no", "score": score} for row, score in zip(rows, scores, strict=True)]
        golden.write_text("".join(json.dumps(line) + "\n" for line in lines))

    try:
        write(scores)
        code, document = rondo(ready, "evaluate", "churn@1", "--on", "golden")
        assert (code, document["rows"], document["golden"]["rows"], document["golden"]["differ"]) == (0, 5, 5, 0)
        write([*scores[:3], scores[3] + 0.1, scores[4] - 0.2])
        for _ in "ab":  # the second time out of the ledger
            code, document = rondo(ready, "evaluate", "churn@1", "--on", "golden")
            assert (code, document["golden"]["differ"], document["golden"]["first"]["row"]) == (1, 2, 4)
        assert document["golden"]["first"]["expected"] == pytest.approx(scores[3] + 0.1, abs=1e-15)
        golden.write_text('{"customer": "g", "usage": 1, "plan": "a", "left": "no", "score": "high"}\n')
        code, document = rondo(ready, "evaluate", "churn@1", "--on", "golden")
        assert (code, "Row 1" in document["error"]["message"]) == (2, True)
    finally:
        golden.unlink()
    assert "golden" not in rondo(ready, "evaluate", "churn@1", "--on", "few")[1]


def test_export_writes_a_file_that_scores_the_same(ready: Path, tmp_path: Path) -> None:
    out = tmp_path / "churn.onnx"
    code, document = rondo(ready, "export", "churn@1", "--format", "onnx", "--out", str(out))
    assert (code, document["version"], document["format"], document["file"]) == (0, "churn@1", "onnx", str(out))
    assert document["sha256"] == sha256(out.read_bytes()).hexdigest()
    assert document["rows"] > 160
    assert document["greatest_difference"] < 1e-6
    assert [each["name"] for each in document["inputs"]] == ["usage", "plan"]
    session = onnxruntime.InferenceSession(out)
    feeds = {"usage": np.array([[3.5]]), "plan": np.array([["a"]], dtype=object)}
    _, answered = rondo(ready, "predict", "churn@1", "--row", '{"usage": 3.5, "plan": "a"}')
    score, label = session.run(["score", "label"], feeds)
    assert score[0] == pytest.approx(answered["predictions"][0]["score"], abs=1e-12)
    assert label[0] == answered["predictions"][0]["label"]
    _, kept = rondo(ready, "sql", "select name, version, format, file, sha256 from ledger.releases")
    assert (kept["rows"][-1]["version"], kept["rows"][-1]["file"]) == ("churn@1", "churn.onnx")


def test_export_refuses_other_formats_and_versions(ready: Path) -> None:
    for other in ("docker", "kserve", "mlflow", "ONNX"):
        code, document = rondo(ready, "export", "churn@1", "--format", other)
        assert (code, "it exports: onnx, python" in document["error"]["message"]) == (2, True)
    assert rondo(ready, "export", "churn@9", "--format", "onnx")[0] == 2
    assert rondo(ready, "export", "churn@1")[0] == 2
    assert not list(ready.glob("*.onnx"))


def test_compare_a_version_with_itself_is_undecided(ready: Path) -> None:
    code, document = rondo(ready, "compare", "churn@1", "churn@1")
    assert code == 0
    assert document["verdict"] == "undecided"
    assert document["metrics"]["roc_auc"]["difference"] == 0


def test_gate_sign_and_promote_hold_the_line(ready: Path) -> None:
    code, document = rondo(ready, "gate", "churn")
    states = {line["text"]: line["state"] for line in document["requirements"]}
    assert list(states) == ["roc_auc >= 0.6", "accuracy >= 0.9999"]
    assert states["roc_auc >= 0.6"] == "passed"
    assert code == (0 if document["state"] == "passed" else 1)
    code, refused = rondo(ready, "sign", "churn@1", "roc_auc >= 0.6", "--because", "fine")
    assert (code, refused["error"]["code"]) == (1, "refused")
    if document["state"] == "failed":
        code, refused = rondo(ready, "promote", "churn@1", "--to", "production")
        assert (code, refused["error"]["code"]) == (1, "refused")
    code, refused = rondo(ready, "promote", "churn@9", "--to", "production")
    assert code == 2
    code, refused = rondo(ready, "promote", "churn@1", "--to", "heaven")
    assert code == 2


def test_predict_and_explain_agree(ready: Path) -> None:
    row = '{"usage": 3.5, "plan": "a"}'
    code, document = rondo(ready, "predict", "churn", "--row", row)
    assert code == 0
    [prediction] = document["predictions"]
    assert prediction["label"] in ("yes", "no")
    assert prediction["key"] is None
    for asked in (("--row", row), ("--id", prediction["id"])):
        code, why = rondo(ready, "explain", "churn", *asked)
        assert code == 0
        total = why["base"] + sum(part["contribution"] for part in why["contributions"]) + why["residual"]
        assert total == pytest.approx(why["prediction"], abs=1e-9)
        assert why["prediction"] == pytest.approx(prediction["score"], abs=1e-12)


def test_predict_refuses_rows_by_their_field(ready: Path) -> None:
    for row, field in (
        ('{"colour": 1}', "colour"),
        ('{"usage": "much"}', "usage"),
        ('{"usage": NaN}', "usage"),
        ("[", "JSON"),
    ):
        code, document = rondo(ready, "predict", "churn", "--row", row)
        assert (code, field in document["error"]["message"]) == (2, True), row


def test_predict_files_and_tables(ready: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("customer,usage,plan\nz1,1.5,a\nz2,,b\n", encoding="utf-8")
    out = tmp_path / "answers.csv"
    code, document = rondo(ready, "predict", "churn", "--file", str(tmp_path / "rows.csv"), "--out", str(out))
    assert (code, document["rows"]) == (0, 2)
    assert out.read_text(encoding="utf-8").count("\n") == 3
    code, document = rondo(ready, "predict", "churn", "--table", "select customer, usage, plan from plans limit 5")
    assert (code, len(document["predictions"])) == (0, 5)


def test_profile_lineage_history_doctor(ready: Path) -> None:
    code, document = rondo(ready, "profile", "plans")
    assert (code, document["rows"], document["fitness"] is not None) == (0, 400, True)
    assert {check["text"]: check["state"] for check in document["checks"]} == {
        "unique": "passed",
        "usage is not null": "passed",
    }
    code, document = rondo(ready, "lineage", "plans.usage")
    assert code == 0
    assert {"name": "plans_raw", "column": "usage", "kind": "value", "source": "data/*.csv"} in document["upstream"]
    code, document = rondo(ready, "lineage", "churn")
    assert {edge["name"] for edge in document["upstream"]} == {"plans", "plans_raw"}
    code, document = rondo(ready, "history")
    assert code == 0
    assert document[0]["at"].endswith("Z")
    assert {"versions", "gates", "datasets"} <= {line["what"] for line in document}
    code, document = rondo(ready, "doctor")
    assert (code, document["healthy"]) == (0, True)


def test_reproduce_gives_the_same_bytes(ready: Path) -> None:
    assert rondo(ready, "reproduce", "churn@1") == (
        0,
        {"version": "churn@1", "equal": True, "differences": [], "erased": []},
    )


def test_monitor_of_one_and_of_all(ready: Path) -> None:
    code, document = rondo(ready, "monitor", "churn")
    assert (code, document["model"]) == (0, "churn")
    code, document = rondo(ready, "monitor")
    assert [model["model"] for model in document["models"]] == ["churn"]


def test_check_alone(ready: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    code, document = rondo(ready, "check", "--leaks", "--junit", str(report))
    assert (code, document["state"]) == (0, "passed")
    assert "usage is not null" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "nobody"), ("gate", "nobody"), ("evaluate", "nobody@3"), ("profile", "nothing"), ("lineage", "plans.nothing"),
        ("compare", "churn@1", "churn@99"), ("rollback", "nobody"), ("reproduce", "churn"), ("predict", "churn"),
        ("explain", "churn", "--id", "none"), ("history", "--state", "elsewhere"), ("unheard",), ("sql",), ("plan", "--as-of", "soon"),
        ("replay", "year", "--from", "2024-01-01", "--to", "2023-01-01"), ("replay", "live", "--from", "2024-01-01", "--to", "2024-02-01"),
        ("replay",), ("replay", "year"), ("replay", "year", "--on", "churn@1"), ("replay", "--on", "churn@1"), ("replay", "--on", "nobody@1"),
    ],
)  # fmt: skip
def test_wrong_use_exits_2_with_a_document(ready: Path, arguments: tuple[str, ...]) -> None:
    code, document = rondo(ready, *arguments)
    assert code == 2, document
    assert set(document["error"]) == {"code", "message", "file", "line", "next"}


def test_an_unreadable_declaration_names_file_and_line(ready: Path, tmp_path: Path) -> None:
    (tmp_path / "rondo.toml").write_text('[project]\nname = "x"\ntimezon = "UTC"\n', encoding="utf-8")
    code, document = rondo(tmp_path, "run")
    error = document["error"]
    assert (code, error["file"], error["line"]) == (2, "rondo.toml", 3)
    assert "timezone" in error["message"]


def test_people_read_words_not_tracebacks(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["gate", "churn"], ["history"], ["profile", "plans"], ["plan"], ["evaluate", "churn"], ["run"]):
        with chdir(ready), pytest.raises(SystemExit) as ended:
            run_app(arguments)
        shown = capsys.readouterr()
        assert ended.value.code in (0, 1)
        assert shown.out.strip()
        assert "Traceback" not in shown.err


def test_the_installed_command_prints_one_document(ready: Path) -> None:
    command = [sys.executable, "-m", "rondo.cli", "plan", "--json"]
    done = subprocess.run(command, cwd=ready, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout)["steps"]
    assert done.stderr == ""
