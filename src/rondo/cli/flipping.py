"""`rondo replay --on`: a version tried on what production was asked last."""

from __future__ import annotations

from rondo.cli.comparisons import show_flips
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.working import workplace
from rondo.deploy.resolving import resolve
from rondo.loop.flipping import flip, lines_on
from rondo.loop.judging import slices_of
from rondo.records.documents import flips_document


def tried(options: Options, version: str, last: int) -> Outcome:
    """The flips of a version; exit code 1 where a line of the PRD on them does not pass."""
    work = workplace(options)
    model = work.project.model(version.partition("@")[0])
    name, number = resolve(work.store.ledger, version, timezone=work.project.settings.timezone)
    with progress_shown(options) as progress:
        found = flip(work, name, number, last=last, slices=slices_of(work, model), progress=progress)
    lines = lines_on(work, found)
    document = flips_document(found, lines)
    said_no = any(line.state in ("failed", "undecided") for line in lines)
    return Outcome(document, lambda console: show_flips(console, document), 1 if said_no else 0)
