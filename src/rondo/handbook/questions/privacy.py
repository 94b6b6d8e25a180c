"""Question 35: personal data, what was done to it, and that none of it reaches a feature."""

from __future__ import annotations

from collections.abc import Mapping

from rondo.data.personal import Suspicion, suspected
from rondo.graph.upstream import Reached
from rondo.handbook.questions.answers import Answer, Fact, Table
from rondo.handbook.questions.data import profiled
from rondo.handbook.questions.desk import Desk

Place = tuple[str, str]
"""A source or table, and a column of it."""
FLOWS = "value"


def anonymised(desk: Desk) -> Answer:
    """35: personal data found or declared by column, what was done to it, that none of it reaches a feature."""
    say = desk.say
    declared = {(each.name, column): done for each in desk.declarations for column, done in each.personal}
    profiles = {name: profiled(desk, name) for name in desk.work.nodes}
    found = {
        (name, each.column): each
        for name, profile in profiles.items()
        if profile is not None
        for each in suspected(profile.columns)
    }
    owners = [desk.owner(name) for name in dict.fromkeys(name for name, _ in (*declared, *found))]
    who = desk.ask(*owners, (None, "data_engineer"))
    looked = [profile for profile in profiles.values() if profile is not None]
    commands = [desk.command(f"rondo lineage {desk.name}", about_s=1.0)] if desk.model else []
    commands += (
        [desk.command(f"rondo profile {next(name for name, p in profiles.items() if p)}", about_s=2.0)]
        if looked
        else []
    )
    if not looked:
        return Answer(
            (), tuple(commands), who, say("Nothing has been built, so no column could be looked at."), "rondo run"
        )
    facts = [
        Fact(
            say(
                "{columns} of {tables} were looked at by name and by their most frequent values; "
                "{declared} declared personal, "
                "{found} more look so.",
                columns=desk.counted("One column", "{n} columns", sum(len(each.columns) for each in looked)),
                tables=desk.counted("one table", "{n} tables", len(looked)),
                declared=len(declared),
                found=len(set(found) - set(declared)),
            ),
            "/tables",
        )
    ]
    reached = reaching(desk, {*declared, *found})
    if desk.model is not None:
        facts += _reaching(desk, reached, bool(declared or found))
    rows = [_declared_row(desk, place, done, place in reached) for place, done in declared.items()]
    rows += [_found_row(desk, place, each, place in reached) for place, each in found.items() if place not in declared]
    columns = (say("column"), say("kind"), say("what was done"), say("reaches the model"))
    table = Table(columns, tuple(rows)) if rows else None
    undeclared = [place for place in found if place not in declared]
    if undeclared:
        what = say(
            "{n} look personal and are not declared: nothing says what was done to them.",
            n=desk.counted("One column", "{n} columns", len(undeclared)),
        )
        return Answer(tuple(facts), tuple(commands), who, what, f"rondo profile {undeclared[0][0]}", table)
    facts.append(Fact(say("A column is declared under `personal:` in its header, with what was done to it.")))
    return Answer(tuple(facts), tuple(commands), who, table=table)


def reaching(desk: Desk, places: set[Place]) -> Mapping[Place, Reached]:
    """The personal columns whose values flow into what the model is fed, by the lineage of columns."""
    return {
        (table, column): (table, column, kind)
        for table, column, kind in desk.upstream
        if column is not None and kind == FLOWS and (table, column) in places
    }


def _reaching(desk: Desk, reached: Mapping[Place, Reached], some: bool) -> list[Fact]:
    page = f"/models/{desk.name}"
    if reached:
        return [
            Fact(
                desk.say("{table}.{column} reaches {model}.", table=table, column=column, model=desk.name),
                page,
                desk.where(table),
            )
            for table, column in reached
        ]
    if some:
        return [
            Fact(
                desk.say(
                    "None of it reaches {model}: no column that it is fed with is made from one of these.",
                    model=desk.name,
                ),
                page,
            )
        ]
    return [Fact(desk.say("{model} is fed with no column that looks personal.", model=desk.name), page)]


def _declared_row(desk: Desk, place: Place, done: str, reaches: bool) -> tuple[str, ...]:
    return ".".join(place), desk.say("declared"), done, desk.say("yes") if reaches else desk.say("no")


def _found_row(desk: Desk, place: Place, found: Suspicion, reaches: bool) -> tuple[str, ...]:
    kind = desk.words.known(found.kind)
    told = (
        desk.say("{kind}, by its values", kind=kind)
        if found.because == "its values"
        else desk.say("{kind}, by its name", kind=kind)
    )
    return ".".join(place), told, "–", desk.say("yes") if reaches else desk.say("no")
