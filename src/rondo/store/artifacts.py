"""Artifacts: bytes kept under their own SHA-256, so that what is read is what was written."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from rondo.errors import NotFound, StoreError


class Artifacts(Protocol):
    """Bytes by their hash. The same bytes are kept once."""

    def put(self, data: bytes) -> str:
        """Keeps `data`, and gives its SHA-256 in 64 hexadecimal digits."""
        ...

    def get(self, digest: str) -> bytes:
        """What was kept. Raises NotFound without it, StoreError when the bytes are no longer the same."""
        ...

    def has(self, digest: str) -> bool:
        """Whether it is there."""
        ...


class FolderArtifacts:
    """`Artifacts` in a folder, one file each, in place at once or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """See `Artifacts.put`. The file is on disk before the digest is returned."""
        digest = sha256(data).hexdigest()
        path = self._path(digest)
        if path.exists() and path.stat().st_size == len(data):
            return digest
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data)
        except OSError as error:
            raise StoreError(
                f"Artifact {digest[:12]} ({len(data):,} bytes) could not be written: {error}.",
                next_step="Make room on the disk or mend its permissions.",
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """See `Artifacts.get`."""
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound(
                f"There is no artifact {digest[:12]}.", next_step="Run `rondo doctor`.", facts={"sha256": digest}
            ) from None
        if (found := sha256(data).hexdigest()) != digest:
            raise StoreError(
                f"Artifact {digest[:12]} was changed: its {len(data):,} bytes have the SHA-256 {found[:12]}.",
                next_step="Bring the file back from a copy, or train again.",
                facts={"sha256": digest, "found": found},
            )
        return data

    def has(self, digest: str) -> bool:
        """See `Artifacts.has`."""
        return self._path(digest).exists()

    def _path(self, digest: str) -> Path:
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise StoreError(f"{digest!r} is not a SHA-256.")
        return self._folder / digest[:2] / digest


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name, too
        finally:
            os.close(folder)
    finally:
        partial.unlink(missing_ok=True)
