"""Boxes of columns with wires between them, upstream on the left: what a table comes from, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Line = int | None
"""Which line of a box a wire is at; None: its name."""
BOX, BETWEEN, ROW, HEAD, SUB, BELOW = 168, 58, 19, 34, 18, 24
LETTERS = 26
"""A name of more letters is cut: it stands whole in the title of its text."""


@dataclass(frozen=True)
class Text:
    """A line of a box; `style` is a class of the stylesheet (`t-accent`, `t-bad`)."""

    words: str
    href: str | None = None
    style: str = ""


@dataclass(frozen=True)
class Drawn:
    """A box at a level, with a note at the right of its name, what is said of it below, and lines that wires meet."""

    name: Text
    level: int
    note: str = ""
    below: Sequence[Text] = ()
    lines: Sequence[Text] = ()


@dataclass(frozen=True)
class Wire:
    """From one box and line to another."""

    start: tuple[int, Line]
    end: tuple[int, Line]
    marked: bool = False
    dashed: bool = False


def drawing(boxes: Sequence[Drawn], wires: Sequence[Wire], spoken: str) -> Markup:
    """The picture; a box is named in a wire by its place in `boxes`."""
    tops = _tops(boxes, wires)
    width = max((box.level for box in boxes), default=0) * (BOX + BETWEEN) + BOX
    height = max((tops[place] + _height(box) for place, box in enumerate(boxes)), default=0)
    drawn = Markup("").join(_box(box, tops[place]) for place, box in enumerate(boxes))
    lines = Markup("").join(
        _wire(wire, boxes, tops) for wire in sorted(wires, key=lambda wire: (wire.marked, wire.start[0]))
    )
    return Markup(
        '<svg class="lineage" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="group" aria-label="{spoken}">'
        "{lines}{drawn}</svg>"
    ).format(w=width, h=height, spoken=spoken, lines=lines, drawn=drawn)  # fmt: skip


def _tops(boxes: Sequence[Drawn], wires: Sequence[Wire]) -> Mapping[int, int]:
    """Where each box begins: a level's from above, those first whose wires come from further above."""
    tops: dict[int, int] = {}
    for level in sorted({box.level for box in boxes}):
        places = [place for place, box in enumerate(boxes) if box.level == level]
        into = {
            place: [tops[w.start[0]] for w in wires if w.end[0] == place and w.start[0] in tops] for place in places
        }
        y = 0
        for place in sorted(
            places, key=lambda place: (sum(into[place]) / len(into[place]) if into[place] else 0.0, place)
        ):
            tops[place] = y
            y += _height(boxes[place]) + BELOW
    return tops


def _head(box: Drawn) -> int:
    """How far below a box's top its lines begin."""
    return HEAD + SUB * len(box.below) + (5 if box.below else 0)


def _height(box: Drawn) -> int:
    return _head(box) + ROW * len(box.lines) + 6


def _line_y(box: Drawn, top: int, line: Line) -> float:
    """The height at which a wire meets a line."""
    if line is None:
        return top + 23.0
    return top + _head(box) + ROW * line + 15.0


def _box(box: Drawn, top: int) -> Markup:
    x = box.level * (BOX + BETWEEN)
    note = Markup('<text class="end" x="{}" y="{}">{}</text>').format(x + BOX, top + 27, box.note) if box.note else ""
    below = Markup("").join(
        _text(text, x, top + HEAD + SUB * place + 17, text.style, LETTERS + 2) for place, text in enumerate(box.below)
    )
    name = _text(box.name, x, top + 27, "name " + (box.name.style or "t-ink"), LETTERS - len(box.note))
    first = top + _head(box)
    lines = Markup("").join(
        _text(line, x, first + ROW * place + 19, line.style, LETTERS + 2) for place, line in enumerate(box.lines)
    )
    return Markup('<g><line class="base" x1="{}" x2="{}" y1="{}" y2="{}"/>{}{}{}{}</g>').format(
        x, x + BOX, top + HEAD, top + HEAD, name, note, below, lines
    )


def _text(text: Text, x: int, y: int, style: str, letters: int) -> Markup:
    whole = Markup("<title>{}</title>").format(text.words) if len(text.words) > letters else ""
    drawn = Markup('<text x="{}" y="{}" class="{}">{}{}</text>').format(x, y, style, _cut(text.words, letters), whole)
    return Markup('<a href="{}">{}</a>').format(text.href, drawn) if text.href else drawn


def _cut(words: str, letters: int) -> str:
    return words if len(words) <= letters else words[: max(1, letters - 1)] + "…"


def _wire(wire: Wire, boxes: Sequence[Drawn], tops: Mapping[int, int]) -> Markup:
    (start, from_line), (end, to_line) = wire.start, wire.end
    x1, x2 = boxes[start].level * (BOX + BETWEEN) + BOX + 2, boxes[end].level * (BOX + BETWEEN) - 6
    y1, y2 = _line_y(boxes[start], tops[start], from_line), _line_y(boxes[end], tops[end], to_line)
    bend = x1 + BETWEEN / 2 - 4
    last = x2 - BETWEEN / 2 + 4
    style = ' class="on"' if wire.marked else ' stroke-dasharray="3 3"' if wire.dashed else ""
    path = f"M{x1} {y1:g}C{bend:g} {y1:g} {last if last < bend else bend:g} {y2:g} {x2} {y2:g}"
    return Markup('<path{} d="{}"/>').format(Markup(style), path)
