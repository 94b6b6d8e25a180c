"""From the average to one answer, a bar a feature, as inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from rondo.pages.charts import scale, ticks

SHOWN = 9
WIDTH, LEFT, RIGHT, ROW = 640, 300, 560, 24
Step = tuple[str, str, float]
"""A feature, its value as it is written, and what it adds."""


def waterfall(
    base: float,
    steps: Sequence[Step],
    total: float,
    *,
    words: Callable[[float], str],
    signed: Callable[[float], str],
    first: str,
    others: Callable[[int], str],
    last: str,
    name: str,
) -> Markup:
    """`base` + steps = `total`; steps stand in their order, what comes after the first nine is put together.

    `words` writes an answer, `signed` what is added to one; `first`, `others` and `last` label the ends and the rest.
    """
    shown = list(steps[:SHOWN])
    rest = [step[2] for step in steps[SHOWN:]]
    reached = [base]
    for step in shown:
        reached.append(reached[-1] + step[2])
    before_total = reached[-1]
    low, high = min([*reached, total, base]), max([*reached, total, base])
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    x = scale((low - pad, high + pad), (float(LEFT), float(RIGHT)))
    rows = [_total(0, first, base, x, words)]
    for n, (feature, value, added) in enumerate(shown, 1):
        rows.append(_bar(n, feature, value, reached[n - 1], reached[n], added, x, signed))
    if rest:
        rows.append(
            _bar(len(rows), others(len(rest)), None, before_total, before_total + sum(rest), sum(rest), x, signed)
        )
    rows.append(_total(len(rows), last, total, x, words))
    height = ROW * len(rows)
    line = Markup('<line class="grid" x1="{x}" x2="{x}" y1="4" y2="{y}"/><text class="mid" x="{x}" y="{t}">{w}</text>')
    marks = ticks(low - pad, high + pad, 5)
    grid = Markup("").join(line.format(x=x(mark), y=height, t=height + 16, w=words(mark)) for mark in marks)
    return Markup(
        '<svg class="waterfall" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{name}">'
        "{grid}{rows}</svg>"
    ).format(w=WIDTH, h=height + 22, name=name, grid=grid, rows=Markup("").join(rows))


def _total(n: int, label: str, value: float, x: Callable[[float], float], words: Callable[[float], str]) -> Markup:
    end = x(value)
    return Markup(
        '<text class="end strong" x="{t}" y="{y}">{label}</text>'
        '<rect class="total" x="{left}" width="{width:.1f}" y="{top}" height="10"/>'
        '<text class="strong" x="{after:.1f}" y="{y}">{value}</text>'
    ).format(
        t=LEFT - 10, y=n * ROW + 17, label=label, left=LEFT, width=max(1.0, end - LEFT), top=n * ROW + 8,
        after=end + 6, value=words(value),
    )  # fmt: skip


def _bar(
    n: int,
    feature: str,
    value: str | None,
    start: float,
    end: float,
    added: float,
    x: Callable[[float], float],
    signed: Callable[[float], str],
) -> Markup:
    left, right = sorted((x(start), x(end)))
    told = Markup('<tspan class="t-ink">{}</tspan>').format(_cut(feature, 30 if value is not None else 46))
    if value is not None:
        told += Markup(" = {}").format(_cut(value, 14))
    return Markup(
        '<text class="end" x="{t}" y="{y}">{told}</text>'
        '<rect class="{way}" x="{left:.1f}" width="{width:.1f}" y="{top}" height="10"/>'
        '<text x="{after:.1f}" y="{y}">{added}</text>'
    ).format(
        t=LEFT - 10, y=n * ROW + 17, told=told, way="up" if added >= 0 else "down", left=left,
        width=max(1.0, right - left), top=n * ROW + 8, after=right + 6, added=signed(added),
    )  # fmt: skip


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
