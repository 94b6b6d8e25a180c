from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Called = Callable[..., tuple[int, str, str]]


def test_all_are_listed(shop: Path, rondo: Called) -> None:
    code, out, _ = rondo(shop, "ask")
    assert code == 0
    assert "36" in out and "Whom do I ask" in out
    code, out, _ = rondo(shop, "ask", "--json")
    document = json.loads(out)
    assert [each["number"] for each in document] == list(range(1, 37))


def test_one_by_its_number_and_by_words(shop: Path, rondo: Called) -> None:
    for asked in ("23", "ten months ago", "10개월 전"):
        code, out, _ = rondo(shop, "ask", asked, "--json")
        assert (code, [each["number"] for each in json.loads(out)]) == (0, [23])
    code, out, _ = rondo(shop, "ask", "compare", "months", "ago")
    assert code == 0 and out.startswith("23.") and "next best: 21." in out


def test_in_the_language_asked_for(shop: Path, rondo: Called) -> None:
    code, out, _ = rondo(shop, "ask", "30", "--lang", "ko")
    assert code == 0 and "완전히 새로운 파이프라인" in out
    assert rondo(shop, "ask", "--lang", "de")[0] == 2


def test_what_is_no_question_is_refused_in_words(shop: Path, rondo: Called) -> None:
    for asked in ("37", "0", "xylophone quartz"):
        code, _, told = rondo(shop, "ask", asked)
        assert code == 2 and "rondo ask" in told
    assert rondo(shop, "ask", "--model", "nobody")[0] == 2


@pytest.mark.parametrize(("file", "begins"), [("book.md", "# "), ("book.html", "<!doctype html>")])
def test_all_as_one_file(shop: Path, rondo: Called, file: str, begins: str) -> None:
    code, out, _ = rondo(shop, "ask", "--out", file, "--json")
    assert code == 0 and json.loads(out)["questions"] == 36
    text = (shop / file).read_text(encoding="utf-8")
    assert text.lstrip().startswith(begins)
    assert "How does serving work" in text
    assert rondo(shop, "ask", "--out", "book.doc")[0] == 2
