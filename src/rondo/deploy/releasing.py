"""Releases: versions written for other runtimes, each held against its own scores there before the file appears."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from rondo.errors import Refused
from rondo.models.agreement import EQUAL
from rondo.models.onnx import Face, export, greatest_difference
from rondo.models.packed import Packed
from rondo.records.deployment import Release
from rondo.records.versions import model_version
from rondo.store.ledger import Ledger

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 1000
"""At most so many rows, spread evenly, are scored in the other runtime beside the golden ones."""


@dataclass(frozen=True)
class Released:
    """What was written and recorded, and what a user of a model file meets (None: it is no model)."""

    release: Release
    face: Face | None = None


def release_onnx(
    packed: Packed, rows: pa.Table, out: Path, *, version: int, ledger: Ledger, by: str, now: datetime
) -> Released:
    """Write a version as an ONNX file and record it, once ONNX Runtime scores the golden rows and `rows` the same.

    `rows` hold the fed columns. Raises Refused where a score lies farther than `EQUAL` from Rondo's own, WrongUse
    where the model has no such form or a library is missing; `out` is then as it was before.
    """
    whole = model_version(packed.signature.model, version)
    exported = export(packed, whole)
    held = [*packed.golden.rows, *_spread(packed, rows)]
    difference = greatest_difference(exported, packed, held)
    if not difference <= EQUAL:
        told = "a label is not the one its score calls for" if np.isinf(difference) else f"by up to {difference:.3g}"
        raise Refused(
            f"ONNX Runtime scores {len(held)} rows of {whole} otherwise than Rondo: {told}. Nothing was written.",
            next_step="Report it with the version of onnxruntime that is installed; another one may agree.",
            facts={"greatest_difference": difference, "rows": len(held)},
        )
    _write(out, exported.content)
    release = Release(
        name=packed.signature.model,
        version=version,
        format="onnx",
        file=out.name,
        sha256=sha256(exported.content).hexdigest(),
        rows=len(held),
        greatest_difference=difference,
    )
    ledger.append(release, by=by, at=now)
    return Released(release, exported.face)


def _spread(packed: Packed, rows: pa.Table) -> list[tuple[object, ...]]:
    """At most `MOST_ROWS` rows, evenly apart, as values in the order of the fed columns."""
    places = np.unique(np.linspace(0, rows.num_rows - 1, min(MOST_ROWS, rows.num_rows)).astype(np.int64))
    names = [column.name for column in packed.signature.fed]
    return [tuple(row[name] for name in names) for row in rows.select(names).take(places).to_pylist()]


def _write(out: Path, content: bytes) -> None:
    """The whole file or none of it."""
    with NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(out)
        except BaseException:
            Path(file.name).unlink()
            raise
