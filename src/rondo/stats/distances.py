"""How far a window's values have moved from a reference: an effect with its interval, never a p-value alone.

Values are numbers (n,) or categories (n,), a null being None or not finite. Nulls and categories never seen in the
reference are bins of their own. How noise is kept out of the interval: see `bins`.

Blocks are days, drawn whole, as in `intervals`. `drift` says the same from sketches of days, by the same formulas, and
reads no row: it is off by what the sketches' ranks are, and not at all while they are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rondo.errors import WrongUse
from rondo.stats.bins import JENSEN_SHANNON, PSI, Binned, area_between, compared, recentred, shares
from rondo.stats.intervals import Blocks, numbered, resample_counts, t_quantile
from rondo.stats.proportions import mean_interval, mean_of_blocks, proportion
from rondo.stats.results import Estimate, Floats, Ints
from rondo.stats.sketches import NumberSketch, Sketch, ValueSketch, as_kind, as_numbers, merged
from rondo.stats.statistic import chunks

BINS = 10
CATEGORIES = 30
"""Categories after the most frequent of the reference share one bin."""
GRID = 64
"""Cells in which the draws of sketches compare distribution functions; the distance itself uses every point."""
_TENTHS = np.arange(1, BINS) / BINS
_QUARTILES = (0.25, 0.75)


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
    sides = _coded(reference, current, reference_blocks, blocks)
    return compared([PSI], *sides, draws, np.random.default_rng(seed))[0]


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
    sides = _coded(reference, current, reference_blocks, blocks)
    return compared([JENSEN_SHANNON], *sides, draws, np.random.default_rng(seed))[0]


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
        return _in_spreads(None, n)
    sides = (before[kept_before], after[kept_after])
    side_blocks = (_of_rows(reference_blocks, kept_before), _of_rows(blocks, kept_after))
    area = _area_of(*sides)
    spread = _spread(np.quantile(sides[0], _QUARTILES), float(sides[0].std()))
    value = float(area(*(np.ones((1, len(side))) for side in sides))[0])
    if spread == 0:
        return _in_spreads(0.0 if value == 0 else None, n)
    rng = np.random.default_rng(seed)
    drawn = []
    for part in chunks(draws, len(before) + len(after)):
        size = part.stop - part.start
        weights = [resample_counts(len(s), b, size, rng) for s, b in zip(sides, side_blocks, strict=True)]
        drawn.append(area(*weights) / spread)
    units = _units(sides, side_blocks)
    return recentred("wasserstein", "spreads", value / spread, np.concatenate(drawn), n, units, power=2)


def null_shift(
    reference: npt.ArrayLike, current: npt.ArrayLike, *, reference_blocks: Blocks = None, blocks: Blocks = None
) -> Estimate:
    """Share of nulls in the window less that of the reference, with Welch's interval on the fewer degrees."""
    after = mean_interval(_is_null(np.asarray(current)), blocks=blocks)
    before = mean_interval(_is_null(np.asarray(reference)), blocks=reference_blocks)
    return _shift(before, after)


@dataclass(frozen=True, eq=False)
class Reference:
    """Days of a reference, summed up once for many windows: `edges` of numbers, or the bin of each name."""

    days: tuple[Sketch, ...]
    whole: Sketch
    edges: Floats
    bin_of: Mapping[str, int]
    binned: Binned


def reference_of(days: Sequence[Sketch] | Sketch) -> Reference:
    """The reference that these days make; one day (or sketch) alone is drawn by rows, not by days.

    Raises WrongUse as `merged` does.
    """
    given = [days] if isinstance(days, NumberSketch | ValueSketch) else list(days)
    whole = merged(given)
    alike = tuple(as_kind(day, whole) for day in given if day.rows)
    edges, bin_of = np.empty(0), dict[str, int]()
    if isinstance(whole, ValueSketch):
        bin_of = {name: min(rank, CATEGORIES) for rank, name in enumerate(whole.counts)}
    elif whole.count:
        edges = np.unique(whole.quantiles(_TENTHS))
    return Reference(alike, whole, edges, bin_of, _binned(alike, whole, edges, bin_of))


def drift(
    reference: Reference | Sequence[Sketch] | Sketch, window: Sequence[Sketch], *, draws: int = 200, seed: int
) -> dict[str, Estimate]:
    """How far a window's days have moved from a reference, by name: `population_stability_index`, `jensen_shannon` and
    `null_shift` as the functions of that name, `wasserstein` and `out_of_range_share` of numbers, `unseen_share` of
    names.

    Shares are of the rows with a value: numbers below the reference's least or above its greatest; names that it never
    had (rows that a day does not name among them; None where the reference does not name all of its own). One day is
    drawn by rows, more are drawn whole. The intervals are of chance alone: that sketches are condensed moves the index
    by some 0.0001, which shows beyond a million rows. Raises WrongUse for a window of the other kind.
    """
    base = reference if isinstance(reference, Reference) else reference_of(reference)
    days = [day for day in window if day.rows]
    if not base.whole.count and any(day.count for day in days):  # nothing but nulls fits either kind
        base = reference_of([as_kind(day, merged(days)) for day in base.days] or as_kind(base.whole, merged(days)))
    days = [as_kind(day, base.whole) for day in days]
    binned = _binned(days, base.whole, base.edges, base.bin_of)
    rng = np.random.default_rng(seed)
    found = compared([PSI, JENSEN_SHANNON], base.binned, binned, draws, rng)
    found.append(_shift(_null_share(base.days), _null_share(days)))
    if isinstance(base.whole, NumberSketch):
        numbers = [day for day in days if isinstance(day, NumberSketch)]
        found += [_moved(base, base.whole, numbers, draws, rng), _out_of_range(base.whole, numbers)]
    else:
        found.append(_unseen(base.whole, [day for day in days if isinstance(day, ValueSketch)]))
    return {estimate.name: estimate for estimate in found}


def _binned(days: Sequence[Sketch], whole: Sketch, edges: Floats, bin_of: Mapping[str, int]) -> Binned:
    """Rows of each day in the bins of a reference; the last is null."""
    counts = np.zeros((len(days), len(edges) + 2 if isinstance(whole, NumberSketch) else CATEGORIES + 3))
    for row, day in zip(counts, days, strict=True):
        if isinstance(day, NumberSketch):
            row[:-1] = day.counts(edges)
            row[-1] = day.nulls + day.strange
            continue
        unseen = CATEGORIES if isinstance(whole, ValueSketch) and whole.registers else CATEGORIES + 1
        bins = [bin_of.get(name, unseen) for name in day.counts]
        np.add.at(row, bins, list(day.counts.values()))
        row[CATEGORIES] += day.rest
        row[-1] = day.nulls
    return Binned(counts, len(days) == 1)


@np.errstate(over="ignore", invalid="ignore")
def _moved(
    base: Reference, before: NumberSketch, days: Sequence[NumberSketch], draws: int, rng: np.random.Generator
) -> Estimate:
    """The Wasserstein distance over every point of both sides, its error from draws over a grid of them."""
    n = sum(day.count for day in days)
    if not n or not before.count:
        return _in_spreads(None, n)
    sketches = (before, as_numbers(merged(days)))
    points = np.unique(np.concatenate([sketch.points for sketch in sketches]))
    whole = [sketch.counts(points[1:])[None, :].astype(np.float64) for sketch in sketches]
    value = float(area_between(shares(whole[0]) - shares(whole[1]), np.diff(points))[0])
    spread = _spread(before.quantiles(_QUARTILES), float(np.sqrt(before.squares / before.count)))
    if not 0 < spread < np.inf:
        return _in_spreads(0.0 if value == 0 else None, n)
    share_up_to = np.cumsum((shares(whole[0]) + shares(whole[1]))[0]) / 2
    grid = points[np.unique(np.searchsorted(share_up_to, np.linspace(0, 1, GRID)).clip(max=len(points) - 1))]
    sides = [
        Binned(np.array([day.counts(grid[1:]) for day in part if day.count], dtype=np.float64), len(part) == 1)
        for part in ([as_numbers(day) for day in base.days], days)
    ]
    about, drawn = (
        area_between(shares(first) - shares(second), np.diff(grid)) / spread
        for first, second in ([side.total for side in sides], [side.drawn(draws, rng) for side in sides])
    )
    units = min(side.units for side in sides)
    return recentred("wasserstein", "spreads", value / spread, drawn, n, units, power=2, about=float(about[0]))


def _out_of_range(before: NumberSketch, days: Sequence[NumberSketch]) -> Estimate:
    low, high = before.low, before.high
    if low is None or high is None:
        return Estimate("out_of_range_share", None, None, None, sum(day.count for day in days), unit="share")
    outside = [int(day.weights[(day.points < low) | (day.points > high)].sum()) for day in days]
    return _share("out_of_range_share", outside, [day.count for day in days])


def _unseen(before: ValueSketch, days: Sequence[ValueSketch]) -> Estimate:
    if before.registers or not before.count:
        return Estimate("unseen_share", None, None, None, sum(day.count for day in days), unit="share")
    unseen = [day.rest + sum(n for name, n in day.counts.items() if name not in before.counts) for day in days]
    return _share("unseen_share", unseen, [day.count for day in days])


def _share(name: str, found: Sequence[int], of: Sequence[int]) -> Estimate:
    """A share of rows in each block; by rows (Wilson) where there is one, or where blocks do not differ at all."""
    estimate = mean_of_blocks(found, of, name=name, unit="share")
    if estimate.standard_error:
        low, high = max(0.0, estimate.low or 0.0), min(1.0, estimate.high or 0.0)
        return replace(estimate, low=low, high=high)
    return replace(proportion(sum(found), sum(of), name=name), unit="share")


def _null_share(days: Sequence[Sketch]) -> Estimate:
    """Share of nulls, as `mean_interval` has it: one day by rows."""
    nulls, rows = [day.rows - day.count for day in days], [day.rows for day in days]
    found = mean_of_blocks(nulls, rows)
    if len(days) != 1 or found.value is None or found.n < 2:
        return found
    error = float(np.sqrt(found.value * (1 - found.value) / (found.n - 1)))
    return replace(found, standard_error=error, degrees=found.n - 1)


def _shift(before: Estimate, after: Estimate) -> Estimate:
    """The difference of two shares of nulls, with Welch's interval on the fewer degrees."""
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


def _area_of(before: Floats, after: Floats) -> Callable[[Floats, Floats], Floats]:
    """The area between both distribution functions, as a function of the weights (draws, n) of each side."""
    values = np.concatenate([before, after])
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])

    def area(weights_before: Floats, weights_after: Floats) -> Floats:
        signed = np.concatenate([shares(weights_before), -shares(weights_after)], axis=1)
        return area_between(signed[:, order], gaps)

    return area


def _spread(quartiles: Floats, deviation: float) -> float:
    return float(quartiles[1] - quartiles[0]) or deviation


def _in_spreads(value: float | None, n: int) -> Estimate:
    return Estimate("wasserstein", value, value, value, n, unit="spreads")


def _coded(
    reference: npt.ArrayLike, current: npt.ArrayLike, reference_blocks: Blocks, blocks: Blocks
) -> tuple[Binned, Binned]:
    """Both sides' rows in the bins of the reference."""
    before, after, bins = _codes(np.asarray(reference), np.asarray(current))
    return _in_blocks(before, bins, reference_blocks), _in_blocks(after, bins, blocks)


def _in_blocks(codes: Ints, bins: int, blocks: Blocks) -> Binned:
    block, number = (np.zeros(len(codes), dtype=np.int64), 1) if blocks is None else numbered(blocks)
    counts = np.bincount(block * bins + codes, minlength=number * bins).reshape(number, bins)
    return Binned(counts.astype(np.float64), blocks is None)


def _codes(reference: npt.NDArray[np.generic], current: npt.NDArray[np.generic]) -> tuple[Ints, Ints, int]:
    """Each row's bin on both sides, numbered from 0, and how many bins there are; the last is null."""
    if all(side.dtype.kind in "fiub" for side in (reference, current)):
        before, after = reference.astype(np.float64), current.astype(np.float64)
        seen = before[np.isfinite(before)]
        edges = np.unique(np.quantile(seen, _TENTHS)) if len(seen) else np.empty(0)
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
