"""What end users read when they ask a model: `use/MODEL.md`, its Korean `use/MODEL.ko.md`, `[use]` of rondo.toml.

The front matter holds the words of the form and of the answer, the text below what it is for and what it is not. All of
it may be left out: names of columns then stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from rondo.errors import DeclarationError
from rondo.project.headers import Header, parse_header
from rondo.project.serving import Wrong

FOLDER = "use"
STYLE = "use/use.css"
"""The one file that gives the page the colours and type of whoever shows it."""
KEYS: Mapping[str, str] = {
    "open": "models that whoever reaches the console may ask at `/use/MODEL` without signing in (none)",
    "embed": "origins whose pages may hold `/use/MODEL` in a frame: `https://intra.example.com` (none)",
}
ANSWER: Mapping[str, str] = {
    "kind": "use",
    "title": "heads the page",
    "question": "what is asked, in one sentence",
    "fields": "a field's words, by column: `label`, `help`, `choices` (a word a value)",
    "rows": "what rows are called, many of them: departures",
    "happens": "what a positive outcome of such rows is, after a number: were late",
    "flagged": "the answer at or above the threshold (binary)",
    "not_flagged": "the answer below it (binary)",
    "expected": "the answer of a regression or of several classes, with {value} in it",
    "reasons": "a feature's words, by its name: `weather.wind_gust: gusts of wind`",
    "button": "the word on the button",
}
_FRONT = re.compile(r"\A---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class FieldWords:
    """How a field of the form is called, what helps to fill it in, and how its values are called."""

    label: str | None = None
    help: str | None = None
    choices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Words:
    """The words of a model's page; what is None was not written."""

    title: str | None = None
    question: str | None = None
    fields: Mapping[str, FieldWords] = field(default_factory=dict)
    rows: str | None = None
    happens: str | None = None
    flagged: str | None = None
    not_flagged: str | None = None
    expected: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    button: str | None = None
    body: str = ""
    file: str | None = None


@dataclass(frozen=True)
class Use:
    """`[use]`, with the defaults filled in."""

    open: tuple[str, ...] = ()
    embed: tuple[str, ...] = ()


def read_use(values: Mapping[str, object], wrong: Wrong) -> Use:
    """The section. `wrong` makes the error of a key: its name, what is wrong, the next step."""
    found: dict[str, tuple[str, ...]] = {}
    for name in KEYS:
        written = values.get(name, ())
        if not isinstance(written, tuple) or not all(isinstance(each, str) for each in written):
            raise wrong(name, f"is {written!r}, not a list", f'Write {name} = ["…"].')
        found[name] = written
    for origin in found["embed"]:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise wrong(
                "embed", f"holds {origin!r}, which is no origin", 'Write embed = ["https://intra.example.com"].'
            )
    return Use(found["open"], found["embed"])


def read_words(root: Path, model: str, code: str) -> Words:
    """The words of a model's page in a language, else those without one, else none. Raises DeclarationError."""
    for name in (f"{model}.{code}.md", f"{model}.md"):
        path = root / FOLDER / name
        if path.is_file():
            return _read(path.read_text(encoding="utf-8-sig", errors="replace"), f"{FOLDER}/{name}")
    return Words()


def _read(text: str, file: str) -> Words:
    front = _FRONT.match(text)
    if front is None:
        return Words(body=text, file=file)
    header = parse_header(front["yaml"], file, 2)
    header.refuse_unknown(tuple(ANSWER))
    kind = header.text("kind")
    if kind not in (None, "use"):
        raise header.wrong("kind", f"is {kind!r}, not use", "Write kind: use, or put the document into docs/.")
    told = {name: header.text(name) for name in ANSWER if name not in ("kind", "fields", "reasons")}
    expected = told["expected"]
    if expected is not None and "{value}" not in expected:
        raise header.wrong("expected", "has no {value} in it", 'Write expected: "It will take {value} minutes."')
    return Words(
        **told,
        fields={name: _field(header, name, each) for name, each in _mapping(header, "fields").items()},
        reasons={name: str(each) for name, each in _mapping(header, "reasons").items()},
        body=text[front.end() :],
        file=file,
    )


def _mapping(header: Header, name: str) -> Mapping[str, object]:
    value = header.values.get(name, {})
    if not isinstance(value, Mapping):
        raise header.wrong(name, f"is {value!r}, not names with words", f"Write {name}: and `name: words` below it.")
    return {str(key): each for key, each in value.items()}


def _field(header: Header, name: str, written: object) -> FieldWords:
    if isinstance(written, str):
        return FieldWords(written)
    if not isinstance(written, Mapping) or not set(written) <= {"label", "help", "choices"}:
        raise header.wrong(
            "fields", f"says {written!r} of {name}", f"Write {name}: its label; or label, help and choices below it."
        )
    choices = written.get("choices", {})
    if not isinstance(choices, Mapping):
        raise header.wrong("fields", f"has choices of {name} that are no words by value", "Write EWR: Newark.")
    label, told = written.get("label"), written.get("help")
    return FieldWords(
        None if label is None else str(label),
        None if told is None else str(told),
        {str(value): str(word) for value, word in choices.items()},
    )


def unreadable(root: Path, models: Mapping[str, object]) -> list[DeclarationError]:
    """What is wrong with the files of `use/`: each that cannot be read, or is of no model."""
    found = []
    for path in sorted((root / FOLDER).glob("*.md")):
        file = f"{FOLDER}/{path.name}"
        model = path.name.removesuffix(".md").removesuffix(".ko").removesuffix(".en")
        if model not in models:
            found.append(
                DeclarationError(
                    f"{file} is of a model {model}, which there is not.",
                    next_step=f"Call it after one of {', '.join(models) or 'your models'}.",
                    file=file,
                )
            )
            continue
        try:
            _read(path.read_text(encoding="utf-8-sig", errors="replace"), file)
        except DeclarationError as error:
            found.append(error)
    return found
