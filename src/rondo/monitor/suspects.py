"""What may be behind an alert, as far as tables and the service tell by themselves: stopped, held back, too many rows.

Where several tables on the way from a source to a model stand still, the one farthest up is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal
from zoneinfo import ZoneInfo

from rondo.monitor.evidence import LABEL, Deployed, Evidence, Landed, TableState
from rondo.stats.days import midnight

Kind = Literal["service", "data", "model"]
RECENT = timedelta(days=14)
"""Versions that landed so long ago may have brought other columns."""


@dataclass(frozen=True)
class Suspect:
    """Something that may be the cause. `touches` are columns of the model, `weight` how much of their change it is.

    `table` is the source or table to whose owner it goes; one that `halts` brings nothing new.
    """

    kind: Kind
    what: str
    weight: float
    touches: frozenset[str] = frozenset()
    table: str | None = None
    since: datetime | None = None
    halts: bool = False


def refused(evidence: Evidence) -> Iterable[Suspect]:
    """Tables whose last build brought nothing, and is not to blame on one farther up."""
    held = {name for name, state in evidence.tables.items() if state.refused}
    for name in sorted(held):
        state = evidence.tables[name]
        if held & made_from(evidence.tables, name):
            continue
        why = [(state.refused or "").rstrip("."), *schema_changes(evidence, name)]
        what = f"{name} ({state.kind}) is held back: {'; '.join(why)}{_read_by(evidence, name)}"
        since = min((at for at in (state.refused_at, state.newest) if at is not None), default=None)
        yield Suspect("data", what, 0.0, _touched(evidence, name), name, since, halts=True)


def schema_changes(evidence: Evidence, name: str) -> list[str]:
    """Columns that came, went or changed their type of late, in a table or in what it is made from."""
    found: list[str] = []
    for table in (name, *sorted(made_from(evidence.tables, name))):
        for before, after in pairwise(evidence.tables[table].versions):
            if evidence.now - after.at <= RECENT:
                found += _differences(table, before, after)
    return found


def _differences(table: str, before: Landed, after: Landed) -> Iterable[str]:
    gone = sorted(before.columns.keys() - after.columns.keys())
    new = sorted(after.columns.keys() - before.columns.keys())
    if gone:
        yield f"{listed(gone)} of {table} gone since v{after.version}"
    if new:
        yield f"{table} has new columns since v{after.version}: {listed(new)}"
    for column, kind in sorted(after.columns.items()):
        if before.columns.get(column, kind) != kind:
            yield f"{table}.{column} turned from {before.columns[column]} into {kind} with v{after.version}"


def stopped(evidence: Evidence) -> Iterable[Suspect]:
    """Sources and tables that bring nothing new, where nothing they read has stopped."""
    overdue = {name: due for name, state in evidence.tables.items() if (due := _overdue(state, evidence))}
    for name in sorted(overdue):
        state = evidence.tables[name]
        if overdue.keys() & made_from(evidence.tables, name) or state.newest is None or state.refused:
            continue
        since = state.newest.astimezone(ZoneInfo(evidence.timezone))
        what = f"{name} ({state.kind}) has brought nothing since {day_text(since)} {since:%H:%M}, {overdue[name]}"
        what += _read_by(evidence, name)
        yield Suspect("data", what, 0.0, _touched(evidence, name), name, state.newest, halts=True)


def _overdue(state: TableState, evidence: Evidence) -> str | None:
    """Why a source or table should have brought something by now: its `fresh`, or what it did day by day."""
    if state.newest is None:
        return None
    waited = evidence.now - state.newest
    if state.fresh_s is not None:
        return f"against fresh {_length(state.fresh_s)}" if waited.total_seconds() >= state.fresh_s else None
    today = evidence.now.astimezone(ZoneInfo(evidence.timezone)).date()
    last = state.newest.astimezone(ZoneInfo(evidence.timezone)).date()
    usual = [day for day in state.rows if timedelta(0) <= last - day < timedelta(days=28)]
    if len(usual) >= 26 and today - last >= timedelta(days=2):
        return "where rows came every day"
    return None


def volumes(evidence: Evidence) -> Iterable[Suspect]:
    """Sources that bring several times, or a part of, the rows that they used to."""
    today = evidence.now.astimezone(ZoneInfo(evidence.timezone)).date()
    for name, state in sorted(evidence.tables.items()):
        days = [day for day in sorted(state.rows) if day < today]
        if state.kind != "source" or len(days) < 21:
            continue
        for back in range(1, 15):
            usual, since = [state.rows[day] for day in days[-back - 28 : -back]], days[-back:]
            level, now = median(usual), median(state.rows[day] for day in since)
            more, less = now > max(1.7 * level, 1.2 * max(usual)), now < min(0.6 * level, 0.8 * min(usual))
            if more or less:
                what = f"{name} (source) brings {now / level:.2g} times as many rows a day as before"
                what += f" {day_text(since[0])}: {'rows doubled' if more else 'rows missing'}?"
                since_ = midnight_of(since[0], evidence.timezone)
                yield Suspect("data", what, 0.0, _touched(evidence, name), name, since_)
                break


@dataclass(frozen=True)
class _Grown:
    """A service's measurement that left its usual level."""

    value: float
    usual: float
    since: datetime


def service(evidence: Evidence) -> Iterable[Suspect]:
    """What the service's own measurements say: the log's disk, the load, a release, failures, and slowness alone."""
    written = _grown(evidence, "log_write_p99_ms", 4.0, 20.0)
    lag = _grown(evidence, "log_lag_s", 4.0, 120.0)
    load = _grown(evidence, "requests", 2.5, 1.0)
    failed = _grown(evidence, "error_share", 3.0, 0.005)
    slow = _grown(evidence, "latency_p99_ms", 2.0, 1.0)
    if written:
        what = f"the prediction log's disk is slow: write p99 {written.value:.0f} ms ({written.usual:.3g} ms before)"
        yield Suspect("service", what, 2.0, since=written.since)
    if lag:
        what = f"predictions wait {lag.value:.0f} s in the log before they reach the lake ({lag.usual:.0f} s before)"
        yield Suspect("service", what, 1.0, since=lag.since)
    if load and (slow or failed):
        what = f"{load.value / max(load.usual, 1.0):.1f} times as many requests as usual ({load.value:.0f})"
        yield Suspect("service", what, 1.0, since=load.since)
    begun = failed or slow
    latest = evidence.deployments[-1] if evidence.deployments else None
    if begun and latest and _follows(begun, latest) and not written:
        what = f"{evidence.model}@{latest.version} went into production right before it began"
        yield Suspect("service", what, 1.5, since=latest.since)
    if failed:
        what = f"{failed.value:.1%} of requests fail ({failed.usual:.1%} before)"
        yield Suspect("service", what, 0.8, since=failed.since)
    if slow and not (written or load):
        what = f"answers take longer (p99 {slow.value:.0f} ms, {slow.usual:.3g} before)"
        yield Suspect("service", f"{what}; neither the log nor the load explains it", 0.5, since=slow.since)


def _follows(grown: _Grown, deployed: Deployed) -> bool:
    """Whether it began within a day of a release (an hour's measurement may begin before it)."""
    waited = grown.since - deployed.since
    return deployed.replaced is not None and -timedelta(hours=1) <= waited <= timedelta(days=1)


def _grown(evidence: Evidence, metric: str, times: float, least: float) -> _Grown | None:
    """A metric of the service among whose newest hours, or else days, one is so many times the level before."""
    for length, newest in ((timedelta(hours=1), 3), (timedelta(days=1), 2)):
        found = [
            each for each in evidence.measurements
            if each.metric == metric and each.value is not None and each.feature is None and each.by is None
            and abs((each.end - each.start) - length) <= length / 12
        ]  # fmt: skip
        found.sort(key=lambda each: each.start)
        usual = [each.value for each in found[:-newest] if each.value is not None]
        level = median(usual) if usual else 0.0
        worst = max(found[-newest:], key=lambda each: each.value or 0.0, default=None)
        if worst and usual and (worst.value or 0.0) > max(times * level, least):
            return _Grown(worst.value or 0.0, level, worst.start)
    return None


def made_from(tables: Mapping[str, TableState], name: str) -> set[str]:
    """Every source and table that one is made from."""
    found: set[str] = set()
    stack = list(tables[name].reads)
    while stack:
        each = stack.pop()
        if each in tables and each not in found:
            found.add(each)
            stack += tables[each].reads
    return found


def _touched(evidence: Evidence, name: str) -> frozenset[str]:
    """The columns of the model that come through a source or table."""
    return frozenset(fed.name for fed in evidence.fed if fed.name != LABEL and name in fed.tables)


def _read_by(evidence: Evidence, name: str) -> str:
    touched = sorted(_touched(evidence, name))
    return f"; read by {listed(touched)}" if touched else ""


def midnight_of(day: date, timezone: str) -> datetime:
    """When a local day begins."""
    return midnight(day, ZoneInfo(timezone))


def day_text(day: date) -> str:
    """A day as it is said: 30 December."""
    return f"{day.day} {day:%B}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names with commas, the last ones counted where they are many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _length(length_s: float) -> str:
    hours = length_s / 3600
    return f"{hours:g}h" if hours < 72 else f"{hours / 24:g}d"
