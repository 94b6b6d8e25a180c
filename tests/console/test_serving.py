from __future__ import annotations

import gzip
import logging
import re
import threading
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

import httpx
import pytest

from rondo.console import serving
from rondo.console.addresses import ADDRESSES, Address
from rondo.console.looking import Project
from rondo.console.serving import serve_console
from rondo.deploy.keys import make
from rondo.errors import WrongUse
from rondo.loop.workplace import open_workplace

if TYPE_CHECKING:
    from conftest import Console

HTML = "text/html; charset=utf-8"


def test_the_loop_is_the_home_page_and_may_load_nothing_from_elsewhere(open_console: Console) -> None:
    answer = open_console.client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, HTML)
    assert "late@3" in answer.text and "Acting as tester" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"""(?:src|href)="https?://""", answer.text)


def test_files_are_kept_under_addresses_that_name_their_content(open_console: Console) -> None:
    client = open_console.client
    page = client.get("/").text
    for name, kind in (("rondo.css", "text/css"), ("rondo.js", "text/javascript")):
        [address] = re.findall(rf'"(/static/{re.escape(name)}\?v=\w+)"', page)
        answer = client.get(address)
        assert answer.headers["content-type"].startswith(kind) and "immutable" in answer.headers["cache-control"]
        plain = client.get(f"/static/{name}")
        assert plain.text == answer.text and plain.headers["cache-control"] == "no-cache"
        again = client.get(f"/static/{name}", headers={"if-none-match": plain.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        with client.stream("GET", address, headers={"accept-encoding": "gzip"}) as packed:
            assert gzip.decompress(b"".join(packed.iter_raw())).decode() == answer.text
        with client.stream("GET", address, headers={"accept-encoding": "identity"}) as whole:
            assert "content-encoding" not in whole.headers


def test_the_language_is_as_asked_as_chosen_as_the_browser_prefers_then_as_the_project_says(
    open_console: Console,
) -> None:
    client = open_console.client

    def language(address: str = "/", prefers: str = "fr") -> str:
        return re.search(r'<html lang="(\w+)"', client.get(address, headers={"accept-language": prefers}).text)[1]  # type: ignore[index]

    assert language() == "en"
    assert language(prefers="de-DE, ko-KR;q=0.8, en;q=0.5") == "ko"
    assert language(prefers="en;q=0.2, ko;q=x") == "en"
    assert language("/?lang=ko") == "ko" and language() == "ko", "it is remembered"
    assert language("/?lang=en", prefers="ko") == "en" and language("/?lang=xx") == "en"


def test_a_page_in_other_forms(open_console: Console) -> None:
    client = open_console.client
    facts = client.get("/?format=json")
    assert facts.json()["model"] == "late" and "content-disposition" not in facts.headers
    saved = client.get("/?format=html")
    assert saved.headers["content-disposition"].startswith('attachment; filename="shop-loop.html"')
    assert not re.search(r'(?:src|href)="/', saved.text) and "<form" not in saved.text
    assert client.get("/?format=csv").headers["content-type"].startswith("text/csv")
    assert client.get("/?format=xlsx").content[:2] == b"PK"
    for wrong in ("/?format=docx", "/?format=svg&chart=nothing"):
        assert client.get(wrong).status_code == 404
    assert client.head("/").content == b"" and client.head("/").status_code == 200


def test_what_is_not_there_is_told_with_what_is_near(open_console: Console) -> None:
    client = open_console.client
    answer = client.get("/serch")
    assert (answer.status_code, answer.headers["content-type"]) == (404, HTML)
    assert "There is no such thing here" in answer.text and 'href="/search"' in answer.text
    assert "찾으시는 것이 여기에 없습니다" in client.get("/nichts?lang=ko").text
    frame = re.search(r"<header.*?</header>", client.get("/").text, re.DOTALL)
    badge = re.search(r"Incidents.*?</a>", frame[0], re.DOTALL) if frame else None
    assert badge and badge[0] in answer.text, "the frame is the project's, with what stands open"
    document = client.get("/nothing?format=json")
    assert document.status_code == 404 and document.json()["error"]["code"] == "not_found"
    assert client.get("/static/..%2floop.py").status_code == 404
    assert client.post("/").status_code == 405
    assert client.get("/actions/promote").status_code == 405


def test_a_project_that_cannot_be_read_says_where_and_is_back_when_mended(open_console: Console) -> None:
    client, file = open_console.client, open_console.root / "models/late.py"
    before = file.read_text()
    file.write_text(before.replace('features=["loads"', "features=[nothing"))
    answer = client.get("/")
    assert answer.status_code == 503 and "models/late.py:" in answer.text and "Traceback" not in answer.text
    assert client.get("/?format=json").json()["error"]["file"] == "models/late.py"
    assert client.get("/healthz").status_code == 200
    file.write_text(before)
    assert client.get("/").status_code == 200


def test_a_defect_is_told_without_its_traceback_and_logged_with_it(
    root: Path, serve: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(work: object, asked: object) -> object:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(serving, "ADDRESSES", (*ADDRESSES, Address("/broken", broken, lambda facts, frame: "")))
    with caplog.at_level(logging.ERROR, "rondo.console"), serve(root, serving.Sessions("tester")) as console:  # type: ignore[operator]
        answer = console.client.get("/broken")
    assert answer.status_code == 500 and "defect in Rondo (ZeroDivisionError)" in answer.text
    assert "secret detail" not in answer.text and "secret detail" in caplog.text


def test_a_page_as_of_an_earlier_moment(open_console: Console) -> None:
    client = open_console.client
    assert "Nothing has been loaded yet" in client.get("/?as_of=2020-01-01").text
    assert client.get("/?as_of=yesterday").status_code == 400
    form = client.get("/as-of", params={"back": "/tables?x=1"})
    assert 'type="date"' in form.text and "/tables?x=1" in form.text
    sent = client.get("/as-of", params={"back": "/?x=1", "day": "2024-02-20", "time": "09:30"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/?x=1&as_of=2024-02-20T09%3A30")
    assert client.get(sent.headers["location"]).status_code == 200
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\n/x"):
        answer = client.get("/as-of", params={"back": elsewhere, "day": "2024-02-20"})
        assert answer.headers["location"].startswith("/?as_of="), elsewhere
    assert client.get("/as-of", params={"day": "now"}).status_code == 400


def test_search_leads_straight_to_what_was_named_whole(open_console: Console) -> None:
    client = open_console.client
    assert client.get("/search", params={"q": "late@2"}).headers["location"] == "/models/late/2"
    page = client.get("/search", params={"q": "busy shop"})
    assert page.status_code == 200 and 'href="/tables/loads"' in page.text
    assert "<script>alert" not in client.get("/search", params={"q": "<script>alert(1)</script>"}).text


def test_it_ends_with_pages_that_follow_and_a_taken_port_is_refused(root: Path) -> None:
    urls: Queue[str] = Queue()
    stop = threading.Event()
    options = {"host": "127.0.0.1", "port": 0, "by": "tester", "stop": stop, "ready": urls.put}
    server = threading.Thread(target=serve_console, args=(Project(root, "live"),), kwargs=options)
    server.start()
    url = urls.get(timeout=10)
    with httpx.Client(base_url=url, timeout=20) as client, client.stream("GET", "/events?kinds=alerts") as events:
        assert next(events.iter_lines()).startswith("retry")
        port = int(url.rpartition(":")[2])
        with pytest.raises(WrongUse, match="cannot listen"):
            serve_console(Project(root, "live"), host="127.0.0.1", port=port, by="x", ready=print)
        stop.set()
        server.join(10)
    assert not server.is_alive()


def test_others_are_let_in_with_keys_alone(root: Path) -> None:
    ledger, now = open_workplace(root).store.ledger, open_workplace(root).now()
    make(ledger, "shop", scopes=["predict"], owner="mia", by="test", now=now)
    with pytest.raises(WrongUse, match="no key that opens the console"):
        serve_console(Project(root, "live"), host="0.0.0.0", port=0, by="x", ready=print)
    toml = root / "rondo.toml"
    toml.write_text(toml.read_text() + '\n[serving]\nproxies = ["127.0.0.1"]\n')
    with pytest.raises(WrongUse, match="no key that opens the console"):
        serve_console(Project(root, "live"), host="127.0.0.1", port=0, by="x", ready=print)
