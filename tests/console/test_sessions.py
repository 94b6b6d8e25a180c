from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rondo.console.sessions import LASTS_S, Sessions
from rondo.deploy.keys import make, revoke
from rondo.loop.workplace import open_workplace

if TYPE_CHECKING:
    import httpx

    from conftest import Console, Serve

Made = Callable[..., str]
NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
REFUSED = "This key does not open the console."


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def key(root: Path) -> Made:
    """Makes a key of the project, and gives it."""
    ledger = open_workplace(root).store.ledger

    def made(name: str, scope: str = "admin", **options: int) -> str:
        return make(ledger, name, scopes=[scope], owner=f"owner-of-{name}", by="test", now=NOW, **options)[1]  # type: ignore[arg-type]

    return made


def sign_in(client: httpx.Client, shown: str, **headers: str) -> httpx.Response:
    return client.post("/sign-in", data={"key": shown, "back": "/search?q=late"}, headers=headers)


def token_of(console: Console) -> str:
    body = console.client.cookies[console.sessions.cookie].rpartition(".")[0]
    return console.sessions.signed("token", body)


def test_without_keys_this_machine_is_let_in_and_no_other_name(open_console: Console) -> None:
    client = open_console.client
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"host": "localhost:1"}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:8701", ""):
        answer = client.get("/", headers={"host": host})
        assert answer.status_code == 403 and "late@3" not in answer.text, host
        assert client.get("/events", headers={"host": host}).status_code == 403
        assert client.post("/actions/note", headers={"host": host}).status_code == 403


def test_from_the_first_key_on_everybody_signs_in(root: Path, serve: Serve, key: Made) -> None:
    with serve(root, Sessions("tester", clock=Clock())) as console:
        assert console.client.get("/").status_code == 200
        admin = key("ada")
        answer = console.client.get("/search?q=late")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?back=/search%3Fq%3Dlate")
        assert console.client.get("/?format=json").status_code == 401
        assert console.client.get("/events").status_code == 401
        assert console.client.post("/actions/note", data={"token": console.token}).status_code == 401
        assert REFUSED not in console.client.get("/sign-in").text

        answer = sign_in(console.client, admin)
        assert (answer.status_code, answer.headers["location"]) == (303, "/search?q=late")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", f"Max-Age={LASTS_S}"} <= set(cookie.split("; ")) and admin not in cookie
        page = console.client.get("/search?q=late").text
        assert "Acting as owner-of-ada" in page and "Sign out" in page

        console.client.post("/sign-out", data={"": ""})
        assert console.client.get("/").status_code == 303


def test_what_opens_nothing_is_refused_in_the_same_words(root: Path, serve: Serve, key: Made) -> None:
    good, other, ended = key("ada"), key("shop", "predict"), key("old", lasts_s=-60)
    last = "a" if good[-1] != "a" else "b"
    with serve(root, Sessions("tester", clock=Clock())) as console:
        answers = [
            sign_in(console.client, shown) for shown in (other, ended, good[:-1] + last, "rondo_x", "", "é" * 50)
        ]
        assert {answer.status_code for answer in answers} == {401}
        assert len({re.sub(r"<time.*?</time>", "", answer.text) for answer in answers}) == 1
        assert REFUSED in answers[0].text and console.sessions.cookie not in console.client.cookies


def test_a_key_for_looking_shows_everything_and_changes_nothing(root: Path, serve: Serve, key: Made) -> None:
    key("ada")
    look = key("viewer", "look")
    with serve(root, Sessions("tester", clock=Clock())) as console:
        shown = console.client.get("/?format=json", headers={"authorization": f"Bearer {look}"})
        assert shown.status_code == 200
        sign_in(console.client, look)
        assert "Looking as owner-of-viewer" in console.client.get("/").text
        form = {"token": token_of(console), "name": "late", "because": "x"}
        answer = console.client.post("/actions/note", data=form)
        assert answer.status_code == 403 and "for looking alone" in answer.text


def test_a_session_ends_with_its_key_with_time_and_with_the_process(root: Path, serve: Serve, key: Made) -> None:
    clock, ledger = Clock(), open_workplace(root).store.ledger
    with serve(root, Sessions("tester", clock=clock)) as console:
        for name in ("ada", "eve"):
            sign_in(console.client, key(name))
            assert console.client.get("/").status_code == 200
            if name == "ada":
                revoke(ledger, "ada", because="left", by="test", now=NOW)
            else:
                clock.now = NOW + timedelta(seconds=LASTS_S)
            assert console.client.get("/").status_code == 303, name
        clock.now = NOW
        assert console.client.get("/").status_code == 200
        kept = dict(console.client.cookies)
    with serve(root, Sessions("tester", clock=clock)) as console:
        console.client.cookies.update(kept)
        assert console.client.get("/").status_code == 303


def test_a_cookie_cannot_be_made_up(root: Path, serve: Serve, key: Made) -> None:
    admin = key("ada")
    with serve(root, Sessions("tester", clock=Clock())) as console:
        sign_in(console.client, admin)
        body, _, signature = console.client.cookies[console.sessions.cookie].rpartition(".")
        name, until, nonce = body.split(".")
        forged = (
            f"{name}.{int(until) + 1}.{nonce}.{signature}",
            f"{body}.",
            f"{body}.{signature[:-1]}",
            "...",
            "x",
            "",
        )
        for cookie in forged:
            console.client.cookies.clear()
            answer = console.client.get("/", headers={"cookie": f"{console.sessions.cookie}={cookie}"})
            assert answer.status_code == 303, cookie


def test_attempts_are_few_and_told_apart_by_who_makes_them(root: Path, serve: Serve, key: Made) -> None:
    admin = key("ada")
    with serve(root, Sessions("tester", clock=Clock())) as console:
        answers = [sign_in(console.client, "rondo_guess").status_code for _ in range(11)]
        assert answers == [401] * 10 + [429]
        refused = sign_in(console.client, admin)
        assert refused.status_code == 429 and refused.headers["retry-after"]


def test_signing_in_from_another_site_is_refused_and_leads_to_no_other(root: Path, serve: Serve, key: Made) -> None:
    admin = key("ada")
    with serve(root, Sessions("tester", clock=Clock())) as console:
        assert sign_in(console.client, admin, origin="https://evil.example").status_code == 403
        assert sign_in(console.client, admin, **{"sec-fetch-site": "cross-site"}).status_code == 403
        assert sign_in(console.client, admin, origin="http://[").status_code == 403
        answer = console.client.post("/sign-in", data={"key": admin, "back": "//evil.example/x"})
        assert answer.headers["location"] == "/"
        page = console.client.get("/sign-in", params={"back": '"><script>'}).text
        assert "<script>" not in page.replace('<script src="', "")


def test_two_consoles_of_one_machine_have_sessions_of_their_own(root: Path, serve: Serve, key: Made) -> None:
    admin = key("ada")
    with (
        serve(root, Sessions("tester", clock=Clock(), place="live")) as one,
        serve(root, Sessions("tester", clock=Clock(), place="year")) as other,
    ):
        other.client.cookies = one.client.cookies  # a browser knows no ports
        for console in (one, other):
            sign_in(console.client, admin)
        assert [console.client.get("/").status_code for console in (one, other)] == [200, 200]
