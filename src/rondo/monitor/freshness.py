"""Whether what a model reads still arrives: stale sources and tables, loads that stayed out, data that is blocked.

Something is fresh for so long as it declares after its newest known row, and stale from that moment on: `stale_at` is
exact, whenever it is looked at. What is measured stands in the hour (of UTC) in which it was looked at, as of the whole
hour, or as of the moment within it at which it became stale; so looking twice an hour tells the same twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from rondo.graph.definitions import Node, tables_of
from rondo.project.models import Model
from rondo.project.sources import Source
from rondo.records.monitoring import Measurement
from rondo.records.running import Run
from rondo.records.tables import CheckResult, TableVersion
from rondo.sql.engine import connect, literal, quote, run
from rondo.sql.relations import Catalog, known_column, rows_of, timed_source
from rondo.store.ledger import Entry, LedgerReader

STALENESS, UNLOADED, BLOCKED = "staleness_h", "unloaded_h", "data_blocked"
HOUR = timedelta(hours=1)
MISSED = 2
"""A source declared `every` hour is missed when so many hours brought nothing: one load may come a little late."""
RUNS_READ = 50
STAGES = ("load", "build")
Newest = Mapping[str, datetime | None]
"""By source and table: when its newest row became known (or, of loads, when it last brought rows); None: never."""


@dataclass(frozen=True)
class _Trouble:
    """Whether a source or table came through when it was last tried; `rows` it had or examined."""

    at: datetime
    blocked: bool
    rows: int


def upstream_of(model: Model, nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """Every source and table that a model reads, through all tables, in the order of building."""
    needed: set[str] = set()
    waiting = list(tables_of(model))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += nodes[name].reads
    return tuple(name for name in nodes if name in needed)


def fresh_lengths(model: Model, nodes: Mapping[str, Node]) -> dict[str, timedelta]:
    """For how long each source and table that the model reads stays fresh: those that declare it."""
    declared = {name: nodes[name].declaration.fresh_s for name in upstream_of(model, nodes)}
    return {name: timedelta(seconds=length_s) for name, length_s in declared.items() if length_s is not None}


def stale_at(newest_known: datetime, fresh: timedelta) -> datetime:
    """From which moment on something is stale."""
    return newest_known + fresh


def stale_moments(known_us: npt.NDArray[np.int64], fresh: timedelta) -> Iterator[datetime]:
    """Every moment at which something became stale, given when each of its rows became known (n,): the last is of the
    newest row, and may lie ahead. Microseconds since 1970, in any order.
    """
    known = np.unique(known_us)
    ends = known + round(fresh.total_seconds() * 1e6)
    became = ends[np.append(known[1:] > ends[:-1], True)] if len(known) else ends
    yield from (datetime.fromtimestamp(int(moment) / 1e6, UTC) for moment in became)


def newest_known(catalog: Catalog, names: Iterable[str], now: datetime) -> dict[str, datetime | None]:
    """When the newest row of each source or table became known, as of now, by the ledger and, for rows that will be
    known only later, by the lake. Without a declared `known` it is when rows last landed.
    """
    entries = {name: _newest(catalog.ledger, name) for name in names}
    found = {name: (entry.record.known_until or entry.at) if entry else None for name, entry in entries.items()}
    records = [entry.record for entry in entries.values() if entry is not None]
    ahead = [record for record in records if record.known_until is not None and record.known_until > now]
    return found | _newest_of(catalog, ahead, now)


def last_landed(ledger: LedgerReader, model: Model, nodes: Mapping[str, Node]) -> dict[str, datetime | None]:
    """When each source that the model reads, and that declares `every`, last brought rows."""
    found: dict[str, datetime | None] = {}
    for name in upstream_of(model, nodes):
        source = nodes[name].declaration
        if isinstance(source, Source) and source.every_s is not None:
            entry = _newest(ledger, name)
            found[name] = entry.at if entry else None
    return found


def measure_freshness(
    model: Model, nodes: Mapping[str, Node], newest: Newest, *, now: datetime, landed: Newest | None = None
) -> list[Measurement]:
    """`staleness_h` of everything upstream that declares `fresh`: out from `stale_at` on; unexamined without a row.

    With `landed` also `unloaded_h` of every source that declares `every`: hours since it last brought rows, out when
    two of its loads stayed out. In a replay, where all was landed at once, there is none.
    """
    found = [
        _measured(model, STALENESS, name, newest.get(name), fresh, now)
        for name, fresh in fresh_lengths(model, nodes).items()
    ]
    for name, at in (landed or {}).items():
        source = nodes[name].declaration
        assert isinstance(source, Source)
        found.append(_measured(model, UNLOADED, name, at, MISSED * timedelta(seconds=source.every_s or 0), now))
    return found


def measure_blocked(model: Model, nodes: Mapping[str, Node], ledger: LedgerReader) -> list[Measurement]:
    """`data_blocked` of everything upstream that was ever tried: 1 where its newest run failed, or checks blocked it.

    It stands in the hour of that run. What a run skipped, because something before it did not come through, is not
    itself blocked.
    """
    found = []
    for name, trouble in _troubles(ledger, upstream_of(model, nodes)).items():
        value = float(trouble.blocked)
        state: Literal["within", "out"] = "out" if trouble.blocked else "within"
        found.append(_measurement(model, BLOCKED, name, trouble.at, value, 0.0, state, trouble.rows, unit=""))
    return found


def _newest(ledger: LedgerReader, name: str) -> Entry[TableVersion] | None:
    return ledger.latest(TableVersion, name=name, where={"pinned": False})


def _newest_of(catalog: Catalog, versions: Sequence[TableVersion], now: datetime) -> dict[str, datetime | None]:
    """Of versions that hold rows which will be known only later: when the newest of the others became known."""
    found: dict[str, datetime | None] = {}
    if not versions:
        return found
    con = connect(timezone=catalog.timezone)
    try:
        for version in versions:
            source = catalog.project.sources.get(version.name)
            if source is not None:
                relation, known = timed_source(source, version, catalog.lake), "_rondo_known"
            else:
                relation = rows_of(version, catalog.lake)
                known = f"{quote(known_column(catalog.project.tables[version.name]) or '')}::timestamptz"
            ((newest,),) = run(con, f"select max({known}) from {relation} where {known} <= {literal(now)}")
            found[version.name] = newest.astimezone(UTC) if isinstance(newest, datetime) else None
    finally:
        con.close()
    return found


def _measured(
    model: Model, metric: str, name: str, newest: datetime | None, length: timedelta, now: datetime
) -> Measurement:
    limit_h = length / HOUR
    if newest is None:
        return _measurement(model, metric, name, now, None, limit_h, "unexamined", 0)
    stale, hour = stale_at(newest, length), _hour_of(now)
    at = stale if hour < stale <= now else hour
    state: Literal["within", "out"] = "out" if stale <= now else "within"
    return _measurement(model, metric, name, now, max(0.0, (at - newest) / HOUR), limit_h, state, 1)


def _troubles(ledger: LedgerReader, names: Collection[str]) -> dict[str, _Trouble]:
    """How each name fared when it was last tried: in the newest run that tells of it, or in checks made since."""
    told: dict[str, tuple[int, _Trouble]] = {}
    for entry in ledger.entries(Run, newest_first=True, limit=RUNS_READ):
        for name in set(names) - told.keys():
            steps = [step for step in entry.record.steps if step.name == name and step.stage in STAGES]
            if any(step.state != "skipped" for step in steps):
                blocked = any(step.state in ("blocked", "failed") for step in steps)
                told[name] = entry.seq, _Trouble(entry.at, blocked, max(step.rows or 0 for step in steps))
    for checks in _checks_since(ledger, {name: told[name][0] if name in told else 0 for name in names}):
        examined = max((check.rows for check in checks.record.checks), default=0)
        trouble = _Trouble(checks.at, checks.record.state == "blocked", examined)
        told[checks.record.name] = checks.seq, trouble
    return {name: told[name][1] for name in names if name in told}


def _checks_since(ledger: LedgerReader, seqs: Mapping[str, int]) -> Iterator[Entry[CheckResult]]:
    """The newest checks of each name after an entry of the ledger; of names that have none (0), of ever."""
    for name in (name for name, seq in seqs.items() if not seq):
        if (found := ledger.latest(CheckResult, name=name)) is not None:
            yield found
    if any(seqs.values()):
        for entry in ledger.entries(CheckResult, after=min(seq for seq in seqs.values() if seq)):
            if seqs.get(entry.record.name) and entry.seq > seqs[entry.record.name]:
                yield entry


def _hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _measurement(
    model: Model,
    metric: str,
    name: str,
    looked: datetime,
    value: float | None,
    limit: float,
    state: Literal["within", "out", "unexamined"],
    rows: int,
    *,
    unit: str = "h",
) -> Measurement:
    return Measurement(
        name=model.name,
        metric=metric,
        feature=name,
        start=_hour_of(looked),
        end=_hour_of(looked) + HOUR,
        rows=rows,
        matured=0,
        value=value,
        low=value,
        high=value,
        limit=limit,
        state=state,
        unit=unit,
        n=rows,
        higher_is_better=False,
        side="above",
        basis="declared",
    )
