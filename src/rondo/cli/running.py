"""Commands that bring things up to date: plan, run. They load no more than a run with nothing to do needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.working import moment, workplace
from rondo.deploy.resolving import resolve
from rondo.errors import WrongUse
from rondo.loop.planning import plan as plan_now
from rondo.loop.running import run as run_now
from rondo.loop.variants import Variant
from rondo.records.documents import plan_document, run_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from rondo.loop.workplace import Workplace


def plan(options: Options, *, names: Sequence[str], as_of: str | None) -> Outcome:
    """What a run would do."""
    work = workplace(options, readonly=True)
    document = plan_document(plan_now(work, names, as_of=moment(work, as_of)))

    def show(console: Console) -> None:
        from rondo.cli.printing import show_plan

        show_plan(console, document)

    return Outcome(document, show)


def _variant(work: Workplace, names: Sequence[str], examples: str | None, parent: str | None) -> Variant:
    if len(names) != 1 or names[0] not in work.project.models:
        raise WrongUse(
            f"--examples and --from are about one model, and {', '.join(names) or 'none'} was named.",
            next_step="Name it: rondo run late --from late@3.",
        )
    number = None
    if parent is not None:
        name, number = resolve(work.store.ledger, parent, timezone=work.project.settings.timezone)
        if name != names[0]:
            raise WrongUse(f"{parent} is no version of {names[0]}.", next_step=f"Name one: {names[0]}@3.")
    return Variant(names[0], examples, number)


def run(
    options: Options, *, names: Sequence[str], as_of: str | None, examples: str | None, parent: str | None
) -> Outcome:
    """Bring everything up to date; or train one version as it was asked for."""
    work = workplace(options)
    variant = _variant(work, names, examples, parent) if examples or parent else None
    with progress_shown(options) as progress:
        ran = run_now(work, names, as_of=moment(work, as_of), variant=variant, progress=progress)
    document = run_document(ran.run)

    def show(console: Console) -> None:
        from rondo.cli.printing import show_run

        show_run(console, document, ran.run.seconds)

    return Outcome(document, show, ran.exit_code)
