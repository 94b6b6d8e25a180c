from __future__ import annotations

from pathlib import Path

import pytest

from rondo.errors import NotFound, WrongUse
from rondo.project.documents import KINDS, Document, anchor_of, read_documents
from rondo.project.drafting import draft
from rondo.project.reading import read_project
from rondo.project.starting import templates

TABLE = "/* ---\nlabel: late\nkey: id\n--- */\nselect 1 as id, true as late, 2.0 as x\n"
MODEL = (
    "import rondo as rd\n"
    'late = rd.Model(examples="rows", task=rd.binary("late"), train=rd.linear(), split=rd.random(), features=["past"])\n'
)
PAST = "/* ---\nkey: id\n--- */\nselect 1 as id, 3 as y\n"
FILES = {
    "rondo.toml": '[project]\nname = "flights"\n[people.mia]\nrole = "data_engineer"\n',
    "tables/rows.sql": TABLE,
    "tables/past.sql": PAST,
    "models/late.py": MODEL,
}


@pytest.fixture
def documents(write):
    def made(**files: str) -> dict[str, Document]:
        root = write(FILES | {f"docs/{name}.md": text for name, text in files.items()})
        return {each.name: each for each in read_documents(read_project(root))}

    return made


def told(document: Document) -> list[tuple[int | None, str]]:
    return [(each.line, each.what) for each in document.problems]


def test_a_page_without_front_matter_is_asked_nothing(documents) -> None:
    found = documents(notes="# Notes\n\nWhatever.\n")["notes"]
    assert (found.kind, found.title, found.problems, found.body_line) == (None, "Notes", (), 1)


def test_a_document_says_what_it_is_about(documents) -> None:
    found = documents(
        why="---\nkind: decision\nowner: mia\nstate: draft\nabout: late\n---\n# Why 두 시간\n\n## Context\nA\n\n"
        "## Choice\nB\n\n## Consequence\nC\n"
    )["why"]
    assert (found.kind, found.title, found.owner, found.state) == ("decision", "Why 두 시간", "mia", "draft")
    assert found.problems == ()
    assert [(each.level, each.title, each.line) for each in found.headings] == [
        (1, "Why 두 시간", 7), (2, "Context", 9), (2, "Choice", 12), (2, "Consequence", 15),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("---\nkind: wish\n---\n", 2, "Kind is 'wish'; there are: prd, design"),
        ("---\nowner: mia\n---\n", 2, "Kind is missing"),
        ("---\nkind: plan: it\n---\n", 2, "cannot be read"),
        ("---\n- kind\n---\n", 2, "is not a list of keys"),
        ("---\nkind: design\nowner: mia\n---\n# A\n## Features\n## Left out\n## Split\n", 2, "State is missing"),
        ("---\nkind: design\nstate: done\nowner: mia\n---\n", 3, "State is 'done'"),
        ("---\nkind: design\nstate: draft\n---\n", 2, "Owner is missing"),
        ("---\nkind: design\nstate: draft\nowner: mia\nmodel: lat\n---\n", 5, "Model is 'lat'; there are: late"),
        ("---\nkind: design\nstate: draft\nowner: mia\ncolour: red\n---\n", 5, "Colour is unknown"),
        ("---\nkind: decision\nstate: draft\nowner: mia\n---\n# A\n", 6, "no heading about 'context'"),
        ("---\nkind: runbook\nstate: draft\nowner: mia\n---\n# A\n", 6, "It has no section"),
        ("---\nkind: plan\nstate: draft\nowner: mia\n---\n", 2, "Milestones are missing"),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_is_wrong_is_told_with_its_line(write, text: str, line: int, said: str, ends: str) -> None:
    root = write(FILES)
    (root / "docs").mkdir()
    (root / "docs" / "x.md").write_bytes(text.replace("\n", ends).encode())
    [found] = read_documents(read_project(root))
    assert any(said in what and at == line for at, what in told(found)), told(found)


def test_an_accepted_document_is_whole(documents) -> None:
    text = (
        "---\nkind: decision\nowner: mia\nstate: {}\n---\n# A\n## Context\n\n## Choice\nTODO: say\n## Consequence\nC\n"
    )
    draft_, accepted = documents(a=text.format("draft"), b=text.format("accepted")).values()
    assert [each.title for each in draft_.unwritten] == ["Context", "Choice"]
    assert draft_.problems == ()
    assert told(accepted) == [
        (7, "It is accepted, and its section 'Context' is not written."),
        (9, "It is accepted, and its section 'Choice' is not written."),
    ]


def test_a_heading_that_only_holds_others_is_written(documents) -> None:
    found = documents(a="# A\n## B\n### C\ntext\n")["a"]
    assert found.unwritten == ()


def test_headings_in_code_are_none(documents) -> None:
    found = documents(a="# A\n```\n# not one\n```\n## B\ntext\n")["a"]
    assert [each.title for each in found.headings] == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("See [there](gone.md).", "links to gone.md"),
        ("See [there](gone.md#part).", "links to gone.md"),
        ("Rows of `tables/gone.sql`.", "names tables/gone.sql"),
        ("Run `rondo gate churn`.", "Nothing is called 'churn'; there are: late"),
        ("```console\n$ rondo profile gone\n```", "Nothing is called 'gone'; there are: past, rows"),
        ("`rondo evaluate late --on storms`", "Nothing is called 'storms'; there are: test"),
        ("It was `churn@3`.", "Nothing is called 'churn'"),
    ],
)
def test_a_name_in_the_prose_that_is_not_there_is_told(documents, text: str, said: str) -> None:
    [(line, what)] = told(documents(a=f"# A\n\n{text}\n")["a"])
    assert said in what
    assert line is not None
    assert line >= 3


@pytest.mark.parametrize(
    "text",
    [
        "See [itself](a.md#a), [the web](https://example.com/x.md), [below](#a), [the table](../tables/rows.sql).",
        "`rondo gate late`, `rondo run {model}`, `rondo monitor MODEL`, `rondo lineage rows.late`, `rondo plan`.",
        "`late@7`, `rows@v2`, `tables/*.sql`, `docs/NN.md`, `models/late.py`, `rondo compare late@1 late@2 --on test`.",
        "A [link in `[code](gone.md)`](a.md).",
    ],
)
def test_what_is_there_or_is_to_be_filled_in_is_no_problem(documents, text: str) -> None:
    assert told(documents(a=f"# A\n\n{text}\n")["a"]) == []


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_template_passes_its_own_check(write, kind: str, language: str) -> None:
    root = write(FILES)
    file = draft(read_project(root), kind, f"the-{kind}", language=language)
    project = read_project(root)
    [found] = read_documents(project)
    assert found.file == file
    assert (found.kind, found.state, told(found)) == (kind, "draft", [])
    assert found.unwritten or kind in ("runbook", "plan")
    assert "$" not in found.body
    if kind == "prd":
        assert [line.text for line in project.prds["late"].requirements] == ["better than constant"]
    if kind == "plan":
        assert len(found.milestones) == 5


def test_a_plan_can_be_drafted_before_there_is_anything(write) -> None:
    root = write({"rondo.toml": '[project]\nname = "new"\n'})
    draft(read_project(root), "plan", "plan")
    [found] = read_documents(read_project(root))
    assert found.problems == ()
    assert len(found.milestones) == 1


def test_nothing_is_overwritten(write) -> None:
    root = write(FILES | {"docs/mine.md": "mine\n"})
    with pytest.raises(WrongUse, match="is there already"):
        draft(read_project(root), "design", "mine")
    assert (root / "docs" / "mine.md").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["../out", "a/b", "", "a.b", "-x"])
def test_a_name_stays_in_the_folder(write, name: str) -> None:
    with pytest.raises(WrongUse, match="is not a name"):
        draft(read_project(write(FILES)), "design", name)


def test_a_kind_that_is_not_one_is_told(write) -> None:
    with pytest.raises(NotFound, match="data_card, decision, design"):
        draft(read_project(write(FILES)), "wish", "x")


def test_a_second_prd_of_a_model_is_refused(write) -> None:
    root = write(FILES)
    draft(read_project(root), "prd", "prd")
    with pytest.raises(WrongUse, match=r"has its requirements in docs/prd\.md"):
        draft(read_project(root), "prd", "prd2")
    assert not (root / "docs" / "prd2.md").exists()


def test_a_document_about_a_model_asks_which(write) -> None:
    root = write(FILES | {"models/other.py": MODEL.replace("late = ", "other = ")})
    with pytest.raises(WrongUse, match="there are: late, other"):
        draft(read_project(root), "model_card", "card")
    draft(read_project(root), "model_card", "card", model="other")
    [found] = read_documents(read_project(root))
    assert (found.model, found.problems) == ("other", ())
    bare = write({"rondo.toml": '[project]\nname = "x"\n'})
    (bare / "models" / "late.py").unlink()
    (bare / "models" / "other.py").unlink()
    (bare / "docs" / "card.md").unlink()
    with pytest.raises(WrongUse, match="there is none yet"):
        draft(read_project(bare), "prd", "prd")


@pytest.mark.parametrize("template", sorted(set(templates()) - {"blank"}))
def test_the_documents_of_a_template_have_nothing_wrong(template: str) -> None:
    root = Path(__file__).parents[2] / "src" / "rondo" / "project" / "templates" / template
    found = read_documents(read_project(root))
    assert {each.kind for each in found} >= set(KINDS)
    assert [told(each) for each in found if each.problems] == []
    assert all(each.state == "accepted" and not each.unwritten for each in found)


@pytest.mark.parametrize(
    ("title", "anchor"),
    [("The weather is missing", "the-weather-is-missing"), ("데이터가 오지 않을 때!", "데이터가-오지-않을-때")],
)
def test_an_anchor_is_what_git_hosts_make(title: str, anchor: str) -> None:
    assert anchor_of(title) == anchor
