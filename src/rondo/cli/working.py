"""From a command's options to the workplace it acts on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rondo.cli.delivering import Options
from rondo.errors import NotFound
from rondo.loop.workplace import Workplace, open_workplace
from rondo.project.moments import parse_moment
from rondo.project.reading import find_root
from rondo.store.opening import LIVE


def workplace(options: Options, *, readonly: bool = False) -> Workplace:
    """The project of the options. A state other than live must be there."""
    root = find_root(options.project or Path.cwd())
    folder = root / ".rondo" / "states"
    if options.state != LIVE and not (folder / options.state).is_dir():
        there = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        raise NotFound.among("state", options.state, [LIVE, *there])
    return open_workplace(root, state=options.state, by=options.by, readonly=readonly)


def moment(work: Workplace, text: str | None) -> datetime | None:
    """A moment as written on the command line, its day's end where it is a date."""
    return None if text is None else parse_moment(text, work.project.settings.timezone)
