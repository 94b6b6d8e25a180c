"""Question 34: whom to ask about what."""

from __future__ import annotations

from rondo.handbook.questions.answers import Answer, Fact, Table, Who
from rondo.handbook.questions.desk import Desk
from rondo.team.people import LEADS, STAGES, owned_things


def asked(desk: Desk) -> Answer:
    """34: the person by topic, from owners of the things involved."""
    say, people = desk.say, desk.work.project.settings.people
    things = owned_things(desk.work.project, desk.documents)
    topics = {
        "sources": say("where data comes from"),
        "tables": say("tables and their checks"),
        "dataset": say("examples and labels"),
        "model": say("the model"),
        "gate": say("requirements and release"),
        "deployment": say("serving"),
        "monitoring": say("alerts and incidents"),
    }
    rows, every = [], dict[str, Who]()
    for stage in STAGES:
        involved = [each for each in things if each.stage == stage]
        who = desk.ask(*((each.owner, each.role) for each in involved if each.owner), (None, LEADS[stage]))
        rows.append((topics[stage], ", ".join(each.name for each in involved) or "–", "; ".join(map(told, who))))
        every |= {each.id or each.role or "": each for each in who}
    unowned = [each.name for each in things if each.owner is None]
    facts = [
        Fact(
            desk.counted("One person is named in rondo.toml.", "{n} people are named in rondo.toml.", len(people)),
            "/team",
            "rondo.toml",
        )
    ]
    facts.append(
        Fact(say("Nobody owns {names}.", names=", ".join(unowned)), "/team")
        if unowned
        else Fact(say("Everything has an owner."), "/team")
    )
    commands = (desk.command("rondo team", about_s=1.0),)
    table = Table((say("about"), say("things"), say("ask")), tuple(rows))
    if not people:
        what = say("rondo.toml names nobody: write [people.data_engineer] with name and contact.")
        return Answer(tuple(facts), commands, tuple(every.values()), what, "rondo team", table)
    return Answer(tuple(facts), commands, tuple(each for each in every.values() if each.name), table=table)


def told(who: Who) -> str:
    """Dana Reyes (data engineer), dana@example.com."""
    name = who.name or who.role or "–"
    role = f" ({who.role})" if who.name and who.role else ""
    return f"{name}{role}" + (f", {who.contact}" if who.contact else "")
