"""Two sides' rows in the same bins, and how far apart they are: the formulas, and the interval that draws give.

Every distance is 0 or more and pushed up by noise; each draw of the bootstrap pushes it up once more by about as much.
So the interval is centred on the value less that bias (Efron and Tibshirani, 1993, §10.6): where nothing moved, `low`
is 0 in at least 95 of 100 windows. The value itself is the plain formula's; it comes without a standard error, because
the interval does not lie evenly about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rondo.stats.intervals import t_quantile
from rondo.stats.results import Estimate, Floats, finite


@dataclass(frozen=True, eq=False)
class Binned:
    """Rows of one side in each bin: (blocks, bins). `by_rows`: its one block stands for its rows."""

    counts: Floats
    by_rows: bool

    @property
    def total(self) -> Floats:
        whole: Floats = self.counts.sum(axis=0, keepdims=True)
        return whole

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @property
    def units(self) -> int:
        return self.n if self.by_rows else len(self.counts)

    def drawn(self, draws: int, rng: np.random.Generator) -> Floats:
        """Rows in each bin when rows (or whole blocks) are drawn again: (draws, bins)."""
        if self.by_rows:
            return rng.multinomial(self.n, self.total[0] / self.n, size=draws).astype(np.float64)
        blocks = len(self.counts)
        places = rng.integers(0, blocks, (draws, blocks)) + blocks * np.arange(draws)[:, None]
        return np.bincount(places.ravel(), minlength=draws * blocks).reshape(draws, blocks) @ self.counts


@dataclass(frozen=True)
class Formula:
    """A distance by name: of rows in each bin (draws, bins) of both sides, to values (draws,)."""

    name: str
    unit: str
    of: Callable[[Floats, Floats], Floats]


def compared(
    formulas: Sequence[Formula], before: Binned, after: Binned, draws: int, rng: np.random.Generator
) -> list[Estimate]:
    """Each formula on both sides' bins; all on the same draws."""
    if not before.n or not after.n:
        return [Estimate(each.name, None, None, None, after.n, unit=each.unit) for each in formulas]
    drawn = before.drawn(draws, rng), after.drawn(draws, rng)
    units = min(before.units, after.units)
    return [
        recentred(each.name, each.unit, float(each.of(before.total, after.total)[0]), each.of(*drawn), after.n, units)
        for each in formulas
    ]


def recentred(
    name: str, unit: str, value: float, drawn: Floats, n: int, units: int, power: int = 1, about: float | None = None
) -> Estimate:
    """The interval about `value` less its bias. `power` makes noise additive: a distance that grows like the change
    itself (not its square) adds to noise in squares. The draws lie about `about`, or the value itself.
    """
    if units < 2 or finite(value) is None:
        return Estimate(name, finite(value), None, None, n, unit=unit)
    grown, drawn = value**power, drawn**power
    error = float(drawn.std(ddof=1)) * float(np.sqrt(units / (units - 1)))
    centre = grown - (float(drawn.mean()) - (grown if about is None else about**power))
    reach = t_quantile(0.975, units - 1) * error
    low, high = (max(0.0, end) ** (1 / power) for end in (centre - reach, centre + reach))
    return Estimate(name, value, min(low, value), max(value, high), n, unit=unit)


def area_between(signed: Floats, gaps: Floats) -> Floats:
    """The area between both distribution functions, of what one has more than the other at each of ascending places."""
    areas: Floats = np.abs(np.cumsum(signed, axis=1)[:, :-1]) @ gaps
    return areas


def _psi(before: Floats, after: Floats) -> Floats:
    used = (before.sum(axis=0) + after.sum(axis=0)) > 0
    p, q = (shares(counts[:, used] + 0.5) for counts in (before, after))
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=1)
    return index


def _jensen_shannon(before: Floats, after: Floats) -> Floats:
    p, q = shares(before), shares(after)
    middle = (p + q) / 2
    return (_relative(p, middle) + _relative(q, middle)) / 2


def _relative(p: Floats, q: Floats) -> Floats:
    """Σ p·log2(p/q) a row, nothing where p is 0."""
    quotient = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    bits: Floats = (p * np.log2(quotient)).sum(axis=1)
    return bits


def shares(counts: Floats) -> Floats:
    """Counts (draws, bins) as shares of their row's sum."""
    parts: Floats = counts / counts.sum(axis=1, keepdims=True)
    return parts


PSI = Formula("population_stability_index", "nats", _psi)
JENSEN_SHANNON = Formula("jensen_shannon", "bits", _jensen_shannon)
