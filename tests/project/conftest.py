"""A project folder from its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files below one fresh folder, which has a rondo.toml unless one is given; answers the folder."""

    def into(files: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        for name, text in {"rondo.toml": '[project]\nname = "p"\n', **files}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return root

    return into
