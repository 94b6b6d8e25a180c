"""A DuckDB session for one piece of work: bounded memory, and a folder of its own to spill into."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rondo.project.reading import Project
from rondo.sql.engine import connect
from rondo.store.opening import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_MB = 1_500
"""What DuckDB may hold before it spills: fixed, so that the same query takes the same way on every machine."""


@dataclass(frozen=True)
class Session:
    """The session and its folder, which is gone when the work is done."""

    con: DuckDBPyConnection
    folder: Path


@contextmanager
def session(project: Project, store: Store) -> Iterator[Session]:
    """A session in the project's timezone. Folders that killed processes left behind are removed on the way."""
    parent = store.folder / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("*-*"):
        if not _alive(left.name.partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=parent) as folder:
        con = connect(timezone=project.settings.timezone, memory_limit_mb=MEMORY_MB, temporary_folder=Path(folder))
        try:
            yield Session(con, Path(folder))
        finally:
            con.close()


@contextmanager
def one_thread(con: DuckDBPyConnection) -> Iterator[None]:
    """Queries run inside give the same rows in the same order, sums of floats to the last bit."""
    [(threads,)] = con.sql("select current_setting('threads')").fetchall()
    con.sql("set threads = 1")
    try:
        yield
    finally:
        con.sql(f"set threads = {threads}")


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
