"""The server from outside, as `rondo serve` runs it: keys, TLS, limits; and that no secret is anywhere."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from rondo.deploy import keys
from rondo.deploy.rollout import promote
from rondo.records.deployment import ApiKey, ModelCaller
from rondo.records.team import Decision

PREDICT, EXPLAIN, OUTCOMES = "/v1/models/late/predict", "/v1/models/late/explain", "/v1/outcomes"
AT_ONCE_S = 1.5
"""Within a second, and some for a busy machine."""


@pytest.fixture
def served(place, now):
    promote(place.store, place.project, "late", 1, "production", because=None, by="kim", now=now)
    return place


def rondo(place, *arguments: str) -> tuple[int, str, str]:
    """A command: its exit code, what it printed, what it complained of."""
    command = [sys.executable, "-m", "rondo.cli", *arguments, "--project", str(place.root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def make(place, name: str, scope: str, **more) -> str:
    more = {"owner": "mia", "by": "kim", "now": datetime.now(UTC), **more}
    return keys.make(place.store.ledger, name, scopes=[scope], **more)[1]


def revoke(place, name: str) -> None:
    keys.revoke(place.store.ledger, name, because="it leaked", by="kim", now=datetime.now(UTC))


@contextmanager
def serving(place, *arguments: str, log: Path | None = None) -> Iterator[str]:
    """A server process; its URL, on this machine."""
    command = [sys.executable, "-m", "rondo.cli", "serve", "--port", "0", "--project", str(place.root), *arguments]
    with (log or place.root / "stderr.log").open("w") as told:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True)
    try:
        line = process.stdout.readline()
        assert line, (log or place.root / "stderr.log").read_text()
        yield json.loads(line)["url"].replace("0.0.0.0", "127.0.0.1")
    finally:
        process.terminate()
        rest = process.communicate(timeout=30)[0]
        assert rest == "" and process.returncode == 0


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def until(condition, message: str, seconds: float = AT_ONCE_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, message
        time.sleep(0.02)


def settings(place, *lines: str) -> None:
    path = place.root / "rondo.toml"
    path.write_text(path.read_text() + "[serving]\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_where_others_reach_it_the_server_does_not_start_without_a_living_key(served, host):
    code, out, told = rondo(served, "serve", "--port", "0", "--host", host)
    assert code == 2 and out == "" and "no API key guards the server" in told and "rondo key make" in told


def test_nor_behind_a_proxy_and_a_dead_key_is_none(served):
    settings(served, 'proxies = ["127.0.0.1"]')
    make(served, "shop", "predict")
    revoke(served, "shop")
    make(served, "short", "predict", lasts_s=0)
    code, out, told = rondo(served, "serve", "--port", "0")
    assert code == 2 and out == "" and "Through its proxies" in told


def test_scopes_ends_callers_and_no_secret_anywhere(served, tmp_path):
    shown = {scope: make(served, f"for-{scope}", scope) for scope in ("predict", "explain", "outcome")}
    shown["admin"] = make(served, "root", "admin")
    log = tmp_path / "stderr.log"
    settings(served, 'log = "all"')
    bodies = []
    with serving(served, "--host", "0.0.0.0", "--workers", "2", log=log) as url, httpx.Client(base_url=url) as client:
        row = {"rows": [served.request(1)]}
        given = client.post(PREDICT, json=row, headers=bearer(shown["predict"])).json()["predictions"][0]["id"]
        asks = {
            "predict": (PREDICT, row),
            "explain": (EXPLAIN, row),
            "outcome": (OUTCOMES, {"outcomes": [{"id": given, "outcome": True}]}),
        }
        for scope, key in shown.items():
            for need, (path, body) in asks.items():
                answer = client.post(path, json=body, headers=bearer(key))
                assert answer.status_code == (200 if need == scope or scope == "admin" else 403), (scope, need)
                if answer.status_code == 403:
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert f"'{need}'" in answer.json()["detail"]
            for path in ("/metrics", "/openapi.json", "/v1/models", "/v1/models/late"):
                assert client.get(path, headers=bearer(key)).status_code == 200
        for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/ping"):
            assert client.get(path).status_code == 200
        for path in ("/metrics", "/openapi.json", "/v1/models", "/v1/models/late", "/v2", "/nothing"):
            answer = client.get(path)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == 'Bearer realm="rondo"', path
        for method, path in (("POST", PREDICT), ("POST", "/v2/models/late/infer"), ("POST", "/invocations")):
            for wrong in ({}, bearer(shown["predict"][:-1]), bearer("x" * 200), {"authorization": "Basic dTpw"}):
                answer = client.request(method, path, json=row, headers=wrong)
                assert answer.status_code == 401
                bodies.append(answer.text)
        for protocol in ("/v2/models/late/infer", "/invocations"):
            answer = client.post(protocol, json={}, headers=bearer(shown["explain"]))
            assert answer.status_code == 403 and set(answer.json()) <= {"error", "error_code", "message"}
            bodies.append(answer.text)
        revoke(served, "for-predict")
        until(
            lambda: client.post(PREDICT, json=row, headers=bearer(shown["predict"])).status_code == 401,
            "a revoked key still opens",
        )
        late = make(served, "late-comer", "predict")
        until(
            lambda: client.post(PREDICT, json=row, headers=bearer(late)).status_code == 200, "a new key does not open"
        )
        used = lambda: {e.record.caller for e in served.store.ledger.entries(ModelCaller, name="late")}  # noqa: E731
        until(lambda: used() == {"for-predict", "for-explain", "root", "late-comer"}, f"callers: {used()}", 5)
        bodies.append(client.get("/metrics", headers=bearer(late)).text)
    assert "for-predict" in log.read_text() and '"unencrypted"' in log.read_text()
    decisions = [e.record.what for e in served.store.ledger.entries(Decision)]
    assert len([each for each in decisions if "key " in each]) == 6
    documents = [rondo(served, *command)[1] for command in (
        ("key", "--json"), ("sql", "from ledger.api_keys", "--json"), ("history", "--json"),
        ("sql", "select caller from predictions.late", "--json"),
    )]  # fmt: skip
    assert '"for-predict"' in documents[-1]
    files = [path.read_bytes() for path in (served.root / ".rondo").rglob("*") if path.is_file()]
    searched = [*files, log.read_bytes(), *(text.encode() for text in (*bodies, *documents))]
    assert len(files) > 5 and served.store.ledger.count(ApiKey) == 6
    for key in (*shown.values(), late):
        assert not any(key[15:-6].encode() in text for text in searched)
        assert any(key[6:14].encode() in text for text in searched)  # its id is no secret


def test_on_this_machine_it_is_open_until_a_key_is_made_and_never_again(served):
    row = {"rows": [served.request(1)]}
    with serving(served) as url, httpx.Client(base_url=url) as client:
        assert client.post(PREDICT, json=row).status_code == 200
        assert client.post(PREDICT, json=row, headers=bearer("nonsense")).status_code == 200
        for trick in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}):
            for answer in (client.get("/v1/models", headers=trick), client.post(PREDICT, json=row, headers=trick)):
                assert answer.status_code == 403 and "rondo key make" in answer.json()["detail"]
        key = make(served, "first", "predict", rate="3/h")
        until(lambda: client.post(PREDICT, json=row).status_code == 401, "the first key closes nothing")
        answers = [client.post(PREDICT, json=row, headers=bearer(key)) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 1000 < int(answers[3].headers["retry-after"]) <= 1200
        assert answers[3].headers["content-type"] == "application/problem+json"
        assert client.get("/healthz").status_code == 200
        revoke(served, "first")
        until(
            lambda: "revoked" in client.post(PREDICT, json=row, headers=bearer(key)).text, "a revoked key still opens"
        )
    with serving(served) as url:
        assert httpx.post(f"{url}{PREDICT}", json=row).status_code == 401


def test_what_is_sent_without_a_key_is_not_even_read(served):
    make(served, "shop", "predict")
    with serving(served) as url, httpx.Client(base_url=url) as client:
        body = b'{"rows": [' + b" " * (9 << 20)
        for _ in range(3):
            answer = client.post(PREDICT, content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 401
        assert client.get("/healthz").status_code == 200


CHUNKED = b"host: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize("part", [b"0\r\n" + b"x: y\r\n" * 10_000, b"0\r\nx: " + b"y" * 60_000, b"1;" + b"y" * 60_000])
def test_what_is_no_body_is_bounded_too(served, part, key):
    """Trailers without end, one without end, the extension of a chunk without end; also after a 401."""
    shown = make(served, "shop", "predict")
    authorization = f"authorization: Bearer {shown}\r\n".encode() if key else b""
    with serving(served) as url, socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1]))) as client:
        client.settimeout(10)
        client.sendall(f"POST {PREDICT} HTTP/1.1\r\n".encode() + authorization + CHUNKED + part)
        part, sent = part.removeprefix(b"0\r\nx: ").removeprefix(b"0\r\n").removeprefix(b"1;"), 0
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while sent < 200 << 20:
                sent += client.send(part)
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_limits_are_what_the_settings_say(served):
    settings(served, 'largest_body = "2KiB"', "most_rows = 3", 'rate = "40/h"')
    rows = [served.request(n) for n in range(4)]
    with serving(served) as url, httpx.Client(base_url=url) as client:
        assert client.post(PREDICT, json={"rows": rows[:3]}).status_code == 200
        for path in (PREDICT, EXPLAIN):
            answer = client.post(path, json={"rows": rows})
            assert answer.status_code == 413 and answer.json()["errors"][0]["field"] == "rows"
        outcomes = [{"id": "x", "outcome": True}] * 4
        assert client.post(OUTCOMES, json={"outcomes": outcomes}).json()["errors"][0]["field"] == "outcomes"
        for size, status in ((2 << 10, 400), ((2 << 10) + 1, 413), (60 << 10, 413)):
            answer = client.post(
                PREDICT, content=b"[" + b" " * (size - 1), headers={"content-type": "application/json"}
            )
            assert answer.status_code == status
        assert "2KiB" in answer.json()["detail"]
        for depth, status in ((32, 422), (33, 400)):
            deep = b'{"rows": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
            for path in (PREDICT, EXPLAIN, OUTCOMES):
                answer = client.post(path, content=deep, headers={"content-type": "application/json"})
                assert answer.status_code == status, answer.text
                assert ("nested deeper" in answer.text) == (status == 400)
        statuses = [client.post(PREDICT, json={"rows": rows[:1]}).status_code for _ in range(40)]
        assert statuses.count(429) == 40 - (40 - 13) and statuses == sorted(statuses)
        assert client.get("/healthz").status_code == 200


@pytest.mark.skipif(shutil.which("openssl") is None and not os.environ.get("CI"), reason="openssl is not here")
def test_tls(served, tmp_path):
    for name in ("server", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", served.root / f"{name}.key", "-out", served.root / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    text = (served.root / "rondo.toml").read_text()
    settings(served, 'certificate = "server.pem"', 'private_key = "other.key"')
    code, out, told = rondo(served, "serve", "--port", "0")
    assert code == 2 and out == "" and "the private key is not that of the certificate" in told
    (served.root / "rondo.toml").write_text(text)
    settings(served, 'certificate = "server.pem"', 'private_key = "server.key"')
    for workers in ("1", "2"):
        with serving(served, "--workers", workers) as url:
            assert url.startswith("https://")
            trusting = ssl.create_default_context(cafile=served.root / "server.pem")
            with httpx.Client(base_url=url, verify=trusting) as client:
                for _ in range(5):
                    assert client.post(PREDICT, json={"rows": [served.request(1)]}).status_code == 200
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                httpx.get(f"{url}/healthz", verify=ssl.create_default_context(cafile=served.root / "other.pem"))
            with pytest.raises(httpx.HTTPError):
                httpx.get(f"{url.replace('https', 'http')}/healthz")
            old = ssl.create_default_context(cafile=served.root / "server.pem")
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            assert httpx.get(f"{url}/healthz", verify=old).status_code == 200


def test_who_asks_through_a_proxy_is_told_in_the_log(served, tmp_path):
    make(served, "shop", "predict")
    settings(served, 'proxies = ["127.0.0.1"]', 'log = "all"')
    log = tmp_path / "stderr.log"
    forwarded = {"x-forwarded-for": "1.1.1.1, 203.0.113.7", "x-forwarded-proto": "https"}
    with serving(served, log=log) as url:
        assert httpx.get(f"{url}/healthz", headers=forwarded).status_code == 200
    requests = [json.loads(line) for line in log.read_text().splitlines()]
    (line,) = (each for each in requests if each["event"] == "request")
    assert (line["client"], line["scheme"]) == ("203.0.113.7", "https")
