"""Predictions in batches: files and relations in, files and tables out, chunk by chunk through the same `answer`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from rondo.deploy.answering import Answerer, Row
from rondo.deploy.asking import as_json
from rondo.deploy.logged import logged_of, payload_of, table_of
from rondo.deploy.predictions import stream_of
from rondo.errors import LoadError, RowError, WrongUse
from rondo.features.signature import Signature, kind_of
from rondo.records.progress import Progress, silent
from rondo.sql.engine import describe, quote, to_batches
from rondo.store.log import PredictionLog

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

CHUNK_ROWS = 5_000
FORMATS = (".csv", ".parquet", ".jsonl")
_LEFT_OUT = ("role", "at", "latency_ms", "caller", "missing", "stale", "beside", "trace")
_ROW = re.compile(r"rows\[(\d+)\]")
Chunk = tuple[list[Row], float | None]
"""Rows, and the share of the input that is read with them."""


def predict_file(
    answerer: Answerer,
    file_in: Path,
    file_out: Path,
    *,
    now: datetime,
    log: PredictionLog | None = None,
    caller: str | None = None,
    progress: Progress = silent,
) -> int:
    """Answers every row of a CSV, Parquet or JSON lines file into another one; gives the number of rows.

    The result has an `id`, the `version`, the request's fields, and score and label, value, or one score a class.
    With `log` the predictions are kept as served ones are. The file appears when it is whole. Raises RowError naming
    the row and its field, LoadError for a file that cannot be read, WrongUse for another format.
    """
    formats = {path: _format(path) for path in (file_in, file_out)}
    if not file_in.is_file():
        raise LoadError(f"There is no file {file_in}.", next_step="Name a file of rows.")
    chunks = _READERS[formats[file_in]](file_in, answerer.signature)
    return write_answers(predicted(answerer, chunks, now=now, log=log, caller=caller, progress=progress), file_out)


def write_answers(parts: Iterable[pa.Table], file: Path) -> int:
    """Answers into a CSV, Parquet or JSON lines file, which appears when it is whole; gives the number of rows.

    Raises WrongUse for another format, before any part is asked for.
    """
    write, rows = _WRITERS[_format(file)], 0
    partial = file.with_name(f".{file.name}.partial")
    try:
        with closing(write(partial)) as writer:
            next(writer)
            for table in parts:
                writer.send(table)
                rows += table.num_rows
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def predict_relation(
    answerer: Answerer,
    con: DuckDBPyConnection,
    relation: str,
    *,
    now: datetime,
    log: PredictionLog | None = None,
    caller: str | None = None,
    progress: Progress = silent,
) -> Iterator[pa.Table]:
    """Answers every row of a relation of DuckDB; columns that no request has (its label) are not read."""
    names = _given(describe(con, f"select * from {relation}"), answerer.signature)
    query = f"select {', '.join(map(quote, names))} from {relation}"

    def chunks() -> Iterator[Chunk]:
        for batch in to_batches(con, query):
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                yield _plain(batch.slice(start, CHUNK_ROWS)), None

    yield from predicted(answerer, chunks(), now=now, log=log, caller=caller, progress=progress)


def rows_to_answer(table: pa.Table, signature: Signature) -> list[Row]:
    """The rows of a table as requests bring them; columns that no request has are left out. Raises WrongUse."""
    asked = table.select(_given(table.column_names, signature))
    return [row for batch in asked.to_batches() for row in _plain(batch)]


def _given(there: Collection[str], signature: Signature) -> list[str]:
    """The fields of a request that are among these columns. Raises WrongUse where none is."""
    names = [name for name in _names(signature) if name in there]
    if not names:
        raise WrongUse(
            f"None of the fields of {signature.model} is in these rows; they have: {', '.join(there)}.",
            next_step=f"Select some of: {', '.join(_names(signature))}.",
        )
    return names


def predicted(
    answerer: Answerer,
    chunks: Iterator[Chunk],
    *,
    now: datetime,
    log: PredictionLog | None = None,
    caller: str | None = None,
    progress: Progress = silent,
) -> Iterator[pa.Table]:
    """The answers to chunks of rows, a table each. Raises RowError with rows counted over all chunks."""
    model, done = answerer.signature.model, 0
    for rows, share in chunks:
        try:
            answers = answerer.answer(rows, now=now)
        except RowError as error:
            raise RowError([(_counted(field, done), reason) for field, reason in error.errors]) from error
        logged = [logged_of(answer, caller=caller, latency_ms=None) for answer in answers]
        if log is not None:
            log.append(stream_of(model), [payload_of(each) for each in logged])
        done += len(rows)
        progress(share, f"predicting {model}: {done:,} rows")
        found = table_of(model, logged, answerer.signature, None)
        features = {column.name for column in answerer.signature.fed} - {c.name for c in answerer.signature.request}
        yield found.drop_columns([name for name in found.column_names if name in features or name in _LEFT_OUT])


def _counted(field: str | None, before: int) -> str | None:
    return field and _ROW.sub(lambda found: f"rows[{int(found[1]) + before}]", field, count=1)


def _names(signature: Signature) -> list[str]:
    return [column.name for column in signature.request] + ([signature.time] if signature.time else [])


def _format(path: Path) -> str:
    if path.suffix.lower() not in FORMATS:
        raise WrongUse(
            f"{path.name} is no file of rows: its name ends in {path.suffix or 'nothing'}.",
            next_step=f"Use a name that ends in {', '.join(FORMATS)}.",
        )
    return path.suffix.lower()


def _read_csv(path: Path, signature: Signature) -> Iterator[Chunk]:
    """Rows of text, each value read as its field's type; an empty value is null."""
    types = {column.name: kind_of(column.type) for column in signature.request}
    size = max(1, path.stat().st_size)
    with path.open("rb") as raw:
        reader = csv.reader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
        try:
            names = next(reader, [])
            reads = [_CSV_READS.get(types.get(name, "text"), str) for name in names]
            while lines := list(islice(reader, CHUNK_ROWS)):
                yield [_line(names, reads, line, path, reader.line_num) for line in lines if line], raw.tell() / size
        except (csv.Error, UnicodeDecodeError) as error:
            raise LoadError(
                f"{path.name} cannot be read as CSV: {error}.", next_step="Save it as UTF-8 CSV."
            ) from error


def _line(
    names: Sequence[str], reads: Sequence[Callable[[str], object]], line: Sequence[str], path: Path, near: int
) -> Row:
    if len(line) != len(names):
        raise LoadError(
            f"{path.name} has a line of {len(line)} values under {len(names)} names, at or before line {near}.",
            next_step="Quote values with commas in them.",
        )
    return {name: None if text == "" else read(text) for name, read, text in zip(names, reads, line, strict=True)}


def _number(text: str) -> object:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text  # refused with its field's name


_CSV_READS: Mapping[str, Callable[[str], object]] = {
    "number": _number,
    "boolean": lambda text: {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text),
}


def _read_parquet(path: Path, signature: Signature) -> Iterator[Chunk]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            total, done = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(CHUNK_ROWS):
                done += batch.num_rows
                yield _plain(batch), done / total
    except pa.ArrowException as error:
        raise LoadError(f"{path.name} cannot be read as Parquet: {error}.", next_step="Write it again.") from error


def _plain(batch: pa.RecordBatch) -> list[Row]:
    """Arrow rows as a client would send them."""
    return [{name: as_json(value) for name, value in row.items()} for row in batch.to_pylist()]


def _read_jsonl(path: Path, signature: Signature) -> Iterator[Chunk]:
    size, number = max(1, path.stat().st_size), 0
    with path.open("rb") as raw:
        while lines := list(islice(raw, CHUNK_ROWS)):
            rows = []
            for line in lines:
                number += 1
                if line.strip():
                    rows.append(_object(line, path, number))
            yield rows, raw.tell() / size


def _object(line: bytes, path: Path, number: int) -> Row:
    try:
        found: Row = msgspec.json.decode(line, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise LoadError(
            f"Line {number} of {path.name} is no JSON object: {error}.", next_step="Write one object a line."
        ) from error
    return found


_Writer = Iterator[None]


def _write_csv(path: Path) -> Any:
    import pyarrow.csv as pc

    with path.open("wb") as file:
        header = True
        while True:
            table = yield
            pc.write_csv(_flat(table), file, pc.WriteOptions(include_header=header))
            header = False


def _write_parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    writer = None
    try:
        while True:
            table = yield
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _write_jsonl(path: Path) -> Any:
    with path.open("wb") as file:
        while True:
            table = yield
            _write_lines(table, file)


def _write_lines(table: pa.Table, file: BinaryIO) -> None:
    for row in table.to_pylist():
        if "scores" in row:
            row["scores"] = dict(row["scores"])
        file.write(msgspec.json.encode({name: as_json(value) for name, value in row.items()}) + b"\n")


def _flat(table: pa.Table) -> pa.Table:
    """The table with a column a class where it has scores by class."""
    import pyarrow as pa

    if "scores" not in table.column_names:
        return table
    rows = [dict(row) for row in table.column("scores").to_pylist()]
    place = table.column_names.index("scores")
    flat = table.drop_columns(["scores"])
    for number, name in enumerate(rows[0] if rows else ()):
        flat = flat.add_column(place + number, f"scores.{name}", pa.array([row[name] for row in rows]))
    return flat


_READERS: Mapping[str, Callable[[Path, Signature], Iterator[Chunk]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
}
_WRITERS: Mapping[str, Callable[[Path], Any]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
}
