"""All versions of a model on its test sets: what is missing is evaluated, and on each set they are ranked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rondo.deploy.resolving import version_record
from rondo.deploy.rollout import roles
from rondo.develop.evaluating import Judged, draws_for, judge_rows, with_labels
from rondo.develop.judging import main_metric
from rondo.errors import NotFound, WrongUse
from rondo.graph.definitions import digest
from rondo.loop.comparing import metrics_of
from rondo.loop.judging import evaluate, refuse_unknown
from rondo.loop.versions import TEST, examples_of, packed_version, relations_for, rows_seen, signature_of
from rondo.loop.workplace import Workplace
from rondo.records.development import Evaluation, Figure, Version
from rondo.records.progress import Progress, silent
from rondo.records.studies import Ranked, Ranking
from rondo.records.versions import model_version
from rondo.stats.intervals import numbered
from rondo.stats.metrics import Metric
from rondo.stats.ranking import Place, rank
from rondo.stats.results import Difference

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 50
"""Versions that are evaluated and ranked: a hundred would take minutes, and the oldest are of interest to few."""


def rank_all(work: Workplace, name: str, on: str | None = None, *, progress: Progress = silent) -> list[Ranking]:
    """Every version on every test set (or on one), its own test split first: those figures are of different rows, so
    that nobody is ranked there. Of very many versions the newest `MOST` and those at work. Raises NotFound, and
    WrongUse where they do not answer the same question.
    """
    work.project.model(name)
    if on is not None:
        refuse_unknown(work, on)
    count = work.store.ledger.count(Version, name)
    newest = work.store.ledger.entries(Version, name=name, newest_first=True, limit=MOST)
    if not newest:
        raise NotFound(f"{name} has no version yet.", next_step="Run `rondo run`.")
    at_work = {entry.record.version for entry in roles(work.store.ledger, name).values()}
    numbers = sorted({entry.record.version for entry in newest} | at_work)
    left_out = count - len(numbers)
    testsets = [TEST, *work.project.testsets] if on is None else [on]
    found = []
    for place, testset in enumerate(testsets):
        judged = []
        for step, number in enumerate(numbers):
            progress(
                (place * len(numbers) + step) / (len(testsets) * len(numbers)),
                f"{model_version(name, number)} on {testset}",
            )
            judged.append(evaluate(work, name, number, testset)[0])
        make = _beside if testset == TEST else _ranking
        found.append(make(work, name, testset, judged, left_out))
    return found


def _beside(work: Workplace, name: str, testset: str, judged: Sequence[Evaluation], left_out: int) -> Ranking:
    """Each version on its own test split: shown, not ranked, not kept."""
    metric = work.project.model(name).metric
    versions = [Ranked(version=each.version, metrics=each.metrics, seen=0) for each in judged]
    return Ranking(name=name, testset=testset, metric=metric, rows=0, versions=versions, best=None, left_out=left_out)


def _ranking(work: Workplace, name: str, testset: str, judged: Sequence[Evaluation], left_out: int) -> Ranking:
    """The ranking on a test set: kept in the ledger, made anew only when an evaluation that it rests on changed."""
    model = work.project.model(name)
    build = digest("ranking", model.metric, [each.build for each in judged], left_out)
    last = work.store.ledger.latest(Ranking, name=name, where={"testset": testset, "build": build})
    if last is not None:
        return last.record
    metric = main_metric(model, metrics_of(work, model))
    versions = [version_record(work.store.ledger, name, each.version) for each in judged]
    said, seen = _judged_alike(work, versions, testset)
    unseen = [place for place, count in enumerate(seen) if not count]
    places = _places(metric, [said[place] for place in unseen], seed=versions[-1].seed)
    placed = dict(zip(unseen, places, strict=True))
    best = [judged[place].version for place in unseen if placed[place].among_best]
    found = Ranking(
        name=name,
        testset=testset,
        metric=metric.name,
        rows=judged[0].rows,
        versions=[
            _ranked(each, seen[place], placed.get(place) if len(unseen) > 1 else None)
            for place, each in enumerate(judged)
        ],
        best=best[0] if len(best) == 1 and len(unseen) > 1 else None,
        days=None if said[0].days is None else numbered(said[0].days)[1],
        left_out=left_out,
        build=build,
    )
    work.store.ledger.append(found, by=work.by)
    return found


def _judged_alike(work: Workplace, versions: Sequence[Version], testset: str) -> tuple[list[Judged], list[int | None]]:
    """What each version said about the same rows in the same order, and how many of them each has seen."""
    said, seen = [], []
    fed: list[tuple[object, pa.Table]] = []
    with examples_of(work, versions[0].name, testset) as examples:
        for version in versions:
            signature = signature_of(work, version.name, version.version)
            reads = (signature, relations_for(work, version))
            rows = next((rows for other, rows in fed if other == reads), None)
            if rows is None:
                rows = with_labels(examples.joined(*reads), testset)
                fed.append((reads, rows))
            said.append(judge_rows(packed_version(work, version.name, version.version), rows))
            seen.append(rows_seen(work, version, rows))
    if any(not np.array_equal(each.y, said[0].y) for each in said):
        raise WrongUse(
            f"The versions of {versions[0].name} do not answer the same question on {testset}.",
            next_step="Compare versions that predict the same label, two by two: `rondo compare`.",
        )
    return said, seen


def _places(metric: Metric, said: Sequence[Judged], seed: int) -> list[Place]:
    if not said:
        return []
    labelled = metric.task != "regression"
    sides = [(each.scores, each.labels if labelled else None) for each in said]
    return rank(metric, said[0].y, sides, blocks=said[0].days, draws=draws_for(len(said[0].y), said[0].days), seed=seed)


def _ranked(evaluation: Evaluation, seen: int | None, place: Place | None) -> Ranked:
    if place is None:
        return Ranked(version=evaluation.version, metrics=evaluation.metrics, seen=seen)
    return Ranked(
        version=evaluation.version,
        metrics=evaluation.metrics,
        seen=seen,
        best=place.best,
        behind=_figure(place.behind),
        among_best=place.among_best,
    )


def _figure(behind: Difference) -> Figure:
    return Figure(
        value=behind.difference, low=behind.low, high=behind.high, n=behind.n, standard_error=behind.standard_error,
        degrees=behind.degrees,
    )  # fmt: skip
