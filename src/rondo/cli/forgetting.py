"""The command that erases: forget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.working import workplace
from rondo.loop.forgetting import forget as forget_keys

if TYPE_CHECKING:
    from rich.console import Console

PARTS = {
    "predictions": "predictions (log and lake)",
    "reported": "reports in the inbox of outcomes",
    "outcomes": "outcomes",
    "dataset": "rows of the newest dataset, and those of the datasets before",
}
UNTOUCHED = (
    "Not touched: your own files and databases; sources, tables and their versions in the lake; online values; what "
    "was exported; what versions and records quote (golden rows, profiles, rehearsals). See docs/howto/forget.md."
)


def forget(
    options: Options, *, model: str, keys: Sequence[str], datasets: bool, because: str | None, dry_run: bool
) -> Outcome:
    """Erase the rows of keys."""
    work = workplace(options, readonly=dry_run)
    with progress_shown(options) as progress:
        document = forget_keys(
            work, model, keys, datasets=datasets, because=because, dry_run=dry_run, progress=progress
        ).document()
    return Outcome(document, lambda console: show(console, document))


def show(console: Console, document: dict[str, Any]) -> None:
    """What was erased, and where the key still is."""
    done = document["state"] == "done"
    if document["completed"]:
        console.print(f"Completed {document['completed']} that had been interrupted.")
    console.print(f"{document['model']}: {'erased' if done else 'would be erased'}, of {document['keys']} keys")
    for part, rows in document["erased"].items():
        console.print(f"  {rows:>12,}  {PARTS[part]}")
    for each in document["remains"]:
        name, rows = each["name"], each["rows"]
        if rows is None:
            console.print(f"The state {name} has a log of its own: add --state {name}.")
        elif each["what"] == "dataset":
            console.print(f"The newest dataset of {name} still has {rows:,} rows: --datasets erases them.")
        else:
            console.print(f"The {each['what']} {name} still has {rows:,} rows: erase them where they come from.")
    console.print(UNTOUCHED, style="dim")
