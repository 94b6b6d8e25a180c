"""What a function of the project says, and what it reaches: the Python side of a definition fingerprint."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path


def code_fingerprint(path: Path, name: str, root: Path) -> str:
    """SHA-256 of the definition `name` in the file `path` and of every definition of the project it reaches.

    Compared as parsed: comments, layout and unrelated definitions change nothing. Names that lead out of the project
    (installed libraries) end the search.
    """
    reached: dict[tuple[str, str], str] = {}
    _reach(path.resolve(), name, root.resolve(), reached, {})
    text = "\n".join(f"{file}:{what}:{reached[file, what]}" for file, what in sorted(reached))
    return hashlib.sha256(text.encode()).hexdigest()


def _reach(
    path: Path, name: str, root: Path, reached: dict[tuple[str, str], str], modules: dict[Path, dict[str, ast.stmt]]
) -> None:
    definitions = modules.setdefault(path, _definitions(path))
    mark = (path.relative_to(root).as_posix(), name)
    if name not in definitions or mark in reached:
        return
    node = definitions[name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        target = _project_file(node, name, path, root)
        if target is not None:
            reached[mark] = ast.dump(node)
            _follow_import(node, name, target, root, reached, modules)
        return
    reached[mark] = ast.dump(node)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            _reach(path, inner.id, root, reached, modules)


def _follow_import(
    node: ast.Import | ast.ImportFrom,
    name: str,
    target: Path,
    root: Path,
    reached: dict[tuple[str, str], str],
    modules: dict[Path, dict[str, ast.stmt]],
) -> None:
    if isinstance(node, ast.ImportFrom):
        original = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
        _reach(target, original, root, reached, modules)
        return
    for every in modules.setdefault(target, _definitions(target)):
        _reach(target, every, root, reached, modules)


def _definitions(path: Path) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for inner in ast.walk(target):
                    if isinstance(inner, ast.Name):
                        found[inner.id] = node
    return found


def _project_file(node: ast.Import | ast.ImportFrom, name: str, path: Path, root: Path) -> Path | None:
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        start = path.parents[node.level - 1] if node.level else None
    else:
        module = next(alias.name for alias in node.names if (alias.asname or alias.name.split(".")[0]) == name)
        start = None
    parts = module.split(".") if module else []
    for folder in (start,) if start else (path.parent, root):
        for candidate in (
            folder.joinpath(*parts).with_suffix(".py") if parts else None,
            folder.joinpath(*parts, "__init__.py"),
        ):
            if candidate is not None and candidate.is_file() and candidate.is_relative_to(root):
                return candidate
    return None
