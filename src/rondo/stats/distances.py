"""How far a window's values have moved from a reference: an effect with its interval, never a p-value alone.

Values are numbers (n,) or categories (n,), a null being None or not finite. Nulls and categories never seen in the
reference are bins of their own. Every distance is 0 or more and pushed up by noise; each draw of the bootstrap pushes
it up once more by about as much. So the interval is centred on the value less that bias (Efron and Tibshirani, 1993,
§10.6): where nothing moved, `low` is 0 in at least 95 of 100 windows. The value itself is the plain formula's; it comes
without a standard error, because the interval does not lie evenly about it.

Blocks are days, drawn whole, as in `intervals`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.intervals import Blocks, numbered, resample_counts, t_quantile
from rondo.stats.proportions import mean_interval
from rondo.stats.results import Estimate, Floats, Ints, finite
from rondo.stats.statistic import block_totals, chunks

BINS = 10
CATEGORIES = 30
"""Categories after the most frequent of the reference share one bin."""


def population_stability_index(
    reference: npt.ArrayLike,
    current: npt.ArrayLike,
    *,
    reference_blocks: Blocks = None,
    blocks: Blocks = None,
    draws: int = 500,
    seed: int,
) -> Estimate:
    """Sum over bins of (q − p)·ln(q/p), in nats: bins are tenths of the reference, or categories.

    Half a row is added to each bin (Jeffreys), so that an empty one does not make it infinite.
    """
    return _binned("psi", _psi, "nats", reference, current, reference_blocks, blocks, draws, seed)


def jensen_shannon(
    reference: npt.ArrayLike,
    current: npt.ArrayLike,
    *,
    reference_blocks: Blocks = None,
    blocks: Blocks = None,
    draws: int = 500,
    seed: int,
) -> Estimate:
    """Jensen-Shannon divergence (Lin, 1991) in bits over the same bins: 0 equal, 1 nothing in common."""
    return _binned("jensen_shannon", _jensen_shannon, "bits", reference, current, reference_blocks, blocks, draws, seed)


def wasserstein(
    reference: npt.ArrayLike,
    current: npt.ArrayLike,
    *,
    reference_blocks: Blocks = None,
    blocks: Blocks = None,
    draws: int = 200,
    seed: int,
) -> Estimate:
    """How far the numbers moved on average, in the reference's spread (its interquartile range, else its standard
    deviation): the area between both distribution functions. Nulls are left out: see `null_shift`. The spread is a
    unit, taken as given: its own error is not in the interval.

    None where a side has no number, or the reference has no spread and the window differs.
    """
    if any(np.asarray(side).dtype.kind not in "fiub" for side in (reference, current)):
        raise WrongUse("Only numbers have a Wasserstein distance.", next_step="Use jensen_shannon for categories.")
    before, after = (np.asarray(side, dtype=np.float64) for side in (reference, current))
    kept_before, kept_after = np.isfinite(before), np.isfinite(after)
    n = int(kept_after.sum())
    if not kept_before.any() or not n:
        return Estimate("wasserstein", None, None, None, n, unit="spreads")
    sides = (before[kept_before], after[kept_after])
    side_blocks = (_of_rows(reference_blocks, kept_before), _of_rows(blocks, kept_after))
    area = _area_between(*sides)
    spread = _spread(sides[0])
    value = float(area(*(np.ones((1, len(side))) for side in sides))[0])
    if spread == 0:
        number = 0.0 if value == 0 else None
        return Estimate("wasserstein", number, number, number, n, unit="spreads")
    rng = np.random.default_rng(seed)
    drawn = []
    for part in chunks(draws, len(before) + len(after)):
        size = part.stop - part.start
        weights = [resample_counts(len(s), b, size, rng) for s, b in zip(sides, side_blocks, strict=True)]
        drawn.append(area(*weights) / spread)
    units = _units(sides, side_blocks)
    return _recentred("wasserstein", "spreads", value / spread, np.concatenate(drawn), n, units, power=2)


def null_shift(
    reference: npt.ArrayLike, current: npt.ArrayLike, *, reference_blocks: Blocks = None, blocks: Blocks = None
) -> Estimate:
    """Share of nulls in the window less that of the reference, with Welch's interval on the fewer degrees."""
    after = mean_interval(_is_null(np.asarray(current)), blocks=blocks)
    before = mean_interval(_is_null(np.asarray(reference)), blocks=reference_blocks)
    if after.value is None or before.value is None:
        return Estimate("null_shift", None, None, None, after.n, unit="share")
    value = after.value - before.value
    if after.standard_error is None or before.standard_error is None:
        return Estimate("null_shift", value, None, None, after.n, unit="share")
    error = float(np.hypot(after.standard_error, before.standard_error))
    degrees = min(after.degrees or 0, before.degrees or 0)
    reach = t_quantile(0.975, degrees) * error
    low, high = max(-1.0, value - reach), min(1.0, value + reach)
    return Estimate("null_shift", value, low, high, after.n, "share", None, error, degrees)


def _binned(
    name: str,
    formula: Callable[[Floats, Floats], Floats],
    unit: str,
    reference: npt.ArrayLike,
    current: npt.ArrayLike,
    reference_blocks: Blocks,
    blocks: Blocks,
    draws: int,
    seed: int,
) -> Estimate:
    before, after, bins = _codes(np.asarray(reference), np.asarray(current))
    if not len(before) or not len(after):
        return Estimate(name, None, None, None, len(after), unit=unit)
    rng = np.random.default_rng(seed)
    value = formula(*(np.bincount(codes, minlength=bins)[None, :].astype(np.float64) for codes in (before, after)))
    drawn = formula(
        _drawn_counts(before, bins, reference_blocks, draws, rng), _drawn_counts(after, bins, blocks, draws, rng)
    )
    units = _units((before, after), (reference_blocks, blocks))
    return _recentred(name, unit, float(value[0]), drawn, len(after), units)


def _drawn_counts(codes: Ints, bins: int, blocks: Blocks, draws: int, rng: np.random.Generator) -> Floats:
    """Rows in each bin when rows (or whole blocks) are drawn again: (draws, bins)."""
    if blocks is None:
        shares = np.bincount(codes, minlength=bins) / len(codes)
        return rng.multinomial(len(codes), shares, size=draws).astype(np.float64)
    block, number = numbered(blocks)
    in_bin = (codes[:, None] == np.arange(bins)).astype(np.float64)
    return resample_counts(number, None, draws, rng) @ block_totals(block, in_bin, number)


def _psi(before: Floats, after: Floats) -> Floats:
    used = (before.sum(axis=0) + after.sum(axis=0)) > 0
    p, q = (_shares(counts[:, used] + 0.5) for counts in (before, after))
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=1)
    return index


def _jensen_shannon(before: Floats, after: Floats) -> Floats:
    p, q = _shares(before), _shares(after)
    middle = (p + q) / 2
    return (_relative(p, middle) + _relative(q, middle)) / 2


def _relative(p: Floats, q: Floats) -> Floats:
    """Σ p·log2(p/q) a row, nothing where p is 0."""
    quotient = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    bits: Floats = (p * np.log2(quotient)).sum(axis=1)
    return bits


def _shares(counts: Floats) -> Floats:
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _area_between(before: Floats, after: Floats) -> Callable[[Floats, Floats], Floats]:
    """The area between both distribution functions, as a function of the weights (draws, n) of each side."""
    values = np.concatenate([before, after])
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])

    def area(weights_before: Floats, weights_after: Floats) -> Floats:
        signed = np.concatenate([_shares(weights_before), -_shares(weights_after)], axis=1)[:, order]
        areas: Floats = np.abs(np.cumsum(signed, axis=1)[:, :-1]) @ gaps
        return areas

    return area


def _spread(values: Floats) -> float:
    first, third = np.quantile(values, [0.25, 0.75])
    return float(third - first) or float(values.std())


def _codes(reference: npt.NDArray[np.generic], current: npt.NDArray[np.generic]) -> tuple[Ints, Ints, int]:
    """Each row's bin on both sides, numbered from 0, and how many bins there are; the last is null."""
    if all(side.dtype.kind in "fiub" for side in (reference, current)):
        before, after = reference.astype(np.float64), current.astype(np.float64)
        seen = before[np.isfinite(before)]
        edges = np.unique(np.quantile(seen, np.arange(1, BINS) / BINS)) if len(seen) else np.empty(0)
        bins = len(edges) + 2
        coded = [np.where(np.isfinite(s), np.searchsorted(edges, s, side="right"), bins - 1) for s in (before, after)]
        return coded[0], coded[1], bins
    null_before, null_after = _is_null(reference), _is_null(current)
    names, counts = np.unique(reference[~null_before].astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    number = {str(names[place]): min(rank, CATEGORIES) for rank, place in enumerate(order)}
    unseen, null = CATEGORIES + 1, CATEGORIES + 2
    coded = [
        np.array([null if gone else number.get(str(v), unseen) for v, gone in zip(side, nulls, strict=True)], dtype=int)
        for side, nulls in ((reference, null_before), (current, null_after))
    ]
    return coded[0], coded[1], null + 1


def _is_null(values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    if values.dtype.kind in "fiub":
        return ~np.isfinite(values.astype(np.float64))
    return np.array([value is None or value != value for value in values], dtype=np.bool_)


def _of_rows(blocks: Blocks, rows: npt.NDArray[np.bool_]) -> Blocks:
    return None if blocks is None else np.asarray(blocks)[rows]


def _units(sides: tuple[npt.NDArray[np.generic], ...], blocks: tuple[Blocks, ...]) -> int:
    """What is drawn on the side that has fewer: its rows, or its blocks."""
    return min(len(s) if b is None else numbered(b)[1] for s, b in zip(sides, blocks, strict=True))


def _recentred(name: str, unit: str, value: float, drawn: Floats, n: int, units: int, power: int = 1) -> Estimate:
    """The interval about `value` less its bias. `power` makes noise additive: a distance that grows like the change
    itself (not its square) adds to noise in squares.
    """
    if units < 2 or finite(value) is None:
        return Estimate(name, finite(value), None, None, n, unit=unit)
    grown, drawn = value**power, drawn**power
    error = float(drawn.std(ddof=1)) * float(np.sqrt(units / (units - 1)))
    centre = grown - (float(drawn.mean()) - grown)
    reach = t_quantile(0.975, units - 1) * error
    low, high = (max(0.0, end) ** (1 / power) for end in (centre - reach, centre + reach))
    return Estimate(name, value, min(low, value), max(value, high), n, unit=unit)
