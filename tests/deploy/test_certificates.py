"""TLS: files that cannot be used are told before the server is ready; renewed ones are taken while it serves."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from rondo.deploy.certificates import Certificate, certificate_of
from rondo.errors import WrongUse
from rondo.project.serving import Serving

if shutil.which("openssl") is None and not os.environ.get("CI"):
    pytest.skip("openssl is not here", allow_module_level=True)


def sign(folder: Path, name: str = "server", *, kind: str = "ec") -> tuple[Path, Path]:
    """A self-made certificate for localhost."""
    certificate, private_key = folder / f"{name}.pem", folder / f"{name}.key"
    how = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["-newkey", f"rsa:{kind}"]
    more = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", *how, *more, "-keyout", private_key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    return certificate, private_key


def shown_by(context: ssl.SSLContext, trusted: Path) -> str:
    """The name in the certificate that a server with this context shows, to a client that trusts `trusted`."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with context.wrap_socket(theirs, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            pass

    server = threading.Thread(target=serve)
    server.start()
    try:
        client = ssl.create_default_context(cafile=trusted)
        with client.wrap_socket(ours, server_hostname="localhost") as secured:
            return secured.getpeercert()["subject"][0][0][1]
    finally:
        ours.close()
        server.join()


def test_a_client_that_trusts_the_certificate_is_answered(tmp_path):
    certificate, private_key = sign(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(private_key.read_bytes() + certificate.read_bytes())
    assert shown_by(Certificate(certificate, private_key).context, certificate) == "server"
    assert shown_by(Certificate(both, None).context, certificate) == "server"
    other, _ = sign(tmp_path, "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        shown_by(Certificate(certificate, private_key).context, other)


def test_files_are_named_from_the_project(tmp_path):
    certificate, private_key = sign(tmp_path)
    assert certificate_of(Serving(), tmp_path) is None
    for named in (Serving(certificate="server.pem", private_key="server.key"),
                  Serving(certificate=str(certificate), private_key=str(private_key))):  # fmt: skip
        found = certificate_of(named, tmp_path)
        assert found is not None and found.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_what_cannot_be_used_is_told(tmp_path):
    certificate, private_key = sign(tmp_path)
    _, other = sign(tmp_path, "other")
    junk, locked = tmp_path / "junk.pem", tmp_path / "locked.key"
    junk.write_text("no certificate")
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", private_key, "-out", locked, "-passout", "pass:secret"], check=True
    )
    for files, said in [
        ((tmp_path / "none.pem", private_key), r"none\.pem cannot be read: No such file"),
        ((certificate, tmp_path / "none.key"), r"none\.key cannot be read"),
        ((tmp_path, private_key), "cannot be read: Is a directory"),
        ((certificate, other), "the private key is not that of the certificate"),
        ((junk, private_key), r"junk\.pem and server\.key cannot be used"),
        ((certificate, junk), "no private key, in PEM"),
        ((certificate, None), r"server\.pem cannot be used"),
        ((certificate, locked), r"locked\.key holds an encrypted private key"),
    ]:
        with pytest.raises(WrongUse, match=said) as refused:
            Certificate(*files)
        assert str(tmp_path) not in refused.value.message and "[serving]" in refused.value.next_step
        assert not re.search("BEGIN|secret", refused.value.message)


def test_a_renewed_certificate_is_taken_and_a_half_renewed_one_is_not(tmp_path):
    certificate, private_key = sign(tmp_path)
    first, (second, second_key) = tmp_path / "first.pem", sign(tmp_path, "second")
    shutil.copy(certificate, first)
    at_work = Certificate(certificate, private_key)
    assert not at_work.renew()
    shutil.copy(second, certificate)  # the key is still the old one
    with pytest.raises(WrongUse, match="not that of the certificate"):
        at_work.renew()
    assert not at_work.renew()  # told once
    assert shown_by(at_work.context, first) == "server"
    shutil.copy(second_key, private_key)
    assert at_work.renew()
    assert shown_by(at_work.context, second) == "second"
    certificate.unlink()
    with pytest.raises(WrongUse, match="cannot be read"):
        at_work.renew()
    assert shown_by(at_work.context, second) == "second"
