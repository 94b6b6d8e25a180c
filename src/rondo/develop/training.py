"""Training a version: baselines, the declared trainer, threshold and calibration on validation, all packed and kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from rondo.develop.judging import main_metric, metrics_for, threshold_for
from rondo.develop.reading import PARTS, encoded, labelled, with_classes
from rondo.develop.searching import search
from rondo.develop.trying import Material, Try, try_out
from rondo.errors import BuildError, Refused, VersionTaken
from rondo.features.signature import Signature
from rondo.models.encoding import Encoder
from rondo.models.packed import Packed, pack, with_golden
from rondo.models.predictors import Predictor
from rondo.project.models import Model, OwnTrainer
from rondo.project.reading import Project
from rondo.records.development import Candidate, Version
from rondo.records.progress import Progress, silent
from rondo.records.tables import Dataset, Scalar
from rondo.stats.calibration import calibration_helps
from rondo.store.opening import Store

if TYPE_CHECKING:
    pass

Why = Literal["stale", "due", "new", "asked"]
Resolved = tuple[str, dict[str, Scalar]]
BASELINES = ("constant", "linear")
CALIBRATION_ROWS = 50_000
"""Calibration is judged on at most so many validation rows, spread evenly over them."""
RACES = 10
FINISHING_S, FINISHING = 1.0, 0.05
"""What `auto` keeps of its budget for calibrating and packing: so many seconds, at most this share of it."""


@dataclass(frozen=True)
class Start:
    """A version that training goes on from."""

    version: int
    packed: Packed


@dataclass(frozen=True)
class Trained:
    """A model as trained: the packed version, its packed baselines, everything tried (the chosen first)."""

    packed: Packed
    baselines: Mapping[str, Packed]
    tries: tuple[Try, ...]
    seconds: float


def train_version(
    model: Model,
    dataset: Dataset,
    *,
    project: Project,
    store: Store,
    signature: Signature,
    definition: str,
    build: str,
    why: Why,
    definitions: Mapping[str, str],
    now: datetime,
    by: str,
    resolved: Resolved | None = None,
    examples: str | None = None,
    start: Start | None = None,
    progress: Progress = silent,
) -> Version:
    """Train on a dataset and keep it: files as artifacts, candidates and the version in the ledger.

    `examples` names those of the dataset where they are not those that the model declares, `start` the version that
    training goes on from.
    `definitions` maps tables to fingerprints; that of the examples is pinned beside those of the look-ups. `resolved`
    (trainer, parameters) refits what a search found and searches nothing. Raises DeclarationError for a label or a
    parameter that does not fit, BuildError where there are no rows, or nothing, to learn from.
    """
    trained = train(
        model, dataset, project=project, store=store, signature=signature, resolved=resolved,
        start=start.packed if start else None, progress=progress,
    )  # fmt: skip
    chosen = trained.tries[0]
    files = {name: store.artifacts.put(content) for name, content in pack(trained.packed).items()}
    baselines = {
        name: {file: store.artifacts.put(content) for file, content in pack(packed).items()}
        for name, packed in trained.baselines.items()
    }
    pinned = {lookup.table: lookup.definition for lookup in signature.lookups}
    if model.examples in definitions:
        pinned[model.examples] = definitions[model.examples]
    version = Version(
        name=model.name,
        version=0,
        definition=definition,
        build=build,
        dataset=dataset.version,
        trainer=chosen.trainer,
        parameters=chosen.parameters,
        seed=seed_of(model),
        files=files,
        pinned=pinned,
        why=why,
        baselines=baselines,
        seconds=round(trained.seconds, 3),
        rondo=installed("rondo-ml"),
        as_of=dataset.as_of,
        examples=examples,
        parent=start.version if start else None,
    )
    return _recorded(store, version, _candidates(model, dataset, trained.tries), now, by)


def _candidates(model: Model, dataset: Dataset, tries: Sequence[Try]) -> list[Candidate]:
    """The tries as the ledger keeps them; the first is the chosen one."""
    return [
        Candidate(
            name=model.name,
            dataset=dataset.version,
            trainer=each.trainer,
            parameters=each.parameters,
            metric=model.metric,
            value=each.value,
            seconds=round(each.seconds, 3),
            latency_us=None if each.latency_us is None else round(each.latency_us, 1),
            chosen=each is tries[0],
        )
        for each in tries
    ]


def train(
    model: Model,
    dataset: Dataset,
    *,
    project: Project,
    store: Store,
    signature: Signature,
    resolved: Resolved | None = None,
    start: Packed | None = None,
    progress: Progress = silent,
) -> Trained:
    """The training alone: nothing is written. See `train_version`.

    From a `start` training goes on with its encoder and by `resolved`, its trainer and parameters: trees are added to
    its trees until validation says stop (where `num_iterations` is not told), a linear model is drawn to its weights,
    an own trainer is given it. Raises Refused for a trainer that cannot.
    """
    begun = time.monotonic()
    progress(None, "reading the dataset")
    signature = with_classes(signature, model.task, labelled(dataset, store, columns=["label"]).column("label"))
    if not signature.fed:
        raise BuildError(f"{model.name} is fed no column.", next_step="Name inputs, derived columns or features.")
    _refuse_start(start, signature)
    ready, encoder, golden = encoded(dataset, store, "train", signature, start.encoder if start else None, sample=64)
    held, _, _ = encoded(dataset, store, "validation", signature, encoder)
    _refuse_nothing(dataset, len(ready), len(held))
    material = Material(
        train=ready,
        validation=held,
        encoder=encoder,
        task=model.task,
        classes=len(signature.classes),
        metric=main_metric(model, metrics_for(model, project.metrics)),
        seed=seed_of(model),
        own=model.train if isinstance(model.train, OwnTrainer) else None,
        start=start.predictor if start else None,
    )
    _refuse_one_class(material, signature)
    tries, baselines = _tries(model, material, resolved, begun, progress)
    progress(None, "calibrating and packing")
    packed = _finished(signature, encoder, tries[0].predictor, material, calibrated=True)
    rivals = {t.trainer: _finished(signature, encoder, t.predictor, material, calibrated=False) for t in baselines}
    return Trained(
        with_golden(packed, golden),
        {name: with_golden(rival, golden) for name, rival in rivals.items()},
        tuple(tries),
        time.monotonic() - begun,
    )


def seed_of(model: Model) -> int:
    """The seed a declaration sets; 0 for a trainer of the project's own."""
    return 0 if isinstance(model.train, OwnTrainer) else model.train.seed


def _tries(
    model: Model, material: Material, resolved: Resolved | None, begun: float, progress: Progress
) -> tuple[list[Try], list[Try]]:
    """All tries, the chosen first; and the baselines."""
    progress(None, "fitting the baselines")
    afresh = replace(material, start=None)
    baselines = [try_out(afresh, name, {}) for name in BASELINES]
    declared = model.train
    if resolved is None and not isinstance(declared, OwnTrainer):
        if declared.name == "auto":
            budget = 60 * (declared.minutes or 0)
            deadline = begun + budget - min(FINISHING_S, FINISHING * budget)
            return [*search(material, baselines[1], deadline=deadline, progress=progress), baselines[0]], baselines
        resolved = declared.name, dict(declared.parameters)
    trainer, parameters = resolved or ("own", {})
    found = next((b for b in baselines if (trainer, parameters) in ((b.trainer, b.parameters), (b.trainer, {}))), None)
    if found is None or material.start is not None:
        progress(0.0, f"training {trainer}")
        found = try_out(material, trainer, parameters, progress=progress)
    return [found, *(each for each in baselines if each is not found)], baselines


def _refuse_start(start: Packed | None, signature: Signature) -> None:
    """A start must have been asked the same: the same fed columns, the same classes."""
    if start is None:
        return
    if start.predictor.kind == "constant":
        raise Refused(
            "The version to go on from is a constant: there is nothing in it to go on from.",
            next_step="Name another version after --from, or train afresh.",
        )
    was, is_now = ([(c.name, c.type) for c in each.fed] for each in (start.signature, signature))
    if was != is_now:
        other = sorted({name for name, _ in {*was} ^ {*is_now}}) or ["their order"]
        raise Refused(
            f"The version to go on from is fed other columns: {', '.join(other)}.",
            next_step="Train afresh: what it learned is about other columns.",
        )
    if changed := _redefined(start.signature, signature):
        raise Refused(
            f"The version to go on from was trained with another definition of {', '.join(changed)}.",
            next_step="Train afresh: what it learned is about other values.",
        )
    if start.signature.classes != signature.classes:
        raise Refused(
            f"The version to go on from tells {list(start.signature.classes)} apart, and the labels are now "
            f"{list(signature.classes)}.",
            next_step="Train afresh.",
        )


def _redefined(before: Signature, now: Signature) -> list[str]:
    """What two versions are fed by the same names and not by the same definitions: tables, derived columns."""
    tables = [{(lookup.prefix, lookup.table, lookup.definition) for lookup in each.lookups} for each in (before, now)]
    derived = [{(column.name, column.expression) for column in each.derived} for each in (before, now)]
    return sorted({table for _, table, _ in tables[0] ^ tables[1]} | {name for name, _ in derived[0] ^ derived[1]})


def _finished(
    signature: Signature, encoder: Encoder, predictor: Predictor, material: Material, *, calibrated: bool
) -> Packed:
    """The predictor with what validation adds: calibration where it helps, the threshold."""
    packed = Packed(signature, encoder, predictor)
    rows = material.validation
    if signature.task != "binary":
        return packed
    if calibrated:
        taken = _spread(len(rows), CALIBRATION_ROWS)
        scores = packed.score(rows.matrix[taken])
        days = None if rows.days is None else rows.days[taken]
        verdict = calibration_helps(rows.y[taken], scores, blocks=days, seed=material.seed)
        packed = replace(packed, calibration=verdict.parameters if verdict.helps else None)
    return replace(packed, threshold=threshold_for(material.task, rows.y, packed.score(rows.matrix)))


def _spread(n: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Places of at most `most` of n rows, evenly apart."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def _refuse_nothing(dataset: Dataset, train: int, validation: int) -> None:
    for part, rows in zip(PARTS, (train, validation), strict=False):
        if not rows:
            sizes = ", ".join(f"{name} {dataset.splits.get(name, 0):,}" for name in PARTS)
            raise BuildError(
                f"{dataset.name} has no labelled rows in its {part} split ({sizes}; {dataset.rows:,} rows in all).",
                next_step="Bring more examples, or give the split other lengths or shares.",
            )


def _refuse_one_class(material: Material, signature: Signature) -> None:
    y = material.train.y
    if signature.task != "regression" and (y == y[0]).all():
        raise BuildError(
            f"There is nothing to learn: the label {signature.label.name!r} is "
            f"{signature.classes[int(y[0])]!r} in all {len(y):,} training rows.",
            next_step="Bring examples of both kinds, or split them otherwise.",
        )


def _recorded(store: Store, version: Version, candidates: list[Candidate], now: datetime, by: str) -> Version:
    for race in range(RACES):
        number = store.ledger.next_version(Version, version.name)
        numbered = msgspec.structs.replace(version, version=number)
        try:
            store.ledger.append(*candidates, numbered, by=by, at=now)
            return numbered
        except VersionTaken:
            if race == RACES - 1:
                raise
    raise AssertionError("unreachable")
