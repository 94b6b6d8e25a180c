"""Questions 3, 4, 5, 12, 29 and 30: what may be changed, where, and what follows from it."""

from __future__ import annotations

import inspect
import re

from rondo.handbook.questions.answers import Answer, Arrow, Box, Command, Diagram, Fact, Table
from rondo.handbook.questions.data import data_diagram
from rondo.handbook.questions.desk import SHOWN, Desk, placed
from rondo.project.models import OwnTrainer, Trainer
from rondo.project.tables import Table as Declared
from rondo.records.deployment import Rehearsal

EXAMPLE_STEP = "rondo init example --template flights"


def changed(desk: Desk) -> Answer:
    """3: where each feature and the label are defined; what would be rebuilt if it changed."""
    say = desk.say
    if desk.model is None or desk.examples is None:
        what, step = desk.unmodelled()
        return Answer((), (), desk.ask((None, "data_scientist")), what, step)
    examples, tables = desk.examples, desk.work.project.tables
    rows = [
        (say("label"), desk.model.task.label, line_of(examples, desk.model.task.label), _rebuilt(desk, examples.name))
    ]
    rows += [
        (say("input"), name, line_of(examples, name), _rebuilt(desk, examples.name)) for name in examples.inputs or ()
    ]
    rows += [
        (say("derived"), name, placed(examples.file, (examples.derive_line or 0) + place), desk.name)
        for place, (name, _) in enumerate(examples.derive, 1)
    ]
    for feature in desk.model.features:
        table = tables[feature.table]
        for column in feature.columns or _columns(desk, table):
            rows.append(
                (say("feature"), f"{feature.prefix}.{column}", line_of(table, column), _rebuilt(desk, table.name))
            )
    facts = [
        Fact(
            say("The label {label} is a column of {table}.", label=desk.model.task.label, table=examples.name),
            f"/tables/{examples.name}",
            line_of(examples, desk.model.task.label),
        ),
        Fact(
            say("{model} names its features in its declaration.", model=desk.name),
            f"/models/{desk.name}",
            desk.where(desk.name),
        ),
        Fact(
            say(
                "An edit makes the model stale: the next run trains it again, and {what} goes on answering as it did.",
                what=desk.version or say("whatever is in production"),
            )
        ),
    ]
    commands = (
        desk.command("rondo plan", about_s=1.0),
        desk.command(f"rondo lineage {examples.name}.{desk.model.task.label}", about_s=1.0),
        desk.command(f"rondo run {desk.name}", "changes", desk.run_s),
    )
    owners = [desk.owner(name) for name in (desk.name, examples.name, *(f.table for f in desk.model.features))]
    columns = (say("what"), say("name"), say("defined in"), say("rebuilt if it changes"))
    return Answer(tuple(facts), commands, desk.ask(*owners), table=Table(columns, tuple(rows)))


def _columns(desk: Desk, table: Declared) -> tuple[str, ...]:
    version = desk.tables.get(table.name)
    return tuple(c for c in (version.columns if version else ()) if c not in {*table.key, table.time, table.known})


def _rebuilt(desk: Desk, name: str) -> str:
    return ", ".join((name, *desk.below(name)))


def line_of(table: Declared, column: str) -> str:
    """The line of a table's SQL on which a column is made: given its name, or else named last."""
    code = [line.partition("--")[0] for line in table.sql.splitlines()]
    for written in (rf"\bas\s+{re.escape(column)}\b", rf"\b{re.escape(column)}\b"):
        found = [place for place, line in enumerate(code) if re.search(written, line, re.IGNORECASE)]
        if found:
            return placed(table.file, table.sql_line + found[-1])
    return placed(table.file, table.sql_line)


def customised(desk: Desk) -> Answer:
    """4: the hooks in use, and the place and signature for a custom source, trainer, metric and check."""
    say, project = desk.say, desk.work.project
    checks = sum(len(each.checks) for each in desk.declarations)
    trainer = _trainer(desk)
    rows = (
        (
            say("source"),
            "sources.py",
            "NAME = rd.Source(rd.files(PATTERN), key=…, time=…, known=…, checks=[…])",
            ", ".join(project.sources) or "–",
        ),
        (
            say("table"),
            "tables/NAME.sql",
            "/* --- key: …  time: …  known: … --- */ select …",
            ", ".join(project.tables) or "–",
        ),
        (say("trainer"), desk.model.file if desk.model else "models/NAME.py", _protocol(), trainer),
        (
            say("metric"),
            "metrics.py",
            "@rd.metric(task=…)  def NAME(y_true, y_score, y_label) -> float",
            ", ".join(project.metrics) or "–",
        ),
        (say("check"), "sources.py, tables/NAME.sql", "checks: [CONDITION, unique, not_null: [COLUMN]]", str(checks)),
    )
    facts = [
        Fact(
            say("Data, training and evaluation are changed in five places; what stands there is used by every command.")
        ),
        Fact(
            say(
                "In use here: {sources}, {tables}, {checks}, trainer {trainer}, {metrics}.",
                sources=desk.counted("one source", "{n} sources", len(project.sources)),
                tables=desk.counted("one table", "{n} tables", len(project.tables)),
                checks=desk.counted("one check", "{n} checks", checks),
                trainer=trainer,
                metrics=desk.counted("one metric of its own", "{n} metrics of its own", len(project.metrics)),
            )
        ),
    ]
    commands = (
        desk.command("rondo plan", about_s=1.0),
        desk.command("rondo check", about_s=5.0),
        desk.command("rondo run", "changes", desk.run_s),
    )
    who = desk.ask(
        (None, "data_engineer"),
        desk.owner(desk.name) if desk.model else (None, "data_scientist"),
        (None, "ml_engineer"),
    )
    columns = (say("what"), say("where"), say("how it is written"), say("here now"))
    return Answer(tuple(facts), commands, who, table=Table(columns, rows))


def _protocol() -> str:
    """The functions that a trainer of one's own has, as they are declared."""
    names = ("fit", "save", "load")
    given = {
        name: [p for p in inspect.signature(getattr(OwnTrainer, name)).parameters if p != "self"] for name in names
    }
    return ", ".join(f"{name}({', '.join(parameters)})" for name, parameters in given.items())


def _trainer(desk: Desk) -> str:
    if desk.model is None:
        return "–"
    train = desk.model.train
    if not isinstance(train, Trainer):
        return type(train).__name__
    return f"rd.{train.name}"


def rebuilt(desk: Desk) -> Answer:
    """5: the trainer in use, where it is declared, what signature check guards serving."""
    say = desk.say
    if desk.model is None:
        what, step = desk.unmodelled()
        return Answer((), (), desk.ask((None, "data_scientist")), what, step)
    facts = [
        Fact(
            say("{model} is trained by {trainer}.", model=desk.name, trainer=_trainer(desk)),
            f"/models/{desk.name}",
            desk.where(desk.name),
        )
    ]
    commands = (
        desk.command(f"rondo plan {desk.name}", about_s=1.0),
        desk.command(f"rondo run {desk.name}", "changes", desk.run_s),
    )
    who = desk.ask(desk.owner(desk.name), (None, "ml_engineer"))
    if desk.shown is None or desk.signature is None or desk.version is None:
        what, step = desk.unmodelled()
        return Answer(tuple(facts), commands, who, what, step)
    version, signature = desk.shown.record, desk.signature
    parameters = ", ".join(f"{name} {value}" for name, value in list(version.parameters.items())[:SHOWN])
    told = say(
        "{version} came out as {trainer}: {parameters}.",
        version=desk.version,
        trainer=version.trainer,
        parameters=parameters or "–",
    )
    facts.append(Fact(told, f"/models/{desk.version.replace('@', '/')}"))
    said = say(
        "Its signature has {inputs} inputs, {looked_up} looked up, {derived} derived, {fed} fed; "
        "it follows the declarations, "
        "so a new feature or label needs no change of architecture.",
        inputs=len(signature.inputs),
        looked_up=sum(len(each.columns) for each in signature.lookups),
        derived=len(signature.derived),
        fed=len(signature.fed),
    )
    facts.append(Fact(said))
    guard = say(
        "A request with a field that the signature does not know is refused, and no version "
        "serves whose packed signature differs."
    )
    facts.append(Fact(guard))
    entry = desk.ledger.latest(Rehearsal, name=desk.name, version=version.version)
    if entry is not None:
        tried = say(
            "Before its gate {rows} rows went through the serving path, {differ} scored otherwise; "
            "{keys} keys were read online, {read} otherwise.",
            rows=f"{entry.record.offline_rows:,}",
            differ=f"{entry.record.offline_differ:,}",
            keys=f"{entry.record.online_keys:,}",
            read=f"{entry.record.online_differ:,}",
        )
        facts.append(Fact(tried))
    return Answer(tuple(facts), commands, who)


def elsewhere(desk: Desk) -> Answer:
    """12: the command that trains with another examples table or starts from an earlier version."""
    say = desk.say
    who = desk.ask(desk.owner(desk.name) if desk.model else (None, "data_scientist"), (None, "ml_engineer"))
    if desk.model is None or desk.examples is None or desk.newest is None:
        what, step = desk.unmodelled()
        return Answer((), (), who, what, step)
    others = [
        table.name
        for table in desk.work.project.tables.values()
        if table.is_examples and table.name != desk.examples.name and table.label == desk.examples.label
    ]
    facts = [
        Fact(
            say(
                "Any examples table with the label {label} and the columns of {table} can stand in for it.",
                label=desk.model.task.label,
                table=desk.examples.name,
            ),
            f"/tables/{desk.examples.name}",
            placed(desk.examples.file, 1),
        ),
        Fact(
            say("There are: {names}.", names=", ".join(others))
            if others
            else say(
                "There is no other yet: copy {file} to another name and change its select.", file=desk.examples.file
            )
        ),
        Fact(say("What is trained so is a candidate: it is judged like any other, and never promoted by itself.")),
    ]
    commands = [
        desk.command(
            f"rondo run {desk.name} --examples {name}", "changes", desk.shown.record.seconds if desk.shown else None
        )
        for name in others[:1]
    ]
    grown = desk.shown.record if desk.shown and desk.shown.record.trainer == "lightgbm" else None
    if grown is not None:
        facts.append(Fact(say("Training can begin with the trees of {version} and add to them.", version=desk.version)))
        commands.append(desk.command(f"rondo run {desk.name} --from {desk.version}", "changes", grown.seconds))
    if not commands:
        commands.append(
            desk.command(
                f"rondo run {desk.name} --examples {desk.examples.name}",
                "changes",
                desk.shown.record.seconds if desk.shown else None,
            )
        )
    return Answer(tuple(facts), tuple(commands), who)


def extended(desk: Desk) -> Answer:
    """29: the graph with the place to hook in."""
    say = desk.say
    used = {name: version for name, version in desk.tables.items() if version is not None}
    graph = data_diagram(desk, used)
    last = max((box.column for box in graph.boxes), default=0)
    hook = Box("hook", "tables/NAME.sql", "hook", max(1, last - 1), (say("a new step"),))
    before = [box.id for box in graph.boxes if box.column < hook.column]
    read = max(before, key=lambda name: len(desk.readers[name]), default=None)
    arrows = list(graph.arrows)
    arrows += [Arrow(read, hook.id, None, True)] if read else []
    arrows += [Arrow(hook.id, desk.name, None, True)] if desk.model else []
    diagram = Diagram("pipeline", say("The pipeline, and where a step hooks in"), (*graph.boxes, hook), tuple(arrows))
    facts = [
        Fact(
            say(
                "A step is a file: write tables/NAME.sql, name in it what it reads, and name it where it is to be read."
            )
        ),
        Fact(
            say(
                "To replace a step, keep its name and its columns: whatever reads it is rebuilt, and "
                "nothing else changes."
            )
        ),
    ]
    if desk.model is not None:
        facts.append(
            Fact(
                say("A table becomes a feature when {model} names it in features=[…].", model=desk.name),
                f"/models/{desk.name}",
                desk.where(desk.name),
            )
        )
    for name in list(desk.work.project.tables)[:SHOWN]:
        below = desk.below(name)
        said = say(
            "{table} reads {reads}; a change of it rebuilds {below}.",
            table=name,
            reads=", ".join(desk.work.nodes[name].reads) or "–",
            below=", ".join(below) or "–",
        )
        facts.append(Fact(said, f"/tables/{name}", desk.where(name)))
    commands: tuple[Command, ...] = (
        desk.command("rondo plan", about_s=1.0),
        desk.command("rondo run", "changes", desk.run_s),
    )
    who = desk.ask((None, "data_engineer"), *(desk.owner(name) for name in desk.work.project.tables))
    if not desk.work.nodes:
        return Answer(tuple(facts), commands, who, say("There is no pipeline yet."), EXAMPLE_STEP, diagram=diagram)
    return Answer(tuple(facts), commands, who, diagram=diagram)


def begun(desk: Desk) -> Answer:
    """30: the rule of thumb, `rondo init`, the templates."""
    say, settings = desk.say, desk.work.project.settings
    models = ", ".join(desk.work.project.models) or say("none")
    facts = (
        Fact(
            say(
                "Another question about the same rows is another model in models/; another decision, "
                "another moment of asking "
                "or other keys are another examples table; other sources and other people are another project."
            )
        ),
        Fact(
            say(
                "{project} has the models {models}; a new one is a file beside them.",
                project=settings.name,
                models=models,
            )
        ),
        Fact(
            say(
                "A new project starts from a template: blank (a source, a table and a model to fill in) "
                "or flights (the whole example)."
            )
        ),
    )
    commands = (
        Command("rondo init new_project", "records", 1.0),
        Command("rondo init new_flights --template flights", "records", 2.0),
        desk.command("rondo plan", about_s=1.0),
    )
    return Answer(facts, commands, desk.ask((None, "engineering_manager"), (None, "ml_engineer")))
