"""What the prose of a document mentions, and whether it is there: links, files, commands with the names in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from urllib.parse import unquote

from rondo.project.milestones import Known
from rondo.project.reading import Project

Mention = tuple[int, str, str]
"""The file's line, what is wrong there, and what to do."""
FOLDERS = ("docs", "tables", "models", "testsets", "reports", "experiments")
FILES = ("rondo.toml", "sources.py", "metrics.py")
_LINK = re.compile(r"\[[^\]]*\]\((?P<to>[^)\s]+)(?:\s+\"[^\"]*\")?\)")
_SPAN = re.compile(r"`(?P<text>[^`]+)`")
_FENCE = re.compile(r"^\s{0,3}(```|~~~)")
_VERSION = re.compile(r"(?P<name>[a-z_]\w*)@(?:v?\d+|production|canary|shadow|\d{4}-\d{2}-\d{2})")
_NAME = re.compile(r"[a-z_]\w*")
NAMED: Mapping[str, tuple[str, ...]] = {
    "gate": ("models",), "monitor": ("models",), "predict": ("models",), "explain": ("models",),
    "evaluate": ("models",), "rollback": ("models",), "profile": ("tables",), "report": ("reports",),
    "lineage": ("tables", "models"), "run": ("tables", "models"), "plan": ("tables", "models"),
    "check": ("tables", "models"),
}  # fmt: skip
"""Commands whose first word is the name of something declared."""


def mentions(body: str, first_line: int, project: Project, known: Known) -> Iterator[Mention]:
    """Every mention of something that is not there. What stands in {braces} or in CAPITALS is left to be filled in."""
    fenced = False
    for number, line in enumerate(body.splitlines(), first_line):
        if _FENCE.match(line):
            fenced = not fenced
            continue
        if fenced:
            found = line.strip().removeprefix("$ ")
            spans = [found] if found.startswith("rondo ") else []
        else:
            yield from _links(line, number, project)
            spans = [span["text"] for span in _SPAN.finditer(line)]
        for text in spans:
            yield from _span(text, number, project, known)


def _links(line: str, number: int, project: Project) -> Iterator[Mention]:
    for found in _LINK.finditer(_SPAN.sub("", line)):
        target = found["to"].split("#")[0]
        if not target or re.match(r"[a-z][a-z0-9+.-]*:|/", found["to"]):
            continue
        if not (project.root / "docs" / unquote(target)).exists():
            yield number, f"It links to {target}, which is not there.", "Mend the link: it is relative to docs/."


def _span(text: str, number: int, project: Project, known: Known) -> Iterator[Mention]:
    if text.startswith("rondo "):
        yield from _command(text.split(), number, known)
        return
    path = PurePosixPath(text)
    of_project = text in FILES or (len(path.parts) > 1 and path.parts[0] in FOLDERS and path.suffix)
    if of_project and not re.search(r"[*{}…<>]|\bN+\b", text) and not (project.root / text).exists():
        yield number, f"It names {text}, which is not there.", "Write the file, or mend the name."
    version = _VERSION.fullmatch(text)
    if version and version["name"] not in (*known.models, *known.tables):
        yield number, _nothing(version["name"], (*known.models, *known.tables)), "Use a name of the project."


def _command(words: list[str], number: int, known: Known) -> Iterator[Mention]:
    asked: list[tuple[str, Collection[str]]] = []
    if words[1:2] and words[1] in NAMED and len(words) > 2:
        there = [name for group in NAMED[words[1]] for name in getattr(known, group)]
        asked.append((re.split(r"[.@]", words[2])[0], there))
    if "--on" in words[:-1]:
        asked.append((words[words.index("--on") + 1], known.testsets))
    for name, names in asked:
        if _NAME.fullmatch(name) and name not in names:
            yield number, f"`{' '.join(words)}`: {_nothing(name, names)}", "Use a name of the project."


def _nothing(name: str, there: Collection[str]) -> str:
    return f"Nothing is called {name!r}; there are: {', '.join(sorted(there)) or 'none'}."
