"""Versions as the loop reads them: what a version pins, and rows to judge it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from rondo.data.testsets import TestRows, open_testset
from rondo.deploy.resolving import load, version_record
from rondo.develop.reading import labelled
from rondo.errors import NotFound, Refused
from rondo.features.signature import Signature
from rondo.loop.planning import newest
from rondo.loop.workplace import Workplace
from rondo.models.packed import Packed, unpack
from rondo.project.models import Model, with_examples
from rondo.project.reading import TestSet
from rondo.records.development import Version
from rondo.records.tables import Dataset
from rondo.sql.engine import literal, quote
from rondo.sql.relations import rows_of

if TYPE_CHECKING:
    import pyarrow as pa

TEST: Final = "test"


def signature_of(work: Workplace, name: str, version: int) -> Signature:
    """The signature packed with a version, without its model."""
    record = version_record(work.store.ledger, name, version)
    return msgspec.json.decode(work.store.artifacts.get(record.files["signature.json"]), type=Signature)


def packed_version(work: Workplace, name: str, version: int) -> Packed:
    """A version ready to answer."""
    return load(work.store, work.project, name, version)


def packed_baseline(work: Workplace, version: Version, baseline: str) -> Packed:
    """A baseline packed beside a version."""
    if baseline not in version.baselines:
        raise NotFound.among("baseline", baseline, list(version.baselines))
    return unpack({name: work.store.artifacts.get(sha) for name, sha in version.baselines[baseline].items()})


def model_of(work: Workplace, version: Version) -> Model:
    """A version's model as declared, of the examples that the version was trained on."""
    declared = work.project.model(version.name)
    return declared if version.examples is None else with_examples(declared, version.examples)


def dataset_of(work: Workplace, version: Version) -> Dataset:
    """The dataset a version was trained on."""
    entry = work.store.ledger.latest(Dataset, name=version.name, version=version.dataset)
    if entry is None:
        raise NotFound(
            f"The dataset of {version.name}@{version.version} is not in the ledger.", next_step="Run `rondo doctor`."
        )
    return entry.record


def trained_spans(work: Workplace, version: Version) -> list[tuple[datetime, datetime]]:
    """From when to when a version, and each that it was trained on from, has seen examples; none without time."""
    found = []
    trained: Version | None = version
    while trained is not None:
        spans = dataset_of(work, trained).moments
        moments = [moment for part in ("train", "validation") for moment in spans.get(part, ())]
        found += [(min(moments), max(moments))] if moments else []
        parent = trained.parent
        trained = None if parent is None else version_record(work.store.ledger, version.name, parent)
    return found


def rows_seen(work: Workplace, version: Version, rows: pa.Table) -> int | None:
    """How many rows are of the days that a version was trained on; None where nothing has a time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    spans = trained_spans(work, version)
    if "moment" not in rows.column_names or not spans:
        return None
    moments = rows.column("moment")
    inside = pa.chunked_array([pa.array([False] * len(moments))])
    for first, last in spans:
        inside = pc.or_(inside, pc.and_(pc.greater_equal(moments, first), pc.less_equal(moments, last)))
    return int(pc.sum(inside).as_py() or 0)


def pinned_relations(work: Workplace, signature: Signature) -> dict[str, str]:
    """Each look-up's table in the newest landing of the definition that is pinned."""
    relations = {}
    for lookup in signature.lookups:
        version = newest(work.store.ledger, lookup.table, lookup.definition)
        if version is None:
            raise NotFound(
                f"{lookup.table} has no rows of the definition that {signature.model} was trained with.",
                next_step="Run `rondo run`.",
            )
        relations[lookup.table] = f"(select * from {rows_of(version, work.store.lake)})"
    return relations


def test_split(work: Workplace, version: Version) -> pa.Table:
    """The test rows of a version's own dataset."""
    return labelled(dataset_of(work, version), work.store, TEST)


def testset_rows(work: Workplace, version: Version, testset: str, *, also: Sequence[str] = ()) -> pa.Table:
    """Rows to judge a version by: its own test split, or a test set of the project joined as the version pins it.

    `also` are columns of the examples to carry with those of a test set.
    """
    if testset == TEST:
        return test_split(work, version)
    signature = signature_of(work, version.name, version.version)
    with examples_of(work, version.name, testset) as rows:
        return rows.joined(signature, relations_for(work, version), also=also)


def relations_for(work: Workplace, version: Version) -> Mapping[str, str]:
    """What a version's look-ups read."""
    return pinned_relations(work, signature_of(work, version.name, version.version))


def examples_of(work: Workplace, model: str, testset: str) -> TestRows:
    """A test set's examples, laid out once so that several versions are judged on the same rows in the same order."""
    if testset not in work.project.testsets:
        raise NotFound.among("test set", testset, [TEST, *work.project.testsets])
    return open_testset(work.project.testsets[testset], work.project.model(model), catalog=work.catalog, now=work.now())


def test_examples_of(work: Workplace, version: Version) -> TestRows:
    """The examples behind the test split of a version, for versions that are fed other columns."""
    dataset = dataset_of(work, version)
    first, last = dataset.moments.get(TEST, (None, None))
    model = model_of(work, version)
    examples = work.project.tables[model.examples]
    if first is None or last is None or examples.time is None:
        raise Refused(
            f"{version.name}@{version.version} and the other version are fed other columns, and without a time the "
            "rows of a test split cannot be found again.",
            next_step="Compare them on a test set: --on NAME.",
        )
    time = quote(examples.time)
    within = f"select * from {quote(examples.name)} where {time} between {literal(first)} and {literal(last)}"
    return open_testset(TestSet(TEST, examples.file, "sql", within), model, catalog=work.catalog, now=work.now())
