from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rondo.console import using
from rondo.console.sessions import Sessions
from rondo.deploy.keys import make
from rondo.deploy.predictions import uncompacted
from rondo.loop.running import run
from rondo.loop.workplace import open_workplace

WORDS = """---
kind: use
title: Will they leave?
rows: customers
happens: left
flagged: Call them soon.
not_flagged: Nothing to worry about.
fields:
  plan: {label: Plan, choices: {a: Basic <b>, b: Full}}
  months: {label: Months with us, help: Whole months.}
---
Made for the people who call. <script>alert(1)</script>
"""
KOREAN = "---\nkind: use\ntitle: 떠날까요?\n---\n전화하는 사람을 위해 만들었습니다.\n"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One CSV without key and time, and a version in production."""
    root = tmp_path_factory.mktemp("using") / "churn"
    dice = random.Random(3)
    rows = []
    for number in range(600):
        months, plan = dice.randrange(48), dice.choice("ab")
        rows.append(f"{months},{plan},{str(dice.random() < 0.2 + 0.5 * (months < 12)).lower()},{number % 2 == 0}")
    files = {
        "rondo.toml": '[project]\nname = "churn"\n[people.mia]\nname = "Mia Sol"\ncontact = "mia@example.com"\n',
        "data/customers.csv": "months,plan,left,member\n" + "\n".join(rows) + "\n",
        "sources.py": 'import rondo as rd\n\ncustomers_raw = rd.Source(rd.files("data/customers.csv"))\n',
        "tables/customers.sql": '/* ---\nlabel: left\n--- */\nselect months, plan, "left", member from customers_raw\n',
        "models/churn.py": (
            "import rondo as rd\n\n"
            'churn = rd.Model(examples="customers", task=rd.binary("left", positive=True, threshold=0.4), features=[],\n'
            '    split=rd.random(validation=0.2, test=0.2, seed=1), train=rd.linear(), metric="roc_auc", owner="mia")\n'
        ),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert run(open_workplace(root, by="test")).run.state == "done"
    return root


@pytest.fixture
def root(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "churn"))


@pytest.fixture
def client(root: Path, serve) -> Iterator[httpx.Client]:
    using.TURNSTILE.buckets.clear()
    with serve(root, Sessions("tester")) as found:
        yield found.client


def ask(client: httpx.Client, **fields: str) -> httpx.Response:
    return client.post("/use/churn", data=fields)


def test_an_answer_is_logged_as_productions_and_has_an_address(client: httpx.Client, root: Path) -> None:
    asked = ask(client, months="3", plan="a", member="true")
    assert asked.status_code == 303
    address = asked.headers["location"]
    logged = uncompacted(open_workplace(root).store, "churn")
    assert logged is not None
    [row] = logged.to_pylist()
    assert (row["role"], row["caller"], row["months"], row["plan"], row["member"]) == (
        "production", "use page", 3, "a", True,
    )  # fmt: skip
    assert row["id"] in address
    first, again = client.get(address), client.get(address)
    assert first.text == again.text
    assert re.search(r"Of 100 cases like this one, about \d+ turned out as left: True", first.text)
    assert "What makes it more likely" in first.text
    assert row["id"] in first.text
    assert "Mia Sol, mia@example.com" in first.text
    assert uncompacted(open_workplace(root).store, "churn").num_rows == 1


def test_the_form_is_empty_until_somebody_fills_it_in(client: httpx.Client, root: Path) -> None:
    page = client.get("/use/churn").text
    assert 'value="3"' not in page
    assert "selected" not in page
    assert "Seen so far: 0 to 47." in page
    empty = ask(client, months="", plan=" ")
    assert (empty.status_code, "Fill in at least one field." in empty.text) == (422, True)
    assert uncompacted(open_workplace(root).store, "churn") is None


def test_what_cannot_be_read_is_said_at_its_field_and_keeps_the_rest(client: httpx.Client, root: Path) -> None:
    wrong = ask(client, months="many", plan="b")
    assert wrong.status_code == 422
    assert re.search(r'id="f\d" name="months"[^>]*value="many"[^>]*aria-invalid="true"', wrong.text)
    assert '<option value="b" selected>' in wrong.text
    assert uncompacted(open_workplace(root).store, "churn") is None


def test_the_projects_words_stand_in_place_of_names_and_stay_text(client: httpx.Client, root: Path) -> None:
    (root / "use").mkdir()
    (root / "use/churn.md").write_text(WORDS)
    (root / "use/churn.ko.md").write_text(KOREAN)
    address = ask(client, months="2", plan="a").headers["location"]
    page = client.get(address).text
    for said in ("Will they leave?", "Call them soon.", "Basic &lt;b&gt;", "Months with us: 2", "Of 100 customers"):
        assert said in page, said
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    korean = client.get(f"{address}&lang=ko").text
    assert '<html lang="ko">' in korean
    assert "떠날까요?" in korean
    assert "가능성을 높이는 것" in korean


def test_the_projects_style_comes_after_the_built_in_one(client: httpx.Client, root: Path) -> None:
    assert "--accent" in client.get("/use/use.css").text
    (root / "use").mkdir()
    (root / "use/use.css").write_text(":root { --accent: hotpink; }")
    assert client.get("/use/use.css").text.endswith(":root { --accent: hotpink; }")


def test_only_named_origins_may_hold_it_in_a_frame(client: httpx.Client, root: Path) -> None:
    def ancestors() -> str:
        return re.findall("frame-ancestors ([^;]*)", client.get("/use/churn").headers["content-security-policy"])[0]

    assert ancestors() == "'self'"
    with (root / "rondo.toml").open("a") as file:
        file.write('[use]\nembed = ["https://intra.example.com"]\n')
    assert ancestors() == "'self' https://intra.example.com"
    assert "frame-ancestors 'none'" in client.get("/").headers["content-security-policy"]


def test_once_there_are_keys_only_an_open_model_is_for_everybody(client: httpx.Client, root: Path) -> None:
    work = open_workplace(root, by="test")
    _, key = make(
        work.store.ledger, "look", scopes=["admin"], owner="mia", by="test", now=work.now()
    )  # fmt: skip
    assert client.get("/use/churn").status_code == 401
    assert client.get("/use/churn", headers={"authorization": f"Bearer {key}"}).status_code == 200
    with (root / "rondo.toml").open("a") as file:
        file.write('[use]\nopen = ["churn"]\n')
    assert client.get("/use/churn").status_code == 200
    assert ask(client, months="1").status_code == 303
    assert client.get("/", follow_redirects=False).status_code == 303, "the rest of the console stays shut"


def test_another_site_cannot_ask_and_nobody_asks_too_often(client: httpx.Client) -> None:
    assert (
        client.post("/use/churn", data={"months": "1"}, headers={"origin": "https://evil.example"}).status_code == 403
    )
    statuses = [ask(client, months="x").status_code for _ in range(70)]
    assert statuses[0] == 422
    assert statuses[-1] == 429


def test_what_is_not_there_is_not_found(client: httpx.Client) -> None:
    assert client.get("/use/nothing").status_code == 404
    assert client.get("/use/churn?id=nobody").status_code == 404
