"""Flips: the last logged requests scored on a candidate, before it answers anyone, against what production answered.

Each request comes as it was logged. Features too, where the candidate looks the same columns up in the same table by
the same definition as the version that answered; else they are looked up as known at the request's moment.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from rondo.deploy.answering import Answer, Answerer, Row, shown
from rondo.deploy.logged import Logged
from rondo.deploy.rehearsing import latencies_ms
from rondo.errors import RowError
from rondo.features.signature import Lookup, Signature, class_name
from rondo.features.values import Item, Key, Values
from rondo.models.packed import Packed
from rondo.project.requirements import FLIP_RATE
from rondo.records.deployment import Flips
from rondo.records.development import Figure, Slice
from rondo.records.progress import Progress, silent
from rondo.records.tables import Scalar
from rondo.stats.intervals import Blocks
from rondo.stats.metrics import Scale
from rondo.stats.multiplicity import simultaneous_bounds
from rondo.stats.proportions import mean_interval
from rondo.stats.results import Estimate, Floats, Ints, finite
from rondo.stats.shares import share
from rondo.store.opening import Store

LAST = 10_000
CHUNK = 10_000
SLICES = 50
"""Values of a slice that are measured, the greatest first; the others are listed with their rows."""
MOVED = 0.1
"""A regression's answer flips when it moves by more than this share of the label's standard deviation."""
SCORE_CHANGE = "score_change"
_SCALES: Mapping[str, Scale] = {FLIP_RATE: "logit", SCORE_CHANGE: "plain"}
_ENDS = {FLIP_RATE: (0.0, 1.0), SCORE_CHANGE: (-np.inf, np.inf)}
_plain = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_AT_FAULT = re.compile(r"rows\[(?P<place>\d+)\](\.(?P<field>.*))?")


@dataclass(frozen=True)
class Production:
    """What production has answered: requests oldest first, and the signature of each version that answered them."""

    logged: Sequence[Logged]
    signatures: Mapping[int, Signature]
    version: int | None  # at work now

    def comparable(self, signature: Signature) -> Production:
        """The requests that were asked what the candidate is asked."""
        alike = {number for number, theirs in self.signatures.items() if theirs.task == signature.task}
        return Production([each for each in self.logged if each.version in alike], self.signatures, self.version)


@dataclass(frozen=True)
class _Rows:
    """The requests side by side: flipped (n,), how the score changed (n,; NaN where refused), the day asked (n,).

    Without a time in the question rows stand alone: `days` is None.
    """

    flipped: npt.NDArray[np.bool_]
    change: Floats
    days: Blocks

    def figures(self, rows: Ints | slice = slice(None)) -> dict[str, Estimate]:
        """Both figures of these rows."""
        flipped, change = self.flipped[rows], self.change[rows]
        days = None if self.days is None else self.days[rows]
        answered = np.isfinite(change)
        of_answered = None if days is None else days[answered]
        return {
            FLIP_RATE: share(flipped, blocks=days, name=FLIP_RATE, higher_is_better=False),
            SCORE_CHANGE: mean_interval(change[answered], blocks=of_answered, name=SCORE_CHANGE),
        }


def flips(
    candidate: Packed,
    version: int,
    production: Production,
    *,
    values: Values,
    slices: Sequence[str] = (),
    tolerance: float | None = None,
    last: int = LAST,
    now: datetime,
    progress: Progress = silent,
) -> Flips | None:
    """The candidate on what production answered, days resampled whole; None where there is nothing to compare.

    `values` is the as-of join. A regression's answer flips when it moves by more than `tolerance`, in the label's
    unit. A refused request counts as flipped: its caller would get nothing. Raises StoreError where a look-up has no
    rows of its definition.
    """
    production = production.comparable(candidate.signature)
    logged = production.logged
    if not logged:
        return None
    asked = [request_of(each, candidate.signature) for each in logged]
    answers: list[Answer | None] = []
    refusals: Counter[str] = Counter()
    looked_up: set[str] = set()
    for first in range(0, len(logged), CHUNK):
        progress(first / len(logged), f"asking {candidate.signature.model}@{version} what production was asked")
        kept = _AsLogged(logged[first : first + CHUNK], production.signatures, values, looked_up)
        answers += _answers(candidate, version, kept, asked[first : first + CHUNK], now, refusals)
    rows = _side_by_side(logged, answers, candidate.signature, tolerance)
    cut = {by: _values_of(by, logged) for by in slices}
    return Flips(
        name=candidate.signature.model,
        version=version,
        production=production.version,
        against=_counted(each.version for each in logged),
        last=last,
        rows=len(logged),
        start=min(each.moment for each in logged),
        end=max(each.moment for each in logged),
        refused=sum(answer is None for answer in answers),
        metrics={name: _figure(estimate) for name, estimate in rows.figures().items()},
        slices=_sliced(rows, {by: found for by, found in cut.items() if found is not None}),
        tolerance=tolerance,
        refusals=dict(sorted(refusals.items())),
        looked_up=sorted(looked_up),
        absent=_absent(logged, candidate.signature),
        unsliced=[by for by, found in cut.items() if found is None],
    )


def with_latency(found: Flips, answerer: Answerer, requests: Sequence[Row], *, store: Store, now: datetime) -> Flips:
    """The same with the time that single requests take as of now, through the online store."""
    took = latencies_ms(store, answerer, [_plain(_encode(row)) for row in requests], now)
    if not took:
        return found
    p50, p99 = np.quantile(took, (0.5, 0.99)).tolist()
    return msgspec.structs.replace(found, latency_p50_ms=p50, latency_p99_ms=p99, requests=len(took))


def request_of(logged: Logged, signature: Signature) -> dict[str, object]:
    """What a version would have been asked: the fields it reads of what was asked then, and the moment."""
    row = {c.name: logged.request[c.name] for c in signature.request if logged.request.get(c.name) is not None}
    return {**row, signature.time: logged.moment} if signature.time else row


def _absent(logged: Sequence[Logged], signature: Signature) -> list[str]:
    brought: set[str] = set()
    for each in logged:
        brought.update(each.request)
    return [column.name for column in signature.request if column.name not in brought]


class _AsLogged:
    """Look-ups of logged requests, in their order: what was found then where it is the same, else as of the moment.

    `looked_up` takes the tables that had to be looked up.
    """

    def __init__(
        self, logged: Sequence[Logged], signatures: Mapping[int, Signature], values: Values, looked_up: set[str]
    ) -> None:
        self._logged, self._signatures, self._values, self._looked_up = logged, signatures, values, looked_up

    def only(self, places: Sequence[int]) -> _AsLogged:
        """The same for some of the requests."""
        return _AsLogged([self._logged[n] for n in places], self._signatures, self._values, self._looked_up)

    def look_up(self, lookup: Lookup, keys: Sequence[Key | None], moments: Sequence[datetime | None]) -> list[Item]:
        """See Values.look_up; the keys are those of the logged requests."""
        alike = {number: logs(signature, lookup) for number, signature in self._signatures.items()}
        found: list[Item] = [
            tuple(each.features.get(name) for name in lookup.names) if alike[each.version] else None
            for each in self._logged
        ]
        other = [place for place, each in enumerate(self._logged) if not alike[each.version]]
        if other:
            self._looked_up.add(lookup.table)
            asked = self._values.look_up(lookup, [keys[n] for n in other], [moments[n] for n in other])
            for place, item in zip(other, asked, strict=True):
                found[place] = item
        return found


def logs(signature: Signature, lookup: Lookup) -> bool:
    """Whether a version logs what this look-up would find: the same columns, by the same definition and rule."""
    fed = {column.name for column in signature.fed}
    return any(
        msgspec.structs.replace(theirs, columns=lookup.columns) == lookup
        and set(lookup.columns) <= set(theirs.columns)
        and fed.issuperset(lookup.names)
        for theirs in signature.lookups
    )


def _answers(
    candidate: Packed, version: int, kept: _AsLogged, rows: Sequence[Row], now: datetime, refusals: Counter[str]
) -> list[Answer | None]:
    """An answer each, None for a refused one; `refusals` counts the fields at fault."""
    answers: list[Answer | None] = [None] * len(rows)
    places = list(range(len(rows)))
    while places:
        try:
            found = Answerer(candidate, kept.only(places), version).answer([rows[n] for n in places], now=now)
        except RowError as error:
            faults = [fault for field, _ in error.errors if (fault := _AT_FAULT.fullmatch(field or ""))]
            if not faults:
                raise
            refusals.update(fault["field"] or "" for fault in faults)
            refused = {int(fault["place"]) for fault in faults}
            places = [n for place, n in enumerate(places) if place not in refused]
            continue
        for n, answer in zip(places, found, strict=True):
            answers[n] = answer
        break
    return answers


def _side_by_side(
    logged: Sequence[Logged], answers: Sequence[Answer | None], signature: Signature, tolerance: float | None
) -> _Rows:
    flipped = np.ones(len(logged), dtype=bool)
    change = np.full(len(logged), np.nan)
    for place, (before, after) in enumerate(zip(logged, answers, strict=True)):
        if after is None:
            continue
        change[place] = _change(before, after)
        if signature.task == "regression":
            flipped[place] = not abs(change[place]) <= (tolerance or 0.0)
        else:
            flipped[place] = _class(before.label) != _class(after.label)
    return _Rows(flipped, change, _days(logged, signature))


def _change(before: Logged, after: Answer) -> float:
    """The candidate's output minus production's: of several classes, that for the class which production named."""
    if after.scores is not None:
        named = _class(before.label)
        return after.scores.get(named, 0.0) - (before.scores or {}).get(named, 0.0)
    mine, theirs = (after.value, before.value) if after.score is None else (after.score, before.score)
    return np.nan if mine is None or theirs is None else mine - theirs


def _class(label: Scalar) -> str:
    return "" if label is None else class_name(label)


def _days(logged: Sequence[Logged], signature: Signature) -> Blocks:
    if signature.time is None:
        return None
    zone = ZoneInfo(signature.timezone)
    return np.array([each.moment.astimezone(zone).toordinal() for each in logged], dtype=np.int64)


def _values_of(by: str, logged: Sequence[Logged]) -> list[Scalar] | None:
    """The values of a column in the requests; None where no request carries it."""
    if not any(by in each.request or by in each.features for each in logged):
        return None
    return [shown(each.request.get(by, each.features.get(by))) for each in logged]


def _sliced(rows: _Rows, cut: Mapping[str, Sequence[Scalar]]) -> list[Slice]:
    """Both figures by slice, the greatest first; the intervals of all slices hold together."""
    places: list[tuple[str, Scalar, Ints, dict[str, Estimate]]] = []
    for by, values in cut.items():
        grouped: dict[Scalar, list[int]] = defaultdict(list)
        for n, value in enumerate(values):
            grouped[value].append(n)
        greatest = sorted(grouped.items(), key=lambda each: (-len(each[1]), str(each[0])))
        for rank, (value, mine) in enumerate(greatest):
            at = np.array(mine, dtype=np.int64)
            places.append((by, value, at, rows.figures(at) if rank < SLICES else {}))
    examined = [figures for *_, figures in places if figures]
    bounds = {
        name: iter(simultaneous_bounds([figures[name] for figures in examined], 0.025, scale=scale))
        for name, scale in _SCALES.items()
    }
    return [
        Slice(
            by=by,
            is_=value,
            rows=len(mine),
            metrics={name: _figure(figure, _cut(next(bounds[name]), _ENDS[name])) for name, figure in figures.items()},
        )
        for by, value, mine, figures in places
    ]


def _cut(bounds: tuple[float | None, float | None], ends: tuple[float, float]) -> tuple[float | None, float | None]:
    low, high = bounds
    return None if low is None else max(ends[0], low), None if high is None else min(ends[1], high)


def _counted(versions: Iterable[int]) -> dict[str, int]:
    return {str(number): count for number, count in sorted(Counter(versions).items())}


def _figure(estimate: Estimate, bounds: tuple[float | None, float | None] | None = None) -> Figure:
    low, high = bounds or (estimate.low, estimate.high)
    return Figure(
        value=finite(estimate.value),
        low=finite(low),
        high=finite(high),
        n=estimate.n,
        standard_error=finite(estimate.standard_error),
        degrees=estimate.degrees,
    )
