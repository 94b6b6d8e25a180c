from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.errors import NotFound, StoreError
from rondo.store.artifacts import Artifacts, FolderArtifacts


class ArtifactsContract:
    """What every keeper of artifacts keeps."""

    def make(self, folder: Path) -> Artifacts:
        raise NotImplementedError

    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> Artifacts:
        return self.make(tmp_path)

    def test_gives_back_what_was_put(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        artifacts = self.make(tmp_path_factory.mktemp("artifacts"))

        @given(st.binary())
        def same(data: bytes) -> None:
            digest = artifacts.put(data)
            assert digest == sha256(data).hexdigest() == artifacts.put(data)
            assert artifacts.has(digest) and artifacts.get(digest) == data

        same()

    def test_a_miss(self, artifacts: Artifacts) -> None:
        assert not artifacts.has("0" * 64)
        with pytest.raises(NotFound, match="000000000000"):
            artifacts.get("0" * 64)
        for wrong in ("", "../../etc/passwd", "0" * 63, "A" * 64):
            with pytest.raises(StoreError, match="not a SHA-256"):
                artifacts.get(wrong)


class TestFolder(ArtifactsContract):
    def make(self, folder: Path) -> Artifacts:
        return FolderArtifacts(folder / "artifacts")

    def file(self, folder: Path) -> Path:
        [file] = (path for path in folder.rglob("*") if path.is_file())
        return file

    def test_reading_creates_nothing(self, tmp_path: Path) -> None:
        self.make(tmp_path).has("0" * 64)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("data", [b"modeL", b"mode", b"", b"model and more"])
    def test_changed_bytes_are_refused(self, tmp_path: Path, data: bytes) -> None:
        artifacts = self.make(tmp_path)
        digest = artifacts.put(b"model")
        self.file(tmp_path).write_bytes(data)
        with pytest.raises(StoreError, match=f"{digest[:12]} was changed"):
            artifacts.get(digest)

    def test_a_truncated_file_is_mended_by_putting_again(self, tmp_path: Path) -> None:
        artifacts = self.make(tmp_path)
        digest = artifacts.put(b"model")
        self.file(tmp_path).write_bytes(b"mod")
        artifacts.put(b"model")
        assert artifacts.get(digest) == b"model"

    def test_a_failed_write_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        artifacts = self.make(tmp_path)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            artifacts.put(b"model")
        assert not any(path.is_file() for path in tmp_path.rglob("*"))
