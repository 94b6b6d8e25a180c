"""A project that has gone round the loop: two versions, answers, outcomes, measurements, people, documents."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from rondo.cli.app import run_app
from rondo.handbook.questions.desk import Desk
from rondo.language.catalogues import Code
from rondo.language.words import Language
from rondo.loop.workplace import open_workplace

Called = tuple[int, str, str]
PEOPLE = """
[people.data_engineer]
name = "Dana"
contact = "dana@example.com"

[people.data_scientist]
name = "Sam"
contact = "sam@example.com"
"""
CARD = "---\nkind: data_card\nowner: data_engineer\nstate: draft\n---\n# Data\n\n## Where it comes from\n\nThe shop.\n"
METRICS = """
import rondo as rd

@rd.metric(task="binary")
def flagged(y_true, y_score, y_label):
    return float(y_label.mean())
"""


def _call(root: Path, arguments: Sequence[str]) -> Called:
    """What a command exits with, prints, and complains of."""
    out, told = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(told), chdir(root), pytest.raises(SystemExit) as ended:
        run_app([*arguments])
    return int(ended.value.code or 0), out.getvalue(), told.getvalue()


@pytest.fixture(scope="session")
def round_files(long_shop_files: Mapping[str, str]) -> dict[str, str]:
    """What the project holds at its end."""
    return {
        **long_shop_files,
        "rondo.toml": long_shop_files["rondo.toml"] + PEOPLE,
        "docs/data_card.md": CARD,
        "metrics.py": METRICS,
    }


@pytest.fixture(scope="session")
def shop_round(round_files: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project; whoever changes it takes a copy."""
    root = tmp_path_factory.mktemp("round") / "project"
    for name, text in round_files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    row = json.dumps({"shop": "A", "distance": 3.5, "asked_at": "2024-03-10T09:00:00"})
    for arguments in (
        ["run", "--as-of", "2024-02-20"],
        ["run"],
        ["predict", "late", "--row", row],
        ["monitor", "late"],
    ):
        code, out, told = _call(root, arguments)
        assert code in (0, 1), (arguments, out, told)
    return root


@pytest.fixture(scope="session")
def call() -> Callable[[Path, Sequence[str]], Called]:
    """Calls a command inside a project."""
    return _call


@pytest.fixture
def desk() -> Callable[..., Desk]:
    """A desk over a project, for a reader of a language."""

    def at(root: Path, code: Code = "en", model: str | None = None) -> Desk:
        work = open_workplace(root, readonly=True, by="test")
        return Desk(work, Language(code, work.project.settings.timezone), model)

    return at
