"""`reproduce`: a version rebuilt from the ledger, and held against what was kept, byte by byte."""

from __future__ import annotations

from hashlib import sha256

from rondo.develop.training import train
from rondo.errors import NotFound, RondoError
from rondo.graph.definitions import model_definition
from rondo.loop.versions import dataset_of, signature_of
from rondo.loop.workplace import Workplace
from rondo.models.packed import pack
from rondo.records.development import Version
from rondo.records.progress import Progress, silent
from rondo.records.tables import TableVersion


def reproduce(work: Workplace, name: str, number: int, *, progress: Progress = silent) -> list[str]:
    """What differs when a version is made again: from the table versions its dataset was frozen from, with the
    resolved trainer. Empty when every file comes out the same.

    What cannot be made again (a declaration that has changed since, rows that were erased) is a difference that says
    so.
    """
    entry = work.store.ledger.latest(Version, name=name, version=number)
    if entry is None:
        raise NotFound(f"There is no version {name}@{number}.", next_step="See `rondo history`.")
    version = entry.record
    dataset = dataset_of(work, version)
    differences = [
        f"{given.name}@v{given.version} is not in the ledger any more"
        for given in dataset.inputs
        if work.store.ledger.latest(TableVersion, name=given.name, version=given.version) is None
    ]
    model = work.project.model(name)
    try:
        trained = train(
            model, dataset, project=work.project, store=work.store, signature=signature_of(work, name, number),
            resolved=(version.trainer, version.parameters), progress=progress,
        )  # fmt: skip
    except RondoError as error:
        return [*differences, f"it cannot be made again: {error.message}"]
    made = {file: sha256(content).hexdigest() for file, content in pack(trained.packed).items()}
    for file in sorted(version.files.keys() | made.keys()):
        kept, came = version.files.get(file, "nothing"), made.get(file, "nothing")
        if kept != came:
            differences.append(f"{file}: {kept[:12]} was kept, {came[:12]} came out")
    if differences and version.definition != model_definition(model, work.project, work.nodes):
        differences.append(f"the declaration of {name} has changed since")
    return differences
