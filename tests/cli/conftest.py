"""Commands, called as the program calls them."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from rondo.cli.app import run_app

Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rondo() -> Called:
    """What a command exits with, prints, and complains of."""

    def called(root: Path, *arguments: str) -> tuple[int, str, str]:
        out, told = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(told), chdir(root), pytest.raises(SystemExit) as ended:
            run_app([*arguments])
        assert "Traceback" not in told.getvalue(), told.getvalue()
        return int(ended.value.code or 0), out.getvalue(), told.getvalue()

    return called
