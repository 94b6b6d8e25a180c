"""Pages as files: one HTML that needs nothing else, or a PDF that a browser of this machine prints from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from rondo.errors import Broken
from rondo.handbook.browsers import INSTALL, find_browser

LIMIT_S = 60.0
# Quiet, alone and offline: a page that is saved needs nothing from anywhere, and asks nothing of anyone.
FLAGS = (
    "--headless=new", "--disable-gpu", "--disable-extensions", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--no-pdf-header-footer", "--export-tagged-pdf",
    "--generate-pdf-document-outline",
)  # fmt: skip


def pdf_of(html: str, *, limit_s: float = LIMIT_S, browser: Path | None = None) -> bytes:
    """A saved page (`frame.saved`) as PDF, A4, its pages numbered. Takes a second or two.

    Raises Broken where there is no browser, or it prints nothing within `limit_s`.
    """
    program = browser or find_browser()
    with tempfile.TemporaryDirectory(prefix="rondo-print-", ignore_cleanup_errors=True) as folder:
        page, printed = Path(folder, "page.html"), Path(folder, "page.pdf")
        page.write_text(html, encoding="utf-8")
        command = [str(program), *FLAGS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}"]
        if _as_root():
            command.append("--no-sandbox")  # Chromium refuses to start as root with its sandbox
        said = _run([*command, page.as_uri()], limit_s)
        content = printed.read_bytes() if printed.is_file() else b""
    if not content.startswith(b"%PDF-"):
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
        raise Broken(f"{program.name} printed no PDF: {last[:300]}.", next_step=INSTALL)
    return content


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a reader sees the old one or the new one, never half. Raises Broken."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise Broken(
            f"{path} cannot be written: {error.strerror or error}.",
            next_step="Name a file in a folder that exists, can be written to and has room.",
        ) from error


def _run(command: list[str], limit_s: float) -> str:
    """Run to the end; at the limit the program dies with all that it started. Answers what it said on the side."""
    posix = os.name == "posix"
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            errors="replace", start_new_session=posix,
        )  # fmt: skip
    except OSError as error:
        raise Broken(f"{command[0]} does not start: {error.strerror}.", next_step=INSTALL) from error
    try:
        return process.communicate(timeout=limit_s)[1]
    except subprocess.TimeoutExpired as error:
        raise Broken(
            f"{Path(command[0]).name} did not print the page within {limit_s:g} s.",
            next_step="Try again when the machine has less to do, or save the page as HTML and print it.",
        ) from error
    finally:
        if process.poll() is None:
            if posix:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.communicate()


def _as_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0
