"""How the world changed while the data is healthy: other inputs, other outcomes, or another share of them.

Columns and outcomes of judged rows stand in tables, before and since a day. Three ways of change are each held
against them: the outcomes' share alone moved and columns given the outcome stayed (prior shift: Saerens, Latinne and
Decaestecker, 2002; Lipton, Wang and Smola, 2018); outcomes moved and columns stayed (concept shift);
scores moved and outcomes given the score stayed (covariate shift). The one that the rows contradict least wins: by the
likelihood ratio left, divided by the overdispersion that stretches of days before show (McCullagh and Nelder, 1989),
less its degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from rondo.language.words import Language
from rondo.monitor.changes import LEAST, Floats, change_point
from rondo.monitor.evidence import Judged
from rondo.stats.days import EPOCH
from rondo.stats.results import Ints

ShiftKind = Literal["prior", "concept", "covariate"]
PARTS = 6
"""Parts of a column's values; few, so that a cell has rows."""
LEAST_DAYS = 3
"""Days without which no change of the world is claimed."""


@dataclass(frozen=True)
class WorldShift:
    """A change of what scores and outcomes have to do with each other. `explained` is how much its kind takes away."""

    kind: ShiftKind
    since: date
    strength: float
    explained: float
    words: str


def world_shift(judged: Judged, words: Language) -> WorldShift | None:
    """The newest change of judged rows and what kind it is; None where there is none out of the ordinary."""
    held = np.isfinite(judged.truth) & np.isfinite(judged.score)
    days, day = np.unique(judged.day[held], return_inverse=True)
    if len(days) < 12 or held.sum() < 200:
        return None
    truth = _parts(judged.truth[held], 4)
    score = _table(_parts(judged.score[held], PARTS), truth, day)
    if min(score.shape) < 2:
        return None
    found = change_point(score.reshape(len(days), -1))
    if found is None or len(days) - found[0] < LEAST_DAYS:
        return None
    first, strength, noise, _ = found
    if strength <= max(LEAST, 2 * noise):
        return None
    columns = [_table(_parts(values[held], PARTS), truth, day) for values in judged.columns.values()]
    kind, explained = _kind(score, [score, *columns], first)
    if kind == "covariate" and strength <= max(0.04, 4 * noise):
        return None
    after = held & (judged.day >= days[first])
    told = _told(kind, judged, held & ~after, after, words)
    return WorldShift(kind, EPOCH + timedelta(days=int(days[first])), strength, explained, told)


def _table(values: Ints, truth: Ints, day: Ints) -> Floats:
    """Counts (days, values, outcomes)."""
    found = np.zeros((int(day.max()) + 1, int(values.max()) + 1, int(truth.max()) + 1))
    np.add.at(found, (day, values, truth), 1.0)
    return found


def _parts(values: Floats, parts: int) -> Ints:
    """The part of each value: its own where few differ, else one of so many with equally many values; NaN is one."""
    known = np.isfinite(values)
    chosen = values[known]
    distinct = np.unique(chosen)
    if len(distinct) > parts:
        distinct = np.unique(np.quantile(chosen, np.linspace(0, 1, parts + 1)[1:-1]))
        places = np.searchsorted(distinct, chosen, side="right")
    else:
        places = np.searchsorted(distinct, chosen)
    found = np.full(len(values), len(distinct) + 1, dtype=np.int64)
    found[known] = places
    return np.unique(found, return_inverse=True)[1]


def _kind(score: Floats, columns: Sequence[Floats], first: int) -> tuple[ShiftKind, float]:
    """The way that the rows contradict least, and how much of the change it explains.

    Whether the inputs moved by themselves shows in the score alone: any other column may owe its outcomes to a third.
    """
    of_score = _Contradicted.of(score, first)
    moved = of_score.left("covariate")
    if moved < min(of_score.left("prior"), of_score.left("concept")):
        kind: ShiftKind = "covariate"
    else:
        every = [_Contradicted.of(table, first) for table in columns]
        prior, concept = (sum(each.left(way) for each in every) for way in ("prior", "concept"))
        kind = "prior" if prior < concept else "concept"
    return kind, of_score.explained(kind)


@dataclass(frozen=True)
class _Contradicted:
    """What a table of (values, outcomes) has against each way: a likelihood ratio and its degrees of freedom."""

    whole: float
    ways: Mapping[str, tuple[float, int]]

    @classmethod
    def of(cls, table: Floats, first: int) -> _Contradicted:
        """The days (days, values, outcomes) before `first` against those since."""
        before, after = table[:first].sum(axis=0), table[first:].sum(axis=0)
        spread = _dispersion(table[:first].sum(axis=2), len(table) - first)
        values, outcomes = before.shape
        given_outcome = sum(_deviance(before[:, y], after[:, y]) for y in range(outcomes))
        given_value = sum(_deviance(before[v], after[v]) for v in range(values))
        ways = {
            "prior": (given_outcome / spread, (values - 1) * outcomes),
            "concept": (_deviance(before.sum(axis=1), after.sum(axis=1)) / spread, values - 1),
            "covariate": (given_value / spread, values * (outcomes - 1)),
        }
        return cls(_deviance(before.ravel(), after.ravel()) / spread, ways)

    def left(self, way: str) -> float:
        """What speaks against it beyond chance."""
        statistic, freedom = self.ways[way]
        return statistic - freedom

    def explained(self, way: str) -> float:
        """The part of the change that it takes away."""
        return float(np.clip(1.0 - self.ways[way][0] / max(self.whole, 1e-9), 0.0, 1.0))


def _deviance(one: Floats, other: Floats) -> float:
    """The likelihood ratio statistic of two rows of counts having one distribution."""
    both = one + other
    total = both.sum()
    found = 0.0
    for row in (one, other):
        expected = both * row.sum() / max(total, 1.0)
        there = row > 0
        found += 2.0 * float((row[there] * np.log(row[there] / expected[there])).sum())
    return found


def _dispersion(days: Floats, length: int) -> float:
    """How much more stretches of so many days (n, parts) differ from the others than rows drawn alike would."""
    length = max(1, min(length, len(days) // 3))
    whole, freedom = days.sum(axis=0), max(int((days.sum(axis=0) > 0).sum()) - 1, 1)
    starts = range(0, len(days) - length + 1, max(1, length // 2))
    stretches = [days[start : start + length].sum(axis=0) for start in starts]
    return max(1.0, float(np.mean([_deviance(each, whole - each) for each in stretches])) / freedom)


def _told(
    kind: ShiftKind, judged: Judged, before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_], words: Language
) -> str:
    share = bool(np.isin(judged.truth[before | after], (0.0, 1.0)).all())
    moved = {"before": float(judged.truth[before].mean()), "after": float(judged.truth[after].mean())}
    if kind == "prior":
        return _prior(share, moved, words)
    if kind == "covariate":
        return words.plain(
            "other cases come in (mean score {before:.3g} to {after:.3g}) while outcomes given the score stayed: "
            "the world changed",
            before=judged.score[before].mean(), after=judged.score[after].mean(),
        )  # fmt: skip
    told, strongest = _concept(share, moved, words), _strongest(judged, before, after)
    return words.plain("{told}, strongest where {group}", told=told, group=strongest) if strongest else told


def _prior(share: bool, moved: Mapping[str, float], words: Language) -> str:
    if share:
        return words.plain(
            "the share of positive outcomes went from {before:.3g} to {after:.3g} while scores given the outcome "
            "stayed: prior shift",
            **moved,
        )
    return words.plain(
        "the mean outcome went from {before:.3g} to {after:.3g} while scores given the outcome stayed: prior shift",
        **moved,
    )


def _concept(share: bool, moved: Mapping[str, float], words: Language) -> str:
    if share:
        return words.plain(
            "the same inputs now lead to other outcomes (share of positive outcomes {before:.3g} to {after:.3g}, "
            "scores stayed): concept shift",
            **moved,
        )
    return words.plain(
        "the same inputs now lead to other outcomes (mean outcome {before:.3g} to {after:.3g}, scores stayed): "
        "concept shift",
        **moved,
    )


def _strongest(judged: Judged, before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> str | None:
    """The group in which outcomes left the scores most, where one does much more than all rows do."""
    residual = judged.truth - judged.score

    def moved(rows: npt.NDArray[np.bool_]) -> float:
        return float(residual[rows & after].mean() - residual[rows & before].mean())

    found: list[tuple[float, float, str]] = []
    for name, values in judged.groups.items():
        texts = np.array([str(value) for value in values.tolist()])
        for value in np.unique(texts).tolist():
            rows = texts == value
            n = int((rows & after).sum())
            if min(n, int((rows & before).sum())) >= 30 and n < 0.9 * after.sum():
                found.append((abs(moved(rows)) * float(np.sqrt(n)), abs(moved(rows)), f"{name}={value}"))
    if not found:
        return None
    _, most, where = max(found)
    return where if most > 1.5 * abs(moved(np.ones(len(residual), dtype=bool))) else None
