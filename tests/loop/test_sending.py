"""The client that `rondo up --send` asks its own server with."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rondo.errors import Broken
from rondo.loop.sending import Client

KEY = "rondo_abcdefgh_secret"


class Guarded(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        known = self.headers.get("authorization") == f"Bearer {KEY}"
        answer = body if known else b'{"status": 401}'
        self.send_response(200 if known else 401)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Guarded)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_shows_its_key_and_says_where_one_belongs(server: HTTPServer) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    assert Client(url, key=KEY).post("/v1", {"rows": []}) == {"rows": []}
    for key in (None, "rondo_wrong"):
        with pytest.raises(Broken, match="answered 401") as refused:
            Client(url, key=key).post("/v1", {})
        assert "RONDO_KEY" in refused.value.next_step and "wrong" not in json.dumps(refused.value.document())


@pytest.mark.skipif(shutil.which("openssl") is None and not os.environ.get("CI"), reason="openssl is not here")
def test_it_believes_the_certificate_that_the_project_shows(server: HTTPServer, tmp_path: Path) -> None:
    for name in ("own", "other"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=predictions.example", "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem", tmp_path / "own.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}"
    assert Client(url, key=KEY, certificate=tmp_path / "own.pem").post("/v1", {}) == {}
    for other in (tmp_path / "other.pem", None):
        with pytest.raises(Broken, match="did not answer"):
            Client(url, key=KEY, certificate=other).post("/v1", {})
