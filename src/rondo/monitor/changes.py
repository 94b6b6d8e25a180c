"""The day since which a column differs: a change point over day sketches, and how unusual it is.

The divergence is Jensen and Shannon's in bits (Lin, 1991) over bins that all days share, nulls being one of them, less
what rows alone give by chance. The day is where days before and after differ most for their number (a likelihood ratio
scan, Page, 1955). What counts as unusual is learned from the days before: the most by which any stretch of theirs,
equally long, differs from the rest of them; so a weekly season and slow weather are no change.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from rondo.stats.sketches import NumberSketch, Sketch, ValueSketch, as_numbers, as_values, merged

Floats = npt.NDArray[np.float64]
LEAST_BEFORE = 10
"""Days that are needed before a change to know what is usual."""
WITHIN = 45
"""Among so many of the newest days a change is looked for."""
BINS = 16
LEAST = 0.01
"""Bits below which two distributions count as the same, whatever the days before say."""
UNUSUAL = 1.5


@dataclass(frozen=True)
class Shift:
    """A column before and since a day. `strength` is in bits (0 to 1), `noise` what the days before show by themselves.

    `chance` is what so many rows show where nothing changed; it is taken off the strength already. `jump` is how much
    of it the first three days already show: 1 when it came at once.
    """

    since: date
    before: Sketch
    after: Sketch
    strength: float
    noise: float
    jump: float
    chance: float = 0.0

    @property
    def unusual(self) -> bool:
        """Whether neither the days before nor chance, on the best of many days, show the like."""
        return self.strength > max(LEAST, UNUSUAL * self.noise, self.chance)


def shift_of(daily: Mapping[date, Sketch], *, within: int = WITHIN, since: date | None = None) -> Shift | None:
    """The strongest change among the newest days, or that of the day `since`; None where there are too few days, or
    they all are alike.
    """
    days = _of_one_kind(daily)
    if len(days) <= LEAST_BEFORE:
        return None
    counts = binned([daily[day] for day in days])
    found = change_point(counts, within=within, at=None if since is None else bisect_left(days, since))
    if found is None:
        return None
    place, strength, noise, jump = found
    sums = counts[:place].sum(axis=0)[None], counts[place:].sum(axis=0)[None]
    return Shift(
        days[place],
        merged([daily[day] for day in days[:place]]),
        merged([daily[day] for day in days[place:]]),
        strength,
        noise,
        jump,
        float(chance(*sums)[0]),
    )


def change_point(
    counts: Floats, *, within: int = WITHIN, at: int | None = None
) -> tuple[int, float, float, float] | None:
    """Row of (days, bins) counts with which the strongest change begins (or row `at`), its strength, the noise, the
    jump.
    """
    n = len(counts)
    places = np.arange(max(LEAST_BEFORE, n - within), n)
    places = places if at is None else places[places == at]
    if not len(places):
        return None
    sums = np.concatenate([np.zeros((1, counts.shape[1])), counts.cumsum(axis=0)])
    strengths = excess(sums[places], sums[-1] - sums[places])
    weights = places * (n - places) / n
    best = int(np.argmax(strengths * weights))
    place, strength = int(places[best]), float(strengths[best])
    if strength <= 0.0:
        return None
    noise = _usual(sums, place, n - place)
    reach = min(3, n - place)
    near = excess((sums[place] - sums[place - 3])[None], (sums[place + reach] - sums[place])[None])
    return place, strength, noise, float(min(near[0] / strength, 1.0))


def _usual(sums: Floats, place: int, length: int) -> float:
    """The greatest divergence of a stretch before `place` from the rest of the days before it."""
    length = max(1, min(length, place // 3))
    starts = np.arange(0, place - length + 1, max(1, length // 3))
    stretches = sums[starts + length] - sums[starts]
    return float(excess(stretches, sums[place] - stretches).max())


def excess(one: Floats, other: Floats) -> Floats:
    """Divergence (k,) of counts (k, bins), in bits, less its expectation for rows drawn alike; never below 0."""
    rows, rows_other = one.sum(axis=1), other.sum(axis=1)
    there = (rows > 0) & (rows_other > 0)
    p = one / np.maximum(rows, 1)[:, None]
    q = other / np.maximum(rows_other, 1)[:, None]
    found: Floats = np.where(there, np.maximum(divergence(p, q) - chance(one, other), 0.0), 0.0)
    return found


def chance(one: Floats, other: Floats) -> Floats:
    """The divergence (k,) that counts (k, bins) show on average where both are drawn alike, in bits."""
    cells = np.maximum(((one + other) > 0).sum(axis=1) - 1, 0)
    rows, rows_other = np.maximum(one.sum(axis=1), 1), np.maximum(other.sum(axis=1), 1)
    found: Floats = cells / (8 * np.log(2)) * (1 / rows + 1 / rows_other)
    return found


def divergence(p: Floats, q: Floats) -> Floats:
    """Jensen-Shannon divergence in bits over the last axis."""
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.where(p > 0, p * np.log2(p / middle), 0.0).sum(axis=-1)
        other = np.where(q > 0, q * np.log2(q / middle), 0.0).sum(axis=-1)
    found: Floats = (one + other) / 2
    return found


def binned(sketches: Sequence[Sketch]) -> Floats:
    """Counts (sketches, bins) over bins that all share; the last bin holds what is null or no number."""
    if any(isinstance(each, ValueSketch) and each.count for each in sketches):
        values = [as_values(each) for each in sketches]
        whole = as_values(merged(values))
        names = [name for name, _ in sorted(whole.counts.items(), key=lambda item: (-item[1], item[0]))[: 2 * BINS]]
        rows = []
        for value in values:
            head = [value.counts.get(name, 0) for name in names]
            rows.append([*head, value.count - sum(head), value.nulls])
        return np.array(rows, dtype=np.float64)
    numbers = [as_numbers(each) for each in sketches]
    edges = edges_of(as_numbers(merged(numbers)))
    return np.array([[*each.counts(edges), each.nulls + each.strange] for each in numbers], dtype=np.float64)


def edges_of(*sketches: NumberSketch, bins: int = BINS) -> Floats:
    """Edges between distinct numbers, never on one, that part each sketch's numbers into about equal shares."""
    points = np.concatenate([each.points for each in sketches])
    shares = np.concatenate([each.weights / max(each.count, 1) for each in sketches])
    order = np.argsort(points, kind="stable")
    points, below = points[order], np.cumsum(shares[order])
    if not len(points):
        return np.empty(0)
    gaps = np.flatnonzero(np.diff(points) > 1e-4 * float(points[-1] - points[0]))
    if not len(gaps):
        return np.empty(0)
    wanted = np.linspace(0.0, float(below[-1]), bins + 1)[1:-1]
    chosen = np.unique(gaps[np.abs(below[gaps][None, :] - wanted[:, None]).argmin(axis=1)])
    found: Floats = (points[chosen] + points[chosen + 1]) / 2
    return found


def together(daily: Mapping[date, Sketch]) -> Sketch | None:
    """The days as one sketch; of days whose values are of two kinds, those of the newer. None without a day."""
    days = _of_one_kind(daily)
    return merged([daily[day] for day in days]) if days else None


def _of_one_kind(daily: Mapping[date, Sketch]) -> list[date]:
    """The days whose values are of the newest kind there is: a day of nulls alone is of any."""
    days = sorted(daily)
    told = [type(daily[day]) for day in days if daily[day].count]
    return [day for day in days if not daily[day].count or isinstance(daily[day], told[-1])] if told else days
