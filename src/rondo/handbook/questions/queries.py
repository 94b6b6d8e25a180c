"""Questions 11 and 31: SQL files, where they go and how they are kept fit to be used again."""

from __future__ import annotations

from rondo.handbook.questions.answers import Answer, Fact, Table
from rondo.handbook.questions.desk import SHOWN, Desk, placed
from rondo.sql.repeated import repeated

SHORT = 70
EXAMPLE_STEP = "rondo init example --template flights"


def kept(desk: Desk) -> Answer:
    """11: the tables as a graph, who uses each, unused and duplicated logic."""
    say, tables = desk.say, desk.work.project.tables
    who = desk.ask(*(desk.owner(name) for name in tables), *([] if tables else [(None, "data_analyst")]))
    if not tables:
        return Answer((), (), who, say("There is no SQL: the folder tables/ is empty."), EXAMPLE_STEP)
    unused = [name for name in desk.work.nodes if not desk.readers[name] and not _asked(desk, name)]
    facts = [
        Fact(
            say(
                "{tables} in tables/, each named by others instead of copied; the graph is read from the SQL itself.",
                tables=desk.counted("One query", "{n} queries", len(tables)),
            ),
            "/tables",
        )
    ]
    facts.append(
        Fact(say("Nobody reads {names}.", names=", ".join(unused)))
        if unused
        else Fact(say("Every source and table is read by something."))
    )
    doubled = repeated({name: table.sql for name, table in tables.items()})
    for each in doubled[:SHOWN]:
        text = each.text if len(each.text) <= SHORT else each.text[: SHORT - 2] + " …"
        told = say("The same logic stands in {names}: {text}", names=", ".join(each.among), text=text)
        facts.append(Fact(told, None, tables[each.among[0]].file))
    if not doubled:
        facts.append(Fact(say("No expression of any size stands in two of them.")))
    first = next(iter(tables))
    commands = (
        desk.command(f"rondo lineage {first}", about_s=1.0),
        desk.command("rondo check --leaks", about_s=30.0),
        desk.command(f'rondo sql "select * from {first} limit 10"', about_s=1.0),
    )
    rows = tuple(
        (
            name,
            ", ".join(node.reads) or "–",
            ", ".join(desk.readers[name]) or "–",
            desk.owner_told(name),
        )
        for name, node in desk.work.nodes.items()
    )
    return Answer(
        tuple(facts), commands, who, table=Table((say("table"), say("reads"), say("read by"), say("owner")), rows)
    )


def _asked(desk: Desk, name: str) -> bool:
    return any(testset.sql and name in testset.sql for testset in desk.work.project.testsets.values())


def placed_where(desk: Desk) -> Answer:
    """31: `tables/`, with the header's meaning and an example from this project."""
    say, tables = desk.say, desk.work.project.tables
    shown = next((table for table in tables.values() if table.key and table.time and not table.is_examples), None)
    shown = shown or next(iter(tables.values()), None)
    facts = [
        Fact(
            say(
                "Each query is a file tables/NAME.sql; its rows are the table NAME, and what it reads is "
                "found in the SQL."
            )
        ),
        Fact(
            say(
                "A comment of YAML at its head says what the rows are: summary, owner, key (what a row is "
                "looked up by), "
                "time (when it happened), known (when it became known), keep, fresh, checks, on_fail, personal."
            )
        ),
        Fact(say("With a label it is an examples table, and says label_known, inputs and derive as well.")),
    ]
    who = desk.ask((shown.owner if shown else None, "data_engineer"))
    if shown is None:
        return Answer(tuple(facts), (), who, say("This project has no SQL yet to show."), EXAMPLE_STEP)
    told = [
        f"{name}: {value}"
        for name, value in (("key", ", ".join(shown.key)), ("time", shown.time), ("known", shown.known))
        if value
    ]
    said = say(
        "For example {table} ({header}): {summary}",
        table=shown.name,
        header="; ".join(told),
        summary=shown.summary or "–",
    )
    facts.append(Fact(said, f"/tables/{shown.name}", placed(shown.file, 1)))
    commands = (
        desk.command(f"rondo plan {shown.name}", about_s=1.0),
        desk.command(f"rondo run {shown.name}", "changes", 5.0),
        desk.command(f'rondo sql "select * from {shown.name} limit 10"', about_s=1.0),
    )
    return Answer(tuple(facts), commands, who)
