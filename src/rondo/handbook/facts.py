"""What the loop page shows. Whoever shows it composes these facts from records; the page asks nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rondo.records.deployment import Deployment
from rondo.records.development import Figure, Gate, State
from rondo.records.monitoring import Alert, Measurement

Need = Literal["alert", "blocked", "failed", "stale", "due", "gate_failed", "gate_undecided", "not_deployed", "nothing"]


@dataclass(frozen=True)
class TableFacts:
    """A source or a table: its newest version, and what its checks said. `checks_failed` counts checks, not rows."""

    name: str
    stage: Literal["source", "table"]
    summary: str | None = None
    version: str | None = None
    rows: int | None = None
    checks: int = 0
    checks_failed: int = 0
    quarantined: int = 0
    state: Literal["passed", "warned", "quarantined", "blocked"] = "passed"
    at: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class DatasetFacts:
    """What the newest version of the model was trained on."""

    rows: int
    features: int
    splits: Mapping[str, int]
    at: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class VersionFacts:
    """A version of the model: `figure` is its metric on its own test split."""

    name: str
    at: datetime
    trainer: str
    why: Literal["stale", "due", "new", "asked"]
    metric: str
    figure: Figure | None = None
    gate: State | None = None
    roles: tuple[str, ...] = ()
    candidates: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class Change:
    """One line of the history; `what` is the kind of the record."""

    at: datetime
    what: str
    name: str
    version: str | None = None
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Step:
    """The one thing that helps most now: what is the matter, with what, and the command that sees to it."""

    need: Need
    about: str
    command: str
    reason: str | None = None


@dataclass(frozen=True)
class LoopFacts:
    """How the loop stands at `now`. What has not happened yet is None or empty; nothing here is made up.

    `versions` are those of one model, oldest first; `gate` is the newest version's; `deployment` is production now.
    `positive` names what a binary model's label says; `higher_is_better` is the direction of the model's metric.
    `windows` hold its realised metric, a week each, oldest first, `positive_shares` the share of positive outcomes in
    the same way; `predictions` and `outcomes` count all.
    `alerts` are those that stand open, the worst first; `incident` is the id of the oldest open one.
    """

    project: str
    summary: str | None
    now: datetime
    timezone: str
    next: Step
    state: str = "live"
    model: str | None = None
    positive: str | None = None
    higher_is_better: bool = True
    tables: tuple[TableFacts, ...] = ()
    dataset: DatasetFacts | None = None
    versions: tuple[VersionFacts, ...] = ()
    gate: Gate | None = None
    gate_at: datetime | None = None
    deployment: Deployment | None = None
    deployed_at: datetime | None = None
    latency_p99_ms: float | None = None
    predictions: int = 0
    outcomes: int = 0
    windows: tuple[Measurement, ...] = ()
    positive_shares: tuple[Measurement, ...] = ()
    alerts: tuple[Alert, ...] = ()
    incident: str | None = None
    measured_at: datetime | None = None
    changes: tuple[Change, ...] = ()
    others: tuple[str, ...] = ()
