"""Charts as inline SVG, drawn here: no script, no network, the same on paper."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

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
    value: float,
    low: float | None,
    high: float | None,
    limit: float,
    *,
    above: bool | None,
    state: str,
    name: str,
    second: float | None = None,
    domain: Range | None = None,
) -> Markup:
    """A value with its interval against a limit, 260 by 26 pixels; the allowed side is shaded.

    `above` says that values above the limit are allowed (None: neither side is). A bound that is None is open: the
    whisker runs to the edge. `second` is another value of the same, drawn hollow; `domain` is shared by rows that are
    compared.
    """
    known = [x for x in (value, low, high, limit, second) if x is not None]
    pad = 0.18 * (max(known) - min(known)) or 0.1 * abs(limit) or 0.1
    x = scale(domain or (min(known) - pad, max(known) + pad), (8.0, 252.0))
    at, left, right = x(limit), x(low) if low is not None else 8.0, x(high) if high is not None else 252.0
    band = (8.0, 0.0) if above is None else (at, 252.0 - at) if above else (8.0, at - 8.0)
    hollow = (
        Markup('<circle class="dot second" cx="{}" cy="13" r="3.5"/>').format(x(second)) if second is not None else ""
    )
    return Markup(
        '<svg viewBox="0 0 260 26" width="260" height="26" role="img" aria-label="{name}">'
        '<rect class="band quiet" x="{band_x:.1f}" y="3" width="{band_w:.1f}" height="20"/>'
        '<line class="grid" x1="8" x2="252" y1="13" y2="13"/>'
        '<line class="refline" x1="{at}" x2="{at}" y1="1" y2="25"/>{hollow}'
        '<line class="whisker {state}" x1="{left}" x2="{right}" y1="13" y2="13"/>'
        '<circle class="dot {state}" cx="{value}" cy="13" r="4"/></svg>'
    ).format(
        name=name, band_x=band[0], band_w=band[1], at=at, left=left, right=right, state=state, value=x(value),
        hollow=hollow,
    )  # fmt: skip


def movement(value: float, before: float | None, bounds: Range | None, domain: Range, *, name: str) -> Markup:
    """A value in its row, 160 by 14 pixels: hollow where it was before, its interval or the way between them drawn."""
    x = scale(domain, (5.0, 155.0))
    ends = bounds or (value if before is None else before, value)
    hollow = (
        Markup('<circle class="dot second" cx="{}" cy="7" r="3.5"/>').format(x(before)) if before is not None else ""
    )
    return Markup(
        '<svg viewBox="0 0 160 14" width="160" height="14" role="img" aria-label="{name}">'
        '<line class="whisker" x1="{low}" x2="{high}" y1="7" y2="7"/>{hollow}'
        '<circle class="dot" cx="{value}" cy="7" r="4"/></svg>'
    ).format(name=name, low=x(ends[0]), high=x(ends[1]), hollow=hollow, value=x(value))
