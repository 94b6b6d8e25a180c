"""What the loop remembers: runs and their steps."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from rondo.records.development import Figure

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
    """What the retrain policy decided, on what evidence: `build` is the fingerprint of the data it saw."""

    KIND: ClassVar[str] = "retrain_decisions"
    name: str
    policy: str
    retrain: bool
    reason: str
    build: str


class ReplayedMonth(msgspec.Struct, frozen=True, kw_only=True):
    """One month of a replay: the version in production at its end, and what the predictions came to."""

    month: str
    version: str | None
    rows: int
    metrics: dict[str, Figure]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of history played through the live path, in a state of its own."""

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
