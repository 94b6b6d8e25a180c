"""Commands that bring things up to date: plan, run. They load no more than a run with nothing to do needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.working import moment, workplace
from rondo.loop.planning import plan as plan_now
from rondo.loop.running import run as run_now
from rondo.records.documents import plan_document, run_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


def plan(options: Options, *, names: Sequence[str], as_of: str | None) -> Outcome:
    """What a run would do."""
    work = workplace(options, readonly=True)
    document = plan_document(plan_now(work, names, as_of=moment(work, as_of)))

    def show(console: Console) -> None:
        from rondo.cli.printing import show_plan

        show_plan(console, document)

    return Outcome(document, show)


def run(options: Options, *, names: Sequence[str], as_of: str | None) -> Outcome:
    """Bring everything up to date."""
    work = workplace(options)
    with progress_shown(options) as progress:
        ran = run_now(work, names, as_of=moment(work, as_of), progress=progress)
    document = run_document(ran.run)

    def show(console: Console) -> None:
        from rondo.cli.printing import show_run

        show_run(console, document, ran.run.seconds)

    return Outcome(document, show, ran.exit_code)
