"""Distributions that stand in a row of a table: small, without axes, the same width for all columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from markupsafe import Markup

from rondo.records.tables import Scalar

WIDTH, HEIGHT, GAP = 110.0, 22.0, 0.8
LEAST = 0.6
"""A bar that counts anything is so high at least."""
TAIL = 0.5
"""Beyond the 5th and the 95th percentile so much of what lies between them is drawn."""
SPREAD = (("0.05", 0.05), ("0.25", 0.20), ("0.5", 0.25), ("0.75", 0.25), ("0.95", 0.20))
"""Quantiles, each with the share of rows that lies between it and the one before."""

Bar = tuple[float, float, float]  # from, to (0 to 1 of the width), height (any unit)


def spark(
    bars: Sequence[int], quantiles: Mapping[str, Scalar] | None, ends: tuple[Scalar, Scalar], name: str
) -> Markup:
    """Counted bars, or where only quantiles are known the density that they say; nothing where neither is."""
    drawn = _counted(bars) if bars else _dense(quantiles or {}, *ends)
    most = max((height for _, _, height in drawn), default=0.0)
    if most <= 0:
        return Markup("")
    parts = []
    for start, stop, height in drawn:
        if height <= 0:
            continue
        x, width = start * WIDTH, max(LEAST, (stop - start) * WIDTH - (GAP if len(drawn) < 60 else 0))
        tall = max(LEAST, (HEIGHT - 1) * height / most)
        parts.append(f"M{x:.1f} {HEIGHT:g}v-{tall:.1f}h{width:.1f}v{tall:.1f}z")
    return Markup(
        '<svg class="spark" viewBox="0 0 {w:g} {h:g}" width="{w:g}" height="{h:g}" role="img" aria-label="{name}">'
        '<path class="bar" d="{d}"/></svg>'
    ).format(w=WIDTH, h=HEIGHT, name=name, d="".join(parts))  # fmt: skip


def _counted(bars: Sequence[int]) -> list[Bar]:
    return [(place / len(bars), (place + 1) / len(bars), float(count)) for place, count in enumerate(bars)]


def _dense(quantiles: Mapping[str, Scalar], least: Scalar, greatest: Scalar) -> list[Bar]:
    known = [(_place(quantiles.get(name)), share) for name, share in SPREAD]
    ends = _place(least), _place(greatest)
    if ends[0] is None or ends[1] is None or any(place is None for place, _ in known):
        return []
    places = [place for place, _ in known if place is not None]
    reach = TAIL * (places[-1] - places[0]) or ends[1] - ends[0]
    low, high = max(ends[0], places[0] - reach), min(ends[1], places[-1] + reach)
    if high <= low:
        return [(0.0, 1.0, 1.0)]
    shares = [share for _, share in known] + [0.05]
    found = []
    for (start, stop), share in zip(pairwise([low, *places, high]), shares, strict=True):
        width = max((stop - start) / (high - low), LEAST / WIDTH)
        at = min((start - low) / (high - low), 1 - width)
        found.append((at, at + width, share / width))
    return found


def _place(value: Scalar) -> float | None:
    """Where a number or a moment written in ISO form lies."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        return None
