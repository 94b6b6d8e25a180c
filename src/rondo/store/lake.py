"""The lake: all tables, versioned, as Delta Lake tables that any Parquet tool can read.

What Delta leaves to its user is done here: a table is created, replaced and compacted by one process at a time while
appends go on side by side (a lock file for each table), a commit that lost against a writer outside is tried again,
and columns are checked before Rust sees them. Old versions stay readable: nothing is vacuumed unless it is `tidied`.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import unquote
from uuid import uuid4

from rondo.errors import NotFound, StoreError
from rondo.store.columns import stored_batches, stored_schema
from rondo.store.erasing import Gone, clean, data_files, erase_rows, mend_log
from rondo.store.locks import held
from rondo.store.names import segments

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

Token = tuple[str, int]
ATTEMPTS = 8
ROW_GROUP_ROWS = 250_000
LOCKS, TRASH = ".locks", ".trash"
KEPT = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableDeletionVectors": "false",
}


@dataclass(frozen=True)
class LakeVersion:
    """The Delta version a write made and the rows it wrote (0 when its token had been applied before)."""

    version: int
    rows: int


class Lake(Protocol):
    """Versioned tables, each under a path such as `tables/flights`. A reader sees one version, whole."""

    def write(
        self,
        path: str,
        rows: pa.RecordBatchReader | pa.Table,
        *,
        mode: Literal["append", "overwrite"],
        replace: str | None = None,
        token: Token | None = None,
    ) -> LakeVersion:
        """Writes a version. New columns are added; overwriting all may change any.

        `replace` overwrites only the rows that meet this SQL predicate, and takes only rows that meet it. `token`
        (application, number) makes the write happen once: a number that is not above the last applied one changes
        nothing. Rows may be a stream of any length, which must not itself use a lake. Raises StoreError naming the
        column for what cannot be stored.
        """
        ...

    def files(self, path: str, version: int | None = None) -> list[str]:
        """Absolute paths of the Parquet files of a version; none for a table without rows.

        Files may lack columns added later (read them with `union_by_name`). Raises NotFound.
        """
        ...

    def schema(self, path: str, version: int | None = None) -> pa.Schema:
        """The columns of a version. Raises NotFound."""
        ...

    def version(self, path: str) -> int | None:
        """The newest version, None where there is no table."""
        ...

    def rows(self, path: str, version: int | None = None) -> int:
        """How many rows a version has, from its files' statistics. Raises NotFound."""
        ...

    def size(self, path: str, version: int | None = None) -> int:
        """The bytes of the files of a version. Raises NotFound."""
        ...

    def versions(self, path: str) -> list[int]:
        """All versions, oldest first; empty where there is no table."""
        ...

    def compact(self, path: str) -> int:
        """Joins small files in a new version with the same rows, and gives its number. Raises NotFound."""
        ...

    def tidy(self, path: str, *, unread_s: int) -> None:
        """`compact`, then ends old versions: files that the newest one did not need for so many seconds are deleted."""
        ...

    def least(self, path: str, column: str) -> Any:
        """The least value of a column in the newest version, by its files' statistics; None where they do not say."""
        ...

    def erase(self, path: str, columns: Sequence[str], gone: Gone) -> int:
        """Erases rows from every version, whose numbers stay; gives how many the newest one had. None of no table.

        `gone` is given the `columns` of part after part (null where a part lacks one) and marks the rows. Killed at any
        moment, it is completed by doing it again.
        """
        ...

    def remove(self, path: str) -> None:
        """Removes a table with all its versions, if it is there."""
        ...


class DeltaLake:
    """A `Lake` in a folder. Nothing absolute is written into it, so that it can be copied."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root).absolute()
        self._listed: dict[Path, tuple[tuple[str, int, int], list[str]]] = {}

    def write(
        self,
        path: str,
        rows: pa.RecordBatchReader | pa.Table,
        *,
        mode: Literal["append", "overwrite"],
        replace: str | None = None,
        token: Token | None = None,
    ) -> LakeVersion:
        """See `Lake.write`."""
        if replace is not None and mode != "overwrite":
            raise StoreError("`replace` belongs to mode='overwrite'.")
        folder, lock = self._folder(path), self._lock(path)
        if mode == "append" and self._is_table(folder):
            with held(lock, shared=True):
                # Removed since the look: then it must be created alone.
                if (table := self._open(folder)) is not None:
                    return _write(folder, table, rows, mode, replace, token)
        with held(lock):
            return _write(folder, self._open(folder), rows, mode, replace, token)

    def files(self, path: str, version: int | None = None) -> list[str]:
        """See `Lake.files`."""
        # Opening a table of many commits takes longer than most of what is read of it: the last list is kept, under the
        # very commit (of a table made anew, version 0 is another file) that it was read from.
        commit = self._commit(path, version)
        about = commit.stat() if commit is not None and commit.exists() else None
        if commit is None or about is None:
            return [unquote(uri) for uri in self._at(path, version).file_uris()]
        key = commit.name, about.st_ino, about.st_mtime_ns
        listed = self._listed.get(commit.parent)
        if listed is None or listed[0] != key:
            listed = key, [unquote(uri) for uri in self._at(path, int(commit.stem)).file_uris()]
            self._listed[commit.parent] = listed
        return list(listed[1])

    def schema(self, path: str, version: int | None = None) -> pa.Schema:
        """See `Lake.schema`."""
        return _schema(self._at(path, version))

    def version(self, path: str) -> int | None:
        """See `Lake.version`."""
        # From the names of the commits, so that asking loads no library.
        return max(self.versions(path), default=None)

    def rows(self, path: str, version: int | None = None) -> int:
        """See `Lake.rows`."""
        return int(self._at(path, version).count())

    def size(self, path: str, version: int | None = None) -> int:
        """See `Lake.size`."""
        commit = self._commit(path, version)
        whole = _written_whole(commit) if commit is not None else None
        return sum(Path(file).stat().st_size for file in self.files(path, version)) if whole is None else whole

    def versions(self, path: str) -> list[int]:
        """See `Lake.versions`."""
        log = self._folder(path) / "_delta_log"
        return sorted(int(commit.stem) for commit in log.glob("*.json") if commit.stem.isdigit())

    def compact(self, path: str) -> int:
        """See `Lake.compact`."""
        from deltalake import WriterProperties

        with held(self._lock(path)):
            table = self._at(path, None)
            with _translated(path):
                table.optimize.compact(writer_properties=WriterProperties(compression="ZSTD"))
            return int(table.version())

    def tidy(self, path: str, *, unread_s: int) -> None:
        """See `Lake.tidy`."""
        self.compact(path)
        with held(self._lock(path)), _translated(path):
            self._at(path, None).vacuum(
                retention_hours=math.ceil(unread_s / 3600), dry_run=False, enforce_retention_duration=False
            )

    def least(self, path: str, column: str) -> Any:
        """See `Lake.least`."""
        from pyarrow import parquet

        found = []
        for file in self.files(path):
            about = parquet.read_metadata(file)
            place = next((n for n in range(about.num_columns) if about.schema.column(n).path == column), None)
            if place is not None:
                told = [about.row_group(group).column(place).statistics for group in range(about.num_row_groups)]
                found += [each.min for each in told if each is not None and each.has_min_max]
        return min(found, default=None)

    def erase(self, path: str, columns: Sequence[str], gone: Gone) -> int:
        """See `Lake.erase`."""
        folder = self._folder(path)
        if not self._is_table(folder):
            return 0
        with held(self._lock(path)):
            clean(folder)
            newest = {Path(file) for file in self.files(path)}
            erased = {file: erase_rows(file, columns, gone) for file in data_files(folder)}
            mend_log(folder)
        return sum(rows for file, rows in erased.items() if file in newest)

    def remove(self, path: str) -> None:
        """See `Lake.remove`."""
        folder = self._folder(path)
        if not folder.exists():
            return
        with held(self._lock(path)):
            trash = self._root / TRASH / uuid4().hex
            trash.parent.mkdir(exist_ok=True)
            folder.rename(trash)  # readers see the whole table or none
            shutil.rmtree(trash)

    def _commit(self, path: str, version: int | None) -> Path | None:
        """The file of a version's commit, None where there is no table."""
        number = self.version(path) if version is None else version
        return None if number is None else self._folder(path) / "_delta_log" / f"{number:020}.json"

    def _folder(self, path: str) -> Path:
        return self._root.joinpath(*segments(path, "table of the lake"))

    def _lock(self, path: str) -> Path:
        return self._root / LOCKS / f"{path}.lock"

    @staticmethod
    def _is_table(folder: Path) -> bool:
        return any((folder / "_delta_log").glob("*.json"))

    def _open(self, folder: Path, version: int | None = None) -> DeltaTable | None:
        from deltalake import DeltaTable

        if not self._is_table(folder):
            return None
        with _translated(folder.name):
            return DeltaTable(str(folder), version=version)

    def _at(self, path: str, version: int | None) -> DeltaTable:
        there = self.versions(path) if version is not None else []
        if version is not None and there and version not in there:
            raise NotFound(
                f"The lake has no version {version} of {path!r}; it has {there[0]} to {there[-1]}.",
                next_step="Ask for a version that is there.",
                facts={"path": path, "version": version},
            )
        table = self._open(self._folder(path), version)
        if table is None:
            raise NotFound(f"The lake has no table {path!r}.", next_step="Run `rondo run`.", facts={"path": path})
        return table


def _written_whole(commit: Path) -> int | None:
    """The bytes of a version by its commit alone, if that wrote the whole table; None if it did not, or is not there.

    Opening a version reads all commits before it.
    """
    try:
        actions = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines() if line]
    except FileNotFoundError:
        return None
    told = [each["commitInfo"].get("operationParameters", {}) for each in actions if "commitInfo" in each]
    about = told[0] if told else {}
    if about.get("mode") != "Overwrite" or "predicate" in about:
        return None
    return sum(int(each["add"]["size"]) for each in actions if "add" in each)


def _write(
    folder: Path,
    table: DeltaTable | None,
    rows: pa.RecordBatchReader | pa.Table,
    mode: Literal["append", "overwrite"],
    replace: str | None,
    token: Token | None,
) -> LakeVersion:
    """One commit, tried again while a writer outside Rondo is faster. A stream can be tried only once."""
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import CommitFailedError

    for attempt in range(1, ATTEMPTS + 1):
        if token is not None and table is not None and _applied(table, token):
            return LakeVersion(int(table.version()), 0)
        try:
            return _commit(folder, table, rows, mode, replace, token)
        except CommitFailedError as error:
            table = DeltaTable(str(folder))
            done = token is not None and _applied(table, token)
            if not done and (attempt == ATTEMPTS or not isinstance(rows, pa.Table)):
                raise StoreError(
                    f"Another program kept writing to {folder.name!r} in the lake: {error}.",
                    next_step="Try again when it has finished.",
                ) from error
        time.sleep(0.01 * 2**attempt)
    raise AssertionError("unreachable")


def _commit(
    folder: Path,
    table: DeltaTable | None,
    rows: pa.RecordBatchReader | pa.Table,
    mode: Literal["append", "overwrite"],
    replace: str | None,
    token: Token | None,
) -> LakeVersion:
    import pyarrow as pa
    from deltalake import (
        CommitProperties,
        DeltaTable,
        PostCommitHookProperties,
        Transaction,
        WriterProperties,
        write_deltalake,
    )

    whole = mode == "overwrite" and replace is None
    schema = stored_schema(rows.schema, _schema(table) if table is not None and not whole else None)
    stream = _Stream(rows if isinstance(rows, pa.RecordBatchReader) else rows.to_reader(ROW_GROUP_ROWS), schema)
    with _translated(folder.name, stream):
        write_deltalake(
            table if table is not None else str(folder),
            pa.RecordBatchReader.from_batches(schema, stream),
            mode=mode,
            schema_mode="overwrite" if whole else "merge",
            predicate=replace if table is not None else None,
            configuration=KEPT if table is None else None,
            writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP_ROWS),
            commit_properties=CommitProperties(app_transactions=[Transaction(*token)] if token else None),
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
        )
    written = table if table is not None else DeltaTable(str(folder))
    return LakeVersion(int(written.version()), stream.rows)


class _Stream:
    """Batches on their way into Rust: counts rows, and keeps the error that Rust would turn into text."""

    def __init__(self, rows: pa.RecordBatchReader, schema: pa.Schema) -> None:
        self._batches = stored_batches(iter(rows), schema)
        self.rows = 0
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self.rows += batch.num_rows
                yield batch
        except Exception as error:
            self.error = error
            raise


@contextmanager
def _translated(name: str, stream: _Stream | None = None) -> Iterator[None]:
    """Turns Delta's errors into ours, and gives back the error that a stream of rows ended with."""
    from deltalake.exceptions import CommitFailedError

    try:
        yield
    except BaseException as error:
        if stream is not None and stream.error is not None:
            raise stream.error from None
        panicked = type(error).__name__ == "PanicException"  # Rust's, and not an Exception
        if isinstance(error, CommitFailedError) or not (panicked or isinstance(error, Exception)):
            raise
        raise StoreError(f"The lake could not write or read {name!r}: {error}.") from error


def _applied(table: DeltaTable, token: Token) -> bool:
    last = table.transaction_version(token[0])
    return last is not None and last >= token[1]


def _schema(table: DeltaTable) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(table.schema().to_arrow())
