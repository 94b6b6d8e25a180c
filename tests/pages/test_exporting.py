from __future__ import annotations

import os
import re
import stat
import zlib
from pathlib import Path

import pytest

from rondo.errors import Broken
from rondo.handbook.browsers import find_browser
from rondo.pages.exporting import pdf_of, write_file

PAGE = """<!doctype html><html lang="ko"><head><meta charset="utf-8"><title>Week 51</title>
<style>@page { size: A4 }</style></head><body><h1>Week 51</h1><p style="font-family: 'Noto Sans CJK KR'">한국어</p>
<div style="page-break-before: always">second</div></body></html>"""


def browser() -> Path:
    try:
        return find_browser()
    except Broken as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(error.message)


def program(tmp_path: Path, script: str) -> Path:
    path = tmp_path / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_page_is_printed_with_its_title_and_its_pages() -> None:
    content = pdf_of(PAGE, browser=browser())
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    assert b"/Title (Week 51)" in content
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", content)) == 2
    streams = [_inflated(each) for each in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)]
    assert any(b"<D55C>" in each or b"D55C" in each.upper() for each in streams), "한 is not in the text of the PDF"


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return b""


def test_a_browser_is_named_by_the_environment_and_must_be_there(tmp_path: Path) -> None:
    fake = program(tmp_path, "exit 0")
    assert find_browser({"RONDO_BROWSER": str(fake)}) == fake
    with pytest.raises(Broken, match="RONDO_BROWSER names '/nowhere/chrome'") as caught:
        find_browser({"RONDO_BROWSER": "/nowhere/chrome"})
    assert "apt-get install chromium" in caught.value.next_step


def test_without_a_browser_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("rondo.handbook.browsers.INSTALLED", ())
    with pytest.raises(Broken, match="no Chromium") as caught:
        find_browser({})
    assert "HTML needs none" in caught.value.next_step


def test_a_browser_that_never_ends_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    fake = program(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(Broken, match=r"within 0\.5 s"):
        pdf_of(PAGE, browser=fake, limit_s=0.5)
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] in "ZX"


def test_a_browser_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="printed no PDF: out of luck"):
        pdf_of(PAGE, browser=program(tmp_path, "echo out of luck >&2; exit 1"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write_file(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Broken, match="No space left on device"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Broken, match=r"nowhere/report\.html cannot be written"):
        write_file(tmp_path / "nowhere" / "report.html", b"x")
