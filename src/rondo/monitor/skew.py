"""Training-serving skew: looked-up features as they were answered with, against the as-of join at the same moment.

The join reads what the lake knows now, so it also sees rows that reached the lake only after the answer: an online
value that was late is skew like one that was wrong, because the next training would be fed another. A revision that
became known after the moment is none: the join does not read it either.

A look-up without time has no history. It is compared in the rows answered since its table landed, as `landed` says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from rondo.features.as_of import join, known_of, looked_up
from rondo.features.signature import Column, Lookup, Signature, kind_of
from rondo.monitor.cohorts import event_of, within
from rondo.monitor.estimates import measurement_of
from rondo.monitor.windows import Window, days_of
from rondo.records.monitoring import Measurement
from rondo.records.versions import model_version
from rondo.sql.engine import literal, quote
from rondo.stats.proportions import mean_interval, proportion
from rondo.stats.results import Estimate, Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

SKEW_SHARE = "skew_share"
ROWS_A_DAY = 200
TOLERANCE = 1e-9
"""Numbers nearer than this, relative to their size, are the same."""


@dataclass(frozen=True)
class Compared:
    """Sampled rows (n,) by event time: whether a feature differs (1, 0, NaN: not compared), for each feature."""

    event_us: Ints
    differs: Mapping[str, Floats]


def skew_query(
    signature: Signature,
    version: int,
    predictions: str,
    relations: Mapping[str, str],
    *,
    columns: Mapping[str, str],
    since: datetime,
    until: datetime,
    timezone: str,
    landed: Mapping[str, datetime] | None = None,
    steady: Collection[str] = (),
    rows_a_day: int = ROWS_A_DAY,
) -> str:
    """Answers of a version from `since` to before `until`, the same `rows_a_day` each time: `event_us`, and for each
    fed look-up feature whether it differs (null: not compared).

    `relations` maps each looked-up table to its rows as known now, of the definition that the version pins; `columns`
    maps fields and features to their names among the predictions; `steady` names the tables as in `as_of_query`.
    """
    event = event_of(signature)
    day = f"(({event})::timestamptz at time zone {literal(timezone)})::date"
    where = f"p.role = 'production' and p.version = {literal(model_version(signature.model, version))}"
    spine = (
        f"(select *, {event} as _event from {predictions} as p where {where}{within(event, since, until)} "
        f"qualify row_number() over (partition by {day} order by md5(p.id), p.id) <= {rows_a_day})"
    )
    items, joins = ["epoch_us(s._event) as event_us"], []
    for number, lookup in enumerate(_comparable(signature, relations, columns, landed or {})):
        alias = f"l{number}"
        found = looked_up(lookup, alias, "s.moment")
        for name, column, item in zip(lookup.names, lookup.columns, found, strict=True):
            if name not in columns:
                continue
            value = item[: -len(f" as {quote(name)}")]
            differs = _differs(f"s.{quote(columns[name])}", value, column)
            since_landed = "" if lookup.time else f"when s.at < {literal((landed or {})[lookup.table])} then null "
            items.append(f"case {since_landed}when {differs} then 1.0 else 0.0 end as {quote(name)}")
        asked = _asked(lookup, columns)
        relation = _read(lookup, relations[lookup.table], since, until)
        joins.append(join(asked, relation, alias, "s.moment", steady=lookup.table in steady))
    return f"select {', '.join(items)} from {spine} as s {' '.join(joins)} order by s._event, s.id"


def compared_of(rows: pa.Table) -> Compared:
    """The rows of `skew_query`."""
    differs = {name: _floats(rows.column(name)) for name in rows.column_names if name != "event_us"}
    return Compared(np.asarray(rows.column("event_us").to_numpy(), dtype=np.int64), differs)


def measure_skew(
    signature: Signature, version: int, compared: Compared, windows: Sequence[Window], *, timezone: str
) -> list[Measurement]:
    """`skew_share` of each look-up feature in each window that has sampled rows: the share of rows that differ."""
    day, found = days_of(compared.event_us, timezone), []
    for window in windows:
        ends = [int(end.timestamp() * 1e6) for end in (window.start, window.end)]
        first, last = np.searchsorted(compared.event_us, ends)
        for feature, differs in compared.differs.items() if last > first else ():
            told = np.isfinite(differs[first:last])
            estimate = _share(differs[first:last][told], day[first:last][told])
            found.append(
                measurement_of(
                    signature.model, estimate, window, version=version,
                    rows=int(last - first), matured=0, feature=feature,
                )
            )  # fmt: skip
    return found


def _comparable(
    signature: Signature, relations: Mapping[str, str], columns: Mapping[str, str], landed: Mapping[str, datetime]
) -> Iterator[Lookup]:
    """The look-ups of which all that is needed is there."""
    for lookup in signature.lookups:
        there = lookup.table in relations and all(asked in columns for _, asked in lookup.on)
        if there and (lookup.time or lookup.table in landed):
            yield lookup


def _asked(lookup: Lookup, columns: Mapping[str, str]) -> Lookup:
    """The look-up by the columns of the predictions."""
    return msgspec.structs.replace(lookup, on=tuple((column, columns[asked]) for column, asked in lookup.on))


def _read(lookup: Lookup, relation: str, since: datetime, until: datetime) -> str:
    """The rows that can be the answer between these moments: known by the last, none too old at the first."""
    if not lookup.time:
        return relation
    where = f"r.{quote(known_of(lookup))}::timestamptz <= {literal(until)}"
    if lookup.keep_s is not None:
        where += f" and r.{quote(lookup.time)}::timestamptz >= {literal(since - timedelta(seconds=lookup.keep_s))}"
    return f"(select * from {relation} as r where {where})"


def _differs(logged: str, joined: str, column: Column) -> str:
    """Whether two values are not the same, null being one of them."""
    if kind_of(column.type) != "number":
        return f"({logged})::varchar is distinct from ({joined})::varchar"
    a, b = f"({logged})::double", f"({joined})::double"
    near = f"abs({a} - {b}) <= {TOLERANCE} * greatest(1, abs({b}))"
    return f"({a} is distinct from {b} and not coalesce({near}, false))"


def _share(differs: Floats, day: Ints) -> Estimate:
    """Rows of one day may go wrong together: the wider of both intervals, by rows (Wilson) and by days drawn whole."""
    alone = proportion(int(differs.sum()), len(differs), name=SKEW_SHARE, higher_is_better=False)
    whole = mean_interval(differs, blocks=day)
    low, high = alone.low, alone.high
    if low is not None and high is not None and whole.low is not None and whole.high is not None:
        low, high = max(0.0, min(low, whole.low)), min(1.0, max(high, whole.high))
    return replace(alone, low=low, high=high, unit="share")


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast("double").to_numpy(), dtype=np.float64)
