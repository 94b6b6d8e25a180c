"""Groups of rows among which something gathers: sought on one half of the rows, confirmed on the other.

Whoever tries thousands of conditions finds some that look bad by chance. So groups are sought on half of the blocks
(days) by sqrt(n) · (share − mean), the quality of a binomial test (Klösgen, 1996), and the few that promise most are
held against the other half, which took no part in the search: there each difference to the rest of the rows has the
error of whole blocks (linearised, as of any ratio: Cochran, 1977), and the bounds of all hold together (Bonferroni). Of
groups that hold mostly the same rows the better one is kept; two conditions are kept only where they say more than
either alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from rondo.stats.intervals import Blocks, lower_bound, numbered
from rondo.stats.multiplicity import simultaneous_bounds, simultaneous_level
from rondo.stats.proportions import proportion
from rondo.stats.results import Estimate, Floats, Ints
from rondo.stats.statistic import block_totals

Truths = npt.NDArray[np.bool_]
Cells = tuple[tuple[int, int], ...]
"""Conditions: the column's place and the code that its rows bear."""

KEPT = 10
"""Groups that are held against the other half: the more, the wider each one's bounds."""
LEAST_ROWS, LEAST_SHARE = 50, 0.01
"""A group has at least so many rows, and this share of them all."""
FEWEST_BLOCKS = 4
"""Blocks a half needs for its error to be known at all."""
FEWEST_ROWS = 100
ALIKE = 0.5
"""Two groups that share more than this of the rows of both together are one."""
PROMISING = 2.0
"""Standard errors above the mean that a group must be where it is found."""
ALPHA = 0.05


@dataclass(frozen=True)
class Group:
    """Rows that meet all conditions, as the confirming half shows them.

    `share` of its `rows` are marked, its bounds holding together with those of the other groups; `lift` is the ratio to
    the share of the other rows (None: none of them is marked).
    """

    cells: Cells
    rows: int
    marked: int
    share: float
    low: float
    high: float
    lift: float | None


@dataclass(frozen=True)
class Gathered:
    """The groups that were confirmed, by the number of marked rows they explain; how many conditions were tried; on how
    many rows they were confirmed (None: there is too little to confirm anything).
    """

    groups: tuple[Group, ...]
    looked: int
    confirmed_on: int | None


def gather(codes: Ints, marked: Truths, *, blocks: Blocks = None, seed: int) -> Gathered:
    """Where the marked rows (n,) gather, by conditions on `codes` (n, columns): what each row bears, 0 for nothing.

    In truth even rows give a group with a chance of at most 5 %.
    """
    finding = _half(len(marked), blocks, seed)
    if finding is None or marked.all() or not marked.any():
        return Gathered((), 0, None if finding is None else int((~finding).sum()))
    confirming = ~finding
    found, looked = _sought(codes[finding], marked[finding])
    days = None if blocks is None else blocks[confirming]
    groups = _confirmed(found, codes[confirming], marked[confirming], days)
    rest = marked[confirming].mean()
    ordered = sorted(groups, key=lambda group: -group.rows * (group.share - rest))
    return Gathered(tuple(ordered), looked, int(confirming.sum()))


def _half(n: int, blocks: Blocks, seed: int) -> Truths | None:
    """The rows to seek in: half of the blocks, drawn at random; None where either half were too small."""
    rng = np.random.default_rng(seed)
    if blocks is None:
        return None if n < 2 * FEWEST_ROWS else np.asarray(rng.permutation(n) < n // 2)
    number, count = numbered(blocks)
    if count < 2 * FEWEST_BLOCKS or n < 2 * FEWEST_ROWS:
        return None
    return np.asarray((rng.permutation(count) < count // 2)[number])


def _sought(codes: Ints, marked: Truths) -> tuple[list[Cells], int]:
    """The conditions that promise most, the best first, and how many were tried."""
    n, mean = len(marked), float(marked.mean())
    least = max(LEAST_ROWS / 2, LEAST_SHARE * n)
    weights = marked.astype(np.float64)
    columns = np.ascontiguousarray(codes.T)  # each column in one piece: it is read for every pair
    sizes = [int(column.max(initial=0)) + 1 for column in columns]
    quality: dict[Cells, float] = {}
    alone: list[Floats] = []
    looked = 0
    for place, size in enumerate(sizes):
        promise, enough = _promise(columns[place], size, weights, mean, least)
        promise[0] = -np.inf  # 0 is no condition
        alone.append(promise)
        looked += int(enough[1:].sum())
        quality |= {((place, int(code)),): float(promise[code]) for code in np.flatnonzero(promise > 0)}
    for a, b in combinations(range(len(sizes)), 2):
        both = columns[a] * sizes[b] + columns[b]
        flat, enough = _promise(both, sizes[a] * sizes[b], weights, mean, least)
        promise = flat.reshape(sizes[a], sizes[b])
        looked += int(enough.reshape(sizes[a], sizes[b])[1:, 1:].sum())
        better = promise > np.maximum(np.maximum(alone[a][:, None], alone[b][None, :]), 0)
        better[0], better[:, 0] = False, False
        quality |= {((a, int(i)), (b, int(j))): float(promise[i, j]) for i, j in np.argwhere(better)}
    needed = PROMISING * np.sqrt(mean * (1 - mean))
    ordered = sorted(
        (cells for cells in quality if quality[cells] > needed), key=lambda cells: (-quality[cells], cells)
    )
    return list(_unlike(ordered, codes)), looked


def _promise(codes: Ints, size: int, weights: Floats, mean: float, least: float) -> tuple[Floats, Truths]:
    """The quality of each code's group, -inf where it has too few rows, and which have enough."""
    rows = np.bincount(codes, minlength=size)
    enough = rows >= least
    share = np.divide(np.bincount(codes, weights, minlength=size), rows, out=np.zeros(size), where=enough)
    return np.where(enough, np.sqrt(rows) * (share - mean), -np.inf), enough


def _unlike(ordered: Sequence[Cells], codes: Ints) -> Iterator[Cells]:
    """The first `KEPT` groups none of which holds mostly the rows of one before."""
    taken: list[Truths] = []
    for cells in ordered:
        mine = _members(cells, codes)
        if all((mine & other).sum() <= ALIKE * (mine | other).sum() for other in taken):
            taken.append(mine)
            yield cells
        if len(taken) == KEPT:
            return


def _members(cells: Cells, codes: Ints) -> Truths:
    inside = np.ones(len(codes), dtype=np.bool_)
    for column, code in cells:
        inside &= codes[:, column] == code
    return inside


def _confirmed(found: Sequence[Cells], codes: Ints, marked: Truths, blocks: Blocks) -> list[Group]:
    """The groups whose share is shown to exceed that of all other rows, together at 5 %."""
    level = simultaneous_level(len(found), ALPHA)
    members = [_members(cells, codes) for cells in found]
    told = [_told(inside, marked, blocks) for inside in members]
    bounds = simultaneous_bounds([share for share, _ in told], ALPHA / 2, scale="logit")
    groups = []
    for cells, inside, (share, above), (low, high) in zip(found, members, told, bounds, strict=True):
        least = lower_bound(above, level)
        if least is None or least <= 0 or share.value is None or low is None or high is None:
            continue
        rest = float(marked[~inside].mean())
        lift = share.value / rest if rest else None
        groups.append(Group(cells, share.n, int(marked[inside].sum()), share.value, low, high, lift))
    return groups


def _told(inside: Truths, marked: Truths, blocks: Blocks) -> tuple[Estimate, Estimate]:
    """The share of marked rows inside, and its difference to the rows outside."""
    nothing = Estimate("share", None, None, None, 0)
    n_in, n_out = int(inside.sum()), int((~inside).sum())
    if n_in < LEAST_ROWS / 2 or n_out < LEAST_ROWS / 2:
        return nothing, nothing
    block, count = numbered(blocks) if blocks is not None else (np.arange(len(marked)), len(marked))
    sizes = np.bincount(block, inside, minlength=count)
    # Rows that crowd into a few blocks tell no more than those blocks do.
    degrees = min(count, int(n_in**2 / np.square(sizes).sum())) - 1
    if degrees < 1:
        return nothing, nothing
    p_in, p_out = float(marked[inside].mean()), float(marked[~inside].mean())
    strays = np.stack([np.where(inside, marked - p_in, 0) / n_in, np.where(inside, 0, marked - p_out) / n_out], axis=1)
    totals = block_totals(block, strays, count)
    widened = count / (count - 1)
    binomial = proportion(int(marked[inside].sum()), n_in).standard_error or 0.0  # where all blocks agree, by chance
    error = max(float(np.sqrt(widened * np.square(totals[:, 0]).sum())), binomial)
    apart = float(np.sqrt(widened * np.square(totals[:, 0] - totals[:, 1]).sum()))
    share = Estimate("share", p_in, None, None, n_in, standard_error=error, degrees=degrees)
    above = Estimate("above", p_in - p_out, None, None, n_in, standard_error=max(apart, binomial), degrees=degrees)
    return share, above
