"""What may be behind an alert, as far as tables and the service tell by themselves: stopped, held back, too many rows.

Where several tables on the way from a source to a model stand still, the one farthest up is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from rondo.language.words import Language
from rondo.monitor.evidence import LABEL, Deployed, Evidence, Landed, TableState
from rondo.monitor.phrases import day_text, listed
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
        what = evidence.words.plain(
            "{table} ({kind}) is held back: {why}",
            table=name, kind=evidence.words.known(state.kind), why="; ".join(why),
        )  # fmt: skip
        since = min((at for at in (state.refused_at, state.newest) if at is not None), default=None)
        yield Suspect("data", _read(what, evidence, name), 0.0, _touched(evidence, name), name, since, halts=True)


def schema_changes(evidence: Evidence, name: str) -> list[str]:
    """Columns that came, went or changed their type of late, in a table or in what it is made from."""
    found: list[str] = []
    for table in (name, *sorted(made_from(evidence.tables, name))):
        for before, after in pairwise(evidence.tables[table].versions):
            if evidence.now - after.at <= RECENT:
                found += _differences(table, before, after, evidence.words)
    return found


def _differences(table: str, before: Landed, after: Landed, words: Language) -> Iterable[str]:
    gone = sorted(before.columns.keys() - after.columns.keys())
    new = sorted(after.columns.keys() - before.columns.keys())
    if gone:
        yield words.plain(
            "{columns} of {table} gone since v{version}",
            columns=listed(gone, words), table=table, version=after.version,
        )  # fmt: skip
    if new:
        yield words.plain(
            "{table} has new columns since v{version}: {columns}",
            table=table, version=after.version, columns=listed(new, words),
        )  # fmt: skip
    for column, kind in sorted(after.columns.items()):
        if before.columns.get(column, kind) != kind:
            yield words.plain(
                "{table}.{column} turned from {before} into {after} with v{version}",
                table=table, column=column, before=before.columns[column], after=kind, version=after.version,
            )  # fmt: skip


def stopped(evidence: Evidence) -> Iterable[Suspect]:
    """Sources and tables that bring nothing new, where nothing they read has stopped."""
    overdue = {name: due for name, state in evidence.tables.items() if (due := _overdue(state, evidence))}
    for name in sorted(overdue):
        state = evidence.tables[name]
        if overdue.keys() & made_from(evidence.tables, name) or state.newest is None or state.refused:
            continue
        since = state.newest.astimezone(evidence.words.zone)
        what = evidence.words.plain(
            "{table} ({kind}) has brought nothing since {day} {at:%H:%M}, {why}",
            table=name, kind=evidence.words.known(state.kind), day=day_text(since, evidence.words), at=since,
            why=overdue[name],
        )  # fmt: skip
        what = _read(what, evidence, name)
        yield Suspect("data", what, 0.0, _touched(evidence, name), name, state.newest, halts=True)


def _overdue(state: TableState, evidence: Evidence) -> str | None:
    """Why a source or table should have brought something by now: its `fresh`, or what it did day by day."""
    if state.newest is None:
        return None
    waited, words = evidence.now - state.newest, evidence.words
    if state.fresh_s is not None:
        return _against(state.fresh_s, words) if waited.total_seconds() >= state.fresh_s else None
    today, last = (at.astimezone(words.zone).date() for at in (evidence.now, state.newest))
    usual = [day for day in state.rows if timedelta(0) <= last - day < timedelta(days=28)]
    if len(usual) >= 26 and today - last >= timedelta(days=2):
        return words.plain("where rows came every day")
    return None


def volumes(evidence: Evidence) -> Iterable[Suspect]:
    """Sources that bring several times, or a part of, the rows that they used to."""
    today = evidence.now.astimezone(evidence.words.zone).date()
    for name, state in sorted(evidence.tables.items()):
        days = [day for day in sorted(state.rows) if day < today]
        if state.kind != "source" or len(days) < 21:
            continue
        for back in range(1, 15):
            usual, since = [state.rows[day] for day in days[-back - 28 : -back]], days[-back:]
            level, now = median(usual), median(state.rows[day] for day in since)
            more, less = now > max(1.7 * level, 1.2 * max(usual)), now < min(0.6 * level, 0.8 * min(usual))
            if more or less:
                what = _volume(name, now / level, since[0], evidence.words)
                yield Suspect("data", what, 0.0, _touched(evidence, name), name, midnight_of(since[0], evidence.words))
                break


def _volume(source: str, times: float, since: date, words: Language) -> str:
    day = day_text(since, words)
    if times > 1:
        return words.plain(
            "{source} (source) brings {times:.2g} times as many rows a day as before {day}: rows doubled?",
            source=source, times=times, day=day,
        )  # fmt: skip
    return words.plain(
        "{source} (source) brings {times:.2g} times as many rows a day as before {day}: rows missing?",
        source=source, times=times, day=day,
    )  # fmt: skip


@dataclass(frozen=True)
class _Grown:
    """A service's measurement that left its usual level."""

    value: float
    usual: float
    since: datetime


def service(evidence: Evidence) -> Iterable[Suspect]:
    """What the service's own measurements say: the log's disk, the load, a release, failures, and slowness alone."""
    words = evidence.words
    written = _grown(evidence, "log_write_p99_ms", 4.0, 20.0)
    lag = _grown(evidence, "log_lag_s", 4.0, 120.0)
    load = _grown(evidence, "requests", 2.5, 1.0)
    failed = _grown(evidence, "error_share", 3.0, 0.005)
    slow = _grown(evidence, "latency_p99_ms", 2.0, 1.0)
    if written:
        what = words.plain(
            "the prediction log's disk is slow: write p99 {value:.0f} ms ({usual:.3g} ms before)",
            value=written.value, usual=written.usual,
        )  # fmt: skip
        yield Suspect("service", what, 2.0, since=written.since)
    if lag:
        what = words.plain(
            "predictions wait {value:.0f} s in the log before they reach the lake ({usual:.0f} s before)",
            value=lag.value, usual=lag.usual,
        )  # fmt: skip
        yield Suspect("service", what, 1.0, since=lag.since)
    if load and (slow or failed):
        times = load.value / max(load.usual, 1.0)
        what = words.plain("{times:.1f} times as many requests as usual ({n:.0f})", times=times, n=load.value)
        yield Suspect("service", what, 1.0, since=load.since)
    begun = failed or slow
    latest = evidence.deployments[-1] if evidence.deployments else None
    if begun and latest and _follows(begun, latest) and not written:
        version = f"{evidence.model}@{latest.version}"
        what = words.plain("{version} went into production right before it began", version=version)
        yield Suspect("service", what, 1.5, since=latest.since)
    if failed:
        what = words.plain("{share:.1%} of requests fail ({usual:.1%} before)", share=failed.value, usual=failed.usual)
        yield Suspect("service", what, 0.8, since=failed.since)
    if slow and not (written or load):
        what = words.plain(
            "answers take longer (p99 {value:.0f} ms, {usual:.3g} before); neither the log nor the load explains it",
            value=slow.value, usual=slow.usual,
        )  # fmt: skip
        yield Suspect("service", what, 0.5, since=slow.since)


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


def _read(told: str, evidence: Evidence, name: str) -> str:
    """What was told of a source or table, with the columns of the model that read it."""
    touched = sorted(_touched(evidence, name))
    if not touched:
        return told
    return evidence.words.plain("{told}; read by {features}", told=told, features=listed(touched, evidence.words))


def midnight_of(day: date, words: Language) -> datetime:
    """When a local day begins."""
    return midnight(day, words.zone)


def _against(fresh_s: float, words: Language) -> str:
    hours = fresh_s / 3600
    if hours < 72:
        return words.plain("against fresh {n:g}h", n=hours)
    return words.plain("against fresh {n:g}d", n=hours / 24)
