"""A typed Python package that asks one model, written from its signature for those who build applications on it."""

from __future__ import annotations

import json
import keyword
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from rondo.errors import WrongUse
from rondo.features.signature import Column, Signature, kind_of

MARK = "Written by `rondo export`"
"""Stands in what was written here, so that only it is written over."""
_TYPES: Mapping[str, str] = {"number": "float", "boolean": "bool", "text": "str", "moment": "datetime"}
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_SOURCE = files("rondo.deploy") / "client"


@dataclass(frozen=True)
class _Field:
    """A field of a row: its column, its name and type in Python, whether a row must say it, an example as Python."""

    column: str
    python: str
    type: str
    required: bool
    about: str
    example: str | None


@dataclass(frozen=True)
class _Output:
    name: str
    type: str
    about: str


def write_client(
    signature: Signature, *, version: str, project: str, summary: str | None, example: Mapping[str, object], out: Path
) -> str:
    """Write the package for `version` (late@7) into the folder `out`; gives the SHA-256 of its files.

    `example` is a row that the model answers. A folder that was written by this before is replaced whole; raises
    WrongUse for any other that is not empty, and for a model whose fields cannot be told apart as Python names.
    """
    from jinja2 import Environment, StrictUndefined

    fields = _fields(signature, example)
    package = python_name(f"{signature.model}_client")
    told = " ".join((summary or f"The model {signature.model} of {project}.").split())
    values = {
        "mark": MARK,
        "model": signature.model,
        "name": "".join(part[:1].upper() + part[1:] for part in re.split(r"[_\W]+", signature.model)),
        "package": package,
        "project": project,
        "version": version,
        "number": version.partition("@")[2],
        "timezone": signature.timezone,
        "fields": fields,
        "outputs": _outputs(signature),
        "truth": "float" if signature.task == "regression" else _label_type(signature),
        "moments": sorted({each.type for each in fields if each.example and each.type in ("date", "datetime")}),
    }
    environment = Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["quoted"] = _quoted

    def written(name: str, summary: str) -> str:
        return environment.from_string((_SOURCE / f"{name}.jinja").read_text("utf-8")).render(values, summary=summary)

    in_a_docstring = told.replace("\\", "\\\\").replace('"""', "'''")
    texts = {
        "README.md": written("README.md", told),
        "pyproject.toml": written("pyproject.toml", told),
        f"src/{package}/__init__.py": written("module.py", in_a_docstring),
        f"src/{package}/connection.py": (_SOURCE / "connection.py").read_text("utf-8"),
        f"src/{package}/py.typed": "",
    }
    _replace(out, texts)
    return sha256("\0".join(f"{name}\0{text}" for name, text in sorted(texts.items())).encode()).hexdigest()


def python_name(text: str) -> str:
    """A name of a column as Python can write it: `from` as `from_`, `2nd class` as `_2nd_class`."""
    kept = (each if f"_{each}".isidentifier() else " " for each in unicodedata.normalize("NFKC", text))
    name = "_".join("".join(kept).split()) or "_"
    name = name if name.isidentifier() else f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name == "fields" else name


def _fields(signature: Signature, example: Mapping[str, object]) -> list[_Field]:
    """Every field that a row may bring: those that must be said first, what only names the example after them."""
    columns = [*signature.request]
    if signature.time:
        columns.append(Column(name=signature.time, type="TIMESTAMP WITH TIME ZONE"))
    found: dict[str, _Field] = {}
    for column in columns:
        name = python_name(column.name)
        if name in found:
            raise WrongUse(
                f"{signature.model} has the fields {found[name].column!r} and {column.name!r}, which Python would both "
                f"call {name}.",
                next_step="Rename one of them in the SQL of the examples.",
            )
        asked = _required(signature, column)
        shown = _literal(column, example.get(column.name)) if asked or column.name in example else None
        found[name] = _Field(column.name, name, _type(column), asked, _about(signature, column), shown)
    return sorted(found.values(), key=lambda each: not each.required)


def _type(column: Column) -> str:
    if column.type.upper() == "DATE":
        return "date"
    if column.type.upper().removeprefix("U") in _WHOLE:
        return "int"
    return _TYPES.get(kind_of(column.type), "str")


def _required(signature: Signature, column: Column) -> bool:
    """Whether a row must say it, be it as None: what the model is fed or looks up by, and not what only names it."""
    asked = {each.name for each in signature.inputs} | {name for each in signature.lookups for _, name in each.on}
    return column.name in asked and column.name != signature.time


def _about(signature: Signature, column: Column) -> str:
    if column.name == signature.time:
        return "the moment that is asked for; without it, now"
    tables = [each.table for each in signature.lookups if column.name in {asked for _, asked in each.on}]
    said = ["an input"] if column.name in {each.name for each in signature.inputs} else []
    said += [f"looks up {', '.join(tables)}"] if tables else []
    said += ["identifies the example"] if column in signature.key else []
    return "; ".join(said)


def _label_type(signature: Signature) -> str:
    return " | ".join(sorted({type(each).__name__ for each in signature.classes})) or "object"


def _outputs(signature: Signature) -> list[_Output]:
    """What a prediction says."""
    name = signature.label.name
    if signature.task == "regression":
        return [_Output("value", "float", f"what {name} is expected to be")]
    label = _Output("label", _label_type(signature), f"what {name} is taken to be")
    if signature.task == "binary":
        positive = signature.classes[-1] if signature.classes else True
        return [_Output("score", "float", f"the probability that {name} is {positive!r}"), label]
    return [_Output("scores", "Mapping[str, float]", "the probability of each class"), label]


def _literal(column: Column, value: object) -> str:
    """A value as Python is written."""
    kind = _type(column)
    if value is not None and kind in ("date", "datetime"):
        return f"{kind}.fromisoformat({_quoted(str(value).replace('Z', '+00:00'))})"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    """Text in double quotes, as Python and TOML both read it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _replace(out: Path, texts: Mapping[str, str]) -> None:
    """The whole folder or nothing of it."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and MARK not in _read(out / "README.md"))):
        raise WrongUse(
            f"{out} is there already, and was not written by `rondo export`.", next_step="Name another with --out."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        for name, text in texts.items():
            file = made / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        made.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        made.replace(out)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
