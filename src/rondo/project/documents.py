"""The documents of a project: `docs/*.md`, each of a kind, with an owner and a state.

What is wrong with one is a `Problem` and stops nothing: only a PRD can hold a run up, and that by its requirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rondo.errors import DeclarationError
from rondo.project.headers import Header, parse_header
from rondo.project.mentions import mentions
from rondo.project.milestones import Known, Milestone, read_milestones
from rondo.project.reading import TEST, Project
from rondo.project.reports import report_names

FOLDER = "docs"
Kind = Literal["prd", "design", "plan", "decision", "runbook", "data_card", "model_card"]
KINDS: tuple[Kind, ...] = ("prd", "design", "plan", "decision", "runbook", "data_card", "model_card")
STATES = ("draft", "review", "accepted", "retired")
COMMON_KEYS: Mapping[str, str] = {
    "kind": "what it is: " + ", ".join(KINDS),
    "title": "what it is called, if not its first heading",
    "owner": "a person or role of `rondo.toml`",
    "state": ", ".join(STATES),
    "model": "the model it is about; left out, the only one",
}
OWN_KEYS: Mapping[str, tuple[str, ...]] = {
    "prd": ("undecided", "requirements"),
    "plan": ("milestones",),
    "runbook": ("rules",),
    "decision": ("about", "date"),
    "data_card": ("licence",),
    "model_card": ("licence",),
}
OF_A_MODEL = ("prd", "model_card")
REQUIRED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "prd": (("why", "왜"), ("what", "무엇"), ("how good", "얼마나")),
    "design": (("feature", "피처"), ("left out", "alternative", "뺀", "대안"), ("split", "분할")),
    "decision": (("context", "배경"), ("choice", "선택"), ("consequence", "영향")),
    "data_card": (("where", "출처"), ("licen", "라이선스"), ("flaw", "messy", "결함"), ("before using", "쓰기 전")),
    "model_card": (("intended use", "용도"), ("not for", "쓰지"), ("limit", "한계"), ("fair", "공정")),
}
"""What the headings of a kind must speak of: one word of each group begins a word of some heading."""
UNWRITTEN = re.compile(r"^(?:[-*>]\s+|\d+\.\s+)?TODO\b", re.MULTILINE)
_FRONT = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"^(?P<marks>#{1,6})[ \t]+(?P<title>.+?)[ \t]*#*$")
_FENCE = re.compile(r"^\s{0,3}(```|~~~)")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a document, where, and what to do."""

    file: str
    line: int | None
    what: str
    next_step: str


@dataclass(frozen=True)
class Heading:
    """A heading; `line` is the file's."""

    level: int
    title: str
    line: int

    @property
    def anchor(self) -> str:
        """Where it stands on a page, as Git hosts make it."""
        return anchor_of(self.title)


@dataclass(frozen=True)
class Document:
    """A Markdown file of `docs/`. `kind` is None where it has no front matter: a page that nothing is asked of.

    `body` is what stands below the front matter, from `body_line` of the file on. `unwritten` are headings whose
    section is empty or says TODO. `changed` is when the file was last written.
    """

    name: str
    file: str
    kind: Kind | None
    title: str
    body: str
    body_line: int
    changed: datetime
    owner: str | None = None
    state: str | None = None
    model: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    headings: tuple[Heading, ...] = ()
    unwritten: tuple[Heading, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    problems: tuple[Problem, ...] = ()


def anchor_of(title: str) -> str:
    """A heading's anchor: letters and digits, small, spaces as dashes."""
    return re.sub(r"[^\w\- ]", "", title.casefold()).replace(" ", "-")


def read_documents(project: Project) -> tuple[Document, ...]:
    """Every document of the project, checked, in the order of their names."""
    paths = sorted((project.root / FOLDER).glob("*.md"))
    known = Known(
        models=project.models,
        tables=project.names,
        testsets=(TEST, *project.testsets),
        reports=report_names(project.root),
        documents=[path.stem for path in paths],
    )
    return tuple(_read(path, project, known) for path in paths)


def _read(path: Path, project: Project, known: Known) -> Document:
    file = path.relative_to(project.root).as_posix()
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    front = _FRONT.match(text)
    body = text[front.end() :] if front else text
    line = 1 + text[: front.end()].count("\n") if front else 1
    headings = tuple(_headings(body, line))
    highest = [each.title for each in headings if each.level == 1]
    title = highest[0] if len(highest) == 1 else path.stem  # several: they are its sections
    document = Document(
        path.stem, file, None, title, body, line, datetime.fromtimestamp(path.stat().st_mtime, UTC),
        headings=headings, unwritten=tuple(_unwritten(body, line, headings)),
    )  # fmt: skip
    said = tuple(Problem(file, *each) for each in mentions(body, line, project, known))
    if front is None:
        return replace(document, problems=said)
    try:
        header = parse_header(front["yaml"], file, 2)
    except DeclarationError as error:
        return replace(document, problems=(_problem(error), *said))
    return _with_header(replace(document, values=header.values), header, project, known, said)


def _with_header(
    document: Document, header: Header, project: Project, known: Known, said: tuple[Problem, ...]
) -> Document:
    problems = [*_wrong_keys(header, document)]
    kind = next((each for each in KINDS if each == header.values.get("kind")), None)
    milestones: tuple[Milestone, ...] = ()
    if kind == "plan":
        milestones, unreadable = read_milestones(header, known)
        problems += unreadable
    if kind is not None:
        problems += [*_wrong_model(header, kind, project), *_missing_headings(kind, document)]
    state = _word(header, "state")
    if state == "accepted":
        problems += [
            DeclarationError(
                f"It is accepted, and its section {each.title!r} is not written.",
                next_step="Write it, or say `state: draft`.",
                file=document.file,
                line=each.line,
            )
            for each in document.unwritten
        ]
    model = _word(header, "model")
    return replace(
        document,
        kind=kind,
        title=_word(header, "title") or document.title,
        owner=_word(header, "owner"),
        state=state,
        model=model or (next(iter(project.models)) if kind in OF_A_MODEL and len(project.models) == 1 else None),
        milestones=milestones,
        problems=(*(_problem(each) for each in problems), *said),
    )


def _word(header: Header, key: str) -> str | None:
    value = header.values.get(key)
    return None if value is None or isinstance(value, list | dict) else str(value)


def _wrong_keys(header: Header, document: Document) -> Iterator[DeclarationError]:
    kind = header.values.get("kind")
    if kind not in KINDS:
        what = "is missing" if kind is None else f"is {kind!r}"
        yield header.wrong("kind", f"{what}; there are: {', '.join(KINDS)}", "Say what kind of document it is.")
        return
    allowed = (*COMMON_KEYS, *OWN_KEYS.get(str(kind), ()))
    for key in header.values:
        if key not in allowed:
            yield header.wrong(key, f"is unknown; there are: {', '.join(allowed)}", "Use one of these keys.")
    if not _word(header, "owner"):
        yield header.wrong("owner", "is missing", "Write `owner:` with a person or role of rondo.toml.")
    if header.values.get("state") not in STATES:
        state = header.values.get("state")
        what = "is missing" if state is None else f"is {state!r}"
        yield header.wrong("state", f"{what}; it may be: {', '.join(STATES)}", "Write `state: draft`.")


def _wrong_model(header: Header, kind: str, project: Project) -> Iterator[DeclarationError]:
    model = _word(header, "model")
    there = ", ".join(sorted(project.models)) or "none"
    if model is not None and model not in project.models:
        yield header.wrong("model", f"is {model!r}; there are: {there}", "Name a model of the project.")
    elif model is None and kind in OF_A_MODEL and len(project.models) != 1:
        yield header.wrong("model", f"is missing; there are: {there}", "Write `model:` with the model it is about.")


def _missing_headings(kind: str, document: Document) -> Iterator[DeclarationError]:
    titles = [each.title.casefold() for each in document.headings]
    for words in REQUIRED.get(kind, ()):
        if not any(re.search(rf"\b{re.escape(word)}", title) for word in words for title in titles):
            yield DeclarationError(
                f"It has no heading about {words[0]!r}.",
                next_step=f"Write one with the word {' or '.join(repr(word) for word in words)}.",
                file=document.file,
                line=document.body_line,
            )
    if kind == "runbook" and not any(each.level == 2 for each in document.headings):
        yield DeclarationError(
            "It has no section.",
            next_step="Write a `##` heading for each trouble, with its steps.",
            file=document.file,
            line=document.body_line,
        )


def _headings(body: str, first_line: int) -> Iterator[Heading]:
    fenced = False
    for number, line in enumerate(body.splitlines(), first_line):
        fenced ^= bool(_FENCE.match(line))
        found = None if fenced else _HEADING.match(line)
        if found:
            yield Heading(len(found["marks"]), found["title"], number)


def _unwritten(body: str, first_line: int, headings: tuple[Heading, ...]) -> Iterator[Heading]:
    """Headings with nothing below them, down to the next one of their level, or with a TODO directly below."""
    lines = body.splitlines()
    for place, heading in enumerate(headings):
        below = headings[place + 1 :]
        following = next((each.line for each in below), first_line + len(lines))
        end = next((each.line for each in below if each.level <= heading.level), first_line + len(lines))
        own = "\n".join(lines[heading.line - first_line + 1 : following - first_line])
        if UNWRITTEN.search(own) or (not own.strip() and following == end and heading.level > 1):
            yield heading


def _problem(error: DeclarationError) -> Problem:
    message = error.message.removeprefix(f"{error.file}: ") if error.file else error.message
    return Problem(error.file or "", error.line, message[:1].upper() + message[1:], error.next_step)
