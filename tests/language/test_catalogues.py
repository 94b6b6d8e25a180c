from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

import rondo
from rondo.language.catalogues import CODES, sources
from rondo.pages.loop import HAPPENED
from rondo.records.deployment import Role
from rondo.records.development import State

SOURCE = Path(rondo.__file__).parent
SAYING = {"say": 1, "plain": 1, "count": 2, "counted": 2}
"""What says something, with how many texts it takes."""
KO = {file.name: list(read_po(BytesIO(file.read_bytes()), locale="ko")) for file in sources("ko")}
Key = str | tuple[str, str]


def messages() -> Iterator[tuple[str, Message]]:
    for name, catalogue in KO.items():
        yield from ((name, message) for message in catalogue if message.id)


def key(message: Message) -> Key:
    return message.id if isinstance(message.id, str) else (message.id[0], message.id[1])


def said(message: Message) -> str:
    return message.string if isinstance(message.string, str) else message.string[0]


KNOWN = {key(message) for _, message in messages()}
SINGLE = {part for each in KNOWN for part in ([each] if isinstance(each, str) else each)}


def said_in_python(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """The calls that say something, with the literal texts they are given; those that say a variable are passed over."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        function = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if function in SAYING:
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            yield node.lineno, function, texts


def said_in_a_template(text: bytes) -> Iterator[tuple[int, str, list[str]]]:
    for line, function, texts, _ in babel_extract(BytesIO(text), list(SAYING), [], {}):
        given = (texts,) if isinstance(texts, str) else texts or ()
        yield line, function, [each for each in given if isinstance(each, str)]


def spoken() -> dict[Key, str]:
    """Every text that a module or a template says, with where."""
    found: dict[Key, str] = {}
    for path in SOURCE.rglob("*"):
        if path.suffix not in (".py", ".html"):
            continue
        calls = said_in_python(path.read_text()) if path.suffix == ".py" else said_in_a_template(path.read_bytes())
        for line, function, texts in calls:
            needed = SAYING[function]
            if len(texts) >= needed:
                key: Key = texts[0] if needed == 1 else (texts[0], texts[1])
                found[key] = f"{path.relative_to(SOURCE)}:{line}"
    return found


def placeholders(text: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in Formatter().parse(text) if name}


def test_everything_said_is_in_the_catalogue() -> None:
    everything = spoken()
    assert len(everything) > 100
    missing = {where: text for text, where in everything.items() if text not in KNOWN}
    assert missing == {}


@pytest.mark.parametrize("name", sorted(KO))
def test_a_translation_fills_in_the_same_names(name: str) -> None:
    for message in KO[name]:
        if message.id:
            asked = placeholders(key(message) if isinstance(message.id, str) else message.id[1])
            assert placeholders(said(message)) == asked, message.id
            assert said(message).strip(), f"{message.id} has no translation"
            assert not message.fuzzy, message.id


def test_no_text_has_two_translations() -> None:
    translated: dict[Key, dict[str, str]] = defaultdict(dict)
    for name, message in messages():
        translated[key(message)][said(message)] = name
    assert {text: where for text, where in translated.items() if len(where) > 1} == {}


def test_a_particle_is_left_to_the_word_before_it() -> None:
    fixed = re.compile(r"\}(?:이\(가\)|은\(는\)|을\(를\)|\(으\)로|와\(과\))")
    assert [said(message) for _, message in messages() if fixed.search(said(message))] == []


def test_every_word_of_a_record_that_a_page_translates_is_in_the_catalogue() -> None:
    words = {*get_args(State), *get_args(Role), "stale", "due", "new", "train", "validation", "test"}
    assert {word.replace("_", " ") for word in words} <= SINGLE
    assert set(HAPPENED.values()) <= SINGLE


def test_english_is_the_language_of_the_program() -> None:
    assert CODES == ("en", "ko")
    assert sources("en") == []
