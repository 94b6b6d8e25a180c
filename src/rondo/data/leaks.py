"""Prefix stability: whether a table, built from what was known at an earlier moment, gives the rows known by then.

A table whose `known` is too early passes everything else: it looks into its future only as seen from the past. So
each table is rebuilt at moments at which one of its own rows has just become known, which is where a known time that
is minutes too early shows, and at some moments around these.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rondo.data.session import session
from rondo.project.reading import Project
from rondo.project.tables import Table
from rondo.records.progress import Progress, silent
from rondo.sql.engine import describe, literal, quote, run
from rondo.sql.parsing import quote_versions, tables_read
from rondo.store.opening import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Relations = Callable[[datetime | None], Mapping[str, str]]
Row = Mapping[str, object]
DRAWS = 8
"""Moments a table. Every fourth lies within AROUND of a row's known, the others are a row's known itself."""
AROUND = timedelta(minutes=15)
TOLERANCES: Mapping[str, float] = {"DOUBLE": 1e-9, "FLOAT": 1e-5}
"""Relative differences that the order of a sum explains."""
_NOW, _THEN = "_rondo_now", "_rondo_then"


@dataclass(frozen=True)
class Leak:
    """Rows of a table known by `moment` that what was known then does not give. `then` and `now` are the first of
    them (None: no such row), `columns` where they differ, `rows` how many there are.
    """

    table: str
    moment: datetime
    key: Row
    columns: tuple[str, ...]
    then: Row | None
    now: Row | None
    rows: int
    timezone: str

    @property
    def what(self) -> str:
        """The difference in a sentence."""
        named = ", ".join(f"{name} {self._shown(value)}" for name, value in self.key.items()) or "without key"
        more = f" ({self.rows} rows differ)" if self.rows > 1 else ""
        at = self._shown(self.moment)
        if self.then is None:
            return f"the row {named} counts as known at {at}, but what was known then does not give it{more}"
        if self.now is None:
            return f"what was known at {at} gives a row {named} that is not there now{more}"
        changes = ", ".join(
            f"{name} is {self._shown(self.now[name])} now and {self._shown(self.then[name])} from what was known then"
            for name in self.columns
        )
        return f"the row {named} counts as known at {at}, but {changes}{more}"

    def _shown(self, value: object) -> str:
        return value.astimezone(ZoneInfo(self.timezone)).isoformat() if isinstance(value, datetime) else str(value)


@dataclass(frozen=True)
class LeakCheck:
    """What was found of one table, over `rows` rows compared at `moments` moments; no row examined is no pass."""

    table: str
    moments: int
    rows: int
    leaks: tuple[Leak, ...]

    @property
    def passed(self) -> bool:
        """Whether rows were compared and none differed."""
        return self.rows > 0 and not self.leaks


def check_leaks(
    project: Project,
    store: Store,
    relations: Relations,
    *,
    names: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> list[LeakCheck]:
    """Test the prefix stability of tables (`names`; None: all whose rows have a known time).

    `relations(moment)` gives what the tables read that is no table of the project (its sources), as known by that
    moment, as what stands after `from`; `relations(None)` uncut. A table's rows count as known at its `known`,
    examples at their `label_known`; inputs of examples may not change after their time. A table without known counts
    as known at its time where a model looks it up, else it is rebuilt wherever it is read and cannot leak.
    """
    timed = {name: table for name, table in project.tables.items() if _known_of(table, project)}
    chosen = [table for name, table in timed.items() if names is None or name in names]
    checks = []
    with session(project, store) as opened:
        for number, table in enumerate(chosen):
            progress(number / len(chosen), f"rebuilding {table.name} at earlier moments")
            generator = random.Random(f"{seed}:{table.name}")
            checks.append(_Checked(opened.con, project, table, relations).at_moments(draws, generator))
    return checks


def _known_of(table: Table, project: Project) -> str | None:
    """The column by which a table's rows are known, None where it cannot leak."""
    if table.is_examples or table.known:
        return table.label_known if table.is_examples else table.known
    looked_up = any(feature.table == table.name for model in project.models.values() for feature in model.features)
    return table.time if looked_up else None


@dataclass(frozen=True)
class _Checked:
    """One table, in a session."""

    con: DuckDBPyConnection
    project: Project
    table: Table
    relations: Relations

    def at_moments(self, draws: int, generator: random.Random) -> LeakCheck:
        self._build(_NOW, None)
        leaks: list[Leak] = []
        rows = 0
        moments = self._moments(draws, generator)
        for moment in moments:
            self._build(_THEN, moment)
            compared, found = self._compare(moment)
            rows += compared
            leaks += found
        return LeakCheck(self.table.name, len(moments), rows, tuple(leaks))

    def _build(self, schema: str, moment: datetime | None) -> None:
        """The table from its sources as known by a moment; what it reads are views."""
        run(self.con, f"drop schema if exists {schema} cascade")
        run(self.con, f"create schema {schema}")
        run(self.con, f"use {schema}")
        outside = self.relations(moment)
        for name in _upstream(self.table, self.project):
            if name in self.project.tables:
                table = self.project.tables[name]
                query = f"{quote_versions(table.sql)}\n"
                line = {"file": table.file, "line_offset": table.sql_line - 1}
                kind = "table" if name == self.table.name else "view"
                run(self.con, f"create {kind} {quote(name)} as {query}", **line)  # type: ignore[arg-type]
            elif name in outside:
                run(self.con, f"create view {quote(name)} as select * from {outside[name]}")

    def _moments(self, draws: int, generator: random.Random) -> list[datetime]:
        """Moments at which rows became known, and some around these; none where no row has a known time."""
        shares = [generator.random() for _ in range(draws)]
        offsets = [AROUND * generator.uniform(-1, 1) if place % 4 == 3 else timedelta() for place in range(draws)]
        query = f"select quantile_disc({self.known}, {literal(shares)}) from {_NOW}.{quote(self.table.name)}"
        [(found,)] = run(self.con, query)
        moments = found if isinstance(found, list) else []
        return sorted({moment + offset for moment, offset in zip(moments, offsets, strict=True)} if moments else ())

    def _compare(self, moment: datetime) -> tuple[int, list[Leak]]:
        """How many rows were compared, and the first leak of each kind."""
        by_then = f"{self.known} <= {literal(moment)}"
        every = self._rows(self.columns, by_then)
        [(rows, same)] = run(
            self.con,
            f"select a.n, a.n = b.n and a.h = b.h from {_digest(every, _NOW)} as a, {_digest(every, _THEN)} as b",
        )
        found = [] if same else self._differences(every, moment, both=False)
        if self.table.is_examples and self.table.key and self.table.inputs:
            asked = f"{quote(self.table.time or '')}::timestamptz <= {literal(moment)}"
            shown = [name for name in self.columns if name in {*self.table.inputs, *self._identity}]
            found += self._differences(
                self._rows(shown, f"{asked} and not coalesce({by_then}, false)"), moment, both=True
            )
        return int(str(rows)), found

    def _differences(self, rows: Callable[[str], str], moment: datetime, *, both: bool) -> list[Leak]:
        """Rows paired by key and time that differ; with `both`, those alone that are there now and were then."""
        columns = list(describe(self.con, rows(_NOW)))
        kinds = describe(self.con, rows(_NOW))
        identity = [quote(name) for name in self._identity if name in kinds]
        order = ", ".join(map(quote, columns))
        number = f"row_number() over (partition by {', '.join(identity) or 'true'} order by {order}) as _n"

        def only(here: str, there: str) -> str:
            return f"(select *, {number} from (({rows(here)}) except all ({rows(there)})))"

        same = " and ".join([f"a.{name} is not distinct from b.{name}" for name in identity] + ["a._n = b._n"])
        differ = " or ".join(_differs(name, kind) for name, kind in kinds.items())
        where = (
            f"a._n is not null and b._n is not null and ({differ})"
            if both
            else f"a._n is null or b._n is null or {differ}"
        )
        pairs = f"from {only(_NOW, _THEN)} as a full join {only(_THEN, _NOW)} as b on {same} where {where}"
        items = [f"{side}.{name}" for side in "ab" for name in ("_n", *map(quote, columns))]
        first = [f"coalesce(a.{name}, b.{name})" for name in identity] or ["1"]
        listed = run(
            self.con, f"select {', '.join(items)}, count(*) over () {pairs} order by {', '.join(first)} limit 1"
        )
        return [self._leak(row, columns, kinds, moment) for row in listed]

    def _leak(self, row: Sequence[object], columns: list[str], kinds: Mapping[str, str], moment: datetime) -> Leak:
        width = len(columns) + 1
        now = dict(zip(columns, row[1:width], strict=True)) if row[0] is not None else None
        then = dict(zip(columns, row[width + 1 : 2 * width], strict=True)) if row[width] is not None else None
        there = now or then or {}
        changed: tuple[str, ...] = ()
        if now is not None and then is not None:
            changed = tuple(name for name in columns if not _close(now[name], then[name], TOLERANCES.get(kinds[name])))
        return Leak(
            table=self.table.name,
            moment=moment,
            key={name: there[name] for name in self._identity if name in there},
            columns=changed,
            then=then,
            now=now,
            rows=int(str(row[-1])),
            timezone=self.project.settings.timezone,
        )

    def _rows(self, columns: Sequence[str], where: str) -> Callable[[str], str]:
        """A query for these rows and columns in either schema."""
        items = ", ".join(map(quote, columns))
        return lambda schema: f"select {items} from {schema}.{quote(self.table.name)} where {where}"

    @property
    def known(self) -> str:
        return f"{quote(_known_of(self.table, self.project) or '')}::timestamptz"

    @property
    def columns(self) -> list[str]:
        return list(describe(self.con, f"select * from {_NOW}.{quote(self.table.name)}"))

    @property
    def _identity(self) -> tuple[str, ...]:
        """What names a row: its key and time."""
        return tuple(dict.fromkeys([*self.table.key, *([self.table.time] if self.table.time else [])]))


def _digest(rows: Callable[[str], str], schema: str) -> str:
    """The number of rows and a sum of their hashes: equal for the same rows in any order."""
    return f"(select count(*) as n, coalesce(sum(hash(r)::hugeint), 0) as h from ({rows(schema)}) as r)"


def _differs(name: str, kind: str) -> str:
    a, b = f"a.{quote(name)}", f"b.{quote(name)}"
    distinct = f"{a} is distinct from {b}"
    if kind not in TOLERANCES:
        return f"({distinct})"
    return f"({distinct} and not coalesce(abs({a} - {b}) <= {TOLERANCES[kind]} * greatest(abs({a}), abs({b})), false))"


def _close(a: object, b: object, tolerance: float | None) -> bool:
    if tolerance is not None and isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=tolerance) or (math.isnan(a) and math.isnan(b))
    return a == b


def _upstream(table: Table, project: Project) -> Iterator[str]:
    """All that a table is made from, each once and after what it reads itself; the table comes last."""
    seen: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in seen:
            return
        seen.add(name)
        if name in project.tables:
            for read in tables_read(project.tables[name].sql):
                yield from visit(read)
        yield name

    yield from visit(table.name)
