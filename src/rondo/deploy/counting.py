"""What a server process counts on the path of a request: plain integers; the words are put to them at a scrape."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import sub
from typing import TYPE_CHECKING, TypeVar

from rondo.deploy.answering import Answer, Spent
from rondo.deploy.exposition import BOUNDS_S, Buckets, Labels, Samples, counted, merged
from rondo.features.signature import Signature
from rondo.records.deployment import LATENCY_BOUNDS_S, Role
from rondo.records.versions import model_version

if TYPE_CHECKING:
    from rondo.deploy.traffic import AtWork

STAGES = ("parse", "look_up", "predict", "record")
REFUSED = 400
"""Statuses from here on are of requests that were not answered."""
MOST = 500
"""At most so many callers, and so many versions of a model, are told apart; the rest is `other`."""
REQUEST, DERIVED = "request", "derive"
"""Where a value comes from that is of no table."""
_OTHER_VERSION = -1
_K = TypeVar("_K", int, str)
_BUCKETS = len(LATENCY_BOUNDS_S) + 1
_TOLD_IN = tuple(bisect_left(BOUNDS_S, bound) for bound in (*LATENCY_BOUNDS_S, float("inf")))
"""The bucket of `BOUNDS_S`, which are among the finer bounds, that each finer bucket is told in."""


class Histogram:
    """Seconds, by bucket of `LATENCY_BOUNDS_S`."""

    __slots__ = ("_buckets", "_seconds")

    def __init__(self) -> None:
        self._buckets, self._seconds = [0] * _BUCKETS, 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self._buckets[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self._seconds += seconds

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self._buckets)

    def value(self) -> Buckets:
        """As it stands, by the buckets that are told to scrapers."""
        told = [0] * (len(BOUNDS_S) + 1)
        for place, count in zip(_TOLD_IN, self._buckets, strict=True):
            told[place] += count
        return told, self._seconds

    def fine(self) -> Buckets:
        """As it stands, by bucket of `LATENCY_BOUNDS_S`."""
        return list(self._buckets), self._seconds


_EMPTY: Buckets = [0] * _BUCKETS, 0.0


@dataclass(frozen=True)
class Totals:
    """What was counted of one model's requests for predictions: since the process began, or since some totals before.

    `statuses` counts requests by the status they ended with, `reasons` those refused or failed by why. `latency` is of
    those that were answered, `log_write` of the writing of their predictions to the log (with durability `disk` until
    they were on it).
    """

    statuses: Mapping[int, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    predictions: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    stale: Mapping[str, int] = field(default_factory=dict)
    latency: Buckets = _EMPTY
    log_write: Buckets = _EMPTY

    @property
    def requests(self) -> int:
        """Requests ended."""
        return sum(self.statuses.values())

    def since(self, before: Totals) -> Totals:
        """What came after `before`, which the same process counted earlier."""
        return Totals(
            statuses=_more(self.statuses, before.statuses),
            reasons=_more(self.reasons, before.reasons),
            predictions=self.predictions - before.predictions,
            missing=_more(self.missing, before.missing),
            stale=_more(self.stale, before.stale),
            latency=_further(self.latency, before.latency),
            log_write=_further(self.log_write, before.log_write),
        )


def _more(now: Mapping[_K, int], before: Mapping[_K, int]) -> dict[_K, int]:
    return {key: count - before.get(key, 0) for key, count in now.items() if count != before.get(key, 0)}


def _further(now: Buckets, before: Buckets) -> Buckets:
    return list(map(sub, now[0], before[0])), now[1] - before[1]


class _Tally:
    """What is counted of one model."""

    __slots__ = ("explanations", "given", "look_up", "missing", "origins", "parse", "predict", "record", "stale")

    def __init__(self) -> None:
        self.parse, self.look_up, self.predict, self.record = Histogram(), Histogram(), Histogram(), Histogram()
        self.given: dict[tuple[int, Role | None], int] = {}
        self.missing: dict[str, int] = {}
        self.stale: dict[str, int] = {}
        self.explanations = 0
        self.origins: dict[int, _Origins] = {}

    def fold(self) -> None:
        """Adds what was counted by place to its tables."""
        for origins in self.origins.values():
            for table, count in zip(origins.tables, origins.missing, strict=True):
                if count:
                    self.missing[table] = self.missing.get(table, 0) + count
        self.origins.clear()


class Counts:
    """Requests, predictions and latencies of one server process, from `before` on. Not for several threads."""

    def __init__(self, before: Samples | None = None) -> None:
        self._before = counted(before or {})
        self._requests: dict[tuple[str, str | None, int], Histogram] = {}
        self._errors: dict[tuple[str, str | None, str], int] = {}
        self._models: dict[str, _Tally] = {}
        self._callers: dict[tuple[str, str], int] = {}
        self._outcomes = 0

    def request(self, route: str, status: int, seconds: float, model: str | None = None) -> None:
        """One request ended. `model`: it was for predictions of that model."""
        key = (route, model, status)
        histogram = self._requests.get(key)
        if histogram is None:
            histogram = self._requests[key] = Histogram()
        histogram.add(seconds)

    def error(self, route: str, reason: str, model: str | None = None) -> None:
        """A request was refused, or failed. `model` as in `request`."""
        key = (route, model, reason)
        self._errors[key] = self._errors.get(key, 0) + 1

    def predicted(self, at_work: AtWork, answers: Sequence[Answer], spent: Spent | None, caller: str | None) -> None:
        """Answers of one request were recorded; without `spent`, those that stand beside them."""
        model = at_work.model
        tally = self._models.get(model)
        if tally is None:
            tally = self._models[model] = _Tally()
        if spent is not None:
            tally.parse.add(spent.parse_s)
            tally.look_up.add(spent.look_up_s)
            tally.predict.add(spent.predict_s)
            tally.record.add(spent.record_s)
        given = tally.given
        for answer in answers:
            key = (answer.version, answer.role)
            try:
                given[key] += 1
            except KeyError:
                key = key if len(given) < MOST else (_OTHER_VERSION, answer.role)
                given[key] = given.get(key, 0) + 1
            if answer.missing:
                _count_gaps(tally, at_work, answer)
        if caller is not None and spent is not None:
            who = (caller, model)
            if who not in self._callers and len(self._callers) >= MOST:
                who = ("other", model)
            self._callers[who] = self._callers.get(who, 0) + len(answers)

    def explained(self, model: str, rows: int) -> None:
        """Predictions were explained."""
        tally = self._models.get(model)
        if tally is None:
            tally = self._models[model] = _Tally()
        tally.explanations += rows

    def outcomes(self, rows: int) -> None:
        """Outcomes were taken in."""
        self._outcomes += rows

    def totals(self) -> dict[str, Totals]:
        """What this process counted of each model's requests for predictions."""
        return {model: self._of(model) for model in {*self._models, *(m for _, m, _ in self._requests if m)}}

    def _of(self, model: str) -> Totals:
        statuses: Counter[int] = Counter()
        answered = [_EMPTY]
        for (_, of, status), histogram in self._requests.items():
            if of == model:
                statuses[status] += histogram.count
                if status < REFUSED:
                    answered.append(histogram.fine())
        reasons: Counter[str] = Counter()
        for (_, of, reason), count in self._errors.items():
            if of == model:
                reasons[reason] += count
        tally = self._models.get(model) or _Tally()
        tally.fold()
        return Totals(
            statuses=statuses,
            reasons=reasons,
            predictions=sum(tally.given.values()),
            missing=dict(tally.missing),
            stale=dict(tally.stale),
            latency=_summed(answered),
            log_write=tally.record.fine(),
        )

    def samples(self) -> Samples:
        """Everything counted so far."""
        for tally in self._models.values():
            tally.fold()
        requests: Counter[Labels] = Counter()
        seconds: dict[Labels, list[Buckets]] = {}
        for (route, _, status), histogram in self._requests.items():
            requests[route, str(status)] += histogram.count
            seconds.setdefault((route,), []).append(histogram.value())
        errors: Counter[Labels] = Counter()
        for (route, _, reason), count in self._errors.items():
            errors[route, reason] += count
        found: dict[str, dict[Labels, float | Buckets]] = {
            "rondo_requests_total": dict(requests),
            "rondo_errors_total": dict(errors),
            "rondo_request_seconds": {route: _summed(each) for route, each in seconds.items()},
            "rondo_stage_seconds": {
                (model, stage): getattr(tally, stage).value()
                for model, tally in self._models.items()
                for stage in STAGES
            },
            "rondo_predictions_total": {
                (model, _version(model, version), role or "none"): count
                for model, tally in self._models.items()
                for (version, role), count in tally.given.items()
            },
            "rondo_missing_values_total": {
                (model, table): count for model, each in self._models.items() for table, count in each.missing.items()
            },
            "rondo_stale_lookups_total": {
                (model, table): count for model, each in self._models.items() for table, count in each.stale.items()
            },
            "rondo_explanations_total": {(model,): tally.explanations for model, tally in self._models.items()},
            "rondo_outcomes_total": {(): self._outcomes},
            "rondo_caller_predictions_total": {(who, model): n for (who, model), n in self._callers.items()},
        }
        return merged([self._before, found]) if self._before else found


def _summed(several: Sequence[Buckets]) -> Buckets:
    counts, seconds = zip(*several, strict=True)
    return [sum(bucket) for bucket in zip(*counts, strict=True)], sum(seconds)


def _version(model: str, version: int) -> str:
    return "other" if version == _OTHER_VERSION else model_version(model, version)


class _Origins:
    """Of which table each value is that a version is fed, and which of them a look-up fills."""

    def __init__(self, signature: Signature) -> None:
        tables = {name: lookup.table for lookup in signature.lookups for name in lookup.names}
        derived = {each.name for each in signature.derived}
        places = {column.name: place for place, column in enumerate(signature.fed)}
        self.tables = tuple(tables.get(name, DERIVED if name in derived else REQUEST) for name in places)
        self.missing = [0] * len(self.tables)
        self.lookups = tuple(
            (each.table, tuple(asked for _, asked in each.on), tuple(places[n] for n in each.names if n in places))
            for each in signature.lookups
        )


def _count_gaps(tally: _Tally, at_work: AtWork, answer: Answer) -> None:
    """Adds the values and look-ups of an answer that were missing."""
    origins = tally.origins.get(answer.version)
    if origins is None:
        answerer = next((each for each in at_work.answerers.values() if each.version == answer.version), None)
        if answerer is None:
            return
        if len(tally.origins) >= MOST:
            tally.fold()
        origins = tally.origins[answer.version] = _Origins(answerer.signature)
    fed, missing, place = answer.fed, origins.missing, -1
    for _ in range(answer.missing):
        place = fed.index(None, place + 1)
        missing[place] += 1
    left = answer.stale
    for table, asked, places in origins.lookups if left else ():
        had_key = all(answer.inputs.get(name) is not None for name in asked)
        # A row that was found with nothing but nulls looks like one that was not; the sum is right all the same.
        if left and had_key and all(answer.fed[place] is None for place in places):
            tally.stale[table] = tally.stale.get(table, 0) + 1
            left -= 1
