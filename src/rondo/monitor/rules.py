"""What is wrong, said by rules: measurements that are out become findings, one about each feature, source or slice.

Data health, drift and quality are looked at in the newest window that is over, service and data's age at any moment.
What was found of a day holds for some days: it would come and go with every other day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rondo.language.words import Language
from rondo.monitor.alerting import Finding, Rule, Severity
from rondo.monitor.measurements import is_of_week
from rondo.monitor.sentences import sentence
from rondo.monitor.watched import Watched, watched
from rondo.records.monitoring import Measurement

HOUR = timedelta(hours=1)
HOLDS = timedelta(days=3)
STALE_TWICE = 2
"""Data that is so many times as old as it may be is critical: nobody is mending it."""

RECENT = timedelta(days=1)
"""An hour of service, or a look at the age of data, that was over longer ago says nothing of now."""

HEALTH = frozenset({"missing values", "values out of range", "unseen values", "skew"})
"""Rules of which a day says all: in its week, what was mended on Tuesday would be found on the Monday after."""

FEATURE = "feature "
"""Stands before the name of a feature in what a finding is about."""

Seen = tuple[Watched, Measurement]


def findings(
    measurements: Iterable[Measurement], *, now: datetime, words: Language, false_alarms: float
) -> tuple[list[Finding], set[Rule]]:
    """What is wrong now, the worst of each rule first, and the rules that had anything to look at.

    `measurements` are the newest records of limited measurements; records too old to matter change nothing, so a few
    weeks of them do. `false_alarms` a month and model are what calibrated limits were made for.
    """
    costs, looked = _costs(measurements := list(measurements)), list(_looked_at(measurements, now))
    worst: dict[tuple[str, str, str], Seen] = {}
    for each, measurement in looked:
        if measurement.state == "out":
            key = measurement.name, each.rule, about(measurement)
            worst[key] = max(worst.get(key, (each, measurement)), (each, measurement), key=_badness)
    found = []
    for (model, rule, what), seen in sorted(worst.items(), key=lambda item: _order(item[0], item[1], costs)):
        cost = costs.get((model, seen[1].feature)) if rule == "drift" else None
        text = sentence(seen[1], words, false_alarms=false_alarms, cost=cost)
        found.append(Finding(model, rule, what, text, severity(*seen)))
    return found, {(measurement.name, each.rule) for each, measurement in looked}


def about(measurement: Measurement) -> str:
    """What it says something of: a source or table, a feature, a slice, or the model by that metric."""
    m, each = measurement, watched(measurement)
    if m.feature is not None:
        return m.feature if each is not None and each.together == "data" else FEATURE + m.feature
    return m.metric if m.by is None else f"{m.by}={m.is_}"


def severity(each: Watched, measurement: Measurement) -> Severity:
    """Critical is what must be seen to at once: the service fails, data stays out, a promise of the PRD is broken."""
    m = measurement
    if each.rule == "stale data":
        return "critical" if m.value is not None and m.value >= STALE_TWICE * (m.limit or 0.0) else "warning"
    if each.rule == "service errors":
        return "critical" if m.metric == "error_share" else "warning"
    promised = each.rule == "quality" and m.basis == "declared"
    return "critical" if promised or each.rule == "data blocked" else "warning"


def _looked_at(measurements: Sequence[Measurement], now: datetime) -> Iterator[Seen]:
    """The measurements that count now: those of the newest window of what is measured together, and those that hold."""
    moments: dict[tuple[str, str, str | None], list[Seen]] = defaultdict(list)
    days: dict[tuple[str, str, bool], list[Seen]] = defaultdict(list)
    weeks: dict[tuple[str, str, bool], list[Seen]] = defaultdict(list)
    for m in measurements:
        each = watched(m)
        if each is None or m.limit is None or m.state in ("unexamined", "no limit") or m.start > now:
            continue
        if each.together in ("data", "service"):
            if each.together == "data" or m.end - m.start <= HOUR:
                moments[m.name, m.metric, m.feature].append((each, m))
        elif m.end <= now:
            (weeks if is_of_week(m) else days)[m.name, each.together, each.rule in HEALTH].append((each, m))
    for group in moments.values():
        newest = max(group, key=lambda seen: seen[1].end)
        if newest[0].rule == "data blocked" or newest[1].end > now - RECENT:
            yield newest
    of_days = {key for key in days if key[2]}
    for group in [*days.values(), *(group for key, group in weeks.items() if key not in of_days)]:
        end = max(m.end for _, m in group)
        for each, m in group:
            held = m.state == "out" and not is_of_week(m) and m.end > end - HOLDS
            if m.end == end or held:
                yield each, m


def _costs(measurements: Sequence[Measurement]) -> Mapping[tuple[str, str | None], Measurement]:
    """What the drift of each feature is expected to cost, as measured last; only what surely costs something."""
    newest: dict[tuple[str, str | None], Measurement] = {}
    for m in measurements:
        key = m.name, m.feature
        if m.metric == "expected_loss" and m.by is None and (key not in newest or newest[key].end < m.end):
            newest[key] = m
    return {key: m for key, m in newest.items() if m.feature is not None and m.low is not None and m.low > 0}


def _badness(seen: Seen) -> tuple[bool, bool, float, datetime]:
    """How bad it is: first what is critical, then what was declared, then what lies farthest beyond its limit."""
    each, m = seen
    return severity(each, m) == "critical", m.basis == "declared", _beyond(m), m.end


def _beyond(m: Measurement) -> float:
    """How far beyond its limit it lies, in parts of the limit."""
    assert m.value is not None and m.limit is not None
    return abs(m.value - m.limit) / (abs(m.limit) or 1.0)


def _order(
    key: tuple[str, str, str], seen: Seen, costs: Mapping[tuple[str, str | None], Measurement]
) -> tuple[object, ...]:
    model, rule, what = key
    each, m = seen
    cost = costs.get((model, m.feature))
    expected = cost.value if cost is not None and cost.value is not None else 0.0
    return model, rule, severity(each, m) != "critical", -expected, m.basis != "declared", -_beyond(m), what
