"""What moves a version's answers: on a test set, on rows of a table or query, on what it answered lately."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from rondo.deploy.batch import rows_to_answer
from rondo.deploy.logged import column_of
from rondo.deploy.predictions import path_of
from rondo.deploy.resolving import version_record
from rondo.develop.attributing import Sample, attribute, rows_to_explain, sample_of
from rondo.develop.evaluating import groups_of
from rondo.develop.reading import days_of
from rondo.errors import BuildError, NotFound
from rondo.loop.answering import answerer_of
from rondo.loop.versions import TEST, packed_version, testset_rows
from rondo.loop.workplace import Workplace
from rondo.models.encoding import encode_values
from rondo.project.durations import seconds
from rondo.records.progress import Progress, silent
from rondo.records.studies import Attribution
from rondo.records.versions import model_version
from rondo.sql.engine import connect, describe, literal, quote, run
from rondo.sql.parsing import quote_versions, tables_read

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

Named = tuple[str, int]


def attribution_on(
    work: Workplace, version: Named, on: str, *, by: Sequence[str] = (), progress: Progress = silent
) -> Attribution:
    """What moves the answers on `test`, a test set, a table or a query. Recorded. Raises NotFound.

    Rows of a table or query are answered as they would be served, features as known at each row's moment; nothing is
    logged.
    """
    name, number = version
    record = version_record(work.store.ledger, name, number)
    progress(None, f"explaining {model_version(name, number)} on {on}")
    if on == TEST or on in work.project.testsets:
        rows = testset_rows(work, record, on, also=by)
        packed = packed_version(work, name, number)
        found = attribute(packed, sample_of(packed, rows, by=by), version=number, kind="testset", of=on)
    elif on in work.project.names:
        sample = _answered(work, version, f"select * from {quote(on)}", by)
        found = attribute(packed_version(work, name, number), sample, version=number, kind="table", of=on)
    elif " " in on.strip():
        sample = _answered(work, version, on, by)
        found = attribute(packed_version(work, name, number), sample, version=number, kind="query", of=on)
    else:
        raise NotFound.among("test set or table", on, [TEST, *work.project.testsets, *sorted(work.project.names)])
    work.store.ledger.append(found, by=work.by)
    return found


def attribution_lately(
    work: Workplace, version: Named, window: str, *, by: Sequence[str] = (), progress: Progress = silent
) -> Attribution:
    """What moved the answers that a version gave in a role in the last `window` (7d), from the values it was fed then.

    Recorded. Raises BuildError where it gave none.
    """
    name, number = version
    end = work.now()
    start = end - timedelta(seconds=seconds(window, "window"))
    packed = packed_version(work, name, number)
    progress(None, f"explaining what {model_version(name, number)} answered in the last {window}")
    given = (
        f"select * from predictions.{quote(name)} where version = {literal(model_version(name, number))} "
        f"and role is not null and beside is null and moment > {literal(start)} and moment <= {literal(end)}"
    )
    with closing(connect(timezone=work.project.settings.timezone)) as con:
        if work.store.lake.version(path_of(name)) is None and work.catalog.live(name) is None:
            raise _nothing_answered(name, number, window)
        work.catalog.publish(con, f"predictions.{name}")
        rows, of_rows = _spread(con, given, rows_to_explain(packed), order="moment, id")
    if not of_rows:
        raise _nothing_answered(name, number, window)
    keys = {column.name for column in packed.signature.key}
    stored = {column_of(each, "key" if each in keys else "input"): each for each in packed.encoder.names}
    rows = rows.rename_columns([stored.get(column, column) for column in rows.column_names])
    sample = sample_of(packed, rows, of_rows=of_rows, by=by)
    found = attribute(packed, sample, version=number, kind="window", of=window, start=start, end=end)
    work.store.ledger.append(found, by=work.by)
    return found


def _nothing_answered(name: str, number: int, window: str) -> BuildError:
    return BuildError(
        f"{model_version(name, number)} answered nothing in the last {window}: there is nothing to explain.",
        next_step="Ask for a longer --window, or name the version that was at work.",
    )


def _answered(work: Workplace, version: Named, query: str, by: Sequence[str]) -> Sample:
    """Rows of a query, answered by a version without being logged."""
    answerer = answerer_of(work, model_version(*version))
    packed = answerer.packed
    quoted = quote_versions(query.strip().rstrip(";"))
    with closing(connect(timezone=work.project.settings.timezone)) as con:
        for name in tables_read(quoted):
            work.catalog.publish(con, name)
        rows, of_rows = _spread(con, quoted, rows_to_explain(packed))
        if not of_rows:
            raise BuildError("The query gives no rows: there is nothing to explain.", next_step="Ask for others.")
        answers = answerer.answer(rows_to_answer(rows, packed.signature), now=work.now())
    import pyarrow as pa

    moments = pa.chunked_array([pa.array([each.moment for each in answers], pa.timestamp("us", "UTC"))])
    return Sample(
        encode_values(packed.encoder, [each.fed for each in answers]),
        of_rows,
        days_of(moments, packed.signature.timezone) if packed.signature.time else None,
        {column: groups_of(rows, column) for column in by},
    )


def _spread(con: DuckDBPyConnection, query: str, most: int, order: str = "") -> tuple[pa.Table, int]:
    """At most `most` rows of a query, evenly apart in its order (or that named), and how many it gives."""
    describe(con, query)
    [[count]] = run(con, f"select count(*) from ({query}\n)")
    of_rows = int(str(count))
    numbered = f"select *, row_number() over ({f'order by {order}' if order else ''}) as _place from ({query}\n)"
    taken = f"(_place * {most}) // {of_rows} > ((_place - 1) * {most}) // {of_rows}" if of_rows > most else "true"
    table = con.sql(f"select * exclude (_place) from ({numbered}) where {taken} order by _place").to_arrow_table()
    return table, of_rows
