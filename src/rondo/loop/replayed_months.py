"""What a replay came to: month by month, and the last month's answers against those of the version of the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from rondo.deploy.answering import Answerer
from rondo.deploy.rollout import roles
from rondo.develop.comparing import compared
from rondo.develop.evaluating import Judged, figure
from rondo.develop.judging import main_metric, metrics_for
from rondo.features.signature import Signature, class_name
from rondo.features.values import microseconds
from rondo.loop.cohorts import answered
from rondo.loop.replayed_history import midnight
from rondo.loop.replayed_requests import Answered
from rondo.loop.versions import packed_version
from rondo.loop.workplace import Workplace
from rondo.models.encoding import encode_values
from rondo.monitor.windows import days_of
from rondo.project.models import Model
from rondo.records.development import Comparison
from rondo.records.running import ReplayedMonth
from rondo.records.versions import model_version
from rondo.stats.intervals import bootstrap
from rondo.stats.results import Floats


@dataclass
class Rivals:
    """One model's answers of the last month, beside what the version of the start says to the same rows.

    `first` is that version's number, `since` when the month begins.
    """

    work: Workplace
    model: Model
    first: int
    since: datetime
    moments_us: list[int] = field(default_factory=list)
    truth: list[float] = field(default_factory=list)
    scores: list[Floats] = field(default_factory=list)
    first_scores: list[Floats] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)

    def see(self, answerer: Answerer, found: Sequence[Answered]) -> None:
        """Take in answers whose outcome is known in the end, where both versions are fed the same columns."""
        packed = packed_version(self.work, self.model.name, self.first)
        of_month = [each for each in found if each.answer.moment >= self.since and each.label is not None]
        if not of_month or packed.signature.fed != answerer.signature.fed:
            return
        fed = [each.answer.fed for each in of_month]
        self.moments_us += [microseconds(each.answer.moment) for each in of_month]
        self.truth += _truth([each.label for each in of_month], packed.signature)
        self.scores.append(answerer.packed.score(encode_values(answerer.packed.encoder, fed)))
        self.first_scores.append(packed.score(encode_values(packed.encoder, fed)))
        self.versions.add(answerer.version)

    def compared(self) -> Comparison | None:
        """Production's answers − those of the version of the start, whole days drawn.

        None without rows, and where the version of the start gave all answers.
        """
        if not self.versions - {self.first}:
            return None
        zone = self.work.project.settings.timezone
        days = days_of(np.asarray(self.moments_us, dtype=np.int64), zone)
        truth = np.asarray(self.truth)
        metric = main_metric(self.model, metrics_for(self.model, self.work.project.metrics))
        name, last = self.model.name, max(self.versions)
        judged = []
        for version, scores in ((last, np.concatenate(self.scores)), (self.first, np.concatenate(self.first_scores))):
            labels = packed_version(self.work, name, version).label_numbers(scores)
            known = np.isfinite(truth)
            judged.append(Judged(truth[known], scores[known], labels[known], days[known]))
        return compared(
            name, judged[0], judged[1], names=(model_version(name, last), model_version(name, self.first)),
            testset=f"{self.since.astimezone(ZoneInfo(zone)):%Y-%m}", metrics=[metric], main=metric.name,
        )  # fmt: skip


def rivals(work: Workplace, model: Model, end: datetime) -> Rivals | None:
    """The version of a model that is in production now, to be held against what is so in the last month."""
    production = roles(work.store.ledger, model.name).get("production")
    if production is None:
        return None
    zone = ZoneInfo(work.project.settings.timezone)
    last = (end - timedelta(microseconds=1)).astimezone(zone).date()
    return Rivals(work, model, production.record.version, midnight(last.replace(day=1), zone))


def _truth(labels: Sequence[object], signature: Signature) -> list[float]:
    """Labels as class numbers, of regression as they are; NaN for one that the model does not know."""
    if signature.task == "regression":
        return [float(str(label)) for label in labels]
    numbers = {class_name(each): float(number) for number, each in enumerate(signature.classes)}
    return [numbers.get(_name(label), np.nan) for label in labels]


def _name(label: object) -> str:
    return class_name(label) if isinstance(label, str | int | float | bool) else str(label)


def months(work: Workplace, model: Model) -> tuple[list[ReplayedMonth], int]:
    """What the predictions of each month came to, and how many outcomes are known."""
    at_work = roles(work.store.ledger, model.name)
    if "production" not in at_work:
        return [], 0
    cohort = answered(work, model, at_work["production"].record.version)
    if cohort is None:
        return [], 0
    timezone = work.project.settings.timezone
    days = days_of(cohort.event_us, timezone)
    names = {int(day): f"{date(1970, 1, 1) + timedelta(days=int(day)):%Y-%m}" for day in np.unique(days)}
    labels = np.array([names[int(day)] for day in days])
    metrics = [main_metric(model, metrics_for(model, work.project.metrics))]
    found = []
    for month in sorted(set(names.values())):
        part = cohort.where(labels == month)
        judged = part.where(part.matured & np.isfinite(part.truth))
        blocks = days_of(judged.event_us, timezone)
        estimates = bootstrap(metrics, judged.truth, judged.score, judged.label, blocks=blocks, seed=0)
        version = str(part.version[-1]) if len(part) else None
        figures = {name: figure(estimate) for name, estimate in estimates.items()}
        found.append(ReplayedMonth(month=month, version=version, rows=len(part), metrics=figures))
    return found, int(np.isfinite(cohort.truth).sum())
