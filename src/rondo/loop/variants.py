"""A version that somebody asked for: of other examples than the model declares, or trained on from an earlier one.

It answers the same question, is judged and gated like any version, and is never promoted by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rondo.deploy.resolving import version_record
from rondo.develop.reading import labelled
from rondo.develop.training import Resolved, Start, train_version
from rondo.errors import NotFound, Refused
from rondo.features.assembly import assemble
from rondo.features.signature import Signature
from rondo.graph.definitions import digest, tables_of
from rondo.loop.judging import bring_evaluations, bring_gate
from rondo.loop.models import dataset_for, held_back_by, looked_at, rehearsed, step_of
from rondo.loop.studying import study
from rondo.loop.tables import Versions
from rondo.loop.versions import dataset_of, model_of, packed_version, rows_seen, trained_spans
from rondo.loop.workplace import Workplace
from rondo.project.models import Model, with_examples
from rondo.records.development import Version
from rondo.records.progress import Progress, silent
from rondo.records.running import Step
from rondo.records.tables import Dataset
from rondo.records.versions import model_version
from rondo.sql.engine import connect, literal, quote, relation_of_files, run

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Variant:
    """What is asked for: other examples, a version to go on from, or both."""

    model: str
    examples: str | None = None
    parent: int | None = None


def varied(work: Workplace, variant: Variant) -> Model:
    """The model with the variant's examples. Raises NotFound, Refused for a table that is no examples table."""
    declared = work.project.model(variant.model)
    if variant.examples is None:
        return declared
    if variant.examples not in work.project.tables:
        raise NotFound.among("table", variant.examples, list(work.project.tables))
    table = work.project.tables[variant.examples]
    if table.label is None:
        raise Refused(
            f"{variant.examples} has no label: {variant.model} cannot learn from it.",
            next_step=f"Give {table.file} the header of examples: label, label_known, inputs.",
        )
    return with_examples(declared, variant.examples)


def bring_variant(
    work: Workplace,
    variant: Variant,
    tables: Versions,
    stopped: Mapping[str, str],
    *,
    as_of: datetime | None = None,
    progress: Progress = silent,
) -> Iterator[Step]:
    """The steps of a variant, each yielded when it is done; nothing but fresh ones where it is there already.

    Raises Refused where it would answer another question, where its parent knew what is asked of it (rows of the test
    split, or anything known after `as_of`), or where its trainer cannot go on.
    """
    model = varied(work, variant)
    if reason := held_back_by(work, model, tables, stopped):
        yield Step(name=model.name, stage="train", state="skipped", reason=reason)
        return
    mine = {name: tables[name] for name in tables_of(model)}
    signature = _assembled(work, model, mine)
    if variant.examples is not None:
        _refuse_another_question(work, model, signature)
    parent = None if variant.parent is None else version_record(work.store.ledger, model.name, variant.parent)
    if parent is not None:
        _refuse_later(work, parent, as_of)
    dataset, step = dataset_for(work, model, signature, mine, as_of, _reason(variant), progress)
    yield step
    yield from looked_at(work, model, dataset, signature, progress)
    version, step = _trained(work, model, variant, dataset, signature, parent, progress)
    yield step
    yield from bring_evaluations(work, model, version, progress=progress)
    if step.state == "built":
        study(work, version, progress=progress)
    yield from rehearsed(work, version, progress)
    yield from bring_gate(work, model, version, progress=progress)


def _trained(
    work: Workplace,
    model: Model,
    variant: Variant,
    dataset: Dataset,
    signature: Signature,
    parent: Version | None,
    progress: Progress,
) -> tuple[Version, Step]:
    """The version, trained now or when the same was asked for before."""
    resolved = None if parent is None else _resolved(parent)
    build = digest("version", dataset.definition, dataset.build, resolved, variant.examples, variant.parent)
    before = work.store.ledger.latest(Version, name=model.name, where={"build": build})
    if before is not None:
        return before.record, step_of(before.record, "train", "fresh")
    noted = None if parent is None else _noted(work, parent, dataset)
    version = train_version(
        model,
        dataset,
        project=work.project,
        store=work.store,
        signature=signature,
        definition=dataset.definition,
        build=build,
        why="asked",
        definitions={each.name: each.definition for each in dataset.inputs},
        now=work.now(),
        by=work.by,
        resolved=resolved,
        examples=variant.examples,
        start=None if parent is None else Start(parent.version, packed_version(work, model.name, parent.version)),
        progress=progress,
    )
    told = "; ".join(filter(None, (_reason(variant), version.trainer, _grown(version), noted)))
    return version, step_of(version, "train", "built", told, version.seconds)


def _assembled(work: Workplace, model: Model, tables: Versions) -> Signature:
    return assemble(
        model,
        work.project,
        {name: table.columns for name, table in tables.items()},
        {name: table.definition for name, table in tables.items()},
    )


def _reason(variant: Variant) -> str:
    told = ["asked for"]
    told += [f"on {variant.examples}"] if variant.examples else []
    told += [f"on from {model_version(variant.model, variant.parent)}"] if variant.parent else []
    return ", ".join(told)


def _grown(version: Version) -> str | None:
    if version.parent is None or version.trainer != "lightgbm":
        return None
    rounds = int(str(version.parameters["num_iterations"]))
    return f"{rounds} rounds of trees added" if rounds else "no tree more makes it better: it is its parent"


def _resolved(parent: Version) -> Resolved:
    """The parent's trainer and parameters; how many rounds are added is found anew."""
    return parent.trainer, {name: value for name, value in parent.parameters.items() if name != "num_iterations"}


def _refuse_another_question(work: Workplace, model: Model, signature: Signature) -> None:
    """Other examples must have the columns that requests bring: key, inputs, derived, look-up keys, and the label."""
    declared = work.project.tables[work.project.model(model.name).examples]
    other = work.project.tables[model.examples]
    pairs = (
        ("key", declared.key, other.key),
        ("inputs", declared.inputs, other.inputs),
        ("derive", declared.derive, other.derive),
        ("label", declared.label, other.label),
        ("time", declared.time, other.time),
    )
    for what, theirs, ours in pairs:
        if theirs != ours:
            raise Refused(
                f"{other.name} asks another question than {declared.name}: its {what} is {ours!r}, not {theirs!r}.",
                next_step=f"Give {other.file} the header of {declared.file}, or declare a model of its own.",
            )
    assert signature.examples == other.name


def _refuse_later(work: Workplace, parent: Version, as_of: datetime | None) -> None:
    """A version as of a moment must not know through its parent what became known later."""
    known = dataset_of(work, parent).as_of
    if as_of is not None and (known is None or known > as_of):
        until = "all that had landed" if known is None else f"what was known on {known:%Y-%m-%d}"
        raise Refused(
            f"{model_version(parent.name, parent.version)} was trained on {until}: it may know what became known only "
            f"after {as_of:%Y-%m-%d %H:%M}.",
            next_step="Go on from a version trained as of an earlier moment, or leave --as-of out.",
        )


def _noted(work: Workplace, parent: Version, dataset: Dataset) -> str | None:
    """What must be said of the validation rows that the parent was trained on. Raises Refused where test rows are."""
    counts = {
        part: _known_to(work, parent, dataset, part) if dataset.splits.get(part) else 0
        for part in ("validation", "test")
    }
    whole = model_version(parent.name, parent.version)
    if counts["test"]:
        raise Refused(
            f"{whole} was trained on {counts['test']:,} of the {dataset.splits['test']:,} test rows: what goes on from "
            "it would be judged on what it knows.",
            next_step="Go on from an earlier version, or train when there are newer examples.",
        )
    if counts["validation"]:
        return f"{counts['validation']:,} validation rows are of what {whole} was trained on: it looks better there"
    return None


def _known_to(work: Workplace, parent: Version, dataset: Dataset, part: str) -> int:
    """How many rows of a part the parent, or what it was trained on from, was trained on: by time, else by key."""
    if trained_spans(work, parent) and dataset.moments.get(part):
        rows = labelled(dataset, work.store, part, columns=["moment"])  # type: ignore[arg-type]  # one of the parts
        return rows_seen(work, parent, rows) or 0
    key = work.project.tables[model_of(work, parent).examples].key
    if not key:
        raise Refused(
            f"Examples without a time or a key: whether {model_version(parent.name, parent.version)} was trained on "
            "rows that its successor is to be judged by cannot be told.",
            next_step="Give the examples a key, or train afresh.",
        )
    named = ", ".join(map(quote, key))
    con = connect(timezone=work.project.settings.timezone)
    try:
        learned: Version | None = parent
        seen = []
        while learned is not None:
            before = dataset_of(work, learned)
            files = relation_of_files(work.store.lake.files(before.path, before.delta), before.columns)
            seen.append(f"select {named} from {files} where split in ('train', 'validation')")
            up = learned.parent
            learned = None if up is None else version_record(work.store.ledger, parent.name, up)
        rows = relation_of_files(work.store.lake.files(dataset.path, dataset.delta), dataset.columns)
        [[count]] = run(
            con,
            f"select count(*) from {rows} where split = {literal(part)} and ({named}) in ({' union '.join(seen)})",
        )
        return int(str(count))
    finally:
        con.close()
