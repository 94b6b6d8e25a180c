"""The mistakes of a version, looked for once for the same evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rondo.deploy.resolving import version_record
from rondo.develop.mistakes import WORST, find_mistakes
from rondo.graph.definitions import digest
from rondo.loop.judging import evaluation_build, refuse_unknown, slices_of
from rondo.loop.versions import TEST, packed_version, testset_rows
from rondo.loop.workplace import Workplace
from rondo.records.progress import Progress, silent
from rondo.records.studies import Mistakes

if TYPE_CHECKING:
    import pyarrow as pa


def mistakes_of(
    work: Workplace,
    name: str,
    number: int,
    testset: str = TEST,
    *,
    most: int = WORST,
    rows: pa.Table | None = None,
    progress: Progress = silent,
) -> Mistakes:
    """The worst mistakes of a version on a test set and where they gather; from the ledger if what they rest on is as
    it was, and as many are told. `rows` are those of the test set where they are at hand. Raises NotFound.
    """
    model = work.project.model(name)
    version = version_record(work.store.ledger, name, number)
    refuse_unknown(work, testset)
    build = digest("mistakes", evaluation_build(work, model, version, testset), slices_of(work, model))
    last = work.store.ledger.latest(Mistakes, name=name, version=number, where={"testset": testset, "build": build})
    if last is not None and len(last.record.worst) >= min(most, last.record.rows):
        return msgspec.structs.replace(last.record, worst=last.record.worst[:most])
    progress(None, f"looking for mistakes of {name}@{number} on {testset}")
    packed = packed_version(work, name, number)
    key = [column.name for column in packed.signature.key]
    if rows is None:
        rows = testset_rows(work, version, testset, also=key)
    found = find_mistakes(
        packed, rows, version=number, testset=testset, most=most, slices=slices_of(work, model), seed=version.seed
    )
    found = msgspec.structs.replace(found, build=build)
    work.store.ledger.append(found, by=work.by)
    return found
