"""A project folder read into frozen declarations."""

from __future__ import annotations

import dataclasses
import re
import sys
import traceback
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeVar

from rondo.errors import DeclarationError, NotFound, RondoError
from rondo.project.headers import Header, parse_header
from rondo.project.metrics import CustomMetric
from rondo.project.models import Model
from rondo.project.requirements import Requirement, parse_requirement
from rondo.project.settings import FILE, Settings, read_settings
from rondo.project.sources import Source
from rondo.project.tables import NAME, Table, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

_D = TypeVar("_D", Source, Model)
_T = TypeVar("_T")
TEST = "test"
UNDECIDED = ("block", "canary", "sign")
PRD_KEYS = ("kind", "model", "owner", "undecided", "requirements", "state", "title")
_SAYS_PRD = re.compile(r"""\bkind["']?:[^\w\n]*prd\b""")
_FRONT = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Prd:
    """The requirements of a model. `undecided` says what an undecided gate allows."""

    file: str
    model: str
    requirements: tuple[Requirement, ...]
    owner: str | None = None
    undecided: Literal["block", "canary", "sign"] = "block"


@dataclass(frozen=True)
class TestSet:
    """Rows set apart for evaluation: a query over an examples table, or a file of inputs and label, or of scores."""

    __test__ = False

    name: str
    file: str
    kind: Literal["sql", "csv", "jsonl"]
    sql: str | None = None


@dataclass(frozen=True)
class Project:
    """Everything a project folder declares. Nothing here touches a store."""

    root: Path
    settings: Settings
    sources: Mapping[str, Source]
    tables: Mapping[str, Table]
    models: Mapping[str, Model]
    prds: Mapping[str, Prd]
    testsets: Mapping[str, TestSet]
    metrics: Mapping[str, CustomMetric]

    @cached_property
    def names(self) -> frozenset[str]:
        """Every source and table."""
        return frozenset(self.sources) | frozenset(self.tables)

    def model(self, name: str) -> Model:
        """The model `name`; NotFound lists those there are."""
        if name not in self.models:
            raise NotFound.among("model", name, list(self.models))
        return self.models[name]

    def owner_of(self, name: str) -> str | None:
        """Who owns a source, table or model."""
        for group in (self.sources, self.tables, self.models):
            if name in group:
                owner: str | None = group[name].owner
                return owner
        return None


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` with a rondo.toml."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / FILE).is_file():
            return folder
    raise DeclarationError(
        f"There is no project at {start}: neither it nor a folder above it has a {FILE}.",
        next_step="Go to a project's folder, name one with --project, or make one with `rondo init DIR`.",
    )


def read_project(root: Path) -> Project:
    """Read the project in `root`; raises DeclarationError with file and line."""
    root = root.resolve()
    settings = read_settings(root)
    sources = _sources(root)
    tables = {path.stem: read_table(path, root) for path in sorted((root / "tables").glob("*.sql"))}
    _refuse_same_names(sources, tables)
    models = _models(root)
    testsets = _testsets(root)
    metrics = _declared(root / "metrics.py", root, CustomMetric) if (root / "metrics.py").is_file() else {}
    project = Project(
        root=root,
        settings=settings,
        sources=MappingProxyType(sources),
        tables=MappingProxyType(tables),
        models=MappingProxyType(models),
        prds=MappingProxyType(_prds(root, models, testsets)),
        testsets=MappingProxyType(testsets),
        metrics=MappingProxyType({metric.name: metric for metric in metrics.values()}),
    )
    for model in models.values():
        if model.name in project.names:
            raise DeclarationError(
                f"{model.name!r} is a model, and a source or a table as well: `rondo run` would not know which.",
                next_step="Give one of them another name.",
                file=model.file,
                line=model.line,
            )
        _refuse_unknown_names(model, project)
    return project


def _refuse_same_names(sources: Mapping[str, Source], tables: Mapping[str, Table]) -> None:
    """SQL does not tell names apart by letter case, so no two may differ in it alone."""
    taken = {name.casefold(): name for name in sources}
    for name, table in tables.items():
        other = taken.setdefault(name.casefold(), name)
        if other in sources or other != name:
            what = "differ only in letter case" if other not in sources else "are a source and a table of one name"
            raise DeclarationError(
                f"{other!r} and {name!r} {what}.",
                next_step="Give one of them another name.",
                file=table.file,
                line=1,
            )


def _refuse_unknown_names(model: Model, project: Project) -> None:
    def wrong(message: str, next_step: str) -> DeclarationError:
        return DeclarationError(message, next_step=next_step, file=model.file, line=model.line)

    examples = project.tables.get(model.examples)
    if examples is None:
        there = ", ".join(sorted(name for name, table in project.tables.items() if table.is_examples)) or "none"
        raise wrong(
            f"The model {model.name} is trained on {model.examples!r}, which is no table; examples tables: {there}.",
            f"Write tables/{model.examples}.sql, or name another table.",
        )
    if not examples.is_examples:
        raise wrong(
            f"{model.examples} declares no label.", f"Add `label: {model.task.label}` to the header of {examples.file}."
        )
    if examples.label != model.task.label:
        raise wrong(
            f"The model {model.name} predicts {model.task.label!r}, "
            f"but the label of {model.examples} is {examples.label!r}.",
            f"Use the same column in {model.file} and {examples.file}.",
        )
    if model.split.kind == "time" and not examples.time:
        raise wrong(
            f"{model.examples} has no time to split by.", f"Declare time: in {examples.file}, or use rd.random(…)."
        )
    for looked_up in model.features:
        table = project.tables.get(looked_up.table)
        if table is None:
            raise wrong(
                f"The model {model.name} looks up {looked_up.table!r}, which is no table; "
                f"there are: {', '.join(sorted(project.tables))}.",
                f"Write tables/{looked_up.table}.sql, or name another table.",
            )
        if not table.key:
            raise wrong(f"{looked_up.table} has no key to be looked up by.", f"Declare key: in {table.file}.")
        if unknown := [column for column, _ in looked_up.on if column not in table.key]:
            raise wrong(
                f"on= names {unknown[0]!r}, which is not in the key of {looked_up.table} ({', '.join(table.key)}).",
                'Write on={"table\'s key column": "column of the examples"}.',
            )


def _sources(root: Path) -> dict[str, Source]:
    path = root / "sources.py"
    if not path.is_file():
        return {}
    return _named(_declared(path, root, Source), path, root)


def _models(root: Path) -> dict[str, Model]:
    models: dict[str, Model] = {}
    for path in sorted((root / "models").glob("*.py")):
        for name, model in _named(_declared(path, root, Model), path, root).items():
            if name in models:
                raise DeclarationError(
                    f"The model {name!r} stands in {models[name].file} and in {model.file}.",
                    next_step="Give one of them another name.",
                    file=model.file,
                    line=model.line,
                )
            models[name] = model
    return models


def _named(declared: Mapping[str, _D], path: Path, root: Path) -> dict[str, _D]:
    """Declarations with the name, file and line of the variable they stand in."""
    file = path.relative_to(root).as_posix()
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    named: dict[str, _D] = {}
    for name, value in declared.items():
        line = next((n for n, text in enumerate(lines, 1) if re.match(rf"{re.escape(name)}\s*(:[^=]+)?=", text)), None)
        named[name] = _with(value, name=name, file=file, line=line)
    return named


def _with(declaration: _D, **values: object) -> _D:
    copy = object.__new__(type(declaration))
    for field in dataclasses.fields(declaration):
        object.__setattr__(copy, field.name, values.get(field.name, getattr(declaration, field.name)))
    return copy


def _declared(path: Path, root: Path, kind: type[_T]) -> dict[str, _T]:
    """Run a declaring file and take the variables that hold a `kind`, in the file's order."""
    file = path.relative_to(root).as_posix()
    scope: dict[str, object] = {"__name__": f"rondo_project.{path.stem}", "__file__": str(path)}
    text = _text(path, file)
    try:
        with _importable(root, path.parent):
            exec(compile(text, str(path), "exec"), scope)  # the project's own declarations
    except (Exception, SystemExit) as error:
        raise _failed(error, file, root) from error
    seen: dict[int, str] = {}
    for name, value in scope.items():
        if isinstance(value, kind) and not name.startswith("_"):
            seen.setdefault(id(value), name)
    return {name: value for name, value in scope.items() if isinstance(value, kind) and seen.get(id(value)) == name}


def _failed(error: BaseException, file: str, root: Path) -> DeclarationError:
    """What went wrong while `file` declared, at the innermost line of the project's own files."""
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((Path(error.filename), error.lineno))
    there, line = next(((path, line) for path, line in reversed(places) if _is_own(path, root)), (root / file, None))
    file = there.relative_to(root).as_posix()
    if isinstance(error, SyntaxError):
        return DeclarationError(f"{file} is not Python: {error.msg}.", next_step="Mend the line.", file=file, line=line)
    message = error.message if isinstance(error, RondoError) else f"{type(error).__name__}: {error}"
    next_step = error.next_step if isinstance(error, RondoError) else "Mend the line and run again."
    return DeclarationError(f"{file}: {message}", next_step=next_step, file=file, line=line)


def _is_own(path: Path, root: Path) -> bool:
    """Whether a file is the project's, and not of an environment that stands in its folder."""
    if not path.is_relative_to(root):
        return False
    return not any(part.startswith(".") or part == "site-packages" for part in path.relative_to(root).parts)


def _text(path: Path, file: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{file} is not UTF-8.", next_step="Save it as UTF-8.", file=file) from error


@contextmanager
def _importable(root: Path, folder: Path) -> Iterator[None]:
    """Let the project's files import one another, and forget what they imported afterwards."""
    added = [str(root), str(folder)]
    before = set(sys.modules)
    sys.path[:0] = added
    try:
        yield
    finally:
        for path in added:
            sys.path.remove(path)
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and _is_own(Path(origin), root):
                del sys.modules[name]


def _prds(root: Path, models: Mapping[str, Model], testsets: Mapping[str, TestSet]) -> dict[str, Prd]:
    prds: dict[str, Prd] = {}
    for path in sorted((root / "docs").glob("*.md")):
        file = path.relative_to(root).as_posix()
        found = _FRONT.match(path.read_text(encoding="utf-8-sig", errors="replace"))
        if found is None:
            continue
        if not _SAYS_PRD.search(found["yaml"]):
            continue  # whatever is wrong with another document stops nothing
        header = parse_header(found["yaml"], file, 2)
        if header.values.get("kind") != "prd":
            continue
        prd = _prd(header, models)
        if prd.model in prds:
            raise header.wrong(
                "model", f"{prd.model!r} has another PRD, {prds[prd.model].file}", "Keep one PRD a model."
            )
        _refuse_unknown_testsets(prd, testsets)
        prds[prd.model] = prd
    return prds


def _refuse_unknown_testsets(prd: Prd, testsets: Mapping[str, TestSet]) -> None:
    for requirement in prd.requirements:
        if requirement.testset not in (None, TEST, *testsets):
            raise DeclarationError(
                f"{prd.file}: {requirement.text!r} is on {requirement.testset!r}; "
                f"test sets: {', '.join(testsets) or 'none'}.",
                next_step="Put its rows into testsets/, or name another; without one it is the test split.",
                file=prd.file,
                line=requirement.line,
            )


def _prd(header: Header, models: Mapping[str, Model]) -> Prd:
    header.refuse_unknown(PRD_KEYS)
    model = header.text("model") or (next(iter(models)) if len(models) == 1 else None)
    if model not in models:
        raise header.wrong(
            "model", f"is {model!r}; there are: {', '.join(sorted(models)) or 'none'}", "Name a model of the project."
        )
    undecided = header.text("undecided") or "block"
    if undecided not in UNDECIDED:
        raise header.wrong("undecided", f"is {undecided!r}; it may be: {', '.join(UNDECIDED)}", "Use one of these.")
    written = header.values.get("requirements") or []
    if not isinstance(written, list) or not all(isinstance(item, str) for item in written):
        raise header.wrong("requirements", "is not a list of lines", "Write one requirement a line, each with a dash.")
    lines = header.item_lines.get("requirements", ())
    requirements = tuple(
        parse_requirement(text, file=header.file, line=line) for text, line in zip(written, lines, strict=True)
    )
    return Prd(header.file, model, requirements, header.text("owner"), undecided)  # type: ignore[arg-type]


def _testsets(root: Path) -> dict[str, TestSet]:
    found: dict[str, TestSet] = {}
    for path in sorted((root / "testsets").glob("*.*")):
        kind = path.suffix[1:]
        file = path.relative_to(root).as_posix()
        if kind not in ("sql", "csv", "jsonl") or path.name.startswith("."):
            continue
        if not NAME.fullmatch(path.stem) or path.stem in found or path.stem == TEST:
            raise DeclarationError(
                f"{file} is not a name for a test set" + (" (there is another)." if path.stem in found else "."),
                next_step="Use letters, digits and _, each name once; `test` is the test split.",
                file=file,
            )
        sql = _text(path, file) if kind == "sql" else None
        found[path.stem] = TestSet(path.stem, file, kind, sql)  # type: ignore[arg-type]  # one of the three
    return found
