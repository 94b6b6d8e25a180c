"""The page of a search: what was found, by sort, each with its address."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from markupsafe import Markup

from rondo.handbook.search import SearchFacts
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.rendering import render

# What a group is called, and one line about it for those who do not know the word.
GROUPS: Mapping[str, Callable[[Language], tuple[Markup, Markup]]] = {
    "pages": lambda words: (words.say("Pages"), words.say("Of this console.")),
    "actions": lambda words: (words.say("Actions"), words.say("What can be done, and where its button stands.")),
    "tables": lambda words: (words.say("Tables"), words.say("Sources and the tables built from them.")),
    "columns": lambda words: (words.say("Columns"), words.say("Of tables, with their types.")),
    "models": lambda words: (words.say("Models"), words.say("What is declared to be learned.")),
    "versions": lambda words: (words.say("Versions"), words.say("Trainings that were kept, newest first.")),
    "features": lambda words: (words.say("Features"), words.say("What models read of tables.")),
    "testsets": lambda words: (words.say("Test sets"), words.say("Rows that versions are judged on.")),
    "months": lambda words: (words.say("Months"), words.say("What production answered in each, newest first.")),
    "uses": lambda words: (words.say("Pages for end users"), words.say("For people who never open the console.")),
    "alerts": lambda words: (words.say("Alerts"), words.say("Measurements out of bounds, newest first.")),
    "incidents": lambda words: (words.say("Incidents"), words.say("What people did about alerts.")),
    "reports": lambda words: (words.say("Reports"), words.say("Text with live queries.")),
    "documents": lambda words: (words.say("Documents"), words.say("In docs/, with owner and state.")),
    "questions": lambda words: (words.say("Questions"), words.say("That the handbook answers.")),
    "people": lambda words: (words.say("People"), words.say("Who works on this project.")),
}


def search_page(facts: SearchFacts, frame: Frame) -> str:
    """The page as HTML."""
    words = frame.words
    return render(
        "search.html", frame, section="search", commands=("rondo history", "rondo team"), facts=facts,
        headline=_headline(facts, words), groups=[(group, *GROUPS[group.kind](words)) for group in facts.groups],
        sorts=[GROUPS[kind](words) for kind in GROUPS],
    )  # fmt: skip


def _headline(facts: SearchFacts, words: Language) -> Markup:
    if not facts.query:
        return words.say("What are you looking for?")
    asked = Markup("<q>{}</q>").format(facts.query)
    found = sum(group.found for group in facts.groups)
    if not found:
        return words.say("Nothing was found for {asked}", asked=asked)
    return words.count("{n} thing was found for {asked}", "{n} things were found for {asked}", found, asked=asked)
