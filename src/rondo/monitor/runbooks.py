"""The project's runbook: which section fits an alert, and its steps with everything filled in.

A runbook is a Markdown file in `docs/` whose front matter says `kind: runbook`. Its `##` sections are chosen by the
`rules:` there (heading: [rule, "rule name-of-a-source", …]), else by the words of their headings. A section's steps are
the items of its lists, or its paragraphs. `{model}`, `{source}`, `{owner}`, `{contact}`, `{since}`, `{version}` (what
is in production), `{previous}` and `{rollback}` are filled in; a step that needs what is not there is left out, so that
every command can be run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rondo.errors import DeclarationError
from rondo.language.words import Language
from rondo.project.headers import parse_header

PLACES = ("model", "source", "owner", "contact", "since", "version", "previous", "rollback")
STATELESS = ("init", "replay")
_SAYS_RUNBOOK = re.compile(r"""\bkind["']?:[^\w\n]*runbook\b""")
_FRONT = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"^##[ \t]+(?P<title>.+?)[ \t]*#*$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d+[.)])[ \t]+", re.MULTILINE)
_PLACE = re.compile(rf"\{{({'|'.join(PLACES)})\}}")
_COMMAND = re.compile(r"`(rondo [^`]+)`")
_WORD = re.compile(r"\w{4,}")
_PLAIN = frozenset({"data", "from", "many", "once", "that", "this", "which", "with", "values", "than", "have", "rows"})

BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "stale data": (
        "`rondo plan` says what would be loaded now; if files lie there, `rondo run` loads them.",
        "If none lie there, ask {owner} ({contact}) why {source} brings nothing.",
        "`rondo lineage {model}` says what reads it.",
    ),
    "data blocked": (
        "`rondo check` names the check that said no, or the error that stopped the build.",
        "Ask {owner} ({contact}) about {source}; the last good version stays in use meanwhile.",
        "Once it is mended: `rondo run`.",
    ),
    "data": (
        "`rondo profile {source}` shows what its columns hold now.",
        "Ask {owner} ({contact}) what changed in {source} at {since}.",
        "Mend it at the source, or in the SQL that reads it, then `rondo run`.",
    ),
    "model": (
        "`rondo monitor {model}` shows since when, and in which slices.",
        "If a release began it: `{rollback}`.",
        "Otherwise train on what is known now: `rondo run {model}`; the gate decides whether it is better.",
    ),
    "service": (
        "`rondo doctor` looks at disks, stores and the log.",
        "If a release began it: `{rollback}`.",
        "Tell {owner} ({contact}) that answers of {model} may be late or missing.",
    ),
    "": ("`rondo monitor {model}` shows what was measured, `rondo history` what happened before it.",),
}


@dataclass(frozen=True)
class Section:
    """A part of a runbook; `rules` are those that its front matter gives it, `steps` are not filled in."""

    title: str
    rules: tuple[str, ...]
    steps: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Where it stands on the page, as Git hosts make it."""
        return re.sub(r"[^\w\- ]", "", self.title.casefold()).replace(" ", "-")


@dataclass(frozen=True)
class Runbook:
    """A runbook of a model (None: of every model)."""

    file: str
    model: str | None
    owner: str | None
    sections: tuple[Section, ...]


def read_runbook(root: Path, model: str) -> Runbook | None:
    """The model's runbook, else one for every model; None where there is none. Raises DeclarationError."""
    found = [book for path in sorted((root / "docs").glob("*.md")) if (book := _read(path, root)) is not None]
    mine = [book for book in found if book.model == model] or [book for book in found if book.model is None]
    return mine[0] if mine else None


def section_for(runbook: Runbook | None, rule: str, words: str, named: str | None = None) -> Section | None:
    """The section that fits a rule and what is said of it best; None where none has anything to do with it.

    A rule of a section that names a thing fits only where that stands in `named` (None: in `words`): what it is about,
    and what is held to be behind it. What is merely mentioned has no instructions of its own.
    """
    if runbook is None:
        return None
    told = {_stem(word) for word in _WORD.findall(f"{rule} {words}".casefold().replace("_", " "))} - _PLAIN
    scored = [
        (_fits(section, rule, words if named is None else named, told), -place)
        for place, section in enumerate(runbook.sections)
    ]
    score, place = max(scored, default=(0.0, 0))
    return runbook.sections[-place] if score > 0 else None


def steps_for(
    section: Section | None,
    rule: str,
    diagnosis: str | None,
    values: Mapping[str, str | None],
    *,
    words: Language,
    state: str = "live",
) -> tuple[str, ...]:
    """The section's steps, or the built-in ones in `words`, with everything filled in and commands of that state."""
    built_in = BUILT_IN.get(rule) or BUILT_IN.get(diagnosis or "") or BUILT_IN[""]
    steps = section.steps if section else [words.known(step) for step in built_in]
    found = []
    for step in steps:
        needed = _PLACE.findall(step)
        if any(not values.get(name) for name in needed):
            continue
        text = _PLACE.sub(lambda place: str(values[place[1]]), step)
        found.append(_COMMAND.sub(lambda command: f"`{in_state(command[1], state)}`", text))
    return tuple(found)


def in_state(command: str, state: str) -> str:
    """A command as it must be said where the state is not the live one."""
    if state == "live" or "--state" in command or command.split()[1:2] in [[name] for name in STATELESS]:
        return command
    return f"{command} --state {state}"


def _read(path: Path, root: Path) -> Runbook | None:
    file, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8-sig", errors="replace")
    front = _FRONT.match(text)
    if front is None:
        return None
    if not _SAYS_RUNBOOK.search(front["yaml"]):
        return None  # what is wrong with another document takes no runbook away
    header = parse_header(front["yaml"], file, 2)
    if header.values.get("kind") != "runbook":
        return None
    rules = header.values.get("rules") or {}
    if not isinstance(rules, Mapping):
        raise header.wrong("rules", "is not a list of headings", "Write `Heading: [stale data]` lines below rules:.")
    sections = _sections(text[front.end() :], rules)
    if unknown := [str(title) for title in rules if str(title) not in {section.title for section in sections}]:
        raise header.wrong("rules", f"names {unknown[0]!r}, which is no ## heading of it", "Write a heading as it is.")
    return Runbook(file, header.text("model"), header.text("owner"), sections)


def _sections(text: str, rules: Mapping[str, object]) -> tuple[Section, ...]:
    heads = list(_HEADING.finditer(text))
    found = []
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)].strip()
        declared = rules.get(head["title"], ())
        listed = declared if isinstance(declared, Sequence) and not isinstance(declared, str) else (declared,)
        found.append(Section(head["title"], tuple(str(each) for each in listed), _steps(body)))
    return tuple(found)


def _steps(body: str) -> tuple[str, ...]:
    """The items of its lists, or its paragraphs, each as one line."""
    parts = _ITEM.split(body)[1:] if _ITEM.search(body) else re.split(r"\n[ \t]*\n", body)
    parts = [part.split("\n\n")[0] for part in parts]
    return tuple(text for part in parts if (text := " ".join(part.split())))


def _fits(section: Section, rule: str, named: str, told: set[str]) -> float:
    """How well: by the rules it names (more, where it names the thing too), else by the words of its heading."""
    best = 0.0
    for declared in section.rules:
        if declared == rule or declared.startswith(f"{rule} "):
            names = declared[len(rule) :].split()
            if all(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", named) for name in names):
                best = max(best, 10.0 + 5.0 * len(names))
    if best or section.rules:
        return best
    title = {_stem(word) for word in _WORD.findall(section.title.casefold())} - _PLAIN
    return float(len(title & told))


def _stem(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 4 else word


def checked(root: Path, model: str) -> Runbook | None:
    """The runbook, or none where it cannot be read: an alert must not fail by its own instructions."""
    try:
        return read_runbook(root, model)
    except DeclarationError:
        return None
