"""What the loop remembers: runs and their steps, what policies decided, replays, data that is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from rondo.records.development import Comparison, Figure

StepState = Literal["built", "fresh", "blocked", "failed", "skipped"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run. `version` is whole (`late@7`, `flights@v12`)."""

    name: str
    stage: str
    state: StepState
    reason: str | None = None
    version: str | None = None
    rows: int | None = None
    seconds: float | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one `rondo run` did."""

    KIND: ClassVar[str] = "runs"
    name: str
    state: Literal["done", "blocked", "failed"]
    steps: list[Step]
    as_of: datetime | None = None
    seconds: float = 0.0


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step that a run would take, and why."""

    name: str
    stage: str
    action: Literal["build", "keep"]
    why: Literal["stale", "due", "new"] | None = None
    reason: str | None = None


class RetrainDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What the retrain policy decided, on what evidence: `build` is the fingerprint of the data it saw.

    `alerts` are the ids of the alerts that it looked at.
    """

    KIND: ClassVar[str] = "retrain_decisions"
    name: str
    policy: str
    retrain: bool
    reason: str
    build: str
    alerts: list[str] = []


class DataRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to collect, and how much of it would decide; the newest record of an `id` counts.

    `why`: the requirement or slice `about` is undecided for want of rows, or the feature `about` is often missing.
    `rows_needed` (None: no number of rows would decide) are wanted where there are `rows_now`; at the rate seen so far
    that is in `days_needed` more days. `evidence` names the gate or the measurement that it rests on.
    """

    KIND: ClassVar[str] = "data_requests"
    INDEXED: ClassVar[tuple[str, ...]] = ("id",)
    name: str
    id: str
    state: Literal["open", "closed"]
    why: Literal["undecided", "missing"]
    about: str
    what: str
    rows_now: int
    rows_needed: int | None
    days_needed: float | None = None
    owner: str | None = None
    evidence: str = ""


class ReplayedMonth(msgspec.Struct, frozen=True, kw_only=True):
    """One month of a replay: the version in production at its end, and what the predictions came to."""

    month: str
    version: str | None
    rows: int
    metrics: dict[str, Figure]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of history played through the live path, in a state of its own.

    Of the `predictions`, `requests` went over HTTP to a server of that state; `differences` of them were answered
    otherwise than by `answer`, of which `differing` tells the first. `alerts` were opened. `comparisons` hold, a model,
    the last month's answers of what was in production then against those of the version of the start.
    """

    KIND: ClassVar[str] = "replays"
    name: str
    start: datetime
    end: datetime
    predictions: int
    outcomes: int
    trainings: int
    promotions: int
    rejections: int
    alerts: int
    seconds: dict[str, float]
    months: list[ReplayedMonth] = []
    requests: int = 0
    differences: int = 0
    differing: list[str] = []
    comparisons: list[Comparison] = []
