from __future__ import annotations

from pathlib import Path

import pytest

from rondo.errors import DeclarationError
from rondo.project.reading import read_project
from rondo.project.settings import read_settings
from rondo.project.starting import start
from rondo.project.using import FieldWords, Use, Words, read_words, unreadable


def write(root: Path, name: str, text: str) -> None:
    (root / "use").mkdir(exist_ok=True)
    (root / "use" / name).write_text(text, encoding="utf-8")


def test_a_language_has_its_own_file_or_shares_the_one_without(tmp_path: Path) -> None:
    assert read_words(tmp_path, "late", "ko") == Words()
    write(tmp_path, "late.md", "---\nkind: use\ntitle: Late?\n---\nText.\n")
    assert read_words(tmp_path, "late", "ko").title == "Late?"
    write(tmp_path, "late.ko.md", "\ufeff---\r\nkind: use\r\ntitle: 늦을까요?\r\n---\r\n글.\r\n")
    assert read_words(tmp_path, "late", "ko").title == "늦을까요?"
    assert read_words(tmp_path, "late", "en").title == "Late?"


def test_fields_have_a_label_or_all_their_words(tmp_path: Path) -> None:
    text = "---\nfields:\n  a: Name\n  b: {label: B, help: Say it., choices: {1: one, yes: sure}}\n---\n"
    write(tmp_path, "late.md", text)
    fields = read_words(tmp_path, "late", "en").fields
    assert fields["a"] == FieldWords("Name")
    assert fields["b"] == FieldWords("B", "Say it.", {"1": "one", "yes": "sure"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\ntitel: x\n---\n", "unknown key 'titel'"),
        ("---\nkind: prd\n---\n", "not use"),
        ("---\nexpected: soon\n---\n", "no {value} in it"),
        ("---\nfields: [a]\n---\n", "not names with words"),
        ("---\nfields:\n  a: {lable: x}\n---\n", "says {'lable': 'x'} of a"),
        ("---\nfields:\n  a: {choices: [x]}\n---\n", "no words by value"),
        ("---\ntitle: [\n---\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "late.md", text)
    with pytest.raises(DeclarationError) as error:
        read_words(tmp_path, "late", "en")
    assert said in error.value.message
    assert (error.value.file, error.value.line is not None) == ("use/late.md", True)
    [found] = unreadable(tmp_path, {"late": None})
    assert found.message == error.value.message


def test_words_for_no_model_are_found(tmp_path: Path) -> None:
    write(tmp_path, "late.md", "x")
    write(tmp_path, "early.ko.md", "x")
    assert [each.file for each in unreadable(tmp_path, {"late": None})] == ["use/early.ko.md"]


@pytest.mark.parametrize("origin", ["intra.example.com", "https://", "https://a.example/page", "ftp://a.example", "*"])
def test_an_origin_is_a_scheme_and_a_host(tmp_path: Path, origin: str) -> None:
    (tmp_path / "rondo.toml").write_text(f'[project]\nname = "p"\n[use]\nembed = ["{origin}"]\n')
    with pytest.raises(DeclarationError, match="no origin"):
        read_settings(tmp_path)


def test_the_section_is_read(tmp_path: Path) -> None:
    (tmp_path / "rondo.toml").write_text(
        '[project]\nname = "p"\n[use]\nopen = ["late"]\nembed = ["http://127.0.0.1:3000"]\n'
    )
    assert read_settings(tmp_path).use == Use(("late",), ("http://127.0.0.1:3000",))


def test_the_words_of_the_flights_are_those_of_its_form(tmp_path: Path) -> None:
    start(tmp_path / "flights", "flights", "flights")
    project = read_project(tmp_path / "flights")
    assert unreadable(project.root, project.models) == []
    examples = project.tables[project.models["late"].examples]
    english, korean = (read_words(project.root, "late", code) for code in ("en", "ko"))
    assert set(english.fields) == set(korean.fields) == {*(examples.inputs or ()), "tailnum"}
    assert set(english.reasons) == set(korean.reasons)
    assert english.flagged != korean.flagged
