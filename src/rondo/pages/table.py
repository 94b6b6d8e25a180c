"""The page of one source or table: what it holds, how it stands, where it comes from and where it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from markupsafe import Markup

from rondo.handbook.checked import CheckLine, Outcome
from rondo.handbook.columns import Place
from rondo.handbook.landed import Because
from rondo.handbook.profiled import Change, ColumnFacts
from rondo.handbook.table import TableDetails
from rondo.language.words import NONE, Language
from rondo.pages.code import marked
from rondo.pages.frame import Frame
from rondo.pages.rendering import render
from rondo.pages.ring import Mark
from rondo.pages.sparks import spark
from rondo.pages.table_charts import age_chart, label_chart
from rondo.pages.table_lineage import comes_from, lineage_of, lineage_title
from rondo.pages.tables import age, length, newest_row, owner_of, read_by, size, standing_of
from rondo.pages.tabular import Sheet, sheets_of
from rondo.records.tables import Scalar

GROUPED = 10_000
"""Below it a whole number may be a year or a number of a flight: its digits are not grouped."""
LETTERS = 40
"""A value of more letters is cut."""
FEW = 0.001
TOPS = 3
PINS = 8
ROLES = {
    "key": "key",
    "time": "time",
    "known": "known",
    "input": "input",
    "label": "label",
    "label known": "label known",
}
STRIP: dict[Outcome, str] = {"passed": "", "warned": "warn", "blocked": "bad", "absent": "off"}


def table_page(facts: TableDetails, frame: Frame) -> str:
    """The page as HTML."""
    words, name = frame.words, facts.about.name
    chosen = facts.graph.chosen
    return render(
        "table.html",
        frame,
        section="tables",
        commands=(f"rondo profile {name}", f"rondo lineage {name}{f'.{chosen}' if chosen else ''}"),
        facts=facts,
        about=facts.about,
        label=_label(facts, frame),
        lede=_lede(facts, frame),
        mark=standing_of(facts.about, words),
        columns=[
            (each, _spark(each, words), _holds(each, facts, words), _roles(each, words)) for each in facts.columns
        ],
        changed=[(each, [_change(change, words) for change in each.changes]) for each in facts.columns if each.changes],
        checks=[(line, _strip(line), _check_mark(line, words)) for line in facts.checks.lines],
        freshness=age_chart(facts, frame),
        share=label_chart(facts, frame),
        lineage=lineage_of(facts, frame),
        lineage_title=lineage_title(facts, words),
        comes_from=comes_from,
        because=_because,
        contract=_contract(facts, words),
        things=_things(facts, frame),
        apart=[pin for pin in facts.pins if pin.role is not None or not pin.present][:PINS],
        alike=[pin for pin in facts.pins if pin.role is None and pin.present],
        sorts={column.name: column.sort for column in facts.columns},
        type_of=_type,
        difference=_difference,
        code=marked(facts.code.text, facts.code.language, facts.code.line),
        value=value,
        place=place,
        used=_used(facts),
        newest=newest_row,
        owner=owner_of,
        read_by=read_by,
        size=size,
        age=age,
        length=length,
        nulls=_nulls,
        strips=STRIP,
        fitness=FITNESS,
        weights=WEIGHTS,
    )


def table_sheets(facts: TableDetails) -> list[Sheet]:
    """The table as sheets: its columns first, then a few of its rows, values as they are, then all else."""
    page, *others = sheets_of(replace(facts, sample=None))
    columns = [sheet for sheet in others if sheet.name == "columns"]
    sample = facts.sample
    rows = [Sheet("rows", sample.columns, sample.rows)] if sample else []
    return [page, *columns, *rows, *(sheet for sheet in others if sheet.name != "columns")]


FITNESS: dict[str, Mark] = {"fit": "good", "doubtful": "open", "unfit": "bad"}
WEIGHTS: dict[str, Mark] = {"stop": "bad", "warn": "warn", "note": "idle"}


def _label(facts: TableDetails, frame: Frame) -> Markup:
    words = frame.words
    if facts.about.stage == "source":
        return words.say("Source")
    if facts.examples_of:
        return words.say("Table · examples of the model {name}", name=", ".join(facts.examples_of))
    return words.say("Table · examples") if facts.about.stage == "examples" else words.say("Table")


def _lede(facts: TableDetails, frame: Frame) -> Markup:
    """What it is, and how it stands."""
    words, about = frame.words, facts.about
    told = [Markup("{}").format(about.summary)] if about.summary else []
    if about.stage == "source" and not about.summary:
        told.append(words.say("Rows from {address}.", address=Markup("<code>{}</code>").format(about.address or "")))
    if about.state == "blocked":
        told.append(
            words.say(
                "<strong>Its last build was held back by a check</strong>; what stands here is the version before."
            )
        )
    elif about.state == "failed":
        told.append(
            words.say("<strong>It could not be built</strong> in the newest run: {why}", why=about.reason or "")
        )
    elif about.state == "unbuilt":
        told.append(words.say("It has not been built yet."))
    elif about.state == "late" and about.freshness is not None and about.freshness.limit_s is not None:
        told.append(
            words.say(
                "<strong>Nothing new has come for {age}</strong>; it should be no older than {limit}.",
                age=age(about.freshness.age_s, words), limit=length(about.freshness.limit_s, words),
            )
        )  # fmt: skip
    elif about.quarantined:
        told.append(
            words.count(
                "One row of its newest version was set aside by a check.",
                "{n} rows of its newest version were set aside by checks.", about.quarantined,
            )
        )  # fmt: skip
    elif about.checks_failed:
        told.append(words.count("One check is failing.", "{n} checks are failing.", about.checks_failed))
    elif about.checks:
        told.append(words.count("Its check passed.", "All its {n} checks passed.", about.checks))
    if about.changed:
        told.append(words.say("Its definition, or one that it reads, was changed since it was built."))
    return Markup(" ").join(told)


def value(held: Scalar, words: Language, sort: str = "other") -> str:
    """A value as people write it; moments on the project's clock."""
    if held is None:
        return NONE
    if isinstance(held, bool):
        return str(held).lower()
    if isinstance(held, int | float) and (isinstance(held, int) or held.is_integer()):
        return (words.whole(int(held)) if abs(held) >= GROUPED else str(int(held))).replace("-", "−")
    if isinstance(held, float):
        return f"{held:.4g}".replace("-", "−")
    if sort == "moment":
        try:
            at = datetime.fromisoformat(held)
        except ValueError:
            return held
        return words.moment(at) if at.tzinfo else held
    return held if len(held) <= LETTERS else held[: LETTERS - 1] + "…"


def place(at: Place, frame: Frame) -> Markup:
    """A column, linked to the page of its table."""
    name, column = at
    text = name if column is None else f"{name}.{column}"
    return Markup('<span class="ref">{}</span>').format(frame.link(text, f"/tables/{name}", column=column))


def _used(facts: TableDetails) -> Callable[[Place, Frame], Markup]:
    """What a column is used by: a column of another table, or a model."""

    def used(at: Place, frame: Frame) -> Markup:
        name, column = at
        kind = "models" if name in facts.models else "tables"
        text = name if column is None else f"{name}.{column}"
        return Markup('<span class="ref">{}</span>').format(frame.link(text, f"/{kind}/{name}"))

    return used


def _type(column: ColumnFacts) -> str:
    """A SQL type in fewer letters."""
    short = {"VARCHAR": "text", "BIGINT": "int", "INTEGER": "int", "TIMESTAMP WITH TIME ZONE": "timestamp"}
    return short.get(column.type, column.type.lower())


def _difference(rows: int | None) -> str:
    """Rows more or less, with a true minus."""
    return NONE if rows is None else f"{rows:+,}".replace("-", "−") if rows else "0"


def _spark(column: ColumnFacts, words: Language) -> Markup:
    if not column.bars and column.sort in ("text", "boolean"):
        bars: Sequence[int] = tuple(top.count for top in column.top)
    else:
        bars = column.bars
    name = words.say("distribution of {column}", column=column.name)
    return spark(bars, column.quantiles, (column.min, column.max), str(name))


def _holds(column: ColumnFacts, facts: TableDetails, words: Language) -> Markup:
    """Its range, or its most frequent values; of personal data nothing."""
    if column.personal is not None:
        return words.say("personal data: {what}", what=column.personal)
    rows = facts.shown.rows if facts.shown else 0
    if column.sort == "boolean" and column.mean is not None:
        return words.say("true {share}", share=words.share(column.mean))
    if column.sort in ("number", "moment") and column.min is not None:
        low, high = value(column.min, words, column.sort), value(column.max, words, column.sort)
        if column.sort == "number" and column.median is not None:
            return words.say("{low} to {high}, median {median}", low=low, high=high, median=value(column.median, words))
        return words.say("{low} to {high}", low=low, high=high)
    told = [
        f"{value(top.value, words)} {words.share(top.count / rows)}" if rows else value(top.value, words)
        for top in column.top[:TOPS]
    ]
    return Markup(", ").join(told)


def _nulls(column: ColumnFacts, facts: TableDetails, words: Language) -> str:
    """The share that has no value; a few rows as their number."""
    rows = facts.shown.rows if facts.shown else 0
    if column.nulls is None:
        return NONE
    share = column.nulls / rows if rows else 0.0
    return words.share(share) if share >= FEW else words.whole(column.nulls)


def _roles(column: ColumnFacts, words: Language) -> str:
    return ", ".join(words.known(ROLES[role]) for role in column.roles)


def _change(change: Change, words: Language) -> Markup:
    def held(which: Scalar) -> str:
        if change.kind in ("nulls", "share") and isinstance(which, float):
            return words.share(which)
        return value(which, words, "moment" if change.kind == "until" else "other")

    before = Markup("<del>{}</del> <ins>{}</ins>").format(held(change.before), held(change.after))
    if change.kind == "new":
        return words.say("new")
    if change.kind == "nulls":
        return words.say("null {change}", change=before)
    if change.kind == "median":
        return words.say("median {change}", change=before)
    if change.kind == "share":
        return words.say("true {change}", change=before)
    if change.kind == "until":
        return words.say("newest {change}", change=before)
    if change.kind == "distinct":
        return words.say("distinct values {change}", change=before)
    return words.say("type {change}", change=before)


def _strip(line: CheckLine) -> tuple[int, int]:
    """How many of the runs shown it did not pass, and in how many it was made."""
    made = [each for each in line.history if each != "absent"]
    return sum(each != "passed" for each in made), len(made)


def _check_mark(line: CheckLine, words: Language) -> tuple[Mark, Markup]:
    if line.state is None:
        return "idle", words.say("not run yet")
    if not line.declared:
        return "idle", words.say("not declared any more")
    if line.state == "passed":
        return "good", words.say("passed")
    mark: Mark = "bad" if line.on_fail == "block" else "warn"
    if line.rows and line.failed <= line.rows:
        return mark, words.say("{share} failing", share=words.share(line.failed / line.rows))
    return mark, words.say("failed")


def _things(facts: TableDetails, frame: Frame) -> Markup:
    """What a change would make again, each linked."""
    words = frame.words
    told = [frame.link(name, f"/tables/{name}") for name in facts.rebuild.tables]
    told += [words.say("model {name}", name=frame.link(name, f"/models/{name}")) for name in facts.rebuild.models]
    return Markup(", ").join(told)


def _because(each: Because, words: Language) -> Markup:
    if each.kind == "first":
        return words.say("first build")
    if each.kind == "definition":
        return words.say("definition changed")
    if each.kind == "files":
        if each.name is not None:
            return words.say("new file {file}", file=each.name)
        return words.count("one new file", "{n} new files", each.after or 0)
    if each.kind == "input":
        return words.say("{name} v{version}", name=each.name or "", version=each.after)
    if each.moment is not None:
        return words.say("as of {moment}", moment=words.short(each.moment))
    return words.say("another moment was asked for") if each.kind == "moment" else words.say("built again")


def _contract(facts: TableDetails, words: Language) -> list[tuple[Markup, Markup]]:
    """What is declared, a line each: the word of the header, and what was written."""
    contract = facts.contract

    def code(text: str) -> Markup:
        return Markup("<code>{}</code>").format(text)

    def lasting(held: int | None) -> Markup | None:
        return length(held, words) if held is not None else None

    always = words.say("always: a registry without history, taken on trust")
    told = [
        (words.say("key"), code(", ".join(contract.key)) if contract.key else None),
        (words.say("time, when it happened"), code(contract.time) if contract.time else None),
        (words.say("known, when it became known"),
         always if contract.known == "always" else code(contract.known) if contract.known else None),
        (words.say("label"), code(contract.label) if contract.label else None),
        (words.say("label known"), code(contract.label_known) if contract.label_known else None),
        (words.say("label delay"), lasting(contract.label_delay_s)),
        (words.say("inputs, what a request brings"), code(", ".join(contract.inputs)) if contract.inputs else None),
        (words.say("keep, how old a value may be to be used"), lasting(contract.keep_s)),
        (words.say("fresh, how old the newest row may be"), lasting(contract.fresh_s)),
        (words.say("every, how often it is loaded"), lasting(contract.every_s)),
        (words.say("on fail"), words.known(contract.on_fail)),
    ]  # fmt: skip
    found = [(word, Markup("{}").format(held)) for word, held in told if held is not None]
    found += [(words.say("derive {column}", column=name), code(sql)) for name, sql in contract.derive]
    found += [
        (words.say("personal: {column}", column=name), Markup("{}").format(what)) for name, what in contract.personal
    ]
    return found + [(Markup("{}").format(name), code(written)) for name, written in contract.reader]
