"""A figure over time as inline SVG: its line with the band of its intervals, for pages that load no charts."""

from __future__ import annotations

from markupsafe import Markup

from rondo.handbook.questions.answers import Series
from rondo.language.words import Language
from rondo.pages.charts import scale, ticks

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 620, 150, 44.0, 612.0, 8.0, 122.0
MARKS = 3


def history(series: Series, words: Language) -> Markup:
    """The series, oldest at the left; nothing where there are not two points to connect."""
    points = series.points
    if len(points) < 2:
        return Markup("")
    bounds = [bound for p in points for bound in (p.low, p.high, p.value) if bound is not None]
    low, high = min(bounds), max(bounds)
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    y = scale((low - pad, high + pad), (BOTTOM, TOP))
    x = scale((points[0].at.timestamp(), points[-1].at.timestamp()), (LEFT, RIGHT))
    drawn = []
    for mark in ticks(low, high, MARKS):
        drawn.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(LEFT, RIGHT, y=y(mark))
        )
        drawn.append(
            Markup('<text class="end" x="{}" y="{:.1f}">{}</text>').format(LEFT - 6, y(mark) + 4, words.number(mark))
        )
    known = [p for p in points if p.low is not None and p.high is not None]
    around = [(p.at, p.high) for p in known] + [(p.at, p.low) for p in reversed(known)]
    band = " ".join(f"{x(at.timestamp()):.1f},{y(bound or 0.0):.1f}" for at, bound in around)
    line = " ".join(f"{x(p.at.timestamp()):.1f},{y(p.value):.1f}" for p in points)
    drawn.append(
        Markup('<polygon class="band" points="{}"/><polyline class="line thin" points="{}"/>').format(band, line)
    )
    drawn.append(Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(RIGHT, y(points[-1].value)))
    for place, anchor, at in ((0, "", LEFT), (-1, "end", RIGHT)):
        told = words.day(points[place].at)
        drawn.append(Markup('<text class="{}" x="{}" y="{}">{}</text>').format(anchor, at, HEIGHT - 8, told))
    ends = [words.number(each.value) for each in (points[0], points[-1])]
    name = words.plain("{what}: {first} to {last}", what=series.name, first=ends[0], last=ends[1])
    return Markup(
        '<svg viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{name}">{drawn}</svg>'
    ).format(w=WIDTH, h=HEIGHT, name=name, drawn=Markup("").join(drawn))
