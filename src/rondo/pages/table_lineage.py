"""A table's columns between those they come from and those they go to, the way of one of them marked."""

from __future__ import annotations

from markupsafe import Markup

from rondo.handbook.columns import Box, Place
from rondo.handbook.profiled import ColumnFacts
from rondo.handbook.table import TableDetails
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.pages.lineage import Drawn, Text, Wire, drawing


def lineage_of(facts: TableDetails, frame: Frame) -> Markup:
    """The drawing; each column leads to its own way."""
    graph, words = facts.graph, frame.words
    boxes = [_box(box, facts, frame) for box in graph.boxes]
    place = {box.name: number for number, box in enumerate(graph.boxes)}
    line = {(box.name, column): number for box in graph.boxes for number, column in enumerate(box.columns)}

    def at(end: Place) -> tuple[int, int | None] | None:
        name, column = end
        if name not in place or (column is not None and (name, column) not in line):
            return None
        return place[name], None if column is None else line[name, column]

    wires = []
    for wire in graph.wires:
        start, end = at(wire.start), at(wire.end)
        if start is not None and end is not None:
            wires.append(Wire(start, end, marked=wire.marked, dashed=wire.kind != "value"))
    return drawing(boxes, list(dict.fromkeys(wires)), str(words.say("Lineage of {name}", name=graph.about)))


def _box(box: Box, facts: TableDetails, frame: Frame) -> Drawn:
    words, here = frame.words, box.name == facts.about.name
    lines = [
        Text(column, _href(box, column, frame), "t-accent" if column in box.marked else "") for column in box.columns
    ]
    if box.more:
        lines.append(Text(str(words.say("and {n} more", n=box.more)), None, ""))
    note = words.say("this table") if here else words.say("model") if box.kind == "model" else ""
    if not note and box.version is not None:
        note = Markup(f"v{box.version}")
    below = [Text(box.address)] if box.address else []
    if box.owner and box.kind == "source":
        href = None if frame.saved else frame.href(f"/team#{box.owner}")
        below.append(Text(facts.people.get(box.owner, box.owner), href))
    name = Text(box.name, None if here or frame.saved else _page(box, frame))
    return Drawn(name, box.level, str(note), below, lines)


def _page(box: Box, frame: Frame) -> str:
    return frame.href(f"/models/{box.name}" if box.kind == "model" else f"/tables/{box.name}")


def _href(box: Box, column: str, frame: Frame) -> str | None:
    if frame.saved:
        return None
    if box.kind == "model":
        return frame.href(f"/models/{box.name}")
    return frame.href(f"/tables/{box.name}#lineage", column=column)


def lineage_title(facts: TableDetails, words: Language) -> tuple[Markup, Markup]:
    """What was found, and what is drawn."""
    chosen = facts.graph.chosen
    column = next((each for each in facts.columns if each.name == chosen), None)
    drawn = words.say("Upstream on the left, down to the file. Choose a column to follow it.")
    if column is None:
        if facts.about.stage == "source":
            return words.say("Where its columns go"), drawn
        return words.say("Where its columns come from and go"), drawn
    marked = words.say("Marked: all that {column} comes from and goes to.", column=_ref(column.name))
    drawn = words.say("Upstream on the left, down to the file.") + " " + marked
    if facts.about.stage == "source":
        said = words.count("{column} reaches one column", "{column} reaches {n} columns", len(_downstream(facts)),
                           column=column.name)  # fmt: skip
        return said, drawn
    origins = column.origins
    if not origins:
        return words.say("{column} comes from no column", column=column.name), drawn
    if len(origins) == 1:
        origin = origins[0]
        upstream = origin.source if origin.column is None else f"{origin.source}.{origin.column}"
        return words.say("One upstream column makes {column}: {upstream}", column=column.name, upstream=upstream), drawn
    return words.say("{n} upstream columns make {column}", n=len(origins), column=column.name), drawn


def _downstream(facts: TableDetails) -> set[Place]:
    return {wire.end for wire in facts.graph.wires if wire.marked}


def comes_from(column: ColumnFacts, frame: Frame) -> Markup:
    """The columns of sources behind a column, with the file and who owns it."""
    told = []
    for origin in column.origins:
        text = origin.source if origin.column is None else f"{origin.source}.{origin.column}"
        linked = frame.link(text, f"/tables/{origin.source}", column=origin.column)
        told.append(Markup('<span class="ref">{}</span>').format(linked))
    if not told:
        return Markup("")
    return Markup(", ").join(told)


def _ref(name: str) -> Markup:
    return Markup('<span class="ref">{}</span>').format(name)
