"""Commands of the whole loop: console, monitor, replay."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.deploy import say_ready
from rondo.cli.working import workplace
from rondo.console.serving import serve_console
from rondo.errors import WrongUse
from rondo.handbook.loop import loop_facts
from rondo.loop.monitoring import monitor as monitor_now
from rondo.loop.replaying import replay as replay_now
from rondo.project.moments import parse_moment
from rondo.project.reading import find_root
from rondo.project.settings import read_settings
from rondo.records.documents import replay_document

WATCH_S = 60


def console(options: Options, *, host: str, port: int) -> Outcome:
    """Show the console until told to stop."""
    work = workplace(options)
    serve_console(lambda: loop_facts(work), host=host, port=port, ready=say_ready)
    return Outcome(None, lambda console: None)


def monitor(options: Options, *, model: str | None, watch: bool) -> Outcome:
    """Measure windows of live traffic."""
    work = workplace(options)
    models = [work.project.model(model)] if model else list(work.project.models.values())

    def measured() -> dict[str, Any]:
        with progress_shown(options) as progress:
            found = [monitor_now(work, each, progress=progress) for each in models]
        return found[0] if model else {"models": found}

    document = measured()
    if watch and options.json:
        raise WrongUse("--watch is for people: it never ends its document.", next_step="Leave out --json or --watch.")
    while watch:
        from rich.console import Console

        printing.show_monitor(Console(highlight=False, markup=False), document)
        time.sleep(WATCH_S)
        document = measured()
    return Outcome(document, lambda console: printing.show_monitor(console, document))


def replay(options: Options, *, name: str, start: str, end: str, model: str | None) -> Outcome:
    """Play recorded history through the live path."""
    root = find_root(options.project or Path.cwd())
    timezone = read_settings(root).timezone
    with progress_shown(options) as progress:
        replayed = replay_now(
            root, name, parse_moment(start, timezone, side="start"), parse_moment(end, timezone), model=model,
            by=options.by, progress=progress,
        )  # fmt: skip
    document = replay_document(replayed)
    return Outcome(document, lambda console: printing.show_replay(console, document))
