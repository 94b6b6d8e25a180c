"""What a function of the project says, and what it reaches: the Python side of a definition fingerprint."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from rondo.errors import DeclarationError

_EVERY = "*"


def code_fingerprint(path: Path, name: str, root: Path, *, argument: str | None = None) -> str:
    """SHA-256 of the definition `name` in the file `path` and of every definition of the project it reaches.

    Compared as parsed: comments, layout and unrelated definitions change nothing. Names that lead out of the project
    (installed libraries) end the search. With `argument`, of that keyword argument alone in the call that `name` is
    set to, where there is one. Raises DeclarationError for a file that is not Python.
    """
    reach = _Reach(root.resolve())
    path = path.resolve()
    given = _argument(reach.module(path).get(name, []), argument)
    if given is None:
        reach.definition(path, name)
    else:
        reach.found[reach.shown(path), f"{name}({argument})"] = ast.dump(given)
        reach.inside(path, given)
    text = "\n".join(f"{file}:{what}:{reach.found[file, what]}" for file, what in sorted(reach.found))
    return hashlib.sha256(text.encode()).hexdigest()


class _Reach:
    """The definitions reached so far, by file and name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.found: dict[tuple[str, str], str] = {}
        self.sought: set[tuple[str, str]] = set()
        self.modules: dict[Path, dict[str, list[ast.stmt]]] = {}

    def shown(self, path: Path) -> str:
        """The file as the fingerprint names it: the same in every folder."""
        return path.relative_to(self.root).as_posix()

    def module(self, path: Path) -> dict[str, list[ast.stmt]]:
        """The statements of a file by the names that they set."""
        if path not in self.modules:
            named: dict[str, list[ast.stmt]] = {}
            for statement in self._parsed(path):
                for name in dict.fromkeys(_set_by(statement)):
                    named.setdefault(name, []).append(statement)
            self.modules[path] = named
        return self.modules[path]

    def _parsed(self, path: Path) -> list[ast.stmt]:
        try:
            return ast.parse(path.read_text(encoding="utf-8-sig")).body
        except (SyntaxError, ValueError) as error:
            raise DeclarationError(
                f"{self.shown(path)} is not Python: {error}.",
                next_step="Mend the file.",
                file=self.shown(path),
                line=error.lineno if isinstance(error, SyntaxError) else None,
            ) from error

    def definition(self, path: Path, name: str) -> None:
        """Follow a name of a file, whatever sets it there."""
        mark = (self.shown(path), name)
        statements = self.module(path).get(name, [])
        if mark in self.sought:
            return
        self.sought.add(mark)
        if not statements:
            for statement in self.module(path).get(_EVERY, []):
                self.imported(path, statement, name)
            return
        imports = [statement for statement in statements if isinstance(statement, ast.Import | ast.ImportFrom)]
        own = [statement for statement in statements if statement not in imports]
        self.found[mark] = "\n".join(map(ast.dump, own))
        for statement in imports:
            self.imported(path, statement, name)
        for statement in own:
            self.inside(path, statement)

    def inside(self, path: Path, node: ast.AST) -> None:
        """Follow every name and every import in a piece of code."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                self.definition(path, inner.id)
            elif isinstance(inner, ast.Import | ast.ImportFrom):
                for alias in inner.names:
                    self.imported(path, inner, _bound(alias))

    def imported(self, path: Path, node: ast.stmt, name: str) -> None:
        """Follow the name that an import of a file sets."""
        assert isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names:
            if alias.name != _EVERY and _bound(alias) != name:
                continue
            level, package = (node.level, node.module or "") if isinstance(node, ast.ImportFrom) else (0, alias.name)
            self.found[self.shown(path), f"import {name}"] = f"{level}:{package}:{alias.name}"
            target = self._file(package, level, path)
            if isinstance(node, ast.Import):
                self._whole(target)
                continue
            self._whole(self._file(f"{package}.{alias.name}".lstrip("."), level, path))
            if target is not None:
                self.definition(target, name if alias.name == _EVERY else alias.name)

    def _whole(self, path: Path | None) -> None:
        for name in list(self.module(path)) if path is not None else ():
            if path is not None and name != _EVERY:
                self.definition(path, name)

    def _file(self, module: str, level: int, path: Path) -> Path | None:
        """The file of a module, if it is the project's."""
        parts = module.split(".") if module else []
        for folder in (path.parents[level - 1],) if level else (path.parent, self.root):
            whole = folder.joinpath(*parts)
            for candidate in (whole.with_suffix(".py"), whole / "__init__.py"):
                if candidate.is_file() and candidate.is_relative_to(self.root):
                    return candidate
        return None


def _bound(alias: ast.alias) -> str:
    """The name that an import sets."""
    return alias.asname or alias.name.split(".")[0]


def _set_by(node: ast.AST) -> Iterator[str]:
    """The names that a statement at the top of a file sets, in branches too."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from map(_bound, node.names)
    else:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        for child in ast.iter_child_nodes(node):
            yield from _set_by(child)


def _argument(statements: list[ast.stmt], argument: str | None) -> ast.expr | None:
    """The value of a keyword argument in the call that a name is set to."""
    for statement in reversed(statements):
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Call):
            return next((keyword.value for keyword in statement.value.keywords if keyword.arg == argument), None)
    return None
