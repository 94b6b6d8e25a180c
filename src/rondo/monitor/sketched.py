"""Days of answered rows, sketched: rows are read again only of days that others came to, or went from.

A day is known by how many answers it has and by one number made of all their ids. What was sketched anew is kept last,
when everything that was measured of it is recorded: whoever dies before finds the same days changed again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rondo.features.signature import Signature, class_name, kind_of
from rondo.monitor.windows import day_window
from rondo.records.versions import parse_model_version
from rondo.sql.engine import literal, quote, relation_of_files
from rondo.stats.days import EPOCH, QUARTER_US, days_of
from rondo.stats.results import Floats, Ints
from rondo.stats.sketches import Sketch, sketch_column, sketch_numbers
from rondo.store.locks import held
from rondo.store.opening import Store
from rondo.store.sketches import NOTHING, Mark, Sketched, append, days_path, erase, marks_of, read, scores_path

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

CELLS = 20_000_000
"""At most so many values are in memory at once."""
YEARS = "'1900-01-01 00:00:00+00' and '9000-01-01 00:00:00+00'"
"""An answer about a moment outside of these is in no window: somebody mistyped it."""
FILES_SEEN = 1_000
MISSING = "missing"
"""The output that says whether inputs were missing."""


@dataclass(frozen=True)
class Answered:
    """A model's answered rows: the Parquet files that hold them.

    `signature` is the newest version's, `signature_of` gives that of any; `column_of` the name that a field of a
    request (a "key" or an "input") has among the rows.
    """

    files: Sequence[str]
    signature: Signature
    signature_of: Callable[[int], Signature]
    column_of: Callable[[str, str], str]

    @property
    def event(self) -> str:
        """When a row counts as having happened."""
        return "p.moment" if self.signature.time else "p.at"


@dataclass(frozen=True)
class Days:
    """The days of a model's answered rows, by the project's timezone: as they are `now`, and as they were `stored`.

    `fresh` are those that differ, sketched anew by version.
    """

    model: str
    timezone: str
    now: Mapping[date, Mark]
    stored: Mapping[date, Mark]
    fresh: Mapping[date, Sequence[Sketched]]
    store: Store

    @property
    def grown(self) -> list[date]:
        """Days that rows came to, oldest first: they are to be measured. Where some only went, what was measured of
        all of them stands.
        """
        there = (day for day, sketched in sorted(self.fresh.items()) if sketched)
        return [day for day in there if self.now[day].rows >= self.stored.get(day, NOTHING).rows]

    def of(self, days: Collection[date]) -> list[Sketched]:
        """The sketches of these days, oldest first; of a day without rows none."""
        asked = {day: self.stored[day] for day in days if day in self.now and day not in self.fresh}
        found = read(self.store.lake, days_path(self.model), days=asked) if asked else []
        found += [each for day in days for each in self.fresh.get(day, ())]
        return sorted(found, key=lambda each: (each.day or date.min, each.version))


def answered_of(
    store: Store,
    signature: Signature,
    signature_of: Callable[[int], Signature],
    column_of: Callable[[str, str], str],
    path: str,
) -> Answered | None:
    """The answered rows that are in the lake under `path`; None where there are none."""
    if store.lake.version(path) is None:
        return None
    return Answered(store.lake.files(path), signature, signature_of, column_of)


def sketch_days(con: DuckDBPyConnection, store: Store, answered: Answered, timezone: str) -> Days:
    """Sketches the days whose rows differ from those that were sketched. `con` runs in `timezone`, or in any."""
    model = answered.signature.model
    there = _days(con, answered, timezone)
    stored = marks_of(store.lake, days_path(model))
    changed = {day: rows for day, rows in sorted(there.items()) if not rows.mark.is_of(stored.get(day, NOTHING))}
    fresh: dict[date, list[Sketched]] = {day: [] for day in changed}
    for days in _batches_of(changed):
        for each in _sketched(con, answered, days, timezone):
            assert each.day is not None
            fresh[each.day].append(each)
    return Days(model, timezone, {day: rows.mark for day, rows in there.items()}, stored, fresh, store)


def alone(store: Store, model: str) -> AbstractContextManager[None]:
    """While this is held nobody else measures a model, or erases of its sketches: from `sketch_days` to `keep`."""
    return held(store.folder / "locks" / f"monitor.{model}.lock")


def keep(days: Days) -> None:
    """Stores what was sketched anew, and ends what was made of rows that are gone.

    To be called when all that was measured is recorded; done again, it changes nothing.
    """
    lake, path = days.store.lake, days_path(days.model)
    if days.fresh:
        version = lake.version(path)
        number = 0 if version is None else version + 1
        marks: dict[date | None, Mark] = {day: replace(days.now[day], number=number) for day in days.fresh}
        append(lake, path, (each for day in sorted(days.fresh) for each in days.fresh[day]), marks)
    if any(days.now.get(day, NOTHING).rows < mark.most for day, mark in days.stored.items()):
        erase(lake, path, days.now)


def erase_sketches(con: DuckDBPyConnection, store: Store, answered: Answered | None, model: str, timezone: str) -> int:
    """Erases what was made of rows that are there no more: to be called, `alone`, when a key was forgotten. Gives how
    many days lost their sketches; the next measuring makes them again of what is left.
    """
    there = _days(con, answered, timezone) if answered is not None else {}
    return erase(store.lake, days_path(model), {day: rows.mark for day, rows in there.items()})


def answers_sketched(
    store: Store, signature: Signature, version: int, answers: Callable[[], tuple[Floats, Ints | None]]
) -> list[Sketched]:
    """The answers of a version to its own test rows, by day: what those to live traffic are compared with.

    `answers` gives scores (n,) or (n, classes), and each row's local day where there is time; it is asked once a
    version, and what came of it is stored.
    """
    path = scores_path(signature.model)
    if found := read(store.lake, path, version=version):
        return found
    scores, days = answers()
    names = ["value" if signature.task == "regression" else "score"]
    if signature.task == "multiclass":
        names = [score_of(class_name(value)) for value in signature.classes]
    columns = scores.reshape(-1, len(names)).T
    for day in [None] if days is None else np.unique(days).tolist():
        rows = slice(None) if days is None else days == day
        outputs: dict[str, Sketch] = {n: sketch_numbers(each[rows]) for n, each in zip(names, columns, strict=True)}
        count = next(iter(outputs.values())).rows
        date_ = None if day is None else EPOCH + timedelta(days=day)
        found.append(Sketched(date_, version, count, {}, outputs, "whole" if day is None else "day"))
    if found:
        append(store.lake, path, found, {})
    return found


@dataclass(frozen=True)
class _Rows:
    """The rows of a day: which they are, which versions answered them, and in which files they are."""

    mark: Mark
    versions: frozenset[int]
    files: frozenset[str]


def _days(con: DuckDBPyConnection, answered: Answered, timezone: str) -> dict[date, _Rows]:
    """The days as the files have them, oldest first."""
    found = [part for part in _quarters(con, answered) if len(part.quarter)]
    if not found:
        return {}
    quarter, version, rows, ids = (
        np.concatenate([getattr(part, name) for part in found]) for name in ("quarter", "version", "rows", "ids")
    )
    file = np.repeat(np.arange(len(found)), [len(part.quarter) for part in found])
    day = days_of(quarter * QUARTER_US, timezone)
    order = np.argsort(day, kind="stable")
    starts = [0, *(np.flatnonzero(np.diff(day[order])) + 1).tolist(), len(order)]
    days = {}
    for start, end in pairwise(starts):
        mine = order[start:end]
        mark = Mark(int(rows[mine].sum()), int(np.bitwise_xor.reduce(ids[mine])))
        files = frozenset(found[place].file for place in np.unique(file[mine]).tolist())
        days[EPOCH + timedelta(days=int(day[mine[0]]))] = _Rows(mark, frozenset(version[mine].tolist()), files)
    return days


@dataclass(frozen=True, eq=False)
class _Quarters:
    """The answered rows of a file by quarter of an hour and version: how many, and a number made of their ids."""

    file: str
    columns: tuple[str, ...]
    quarter: Ints
    version: Ints
    rows: Ints
    ids: Ints


_seen: dict[tuple[str, int, int, str], _Quarters] = {}
"""What was found in files by name, time and size: one that rows were erased from is another."""


def _quarters(con: DuckDBPyConnection, answered: Answered) -> list[_Quarters]:
    """What is in each file. A process that goes on measuring reads each file once."""
    import pyarrow.parquet as pq

    if len(_seen) > FILES_SEEN:
        _seen.clear()
    found = []
    for file in answered.files:
        about = Path(file).stat()
        key = (file, about.st_mtime_ns, about.st_size, answered.event)
        if key not in _seen:
            rows = con.sql(
                f"select epoch_us({answered.event}) // {QUARTER_US} as quarter, p.version, count(*) as rows, "
                f"bit_xor(hash(p.id)) as ids from {relation_of_files([file])} as p where p.role = 'production' "
                f"and {answered.event} between {YEARS} group by all order by all"
            ).to_arrow_table()
            quarter, number = (np.asarray(rows.column(n).to_numpy(), dtype=np.int64) for n in ("quarter", "rows"))
            ids = rows.column("ids").to_numpy().astype(np.uint64).view(np.int64)
            columns = tuple(pq.read_schema(file).names)
            _seen[key] = _Quarters(file, columns, quarter, _numbers(rows.column("version")), number, ids)
        found.append(_seen[key])
    return found


def _batches_of(days: Mapping[date, _Rows]) -> Iterator[dict[date, _Rows]]:
    """Days to read together: as many as leave room for twenty columns."""
    batch: dict[date, _Rows] = {}
    together = 0
    for day, rows in days.items():
        together += rows.mark.rows
        if batch and together > CELLS // 20:
            yield batch
            batch, together = {}, rows.mark.rows
        batch[day] = rows
    if batch:
        yield batch


def _sketched(con: DuckDBPyConnection, answered: Answered, days: Mapping[date, _Rows], timezone: str) -> list[Sketched]:
    """The days' rows by version, as many columns at a time as may be in memory; only files that hold them are read."""
    wanted = frozenset[str]().union(*(rows.files for rows in days.values()))
    read_from = [part for part in _quarters(con, answered) if part.file in wanted]
    there = list(dict.fromkeys(name for part in read_from for name in part.columns))
    answered = replace(answered, files=[part.file for part in read_from])
    versions = sorted(frozenset[int]().union(*(rows.versions for rows in days.values())))
    columns = {version: _columns(answered, there, answered.signature_of(version)) for version in versions}
    listed = list(dict.fromkeys(each for part in columns.values() for each in part))
    at_once = max(1, CELLS // max(1, sum(rows.mark.rows for rows in days.values())))
    found: dict[tuple[date, int], Sketched] = {}
    for first in range(0, len(listed), at_once):
        part = listed[first : first + at_once]
        rows = con.sql(_query(answered, there, part, days, timezone)).to_arrow_table()
        for day, version, mine in _by_day_and_version(rows, timezone):
            group = found.setdefault((day, version), Sketched(day, version, mine.num_rows, {}, {}))
            for place, column in enumerate(part):
                if column in columns[version]:
                    outputs = group.outputs if column.output else group.features
                    outputs[column.name] = sketch_column(mine.column(place))
    return [found[place] for place in sorted(found)]


@dataclass(frozen=True)
class _Column:
    """A column of the answered rows: a feature or an output, by the SQL that reads it."""

    output: bool
    name: str
    expression: str


def _columns(answered: Answered, there: Collection[str], signature: Signature) -> list[_Column]:
    """What is sketched of a version's rows: the columns it is fed, and what it answered."""
    keys = {column.name for column in signature.key}
    found = [
        _Column(False, fed.name, _read(there, answered.column_of(fed.name, part), kind_of(fed.type)))
        for fed in signature.fed
        for part in ["key" if fed.name in keys else "input"]
    ]
    found.append(_Column(True, MISSING, "p.missing > 0"))
    if signature.task == "regression":
        return [*found, _Column(True, "value", _read(there, "value", "number"))]
    found.append(_Column(True, "label", _read(there, "label", "text")))
    if signature.task == "binary":
        return [*found, _Column(True, "score", _read(there, "score", "number"))]
    scores = "map_extract(p.scores, {})[1]" if "scores" in there else "null::double"
    names = [class_name(value) for value in signature.classes]
    return found + [_Column(True, score_of(name), scores.format(literal(name))) for name in names]


def score_of(name: str) -> str:
    """What the score of a class is called among the outputs."""
    return f"score of {name}"


def _read(there: Collection[str], name: str, kind: str) -> str:
    """A column in its kind, from wherever it is: values that did not fit its type are in columns of their own."""
    found = [each for each in there if each == name or (each.startswith(f"{name} (") and each[-1] == ")")]
    into = {"number": "double", "boolean": "boolean"}.get(kind, "varchar")
    read = [f"try_cast(p.{quote(each)} as {into})" for each in found]
    return f"coalesce({', '.join(read)})" if read else f"null::{into}"


def _query(
    answered: Answered, there: Collection[str], columns: Sequence[_Column], days: Collection[date], timezone: str
) -> str:
    """Columns of the days' rows, the last answer to each question, with the event and the version behind."""
    names = [answered.column_of(column.name, "key") for column in answered.signature.key]
    keys = [f"p.{quote(name)}" if name in there else "null" for name in names]
    whole = " and ".join(f"{name} is not null" for name in keys) or "false"
    moments = ["p.moment"] if answered.signature.time else ["p.moment", "p.at"]  # a day's rows never hide another's
    question = ", ".join([*keys, *moments, f"case when {whole} then null else p.id end"])
    within = " or ".join(
        f"({answered.event} >= {literal(start)} and {answered.event} < {literal(end)})"
        for start, end in _stretches(days, timezone)
    )
    shown = ", ".join(f"{column.expression} as c{place}" for place, column in enumerate(columns))
    rows = relation_of_files(answered.files)
    return (
        f"select {shown}, epoch_us({answered.event}) as event_us, p.version from {rows} as p "
        f"where p.role = 'production' and ({within}) "
        f"qualify row_number() over (partition by {question} order by p.at desc, p.id desc) = 1 order by event_us"
    )


def _stretches(days: Collection[date], timezone: str) -> list[tuple[datetime, datetime]]:
    """Days that follow one another, as one span."""
    found: list[tuple[datetime, datetime]] = []
    for day in sorted(days):
        window = day_window(day, timezone)
        if found and found[-1][1] == window.start:
            found[-1] = (found[-1][0], window.end)
        else:
            found.append((window.start, window.end))
    return found


def _by_day_and_version(rows: pa.Table, timezone: str) -> Iterator[tuple[date, int, pa.Table]]:
    """The rows of each day and version, without the columns that tell them."""
    import pyarrow as pa

    if not rows.num_rows:
        return
    day = days_of(np.asarray(rows.column("event_us").to_numpy(), dtype=np.int64), timezone)
    version = _numbers(rows.column("version"))
    values = rows.drop_columns(["event_us", "version"]).combine_chunks()
    starts = [0, *(np.flatnonzero(np.diff(day)) + 1).tolist(), rows.num_rows]
    for start, end in pairwise(starts):
        mine, date_ = values.slice(start, end - start), EPOCH + timedelta(days=int(day[start]))
        numbers = np.unique(version[start:end]).tolist()
        for number in numbers:
            chosen = pa.array(version[start:end] == number)
            yield date_, number, mine if len(numbers) == 1 else mine.filter(chosen)


def _numbers(versions: pa.ChunkedArray) -> Ints:
    """The number of each version: `late@7` is 7."""
    named = versions.combine_chunks().dictionary_encode()
    numbers = [parse_model_version(name)[1] for name in named.dictionary.to_pylist()]
    chosen: Ints = np.asarray(numbers, dtype=np.int64)[named.indices.to_numpy()]
    return chosen
