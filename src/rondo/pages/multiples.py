"""Small drawings of features side by side, as inline SVG: where numbers lie over time, which values are frequent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from markupsafe import Markup

from rondo.handbook.inputs import FeatureFacts, Spread
from rondo.language.words import MONTHS, Language
from rondo.pages.charts import scale, ticks

LARGE = 1_000
Place = Callable[[float], float]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 200, 92, 34, 194, 8, 74


def multiple(feature: FeatureFacts, words: Language) -> Markup:
    """One feature: median with the middle 50 % and 80 % over time, or the most frequent values now and in training."""
    if feature.kind == "text":
        return _values(feature, words)
    spreads = [each for each in feature.spreads if each.q50 is not None]
    return _spreads(spreads, feature, words) if spreads else _nothing(words)


def score_bar(score: float | None, threshold: float | None) -> Markup:
    """A score from 0 to 1 as a bar of 100 pixels, with the threshold as a line."""
    if score is None:
        return Markup("")
    line = Markup('<rect class="total" x="{:.1f}" width="1" height="10"/>').format(100 * threshold) if threshold else ""
    return Markup(
        '<svg viewBox="0 0 100 10" width="100" height="10" aria-hidden="true">'
        '<rect class="bar second" width="100" height="2" y="4"/>'
        '<rect class="bar" width="{:.1f}" y="2" height="6"/>{}</svg>'
    ).format(100 * min(1.0, max(0.0, score)), line)


def _spreads(spreads: Sequence[Spread], feature: FeatureFacts, words: Language) -> Markup:
    known = [
        value for s in (*spreads, feature.trained) if s is not None for value in (s.q10, s.q90) if value is not None
    ]
    low, high = min(known), max(known)
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    y = scale((low - pad, high + pad), (float(BOTTOM), float(TOP)))
    x = scale((-0.5, len(spreads) - 0.5), (float(LEFT), float(RIGHT)))
    drawn = [part for mark in ticks(low, high, 2) for part in _mark(y(mark), mark)]
    if len(spreads) > 1:
        drawn += [_band(spreads, x, y, "band quiet", "q10", "q90"), _band(spreads, x, y, "band", "q25", "q75")]
    else:
        drawn += [_stroke(spreads[0], x(0), y, "second", "q10", "q90"), _stroke(spreads[0], x(0), y, "", "q25", "q75")]
    if feature.trained is not None and feature.trained.q50 is not None:
        dashed = Markup('<line class="refline dash" x1="{}" x2="{}" y1="{y}" y2="{y}"/>')
        drawn.append(dashed.format(LEFT, RIGHT, y=y(feature.trained.q50)))
    median = " ".join(f"{x(n)},{y(s.q50 or 0.0)}" for n, s in enumerate(spreads))
    drawn.append(Markup('<polyline class="line thin" points="{}"/>').format(median))
    end = x(len(spreads) - 1), y(spreads[-1].q50 or 0.0)
    drawn.append(Markup('<circle class="dot" cx="{}" cy="{}" r="2.5"/>').format(*end))
    drawn += _times(spreads, x, words)
    name = words.say("{feature}: median and the middle 50 and 80 of 100 values, over time", feature=feature.name)
    return _svg(drawn, str(name))


def _mark(at: float, value: float) -> tuple[Markup, Markup]:
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(LEFT, RIGHT, y=at)
    return line, Markup('<text class="end" x="{}" y="{:.1f}">{}</text>').format(LEFT - 6, at + 4, _short(value))


def _band(spreads: Sequence[Spread], x: Place, y: Place, css: str, lower: str, upper: str) -> Markup:
    there = [f"{x(n)},{y(getattr(s, upper))}" for n, s in enumerate(spreads)]
    back = [f"{x(n)},{y(getattr(s, lower))}" for n, s in enumerate(spreads)][::-1]
    return Markup('<polygon class="{}" points="{}"/>').format(css, " ".join([*there, *back]))


def _stroke(spread: Spread, at: float, y: Place, css: str, lower: str, upper: str) -> Markup:
    """One stretch alone: its middle values as a line."""
    line = Markup('<line class="whisker {}" x1="{x}" x2="{x}" y1="{}" y2="{}"/>')
    return line.format(css, y(getattr(spread, lower)), y(getattr(spread, upper)), x=at)


def _times(spreads: Sequence[Spread], x: Place, words: Language) -> list[Markup]:
    last = len(spreads) - 1
    ends = {0: ("", float(LEFT)), last: ("end", float(RIGHT))} if last else {}
    found = []
    for n in sorted({0, last // 2, last}):
        anchor, at = ends.get(n, ("mid", x(n)))
        text = Markup('<text class="{}" x="{}" y="{}">{}</text>')
        found.append(text.format(anchor, at, HEIGHT - 4, _when(spreads, n, words)))
    return found


def _values(feature: FeatureFacts, words: Language) -> Markup:
    if not feature.values:
        return _nothing(words)
    most = max(max(each.now, each.trained or 0.0) for each in feature.values) or 1.0
    x = scale((0.0, most), (62.0, float(RIGHT)))
    drawn = []
    for n, each in enumerate(feature.values):
        top = 6 + 15 * n
        value = each.value if len(each.value) <= 9 else each.value[:8] + "…"
        width = max(0.5, x(each.now) - 62)
        drawn.append(Markup('<text class="end" x="56" y="{}">{}</text>').format(top + 9, value))
        drawn.append(Markup('<rect class="bar" x="62" width="{:.1f}" y="{}" height="8"/>').format(width, top + 1))
        if each.trained is not None:
            line = Markup('<line class="refline" x1="{x}" x2="{x}" y1="{}" y2="{}"/>')
            drawn.append(line.format(top - 1, top + 11, x=x(each.trained)))
    name = words.say("{feature}: its most frequent values now, and among the training rows", feature=feature.name)
    return _svg(drawn, str(name))


def _nothing(words: Language) -> Markup:
    text = Markup('<text class="mid" x="{}" y="46">{}</text>').format((LEFT + RIGHT) / 2, words.say("no value"))
    return _svg([text], str(words.say("no value")))


def _svg(drawn: Sequence[Markup], name: str) -> Markup:
    return Markup('<svg viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{name}">{}</svg>').format(
        Markup("").join(drawn), w=WIDTH, h=HEIGHT, name=name
    )


def _when(spreads: Sequence[Spread], n: int, words: Language) -> str:
    """A stretch on the axis: its month where stretches are months, else its day."""
    at = spreads[n].start
    months = len({(s.start.year, s.start.month) for s in spreads}) == len(spreads) > 2
    return _month(at, words) if months else _day(at, words)


def _month(at: date, words: Language) -> str:
    return f"{at.month}월" if words.code == "ko" else MONTHS[at.month - 1]


def _day(at: date, words: Language) -> str:
    return f"{at.month}. {at.day}." if words.code == "ko" else f"{at.day} {MONTHS[at.month - 1]}"


def _short(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= LARGE else f"{value:.3g}"
    return text.replace("-", "−")
