"""What is looked into once of every version that is kept: its mistakes, and what moves its answers."""

from __future__ import annotations

from rondo.develop.attributing import attribute, explanation_of, sample_of
from rondo.loop.mistakes import mistakes_of
from rondo.loop.versions import TEST, packed_version, test_split
from rondo.loop.workplace import Workplace
from rondo.records.development import Version
from rondo.records.progress import Progress, silent
from rondo.records.versions import model_version


def study(work: Workplace, version: Version, *, progress: Progress = silent) -> None:
    """Mistakes and attribution of a new version on its own test split, each a record."""
    name, number = version.name, version.version
    rows = test_split(work, version)
    mistakes_of(work, name, number, rows=rows, progress=progress)
    progress(None, f"explaining {model_version(name, number)}")
    packed = packed_version(work, name, number)
    found = attribute(packed, sample_of(packed, rows), version=number, kind="testset", of=TEST)
    work.store.ledger.append(found, explanation_of(found), by=work.by)
