"""The floors of the architecture: a package imports only from floors below, and none is left out."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "rondo"
WRITTEN_NOWHERE = {"utils", "helpers", "common", "core", "manager", "handler", "base"}


def files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if "templates" not in path.parts)


def test_the_floors_hold(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    told = capsys.readouterr().out
    assert status == EXIT_STATUS_SUCCESS, told
    assert "floors KEPT" in told


def test_the_contract_is_exhaustive_and_has_no_exceptions() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [contract] = linter["contracts"]
    assert contract["exhaustive"] is True
    assert {"ignore_imports", "exhaustive_ignores", "unmatched_ignore_imports_alerting"}.isdisjoint(contract)
    assert "ignore_imports" not in linter


def test_our_own_modules_are_imported_at_the_top_of_files() -> None:
    """But for the command line's lazy commands and the root's attributes, which import by name."""
    inside = []
    for path in files():
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                inside += [f"{path.relative_to(SOURCE)}:{node.lineno}" for node in ast.walk(function) if _is_ours(node)]
    assert [place for place in inside if not place.startswith("cli/")] == []


def _is_ours(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "rondo" for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.level > 0 or (node.module or "").split(".")[0] == "rondo"
    return False


def test_nothing_imports_the_root_package_from_inside() -> None:
    found = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if "rondo" in names or (isinstance(node, ast.ImportFrom) and node.module == "rondo"):
                found.append(path.relative_to(SOURCE).parts[0])
    assert set(found) <= {"cli"}


def test_files_are_nouns_and_short() -> None:
    stems = {path.stem for path in files()} | {path.parent.name for path in files()}
    assert stems.isdisjoint(WRITTEN_NOWHERE)
    assert {path.relative_to(SOURCE).as_posix(): lines for path in files() if (lines := _lines(path)) > 500} == {}


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_the_inside_of_a_package_is_imported_from_its_modules() -> None:
    """A package's own `__init__` says what it is, and no more."""
    for path in SOURCE.glob("*/__init__.py"):
        body = ast.parse(path.read_text()).body
        if path.parent.name != "cli":
            assert len(body) == 1 and ast.get_docstring(ast.parse(path.read_text())), path
