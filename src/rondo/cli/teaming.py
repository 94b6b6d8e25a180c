"""The commands team, document and card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome
from rondo.cli.working import workplace
from rondo.errors import WrongUse
from rondo.handbook.cards import DataCard, ModelCard, data_card, model_card
from rondo.handbook.documents import DocumentsFacts, documents_facts
from rondo.handbook.people import TeamFacts, team_facts
from rondo.language.words import Language
from rondo.loop.workplace import Workplace
from rondo.pages.card import bill_of_materials, card_page, command_of, markdown_of
from rondo.pages.exporting import pdf_of, write_file
from rondo.pages.frame import Frame
from rondo.pages.proofs import role_name
from rondo.project.drafting import draft
from rondo.project.reading import find_root, read_project

if TYPE_CHECKING:
    from rich.console import Console

ENDINGS = (".html", ".pdf", ".md", ".cdx.json", ".json")


def team(options: Options) -> Outcome:
    """Who works on the project, what they own and owe."""
    work = workplace(options, readonly=True)
    words = _words(work)
    facts = team_facts(work, words)
    return Outcome(msgspec.to_builtins(facts), lambda console: _show_team(console, facts, words))


def document(
    options: Options, *, kind: str | None, name: str | None, model: str | None, language: str | None
) -> Outcome:
    """Write a document from a template; without a kind, list the documents with what is wrong with them."""
    if kind is None:
        listed = documents_facts(workplace(options, readonly=True))
        return Outcome(msgspec.to_builtins(listed), lambda console: _show_documents(console, listed))
    project = read_project(find_root(options.project or Path.cwd()))
    written = draft(project, kind, name or kind, model=model, language=language)

    def show(console: Console) -> None:
        console.print(f"{written}: what is marked TODO is to be written; `rondo doctor` says what is wrong with it.")

    return Outcome({"file": written, "kind": kind}, show)


def card(options: Options, *, what: str, name: str | None, out: Path | None, language: str | None) -> Outcome:
    """The card of the data, or of a model: on the screen, or as a file."""
    work = workplace(options, readonly=True)
    words = _words(work, language)
    if what == "data" and name is not None:
        raise WrongUse("A data card is of the whole project.", next_step="Run `rondo card data`.")
    composed: DataCard | ModelCard = data_card(work) if what == "data" else model_card(work, _model(work, name))
    if out is not None:
        write_file(out, _content(work, composed, out, words))
    text = markdown_of(composed, words)

    def show(console: Console) -> None:
        console.print(f"Written to {out}." if out else text, style="dim" if out else None, soft_wrap=True)
        if composed.missing:
            console.print(f"A person must still write: {', '.join(composed.missing)}.", style="yellow")

    return Outcome(msgspec.to_builtins(composed), show)


def _words(work: Workplace, language: str | None = None) -> Language:
    code = language or work.project.settings.language
    if code not in ("en", "ko"):
        raise WrongUse(f"--language is {code!r}; it may be: en, ko.", next_step="Use one of these.")
    return Language("ko" if code == "ko" else "en", work.project.settings.timezone)


def _model(work: Workplace, name: str | None) -> str:
    if name is not None:
        return name
    if len(work.project.models) != 1:
        there = ", ".join(work.project.models) or "none"
        raise WrongUse(f"Which model? There are: {there}.", next_step="Run `rondo card model NAME`.")
    return next(iter(work.project.models))


def _content(work: Workplace, composed: DataCard | ModelCard, out: Path, words: Language) -> bytes:
    ending = next((each for each in ENDINGS if out.name.endswith(each)), None)
    if ending == ".cdx.json":
        if isinstance(composed, DataCard):
            raise WrongUse("A bill of materials is of a model.", next_step="Run `rondo card model -o model.cdx.json`.")
        return (json.dumps(bill_of_materials(composed), indent=2, ensure_ascii=False) + "\n").encode()
    if ending == ".json":
        return msgspec.json.format(msgspec.json.encode(composed), indent=2) + b"\n"
    if ending == ".md":
        return markdown_of(composed, words).encode()
    if ending is None:
        raise WrongUse(f"{out} ends in none of {', '.join(ENDINGS)}.", next_step="Name one that does.")
    settings = work.project.settings
    frame = Frame(
        project=settings.name, now=work.now(), timezone=settings.timezone, state=work.store.state, code=words.code,
        address=command_of(composed).replace("rondo card", "/cards").replace(" ", "/"), saved=True,
    )  # fmt: skip
    page = card_page(composed, frame)
    return pdf_of(page) if ending == ".pdf" else page.encode()


def _show_documents(console: Console, facts: DocumentsFacts) -> None:
    table = printing.grid("document", "kind", "state", "owner", "to mend or to write")
    for each in facts.documents:
        wrong = [f"{problem.line or 1}: {problem.what}" for problem in each.problems]
        wrong += [f"{heading.line}: {heading.title!r} is to be written" for heading in each.unwritten]
        table.add_row(each.file, each.kind or "note", each.state or "", each.owner or "", "\n".join(wrong))
    if facts.documents:
        console.print(table)
    else:
        console.print("There is no document: `rondo document prd` writes the first.")


def _show_team(console: Console, facts: TeamFacts, words: Language) -> None:
    names = {person.id: person.name for person in facts.people}
    for person in facts.people:
        roles = ", ".join(role_name(words, role) for role in person.roles)
        console.print(f"{person.name}, {roles or person.id}" + (f" ({person.contact})" if person.contact else ""))
        now = [f"away until {person.until:%Y-%m-%d}"] if person.until else []
        now += [f"{names[person.instead]} stands in"] if person.instead else []
        if now := [*now, *(each.said for each in person.now)]:
            console.print(f"    now: {', '.join(now)}", style="dim")
        if person.owns:
            console.print(f"    owns: {', '.join(thing.name for thing in person.owns)}", style="dim")
    if not facts.people:
        console.print("Nobody is named: write [people.ID] with name, contact and role into rondo.toml.")
    if vacant := [role_name(words, role.role) for role in facts.roles if not role.held_by]:
        console.print(f"Held by nobody: {', '.join(vacant)}.", style="dim")
    role = None
    for each in facts.deliverables:
        if each.role != role:
            role = each.role
            console.print(f"\n{role_name(words, role)}: {', '.join(names[one] for one in each.people) or 'nobody'}")
        at = f" ({words.day(each.proof.at)})" if each.proof.at else ""
        console.print(printing.mark(each.state), f" {each.what}: {each.proof.said}{at}", sep="")
        if each.command and each.state in ("warn", "bad"):
            console.print(f"    next: {each.command}", style="dim")
    console.print()
    for plan in facts.plans:
        console.print(f"{plan.title}: {plan.done} of {len(plan.milestones)} milestones done, {plan.overdue} overdue.")
    for gap in facts.gaps:
        where = f" ({gap.file}:{gap.line or 1})" if gap.file else ""
        console.print(f"{gap.about}: {gap.what}{' ' + gap.named if gap.named else ''}{where}", style="yellow")
