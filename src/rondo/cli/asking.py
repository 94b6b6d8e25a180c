"""The command `ask`: the handbook at a terminal, as JSON, and as one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rondo.cli.delivering import Options, Outcome
from rondo.cli.printing import grid
from rondo.cli.working import workplace
from rondo.console.looking import frame_of
from rondo.errors import WrongUse
from rondo.handbook.questions.asking import Answered, all_answered, answered, ask_document, found
from rondo.handbook.questions.book import handbook_facts
from rondo.handbook.questions.desk import Desk
from rondo.handbook.questions.people import told
from rondo.language.catalogues import CODES, Code
from rondo.language.words import Language
from rondo.pages.handbook import handbook_page
from rondo.pages.handbook_text import handbook_markdown

if TYPE_CHECKING:
    from rich.console import Console

ENDINGS = (".html", ".htm", ".md")


def ask(options: Options, *, asked: list[str], lang: str | None, out: Path | None, model: str | None) -> Outcome:
    """Answer one question, by number or by words; all of them without; or write all into a file."""
    work = workplace(options, readonly=True)
    words = Language(_code(lang, work.project.settings.language), work.project.settings.timezone)
    desk = Desk(work, words, model)
    if out is not None:
        return _written(desk, out)
    query = " ".join(asked).strip()
    if not query:
        answers = all_answered(desk)
        return Outcome(ask_document(answers), lambda console: show_list(console, answers, words))
    if query.isdecimal():
        one = answered(desk, int(query))
        return Outcome(ask_document([one]), lambda console: show_answer(console, one, words))
    best = found(desk, query)
    one = answered(desk, best[0].number)
    others = [answered(desk, match.number) for match in best[1:]]
    return Outcome(ask_document([one]), lambda console: show_found(console, one, others, words))


def _code(lang: str | None, of_project: Code) -> Code:
    if lang is None:
        return of_project
    for code in CODES:
        if code == lang:
            return code
    raise WrongUse(f"There is no language {lang!r}; there are: {', '.join(CODES)}.", next_step="Use one of these.")


def _written(desk: Desk, out: Path) -> Outcome:
    facts = handbook_facts(desk.work, desk.words, model=desk.asked)
    if out.suffix not in ENDINGS:
        raise WrongUse(f"{out} ends neither in .html nor in .md.", next_step="Name a file that does.")
    if out.suffix == ".md":
        text = handbook_markdown(facts, desk.words, desk.now)
    else:
        text = handbook_page(facts, replace(frame_of(desk.work, saved=True), code=desk.words.code))
    out.write_text(text, encoding="utf-8")
    document = {
        "file": str(out),
        "questions": len(facts.answers),
        "missing": sum(each.missing is not None for each in facts.answers),
    }
    said = desk.say("{file}: {n} questions.", file=out, n=len(facts.answers))
    return Outcome(document, lambda console: console.print(said))


def show_list(console: Console, answers: tuple[Answered, ...], words: Language) -> None:
    """Every question on a line, and whether it is answered."""
    table = grid("", "", "")
    for each in answers:
        state = words.plain("missing") if each.missing else words.plain("answered")
        table.add_row(f"{each.number:>2}", each.question, state)
    console.print(table)
    console.print(words.plain('  next: rondo ask 23, or rondo ask "ten months ago"'), style="dim")


def show_found(console: Console, one: Answered, others: list[Answered], words: Language) -> None:
    """The answer that words led to, and which others they might have meant."""
    show_answer(console, one, words)
    for each in others:
        console.print(words.plain("  next best: {n}. {question}", n=each.number, question=each.question), style="dim")


def show_answer(console: Console, each: Answered, words: Language) -> None:
    """One answer: facts, figures, commands, people, and what is missing."""
    console.print(f"{each.number}. {each.question}", style="bold")
    for fact in each.facts:
        console.print(f"  {fact.said}" + (f"  ({fact.file})" if fact.file else ""))
    if each.table is not None:
        right = [name for place, name in enumerate(each.table.columns) if place in each.table.figures]
        table = grid(*each.table.columns, right=right)
        for row in each.table.rows:
            table.add_row(*row)
        console.print(table)
    if each.missing is not None:
        console.print(words.plain("  Missing: {what}", what=each.missing), style="yellow")
        console.print(words.plain("  next: {step}", step=each.step or "–"), style="dim")
    for command in each.commands:
        effect = {
            "reads": words.plain("only looks"), "records": words.plain("leaves a record"),
            "changes": words.plain("changes how things stand"),
        }[command.effect]  # fmt: skip
        about = f", {words.seconds(command.about_s)}" if command.about_s else ""
        console.print(f"  $ {command.text}", style="cyan", soft_wrap=True)
        console.print(f"      {effect}{about}", style="dim")
    if each.who:
        console.print(words.plain("  Ask: {who}", who="; ".join(map(told, each.who))))
    if each.paragraph is not None:
        by = each.paragraph.author or each.paragraph.file
        console.print(words.plain("  {by} wrote on {day}:", by=by, day=words.day(each.paragraph.written)), style="dim")
        console.print(each.paragraph.body)
        for changed in each.paragraph.changed:
            console.print(words.plain("  Changed since: {what}", what=changed), style="yellow")
