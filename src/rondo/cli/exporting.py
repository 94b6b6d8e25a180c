"""Commands that take a version out of Rondo: export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rondo.cli.delivering import Options, Outcome, progress_shown
from rondo.cli.printing import grid, number
from rondo.cli.working import workplace
from rondo.loop.exporting import export as export_version
from rondo.records.documents import release_document

if TYPE_CHECKING:
    from rich.console import Console


def export(options: Options, *, version: str, format: str, out: Path | None) -> Outcome:  # noqa: A002
    """Write a version as a file that scores without Rondo."""
    work = workplace(options)
    with progress_shown(options) as progress:
        released, file = export_version(work, version, format, out, progress=progress)
    face = msgspec.to_builtins(released.face) if released.face else {}
    document = {**release_document(released.release), "file": str(file), **face}
    return Outcome(document, lambda console: show(console, document))


def show(console: Console, document: dict[str, Any]) -> None:
    """What was written, and what it takes and gives."""
    if document["format"] == "python":
        console.print(
            f"A typed package that asks {document['version']} is in {document['file']}; its README shows how."
        )
        return
    console.print(f"{document['version']} is in {document['file']} ({document['format']}).")
    console.print(
        f"{number(document['rows'])} rows score the same there, to {document['greatest_difference']:.2g}.", style="dim"
    )
    table = grid("input", "type", "is", "missing", "from")
    for each in document["inputs"]:
        table.add_row(each["name"], each["type"], each["kind"], each["missing"] or '""', each["sql"] or each["source"])
    console.print(table)
    told = grid("output", "type", "shape")
    for each in document["outputs"]:
        told.add_row(each["name"], each["type"], " × ".join(map(str, each["shape"])))
    console.print(told)
