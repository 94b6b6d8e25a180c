"""`reproduce`: a version rebuilt from the ledger, and held against what was kept, byte by byte."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rondo.data.forgotten import erasures_of, forgotten_keys, left_out, pseudonyms_of
from rondo.data.freezing import freeze
from rondo.develop.training import train
from rondo.errors import NotFound, RondoError
from rondo.graph.definitions import model_definition
from rondo.loop.tables import relation_for
from rondo.loop.versions import dataset_of, model_of, packed_version, signature_of
from rondo.loop.workplace import Workplace
from rondo.models.packed import pack
from rondo.project.models import Model
from rondo.project.moments import as_document
from rondo.records.development import Version
from rondo.records.erasing import Erasure
from rondo.records.progress import Progress, silent
from rondo.records.tables import CARRIED, Dataset, TableVersion
from rondo.sql.engine import connect, quote, relation_of_files, run
from rondo.store.ledger import Entry
from rondo.store.opening import open_store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _dataset_differences(work: Workplace, model: Model, version: Version) -> list[str]:
    """How the dataset comes out of the same table versions, aside from the state; rows that were erased are told."""
    ledger, frozen = work.store.ledger, _frozen(work, version)
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
        con = connect(timezone=work.project.settings.timezone)
        try:
            rest = _without_erased(work, con, came, frozen)
            one, other = (f"select {columns} from {relation}" for relation in (kept, rest))
            [[gone]] = run(con, f"select count(*) from ({one} except all {other})")
            [[new]] = run(con, f"select count(*) from ({other} except all {one})")
            [[erased]] = run(con, f"select (select count(*) from {came}) - (select count(*) from {rest})")
        finally:
            con.close()
    differs = gone or new
    told = [f"the dataset differs: {gone} rows were kept that do not come out, {new} come out anew"] if differs else []
    if erased:
        days = ", ".join(dict.fromkeys(f"{each.at:%Y-%m-%d}" for each in _erasures(work, frozen)))
        rest_is = "the rest differs, too" if differs else f"the other {again.rows - int(str(erased))} come out the same"
        were = "row of the dataset was" if erased == 1 else "rows of the dataset were"
        told.insert(0, f"{erased} {were} erased on {days}: {rest_is}")
    return told


def erased_since(work: Workplace, name: str, number: int) -> list[dict[str, object]]:
    """What was forgotten of a model since a version's dataset was frozen: when, by whom, rows by part."""
    version = work.store.ledger.latest(Version, name=name, version=number)
    found = erasures_of(work.store, name, after=_frozen(work, version.record).seq) if version else []
    return [{"at": as_document(each.at), "by": each.by, "rows": each.record.rows} for each in found]


def _frozen(work: Workplace, version: Version) -> Entry[Dataset]:
    found = work.store.ledger.latest(Dataset, name=version.name, version=version.dataset)
    assert found is not None
    return found


def _erasures(work: Workplace, frozen: Entry[Dataset]) -> list[Entry[Erasure]]:
    """What took rows from a dataset since it was frozen."""
    found = erasures_of(work.store, frozen.record.name, after=frozen.seq)
    return [entry for entry in found if entry.record.datasets]


def _without_erased(work: Workplace, con: DuckDBPyConnection, rows: str, frozen: Entry[Dataset]) -> str:
    """A dataset made again, without the rows that were erased from the one that was kept."""
    erasures = [entry.record for entry in _erasures(work, frozen)]
    pseudonyms = pseudonyms_of(work.store, erasures)
    if pseudonyms is None:
        return rows
    held = {name.removeprefix(CARRIED): name for name in frozen.record.columns}
    types = {name: frozen.record.columns[column] for name, column in held.items()}
    keys = forgotten_keys(erasures, types, pseudonyms, work.project.settings.timezone)
    return left_out(con, rows, keys, time=None, names=held)


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
    work.project.model(name)
    model = model_of(work, version)
    try:
        progress(None, f"freezing the dataset of {name}@{number} again")
        differences += [] if differences else _dataset_differences(work, model, version)
        trained = train(
            model, dataset, project=work.project, store=work.store, signature=signature_of(work, name, number),
            resolved=(version.trainer, version.parameters),
            start=None if version.parent is None else packed_version(work, name, version.parent), progress=progress,
        )  # fmt: skip
    except RondoError as error:
        return [*differences, f"it cannot be made again: {error.message}"]
    out = "came out of the rows that are left" if _erasures(work, _frozen(work, version)) else "came out"
    made = {file: sha256(content).hexdigest() for file, content in pack(trained.packed).items()}
    for file in sorted(version.files.keys() | made.keys()):
        kept, came = version.files.get(file, "nothing"), made.get(file, "nothing")
        if kept != came:
            differences.append(f"{file}: {kept[:12]} was kept, {came[:12]} {out}")
    if differences and version.definition != model_definition(model, work.project, work.nodes):
        differences.append(f"the declaration of {name} has changed since")
    return differences
