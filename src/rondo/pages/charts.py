"""Charts as inline SVG, drawn here: no script, no network, the same on paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from rondo.pages.language import Language

Range = tuple[float, float]


def scale(domain: Range, pixels: Range) -> Callable[[float], float]:
    """A linear map of `domain` onto `pixels`; what lies outside is held at the edge."""
    width = domain[1] - domain[0] or 1.0

    def place(value: float) -> float:
        share = min(1.0, max(0.0, (value - domain[0]) / width))
        return round(pixels[0] + share * (pixels[1] - pixels[0]), 1)

    return place


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about so many."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / about
    power = 10.0 ** _floor_log10(rough)
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first = -(-low // step)
    return [round(step * (first + i), 10) for i in range(int((high - step * first) / step + 1e-9) + 1)]


def _floor_log10(value: float) -> int:
    exponent = 0
    while value >= 10:
        value, exponent = value / 10, exponent + 1
    while value < 1:
        value, exponent = value * 10, exponent - 1
    return exponent


def whisker(
    value: float, low: float | None, high: float | None, limit: float, *, above: bool, state: str, name: str
) -> Markup:
    """A value with its interval against a limit, 260 by 26 pixels; the allowed side is shaded.

    `above` says that values above the limit are allowed. A bound that is None is open: the whisker runs to the edge.
    """
    known = [x for x in (value, low, high, limit) if x is not None]
    pad = 0.18 * (max(known) - min(known)) or 0.1 * abs(limit) or 0.1
    x = scale((min(known) - pad, max(known) + pad), (8.0, 252.0))
    at, left, right = x(limit), x(low) if low is not None else 8.0, x(high) if high is not None else 252.0
    band = (at, 252.0 - at) if above else (8.0, at - 8.0)
    return Markup(
        '<svg viewBox="0 0 260 26" width="260" height="26" role="img" aria-label="{name}">'
        '<rect class="band quiet" x="{band_x:.1f}" y="3" width="{band_w:.1f}" height="20"/>'
        '<line class="grid" x1="8" x2="252" y1="13" y2="13"/>'
        '<line class="refline" x1="{at}" x2="{at}" y1="1" y2="25"/>'
        '<line class="whisker {state}" x1="{left}" x2="{right}" y1="13" y2="13"/>'
        '<circle class="dot {state}" cx="{value}" cy="13" r="4"/></svg>'
    ).format(
        name=name, band_x=band[0], band_w=band[1], at=at, left=left, right=right, state=state, value=x(value)
    )  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One window of a series: its end, its value with the interval, and what was at work."""

    at: datetime
    value: float
    low: float | None
    high: float | None
    version: str | None = None


def track(points: Sequence[Point], language: Language, *, name: str, limit: float | None = None) -> Markup:
    """A series over time with its 95 % band, and below it the version at work; 860 pixels wide.

    `points` are in order of time, at least one. `limit`, when known, is drawn dashed.
    """
    values = [v for p in points for v in (p.value, p.low, p.high) if v is not None]
    values += [limit] if limit is not None else []
    pad = 0.08 * (max(values) - min(values)) or 0.05
    domain = (min(values) - pad, max(values) + pad)
    first, last = points[0].at.timestamp(), points[-1].at.timestamp()
    x = scale((first, last), (66.0, 760.0))
    y = scale(domain, (190.0, 12.0))
    drawn = _axis(ticks(*domain), y) + _months(points, language, x)
    drawn += _limit(limit, y, language) if limit is not None else Markup()
    drawn += _band(points, x, y)
    drawn += _series(points, x, y, language) + _tenures(points, x, y=206.0)
    return Markup(
        '<svg viewBox="0 0 860 262" width="860" height="262" role="img" aria-label="{}">{}</svg>'
    ).format(name, drawn)  # fmt: skip


def _axis(marks: Sequence[float], y: Callable[[float], float]) -> Markup:
    lines = Markup(
        '<line class="grid" x1="66" x2="760" y1="{0}" y2="{0}"/><text class="end" x="60" y="{1}">{2:g}</text>'
    )
    return Markup("").join(lines.format(y(mark), y(mark) + 4, mark) for mark in marks)


def _months(points: Sequence[Point], language: Language, x: Callable[[float], float]) -> Markup:
    drawn, seen, edge = Markup(), None, 0.0
    for point in points:
        month = language.month(point.at)
        at = x(point.at.timestamp())
        if month != seen and at >= edge:
            drawn += Markup('<text x="{}" y="254">{}</text>').format(at, month)
            edge = at + 40
        seen = month
    return Markup('<line class="base" x1="66" x2="760" y1="238" y2="238"/>') + drawn


def _limit(limit: float, y: Callable[[float], float], language: Language) -> Markup:
    return Markup(
        '<line class="refline dash" x1="66" x2="760" y1="{0}" y2="{0}"/><text x="66" y="{1}">{2}</text>'
    ).format(y(limit), y(limit) - 4, language.say("required {limit}", limit=f"{limit:g}"))  # fmt: skip


def _band(points: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float]) -> Markup:
    framed = [p for p in points if p.low is not None and p.high is not None]
    upper = [f"{x(p.at.timestamp())},{y(p.high)}" for p in framed if p.high is not None]
    lower = [f"{x(p.at.timestamp())},{y(p.low)}" for p in reversed(framed) if p.low is not None]
    return Markup('<polygon class="band" points="{}"/>').format(" ".join(upper + lower)) if framed else Markup()


def _series(
    points: Sequence[Point], x: Callable[[float], float], y: Callable[[float], float], language: Language
) -> Markup:
    line = " ".join(f"{x(p.at.timestamp())},{y(p.value)}" for p in points)
    last = points[-1]
    end_x, end_y = x(last.at.timestamp()), y(last.value)
    return Markup(
        '<polyline class="line" points="{}"/><circle class="dot" cx="{}" cy="{}" r="3"/>'
        '<text class="t-accent" x="{}" y="{}">{}</text>'
    ).format(line, end_x, end_y, end_x + 8, end_y + 4, language.number(last.value))


def _tenures(points: Sequence[Point], x: Callable[[float], float], *, y: float) -> Markup:
    """Which version was at work: one bar a stretch of windows with the same version, the last one's name beside it."""
    drawn = Markup()
    starts = [i for i, point in enumerate(points) if i == 0 or point.version != points[i - 1].version]
    for start, stop in zip(starts, [*starts[1:], len(points)], strict=True):
        version = points[start].version
        if version is None:
            continue
        last = stop == len(points)
        left = x(points[start - 1].at.timestamp()) if start else 66.0
        width = max(2.0, x(points[stop - 1].at.timestamp()) - left - 1.5)
        drawn += Markup('<rect class="bar{}" x="{:.1f}" y="{}" width="{:.1f}" height="22"/>').format(
            "" if last else " second", left, y, width
        )
        if last or width > 7 * len(version):
            drawn += Markup('<text class="{}" x="{:.1f}" y="{}">{}</text>').format(
                "t-accent" if last else "t-ink", 768 if last else left + 5, y + 15, version
            )
    return drawn
