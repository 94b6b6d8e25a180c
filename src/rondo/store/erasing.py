"""Rows erased from a Delta table in all its history: what Delta's own `delete` and `vacuum` leave behind goes as well.

Those two keep the least and greatest values of every file in the log of commits for ever, and end the versions before.
Here each Parquet file that holds such a row is written again without it, under its own name and at its own length, and
the log is mended: every version stays, none has the row any more. Every state in between can be read, and doing it
again completes what a kill interrupted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from rondo.errors import StoreError
from rondo.store.disks import flush

if TYPE_CHECKING:
    import pyarrow as pa

Gone = Callable[["pa.Table"], Sequence[bool]]
"""Which rows of a table are to be erased: one truth value a row."""
_PARTIAL = ".partial"


def erase_rows(file: Path, columns: Sequence[str], gone: Gone) -> int:
    """Writes a Parquet file again without the rows that are `gone`; gives how many those were.

    `gone` is given the `columns`, row group by row group; those that the file lacks are null.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        marks = [_marks(opened, group, columns, gone) for group in range(opened.num_row_groups)]
        erased = sum(sum(each) for each in marks)
        if not erased:
            return 0
        partial, size = file.with_name(f".{file.name}{_PARTIAL}"), file.stat().st_size
        for level in (3, 19):
            _write_kept(opened, marks, partial, level)
            if partial.stat().st_size <= size:
                break
    _lengthen(partial, size)
    _replace(partial, file)
    return erased


def _write_kept(opened: Any, marks: Sequence[Sequence[bool]], partial: Path, level: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetWriter(
        partial, opened.schema_arrow, compression="zstd", compression_level=level, store_schema=False
    ) as writer:
        for group, mark in enumerate(marks):
            rows = opened.read_row_group(group)
            if kept := rows.num_rows - sum(mark):
                writer.write_table(rows.filter(pa.array([not each for each in mark])), row_group_size=kept)


def _lengthen(file: Path, size: int) -> None:
    """Fills a Parquet file up before its footer, so that the length that the log of commits tells stays true.

    One that is longer already (a few rows, written otherwise) is right again when the log is mended.
    """
    written = file.stat().st_size
    if written >= size:
        return
    with file.open("r+b") as opened:
        opened.seek(-8, os.SEEK_END)
        footer = int.from_bytes(opened.read(4), "little") + 8
        opened.seek(-footer, os.SEEK_END)
        kept = opened.read(footer)
        opened.truncate(written - footer)
        opened.seek(size - footer)
        opened.write(kept)


def _marks(opened: Any, group: int, columns: Sequence[str], gone: Gone) -> list[bool]:
    import pyarrow as pa

    there = [name for name in columns if name in opened.schema_arrow.names]
    rows = opened.read_row_group(group, columns=there or [opened.schema_arrow.names[0]])
    for name in columns:
        if name not in there:
            rows = rows.append_column(name, pa.nulls(rows.num_rows))
    return list(gone(rows.select(list(columns))))


def mend_log(folder: Path) -> None:
    """Makes the log of commits tell the truth about the files as they are, and nothing about values they held.

    Raises StoreError where the commits do not begin with the table: what another program cleaned away cannot be mended.
    """
    log = folder / "_delta_log"
    commits = sorted(path for path in log.glob("*.json") if path.stem.isdigit())
    mended = {path: text for path in commits if (text := _mended(path, folder)) is not None}
    if not mended:
        return
    if int(commits[0].stem):
        raise StoreError(
            f"The log of {folder.name!r} in the lake begins at version {int(commits[0].stem)}: "
            "another program cleaned it.",
            next_step="Write the table anew with that program, without the rows, then run this again.",
        )
    # Checkpoints repeat the commits, and all commits are here: without them readers begin at the first.
    for path in [log / "_last_checkpoint", *log.glob("*.checkpoint*.parquet")]:
        path.unlink(missing_ok=True)
    for path, text in mended.items():
        partial = path.with_name(f".{path.name}{_PARTIAL}")
        partial.write_text(text, encoding="utf-8")
        _replace(partial, path)


def clean(folder: Path) -> None:
    """Removes what a kill in the middle of writing left."""
    for path in list(folder.rglob(f".*{_PARTIAL}")):
        path.unlink(missing_ok=True)


def _mended(commit: Path, folder: Path) -> str | None:
    """A commit with the sizes and counts of the files as they are; None where it says nothing else already."""
    actions = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines() if line.strip()]
    changed = [_mend(action, folder) for action in actions]
    if not any(changed):
        return None
    return "".join(json.dumps(action, ensure_ascii=False, separators=(",", ":")) + "\n" for action in actions)


def _mend(action: dict[str, Any], folder: Path) -> bool:
    """Mends what an action says of its file; whether it had to be."""
    about = action.get("add") or action.get("remove")
    if about is None:
        return False
    told, right = json.loads(about.get("stats") or "{}"), dict(about)
    rows = told.get("numRecords")
    if (file := folder / unquote(about["path"])).exists():
        from pyarrow import parquet

        size, rows = file.stat().st_size, parquet.read_metadata(file).num_rows
        if about.get("size", size) == size and told.get("numRecords", rows) == rows:
            return False
        right |= {"size": size} if "size" in about else {}
    counts = {"numRecords": rows} if told else {}
    if told == counts and right == about:
        return False
    about.update(right | ({"stats": json.dumps(counts)} if told else {}))
    return True


def data_files(folder: Path) -> Iterator[Path]:
    """Every Parquet file of a table, of whatever version, and those that no version names."""
    for path in sorted(folder.rglob("*.parquet")):
        if "_delta_log" not in path.relative_to(folder).parts:
            yield path


def _replace(partial: Path, file: Path) -> None:
    """Puts a file, whole and on disk, in the place of another."""
    flush(partial)
    partial.replace(file)
    flush(file.parent)
