"""`rondo team`, `rondo document`, `rondo card` from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Called = Callable[..., tuple[int, str, str]]
FILES = {
    "rondo.toml": '[project]\nname = "p"\n[people.mia]\nname = "Mia"\ncontact = "mia@example.com"\nrole = "data_engineer"\n',
    "tables/rows.sql": "/* ---\nlabel: late\nkey: id\nowner: data_engineer\n--- */\nselect 1 as id, true as late, 2.0 as x\n",
    "models/late.py": "import rondo as rd\n\n"
    'late = rd.Model(examples="rows", task=rd.binary("late"), train=rd.linear(), split=rd.random())\n',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_team_is_told_to_people_and_machines(root: Path, rondo: Called) -> None:
    code, out, _ = rondo(root, "team")
    assert code == 0
    for part in ("Mia, data engineer (mia@example.com)", "owns: rows", "product manager: Mia", "requirements"):
        assert part in out
    assert "late: no owner (models/late.py:3)" in out
    document = json.loads(rondo(root, "team", "--json")[1])
    assert [person["id"] for person in document["people"]] == ["mia"]
    assert {each["state"] for each in document["deliverables"]} <= {"good", "warn", "bad", "idle"}
    assert document["gaps"][0]["about"] == "late"


def test_a_document_is_written_once(root: Path, rondo: Called) -> None:
    code, out, _ = rondo(root, "document", "model_card", "--json")
    assert (code, json.loads(out)) == (0, {"file": "docs/model_card.md", "kind": "model_card"})
    code, _, error = rondo(root, "document", "model_card")
    assert code == 2
    assert "is there already" in error
    assert (
        "requirements" in rondo(root, "document", "prd", "--language", "ko")[1] or (root / "docs" / "prd.md").is_file()
    )
    assert "# 왜 필요한가" in (root / "docs" / "prd.md").read_text()


def test_documents_are_listed_with_what_is_wrong(root: Path, rondo: Called) -> None:
    assert "There is no document" in rondo(root, "document")[1]
    (root / "docs").mkdir()
    (root / "docs" / "why.md").write_text("---\nkind: decision\nstate: draft\n---\n# Why\n")
    code, out, _ = rondo(root, "document", "--json")
    [listed] = json.loads(out)["documents"]
    assert (code, listed["name"], listed["problems"][0]["what"][:5]) == (0, "why", "Owner")
    assert "docs/why.md" in rondo(root, "document")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("document", "wish"), "no kind of document 'wish'"),
        (("document", "design", "../x"), "is not a name"),
        (("document", "design", "--model", "gone"), "no model 'gone'"),
        (("document", "design", "--language", "fr"), "may be: en, ko"),
        (("card", "model", "gone"), "no model 'gone'"),
        (("card", "data", "late"), "of the whole project"),
        (("card", "model", "-o", "card.docx"), "ends in none of"),
        (("card", "data", "-o", "card.cdx.json"), "is of a model"),
        (("card", "model", "--language", "fr"), "may be: en, ko"),
    ],
)
def test_a_wrong_use_is_told_in_words(root: Path, rondo: Called, arguments: tuple[str, ...], said: str) -> None:
    code, _, error = rondo(root, *arguments)
    assert code == 2
    assert said in error
    assert not (root / "docs").exists()


def test_cards_come_as_files(root: Path, rondo: Called) -> None:
    code, out, _ = rondo(root, "card", "data")
    assert code == 0
    assert "A person must still write: Where it comes from" in out
    for ending, part in (
        (".html", "</html>"),
        (".md", "# The model late"),
        (".json", '"model"'),
        (".cdx.json", "CycloneDX"),
    ):
        file = root / f"card{ending}"
        assert rondo(root, "card", "model", "late", "-o", str(file))[0] == 0
        assert part in file.read_text()
    html = (root / "card.html").read_text()
    assert 'href="/' not in html
    assert "src=" not in html.split("<script")[0]
