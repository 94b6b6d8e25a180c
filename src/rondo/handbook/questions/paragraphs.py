"""What people add to an answer: `docs/handbook/NN.md`, and what it mentions that has changed since it was written.

When it was written is the `date:` of its front matter, or else when the file was last changed. A copy of a project has
new dates of files, so a paragraph that is to be trusted there says its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from rondo.errors import DeclarationError
from rondo.graph.definitions import model_definition
from rondo.handbook.questions.desk import Desk
from rondo.project.headers import parse_header
from rondo.project.mentions import mentions
from rondo.project.milestones import Known
from rondo.project.reading import TEST
from rondo.records.deployment import Deployment
from rondo.records.development import Version
from rondo.records.tables import Definition
from rondo.records.versions import model_version

FOLDER = "docs/handbook"
_FRONT = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_NAMED = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\.(?P<column>[A-Za-z_]\w*)|@(?P<version>\d+|production))?")


@dataclass(frozen=True)
class Paragraph:
    """A person's words about a question, as Markdown; `changed` says what has become of the things it mentions."""

    file: str
    body: str
    written: datetime
    author: str | None = None
    changed: tuple[str, ...] = ()


def paragraph(desk: Desk, number: int) -> Paragraph | None:
    """What somebody wrote about a question; None where nobody has."""
    root = desk.work.project.root
    path = next(
        (each for each in (root / FOLDER / f"{number:02}.md", root / FOLDER / f"{number}.md") if each.is_file()), None
    )
    if path is None:
        return None
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    file = path.relative_to(root).as_posix()
    front = _FRONT.match(text)
    body = text[front.end() :] if front else text
    line = 1 + text[: front.end()].count("\n") if front else 1
    author, written, wrong = _header(desk, front["yaml"] if front else "", file)
    written = written or _edited(path)
    changed = (*wrong, *dict.fromkeys(_changed(desk, body, written)), *_gone(desk, body, line))
    return Paragraph(file, body.strip(), written, author, changed)


def _edited(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _header(desk: Desk, yaml: str, file: str) -> tuple[str | None, datetime | None, tuple[str, ...]]:
    """Author and day of the front matter; what is wrong with it is told, and stops nothing."""
    if not yaml:
        return None, None, ()
    try:
        values = parse_header(yaml, file, 2).values
        told = values.get("date")
        day = told if isinstance(told, date) else date.fromisoformat(str(told)) if told else None
    except (DeclarationError, ValueError) as error:
        return None, None, (desk.say("Its head cannot be read: {problem}", problem=str(error)),)
    author = values.get("author")
    written = datetime.combine(day, time.max, desk.words.zone) if day else None
    return str(author) if author else None, written, ()


def _changed(desk: Desk, body: str, written: datetime) -> Iterator[str]:
    """A sentence for each thing mentioned whose definition or state is younger than the paragraph."""
    project = desk.work.project
    for found in _NAMED.finditer(body):
        name, column = found["name"], found["column"]
        if name in project.names:
            yield from _table_changed(desk, name, column, written)
        elif name in project.models:
            yield from _model_changed(desk, name, found["version"], written)
    prd = desk.prd
    if prd is not None and desk.gate is not None:
        told = re.findall(r"`([^`]+)`", body)
        lines = {each.text for each in prd.requirements}
        for text in told:
            if re.search(r"[<>]=|^better than|^not worse than", text) and text not in lines:
                yield desk.say("“{text}” is no requirement of {model} any more.", text=text, model=desk.name)


def _table_changed(desk: Desk, name: str, column: str | None, written: datetime) -> Iterator[str]:
    definition = desk.work.nodes[name].definition
    records = desk.ledger.entries(Definition, name=name)
    mine = [each for each in records if each.record.definition == definition]
    if records and not mine:
        yield desk.say("The definition of {name} has changed, and was not built since.", name=name)
    elif len(records) > 1 and mine and mine[0].written > written:
        yield desk.say("The definition of {name} changed on {day}.", name=name, day=desk.words.day(mine[0].written))
    version = desk.tables.get(name)
    if column is not None and version is not None and column not in version.columns:
        yield desk.say("{name} has no column {column} any more.", name=name, column=column)


def _model_changed(desk: Desk, name: str, version: str | None, written: datetime) -> Iterator[str]:
    model = desk.work.project.models[name]
    definition = model_definition(model, desk.work.project, desk.work.nodes)
    records = desk.ledger.entries(Version, name=name, where={"definition": definition}, limit=1)
    if not records and desk.ledger.count(Version, name):
        yield desk.say("The declaration of {name} has changed, and no version was trained since.", name=name)
    elif records and records[0].written > written and desk.ledger.count(Version, name) > 1:
        yield desk.say("The declaration of {name} changed on {day}.", name=name, day=desk.words.day(records[0].written))
    if version is None:
        return
    held = desk.ledger.latest(Deployment, name=name, where={"role": "production"})
    if held is None or held.written <= written:
        return
    now = model_version(name, held.record.version)
    if version == "production" or int(version) in (held.record.version, held.record.replaced):
        yield desk.say("Since {day} {version} is in production.", day=desk.words.day(held.written), version=now)


def _gone(desk: Desk, body: str, line: int) -> Iterator[str]:
    """What it names that is not there: a file, a link, a name in a command."""
    project = desk.work.project
    reports = [path.stem for path in (project.root / "reports").glob("*.md")]
    documents = [each.name for each in desk.documents]
    known = Known(project.models, project.names, (TEST, *project.testsets), reports, documents)
    for number, problem, _ in mentions(body, line, project, known):
        yield desk.say("Line {n}: {problem}", n=number, problem=problem)
