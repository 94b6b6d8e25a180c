"""The language of milestones: what a plan takes as evidence that a step is done.

evidence = "table built" table | "gate passed" model | "version in production" model | "prediction served" model
         | "outcome known" model | "evaluated" model "on" testset | "replay done" name | "report runs" report
         | "document accepted" document | "decision made" '"' words '"' | "incident closed" [model]
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Literal

from rondo.errors import DeclarationError
from rondo.project.headers import Header

EvidenceKind = Literal[
    "table built", "gate passed", "version in production", "prediction served", "outcome known", "evaluated",
    "replay done", "report runs", "document accepted", "decision made", "incident closed",
]  # fmt: skip
About = Literal["table", "model", "report", "document", "replay", "words", "model or none"]
FORMS: Mapping[EvidenceKind, tuple[About, str]] = {
    "table built": ("table", "the first version of the source or table that its checks let through"),
    "gate passed": ("model", "a version met every requirement, undecided ones signed"),
    "version in production": ("model", "a version was put to work as production"),
    "prediction served": ("model", "an answer reached the prediction log"),
    "outcome known": ("model", "an outcome of what was predicted landed"),
    "evaluated": ("model", "a version was evaluated on the test set: `evaluated late on december`"),
    "replay done": ("replay", "the replay of that name was played to its end"),
    "report runs": ("report", "the report is there, and every query in it can be read"),
    "document accepted": ("document", "the document says `state: accepted`, and nothing in it is unwritten or wrong"),
    "decision made": (
        "words",
        'a decision in the ledger, or an accepted one in docs/, says so: `decision made "two weeks"`',
    ),
    "incident closed": ("model or none", "an incident (of the model) was closed with what was learned"),
}
"""Each kind of evidence: what it is about, and when it holds."""
KEYS = ("what", "who", "evidence", "by")
_TOKEN = re.compile(r'"[^"]*"|[^\s"]+|"')


@dataclass(frozen=True)
class Evidence:
    """One thing that the ledger or the project shows, or does not. `text` is as written, `name` what it is about."""

    text: str
    kind: EvidenceKind
    name: str | None = None
    testset: str | None = None


@dataclass(frozen=True)
class Milestone:
    """A step of a plan: done when all its `evidence` holds; `by` is the day on which it should."""

    what: str
    evidence: tuple[Evidence, ...]
    who: str | None = None
    by: date | None = None
    line: int | None = None


@dataclass(frozen=True)
class Known:
    """The names that evidence may be about."""

    models: Collection[str]
    tables: Collection[str]
    testsets: Collection[str]
    reports: Collection[str]
    documents: Collection[str]

    def among(self, about: About) -> Collection[str] | None:
        """The names there are of such a thing; None where any will do."""
        named: Mapping[str, Collection[str]] = {
            "model": self.models, "model or none": self.models, "table": self.tables, "report": self.reports,
            "document": self.documents,
        }  # fmt: skip
        return named.get(about)


def parse_evidence(text: str, *, file: str | None = None, line: int | None = None) -> Evidence:
    """One piece of evidence; raises DeclarationError with file and line."""

    def wrong(what: str) -> DeclarationError:
        return DeclarationError(
            f"The evidence {text!r} cannot be read: {what}.",
            next_step="Write e.g. `gate passed MODEL`, `table built TABLE` or `evaluated MODEL on TESTSET`.",
            file=file,
            line=line,
        )

    tokens = _TOKEN.findall(text)
    kind = next((form for form in FORMS if tokens[: len(form.split())] == form.split()), None)
    if kind is None:
        said = " ".join(tokens[:2])
        near = get_close_matches(said, FORMS, 1, 0.5)
        meant = f"; did you mean `{near[0]}`" if near else ""
        raise wrong(f"there is no evidence {said!r}{meant}; there are: {', '.join(FORMS)}")
    rest, about = tokens[len(kind.split()) :], FORMS[kind][0]
    if about == "words":
        if len(rest) != 1 or len(rest[0]) < 3 or rest[0][0] != '"':
            raise wrong('the words of the decision stand in "quotes"')
        return Evidence(text, kind, rest[0][1:-1])
    if kind == "evaluated":
        if len(rest) != 3 or rest[1] != "on":
            raise wrong("it reads `evaluated MODEL on TESTSET`")
        return Evidence(text, kind, rest[0], rest[2])
    if not rest and about == "model or none":
        return Evidence(text, kind)
    if len(rest) != 1:
        raise wrong(f"{rest[1]!r} was not expected" if rest else f"the name of a {about} is missing")
    return Evidence(text, kind, rest[0])


def check_names(evidence: Evidence, known: Known, *, file: str | None = None, line: int | None = None) -> None:
    """Raises DeclarationError where the evidence is about something that is not there, naming what is."""
    about = FORMS[evidence.kind][0]
    asked: list[tuple[str | None, str, Collection[str] | None]] = [
        (evidence.name, about.split()[0], known.among(about)),
        (evidence.testset, "test set", known.testsets),
    ]
    for name, what, there in asked:
        if name is not None and there is not None and name not in there:
            listed = ", ".join(sorted(there)) or "none"
            raise DeclarationError(
                f"The evidence {evidence.text!r} names {name!r}, which is no {what}; there are: {listed}.",
                next_step="Use one of these names.",
                file=file,
                line=line,
            )


def read_milestones(header: Header, known: Known) -> tuple[tuple[Milestone, ...], list[DeclarationError]]:
    """The milestones of a plan's front matter, and what is wrong with the others."""
    written = header.values.get("milestones")
    if not isinstance(written, list) or not written:
        step = "Write `milestones:` with a `- what: …` and its `evidence: …` for each step."
        return (), [header.wrong("milestones", "are missing" if written is None else "are no list of steps", step)]
    found, problems = [], []
    lines = header.item_lines.get("milestones", ())
    for item, line in zip(written, lines, strict=True):
        try:
            found.append(_milestone(item, header.file, line, known))
        except DeclarationError as error:
            problems.append(error)
    return tuple(found), problems


def _milestone(item: object, file: str, line: int, known: Known) -> Milestone:
    def wrong(what: str, next_step: str) -> DeclarationError:
        return DeclarationError(f"A milestone {what}.", next_step=next_step, file=file, line=line)

    if not isinstance(item, Mapping) or not all(isinstance(item.get(key), str) for key in ("what",)):
        raise wrong("says not what it is", "Write `- what: …`, with `evidence: …` below it.")
    for key in item:
        if key not in KEYS:
            raise wrong(f"has an unknown key {key!r}; it may have: {', '.join(KEYS)}", "Use one of these keys.")
    texts = item.get("evidence")
    listed: Sequence[object] = texts if isinstance(texts, list) else [] if texts is None else [texts]
    if not listed:
        raise wrong(f"({item['what']!r}) has no evidence", f"Say what shows it: {', '.join(FORMS)}.")
    evidence = tuple(parse_evidence(str(text), file=file, line=line) for text in listed)
    for each in evidence:
        check_names(each, known, file=file, line=line)
    who = item.get("who")
    return Milestone(str(item["what"]), evidence, None if who is None else str(who), _day(item.get("by"), wrong), line)


def _day(written: object, wrong: object) -> date | None:
    if written is None:
        return None
    try:
        return date.fromisoformat(str(written))
    except ValueError as error:
        assert callable(wrong)
        raise wrong(f"is to be done by {written!r}, which is no day", "Write `by: 2026-12-31`.") from error
