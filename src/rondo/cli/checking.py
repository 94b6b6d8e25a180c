"""The command check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rondo.cli import printing
from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.working import workplace
from rondo.loop.checking import check as check_now
from rondo.loop.checking import junit_report

if TYPE_CHECKING:
    from collections.abc import Sequence


def check(options: Options, *, names: Sequence[str], leaks: bool, junit: Path | None, seed: int) -> Outcome:
    """Run the checks alone."""
    work = workplace(options)
    with progress_shown(options) as progress:
        document = check_now(work, names, leaks=leaks, seed=seed, progress=progress)
    if junit is not None:
        junit.write_text(junit_report(document), encoding="utf-8")
    code = 0 if document["state"] == "passed" else 1
    return Outcome(document, lambda console: printing.show_checks(console, document), code)
