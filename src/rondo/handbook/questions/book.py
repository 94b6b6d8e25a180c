"""What the handbook's page shows: all answers, and which of them somebody asked for."""

from __future__ import annotations

from dataclasses import dataclass

from rondo.errors import NotFound
from rondo.handbook.questions.asking import Answered, all_answered, found
from rondo.handbook.questions.desk import Desk
from rondo.handbook.questions.register import BY_NUMBER
from rondo.language.words import Language
from rondo.loop.workplace import Workplace


@dataclass(frozen=True)
class HandbookFacts:
    """Every question with its answer. `found` are the numbers that `query` leads to, the best first."""

    project: str
    answers: tuple[Answered, ...]
    model: str | None = None
    models: tuple[str, ...] = ()
    query: str = ""
    found: tuple[int, ...] = ()


def handbook_facts(work: Workplace, words: Language, query: str = "", model: str | None = None) -> HandbookFacts:
    """The handbook as of the workplace's moment, told of `model`. Raises NotFound for one that is not declared."""
    desk = Desk(work, words, model or None)
    shown = desk.model.name if desk.model else None
    answers = all_answered(desk)
    return HandbookFacts(
        work.project.settings.name, answers, shown, tuple(work.project.models), query.strip(), numbers(desk, query)
    )


def numbers(desk: Desk, query: str) -> tuple[int, ...]:
    """The questions that a number or words lead to; none where nothing does."""
    asked = query.strip()
    if asked.isdecimal():
        return (int(asked),) if int(asked) in BY_NUMBER else ()
    try:
        return tuple(match.number for match in found(desk, asked)) if asked else ()
    except NotFound:
        return ()
