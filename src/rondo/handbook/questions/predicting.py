"""Questions 14 to 18: answers to rows, and what moved them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from rondo.errors import RondoError
from rondo.features.signature import kind_of
from rondo.handbook.predictions import MASKED
from rondo.handbook.questions.answers import Answer, Fact, Table
from rondo.handbook.questions.data import profiled
from rondo.handbook.questions.desk import TEST, Desk
from rondo.loop.answering import explain_logged
from rondo.records.development import Contribution, Explanation
from rondo.records.studies import Attribution, Condition, Mistakes
from rondo.records.tables import Scalar
from rondo.records.versions import model_version

MOST = 5
SAMPLE = 1_000
LATELY = timedelta(days=7)


def made_up(desk: Desk) -> Answer:
    """14: the page and command, filled in with a real example."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"), (None, "ml_developer"))
    if desk.signature is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    row = _row(desk)
    written = json.dumps(row, ensure_ascii=False).replace("'", "'\\''")
    facts = [
        Fact(
            say("A row brings {names}; the rest is looked up as known at its moment.", names=", ".join(row))
            if desk.signature.lookups
            else say("A row brings {names}.", names=", ".join(row)),
            f"/live/{desk.name}/try",
        ),
        Fact(
            say("The row below is the last one that was asked.")
            if desk.last
            else say("The row below holds the most frequent values of {table}.", table=desk.signature.examples)
        ),
    ]
    if desk.last is not None:
        answer = desk.last.score if desk.last.score is not None else desk.last.value
        told = say(
            "{version} answered {answer}.",
            version=model_version(desk.name, desk.last.version),
            answer=desk.words.number(answer),
        )
        facts.append(Fact(told, f"/predictions/{desk.last.id}"))
    commands = (
        desk.command(f"rondo predict {desk.name} --row '{written}'", "records", 1.0),
        desk.command(f"rondo explain {desk.name} --row '{written}'", about_s=1.0),
    )
    return Answer(tuple(facts), commands, who)


def _row(desk: Desk) -> dict[str, Scalar]:
    """What a request brings: of the last answer, or the most frequent value of each column of the examples."""
    signature = desk.signature
    assert signature is not None
    asked = {column.name: column for column in signature.inputs}
    asked |= {
        column.name: column
        for column in signature.request
        if column.name in {on for each in signature.lookups for _, on in each.on}
    }
    if desk.last is not None:
        given = desk.last.request
        return {name: None if name in desk.personal else _plain(given.get(name)) for name in asked}
    profile = profiled(desk, signature.examples)
    columns = {each.name: each for each in profile.columns} if profile else {}
    row: dict[str, Scalar] = {}
    for name, column in asked.items():
        known = columns.get(name)
        known = None if name in desk.personal else known
        top = known.top[0].value if known and known.top else known.min if known else None
        row[name] = top if top is not None else 1 if kind_of(column.type) == "number" else None
    return row


def _plain(value: object) -> Scalar:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def mistaken(desk: Desk) -> Answer:
    """15: the worst mistakes, the slices where they gather."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.shown is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    number = desk.shown.record.version
    command = desk.command(f"rondo mistakes {desk.version}", "records", 10.0)
    entry = desk.ledger.latest(Mistakes, name=desk.name, version=number)
    if entry is None:
        return Answer(
            (),
            (command,),
            who,
            say("The mistakes of {version} were not looked at yet.", version=desk.version),
            command.text,
        )
    found = entry.record
    facts = [
        Fact(
            say(
                "{version} was wrong for {mistakes} of {rows} rows of {testset}.",
                version=desk.version,
                mistakes=f"{found.mistakes:,}",
                rows=f"{found.rows:,}",
                testset=desk.words.known(found.testset),
            ),
            f"/models/{desk.name}/{number}#mistakes",
        )
    ]
    for part in found.slices[:MOST]:
        facts.append(
            Fact(
                say(
                    "They gather where {where}: {share} of {rows} rows ({low} to {high}).",
                    where=", ".join(condition(desk, each) for each in part.conditions),
                    rows=f"{part.rows:,}",
                    share=desk.words.share(part.share),
                    low=desk.words.share(part.low),
                    high=desk.words.share(part.high),
                )
            )
        )
    if not found.slices:
        facts.append(Fact(say("They gather nowhere that other days confirm.")))
    rows = tuple(
        (
            ", ".join(f"{name} {MASKED if name in desk.personal else value}" for name, value in each.key.items()),
            desk.words.number(each.score),
            str(each.outcome),
            ", ".join(part.feature for part in each.contributions),
        )
        for each in found.worst[:MOST]
    )
    columns = (say("the worst"), say("answered"), say("came true"), say("moved most by"))
    return Answer(tuple(facts), (command,), who, table=Table(columns, rows, (1,)))


def condition(desk: Desk, found: Condition) -> str:
    """Origin = JFK; hour from 17 to below 20; tailnum missing."""
    if found.missing:
        return desk.say("{column} is missing", column=found.column)
    if found.low is None and found.high is None:
        return f"{found.column} = {found.is_}"
    if found.low is None or found.high is None:
        return f"{found.column} {'<' if found.low is None else '≥'} {found.high if found.low is None else found.low:g}"
    return f"{found.low:g} ≤ {found.column} < {found.high:g}"


def one_explained(desk: Desk) -> Answer:
    """16: attribution for a given prediction id."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.shown is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    last = desk.last
    if last is None:
        return Answer(
            (), (), who, say("{model} has given no answer yet.", model=desk.name), "rondo up --once --send 100"
        )
    command = desk.command(f"rondo explain {desk.name} --id {last.id}", about_s=1.0)
    facts = [
        Fact(
            say(
                "The last answer, {id}, was given by {version} at {at}.",
                id=last.id,
                version=model_version(desk.name, last.version),
                at=desk.words.moment(last.at),
            ),
            f"/predictions/{last.id}",
        ),
        Fact(
            say("Each prediction keeps its id, its row and its features, so that any of them can be explained later.")
        ),
    ]
    try:
        found = explain_logged(desk.work, desk.name, last)
    except RondoError as error:
        return Answer(tuple(facts), (command,), who, error.message, "rondo doctor")
    facts.insert(
        1,
        Fact(
            say(
                "It starts from {base} on average and comes to {answer}.",
                base=desk.words.number(found.base),
                answer=desk.words.number(found.prediction),
            ),
            f"/predictions/{last.id}",
        ),
    )
    most = sorted(found.contributions, key=lambda part: -abs(part.contribution))[:MOST]
    return Answer(tuple(facts), (command,), who, table=_contributions(desk, most))


def _contributions(desk: Desk, parts: list[Contribution]) -> Table:
    def shown(part: Contribution) -> str:
        value = part.value
        if part.feature in desk.personal:
            return MASKED
        return desk.words.number(value) if isinstance(value, float) else "–" if value is None else str(value)

    rows = tuple((part.feature, shown(part), desk.words.number(part.contribution, signed=True)) for part in parts)
    return Table((desk.say("feature"), desk.say("value"), desk.say("moves the answer by")), rows, (1, 2))


def many_explained(desk: Desk) -> Answer:
    """17: attribution over a table, a slice or a live window."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"))
    if desk.shown is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    commands = [desk.command(f"rondo explain {desk.version} --on {desk.testset}", "records", 10.0)]
    slices = desk.model.slices if desk.model else ()
    if slices:
        commands.append(
            desk.command(f"rondo explain {desk.version} --on {desk.testset} --by {slices[0]}", "records", 10.0)
        )
    if _at_work_lately(desk):
        commands.append(desk.command(f"rondo explain {desk.name} --window 7d", "records", 10.0))
    number = desk.shown.record.version
    page = f"/models/{desk.name}/{number}"
    entry = desk.ledger.latest(Attribution, name=desk.name, version=number)
    if entry is not None:
        found = entry.record
        told = say(
            "Over {rows} of {of_rows} rows of {of}:",
            rows=f"{found.rows:,}",
            of_rows=f"{found.of_rows:,}",
            of=desk.words.known(found.of),
        )
        rows = tuple(
            (each.feature, desk.figure(each.weight), desk.words.share(each.share)) for each in found.features[:8]
        )
        columns = (say("feature"), say("moves the answer by, on average"), say("share"))
        return Answer((Fact(told, page),), tuple(commands), who, table=Table(columns, rows, (1, 2)))
    sampled = desk.ledger.entries(Explanation, name=desk.name, version=number, limit=MOST, newest_first=True)
    over = next((each.record for each in sampled if each.record.rows > 1), None)
    if over is None:
        return Answer(
            (),
            tuple(commands),
            who,
            say("{version} was explained over no sample yet.", version=desk.version),
            commands[0].text,
        )
    told = say("Over {rows} rows of its test split:", rows=f"{over.rows:,}")
    most = sorted(over.contributions, key=lambda part: -abs(part.contribution))[:8]
    whole = sum(abs(part.contribution) for part in over.contributions) or 1.0
    rows = tuple(
        (p.feature, desk.words.number(abs(p.contribution)), desk.words.share(abs(p.contribution) / whole)) for p in most
    )
    columns = (say("feature"), say("moves the answer by, on average"), say("share"))
    return Answer((Fact(told, page),), tuple(commands), who, table=Table(columns, rows, (1, 2)))


def _at_work_lately(desk: Desk) -> bool:
    """Whether what is in production answered somebody in the last days."""
    last, held = desk.last, desk.at_work.get("production")
    if last is None or held is None or last.role is None or last.version != held.record.version:
        return False
    return desk.now - last.moment < LATELY


def computed(desk: Desk) -> Answer:
    """18: the batch command and its output."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"), (None, "ml_developer"))
    if desk.shown is None or desk.examples is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    table = desk.examples.name
    facts = [
        Fact(
            say(
                "Rows of a file, a table or a query are answered the way the server answers: one column "
                "{outputs} more, and the rest as it came.",
                outputs=_outputs(desk),
            )
        ),
        Fact(
            say("Every answer is kept in predictions.{model}, to be counted, drawn and explained.", model=desk.name),
            f"/live/{desk.name}",
        ),
    ]
    entry = desk.evaluation(desk.shown.record.version, TEST)
    if entry is not None:
        facts.append(Fact(say("The test split was answered so: {rows} rows.", rows=f"{entry.rows:,}")))
    answer = "value" if desk.signature is not None and desk.signature.task == "regression" else "score"
    drawn = (
        f"select round({answer}, 1) as {answer}, count(*) as rows from predictions.{desk.name} group by 1 order by 1"
    )
    commands = [
        desk.command(
            f'rondo predict {desk.version} --table "select * from {table} limit {SAMPLE}" --out scored.parquet',
            "records",
            5.0,
        )
    ]
    if desk.signature is not None and desk.signature.task != "multiclass" and desk.last is not None:
        commands.append(desk.command(f'rondo sql "{drawn}"', about_s=1.0))
    return Answer(tuple(facts), tuple(commands), who)


def _outputs(desk: Desk) -> str:
    task = desk.signature.task if desk.signature else "binary"
    return {"binary": "score, label", "multiclass": "scores, label", "regression": "value"}[task]
