"""A version tried on what production was asked, from the command line; in a project without time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rondo.deploy.answering import Answerer
from rondo.deploy.lookups import live_values
from rondo.deploy.predictions import record
from rondo.loop.versions import packed_version
from rondo.loop.workplace import open_workplace

ROWS = [
    f"c{n},{(n * 37 % 200) / 10 - 10},{'ab'[n % 2]},{'yes' if n * 37 % 200 > 90 + n % 31 else 'no'}" for n in range(400)
]
FILES = {
    "rondo.toml": '[project]\nname = "plans"\n',
    "sources.py": 'import rondo as rd\n\nplans_raw = rd.Source(rd.files("data/*.csv"), key="customer")\n',
    "tables/plans.sql": "/* ---\nkey: customer\nlabel: left\ninputs: [usage, plan]\n--- */\nselect * from plans_raw\n",
    "models/churn.py": "import rondo as rd\n\nchurn = rd.Model(\n    examples='plans', task=rd.binary('left', positive='yes'),\n"
    "    split=rd.random(validation=0.2, test=0.4, seed=1), train=rd.linear(), slices=['plan'],\n)\n",
    "docs/prd.md": "---\nkind: prd\nmodel: churn\nrequirements:\n  - roc_auc >= 0.6\n"
    "  - flip_rate <= 0.2 against production\n---\n",
    "data/plans.csv": "\n".join(["customer,usage,plan,left", *ROWS]) + "\n",
}


@pytest.fixture
def answered(write: Callable[[dict[str, str]], Path], rondo) -> Path:
    """churn@1 in production, with 200 answers, and churn@2, whose threshold is another."""
    root = write(FILES)
    assert rondo(root, "run")[0] == 0
    work = open_workplace(root)
    answerer = Answerer(packed_version(work, "churn", 1), live_values(work.store, "UTC"), 1)
    rows = [{"usage": n / 10 - 10, "plan": "ab"[n % 2]} for n in range(200)]
    record(work.store.log, "churn", answerer.answer(rows, now=work.now(), role="production"), caller="t", latency_ms=1)
    model = root / "models/churn.py"
    model.write_text(model.read_text().replace("positive='yes'", "positive='yes', threshold=0.4"))
    assert rondo(root, "run")[0] in (0, 1)
    return root


def test_flips_are_told_and_held_against_the_prd(answered: Path, rondo) -> None:
    code, out, _ = rondo(answered, "replay", "--on", "churn@2", "--json")
    document = json.loads(out)
    rate, [line] = document["metrics"]["flip_rate"], document["requirements"]
    assert (document["version"], document["production"], document["against"]) == (
        "churn@2",
        "churn@1",
        {"churn@1": 200},
    )
    assert 0 < rate["low"] < rate["value"] < rate["high"] < 0.2  # rows stand alone: there is no time
    assert (line["text"], line["state"], code) == ("flip_rate <= 0.2 against production", "passed", 0)
    assert document["metrics"]["score_change"]["value"] == 0.0  # the threshold alone moved
    assert {part["is"] for part in document["slices"]} == {"a", "b"} and document["latency_p99_ms"] > 0
    gate = json.loads(rondo(answered, "gate", "churn", "--json")[1])
    assert gate["requirements"][1]["value"] == rate["value"]


def test_a_line_that_does_not_pass_exits_1_and_people_read_words(answered: Path, rondo) -> None:
    prd = answered / "docs/prd.md"
    prd.write_text(prd.read_text().replace("0.2 against", "0.001 against"))
    code, out, _ = rondo(answered, "replay", "--on", "churn@2", "--last", "100")
    assert code == 1 and "churn@2 on the last 100 requests that production answered" in out
    assert "Flipped: 0." in out and "plan = a" in out and "flip_rate <= 0.001 against production" in out


def test_what_was_reported_then_is_split(answered: Path, rondo) -> None:
    code, out, _ = rondo(answered, "compare", "churn@2", "churn@1", "--json")
    document = json.loads(out)
    split = document["split"]
    assert code == 0 and [part["what"] for part in split["parts"]] == ["metric", "labels", "data", "model"]
    assert sum(part["value"] for part in split["parts"]) == pytest.approx(split["difference"], abs=1e-12)
    assert {part["by"] for part in document["slices"]} == {"plan"}
    _, words, _ = rondo(answered, "compare", "churn@2", "churn@1")
    assert "churn@1 was reported with roc_auc" in words and "the other version" in words
