"""The certificate that the server shows: checked before it serves, taken anew when its files are renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

from rondo.errors import WrongUse
from rondo.project.serving import Serving

RENEWED_S = 10.0
"""How often the files are looked at."""
REASONS = {
    "KEY_VALUES_MISMATCH": "the private key is not that of the certificate",
    "KEY_TYPE_MISMATCH": "the private key is not that of the certificate",
    "NO_START_LINE": "there is no certificate, or no private key, in PEM in it",
    "PEM_LIB": "there is no certificate, or no private key, in PEM in it",
    "KEY_TOO_SMALL": "the key is too short",
}
"""OpenSSL's words and ours."""


class Certificate:
    """A certificate and its private key, from PEM files. Raises WrongUse where they cannot be used."""

    def __init__(self, certificate: Path, private_key: Path | None) -> None:
        self._files = (certificate, private_key)
        self.context = self._loaded()
        self._stamp = self._stamped()

    def renew(self) -> bool:
        """Takes files that have changed; says whether they had. Raises WrongUse; the certificate before stays."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return False
        self._stamp = stamp  # told once, not at every look
        self._loaded()
        self.context.load_cert_chain(*self._files, password="")
        return True

    def _loaded(self) -> ssl.SSLContext:
        """A context of its own, so that files which do not belong together leave the one at work as it is."""
        certificate, private_key = self._files
        for file in (certificate, private_key or certificate):
            try:
                locked = b"ENCRYPTED" in file.read_bytes()
            except OSError as error:
                raise _wrong(f"{file.name} cannot be read: {error.strerror}.") from error
            if locked:
                raise _wrong(f"{file.name} holds an encrypted private key.")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, private_key, password="")  # without one OpenSSL asks at the terminal
        except (ssl.SSLError, OSError, ValueError) as error:
            names = " and ".join(dict.fromkeys(file.name for file in self._files if file))
            raise _wrong(f"{names} cannot be used: {_reason(error)}.") from error
        return context

    def _stamped(self) -> list[tuple[int, int]]:
        """When the files were written, and how large they are."""
        try:
            found = [file.stat() for file in self._files if file]
        except OSError:
            return []
        return [(stat.st_mtime_ns, stat.st_size) for stat in found]


def certificate_of(serving: Serving, root: Path) -> Certificate | None:
    """The certificate that `[serving]` names, its files below `root` unless they are absolute. Raises WrongUse."""
    if serving.certificate is None:
        return None
    return Certificate(root / serving.certificate, root / serving.private_key if serving.private_key else None)


def _reason(error: Exception) -> str:
    said = (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")
    return next((reason for sign, reason in REASONS.items() if sign in said), said.replace("_", " ").lower())


def _wrong(message: str) -> WrongUse:
    return WrongUse(message, next_step="See certificate and private_key under [serving] in rondo.toml.")
