from __future__ import annotations

import pytest

from rondo.errors import DeclarationError
from rondo.project.people import Person
from rondo.project.serving import Serving
from rondo.project.settings import SECTIONS, Settings, read_settings


def test_all_but_the_name_is_optional(write) -> None:
    assert read_settings(write({"rondo.toml": '[project]\nname = "my-flights"\n'})) == Settings("my-flights")


def test_everything_said_is_read(write, monkeypatch) -> None:
    monkeypatch.setenv("WAREHOUSE", "postgresql+psycopg://u:p@host/db")
    root = write(
        {
            "rondo.toml": """
[project]
name = "flights"
summary = "Late?"
timezone = "America/New_York"
language = "ko"
clock = "data"

[stores]
ledger = "${WAREHOUSE}"
lake = "elsewhere"

[serving]
durability = "disk"

[people.data_engineer]
name = "Mia"
contact = "mia@example.com"

[people.boss]

[alerts]
channels = ["console", "mail"]
"""
        }
    )
    assert read_settings(root) == Settings(
        "flights",
        summary="Late?",
        timezone="America/New_York",
        language="ko",
        clock="data",
        ledger="postgresql+psycopg://u:p@host/db",
        lake="elsewhere",
        serving=Serving(durability="disk"),
        channels=("console", "mail"),
        people=(Person("data_engineer", "Mia", "mia@example.com", ("data_engineer",)), Person("boss")),
    )


HEAD = '[project]\nname = "p"\n'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[project]\n", 1, "name is missing"),
        ("", 1, "name is missing"),
        ('[project]\n# note\nname = "two words"\n', 3, "name is 'two words'"),
        ('[project]\nname = "p"\ntimezone = "Mars/Base"\n', 3, "'Mars/Base', which no one knows"),
        ('[project]\nname = "p"\ntimezone = "../etc"\n', 3, "which no one knows"),
        ('[project]\nname = "p"\nlanguage = "fr"\n', 3, "not one of en, ko"),
        ('[project]\nname = "p"\nclock = "sun"\n', 3, "not one of wall, data"),
        ('[project]\nname = "p"\nsummary = 3\n', 3, "summary is 3"),
        ('[project]\nname = "p"\ncolour = "red"\n', 3, "colour is unknown; there are: name, summary"),
        (HEAD + "[store]\n", 3, "there are: project, stores, engines, serving, use, monitoring, alerts, people"),
        ("stores = 3\n" + HEAD, 1, "is not a section"),
        (HEAD + '[stores]\nledger = "${NOT_SET_ANYWHERE}"\n', 4, "NOT_SET_ANYWHERE"),
        (HEAD + "[stores]\nlake = 3\n", 4, "lake is 3"),
        (HEAD + '[engines]\nsql = "spark://x"\n', 4, "not one of duckdb"),
        (HEAD + '[serving]\ndurability = "hope"\n', 4, "not one of process, disk"),
        (HEAD + '[alerts]\nchannels = "console"\n', 4, "not a list"),
        (HEAD + '[people.mia]\nphone = "1"\n', 4, "there are: name, contact, role"),
        (HEAD + '[people]\nmia = "Mia"\n', 4, "is not a person"),
        (HEAD + "[people.mia]\nname = 3\n", 4, "name is 3"),
        ("people = 1\n" + HEAD, 1, "is not a section"),
        (HEAD + "[stores\n", 3, "cannot be read"),
        ('[project]\nname = "a"\nname = "b"\n', 3, "cannot be read"),
    ],
)
def test_what_is_wrong_names_its_line(write, text: str, line: int, said: str) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        read_settings(write({"rondo.toml": text}))
    assert (refused.value.file, refused.value.line) == ("rondo.toml", line)


def test_a_folder_without_settings_is_no_project(tmp_path) -> None:
    with pytest.raises(DeclarationError, match="is not a project") as refused:
        read_settings(tmp_path)
    assert "rondo init" in refused.value.next_step


def test_settings_that_are_not_utf_8(write) -> None:
    root = write({})
    (root / "rondo.toml").write_bytes(HEAD.encode("utf-16"))
    with pytest.raises(DeclarationError, match="is not UTF-8"):
        read_settings(root)


def test_every_setting_says_what_it_is() -> None:
    assert all(text for section in SECTIONS.values() for text in section.values())


@pytest.mark.parametrize(
    "text",
    [
        HEAD + '[engines]\nsql = "${SECRET}"\n',
        HEAD + '[alerts]\nchannels = "${SECRET}"\n',
        HEAD + '[serving]\nrate = "${SECRET}/s"\n',
        '[project]\nname = "${SECRET}"\n',
        '[project]\nname = "p"\ntimezone = "Europe/${SECRET}"\n',
    ],
)
def test_no_error_shows_what_came_from_the_environment(write, monkeypatch, text: str) -> None:
    monkeypatch.setenv("SECRET", "hunter'2\n\\")
    with pytest.raises(DeclarationError) as refused:
        read_settings(write({"rondo.toml": text}))
    assert "hunter" not in refused.value.message + refused.value.next_step
    assert "${SECRET}" in refused.value.message


@pytest.mark.parametrize("store", ["ledger", "online", "lake"])
def test_a_password_in_the_file_is_refused(write, monkeypatch, store: str) -> None:
    for written in ("postgresql+psycopg://u:hunter2@host/db", "redis://:hunter2@host/0", "redis://u:hun@ter2@host"):
        with pytest.raises(DeclarationError, match=f"stores.{store} holds a password") as refused:
            read_settings(write({"rondo.toml": HEAD + f'[stores]\n{store} = "{written}"\n'}))
        assert "hun" not in str(refused.value.document())
    monkeypatch.setenv("SECRET", "hunter2")
    for allowed in ("redis://:${SECRET}@host/0", "redis://host:6379/0", "redis://u:@host", "lmdb://.rondo/a:b@c"):
        read_settings(write({"rondo.toml": HEAD + f'[stores]\n{store} = "{allowed}"\n'}))
