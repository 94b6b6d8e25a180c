"""Live traffic as days of sketches, beside what each version was trained on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from rondo.data.reference import labels_by_day, reference_of
from rondo.deploy.logged import column_of
from rondo.deploy.predictions import path_of
from rondo.deploy.resolving import version_record
from rondo.loop.versions import dataset_of, packed_version, signature_of, test_split
from rondo.loop.workplace import Workplace
from rondo.models.encoding import encode_table
from rondo.monitor.features import References, measure_trained, references
from rondo.monitor.quality import labelled_history
from rondo.monitor.sketched import Answered, Days, alone, answered_of, answers_sketched, erase_sketches, sketch_days
from rondo.project.models import Model
from rondo.records.monitoring import Measurement
from rondo.stats.days import days_of
from rondo.stats.results import Floats, Ints

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def sketched(work: Workplace, model: Model, con: DuckDBPyConnection, number: int) -> Days | None:
    """The days of what a model has answered, those that have changed sketched anew; None before the first answer.

    `number` is the version whose signature says where rows are. Nothing is stored before `monitor.sketched.keep`; until
    then `monitor.sketched.alone` is to be held, so that what is forgotten meanwhile is not stored again.
    """
    answered = _answered(work, model.name, number)
    return None if answered is None else sketch_days(con, work.store, answered, work.project.settings.timezone)


def references_of(work: Workplace, model: Model) -> Callable[[int], References]:
    """What the traffic of each version is compared with, read (or made) at its first use."""

    @cache
    def of(number: int) -> References:
        version = version_record(work.store.ledger, model.name, number)
        signature, dataset = signature_of(work, model.name, number), dataset_of(work, version)
        trained = reference_of(work.store, dataset, signature, "run" if signature.time else "whole")

        def answers() -> tuple[Floats, Ints | None]:
            rows, packed = test_split(work, version), packed_version(work, model.name, number)
            scores = packed.score(encode_table(packed.encoder, rows))
            if not signature.time:
                return scores, None
            moments = rows.column("moment").to_numpy().astype("datetime64[us]").astype(np.int64)
            return scores, days_of(moments, signature.timezone)

        return references(signature, trained, answers_sketched(work.store, signature, number, answers))

    return of


def trained_history(
    work: Workplace, model: Model, days: Days, references: Callable[[int], References]
) -> list[Measurement]:
    """The days and weeks before the first that was answered, of the training rows of the version that answered it."""
    if not days.now:
        return []
    first = min(days.now)
    number = max(days.of([first]), key=lambda each: (each.rows, each.version)).version
    version = version_record(work.store.ledger, model.name, number)
    dataset, signature = dataset_of(work, version), signature_of(work, model.name, number)
    trained = reference_of(work.store, dataset, signature, "day")
    timezone = work.project.settings.timezone
    found = measure_trained(model.name, number, trained, references(number), timezone=timezone, until=first)
    labels = labels_by_day(work.store, dataset, signature, until=first)
    return found + labelled_history(signature, number, labels, timezone=timezone)


def forget_sketches(work: Workplace, model: Model, con: DuckDBPyConnection, number: int) -> int:
    """Erases sketches made of answers that are there no more; gives of how many days. They are made again when the
    model is next measured.
    """
    with alone(work.store, model.name):
        answered = _answered(work, model.name, number)
        return erase_sketches(con, work.store, answered, model.name, work.project.settings.timezone)


def _answered(work: Workplace, name: str, number: int) -> Answered | None:
    return answered_of(
        work.store,
        signature_of(work, name, number),
        cache(lambda version: signature_of(work, name, version)),
        column_of,
        path_of(name),
    )
