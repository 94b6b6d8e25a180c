"""The handbook as one Markdown file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rondo.handbook.questions.answers import Diagram, Table
from rondo.handbook.questions.asking import Answered
from rondo.handbook.questions.book import HandbookFacts
from rondo.handbook.questions.people import told
from rondo.language.words import Language


def handbook_markdown(facts: HandbookFacts, words: Language, now: datetime) -> str:
    """All questions with their answers, in the order of their numbers."""
    title = words.plain("Handbook of {project}", project=facts.project)
    lines = [f"# {title}", "", words.plain("As of {at}.", at=words.moment(now)), ""]
    for each in sorted(facts.answers, key=lambda each: each.number):
        lines += _question(each, words)
    return "\n".join(lines).rstrip() + "\n"


def _question(each: Answered, words: Language) -> Iterator[str]:
    yield from (f"## {each.number}. {each.question}", "")
    for fact in each.facts:
        yield f"- {fact.said}" + (f" (`{fact.file}`)" if fact.file else "")
    if each.facts:
        yield ""
    if each.table is not None:
        yield from (*_table(each.table), "")
    if each.diagram is not None:
        yield from (*_diagram(each.diagram), "")
    if each.missing is not None:
        yield from (
            f"> {words.plain('Missing:')} {each.missing}",
            f"> {words.plain('What supplies it:')} `{each.step}`",
            "",
        )
    if each.commands:
        yield from ("```sh", *(command.text for command in each.commands), "```", "")
    if each.who:
        yield from (words.plain("Ask: {who}", who="; ".join(map(told, each.who))), "")
    if each.paragraph is not None:
        by = each.paragraph.author or each.paragraph.file
        yield from (words.plain("{by} wrote on {day}:", by=by, day=words.day(each.paragraph.written)), "")
        yield from (*(f"> {line}" for line in each.paragraph.body.splitlines()), "")
        yield from (f"- {words.plain('Changed since: {what}', what=changed)}" for changed in each.paragraph.changed)
        yield ""


def _table(table: Table) -> Iterator[str]:
    def row(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    yield row(table.columns)
    yield "|" + "|".join(" --: " if place in table.figures else " --- " for place in range(len(table.columns))) + "|"
    yield from (row(each) for each in table.rows)


def _diagram(diagram: Diagram) -> Iterator[str]:
    """The diagram as Mermaid, which many readers of Markdown draw."""
    place = {box.id: f"b{number}" for number, box in enumerate(diagram.boxes)}
    yield from ("```mermaid", "flowchart LR")
    for box in diagram.boxes:
        label = "<br>".join((box.name, *box.lines)).replace('"', "'")
        yield f'  {place[box.id]}["{label}"]'
    for arrow in diagram.arrows:
        if arrow.start in place and arrow.end in place:
            yield f"  {place[arrow.start]} {'-.->' if arrow.dashed else '-->'} {place[arrow.end]}"
    yield "```"
