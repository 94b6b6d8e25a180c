"""Real receivers on this machine: HTTP that does what it is told, and an SMTP sink that speaks STARTTLS."""

from __future__ import annotations

import os
import shutil
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Answer = Callable[[int], int | float]
"""What the n-th request (from 0) gets: a status, or as a float the seconds for which it hangs."""


@dataclass
class Inbox:
    url: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def _http(answer: Answer = lambda n: 202) -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.got.append((self.path, dict(self.headers), body))
            told = answer(len(inbox.got) - 1)
            if isinstance(told, float):
                inbox.stop.wait(told)
                return
            if told < 300:
                inbox.accepted.append(body)
            self.send_response(told)
            self.send_header("Content-Length", "0")
            if told == 302:
                self.send_header("Location", inbox.url + "/elsewhere")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a sender that is killed leaves broken pipes

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    inbox.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        inbox.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@contextmanager
def _smtp(
    tls: ssl.SSLContext, *, starttls: bool = True, implicit: bool = False, rejects: bool = False
) -> Iterator[Mailbox]:
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def secure(self) -> None:
            self.connection = tls.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")
            self.wfile.flush()

        def handle(self) -> None:
            if implicit:
                self.secure()
            self.say("220 sink")
            while line := self.rfile.readline().decode().strip():
                box.said.append(line)
                verb = line.split()[0].upper()
                if verb == "EHLO":
                    self.say("250-sink")
                    self.say("250-AUTH PLAIN")
                    self.say("250 STARTTLS" if starttls else "250 OK")
                elif verb == "STARTTLS":
                    self.say("220 go")
                    self.secure()
                elif verb == "AUTH":
                    self.say("235 yes")
                elif verb == "RCPT" and rejects:
                    self.say("550 no such person")
                elif verb == "DATA":
                    self.say("354 go on")
                    lines = []
                    while (text := self.rfile.readline()) != b".\r\n":
                        lines.append(text)
                    box.mails.append(b"".join(lines))
                    self.say("250 taken")
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 OK")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a sender that does not trust it hangs up

    server = Server(("127.0.0.1", 0), Handler)
    box.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def http_receiver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[Inbox]]:
    monkeypatch.setenv("no_proxy", "*")
    return _http


@pytest.fixture
def smtp_receiver() -> Callable[..., AbstractContextManager[Mailbox]]:
    return _smtp


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, and a client's that trusts it alone."""
    if shutil.which("openssl") is None and not os.environ.get("CI"):
        pytest.skip("openssl is not here")
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "pem", folder / "key"
    how = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=sink"]
    subprocess.run(
        ["openssl", "req", *how, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", pem],
        check=True, capture_output=True,
    )  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, key)
    return server, ssl.create_default_context(cafile=str(pem))
