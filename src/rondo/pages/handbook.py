"""The page of the handbook: every question with its facts, its commands and the people to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from rondo.handbook.questions.answers import Box, Command, Diagram, Fact, Section
from rondo.handbook.questions.asking import Answered
from rondo.handbook.questions.book import HandbookFacts
from rondo.handbook.questions.register import SECTIONS
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.history import history
from rondo.pages.lineage import Drawn, Text, Wire, drawing
from rondo.pages.prose import prose
from rondo.pages.rendering import render

SENTENCES = 2
"""So many facts of an answer stand in its paragraph; the others are a list below it."""
LISTED = 4
"""A list of more is folded away."""
STEPS: Section = "deployment"
"""Where several commands are steps, one after the other, all stand open; elsewhere the first does."""
ROWS = 7
EXAMPLE = 23
"""A table of more rows is folded away."""


@dataclass(frozen=True)
class Shown:
    """An answer as the template takes it."""

    answer: Answered
    told: Sequence[Fact]
    more: Sequence[Fact]
    page: str | None
    diagram: Markup | None
    series: Markup | None
    words: Markup | None
    commands: Sequence[Command]
    more_commands: Sequence[Command]

    @property
    def folded(self) -> bool:
        """Whether the rest is too long to stand open."""
        return len(self.more) > LISTED


def handbook_page(facts: HandbookFacts, frame: Frame) -> str:
    """The page as HTML."""
    words = frame.words
    found = [shown(each, frame) for each in facts.answers if each.number in facts.found[:1]]
    sections = [
        (
            section,
            letter,
            *_section(section, words),
            [shown(each, frame) for each in facts.answers if each.section == section],
        )
        for section, letter in SECTIONS.items()
    ]
    asked, searched = facts.found[0] if facts.found else EXAMPLE, facts.query or words.plain("ten months ago")
    return render(
        "handbook.html", frame, section="handbook",
        commands=(f"rondo ask {asked}", f'rondo ask "{searched}"', "rondo ask --out handbook.html"),
        facts=facts, coded=coded, sections=sections, found=found, rows=ROWS,
        headline=_headline(facts, words),
        next_best=[each for number in facts.found[1:] for each in facts.answers if each.number == number],
    )  # fmt: skip


def shown(answer: Answered, frame: Frame) -> Shown:
    """What the template shows of an answer."""
    page = next((fact.address for fact in answer.facts if fact.address), None)
    diagram = drawn(answer.diagram, frame) if answer.diagram else None
    words = prose(answer.paragraph.body, frame) if answer.paragraph else None
    commands = [each for each in answer.commands if each.text != answer.step]
    first = len(commands) if answer.section == STEPS else 1
    return Shown(
        answer,
        answer.facts[:SENTENCES],
        answer.facts[SENTENCES:],
        page,
        diagram,
        history(answer.series, frame.words) if answer.series else None,
        words,
        commands[:first],
        commands[first:],
    )


def coded(text: str) -> Markup:
    """A sentence with what stands in `backticks` as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return Markup("{}").format(text)
    made = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(made)


def drawn(diagram: Diagram, frame: Frame) -> Markup:
    """A diagram as a picture: boxes with what stands in them, from left to right."""
    place = {box.id: number for number, box in enumerate(diagram.boxes)}
    boxes = [Drawn(_named(box, frame), box.column, lines=[Text(line) for line in box.lines]) for box in diagram.boxes]
    wires = [
        Wire((place[arrow.start], None), (place[arrow.end], None), dashed=arrow.dashed)
        for arrow in diagram.arrows
        if arrow.start in place and arrow.end in place
    ]
    return drawing(boxes, wires, diagram.title)


def _named(box: Box, frame: Frame) -> Text:
    href = frame.href(box.address) if box.address and not frame.saved else None
    return Text(box.name, href, "t-accent" if box.kind in ("model", "hook") else "")


def _headline(facts: HandbookFacts, words: Language) -> Markup:
    missing = sum(each.missing is not None for each in facts.answers)
    whole = len(facts.answers)
    if not missing:
        return words.say("All {n} questions are answered from this project’s facts", n=whole)
    return words.say(
        "{answered} of {n} questions are answered from this project’s facts", answered=whole - missing, n=whole
    )


def _section(section: str, words: Language) -> tuple[Markup, Markup]:
    told = {
        "data": (words.say("Data"), words.say("Where it comes from, what it is, and how to change it.")),
        "development": (words.say("Development"), words.say("Training, judging, explaining and comparing models.")),
        "deployment": (words.say("Deployment"), words.say("Launching, watching, and what to do when it goes wrong.")),
        "people": (words.say("People"), words.say("Whom to ask.")),
    }
    return told[section]
