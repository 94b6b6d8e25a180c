"""What is asked for is loaded, and nothing else: counted in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "alembic", "altair", "deltalake", "duckdb", "jinja2", "lightgbm", "numpy", "optuna", "pandas", "pyarrow", "scipy",
    "sklearn", "sqlalchemy", "sqlglot", "starlette", "uvicorn",
}  # fmt: skip
PROBE = "import json, sys; print(json.dumps(sorted(sys.modules)))"
HELP = """
import contextlib, io, json, sys
from rondo.cli import main
sys.argv = ["rondo", *{words!r}]
with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
    main()
assert {said!r} in told.getvalue(), told.getvalue()
print(json.dumps(sorted(sys.modules)))
"""


def loaded(program: str, folder: Path) -> set[str]:
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return loaded(PROBE, tmp_path_factory.mktemp("bare"))


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "rondo"}


def heavy(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} & HEAVY


def test_import_rondo_loads_the_root_alone(bare: set[str], tmp_path: Path) -> None:
    found = loaded(f"import rondo; {PROBE}", tmp_path)
    assert own(found) == {"rondo"}
    assert len(found - bare) <= 20


def test_declaring_loads_what_is_declared_with_and_nothing_heavy(bare: set[str], tmp_path: Path) -> None:
    program = f"import rondo as rd; rd.Source(rd.files('x'), checks=[rd.unique('a')]); rd.binary('y'); {PROBE}"
    found = loaded(program, tmp_path)
    assert not heavy(found) and len(own(found)) <= 8
    assert len(found - bare) <= 60


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--help"], "The whole machine-learning loop"), (["run", "--help"], "Bring everything up to date")],
)
def test_help_loads_nothing_heavy(bare: set[str], tmp_path: Path, words: list[str], said: str) -> None:
    found = loaded(HELP.format(words=words, said=said), tmp_path)
    assert not heavy(found) and len(own(found)) <= 8
    assert len(found - bare) <= 400


def test_the_public_names_are_those_that_can_be_had() -> None:
    import rondo

    assert sorted(rondo.__all__) == rondo.__all__ == dir(rondo)
    assert all(getattr(rondo, name) is not None for name in rondo.__all__)
    with pytest.raises(AttributeError, match="it has: Model, Source"):
        _ = rondo.nothing
