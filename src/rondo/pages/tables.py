"""The page of all sources and tables: how they stand, drawn from source to model, and what nobody reads."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from rondo.handbook.tables import Freshness, ModelLine, Owner, Reader, TableLine, TablesFacts
from rondo.language.words import NONE, Language
from rondo.pages.frame import Frame
from rondo.pages.lineage import Drawn, Text, Wire, drawing
from rondo.pages.rendering import render
from rondo.pages.ring import Mark

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
_UNITS = ("B", "kB", "MB", "GB", "TB")


def tables_page(facts: TablesFacts, frame: Frame) -> str:
    """The page as HTML."""
    words = frame.words
    return render(
        "tables.html",
        frame,
        section="tables",
        commands=("rondo plan", "rondo check"),
        facts=facts,
        headline=_headline(facts, words),
        lede=_lede(facts, words),
        graph=_graph(facts, frame),
        groups=[
            (
                "sources", words.say("Sources"), words.say("Where rows come from, and who answers for it."),
                [line for line in facts.tables if line.stage == "source"],
            ),
            (
                "tables", words.say("Tables"), words.say("One SQL file each, in the order in which they are built."),
                [line for line in facts.tables if line.stage != "source"],
            ),
        ],
        standing=standing_of,
        newest=newest_row,
        read_by=read_by,
        owner=owner_of,
        size=size,
    )  # fmt: skip


def standing_of(line: TableLine, words: Language) -> tuple[Mark, Markup]:
    """A table's state as a mark and words."""
    if line.state == "blocked":
        return "bad", words.say("held back")
    if line.state == "failed":
        return "bad", words.say("could not be built")
    if line.state == "unbuilt":
        return "idle", words.say("not built yet")
    if line.state == "late" and line.freshness is not None:
        return "bad", words.say("{age} old", age=age(line.freshness.age_s, words))
    if line.state == "quarantined":
        return "warn", words.count("{n} row set aside", "{n} rows set aside", line.quarantined)
    if line.state == "warned":
        return "warn", words.count("{n} check failing", "{n} checks failing", line.checks_failed)
    if line.changed:
        return "open", words.say("changed since it was built")
    if not line.checks:
        return "idle", words.say("no checks")
    return "good", words.count("{n} check passed", "{n} checks passed", line.checks)


def age(length_s: float, words: Language) -> Markup:
    """19 min, 29 h or 5 days."""
    if length_s < 2 * HOUR_S:
        return words.count("{n} min", "{n} min", int(length_s // MINUTE_S))
    if length_s < 3 * DAY_S:
        return words.count("{n} h", "{n} h", int(length_s // HOUR_S))
    return words.count("{n} day", "{n} days", int(length_s // DAY_S))


def length(length_s: int, words: Language) -> Markup:
    """A length as it was declared: 90 min, 36 h or 7 days."""
    if length_s % DAY_S == 0:
        return words.count("{n} day", "{n} days", length_s // DAY_S)
    if length_s % HOUR_S == 0:
        return words.count("{n} h", "{n} h", length_s // HOUR_S)
    return words.count("{n} min", "{n} min", length_s // MINUTE_S)


def newest_row(fresh: Freshness | None, words: Language) -> Markup:
    """How old the newest row is, and how old it may be."""
    if fresh is None:
        return Markup(NONE)
    if fresh.basis == "landed":
        return words.say("landed {moment}", moment=words.short(fresh.newest))
    told = Markup("{}").format(age(fresh.age_s, words))
    if fresh.limit_s is not None:
        limit = words.say("limit {age}", age=length(fresh.limit_s, words))
        told += Markup(' <span class="ci">{}</span>').format(limit)
    return told


def size(count: int | None) -> str:
    """5.7 MB."""
    if count is None:
        return NONE
    amount, unit = float(count), 0
    while amount >= 1_000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1_000, unit + 1
    return f"{amount:.3g} {_UNITS[unit]}"


def owner_of(owner: Owner, frame: Frame) -> Markup:
    """Who answers, linked to how to reach them; where nobody is declared, the next best by role."""
    if owner.id is None:
        return Markup('<span class="quiet">{}</span>').format(frame.words.say("nobody"))
    linked = frame.link(owner.name or owner.id, f"/team#{owner.id}")
    if owner.declared is not None:
        return linked
    return frame.words.say("nobody; ask {who}", who=linked)


def read_by(readers: Sequence[Reader], frame: Frame) -> Markup:
    """What reads a table, each linked where it has a page."""
    if not readers:
        return Markup('<span class="quiet">{}</span>').format(frame.words.say("nothing"))
    return Markup(", ").join(reader_link(reader, frame) for reader in readers)


def reader_link(reader: Reader, frame: Frame) -> Markup:
    """One reader, linked where it has a page."""
    if reader.kind == "table":
        return frame.link(reader.name, f"/tables/{reader.name}")
    if reader.kind == "model":
        return frame.words.say("model {name}", name=frame.link(reader.name, f"/models/{reader.name}"))
    if reader.kind == "report":
        return frame.words.say("report {name}", name=frame.link(reader.name, f"/reports/{reader.name}"))
    return frame.words.say("test set {name}", name=reader.name)


def _headline(facts: TablesFacts, words: Language) -> Markup:
    by_state = {
        state: [line for line in facts.tables if line.state == state] for state in ("blocked", "failed", "late")
    }
    if not facts.tables:
        return words.say("No source is declared")
    if blocked := by_state["blocked"]:
        return words.count("{name} is held back", "{n} tables are held back", len(blocked), name=blocked[0].name)
    if failed := by_state["failed"]:
        return words.count(
            "{name} could not be built", "{n} tables could not be built", len(failed), name=failed[0].name
        )
    late = first_late(by_state["late"])
    if late and late[0].freshness is not None:
        if len(late) == 1:
            since = age(late[0].freshness.age_s, words)
            return words.say("{name} has brought nothing new for {age}", name=late[0].name, age=since)
        return words.count(
            "{n} source or table brings nothing new", "{n} sources or tables bring nothing new", len(late)
        )
    built = [line for line in facts.tables if line.number is not None]
    if not built:
        return words.say("Nothing has been loaded yet")
    if changed := [line for line in facts.tables if line.changed]:
        return words.count(
            "{name} was changed and not built again", "{n} tables were changed and not built again", len(changed),
            name=changed[0].name,
        )  # fmt: skip
    failing = sum(line.checks_failed for line in facts.tables)
    if failing:
        return words.count("One check is failing", "{n} checks are failing", failing)
    if len(built) < len(facts.tables):
        return words.say("{built} of {n} are built", built=len(built), n=len(facts.tables))
    return words.count("The only table is up to date", "All {n} are up to date", len(facts.tables))


def first_late(late: Sequence[TableLine]) -> list[TableLine]:
    """Those that are late though nothing that they read is: what is behind the others."""
    names = {line.name for line in late}
    return [line for line in late if not names & set(line.reads)]


def _lede(facts: TablesFacts, words: Language) -> Markup:
    if not facts.tables:
        return words.say("Declare where rows come from in {file}.", file="sources.py")
    sources = [line for line in facts.tables if line.stage == "source"]
    rows = sum(line.rows or 0 for line in facts.tables)
    told = words.say(
        "{sources} and {tables} hold {rows} rows in {size}.",
        sources=words.count("{n} source", "{n} sources", len(sources)),
        tables=words.count("{n} table", "{n} tables", len(facts.tables) - len(sources)),
        rows=words.whole(rows), size=size(sum(line.bytes or 0 for line in facts.tables)),
    )  # fmt: skip
    checks, failed = (sum(getattr(line, name) for line in facts.tables) for name in ("checks", "checks_failed"))
    told += Markup(" ") + words.count("One check stands guard", "{n} checks stand guard", checks)
    told += words.say(", {n} failing", n=failed) if failed else Markup("")
    for line in first_late([line for line in facts.tables if line.state == "late"]):
        reached = [model.name for model in facts.models if _reaches(facts, line.name, model)]
        if reached:
            told += Markup(". ") + words.count(
                "{name} feeds the model {models}", "{name} feeds the models {models}", len(reached),
                name=line.name, models=", ".join(reached),
            )  # fmt: skip
    return told + "."


def _reaches(facts: TablesFacts, name: str, model: ModelLine) -> bool:
    """Whether a model reads it, through whatever tables."""
    reads = {line.name: line.reads for line in facts.tables}
    waiting, seen = list(model.reads), set()
    while waiting:
        read = waiting.pop()
        if read not in seen:
            seen.add(read)
            waiting += reads.get(read, ())
    return name in seen


def _graph(facts: TablesFacts, frame: Frame) -> Markup | None:
    """Sources at the left, models at the right; what is late or held back says so in its box."""
    if not facts.tables:
        return None
    words = frame.words
    levels = _levels(facts)
    last = max(levels.values()) + 1
    boxes = [_box(line, levels[line.name], frame) for line in facts.tables]
    for model in facts.models:
        href = None if frame.saved else frame.href(f"/models/{model.name}")
        role = (
            words.say("{version} in production", version=model.production)
            if model.production
            else words.say("nothing in production")
        )
        boxes.append(Drawn(Text(model.name, href), last, str(words.say("model")), (), (Text(str(role)),)))
    place = {box.name.words: number for number, box in enumerate(boxes)}
    models = {model.name: len(facts.tables) + number for number, model in enumerate(facts.models)}
    bad = {line.name for line in facts.tables if line.state in ("blocked", "failed", "late")}
    wires = [
        Wire((place[read], None), (place[line.name], None), marked=read in bad and line.name in bad)
        for line in facts.tables
        for read in line.reads
    ]
    wires += [
        Wire((place[read], None), (models[model.name], None), marked=read in bad)
        for model in facts.models
        for read in model.reads
    ]
    return drawing(boxes, wires, str(words.say("From the sources through the tables to the models")))


def _levels(facts: TablesFacts) -> dict[str, int]:
    """Sources at the left, every table just before the first that reads it, so that few wires pass another table."""
    depth: dict[str, int] = {}
    for line in facts.tables:
        depth[line.name] = 1 + max((depth[name] for name in line.reads if name in depth), default=-1)
    levels: dict[str, int] = {}
    for line in reversed(facts.tables):
        above = [levels[each.name] for each in facts.tables if line.name in each.reads and each.name in levels]
        levels[line.name] = 0 if line.stage == "source" else min(above, default=max(depth.values()) + 1) - 1
    return levels


def _box(line: TableLine, level: int, frame: Frame) -> Drawn:
    words = frame.words
    mark, told = standing_of(line, words)
    href = None if frame.saved else frame.href(f"/tables/{line.name}")
    rows = words.count("{n} row", "{n} rows", line.rows) if line.rows is not None else words.say("not built yet")
    style = {"bad": "t-bad"}.get(mark, "")
    lines = (
        (Text(str(rows)), Text(str(told), None, style)) if line.rows is not None else (Text(str(told), None, style),)
    )
    return Drawn(
        Text(line.name, href),
        level,
        f"v{line.number}" if line.number is not None else "",
        [Text(line.address)] if line.address else [],
        lines,
    )
