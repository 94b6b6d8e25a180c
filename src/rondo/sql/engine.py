"""DuckDB sessions: opened the same way everywhere, read as streams, failing in words.

Two rules hold on DuckDB 1.5 and 2.0 alike. Queries go through `con.sql`, which streams, where `con.execute` copies all
rows. And a stream is read to its end before the session is asked anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rondo.errors import BuildError, DeclarationError, RondoError, WrongUse
from rondo.sql.tokens import quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_BATCH_ROWS = 65_536
_ASKED_WRONGLY = ("Parser", "Syntax", "Binder", "Catalog", "Not implemented", "Invalid Type")
_HINTS = ("Did you mean", "Candidate bindings", "Original Line", "Error when converting column", "file =")
_LINE = re.compile(r"^LINE (\d+): (.*)$", re.MULTILINE)


def connect(
    *,
    timezone: str,
    threads: int | None = None,
    memory_limit_mb: int | None = None,
    temporary_folder: Path | None = None,
) -> DuckDBPyConnection:
    """A session in memory whose SQL runs in `timezone`, with nothing downloaded or loaded by itself.

    `threads` and `memory_limit_mb` default to DuckDB's own choice; what does not fit in memory spills to
    `temporary_folder`. Rows keep the order of their files, so the same input gives the same bytes at any number of
    threads. Raises DeclarationError for a time zone that DuckDB does not know.
    """
    import duckdb

    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "preserve_insertion_order": "true",
    }
    if threads is not None:
        config["threads"] = str(threads)
    if memory_limit_mb is not None:
        config["memory_limit"] = f"{memory_limit_mb}MB"
    if temporary_folder is not None:
        config["temp_directory"] = str(temporary_folder)
    con = duckdb.connect(":memory:", config=config)
    con.sql("set enable_progress_bar = false")
    if not duckdb.__version__.startswith("1."):
        con.sql("set error_on_division_by_zero = false")  # x // 0 and x % 0 are null, as they are in DuckDB 1
    try:
        con.sql(f"set TimeZone = {literal(timezone)}")
    except duckdb.Error:
        con.close()
        raise DeclarationError(
            f"There is no time zone {timezone!r}.", next_step="Name one as in America/New_York, or UTC."
        ) from None
    return con


def quote(identifier: str) -> str:
    """The identifier in double quotes, as SQL writes any name."""
    return quoted(identifier)


def literal(value: object) -> str:
    """A Python value as SQL: None, bool, int, float, str, date, aware datetime, or a list or tuple of these.

    A float is the same DOUBLE, to the bit; a datetime becomes TIMESTAMPTZ at the same instant.
    Raises TypeError for anything else, a datetime without zone included.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value >= 0 else f"({value})"
    if isinstance(value, float):
        return f"'{value!r}'::double"  # as text: a bare 0.1 is a DECIMAL, which DuckDB 1 does not cast to the nearest
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return f"timestamptz '{value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}+00'"
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"date '{value.isoformat()}'"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    raise TypeError(f"no SQL literal for {value!r}")


def relation_of_files(files: Sequence[str], columns: Mapping[str, str] | None = None) -> str:
    """What stands after `from` to read Parquet files as one table; columns are matched by name.

    `columns` (name to DuckDB type) says what an empty list of files looks like. Raises ValueError where both are
    missing. Characters that DuckDB takes for patterns are taken literally.
    """
    if files:
        paths = literal([re.sub(r"[*?\[]", r"[\g<0>]", file) for file in files])
        return f"read_parquet({paths}, union_by_name = true, hive_partitioning = false)"
    if not columns:
        raise ValueError("neither files nor columns: nothing says what the table looks like")
    select = ", ".join(f"null::{kind} as {quote(name)}" for name, kind in columns.items())
    return f"(select {select} where false)"


def describe(con: DuckDBPyConnection, sql: str, *, file: str | None = None, line_offset: int = 0) -> dict[str, str]:
    """The columns of a query and their DuckDB types, without running it. Raises DeclarationError on a doubled name."""
    rows = run(con, f"select column_name, column_type from (describe {sql}\n)", file=file, line_offset=line_offset)
    columns: dict[str, str] = {}
    for name, kind in rows:
        if str(name).casefold() in map(str.casefold, columns):
            raise DeclarationError(
                f"Two columns are named {name!r}.", next_step=f"Give one another name: … as {name}_2", file=file
            )
        columns[str(name)] = str(kind)
    return columns


def run(
    con: DuckDBPyConnection, sql: str, *, file: str | None = None, line_offset: int = 0
) -> list[tuple[object, ...]]:
    """Run one statement to its end and return its rows: none for a statement that gives none.

    Times come as UTC datetimes, whole numbers of any width as int. Raises WrongUse (DeclarationError when `file` is
    named) where the SQL is wrong, BuildError where running it failed; both name file and line where known.
    `line_offset` is the number of lines of `file` above the SQL.
    """
    import duckdb
    import pyarrow as pa

    try:
        relation = con.sql(sql)
        if relation is None:
            return []
        table = relation.to_arrow_table()
        whole = [str(kind) in ("HUGEINT", "UHUGEINT") for kind in relation.types]
    except (duckdb.Error, pa.ArrowException) as error:
        raise failure(error, sql, file=file, line_offset=line_offset) from error
    try:
        columns = [_values(column, whole=integral) for column, integral in zip(table.columns, whole, strict=True)]
    except (OverflowError, ValueError) as error:
        raise BuildError(
            "A date or time lies outside the years 1 to 9999.", next_step="Mend the rows or the query.", file=file
        ) from error
    return list(zip(*columns, strict=True)) if columns else []


def to_batches(
    con: DuckDBPyConnection, sql: str, *, file: str | None = None, line_offset: int = 0
) -> pa.RecordBatchReader:
    """The rows of a query as a stream of Arrow batches, in bounded memory.

    The session is busy until the stream is read or closed. Errors come as in `run`, here or while reading; give the
    stream to a writer through `streamed`.
    """
    return _batches(con, sql, file, line_offset, [])


@contextmanager
def streamed(
    con: DuckDBPyConnection, sql: str, *, file: str | None = None, line_offset: int = 0
) -> Iterator[pa.RecordBatchReader]:
    """`to_batches` for a writer in another language, which would wrap an error of the query: it comes as itself."""
    failures: list[RondoError] = []
    try:
        yield _batches(con, sql, file, line_offset, failures)
    except Exception as error:
        if failures and error is not failures[0]:
            raise failures[0] from error
        raise


def _batches(
    con: DuckDBPyConnection, sql: str, file: str | None, line_offset: int, failures: list[RondoError]
) -> pa.RecordBatchReader:
    import duckdb
    import pyarrow as pa

    try:
        reader = con.sql(sql).to_arrow_reader(_BATCH_ROWS)
    except (duckdb.Error, pa.ArrowException) as error:
        raise failure(error, sql, file=file, line_offset=line_offset) from error

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            failures.append(failure(error, sql, file=file, line_offset=line_offset))
            raise failures[0] from error

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def failure(error: Exception, sql: str, *, file: str | None = None, line_offset: int = 0) -> RondoError:
    """DuckDB's error in one line, with the line of the file where DuckDB names a place in this very text."""
    text = str(error)
    first, _, rest = text.strip().partition("\n")
    kind, colon, message = first.partition(" Error: ")
    message = message if colon else first
    hint = " ".join(line.strip() for line in rest.splitlines() if line.strip().startswith(_HINTS))
    line = None
    if place := _LINE.search(text):
        lines = sql.splitlines()
        number = int(place[1])
        if number <= len(lines) and place[2].strip(". ") in lines[number - 1]:
            line = line_offset + number
    message = message.rstrip(".!: ") + "." + (f" {hint}" if hint else "")
    if kind in _ASKED_WRONGLY:
        wrong = DeclarationError if file is not None else WrongUse
        return wrong(message, next_step="Mend the query.", file=file, line=line)
    step = (
        "Give DuckDB more memory, or read less at once." if kind == "Out of Memory" else "Mend the rows or the query."
    )
    return BuildError(message, next_step=step, file=file, line=line)


def _values(column: pa.ChunkedArray, *, whole: bool) -> list[object]:
    """A column as Python values; Arrow carries DuckDB's widest integers as decimals."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        values: list[object] = column.cast(pa.timestamp(column.type.unit, "UTC")).to_pylist()
        return [value.astimezone(UTC) if isinstance(value, datetime) else value for value in values]
    values = column.to_pylist()
    return [int(value) if isinstance(value, Decimal | float) else value for value in values] if whole else values
