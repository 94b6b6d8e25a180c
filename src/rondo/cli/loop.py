"""Commands of the whole loop: console, replay."""

from __future__ import annotations

from pathlib import Path

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.deploy import say_ready
from rondo.cli.flipping import tried
from rondo.cli.working import workplace
from rondo.console.looking import Project
from rondo.console.serving import serve_console
from rondo.errors import WrongUse
from rondo.loop.replaying import replay as replay_now
from rondo.project.moments import parse_moment
from rondo.project.reading import find_root
from rondo.project.settings import read_settings
from rondo.records.documents import replay_document


def console(options: Options, *, host: str, port: int) -> Outcome:
    """Show the console until told to stop."""
    work = workplace(options)
    serve_console(Project(work.project.root, work.store.state), host=host, port=port, by=work.by, ready=say_ready)
    return Outcome(None, lambda console: None)


def replay(
    options: Options,
    *,
    name: str | None,
    start: str | None,
    end: str | None,
    model: str | None,
    on: str | None,
    last: int,
) -> Outcome:
    """Play recorded history through the live path; or, `on` a version, the last requests of production's log."""
    if on is not None:
        if name or start or end or model:
            raise WrongUse(
                "--on tries a version on what was logged: it takes no replay's NAME, --from, --to or --model.",
                next_step=f"Write rondo replay --on {on}, with --state for the log of another state.",
            )
        return tried(options, on, last)
    if name is None or start is None or end is None:
        raise WrongUse(
            "A replay has a NAME and both ends, or a version to try on what was logged.",
            next_step="Write rondo replay year --from 2013-03-01 --to 2013-12-31, or rondo replay --on late@8.",
        )
    root = find_root(options.project or Path.cwd())
    timezone = read_settings(root).timezone
    with progress_shown(options) as progress:
        replayed = replay_now(
            root, name, parse_moment(start, timezone, side="start"), parse_moment(end, timezone), model=model,
            by=options.by, progress=progress,
        )  # fmt: skip
    document = replay_document(replayed)
    return Outcome(document, lambda console: printing.show_replay(console, document), 1 if replayed.differences else 0)
