"""The project as a page sees it: read again when its files change, as of the moment that was asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rondo.loop.answering import Live
from rondo.loop.workplace import Workplace, open_workplace
from rondo.monitor.alerting import newest_alerts, standing
from rondo.pages.frame import Frame
from rondo.project.settings import Settings
from rondo.records.monitoring import Alert
from rondo.store.ledger import LedgerReader
from rondo.store.opening import LIVE
from rondo.store.until import LedgerUntil

IGNORED = ("__pycache__", "data", "node_modules")


class Project:
    """One state of a project for many requests at once. `settings` are those last read."""

    def __init__(self, root: Path, state: str) -> None:
        self.root, self.state = root, state
        self.settings: Settings | None = None
        self._lock = threading.Lock()
        self._alerts = (-1, 0)
        self._seen: tuple[object, ...] | None = None
        self._work: Workplace | None = None
        self._live: Live | None = None
        self._live_of: Workplace | None = None

    def work(self, as_of: datetime | None = None) -> Workplace:
        """The project as it is written now, for reading only; its records until `as_of`.

        Raises DeclarationError while the project cannot be read.
        """
        with self._lock:
            seen = (*_changed(self.root), *self._replaced())
            if self._work is None or seen != self._seen:
                self._work = open_workplace(self.root, state=self.state, readonly=True)
                self._seen, self.settings = seen, self._work.project.settings
            work = self._work
        return work if as_of is None else _until(work, as_of)

    def _replaced(self) -> Iterator[object]:
        """What tells one ledger from another in its place, as a replay under the same name leaves it."""
        folder = self.root / ".rondo"
        file = (folder if self.state == LIVE else folder / "states" / self.state) / "ledger.db"
        if file.exists():
            yield file.stat().st_ino

    @property
    def ledger(self) -> LedgerReader:
        """The ledger, whether or not the project's files can be read just now."""
        with self._lock:
            work = self._work
        return (work or self.work()).store.ledger

    def live(self) -> Live:
        """The project as it answers end users: opened once for as long as its files stay as they are."""
        work = self.work()
        with self._lock:
            if self._live is None or self._live_of is not work:
                self._live, self._live_of = Live(self.acting("end user")), work
            return self._live

    def acting(self, by: str) -> Workplace:
        """The project as it is written now, for somebody who changes something. Raises DeclarationError."""
        return open_workplace(self.root, state=self.state, by=by)

    def open_alerts(self, work: Workplace) -> int:
        """How many alerts stand open; counted anew when there is a new record of one."""
        newest = work.store.ledger.latest(Alert)
        seq = newest.seq if newest else 0
        if seq != self._alerts[0]:
            self._alerts = (seq, len(standing(newest_alerts(work.store.ledger))))
        return self._alerts[1]


def frame_of(work: Workplace, *, saved: bool = False) -> Frame:
    """The frame of a page about this project for a reader who asked for nothing special."""
    settings = work.project.settings
    return Frame(
        project=settings.name,
        now=work.now(),
        timezone=settings.timezone,
        state=work.store.state,
        code=settings.language,
        recorded=settings.language,
        saved=saved,
    )


def _until(work: Workplace, moment: datetime) -> Workplace:
    store = replace(work.store, clock=lambda: moment)
    store.__dict__["ledger"] = LedgerUntil(work.store.ledger, moment)
    store.__dict__["lake"] = work.store.lake
    then = Workplace(work.project, store, work.by)
    then.__dict__["nodes"] = work.nodes  # of the project, not of the moment
    return then


def _changed(folder: Path) -> Iterator[tuple[str, int, int]]:
    """What tells one state of the project's files from another."""
    for path in sorted(folder.iterdir()):
        if path.name in IGNORED or path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _changed(path)
        else:
            at = path.stat()
            yield str(path), at.st_mtime_ns, at.st_size
