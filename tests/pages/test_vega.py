from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from markupsafe import Markup

from rondo.console.showing import POLICY
from rondo.errors import Broken
from rondo.handbook.browsers import find_browser
from rondo.pages import vega
from rondo.pages.frame import Frame
from rondo.pages.rendering import STATIC, static

SPEC = {
    "data": {
        "values": [{"at": "2013-12-16T00:00:00", "n": 1, "who": "</script><b>"}, {"at": "2014-02-16T00:00:00", "n": 2}]
    },
    "width": 400,
    "mark": "line",
    "encoding": {
        "x": {"field": "at", "type": "temporal", "axis": {"format": "%b"}},
        "y": {"field": "n", "type": "quantitative"},
    },
}
FRAME = Frame("shop", datetime(2024, 1, 1, tzinfo=UTC), "UTC", address="/live/late")


def drawn(frame: Frame) -> vega.Chart:
    return vega.chart(frame, SPEC, "auc", title=Markup("Up"), subtitle=Markup("AUC"), spoken='AUC "went" up')


def test_a_page_brings_the_drawing_as_data_with_a_name_and_a_picture_for_those_without_script() -> None:
    picture = drawn(replace(FRAME, charts={})).picture
    assert 'role="img" aria-label="AUC &#34;went&#34; up"' in picture
    assert "</script><b>" not in picture and "\\u003c/script>" in picture
    assert '<noscript><img src="/live/late?format=svg&amp;chart=auc"' in picture


def test_colours_are_those_of_the_page_around_it_and_alone_they_are_light() -> None:
    page = drawn(replace(FRAME, charts={}, saved=True)).picture
    assert "var(--accent)" in page and "#3441b4" not in page
    alone = vega.svg(SPEC)
    assert "#3441b4" in alone and "var(--" not in alone


@pytest.mark.parametrize(("code", "month"), [("en", "Dec"), ("ko", "12월")])
def test_months_are_written_in_the_language_of_the_page(code: str, month: str) -> None:
    frame = replace(FRAME, charts={}, code=code)  # type: ignore[arg-type]
    assert f">{month}<" in drawn(replace(frame, saved=True, charts={})).picture
    drawn(frame)
    assert f">{month}<" in vega.svg(frame.charts["auc"]) and vega.png(frame.charts["auc"]).startswith(b"\x89PNG")


def test_a_chart_side_by_side_has_a_width_of_its_own() -> None:
    both = {"data": SPEC["data"], "hconcat": [{"mark": "point", "encoding": SPEC["encoding"]}] * 2}
    found = re.search(r'<svg[^>]* width="([\d.]+)"', vega.svg(both))
    assert found is not None and float(found[1]) > 100


def test_korean_in_a_png_is_written_in_a_korean_face(monkeypatch: pytest.MonkeyPatch) -> None:
    fonts: list[str] = []

    def caught(text: str, **options: object) -> bytes:
        fonts.append(json.loads(text)["config"]["font"])
        return b""

    monkeypatch.setattr("vl_convert.vegalite_to_png", caught)
    vega.png(SPEC)
    vega.png({**SPEC, "title": "한국어"})
    assert fonts[0].startswith("-apple-system") and fonts[1].startswith('"Noto Sans CJK KR"')


class Served(BaseHTTPRequestHandler):
    """One page with its files, under the console's policy."""

    page = ""

    def do_GET(self) -> None:
        name = self.path.split("?")[0].removeprefix("/static/")
        text = vega.runtime() if name == "vega.js" else static(name) if name in STATIC else self.page
        kind = {"js": "text/javascript", "css": "text/css"}.get(name.rsplit(".", 1)[-1], "text/html")
        self.send_response(200)
        self.send_header("content-type", f"{kind}; charset=utf-8")
        self.send_header("content-security-policy", POLICY)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        pass


def marks(picture: str) -> list[str]:
    """What a drawing shows: its words and the ways of its marks, coordinates to the pixel."""
    words = re.findall(r"<text[^>]*>([^<]+)</text>", picture)
    ways = re.findall(r'<path aria-label[^>]* d="([^"]+)"', picture)
    return [*words, *(re.sub(r"\d+\.\d+", lambda number: str(round(float(number[0]))), way) for way in ways)]


@pytest.mark.parametrize("code", ["en", "ko"])
def test_a_browser_draws_the_same_under_the_consoles_policy(code: str, tmp_path: Path) -> None:
    try:
        browser = find_browser()
    except Broken as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(error.message)
    frame = replace(FRAME, charts={}, code=code)  # type: ignore[arg-type]
    Served.page = (
        f'<!doctype html><html lang="{code}"><link rel="stylesheet" href="/static/rondo.css">'
        f'<script src="/static/rondo.js" type="module"></script><body>{drawn(frame).picture}</body></html>'
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            str(browser), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000", "--dump-dom",
            f"http://127.0.0.1:{server.server_port}/",
        ]  # fmt: skip
        dom = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
        server.shutdown()
    assert 'data-drawn=""' in dom
    here = vega.svg(frame.charts["auc"], css=True)
    assert marks(dom[dom.index("<svg") : dom.index("</svg>")]) == marks(here) and len(marks(here)) > 3
