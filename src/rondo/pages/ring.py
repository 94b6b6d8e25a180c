"""The loop as a ring: seven stages on a circular stave. The further out a note, the more recent its last change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from markupsafe import Markup

Mark = Literal["good", "warn", "bad", "open", "run", "idle"]
CENTRE = (550.0, 334.0)
# A line of the stave for changes within this time; the innermost is for everything older.
LINES = (
    (timedelta(hours=1), 214.0),
    (timedelta(days=1), 202.0),
    (timedelta(days=7), 190.0),
    (timedelta(days=31), 178.0),
)
OLDER = 166.0
# Where the labels of the seven stages stand, in percent of the drawing, clockwise from the top.
LABELS = ((50.0, 14.7), (67.5, 28.2), (71.8, 60.7), (59.7, 89.6), (40.3, 89.6), (28.2, 60.7), (32.5, 28.2))
SIDES = ("above", "", "", "", "left", "left", "left")


@dataclass(frozen=True)
class Stage:
    """One stage as the ring shows it: a state, a headline beside it, two lines below."""

    name: Markup
    mark: Mark
    headline: Markup
    lines: tuple[Markup, ...]
    changed: datetime | None
    address: str


def radius(changed: datetime | None, now: datetime) -> float:
    """The line of the stave for a change that long ago."""
    if changed is None:
        return OLDER
    return next((line for age, line in LINES if now - changed <= age), OLDER)


def notes(stages: Sequence[Stage], now: datetime) -> Markup:
    """The notes of the seven stages, each in the shape of its state."""
    drawn = Markup()
    for number, stage in enumerate(stages):
        angle = math.radians(-90 + number * 360 / len(stages))
        r = radius(stage.changed, now)
        x, y = CENTRE[0] + r * math.cos(angle), CENTRE[1] + r * math.sin(angle)
        drawn += Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="var(--mark)"/>').format(
            CENTRE[0] + 226 * math.cos(angle), CENTRE[1] + 226 * math.sin(angle),
            CENTRE[0] + 236 * math.cos(angle), CENTRE[1] + 236 * math.sin(angle),
        )  # fmt: skip
        drawn += _note(stage.mark, x, y)
    return drawn


def _note(mark: Mark, x: float, y: float) -> Markup:
    if mark == "warn":
        return _polygon(mark, [(x, y - 10), (x + 10, y + 7.5), (x - 10, y + 7.5)])
    if mark == "bad":
        corners = [math.radians(22.5 + 45 * i) for i in range(8)]
        return _polygon(mark, [(x + 9.5 * math.cos(c), y + 9.5 * math.sin(c)) for c in corners])
    if mark == "run":
        return Markup(
            '<circle cx="{0:.1f}" cy="{1:.1f}" r="8" fill="var(--paper)" stroke="var(--accent)" stroke-width="2"/>'
            '<path d="M{0:.1f} {2:.1f}a8 8 0 0 1 0 16z" fill="var(--accent)"/>'
        ).format(x, y, y - 8)
    if mark == "idle":
        return Markup('<rect x="{:.1f}" y="{:.1f}" width="16" height="3" fill="var(--ink-3)"/>').format(x - 8, y - 1.5)
    return Markup('<circle class="note {}" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(
        mark, x, y, 9 if mark == "good" else 8
    )


def _polygon(mark: Mark, corners: Sequence[tuple[float, float]]) -> Markup:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return Markup('<polygon class="note {}" points="{}"/>').format(mark, points)
