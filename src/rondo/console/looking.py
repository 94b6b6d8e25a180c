"""The project as a page sees it: read again when its files change, as of the moment that was asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rondo.loop.workplace import Workplace, open_workplace
from rondo.pages.frame import Frame
from rondo.store.until import LedgerUntil

IGNORED = (".rondo", ".git", "__pycache__", "data")


class Project:
    """One state of a project for many requests at once."""

    def __init__(self, root: Path, state: str) -> None:
        self._root, self._state = root, state
        self._lock = threading.Lock()
        self._seen: tuple[object, ...] | None = None
        self._work: Workplace | None = None

    def work(self, as_of: datetime | None = None) -> Workplace:
        """The project as it is written now, for reading only; its records until `as_of`.

        Raises DeclarationError while the project cannot be read.
        """
        with self._lock:
            seen = tuple(_changed(self._root))
            if self._work is None or seen != self._seen:
                self._work = open_workplace(self._root, state=self._state, readonly=True)
                self._seen = seen
            work = self._work
        return work if as_of is None else _until(work, as_of)


def frame_of(work: Workplace, *, saved: bool = False) -> Frame:
    """The frame of a page about this project for a reader who asked for nothing special."""
    settings = work.project.settings
    return Frame(
        project=settings.name,
        now=work.now(),
        timezone=settings.timezone,
        state=work.store.state,
        code=settings.language,
        saved=saved,
    )


def _until(work: Workplace, moment: datetime) -> Workplace:
    store = replace(work.store, clock=lambda: moment)
    store.__dict__["ledger"] = LedgerUntil(work.store.ledger, moment)
    store.__dict__["lake"] = work.store.lake
    return Workplace(work.project, store, work.by)


def _changed(folder: Path) -> Iterator[tuple[str, int, int]]:
    """What tells one state of the project's files from another."""
    for path in sorted(folder.iterdir()):
        if path.name in IGNORED:
            continue
        if path.is_dir():
            yield from _changed(path)
        else:
            at = path.stat()
            yield str(path), at.st_mtime_ns, at.st_size
