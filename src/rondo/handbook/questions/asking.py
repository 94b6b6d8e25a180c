"""Answers to questions: all of them, one by its number, one by words; and the `ask` document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rondo.errors import NotFound, RondoError
from rondo.handbook.questions.answers import Answer, Command, Diagram, Fact, Section, Series, Table, Who
from rondo.handbook.questions.desk import Desk
from rondo.handbook.questions.matching import LEAST, NEXT, Match, matches
from rondo.handbook.questions.paragraphs import Paragraph, paragraph
from rondo.handbook.questions.people import told
from rondo.handbook.questions.register import BY_NUMBER, QUESTIONS, Question
from rondo.records.documents import moment_text


@dataclass(frozen=True)
class Answered:
    """A question with its answer now, and what somebody added to it."""

    number: int
    section: Section
    question: str
    facts: tuple[Fact, ...]
    commands: tuple[Command, ...]
    who: tuple[Who, ...]
    missing: str | None = None
    step: str | None = None
    table: Table | None = None
    diagram: Diagram | None = None
    series: Series | None = None
    paragraph: Paragraph | None = None


def answered(desk: Desk, number: int) -> Answered:
    """The answer to one question. Raises NotFound for a number that is none, and for a model that is not declared."""
    question = BY_NUMBER.get(number)
    if question is None:
        raise NotFound(
            f"There is no question {number}; they are numbered 1 to {len(QUESTIONS)}.",
            next_step="See them all with `rondo ask`.",
        )
    return _answered(desk, question)


def all_answered(desk: Desk) -> tuple[Answered, ...]:
    """The answers to all, in the order of their numbers."""
    return tuple(_answered(desk, question) for question in QUESTIONS)


def found(desk: Desk, asked: str) -> Sequence[Match]:
    """The questions that words lead to, the best and the next best. Raises NotFound where none does."""
    best = matches(asked, desk.work.project)
    if not best or best[0].score < LEAST:
        raise NotFound(f"No question is about {asked!r}.", next_step="See them all with `rondo ask`.")
    return best[: 1 + NEXT]


def _answered(desk: Desk, question: Question) -> Answered:
    if desk.asked is not None:
        desk.work.project.model(desk.asked)  # one that is not declared is no answer but an error
    try:
        answer = question.answer(desk)
    except RondoError as error:  # one record that cannot be read leaves the other answers standing
        answer = Answer((), (), (), error.message, error.next_step)
    return Answered(
        question.number, question.section, desk.words.known(question.text), answer.facts, answer.commands, answer.who,
        answer.missing, answer.step, answer.table, answer.diagram, answer.series, paragraph(desk, question.number),
    )  # fmt: skip


def ask_document(answers: Sequence[Answered]) -> list[dict[str, Any]]:
    """The `ask` document."""
    return [_document(each) for each in answers]


def _document(each: Answered) -> dict[str, Any]:
    table, diagram, added = each.table, each.diagram, each.paragraph
    return {
        "number": each.number,
        "question": each.question,
        "section": each.section,
        "facts": [fact.said for fact in each.facts],
        "commands": [command.text for command in each.commands],
        "who": [told(who) for who in each.who],
        "missing": each.missing,
        "step": each.step,
        "places": [{"address": fact.address, "file": fact.file} for fact in each.facts],
        "effects": [{"effect": command.effect, "about_s": command.about_s} for command in each.commands],
        "table": {"columns": list(table.columns), "rows": [list(row) for row in table.rows]} if table else None,
        "diagram": {
            "title": diagram.title,
            "boxes": [{"name": box.name, "kind": box.kind, "lines": list(box.lines)} for box in diagram.boxes],
            "arrows": [{"from": _name(diagram, each.start), "to": _name(diagram, each.end)} for each in diagram.arrows],
        }
        if diagram
        else None,
        "series": {
            "name": each.series.name,
            "points": [
                {"at": moment_text(p.at), "value": p.value, "low": p.low, "high": p.high} for p in each.series.points
            ],
        }
        if each.series
        else None,
        "paragraph": {
            "file": added.file, "text": added.body, "author": added.author, "written": moment_text(added.written),
            "changed": list(added.changed),
        }
        if added
        else None,
    }  # fmt: skip


def _name(diagram: Diagram, identity: str) -> str:
    return next(box.name for box in diagram.boxes if box.id == identity)
