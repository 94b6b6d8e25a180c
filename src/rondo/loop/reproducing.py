"""`reproduce`: a version rebuilt from the ledger, and held against what was kept, byte by byte."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from rondo.data.freezing import freeze
from rondo.develop.training import train
from rondo.errors import NotFound, RondoError
from rondo.graph.definitions import model_definition
from rondo.loop.tables import relation_for
from rondo.loop.versions import dataset_of, signature_of
from rondo.loop.workplace import Workplace
from rondo.models.packed import pack
from rondo.project.models import Model
from rondo.records.development import Version
from rondo.records.progress import Progress, silent
from rondo.records.tables import Dataset, TableVersion
from rondo.sql.engine import connect, quote, relation_of_files, run
from rondo.store.opening import open_store


def _dataset_differences(work: Workplace, model: Model, version: Version) -> list[str]:
    """How the dataset comes out of the same table versions, aside from the state."""
    ledger = work.store.ledger
    frozen = ledger.latest(Dataset, name=version.name, version=version.dataset)
    assert frozen is not None
    dataset = frozen.record
    landed = [ledger.latest(TableVersion, name=given.name, version=given.version) for given in dataset.inputs]
    tables = {entry.record.name: entry.record for entry in landed if entry}
    with TemporaryDirectory() as folder:
        aside = open_store(Path(folder))
        again = freeze(
            model,
            signature_of(work, version.name, version.version),
            project=work.project,
            store=aside,
            relations={name: relation_for(work, table, dataset.as_of) for name, table in tables.items()},
            inputs=dataset.inputs,
            definition=dataset.definition,
            build=dataset.build,
            as_of=dataset.as_of,
            by=work.by,
            now=frozen.at,
            steady={name: table.steady for name, table in tables.items()},
        )
        kept = relation_of_files(work.store.lake.files(dataset.path, dataset.delta), dataset.columns)
        came = relation_of_files(aside.lake.files(again.path, again.delta), again.columns)
        if set(again.columns) != set(dataset.columns):
            return [f"the dataset has other columns: {', '.join(sorted(set(again.columns) ^ set(dataset.columns)))}"]
        columns = ", ".join(map(quote, dataset.columns))
        one, other = (f"select {columns} from {relation}" for relation in (kept, came))
        con = connect(timezone=work.project.settings.timezone)
        try:
            [[gone]] = run(con, f"select count(*) from ({one} except all {other})")
            [[new]] = run(con, f"select count(*) from ({other} except all {one})")
        finally:
            con.close()
    return (
        [f"the dataset differs: {gone} rows were kept that do not come out, {new} come out anew"] if gone or new else []
    )


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
        progress(None, f"freezing the dataset of {name}@{number} again")
        differences += [] if differences else _dataset_differences(work, model, version)
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
