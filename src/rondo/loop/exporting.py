"""Versions taken out of Rondo."""

from __future__ import annotations

from pathlib import Path

from rondo.deploy.clients import write_client
from rondo.deploy.describing import example_row
from rondo.deploy.releasing import Released, release_onnx
from rondo.deploy.resolving import resolve, version_record
from rondo.errors import WrongUse
from rondo.loop.answering import answerer_of
from rondo.loop.versions import packed_version, test_split
from rondo.loop.workplace import Workplace
from rondo.records.deployment import Release
from rondo.records.progress import Progress, silent
from rondo.records.versions import model_version

FORMATS = ("onnx", "python")


def export(
    work: Workplace,
    version: str,
    format: str,  # noqa: A002
    out: Path | None = None,
    *,
    progress: Progress = silent,
) -> tuple[Released, Path]:
    """Write a version (late@7, late@production, late) into a file: `late@7.onnx` here unless `out` says otherwise.

    Its golden rows and its test rows must score the same there. As `python` it is a folder, `late_client`, with a typed
    package that asks the server. Raises WrongUse for a format that this release lacks.
    """
    if format not in FORMATS:
        raise WrongUse(
            f"This release of Rondo exports no {format!r}; it exports: {', '.join(FORMATS)}.",
            next_step=f"Use --format {FORMATS[0]}.",
        )
    work.project.model(version.partition("@")[0])
    name, number = resolve(work.store.ledger, version, timezone=work.project.settings.timezone)
    whole = model_version(name, number)
    if format == "python":
        return _client(work, name, number, out)
    file = out or Path(f"{whole}.{format}")
    progress(None, f"writing {whole} as {format} and scoring its test rows there")
    released = release_onnx(
        packed_version(work, name, number), test_split(work, version_record(work.store.ledger, name, number)), file,
        version=number, ledger=work.store.ledger, by=work.by, now=work.now(),
    )  # fmt: skip
    return released, file


def _client(work: Workplace, name: str, number: int, out: Path | None) -> tuple[Released, Path]:
    """A typed package that asks the server; nothing is scored in it."""
    folder = out or Path(f"{name}_client")
    packed = packed_version(work, name, number)
    whole = model_version(name, number)
    written = write_client(
        packed.signature,
        version=whole,
        project=work.project.settings.name,
        summary=work.project.models[name].summary,
        example=example_row(work.store, answerer_of(work, whole)),
        out=folder,
    )
    release = Release(
        name=name, version=number, format="python", file=folder.name, sha256=written, rows=0, greatest_difference=0.0
    )
    work.store.ledger.append(release, by=work.by, at=work.now())
    return Released(release), folder
