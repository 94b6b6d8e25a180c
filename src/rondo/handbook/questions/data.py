"""Questions 1, 2, 10, 33 and 36: how data comes to be, what it looks like, where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from rondo.handbook.questions.answers import Answer, Arrow, Box, BoxKind, Command, Diagram, Fact, Table
from rondo.handbook.questions.desk import SHOWN, Desk, placed
from rondo.project.sources import Source
from rondo.records.tables import CheckResult, Dataset, Profile, TableVersion
from rondo.records.versions import model_version, table_version

DATA_CARD = "data_card"


def made(desk: Desk) -> Answer:
    """1: from each upstream source through each table to the training examples of what is in production."""
    say, project = desk.say, desk.work.project
    dataset = desk.dataset.record if desk.dataset else None
    used = _used(desk, dataset)
    if not used:
        what, step = say("Nothing has been built yet."), "rondo run"
        return Answer(
            (), _looking(desk), desk.ask((None, "data_engineer")), what, step, diagram=data_diagram(desk, used)
        )
    sources = [each for each in used.values() if each.stage == "source"]
    facts = [Fact(_path(desk, used, len(sources)), "/tables")]
    if dataset is not None and desk.version is not None and desk.dataset is not None:
        splits = ", ".join(f"{desk.words.known(name)} {rows:,}" for name, rows in dataset.splits.items())
        told = say(
            "{version} was trained on {rows} examples frozen on {at}: {splits}.",
            version=desk.version,
            rows=f"{dataset.rows:,}",
            at=desk.words.moment(desk.dataset.at),
            splits=splits,
        )
        facts.append(Fact(told, f"/models/{desk.version.replace('@', '/')}"))
        facts += [Fact(say("Taken on trust: {assumption}", assumption=each)) for each in dataset.assumptions]
    rows = tuple(_version_row(desk, each) for each in used.values())
    columns = (say("table"), say("made from"), say("rows"), say("known until"), say("owner"))
    who = desk.ask(*(desk.owner(name) for name in used if name in project.names))
    return Answer(tuple(facts), _looking(desk), who, table=Table(columns, rows, (2,)), diagram=data_diagram(desk, used))


def _looking(desk: Desk) -> tuple[Command, ...]:
    name = desk.name if desk.model else next(iter(desk.tables), None)
    found = [desk.command(f"rondo lineage {name}", about_s=1.0)] if name else []
    query = "select t.at, name, version, rows from ledger.tables t order by seq desc"
    return (*found, desk.command(f'rondo sql "{query}" --limit 20', about_s=1.0))


def _path(desk: Desk, used: dict[str, TableVersion], sources: int) -> str:
    tables = len(used) - sources
    came = desk.counted("One source becomes", "{n} sources become", sources)
    became = desk.counted("one table", "{n} tables", tables)
    if desk.examples is None or desk.examples.name not in used:
        return desk.say("{sources} {tables}.", sources=came, tables=became)
    return desk.say(
        "{sources} {tables} and {rows} examples in {examples}.",
        sources=came,
        tables=became,
        examples=desk.examples.name,
        rows=f"{used[desk.examples.name].rows:,}",
    )


def _used(desk: Desk, dataset: Dataset | None) -> dict[str, TableVersion]:
    """What a dataset was made from, sources first; without one, the newest of everything."""
    if dataset is None:
        return {name: version for name, version in desk.tables.items() if version is not None}
    found: dict[str, TableVersion] = {}
    waiting = [(each.name, each.version) for each in dataset.inputs]
    while waiting:
        name, number = waiting.pop()
        if name in found:
            continue
        newest = desk.tables.get(name)
        entry = (
            None if newest and newest.version == number else desk.ledger.latest(TableVersion, name=name, version=number)
        )
        version = entry.record if entry else newest
        if version is not None:
            found[name] = version
            waiting += [(each.name, each.version) for each in version.inputs]
    order = [*desk.work.nodes, *found]
    return {name: found[name] for name in dict.fromkeys(order) if name in found}


def _version_row(desk: Desk, version: TableVersion) -> tuple[str, ...]:
    source = desk.work.project.sources.get(version.name)
    made_from = [table_version(each.name, each.version) for each in version.inputs]
    until = desk.words.moment(version.known_until) if version.known_until else "–"
    return (
        table_version(version.name, version.version),
        source.reader.address if source else ", ".join(made_from) or "–",
        f"{version.rows:,}",
        until,
        desk.owner_told(version.name),
    )


def data_diagram(desk: Desk, used: Mapping[str, TableVersion]) -> Diagram:
    """From files through tables to the model; each as near to what reads it as can be, so that few lines cross."""
    nodes = {name: node for name, node in desk.work.nodes.items() if name in used or not used}
    feeding = {desk.model.examples, *(feature.table for feature in desk.model.features)} if desk.model else set()
    behind = dict.fromkeys(nodes, 0)
    for name in reversed(nodes):
        behind[name] = max(behind[name], int(name in feeding))
        for read in nodes[name].reads:
            if read in behind:
                behind[read] = max(behind[read], behind[name] + 1)
    last = max(behind.values(), default=0)
    boxes, arrows = [], []
    for name, node in nodes.items():
        kind: BoxKind = "source" if node.is_source else "examples" if name == _examples(desk) else "table"
        lines = (desk.counted("{n} row", "{n} rows", used[name].rows),) if name in used else ()
        boxes.append(Box(name, name, kind, last - behind[name], lines, f"/tables/{name}"))
        arrows += [Arrow(read, name) for read in node.reads if read in nodes]
    if desk.model is not None:
        shown = (desk.version,) if desk.version else ()
        boxes.append(Box(desk.name, desk.name, "model", last, shown, f"/models/{desk.name}"))
        arrows += [Arrow(name, desk.name) for name in nodes if name in feeding]
    return Diagram("data", desk.say("From sources to the model"), tuple(boxes), tuple(arrows))


def _examples(desk: Desk) -> str | None:
    return desk.examples.name if desk.examples else None


def looked_at(desk: Desk) -> Answer:
    """2: the profile page, the checks with their last results, the command to query a table."""
    say = desk.say
    results = {name: entry.record for name, entry in desk.checks.items() if entry is not None}
    show = desk.examples.name if desk.examples else next((name for name, v in desk.tables.items() if v), None)
    who = desk.ask((desk.work.project.owner_of(show) if show else None, "data_engineer"))
    if show is None:
        return Answer((), (), who, say("There is no source and no table."), "rondo init example --template flights")
    commands = (
        desk.command(f"rondo profile {show}", about_s=2.0),
        desk.command("rondo check", about_s=5.0),
        desk.command(f'rondo sql "select * from {show} limit 10"', about_s=1.0),
    )
    if not results:
        return Answer((), commands, who, say("Nothing has been built, so nothing was checked."), "rondo run")
    checks = [(name, each) for name, result in results.items() for each in result.checks]
    failed = [(name, each) for name, each in checks if each.state == "failed"]
    told = desk.counted("One check", "{n} checks", len(checks))
    over = desk.counted("one table", "{n} tables", len(results))
    last = max(entry.at for entry in desk.checks.values() if entry)
    facts = [
        Fact(
            say(
                "{checks} on {tables}; {passed} passed when they last ran ({at}).",
                checks=told,
                tables=over,
                passed=len(checks) - len(failed),
                at=desk.words.moment(last),
            ),
            "/tables",
        )
    ]
    for name, each in failed[:SHOWN]:
        said = say(
            "{table}: {check} failed for {failed} of {rows} rows.",
            table=name,
            check=each.text,
            failed=f"{each.failed:,}",
            rows=f"{each.rows:,}",
        )
        facts.append(Fact(said, f"/tables/{name}", desk.where(name)))
    facts.append(
        Fact(say("{table} has a page with every column, its checks and its history.", table=show), f"/tables/{show}")
    )
    columns = (say("table"), say("state"), say("checks"), say("failed"), say("rows"))
    return Answer(tuple(facts), commands, who, table=Table(columns, _check_rows(desk, results), (2, 3, 4)))


def _check_rows(desk: Desk, results: dict[str, CheckResult]) -> tuple[tuple[str, ...], ...]:
    def rows(name: str) -> str:
        version = desk.tables[name]
        return f"{version.rows:,}" if version else "–"

    return tuple(
        (
            name,
            desk.words.known(each.state),
            str(len(each.checks)),
            str(sum(c.state == "failed" for c in each.checks)),
            rows(name),
        )
        for name, each in results.items()
    )


def depended_on(desk: Desk) -> Answer:
    """10: column-level lineage from prediction to source system, with owner and freshness of each."""
    say, project = desk.say, desk.work.project
    if desk.model is None:
        what, step = desk.unmodelled()
        return Answer((), (), desk.ask((None, "data_engineer")), what, step)
    columns: dict[str, dict[str, None]] = {}
    for table, column, _ in desk.upstream:
        if table in project.sources:
            columns.setdefault(table, {})[column or "*"] = None
    names = [name for name in project.sources if name in columns]
    facts = [
        Fact(
            say(
                "{model} depends on {columns} columns of {sources}.",
                model=desk.name,
                columns=sum(map(len, columns.values())),
                sources=desk.counted("one source", "{n} sources", len(names)),
            ),
            f"/models/{desk.name}",
        )
    ]
    for name in names:
        listed = ", ".join(list(columns[name])[:SHOWN]) + (" …" if len(columns[name]) > SHOWN else "")
        facts.append(
            Fact(say("{source}: {columns}.", source=name, columns=listed), f"/tables/{name}", desk.where(name))
        )
    first = next(iter(desk.upstream), None)
    commands = [desk.command(f"rondo lineage {desk.name}", about_s=1.0)]
    if first is not None and first[1] is not None:
        commands.append(desk.command(f"rondo lineage {first[0]}.{first[1]}", about_s=1.0))
    who = desk.ask(*(desk.owner(name) for name in names))
    return Answer(tuple(facts), tuple(commands), who, table=_arrivals(desk, names))


def upstream_systems(desk: Desk) -> Answer:
    """33: each upstream system with its contract, schedule and last arrival."""
    say, sources = desk.say, desk.work.project.sources
    if not sources:
        return Answer(
            (),
            (),
            desk.ask((None, "data_engineer")),
            say("sources.py declares no source."),
            "rondo init example --template flights",
        )
    facts = []
    for source in sources.values():
        terms = [say("key {key}", key=", ".join(source.key))] if source.key else []
        terms += [say("known {known}", known=source.known)] if source.known else []
        terms += [desk.counted("one check", "{n} checks", len(source.checks))] if source.checks else []
        terms.append(say("on failure: {on_fail}", on_fail=source.on_fail))
        told = say(
            "{source} reads {address}: {terms}.",
            source=source.name,
            address=source.reader.address,
            terms="; ".join(terms),
        )
        facts.append(Fact(told, f"/tables/{source.name}", placed(source.file, source.line)))
    first = next(iter(sources))
    commands = (
        desk.command(f"rondo plan {first}", about_s=1.0),
        desk.command(f"rondo profile {first}", about_s=2.0),
        desk.command(f"rondo run {first}", "changes", 5.0),
    )
    who = desk.ask(*(desk.owner(name) for name in sources))
    return Answer(tuple(facts), commands, who, table=_arrivals(desk, list(sources)))


def _arrivals(desk: Desk, names: list[str]) -> Table:
    say = desk.say
    columns = (say("source"), say("rows"), say("last known"), say("may be old"), say("comes every"), say("owner"))
    return Table(columns, tuple(_arrival(desk, desk.work.project.sources[name]) for name in names), (1,))


def _arrival(desk: Desk, source: Source) -> tuple[str, ...]:
    version = desk.tables.get(source.name)
    until = version.known_until if version else None
    return (
        source.name,
        f"{version.rows:,}" if version else "–",
        _since(desk, until, source.fresh_s)
        if until
        else desk.say("not timed")
        if version
        else desk.say("never loaded"),
        length(desk, source.fresh_s),
        length(desk, source.every_s),
        desk.owner_told(source.name),
    )


def _since(desk: Desk, until: datetime, fresh_s: int | None) -> str:
    told = desk.words.moment(until)
    if fresh_s is not None and desk.now - until > timedelta(seconds=fresh_s):
        return desk.say("{at}: too old", at=told)
    return told


def length(desk: Desk, seconds: float | None) -> str:
    """36 h."""
    if seconds is None:
        return "–"
    for size, text in (
        (86_400, desk.say("{n} d", n=f"{seconds / 86_400:g}")),
        (3_600, desk.say("{n} h", n=f"{seconds / 3_600:g}")),
    ):
        if seconds >= 2 * size or (seconds >= size and size == 3_600):
            return text
    return desk.say("{n} min", n=f"{seconds / 60:g}")


def carded(desk: Desk) -> Answer:
    """36: the data card: source, licence, owner, time range, collection, known flaws."""
    say, project = desk.say, desk.work.project
    card = next((each for each in desk.documents if each.kind == DATA_CARD), None)
    facts = []
    if card is not None:
        licence = card.values.get("licence")
        if licence:
            facts.append(Fact(say("The licence is {licence}.", licence=licence), "/cards/data", card.file))
        told = [each.title for each in card.headings if each.level == 2]
        facts.append(
            Fact(say("The data card tells: {headings}.", headings=", ".join(told)), f"/docs/{card.name}", card.file)
        )
        facts += [
            Fact(say("Its part “{heading}” is not written yet.", heading=each.title), None, f"{card.file}:{each.line}")
            for each in card.unwritten
        ]
    for source in project.sources.values():
        version = desk.tables.get(source.name)
        if version is None:
            continue
        size = sum(file.size for file in version.files)
        told_of = say(
            "{version} came from {files} ({size} MB): {rows} rows; owner {owner}.",
            version=table_version(source.name, version.version),
            size=f"{size / 1e6:,.1f}",
            rows=f"{version.rows:,}",
            files=", ".join(file.path for file in version.files[:3]) or source.reader.address,
            owner=desk.owner_told(source.name) if source.owner else say("nobody"),
        )
        facts.append(Fact(told_of, f"/tables/{source.name}", placed(source.file, source.line)))
    if desk.dataset is not None and desk.dataset.record.moments:
        moments = [moment for ends in desk.dataset.record.moments.values() for moment in ends]
        facts.append(
            Fact(
                say(
                    "The examples of {version} were asked from {start} to {end}.",
                    version=model_version(desk.name, desk.shown.record.version if desk.shown else 0),
                    start=desk.words.day(min(moments)),
                    end=desk.words.day(max(moments)),
                )
            )
        )
    commands = [desk.command("rondo card data", about_s=2.0)]
    query = "select name, version, files from ledger.tables where stage = 'source'"
    commands.append(desk.command(f'rondo sql "{query}"', about_s=1.0))
    who = desk.ask((card.owner if card else None, "data_engineer"))
    if card is None:
        what = say("There is no data card, so licence, collection and known flaws are not told.")
        return Answer(tuple(facts), tuple(commands), who, what, "rondo card data -o data_card.md")
    return Answer(tuple(facts), tuple(commands), who)


def profiled(desk: Desk, name: str) -> Profile | None:
    """What the newest version of a table holds."""
    entry = desk.ledger.latest(Profile, name=name)
    return entry.record if entry else None
